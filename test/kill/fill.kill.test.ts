import { spawnSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openProject } from "../../src/main.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { type Campaign, differences, fill, type Kill, killAt as p, proofOf, SEED, stateOf, work } from "./campaign.ts";
import { CONCURRENCY, LIMIT, moveOn, NOW, sourceEnv, writeProject, writeWorld } from "./world.ts";

/** Instants at which fills are killed, in all; KILL_COUNT sets another number. */
const KILLS = Number(process.env.KILL_COUNT ?? 100);

const BODY = "\\.json\\.gz$";
const SIDECAR = "\\.meta\\.json$";
const IMAGE = "\\.parquet$";

/** Named instants, each list the kills of one fill in this order. */
const NAMED: Readonly<Record<string, readonly Kill[]>> = {
  "while the run is opened and taken over": [
    p("ledger.savePlan", "after"),
    p("ledger.openRun", "before"),
    p("ledger.openRun", "inside"),
    p("ledger.openRun", "after"),
    p("ledger.takeOver", "before"),
    p("ledger.takeOver", "inside"),
    p("ledger.takeOver", "after"),
  ],
  "around claims and requests": [
    p("ledger.claimFetches", "inside"),
    p("ledger.claimFetches", "after", 2),
    p("budget.acquire", "after", 3),
    p("http.send", "before", 4),
    p("http.send", "inside", 5),
    p("http.send", "after", 3),
    p("budget.release", "before", 4),
    p("ledger.settleChunk", "before", 3),
  ],
  "between bronze and the ledger": [
    p("rename", "before", 3, SIDECAR),
    p("rename", "after", 4, SIDECAR),
    p("rename", "before", 5, BODY),
    p("rename", "after", 4, BODY),
    p("ledger.adoptPage", "inside"),
    p("ledger.adoptPage", "after"),
    p("ledger.commitPage", "before", 3),
    p("ledger.commitPage", "inside", 4),
    p("ledger.commitPage", "after", 3),
  ],
  "as chunks are settled": [
    p("ledger.settleChunk", "inside", 2),
    p("ledger.settleChunk", "after", 3),
    p("ledger.commitPage", "after", 5),
    p("rename", "after", 2, BODY),
    p("rename", "after", 1, BODY),
    p("ledger.heartbeat", "after", 1),
  ],
  "as a publication begins": [
    p("ledger.beginPublication", "before"),
    p("ledger.beginPublication", "inside"),
    p("ledger.beginPublication", "after"),
    p("ledger.abandonPublication", "before"),
    p("ledger.abandonPublication", "inside"),
    p("store.publish", "before"),
    p("ledger.abandonPublication", "after"),
    p("duckdb", "after", 1, "^create (or replace )?temp table"),
  ],
  "inside the store's transaction": [
    p("duckdb", "inside", 1, "read_json"),
    p("duckdb", "after", 1, "read_json"),
    p("duckdb", "after", 1, "^begin transaction"),
    p("duckdb", "before", 2, "^insert into v1"),
    p("duckdb", "inside", 1, "^insert into v1"),
    p("duckdb", "after", 1, "^insert into v1"),
    p("duckdb", "after", 1, "^delete from quarantine"),
    p("duckdb", "before", 1, "^insert into receipt"),
    p("duckdb", "after", 1, "^insert into receipt"),
  ],
  "while rows are replaced and their images written": [
    p("duckdb", "before", 1, "^delete from v1"),
    p("duckdb", "after", 1, "^delete from v1"),
    p("duckdb", "before", 1, "^copy"),
    p("duckdb", "inside", 1, "^copy"),
    p("duckdb", "after", 1, "^copy"),
    p("rename", "before", 1, IMAGE),
    p("rename", "after", 1, IMAGE),
    p("duckdb", "after", 1, "history"),
  ],
  "around the two commits of a publication": [
    p("duckdb", "before", 1, "^commit"),
    p("duckdb", "inside", 1, "^commit"),
    p("duckdb", "after", 1, "^commit"),
    p("store.receipt", "after"),
    p("ledger.commitPublication", "before"),
    p("ledger.commitPublication", "inside", 1),
    p("ledger.commitPublication", "after", 1),
    p("store.publish", "after", 2),
    p("ledger.commitPublication", "inside", 2),
  ],
  "between repair rounds": [
    p("ledger.answeredTargets", "before"),
    p("ledger.answeredTargets", "after"),
    p("ledger.addChunks", "before"),
    p("ledger.addChunks", "inside"),
    p("ledger.addChunks", "after"),
    p("http.send", "inside"),
    p("rename", "after", 1, BODY),
    p("store.publish", "after"),
  ],
  "as the run is closed": [
    p("ledger.addChunks", "after"),
    p("ledger.closeRun", "before"),
    p("ledger.closeRun", "inside"),
    p("ledger.closeRun", "after"),
  ],
  "before its manifest": [p("ledger.commitPublication", "after", 3), p("rename", "before", 1, "manifest\\.json$")],
  "before its mark of success": [p("store.publish", "before", 3), p("rename", "after", 1, "manifest\\.json$")],
  "before its results": [p("duckdb", "after", 4, "^commit"), p("rename", "before", 1, "results\\.json$")],
};

/** Kills after which the run is closed: what is left to write is not needed for the truth, and nothing sweeps it. */
const CLOSED = /manifest|results|after ledger\.closeRun/;

const struck = new Map<string, number>();
const missed: string[] = [];
const folders: string[] = [];
let sandbox: Sandbox;
let base: string;
let calm: string;
let calmState: object;
let processes = 0;
const startedAt = performance.now();

beforeAll(async () => {
  console.log(`KILL_SEED=${SEED}`);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  // Compiles when a source is newer.
  spawnSync(process.execPath, [join(root, "bin", "retrofill.mjs"), "--version"]);
  const options = { nowMs: Date.parse(NOW), limits: [LIMIT] };
  base = await writeProject("early");
  const earlyData = await writeWorld("early");
  const data = await writeWorld("final");
  folders.push(base, earlyData, data);
  await using early = await startSandbox({ dataDir: earlyData, ...options });
  const first = await work(["--project", base, "--json", "run", "ohlcv"], { env: sourceEnv(early.url) });
  expect(first.exit, first.stderr).toBe(3);
  await moveOn(base);
  sandbox = await startSandbox({
    dataDir: data,
    ...options,
    faults: "transport",
    seed: 5,
    stallMs: 250,
    silentCapRows: 1_000,
  });
  calm = await copyOfBase();
  const undisturbed = await fill(calm, [], sourceEnv(sandbox.url));
  expect(undisturbed.end.exit, undisturbed.end.stderr).toBe(0);
  const report = sandbox.report();
  expect(report.repeated.count).toBe(0);
  expect(Object.keys(report.faults).length).toBeGreaterThan(2);
  await using opened = await openProject({ dir: calm });
  calmState = await stateOf(opened.project);
  expect(await proofOf(calm)).toEqual({ disputes: [], doubled: 0, faults: [], leftovers: [] });
  const { images, rows } = await differences(calm, calm);
  expect(images).toBeGreaterThan(100);
  expect(rows).toBeGreaterThan(10_000);
});

afterAll(async () => {
  await sandbox?.close();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  const total = [...struck.values()].reduce((sum, n) => sum + n, 0);
  const lines = [...struck]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `  ${String(n).padStart(3)}  ${name}`);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`${total} kills of ${processes} fills in ${seconds} s, KILL_SEED=${SEED}\n${lines.join("\n")}`);
  if (missed.length > 0) console.log(`not reached: ${missed.join(", ")}`);
});

describe("a fill that is killed and resumed equals one that was not", () => {
  it.each(Object.entries(NAMED))("%s", async (_, kills) => {
    const campaign = await suffer(kills);
    // Every named instant exists: one that is never reached proves nothing.
    expect(campaign.missed).toEqual([]);
  });

  it(`at random instants, until ${KILLS} kills struck`, async () => {
    const random = randomNumbers(SEED);
    while ([...struck.values()].reduce((sum, n) => sum + n, 0) < KILLS) {
      // A process works from about 0.6 s after its start; a whole fill takes 2 to 4 s.
      await suffer(Array.from({ length: 6 }, () => ({ afterMs: 450 + random() * 1_500 })));
    }
  });
});

/** Kills and resumes one fill, and holds what it left against the undisturbed one. */
async function suffer(kills: readonly Kill[]): Promise<Campaign> {
  await fetch(`${sandbox.url}/sandbox/reset`, { method: "POST" });
  const dir = await copyOfBase();
  const campaign = await fill(dir, kills, sourceEnv(sandbox.url));
  processes++;
  for (const name of campaign.struck) struck.set(name, (struck.get(name) ?? 0) + 1);
  missed.push(...campaign.missed);
  const report = sandbox.report();
  expect(campaign.end.exit, campaign.end.stderr).toBe(0);
  expect(report.windows.map(({ violations }) => violations)).toEqual([0]);
  expect(report.problems).toEqual([]);
  expect(report.repeated.count).toBeLessThanOrEqual(campaign.struck.length * CONCURRENCY);
  for (const { request, answers } of report.repeated.first) {
    expect(answers - 1, request).toBeLessThanOrEqual(campaign.inFlight.get(request) ?? 0);
  }
  const { rows, images, inserted, ...different } = await differences(calm, dir);
  expect([rows, images, inserted]).not.toContain(0);
  expect(new Set(Object.values(different)), JSON.stringify(different)).toEqual(new Set([0]));
  await using opened = await openProject({ dir });
  expect(await stateOf(opened.project)).toEqual(calmState);
  const proof = await proofOf(dir);
  const isLeft = (file: string): boolean => !campaign.struck.some((name) => CLOSED.test(name)) || !CLOSED.test(file);
  expect({ ...proof, leftovers: proof.leftovers.filter(isLeft) }).toEqual({
    disputes: [],
    doubled: 0,
    faults: [],
    leftovers: [],
  });
  await rm(dir, { recursive: true, force: true });
  return campaign;
}

async function copyOfBase(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "kill-project-"));
  folders.push(dir);
  await cp(base, dir, { recursive: true });
  return dir;
}

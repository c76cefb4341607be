import { spawnSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { host, openProject } from "../../src/main.ts";
import { adjusted, adjustmentFactors } from "../../src/pipelines/ohlcv/adjusted.ts";
import { dividends, stockSplits } from "../../src/pipelines/ohlcv/events.ts";
import { marketData } from "../../src/pipelines/ohlcv/market-data.ts";
import { marketDataV2 } from "../../src/pipelines/ohlcv/market-data-v2.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { command } from "../e2e/kit.ts";
import {
  type Campaign,
  carryOut,
  differences,
  type Job,
  type Kill,
  lastRun,
  killAt as p,
  proofOf,
  SEED,
  stateOf,
  work,
} from "./campaign.ts";
import { LIMIT, moveOn, NOW, sourceEnv, writeProject, writeWorld } from "./world.ts";

// What is made without asking: features and adjusted candles, tables made anew from bronze, runs that are taken back.

/** Bars of half an hour and longer: rows enough for several publications of this size. */
const MARKET = { only: ["30m", "1h", "1d"], publishRows: 1_000 };
const EVENTS = "ohlcv.stock_splits,ohlcv.dividends";
const ALL = `ohlcv+,${EVENTS}`;
const DATASETS = [marketData, marketDataV2, stockSplits, dividends, adjustmentFactors, adjusted];

const IMAGE = "history.dataset=ohlcv.market_data.version=1.[^/]*parquet$";
const INSERTED = "history.dataset=ohlcv.market_data_v2.version=1.inserted.[^/]*parquet$";
const SCRATCH = "rebuild\\.history.*parquet$";

type Named = Readonly<Record<string, readonly Kill[]>>;

/** Named instants, each list the kills of one run in this order. */
const BUILDING: Named = {
  "while the run is opened and its first part is announced": [
    p("ledger.savePlan", "after"),
    p("ledger.openRun", "inside"),
    p("ledger.openRun", "after"),
    p("ledger.lastChange", "after"),
    p("ledger.beginPublication", "inside"),
    p("ledger.beginPublication", "after"),
    p("ledger.abandonPublication", "inside"),
  ],
  "while features are made and written": [
    p("duckdb", "after", 1, "^create or replace temp table window_t"),
    p("duckdb", "inside", 1, "^insert into v1\\.market_data_v2"),
    p("duckdb", "after", 2, "^create or replace temp table staged_t"),
    p("duckdb", "after", 1, "^insert into receipt"),
    p("duckdb", "inside", 1, "^copy"),
    p("rename", "before", 1, INSERTED),
    p("rename", "after", 1, INSERTED),
  ],
  "around the two commits of a part, and between parts": [
    p("duckdb", "before", 2, "^commit"),
    p("duckdb", "after", 1, "^commit"),
    p("ledger.commitPublication", "inside"),
    p("ledger.commitPublication", "after", 2),
    p("duckdb", "after", 1, "^insert into v1\\.adjustment_factors"),
    p("duckdb", "inside", 2, "^insert into v1\\.ohlcv_adjusted"),
    p("ledger.closeRun", "before"),
    p("ledger.closeRun", "inside"),
  ],
};

const REMAKING: Named = {
  "while rows are made beside the data file": [
    p("ledger.openRun", "after"),
    p("ledger.beginPublication", "after"),
    p("duckdb", "inside", 1, "^insert into staged_t"),
    p("duckdb", "after", 1, "^insert into v1\\.market_data "),
    p("rename", "after", 1, SCRATCH),
    p("duckdb", "before", 1, "^commit"),
    p("duckdb", "after", 1, "^commit"),
  ],
  "while differences are written": [
    p("duckdb", "after", 1, "^attach"),
    p("duckdb", "after", 3, "^insert into image_t"),
    p("duckdb", "after", 1, "^insert into answer select"),
    p("duckdb", "after", 2, "^insert into receipt"),
    p("rename", "before", 1, `retrofill.${IMAGE}`),
    p("rename", "after", 1, `retrofill.${IMAGE}`),
    p("duckdb", "before", 2, "^commit"),
  ],
  "around the two commits, and between datasets": [
    p("duckdb", "after", 2, "^commit"),
    p("ledger.commitPublication", "inside", 1),
    p("ledger.commitPublication", "after", 1),
    p("duckdb", "inside", 1, "^delete from v1\\.market_data_v2"),
    p("ledger.commitPublication", "after", 2),
    p("ledger.commitPublication", "after", 4),
    p("ledger.closeRun", "inside"),
  ],
};

const REMAKING_LOST: Named = {
  "in the new data file": [
    p("duckdb", "after", 1, "^attach"),
    p("duckdb", "after", 10, "^insert into receipt"),
    p("duckdb", "after", 2, "^commit"),
    p("ledger.commitPublication", "after", 3),
    p("duckdb", "inside", 2, "^insert into v1\\.ohlcv_adjusted"),
  ],
};

const TAKING_BACK: Named = {
  "while the run is opened and announced": [
    p("store.laterTouches", "after"),
    p("ledger.openRun", "after"),
    p("ledger.coverageWithout", "after"),
    p("ledger.beginPublication", "inside"),
    p("ledger.beginPublication", "after"),
  ],
  "while rows are put back": [
    p("duckdb", "after", 1, "^create or replace temp table before_t"),
    p("duckdb", "after", 1, "^delete from v1\\.market_data "),
    p("duckdb", "inside", 1, "^insert into v1\\.market_data "),
    p("duckdb", "after", 1, "^delete from answer where object_no"),
    p("rename", "before", 1, IMAGE),
    p("rename", "after", 1, IMAGE),
    p("duckdb", "before", 1, "^commit"),
  ],
  "between the store's commit and the decision": [
    p("duckdb", "after", 1, "^commit"),
    p("ledger.commitPublication", "inside"),
    p("ledger.commitPublication", "after"),
    p("ledger.decide", "inside"),
    p("ledger.decide", "after"),
    p("duckdb", "before", 1, "^commit"),
    p("ledger.closeRun", "inside"),
  ],
};

interface Kind {
  readonly job: Job;
  /** The project before the command. */
  readonly from: string;
  /** The project after the command that nobody killed. */
  readonly calm: string;
  readonly state: object;
  readonly past: readonly unknown[];
  /** How long the command takes here. */
  readonly ms: number;
}

const NAMED = { build: BUILDING, reprocess: REMAKING, "reprocess a lost file": REMAKING_LOST, revert: TAKING_BACK };
type Name = keyof typeof NAMED;
const NAMES = Object.keys(NAMED) as Name[];

/** Kills in all; KILL_COUNT sets another number. Those beyond the named ones strike at random instants. */
const KILLS = Number(process.env.KILL_COUNT ?? NAMES.flatMap((name) => Object.values(NAMED[name]).flat()).length + 20);

const kinds = new Map<Name, Kind>();
const struck = new Map<string, number>();
const folders: string[] = [];
let sandbox: Sandbox;
/** Runs whose tables are read as they left them: the candles of the early state, and of the final one. */
let runs: readonly string[];
const startedAt = performance.now();

beforeAll(async () => {
  console.log(`KILL_SEED=${SEED}`);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  spawnSync(process.execPath, [join(root, "bin", "retrofill.mjs"), "--version"]);
  const options = { nowMs: Date.parse(NOW), limits: [LIMIT] };
  const [earlyData, data] = [await writeWorld("early"), await writeWorld("final")];
  folders.push(earlyData, data);
  const young = await copyOf(await writeProject("early", await newFolder()));
  {
    await using early = await startSandbox({ dataDir: earlyData, ...options });
    expect((await work(["--project", young, "--json", "run", "ohlcv"], { env: sourceEnv(early.url) })).exit).toBe(3);
  }
  await moveOn(young, MARKET);
  sandbox = await startSandbox({ dataDir: data, ...options });
  const filled = await copyOf(young);
  const ids = [await idOf(filled)];
  // The second one asks again for what one run may not.
  for (const selector of ["ohlcv", "ohlcv", EVENTS]) {
    const { exit, stderr } = await work(["--project", filled, "--json", "run", selector], {
      env: sourceEnv(sandbox.url),
    });
    expect([0, 3], stderr).toContain(exit);
    ids.push(await idOf(filled));
  }
  const build = { command: ["run", "ohlcv+"], after: ["run", "ohlcv+"] };
  runs = ids.slice(0, 2);
  const built = await learn("build", filled, build);
  const remake = { command: ["reprocess", "ohlcv", "--reason", "a bad disk"], after: build.command };
  const damaged = await copyOf(built);
  await damage(damaged);
  const remade = await learn("reprocess", damaged, remake);
  const lost = await copyOf(built);
  await rm(join(lost, ".retrofill", "data.duckdb"));
  const regained = await learn("reprocess a lost file", lost, remake);
  const undo = { command: ["revert", ids[1] as string, "--reason", "a bad answer"], after: ["audit", "verify"] };
  const reverted = await learn("revert", built, undo);

  // What the undisturbed ones left is right: as before the damage, and as before the run that was taken back.
  for (const dataset of DATASETS) {
    expect(await differences(built, remade, { dataset, objects: true, images: false })).toMatchObject(SAME);
    expect(await differences(built, regained, { dataset, objects: true, images: false })).toMatchObject(SAME);
  }
  expect(await differences(young, reverted, { objects: true, images: false })).toMatchObject(SAME);
  for (const name of NAMES) {
    const { calm, state, ms } = kinds.get(name) as Kind;
    console.log(`${name}: ${Math.round(ms)} ms, ${JSON.stringify((state as { summary: object }).summary)}`);
    expect(await proofOf(calm, ALL), name).toEqual(PROVEN);
  }
}, 240_000);

const SAME = { "rows missing": 0, "rows too many": 0, doubled: 0 };
const PROVEN = { disputes: [], doubled: 0, faults: [], leftovers: [] };

afterAll(async () => {
  await sandbox?.close();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  const lines = [...struck]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `  ${String(n).padStart(3)}  ${name}`);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`${struckSoFar()} kills in ${seconds} s, KILL_SEED=${SEED}\n${lines.join("\n")}`);
});

describe.each(NAMES)("%s that is killed and resumed equals one that was not", (name) => {
  it.each(Object.entries(NAMED[name]))("%s", async (_, kills) => {
    const campaign = await suffer(name, kills);
    // Every named instant exists: one that is never reached proves nothing.
    expect(campaign.missed).toEqual([]);
  });
});

it("a revert that was killed is resumed, not begun again, nor left half-way", async () => {
  const { from, job, calm } = kinds.get("revert") as Kind;
  const dir = await copyOf(from);
  const [env, args] = [sourceEnv(sandbox.url), ["--project", dir, "--json"]];
  const first = await work([...args, ...job.command], {
    env,
    killAt: { at: "duckdb", when: "after", nth: 1, text: "^commit" },
  });
  expect(first.signal).toBe("SIGKILL");
  const run = await idOf(dir);
  const resume = `resume ${run}`;
  for (const other of [job.command, ["cancel", run]]) {
    const refused = await work([...args, ...other], { env });
    expect([refused.exit, JSON.parse(refused.stdout).error]).toMatchObject([
      5,
      { code: "RUN_STATE", hint: expect.stringContaining(`retrofill ${resume}`) },
    ]);
  }
  expect((await work([...args, ...resume.split(" ")], { env })).exit).toBe(0);
  expect(await differences(calm, dir, { objects: true })).toMatchObject({ ...SAME, "images too many": 0 });
});

it(`whatever is made without asking, at random instants, until ${KILLS} kills struck`, async () => {
  const random = randomNumbers(SEED);
  // The share of a command's time within which it is struck: less where the machine has become faster since.
  let within = 1;
  for (let turn = 0; struckSoFar() < KILLS; turn++) {
    const name = NAMES[turn % NAMES.length] as Name;
    const { ms } = kinds.get(name) as Kind;
    const kills = Array.from({ length: 5 }, () => ({ afterMs: within * ms * (0.2 + 0.8 * random()) }));
    const { missed } = await suffer(name, kills);
    within *= missed.length > 2 ? 0.7 : 1.1;
  }
});

const struckSoFar = (): number => [...struck.values()].reduce((sum, n) => sum + n, 0);

/** Kills and resumes one command, and holds what it left against what the undisturbed one left. */
async function suffer(name: Name, kills: readonly Kill[]): Promise<Campaign> {
  const { from, calm, job, state, past } = kinds.get(name) as Kind;
  const asked = sandbox.report().requests;
  const dir = await copyOf(from);
  const campaign = await carryOut(dir, kills, sourceEnv(sandbox.url), job);
  for (const one of campaign.struck) struck.set(`${name} ${one}`, (struck.get(`${name} ${one}`) ?? 0) + 1);
  expect(campaign.end.exit, campaign.end.stderr).toBe(0);
  expect(sandbox.report().requests - asked).toBe(0);
  for (const dataset of DATASETS) {
    const { rows, images, inserted, ...different } = await differences(calm, dir, { dataset, objects: true });
    expect(new Set(Object.values(different)), `${dataset.name} ${JSON.stringify(different)}`).toEqual(new Set([0]));
  }
  {
    await using opened = await openProject({ dir });
    expect(await stateOf(opened.project, DATASETS)).toEqual(state);
  }
  expect(await pastOf(dir)).toEqual(past);
  expect(await proofOf(dir, ALL)).toEqual(PROVEN);
  await rm(dir, { recursive: true, force: true });
  return campaign;
}

/** Has a command done by nobody who is killed, in a copy of `from`, and keeps what it left as the truth. */
async function learn(name: Name, from: string, job: Job): Promise<string> {
  const calm = await copyOf(from);
  const asked = sandbox.report().requests;
  const { end } = await carryOut(calm, [], sourceEnv(sandbox.url), job);
  expect(end.exit, end.stderr).toBe(0);
  expect(sandbox.report().requests - asked).toBe(0);
  // Opened here it would be locked for other processes, so a copy is.
  const copy = await copyOf(calm);
  await using opened = await openProject({ dir: copy });
  kinds.set(name, {
    job,
    from,
    calm: copy,
    state: await stateOf(opened.project, DATASETS),
    past: await pastOf(copy),
    ms: end.ms,
  });
  return calm;
}

/** The tables as earlier runs left them. */
async function pastOf(dir: string): Promise<readonly unknown[]> {
  const past = [];
  for (const run of runs) {
    for (const table of ["market_data", "market_data_v2"]) {
      const digest = `select count(*) as n, md5(string_agg(t::varchar, ' ' order by symbol, timeframe, ts)) as rows from ${table} t`;
      const { json, err, exit } = await command(host, ["--project", dir, "--json", "sql", digest, "--as-of", run]);
      if (exit !== 0) throw new Error(err);
      past.push([run, table, json.rows]);
    }
  }
  return past;
}

/** Rows that changed, went and came in the data file without anybody's knowledge. */
async function damage(dir: string): Promise<void> {
  const instance = await DuckDBInstance.create(join(dir, ".retrofill", "data.duckdb"));
  const connection = await instance.connect();
  const nth = (n: number): string => `(epoch_ms(ts) // 3600000) % ${n} = 0`;
  try {
    for (const statement of [
      `insert into v1.market_data select c.* replace (c.ts + interval 1 hour as ts) from v1.market_data c
       anti join v1.market_data d on d.symbol = c.symbol and d.timeframe = c.timeframe and d.ts = c.ts + interval 1 hour
       where c.timeframe = '1h' and c.ts < (select max(ts) from v1.market_data) - interval 1 day`,
      `update v1.market_data set close = close + 1 where ${nth(5)}`,
      `delete from v1.market_data where timeframe in ('1h', '30m') and ${nth(7)}`,
      `update v1.market_data_v2 set atr = 2 * atr, object_no = 1 where ${nth(5)}`,
      `delete from v1.market_data_v2 where ${nth(11)}`,
      `delete from v1.ohlcv_adjusted where ${nth(3)}`,
      `update v1.stock_splits set split_ratio = 7`,
    ]) {
      await connection.run(statement);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const idOf = async (dir: string): Promise<string> => (await lastRun(dir))?.id ?? "";

async function newFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "kill-remake-"));
  folders.push(dir);
  return dir;
}

async function copyOf(project: string): Promise<string> {
  const dir = await newFolder();
  await cp(project, dir, { recursive: true });
  return dir;
}

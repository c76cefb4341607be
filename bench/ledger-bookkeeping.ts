import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { instant } from "../src/core/time/instant.ts";
import { openTrialLedger, TRIAL_SOURCE, trialChunk, trialOwner, trialPlan } from "./ledger-trial.ts";

// Bookkeeping of chunks that do nothing: claimed, then settled as fetched, each one durable and in the hash chain
// before its worker goes on. Beside it the machine's own pace: durable one-row transactions of the same SQLite.

const CHUNKS = 20_000;
const CONCURRENCY = 64;
const ROUNDS = 3;

const raw: number[] = [];
const kept: { perSecond: number; perCommit: number; openMs: number }[] = [];
for (let round = 0; round < ROUNDS; round++) {
  raw.push(await rawCommitsPerSecond());
  kept.push(await bookkeeping());
}

const best = (numbers: readonly number[]): number => Math.max(...numbers);
const rawBest = best(raw);
console.log(`chunk bookkeeping, ${CHUNKS} chunks, ${CONCURRENCY} at a time, synchronous FULL, hash chain on`);
console.table({
  "raw one-row transactions": { "per second": Math.round(rawBest), ratio: 1, "group size": 1 },
  ...Object.fromEntries(
    kept.map(({ perSecond, perCommit }, i) => [
      `chunks, round ${i + 1}`,
      {
        "per second": Math.round(perSecond),
        ratio: Number((perSecond / rawBest).toFixed(2)),
        "group size": Number(perCommit.toFixed(1)),
      },
    ]),
  ),
});
console.log(`opening a run of ${CHUNKS} chunks: ${kept.map(({ openMs }) => `${Math.round(openMs)} ms`).join(", ")}`);

async function rawCommitsPerSecond(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "retrofill-raw-"));
  const file = new Database(join(folder, "raw.db"));
  file.exec("pragma journal_mode = wal");
  file.exec("pragma synchronous = full");
  file.exec("create table note (id integer primary key, text text not null)");
  const insert = file.prepare("insert into note (text) values (?)");
  const commits = 3_000;
  const started = performance.now();
  for (let i = 0; i < commits; i++) insert.run(["x".repeat(200)]);
  const perSecond = commits / ((performance.now() - started) / 1_000);
  file.close();
  await rm(folder, { recursive: true, force: true });
  return perSecond;
}

async function bookkeeping(): Promise<{ perSecond: number; perCommit: number; openMs: number }> {
  await using trial = await openTrialLedger();
  const { ledger, database } = trial;
  const plan = trialPlan("plan-1");
  await ledger.savePlan(plan);
  const chunks = Array.from({ length: CHUNKS }, (_, i) => trialChunk(`key-${i % 500}`, i, i + 1));
  const opening = performance.now();
  const run = await ledger.openRun(plan, "run-1", trialOwner(1), chunks, now());
  const openMs = performance.now() - opening;
  if (!run) throw new Error("unreachable: the plan was not applied before");

  const before = database.commits;
  const started = performance.now();
  const active = new Set<Promise<void>>();
  let settled = 0;
  for (;;) {
    const claimed = await ledger.claimFetches(run, {
      limit: CONCURRENCY - active.size,
      sources: [TRIAL_SOURCE],
      now: now(),
      isAlive: () => true,
    });
    for (const chunk of claimed.chunks) {
      const task: Promise<void> = ledger.settleChunk(chunk, { event: "fetched" }, now()).then(() => {
        settled++;
        active.delete(task);
      });
      active.add(task);
    }
    if (active.size === 0) break;
    await Promise.race(active);
  }
  const seconds = (performance.now() - started) / 1_000;
  if (settled !== CHUNKS) throw new Error(`unreachable: ${settled} of ${CHUNKS} chunks were settled`);
  const commits = database.commits - before;
  return { perSecond: settled / seconds, perCommit: settled / commits, openMs };
}

function now(): ReturnType<typeof instant> {
  return instant(Date.now());
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LedgerDatabase } from "../src/adapters/ledger/database.ts";
import { createLedger } from "../src/adapters/ledger/ledger.ts";
import { type SeriesKey, seriesKey } from "../src/core/dataset/series.ts";
import { type Plan, requestFor } from "../src/core/plan/plan.ts";
import { HOUR, type Instant, instant } from "../src/core/time/instant.ts";
import type { Ledger, NewChunk, Owner } from "../src/engine/ledger-port.ts";

/** A ledger in a temporary folder, closed and removed at the end of `await using`. */
export interface TrialLedger extends AsyncDisposable {
  readonly database: LedgerDatabase;
  readonly ledger: Ledger;
  readonly path: string;
}

export const TRIAL_DATASET = "trial.hours";
export const TRIAL_SOURCE = "trial";
export const TRIAL_START = instant(Date.parse("2024-01-01T00:00:00Z"));
export const TRIAL_NOW = instant(Date.parse("2026-03-20T20:00:00Z"));

export async function openTrialLedger(clock: () => number = () => Date.now()): Promise<TrialLedger> {
  const folder = await mkdtemp(join(tmpdir(), "retrofill-ledger-"));
  const path = join(folder, "ledger.db");
  const database = await LedgerDatabase.open(path, clock);
  return {
    database,
    ledger: createLedger(database),
    path,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A plan with nothing in it but what the ledger keeps of one. */
export function trialPlan(id: string): Plan {
  return {
    id,
    createdAt: TRIAL_NOW,
    expiresAt: instant(TRIAL_NOW + 24 * HOUR),
    actor: "trial",
    reason: null,
    businessNow: TRIAL_NOW,
    mode: "backfill",
    kind: "dataset",
    overrideState: false,
    request: requestFor("trial", { maxConcurrent: 8 }),
    series: [],
    steps: [],
    repair: { rounds: 2, calls: 2 },
    settings: {},
    limits: "5/2s",
    cost: { calls: 0, minutes: 0, rows: 0, bytes: 0, providers: [], choices: [], savedCalls: 0 },
    fingerprint: { declarations: "", registry: {}, coverage: {} },
    hash: "",
  };
}

/** A fetch chunk over the hours `[from, to)` after the trial's start. */
export function trialChunk(key: string | SeriesKey, from: number, to: number, round = 0): NewChunk {
  return {
    kind: "fetch",
    round,
    dataset: TRIAL_DATASET,
    version: 1,
    key: seriesKey([key]),
    source: TRIAL_SOURCE,
    window: { start: trialHour(from), end: trialHour(to) },
  };
}

export function trialHour(n: number): Instant {
  return instant(TRIAL_START + n * HOUR);
}

/** An owner that no other test or process is. */
export function trialOwner(pid: number): Owner {
  return { host: "trial", pid, processStarted: 1 };
}

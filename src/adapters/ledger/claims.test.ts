import { describe, expect, it } from "vitest";
import {
  openTrialLedger,
  TRIAL_DATASET,
  TRIAL_NOW,
  TRIAL_SOURCE,
  type TrialLedger,
  trialChunk,
  trialHour,
  trialOwner,
  trialPlan,
} from "../../../bench/ledger-trial.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Ledger, NewChunk, RunRecord } from "../../engine/ledger-port.ts";

describe("claims", () => {
  it("hand out chunks in the order of the plan, each to one worker, deferred ones when their time has come", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const run = await open(
      trial,
      "run-1",
      [0, 1, 2, 3].map((n) => trialChunk("A", n, n + 1)),
    );
    const first = await ledger.claimFetches(run, claiming(2));
    expect(first.chunks.map((chunk) => chunk.seq)).toEqual([1, 2]);
    const until = instant(TRIAL_NOW + 1_000);
    const [one] = first.chunks;
    if (!one) throw new Error("unreachable: two chunks were claimed");
    await ledger.settleChunk(one, { event: "defer", until, reason: "http 503", countsAttempt: true }, TRIAL_NOW);
    const second = await ledger.claimFetches(run, claiming(9));
    expect(second).toMatchObject({ waiting: 1, nextAt: until, blockedBy: [] });
    expect(second.chunks.map((chunk) => chunk.seq)).toEqual([3, 4]);
    const third = await ledger.claimFetches(run, claiming(9, until));
    expect(third.chunks.map((chunk) => [chunk.seq, chunk.attempt])).toEqual([[1, 2]]);
    expect(third).toMatchObject({ waiting: 0, nextAt: null });
  });

  it("count what waits up to a thousand", async () => {
    await using trial = await openTrialLedger();
    const run = await open(
      trial,
      "run-1",
      Array.from({ length: 1_500 }, (_, n) => trialChunk("A", n, n + 1)),
    );
    expect((await trial.ledger.claimFetches(run, claiming(1))).waiting).toBe(1_000);
  });

  it("are none while somebody asked the run to stop", async () => {
    await using trial = await openTrialLedger();
    const run = await open(trial, "run-1", [trialChunk("A", 0, 1)]);
    await trial.ledger.setControl(run.id, "pause", "somebody");
    expect(await trial.ledger.claimFetches(run, claiming(9))).toMatchObject({ chunks: [], waiting: 1 });
  });
});

describe("a chunk that an older live run has reserved", () => {
  it("waits, is named, and is looked at again once it is free", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const older = await open(trial, "run-1", [trialChunk("A", 0, 4), trialChunk("B", 0, 4)]);
    const younger = await open(trial, "run-2", [trialChunk("A", 3, 8), trialChunk("A", 4, 8), trialChunk("C", 0, 4)]);
    const held = await ledger.claimFetches(younger, claiming(9));
    expect(held.chunks.map((chunk) => chunk.seq)).toEqual([2, 3]);
    expect(held).toMatchObject({ waiting: 1, blockedBy: ["run-1"] });
    // The older run does not wait for the younger.
    const own = await ledger.claimFetches(older, claiming(9));
    expect(own).toMatchObject({ blockedBy: [], waiting: 0 });
    for (const chunk of own.chunks) await ledger.settleChunk(chunk, { event: "fetched" }, TRIAL_NOW);
    // Fetched and not published yet: still reserved, since asking again would pay twice.
    expect((await ledger.claimFetches(younger, claiming(9))).blockedBy).toEqual(["run-1"]);
    await ledger.closeRun(older.id, older.fence, "succeeded", {}, TRIAL_NOW);
    const free = await ledger.claimFetches(younger, claiming(9));
    expect(free.chunks.map((chunk) => [chunk.seq, chunk.recheck])).toEqual([[1, true]]);
  });

  it("holds back the older run too while the younger has it under way", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const older = await open(trial, "run-1", []);
    const younger = await open(trial, "run-2", [trialChunk("A", 0, 4), trialChunk("A", 4, 8)]);
    const [asking] = (await ledger.claimFetches(younger, claiming(1))).chunks;
    if (!asking) throw new Error("unreachable: there were two chunks");
    // Added later, as a repair is.
    await ledger.addChunks(older.id, [trialChunk("A", 1, 2), trialChunk("A", 5, 6)], older.fence);
    const first = await ledger.claimFetches(older, claiming(9));
    expect(first).toMatchObject({ waiting: 1, blockedBy: ["run-2"] });
    expect(first.chunks.map((chunk) => [chunk.window.start, chunk.recheck])).toEqual([[trialHour(5), true]]);
    await ledger.settleChunk(asking, { event: "fetched" }, TRIAL_NOW);
    expect((await ledger.claimFetches(older, claiming(9))).blockedBy).toEqual(["run-2"]);
  });

  it("is looked at again where the other run has closed since the plan was made", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const other = await open(trial, "run-1", [trialChunk("A", 0, 4)]);
    const run = await open(trial, "run-2", [trialChunk("A", 0, 4)]);
    await ledger.closeRun(other.id, other.fence, "succeeded", {}, TRIAL_NOW);
    const [chunk] = (await ledger.claimFetches(run, claiming(9))).chunks;
    expect(chunk?.recheck).toBe(true);
  });

  it("does not wait for a run whose process is dead, nor for another version of the dataset", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    await open(trial, "run-1", [trialChunk("A", 0, 4)]);
    await open(trial, "run-2", [{ ...trialChunk("B", 0, 4), version: 2 }]);
    const younger = await open(trial, "run-3", [trialChunk("A", 0, 4), trialChunk("B", 0, 4)]);
    const claimed = await ledger.claimFetches(younger, {
      ...claiming(9),
      isAlive: (owner) => owner.pid !== pidOf("run-1"),
    });
    expect(claimed.chunks).toHaveLength(2);
  });

  it("does not stop those behind it", async () => {
    await using trial = await openTrialLedger();
    await open(trial, "run-1", [trialChunk("A", 0, 500)]);
    const blocked = Array.from({ length: 300 }, (_, n) => trialChunk("A", n, n + 1));
    const younger = await open(trial, "run-2", [...blocked, trialChunk("B", 0, 1)]);
    const claimed = await trial.ledger.claimFetches(younger, claiming(1));
    expect(claimed.chunks.map((chunk) => chunk.key)).toEqual(["B"]);
  });
});

describe("giving up", () => {
  it("keeps what was answered before and splits off the rest", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const run = await open(trial, "run-1", [trialChunk("A", 0, 8)]);
    const [chunk] = (await ledger.claimFetches(run, claiming(1))).chunks;
    if (!chunk) throw new Error("unreachable: there was one chunk");
    const progress = { page: 1, from: trialHour(3), next: null, complete: false };
    await ledger.settleChunk({ ...chunk, progress }, { event: "failed", reason: "cut body" }, TRIAL_NOW);
    const chunks = await ledger.chunks(run.id);
    expect(chunks.map((one) => [one.id, one.status, one.window.start, one.window.end])).toEqual([
      ["run-1.1", "fetched", trialHour(0), trialHour(3)],
      ["run-1.1b", "failed", trialHour(3), trialHour(8)],
    ]);
    const segments = await ledger.segments(TRIAL_DATASET, 1);
    expect([...segments.values()].flat()).toEqual([
      { start: trialHour(3), end: trialHour(8), state: "failed", asked: 0, reason: "cut body", chunk: "run-1.1b" },
    ]);
    expect(await ledger.unansweredCalls(run.id)).toEqual({ unanswered: 1, deferred: 0 });
  });

  it("remembers when each refusal was received, also when a part of it is answered later", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const run = await open(trial, "run-1", [trialChunk("A", 0, 8), trialChunk("A", 2, 4)]);
    const [refused, answered] = (await ledger.claimFetches(run, claiming(2))).chunks;
    if (!refused || !answered) throw new Error("unreachable: there were two chunks");
    await ledger.settleChunk(refused, { event: "refused", reason: "plan", called: false }, TRIAL_NOW);
    expect(await ledger.refusedAt(TRIAL_DATASET, 1)).toEqual(new Map([[refused.id, TRIAL_NOW]]));
    const later = instant(TRIAL_NOW + 60_000);
    await ledger.settleChunk(answered, { event: "fetched" }, later);
    const build = { ...trialChunk("*", 0, 8), kind: "build" as const, source: null };
    const publication = await ledger.beginPublication(run.id, run.fence, build, { members: [answered.id] });
    const counts = { received: 0, inserted: 0, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, retracted: 0 };
    await ledger.commitPublication(
      {
        chunkId: publication.id,
        fence: publication.fence,
        dataset: TRIAL_DATASET,
        version: 1,
        counts,
        quarantinedBy: {},
        rowsBySeries: {},
        findings: new Map([
          [answered.key, { answered: [{ ...answered.window, chunk: answered.id }], holes: [], blocked: [] }],
        ]),
        built: new Map(),
        members: [answered.id],
        changes: [],
      },
      later,
    );
    expect((await ledger.segments(TRIAL_DATASET, 1)).get(answered.key)?.map((one) => one.state)).toEqual([
      "refused",
      "covered",
      "refused",
    ]);
    expect(await ledger.refusedAt(TRIAL_DATASET, 1)).toEqual(new Map([[refused.id, TRIAL_NOW]]));
    expect(await ledger.unansweredCalls(run.id)).toEqual({ unanswered: 0, deferred: 0 });
  });
});

describe("publications that a dead process left half-way", () => {
  it("are found by whoever comes next, also when their run was cancelled meanwhile", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const build = { ...trialChunk("*", 0, 8), kind: "build" as const, source: null };
    const dead = await open(trial, "run-1", []);
    const cancelled = await open(trial, "run-2", []);
    const alive = await open(trial, "run-3", []);
    const ids: string[] = [];
    for (const run of [dead, cancelled, alive]) {
      ids.push((await ledger.beginPublication(run.id, run.fence, build, { members: [] })).id);
    }
    await ledger.cancelOpenChunks(cancelled.id, "cancelled by somebody");
    await ledger.closeRun(cancelled.id, cancelled.fence, "cancelled", {}, TRIAL_NOW);
    const halfway = await ledger.halfway(TRIAL_DATASET, 1, (owner) => owner.pid !== pidOf("run-1"));
    expect(halfway.map((chunk) => chunk.id)).toEqual(ids.slice(0, 2));
  });
});

/** A claim of `limit` chunks of the trial's source, of a worker that takes all others for alive. */
function claiming(limit: number, now: Instant = TRIAL_NOW): Parameters<Ledger["claimFetches"]>[1] {
  return { limit, sources: [TRIAL_SOURCE], now, isAlive: () => true };
}

async function open(trial: TrialLedger, id: string, chunks: readonly NewChunk[]): Promise<RunRecord> {
  const plan = trialPlan(`plan-of-${id}`);
  await trial.ledger.savePlan(plan);
  const run = await trial.ledger.openRun(plan, id, trialOwner(pidOf(id)), chunks, TRIAL_NOW);
  if (!run) throw new Error("unreachable: the plan was not applied before");
  return run;
}

function pidOf(run: string): number {
  return Number(run.slice("run-".length));
}

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
import { asSeriesKey } from "../../core/dataset/series.ts";
import type { ChunkRecord, RunRecord } from "../../engine/ledger-port.ts";

const A = asSeriesKey("A");
const EIGHT_HOURS = { start: trialHour(0), end: trialHour(8) };

describe("a publication", () => {
  it("makes coverage, members and row counts true together, once, whoever commits its receipt", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const { run, member } = await fetched(trial);
    const build = await begin(trial, run, member);
    expect(await ledger.segments(TRIAL_DATASET, 1)).toEqual(new Map());
    // The process dies here; another one finds the receipt, and the first one was only asleep.
    await ledger.takeOver(run.id, trialOwner(2), TRIAL_NOW, "resume");
    await commit(trial, build, member, { inserted: 8, retracted: 0 });
    await commit(trial, build, member, { inserted: 8, retracted: 0 });
    expect((await ledger.segments(TRIAL_DATASET, 1)).get(A)?.map((one) => one.state)).toEqual(["covered"]);
    expect(await ledger.chunks(run.id)).toMatchObject([{ status: "published" }, { status: "published" }]);
    expect(await ledger.unpublished(TRIAL_DATASET, 1)).toEqual([]);
    expect(await ledger.expectedRows(TRIAL_DATASET, 1)).toEqual(new Map([[A, 8]]));
  });

  it("that was abandoned leaves its members to be published by the next", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const { run, member } = await fetched(trial);
    await ledger.abandonPublication(await begin(trial, run, member), "the process ended");
    expect((await ledger.unpublished(TRIAL_DATASET, 1)).map((chunk) => chunk.id)).toEqual([member.id]);
    const again = await begin(trial, run, member);
    await commit(trial, again, member, { inserted: 8, retracted: 3 });
    expect(await ledger.expectedRows(TRIAL_DATASET, 1)).toEqual(new Map([[A, 5]]));
  });

  it("cannot be begun by a worker that was taken over", async () => {
    await using trial = await openTrialLedger();
    const { run, member } = await fetched(trial);
    await trial.ledger.takeOver(run.id, trialOwner(2), TRIAL_NOW, "resume");
    await expect(begin(trial, run, member)).rejects.toMatchObject({ code: "RUN_STATE" });
  });
});

it("a dispute touches only what was answered", async () => {
  await using trial = await openTrialLedger();
  const { ledger } = trial;
  const { run, member } = await fetched(trial);
  await commit(trial, await begin(trial, run, member), member, { inserted: 8, retracted: 0 });
  await ledger.dispute(TRIAL_DATASET, 1, A, {
    spans: [{ start: trialHour(6), end: trialHour(12) }],
    reason: "2 rows lost",
  });
  expect((await ledger.segments(TRIAL_DATASET, 1)).get(A)).toMatchObject([
    { start: trialHour(0), end: trialHour(6), state: "covered" },
    { start: trialHour(6), end: trialHour(8), state: "disputed", reason: "2 rows lost" },
  ]);
});

async function fetched(trial: TrialLedger): Promise<{ readonly run: RunRecord; readonly member: ChunkRecord }> {
  const { ledger } = trial;
  const plan = trialPlan("plan-1");
  await ledger.savePlan(plan);
  const run = await ledger.openRun(plan, "run-1", trialOwner(1), [trialChunk("A", 0, 8)], TRIAL_NOW);
  if (!run) throw new Error("unreachable: the plan was not applied before");
  const [member] = (
    await ledger.claimFetches(run, {
      limit: 1,
      sources: [TRIAL_SOURCE],
      now: TRIAL_NOW,
      isAlive: () => true,
    })
  ).chunks;
  if (!member) throw new Error("unreachable: there was one chunk");
  await ledger.settleChunk(member, { event: "fetched" }, TRIAL_NOW);
  return { run, member };
}

function begin(trial: TrialLedger, run: RunRecord, member: ChunkRecord): Promise<ChunkRecord> {
  const publication = { ...trialChunk("*", 0, 8), kind: "build" as const, source: null };
  return trial.ledger.beginPublication(run.id, run.fence, publication, { members: [member.id] });
}

function commit(
  trial: TrialLedger,
  build: ChunkRecord,
  member: ChunkRecord,
  rows: { readonly inserted: number; readonly retracted: number },
): Promise<void> {
  const counts = { received: 8, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, ...rows };
  return trial.ledger.commitPublication(
    {
      chunkId: build.id,
      fence: build.fence,
      dataset: TRIAL_DATASET,
      version: 1,
      counts,
      quarantinedBy: {},
      rowsBySeries: { A: { ...rows, updated: 0 } },
      findings: new Map([[A, { answered: [{ ...EIGHT_HOURS, chunk: member.id }], holes: [], blocked: [] }]]),
      built: new Map(),
      members: [member.id],
      changes: [{ key: A, ...EIGHT_HOURS }],
    },
    TRIAL_NOW,
  );
}

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
import { verifyAudit } from "../../engine/prove/audit.ts";
import { ledgerAudit } from "./audit.ts";
import { LEDGER_STREAM } from "./events.ts";

describe("an audit", () => {
  it("finds nothing in a ledger that nobody touched", async () => {
    await using trial = await filled();
    expect(await faultsOf(trial)).toEqual([]);
  });

  it("replays claims in the order of recording, although the clock jumps back and runs take turns", async () => {
    let now = 1_000_000;
    await using trial = await openTrialLedger(() => {
      now -= 1_000;
      return now;
    });
    // Names in the other order than the runs were opened.
    await publish(trial, "run-z", { holes: true });
    await publish(trial, "run-a", { holes: true });
    expect((await trial.ledger.segments(TRIAL_DATASET, 1)).get(A)?.map((one) => one.state)).toEqual([
      "covered",
      "empty",
      "covered",
    ]);
    expect(await faultsOf(trial)).toEqual([]);
  });

  it("names an interval of coverage that was edited", async () => {
    await using trial = await filled();
    await trial.database.db
      .updateTable("coverage")
      .set({ end_ms: trialHour(9) })
      .execute();
    expect(await faultsOf(trial)).toEqual([
      "coverage of trial.hours@1 A: events say covered [2024-01-01, 2024-01-01 08:00Z), the table does not",
      "coverage of trial.hours@1 A: the table says covered [2024-01-01, 2024-01-01 09:00Z), no event does",
    ]);
  });

  it("names an interval of coverage that is gone", async () => {
    await using trial = await filled();
    await trial.database.db.deleteFrom("coverage").execute();
    expect(await faultsOf(trial)).toEqual([
      "coverage of trial.hours@1 A: events say covered [2024-01-01, 2024-01-01 08:00Z), the table does not",
    ]);
  });

  it.each([LEDGER_STREAM, "run-1", "run-2"])("names the last event of %s when it is gone", async (stream) => {
    await using trial = await filled();
    const { db } = trial.database;
    await db
      .deleteFrom("event")
      .where("ordinal", "=", await lastOf(trial, stream))
      .execute();
    const faults = await faultsOf(trial);
    expect(faults.filter((fault) => new RegExp(`^(run )?${stream}: .* (missing|shorter)`).test(fault))).not.toEqual([]);
  });

  it("names a cut tail even when the chain's head was set back with it", async () => {
    await using trial = await filled();
    const { db } = trial.database;
    await db
      .deleteFrom("event")
      .where("ordinal", "=", await lastOf(trial, "run-1"))
      .execute();
    const left = await db
      .selectFrom("event")
      .select(["seq", "hash"])
      .where("stream", "=", "run-1")
      .orderBy("seq", "desc")
      .executeTakeFirstOrThrow();
    await db.updateTable("chain").set({ length: left.seq, head: left.hash }).where("stream", "=", "run-1").execute();
    expect(await faultsOf(trial)).toEqual(["run run-1: its chain was sealed with 7 events and is shorter now"]);
  });

  it("names a whole run that is gone", async () => {
    await using trial = await filled();
    const { db } = trial.database;
    await db.deleteFrom("run").where("id", "=", "run-1").execute();
    for (const table of ["event", "chain"] as const) {
      await db.deleteFrom(table).where("stream", "=", "run-1").execute();
    }
    expect(await faultsOf(trial)).toContain("run run-1 is gone: the ledger's chain opened it");
  });

  it("names an event whose payload was edited, and what does not follow from it", async () => {
    await using trial = await filled();
    const { db } = trial.database;
    const event = await db
      .selectFrom("event")
      .select(["ordinal", "seq", "payload"])
      .where("type", "=", "publication.committed")
      .executeTakeFirstOrThrow();
    const payload = event.payload.replace('"inserted":8', '"inserted":9');
    expect(payload).not.toBe(event.payload);
    await db.updateTable("event").set({ payload }).where("ordinal", "=", event.ordinal).execute();
    const faults = await faultsOf(trial);
    expect(faults[0]).toBe(`run-1: event ${event.seq} (publication.committed) was changed`);
    expect(faults[1]).toMatch(
      /^publication run-1\.2: its totals say received 8, inserted 8, .* event says .* inserted 9/,
    );
  });

  it("names a forged event: rehashed, it no longer leads to the seal", async () => {
    await using trial = await filled();
    const { db } = trial.database;
    const rows = await db.selectFrom("event").selectAll().where("stream", "=", "run-1").orderBy("seq").execute();
    const { eventHash } = await import("./events.ts");
    let prev = "0".repeat(64);
    for (const row of rows) {
      const link = { ...row, prev, payload: row.payload.replace('"actor":"trial"', '"actor":"nobody"') };
      prev = eventHash(link);
      await db
        .updateTable("event")
        .set({ ...link, hash: prev })
        .where("ordinal", "=", row.ordinal)
        .execute();
    }
    await db.updateTable("chain").set({ head: prev }).where("stream", "=", "run-1").execute();
    expect(await faultsOf(trial)).toEqual(["run run-1: event 7 differs from the one sealed"]);
  });

  it("names totals that were edited, and a publication that is gone", async () => {
    await using trial = await filled();
    const { db } = trial.database;
    const build = await db.selectFrom("chunk").selectAll().where("kind", "=", "build").executeTakeFirstOrThrow();
    const result = (build.result ?? "").replace('"A":{"inserted":8', '"A":{"inserted":7');
    await db.updateTable("chunk").set({ result }).where("id", "=", build.id).execute();
    expect(await faultsOf(trial)).toEqual([
      expect.stringMatching(/^publication run-1\.2: its totals say .* event says/),
    ]);
    await db.deleteFrom("chunk").where("id", "=", build.id).execute();
    expect(await faultsOf(trial)).toEqual([expect.stringMatching(/^publication run-1\.2: its totals say nothing/)]);
  });
});

const A = asSeriesKey("A");

/** One run that published and closed, and one that was cancelled while it was paused. */
async function filled(): Promise<TrialLedger> {
  const trial = await openTrialLedger();
  await publish(trial, "run-1", { holes: false });
  const { ledger } = trial;
  const plan = trialPlan("plan-2");
  await ledger.savePlan(plan);
  await ledger.openRun(plan, "run-2", trialOwner(2), [trialChunk("B", 0, 8)], TRIAL_NOW);
  await ledger.moveRun("run-2", { type: "pause" }, {});
  await ledger.moveRun("run-2", { type: "cancel" }, {});
  return trial;
}

async function publish(trial: TrialLedger, runId: string, options: { readonly holes: boolean }): Promise<void> {
  const { ledger } = trial;
  const plan = trialPlan(`plan-of-${runId}`);
  await ledger.savePlan(plan);
  const run = await ledger.openRun(plan, runId, trialOwner(1), [trialChunk("A", 0, 8)], TRIAL_NOW);
  if (!run) throw new Error("unreachable: the plan was not applied before");
  const [chunk] = (
    await ledger.claimFetches(run, {
      limit: 1,
      sources: [TRIAL_SOURCE],
      now: TRIAL_NOW,
      isAlive: () => false,
    })
  ).chunks;
  if (!chunk) throw new Error("unreachable: there was one chunk");
  const progress = { page: 1, from: trialHour(8), next: null, complete: true };
  const object = {
    id: `${chunk.id}-0`,
    chunkId: chunk.id,
    runId,
    dataset: chunk.dataset,
    version: 1,
    key: chunk.key,
    keys: [chunk.key],
    source: TRIAL_SOURCE,
    page: 0,
    target: "/hours/A",
    path: `${chunk.id}-0.json.gz`,
    sha256: "00",
    bytes: 1,
    oneLine: true,
    answered: chunk.window,
    rows: 8,
    strict: true,
    layout: null,
    businessNow: TRIAL_NOW,
    receivedAt: TRIAL_NOW,
  };
  await ledger.commitPage(chunk, object, progress);
  await ledger.settleChunk({ ...chunk, progress }, { event: "fetched" }, TRIAL_NOW);
  const build = { ...trialChunk("*", 0, 8), kind: "build" as const, source: null };
  const publication = await ledger.beginPublication(runId, run.fence, build, { members: [chunk.id] });
  const holes = options.holes ? [{ start: trialHour(2), end: trialHour(3) }] : [];
  await ledger.commitPublication(
    {
      chunkId: publication.id,
      fence: publication.fence,
      dataset: TRIAL_DATASET,
      version: 1,
      counts: { received: 8, inserted: 8, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, retracted: 0 },
      quarantinedBy: {},
      rowsBySeries: { A: { inserted: 8, updated: 0, retracted: 0 } },
      findings: new Map([[A, { answered: [{ ...chunk.window, chunk: chunk.id }], holes, blocked: [] }]]),
      built: new Map(),
      members: [chunk.id],
      changes: [],
    },
    TRIAL_NOW,
  );
  await ledger.closeRun(runId, run.fence, "succeeded", {}, TRIAL_NOW);
}

async function lastOf(trial: TrialLedger, stream: string): Promise<number> {
  const row = await trial.database.db
    .selectFrom("event")
    .select("ordinal")
    .where("stream", "=", stream)
    .orderBy("seq", "desc")
    .executeTakeFirstOrThrow();
  return row.ordinal;
}

/** What `audit verify` says, with bronze that is always whole. */
async function faultsOf(trial: TrialLedger): Promise<readonly string[]> {
  const bronze = { hash: async () => "00", manifests: async () => [] };
  const project = { bronze } as unknown as Parameters<typeof verifyAudit>[0];
  return (await verifyAudit(project, ledgerAudit(trial.database), () => undefined)).faults;
}

import { setOf } from "../../core/coverage/segment.ts";
import { RetrofillError } from "../../core/errors.ts";
import { slotAt } from "../../core/time/grid.ts";
import { formatInstant, type Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { intersects } from "../../core/time/interval-set.ts";
import type { Decision, ObjectRecord } from "../ledger-port.ts";
import { allDatasets, type DatasetPlace, findSeries, requestOfSeries, type SeriesPlace } from "../place.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Project } from "../project.ts";
import type { Execution } from "../run/execute.ts";
import { applyPlan, type PerformOptions } from "../run/perform.ts";
import type { QuarantinedRecord, RecordPlace, StoredRow } from "../store-port.ts";
import { releasesOf, subjectOf } from "./releases.ts";

/** What releasing one record did. */
export interface Released {
  readonly decision: Decision;
  readonly record: QuarantinedRecord;
  readonly place: SeriesPlace;
  readonly slot: Interval;
  readonly execution: Execution;
  /** The row of its slot before and after; null for none. */
  readonly before: StoredRow | null;
  readonly after: StoredRow | null;
}

/** Reasons that are no judgement of a check: there is no row that a decision could let in. */
const NOT_RELEASABLE: Readonly<Record<string, string>> = {
  unreadable: "its fields are not what the source declares",
  off_grid: "its time names no slot",
  unfinished: "its slot was not over when it was received; ask again for it",
  object_blocked: "nothing is wrong with it, its whole answer was stopped; release the bad records beside it",
};

/**
 * Publishes a quarantined record in spite of its reason. The decision is an input of every later publication and
 * rebuild; the answer that holds the record is judged again by a run of its own, without a call.
 * @throws RetrofillError KEY_UNKNOWN, RELEASE_REFUSED, USAGE, and what applying a plan throws
 */
export async function releaseRecord(
  project: Project,
  at: RecordPlace,
  options: PerformOptions & { readonly reason: string },
): Promise<Released> {
  const reason = options.reason.trim();
  if (reason === "") throw new RetrofillError("USAGE", "--reason: a decision needs one");
  const object = await requireObject(project, at);
  const { record, dataset } = await requireRecord(project, object, at);
  const place = await findSeries(project, dataset, record.key);
  const start = await requireReleasable(project, place, object, record);
  const slot = slotAt(place.series.axis.grid, start);
  const { row: before } = await project.store.slotHistory(place.dataset, place.series, slot.start);
  const request = { ...requestOfSeries(place, slot), ask: "bronze", rejudge: [object.chunkId] } as const;
  const plan = await makePlan(project, request, {
    mode: "backfill",
    overrideState: false,
    reason: `release of record ${subjectOf(at)} (${record.reason}): ${reason}`,
    actor: project.actor,
    businessNow: project.businessNow(),
  });
  await project.ledger.savePlan(plan);
  const decision = await decideOnce(project, { at, record, slot, reason });
  const execution = await applyPlan(project, plan.id, options);
  if (execution === null) throw new Error(`unreachable: plan ${plan.id} judges an answer again`);
  const { row: after } = await project.store.slotHistory(place.dataset, place.series, slot.start);
  return { decision, record, place, slot, execution, before, after };
}

/** The object that holds the record. Of one that was taken back nothing is in quarantine either. */
async function requireObject({ ledger }: Project, at: RecordPlace): Promise<ObjectRecord> {
  const [object] = await ledger.objectsByNo([at.objectNo]);
  if (!object) {
    throw new RetrofillError("KEY_UNKNOWN", `no bronze object ${at.objectNo}`, {
      hint: "retrofill quarantine show lists records with their objects",
    });
  }
  const excluded = (await ledger.decisions({ kinds: ["exclude"] })).find(({ subject }) => subject === object.runId);
  if (!excluded) return object;
  throw new RetrofillError(
    "RELEASE_REFUSED",
    `record ${subjectOf(at)}: the run that brought it, ${object.runId}, was taken back by ${excluded.actor} at ${formatInstant(excluded.at)}`,
    { hint: "ask again: retrofill run --again" },
  );
}

async function requireRecord(
  project: Project,
  object: ObjectRecord,
  at: RecordPlace,
): Promise<{ readonly record: QuarantinedRecord; readonly dataset: DatasetPlace }> {
  const dataset = allDatasets(project).find(
    ({ dataset: { name, version } }) => name === object.dataset && version === object.version,
  );
  if (!dataset)
    throw new RetrofillError("SELECTOR_UNKNOWN", `${object.dataset} v${object.version} is not declared any more`);
  const all = await project.store.quarantined(dataset.dataset, {
    objectNo: object.ordinal,
    limit: Number.MAX_SAFE_INTEGER,
  });
  const record = all.find(({ rowNo }) => rowNo === at.rowNo);
  if (record) return { record, dataset };
  const earlier = (await releasesOf(project.ledger, dataset.dataset)).find((one) => subjectOf(one) === subjectOf(at));
  if (earlier) {
    const { actor, at: when } = earlier.decision;
    throw new RetrofillError(
      "RELEASE_REFUSED",
      `record ${subjectOf(at)} was released by ${actor} at ${formatInstant(when)}`,
    );
  }
  const near = [...all].sort((a, b) => Math.abs(a.rowNo - at.rowNo) - Math.abs(b.rowNo - at.rowNo)).slice(0, 3);
  throw new RetrofillError("KEY_UNKNOWN", `record ${subjectOf(at)} is not in quarantine`, {
    hint:
      near.length > 0
        ? `of object ${object.ordinal} there are: ${near.map(({ rowNo }) => rowNo).join(", ")}`
        : "retrofill quarantine show lists records with their objects",
  });
}

/** The start of the record's slot. @throws RetrofillError RELEASE_REFUSED */
async function requireReleasable(
  project: Project,
  { dataset, series }: SeriesPlace,
  object: ObjectRecord,
  record: QuarantinedRecord,
): Promise<Instant> {
  const refused = (why: string, hint?: string): RetrofillError =>
    new RetrofillError(
      "RELEASE_REFUSED",
      `record ${subjectOf(record)} of ${record.key} (${record.reason}): ${why}`,
      hint === undefined ? {} : { hint },
    );
  const why = NOT_RELEASABLE[record.reason];
  if (why !== undefined) throw refused(why);
  if (record.slot === null) throw refused(NOT_RELEASABLE.off_grid as string);
  const segments = (await project.ledger.segments(dataset.name, dataset.version, [series.key])).get(series.key) ?? [];
  if (intersects(setOf(segments, "disputed"), [object.answered])) {
    throw refused("stored rows of the same answer are disputed", `restore them first: retrofill run ${dataset.name}`);
  }
  return record.slot;
}

/** A process that died after its decision and before its run leaves the decision: it is not made twice. */
async function decideOnce(
  project: Project,
  {
    at,
    record,
    slot,
    reason,
  }: { readonly at: RecordPlace; readonly record: QuarantinedRecord; readonly slot: Interval; readonly reason: string },
): Promise<Decision> {
  const known = await releasesOf(project.ledger, { name: record.dataset, version: record.version });
  const earlier = known.find((one) => subjectOf(one) === subjectOf(at));
  if (earlier) return earlier.decision;
  return project.ledger.decide({
    kind: "release",
    at: project.clock.now(),
    actor: project.actor,
    reason,
    dataset: record.dataset,
    version: record.version,
    key: record.key,
    span: slot,
    until: null,
    subject: subjectOf(at),
  });
}

import { readFor } from "../../core/coverage/lineage.ts";
import type { Segment } from "../../core/coverage/segment.ts";
import type { DatasetName, TransformInput } from "../../core/dataset/dataset.ts";
import { inputKeyOf, type SeriesKey } from "../../core/dataset/series.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { slotAt } from "../../core/time/grid.ts";
import { type Interval, overlaps } from "../../core/time/interval.ts";
import { type Release, releasesOf } from "../decide/releases.ts";
import type { ChunkRecord, Ledger, ObjectRecord, RunRecord } from "../ledger-port.ts";
import type { SeriesPlace } from "../place.ts";
import { datasetNamed, type Project } from "../project.ts";
import type { QuarantinedRecord, RowsWithin, SlotChange, StoredRow } from "../store-port.ts";

/** Where the row of one slot came from. */
export interface Trace {
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  readonly slot: Interval;
  /** The row as it is stored; null where there is none. */
  readonly row: StoredRow | null;
  /** What the ledger says of the slot; null: it was never asked. */
  readonly truth: Segment | null;
  /** The answer that the row was read from; of a made row, the one of its own candle. */
  readonly origin: Origin | null;
  /** The publication that wrote the row as it is. */
  readonly writtenBy: Work | null;
  /** The slot's earlier rows, newest first. */
  readonly earlier: readonly EarlierRow[];
  /** Records of the slot that are kept out, and those that decisions let in. */
  readonly quarantined: readonly QuarantinedRecord[];
  readonly released: readonly Release[];
  /** For a row made from other datasets: what it was made from. */
  readonly inputs: readonly TracedInput[];
}

/** A chunk and the run and plan that it was part of. */
export interface Work {
  readonly chunk: ChunkRecord;
  readonly run: RunRecord;
  readonly plan: Plan;
}

/** A bronze object, whether its file is still what was received, and who asked for it. */
export interface Origin extends Work {
  readonly object: ObjectRecord;
  readonly body: "intact" | "changed" | "unreadable";
}

export interface EarlierRow {
  readonly row: StoredRow;
  readonly object: ObjectRecord | null;
  readonly change: SlotChange["change"];
  /** The publication that replaced it or took it back. */
  readonly replacedBy: Work | null;
}

export interface TracedInput extends RowsWithin {
  readonly dataset: DatasetName;
  readonly key: SeriesKey;
  /** What was read of it. */
  readonly span: Interval;
  /** Its row of the same slot, where the input has such a slot. */
  readonly own: Trace | null;
}

/** One slot has a few bad records, one for each answer; more say nothing new. */
const MOST_QUARANTINED = 20;

/** Follows the row of one slot back to the answer it was read from, and through everything that replaced it. */
export async function traceRow(project: Project, place: SeriesPlace, slot: Interval): Promise<Trace> {
  const { dataset, series } = place;
  const { ledger, store } = project;
  const { row, changes } = await store.slotHistory(dataset, series, slot.start);
  const segments = (await ledger.segments(dataset.name, dataset.version, [series.key])).get(series.key) ?? [];
  const last = changes[changes.length - 1];
  return {
    dataset: dataset.name,
    version: dataset.version,
    key: series.key,
    slot,
    row,
    truth: segments.find((segment) => overlaps(segment, slot)) ?? null,
    origin: await originOf(project, row),
    writtenBy: row === null || last === undefined ? null : await workOf(project, last.chunkId),
    earlier: await earlierRows(project, changes),
    quarantined: await store.quarantined(dataset, { keys: [series.key], slot: slot.start, limit: MOST_QUARANTINED }),
    released: await releasedIn(ledger, place, slot),
    inputs: series.source === null ? await tracedInputs(project, place, slot) : [],
  };
}

/** Records of the slot that decisions let in, but for those whose answers were taken back since. */
async function releasedIn(
  ledger: Ledger,
  { dataset, series }: SeriesPlace,
  slot: Interval,
): Promise<readonly Release[]> {
  const own = (await releasesOf(ledger, dataset)).filter(
    ({ decision, span }) => decision.key === series.key && span?.start === slot.start,
  );
  if (own.length === 0) return own;
  const excluded = new Set((await ledger.decisions({ kinds: ["exclude"] })).map(({ subject }) => subject));
  const objects = await ledger.objectsByNo(own.map(({ objectNo }) => objectNo));
  const counted = new Set(objects.filter(({ runId }) => !excluded.has(runId)).map(({ ordinal }) => ordinal));
  return own.filter(({ objectNo }) => counted.has(objectNo));
}

async function originOf(project: Project, row: StoredRow | null): Promise<Origin | null> {
  const object = await objectOf(project, row);
  if (object === null) return null;
  const work = await workOf(project, object.chunkId);
  if (work === null) throw new Error(`unreachable: object ${object.id} has no chunk`);
  const hash = await project.bronze.hash(object.path);
  return { ...work, object, body: hash === null ? "unreadable" : hash === object.sha256 ? "intact" : "changed" };
}

async function objectOf({ ledger }: Project, row: StoredRow | null): Promise<ObjectRecord | null> {
  const no = row?.object_no;
  if (typeof no !== "number") return null;
  return (await ledger.objectsByNo([no]))[0] ?? null;
}

async function workOf({ ledger }: Project, chunkId: string): Promise<Work | null> {
  const [chunk] = await ledger.chunksById([chunkId]);
  const run = chunk ? await ledger.run(chunk.runId) : null;
  const plan = run ? await ledger.plan(run.planId) : null;
  return chunk && run && plan ? { chunk, run, plan } : null;
}

async function earlierRows(project: Project, changes: readonly SlotChange[]): Promise<readonly EarlierRow[]> {
  const earlier: EarlierRow[] = [];
  for (const { change, before, chunkId } of changes.toReversed()) {
    if (before === null) continue;
    earlier.push({
      row: before,
      object: await objectOf(project, before),
      change,
      replacedBy: await workOf(project, chunkId),
    });
  }
  return earlier;
}

async function tracedInputs(project: Project, place: SeriesPlace, slot: Interval): Promise<readonly TracedInput[]> {
  const traced: TracedInput[] = [];
  for (const input of place.dataset.transform?.inputs ?? [])
    traced.push(await tracedInput(project, place, slot, input));
  return traced;
}

async function tracedInput(
  project: Project,
  { bound, series, entry }: SeriesPlace,
  slot: Interval,
  input: TransformInput,
): Promise<TracedInput> {
  const dataset = datasetNamed(bound, input.dataset);
  const key = inputKeyOf(series, input, dataset.key);
  const span = readFor(series.axis, input.reach, slot);
  const parts = Object.fromEntries(dataset.key.map((name) => [name, input.with?.[name] ?? series.parts[name] ?? ""]));
  const rows = await project.store.rowsWithin(dataset, { parts }, span);
  const declared = bound.pipeline.series(dataset.name, entry, project.businessNow()).find((one) => one.key === key);
  const same = declared && slotAt(declared.axis.grid, slot.start);
  const isOwn = same?.start === slot.start && same.end === slot.end;
  const own = declared && isOwn ? await traceRow(project, { bound, dataset, series: declared, entry }, slot) : null;
  return { dataset: dataset.name, key, span, ...rows, own };
}

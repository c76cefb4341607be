import { answeredSet } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import type { Series, SeriesKey } from "../../core/dataset/series.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, normalize, spanOf, subtract, union } from "../../core/time/interval-set.ts";
import { releasesOf } from "../decide/releases.ts";
import type { ChunkRecord, Ledger, ObjectRecord, Owner, RunRecord } from "../ledger-port.ts";
import type { Clock } from "../ports.ts";
import type { PublishedSeries, PublishRequest, Receipt, SourceShape, Store } from "../store-port.ts";
import { answeredSeries, commitReceipt, publishUnit } from "./publication.ts";

export interface BuildContext {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly clock: Clock;
  readonly dataset: Dataset;
  /** How bodies are read, by the source that objects name. */
  readonly sources: ReadonlyMap<string, SourceShape>;
  readonly suspects: SuspectRule | null;
  /** The series of a key, as the run's plan knew them; null when nobody declares it any more. */
  readonly seriesOf: (key: SeriesKey) => Series | null;
}

/**
 * Publishes the objects of fetched chunks as one unit: announced in the ledger, one store transaction that leaves a
 * receipt, then the ledger's commit that copies it. Whoever dies in between, `recoverPublications` completes it.
 */
export async function publishChunks(
  context: BuildContext,
  run: RunRecord,
  members: readonly ChunkRecord[],
  again: Pick<PublishRequest, "rejudge"> & Partial<Pick<PublishRequest, "restore">> = {},
): Promise<Receipt | null> {
  const { ledger, dataset } = context;
  const objects = await ledger.objectsOf(members.map((chunk) => chunk.id));
  const window = spanOf(normalize(members.map((chunk) => chunk.window)));
  if (window === null || objects.length === 0) return null;
  const series = await publishedSeries(context, run, objects);
  const holds = {
    members: members.filter((chunk) => chunk.status === "fetched").map((chunk) => chunk.id),
    ...(again.rejudge === undefined ? {} : { rejudges: members.map((chunk) => chunk.id) }),
  };
  return publishUnit(context, run, { window, holds }, async (unit) =>
    context.store.publish({
      ...unit,
      sources: context.sources,
      objects,
      series,
      suspects: context.suspects,
      restore: new Map(),
      released: await releasesOf(ledger, dataset),
      ...again,
    }),
  );
}

/**
 * Publishes answers again that decisions judge otherwise now; what changes lands as a restatement. Where a later
 * answer speaks, only the slots of released records are judged again: the rest is not theirs to say.
 */
export async function rejudgeChunks(
  context: BuildContext,
  run: RunRecord,
  chunks: readonly ChunkRecord[],
): Promise<Receipt | null> {
  const { ledger, dataset } = context;
  const own = await ledger.objectsOf(chunks.map((chunk) => chunk.id));
  const all = await ledger.objectsOfDataset(dataset.name, dataset.version);
  const releases = (await releasesOf(ledger, dataset)).filter(({ objectNo }) =>
    own.some(({ ordinal }) => ordinal === objectNo),
  );
  const rejudge = new Map<SeriesKey, IntervalSet>();
  for (const key of own.flatMap((object) => object.keys)) {
    if (rejudge.has(key)) continue;
    const slots = releases.flatMap(({ decision, span }) => (decision.key === key && span !== null ? [span] : []));
    const latest = own
      .filter((object) => object.keys.includes(key))
      .flatMap((object) => {
        const later = all.filter((other) => other.ordinal > object.ordinal && other.keys.includes(key));
        return subtract([object.answered], normalize(later.map((other) => other.answered)));
      });
    rejudge.set(key, normalize([...latest, ...slots]));
  }
  return publishChunks(context, run, chunks, { rejudge });
}

/**
 * Completes or abandons publications that dead processes left half-way, in this run or another: the store's receipt
 * tells which. Until then the stored rows of such a publication are not in the ledger's counts.
 */
export async function recoverPublications(
  context: BuildContext,
  run: RunRecord,
  isAlive: (owner: Owner) => boolean,
): Promise<number> {
  const { name, version } = context.dataset;
  const own = await context.ledger.chunks(run.id, { kind: "build", status: ["running"] });
  const others = await context.ledger.halfway(name, version, isAlive);
  const halfway = [...others.filter((chunk) => chunk.runId !== run.id), ...own];
  for (const chunk of halfway) {
    if (chunk.dataset !== name) continue;
    const receipt = await context.store.receipt(chunk.id);
    if (receipt) await commitReceipt(context, chunk, receipt);
    else await context.ledger.abandonPublication(chunk, "the process ended before the store's transaction committed");
  }
  return halfway.length;
}

async function publishedSeries(
  context: BuildContext,
  run: RunRecord,
  objects: readonly ObjectRecord[],
): Promise<readonly PublishedSeries[]> {
  const answeredNow = new Map<SeriesKey, Interval[]>();
  for (const { keys, answered } of objects) {
    for (const key of keys) {
      const spans = answeredNow.get(key) ?? [];
      answeredNow.set(key, spans);
      if (answered.start < answered.end) spans.push(answered);
    }
  }
  const segments = await context.ledger.segments(context.dataset.name, context.dataset.version, [
    ...answeredNow.keys(),
  ]);
  return [...answeredNow].map(([key, now]) => {
    const series = context.seriesOf(key);
    if (!series)
      throw new Error(`${context.dataset.name}: ${key} is not declared any more, its objects stay in bronze`);
    return answeredSeries(series, union(answeredSet(segments.get(key) ?? []), normalize(now)), run.businessNow);
  });
}

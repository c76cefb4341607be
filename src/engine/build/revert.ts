import { answeredSet, type Segments } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { overlaps } from "../../core/time/interval.ts";
import { normalize, spanOf } from "../../core/time/interval-set.ts";
import { releasesOf } from "../decide/releases.ts";
import { runOf } from "../ids.ts";
import type { ChunkRecord, Ledger, RunRecord } from "../ledger-port.ts";
import type { PublishedSeries, Receipt, Store } from "../store-port.ts";
import { answeredSeries, publishUnit } from "./publication.ts";
import type { BuildContext } from "./publish-chunks.ts";

/** What one run did to one dataset. */
export interface Footprint {
  readonly dataset: Dataset;
  /** Its committed publications and those that only judged its answers again, in order. */
  readonly publications: readonly string[];
  /** Ingest numbers of its bronze objects. */
  readonly objects: readonly number[];
  readonly keys: readonly SeriesKey[];
}

/** What a run did to those of `datasets` that come from a source; made rows follow by themselves. */
export async function footprintOf(
  ledger: Ledger,
  datasets: readonly Dataset[],
  runId: string,
): Promise<readonly Footprint[]> {
  const chunks = await ledger.chunks(runId);
  const fetches = chunks.filter((chunk) => chunk.kind === "fetch");
  const objects = await ledger.objectsOf(fetches.map((chunk) => chunk.id));
  const committed = await ledger.publications();
  const judgedAgain = await ledger.chunksById(
    committed.filter(({ rejudges }) => rejudges.some((id) => runOf(id) === runId)).map(({ chunkId }) => chunkId),
  );
  return datasets
    .filter(({ extract }) => extract !== null)
    .map((dataset): Footprint => {
      const builds = [...chunks.filter(({ kind }) => kind === "build"), ...judgedAgain].filter(
        ({ dataset: name }) => name === dataset.name,
      );
      const ids = new Set(builds.map(({ id }) => id));
      const own = objects.filter((object) => object.dataset === dataset.name);
      const touched = builds.flatMap(({ result }) =>
        Object.keys((result as { rowsBySeries?: object } | null)?.rowsBySeries ?? {}),
      );
      const keys = new Set<SeriesKey>([
        ...own.flatMap((object) => object.keys),
        ...fetches.filter((chunk) => chunk.dataset === dataset.name).flatMap((chunk) => chunk.keys),
        ...(touched as SeriesKey[]),
      ]);
      return {
        dataset,
        publications: committed.map(({ chunkId }) => chunkId).filter((id) => ids.has(id)),
        objects: own.map(({ ordinal }) => ordinal),
        keys: [...keys],
      };
    })
    .filter(({ publications, objects: own }) => publications.length > 0 || own.length > 0);
}

/**
 * @throws RetrofillError REVERT_REFUSED where a later run's answers touched the same rows, naming it. One that only made
 * rows anew is in nobody's way: they are made so again.
 */
export async function refuseLaterTouches(
  project: { readonly ledger: Ledger; readonly store: Store },
  runId: string,
  footprints: readonly Footprint[],
): Promise<void> {
  const names: string[] = [];
  for (const name of await laterRuns(project, footprints)) {
    const run = await project.ledger.run(name);
    const plan = run === null ? null : await project.ledger.plan(run.planId);
    if (plan?.request.ask !== "bronze") names.push(name);
  }
  if (names.length === 0) return;
  throw new RetrofillError("REVERT_REFUSED", `rows of ${runId} were touched by later runs: ${names.join(", ")}`, {
    hint: `revert the later one first: retrofill revert ${names.at(-1)} --reason …`,
    context: { run: runId },
  });
}

/** Runs that touched the same rows after these publications, by their names; without those that were taken back. */
export async function laterRuns(
  { ledger, store }: { readonly ledger: Ledger; readonly store: Store },
  footprints: readonly Footprint[],
): Promise<readonly string[]> {
  const touched = new Set<string>();
  const committed = new Map((await ledger.publications()).map((one) => [one.chunkId, one]));
  for (const footprint of footprints) {
    for (const chunk of await store.laterTouches(footprint)) {
      // What only judged answers again is taken back with the run that asked for them.
      touched.add(runOf(committed.get(chunk)?.rejudges[0] ?? chunk));
    }
  }
  const undone = await undoneAmong(ledger, touched);
  return [...touched].filter((name) => !undone.has(name)).sort();
}

/** Runs that were taken back and those that did it: together they left every row as it was. */
async function undoneAmong(ledger: Ledger, runs: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const undone = new Set<string>();
  for (const name of runs) {
    const run = await ledger.run(name);
    const reverted = run?.status === "succeeded" ? (await ledger.plan(run.planId))?.request.revert : null;
    if (reverted && runs.has(reverted)) for (const one of [name, reverted]) undone.add(one);
  }
  return undone;
}

/** Takes back what a run did to one dataset, as one unit: announced, one store transaction, then the ledger's commit. */
export async function revertDataset(
  context: BuildContext,
  run: RunRecord,
  reverted: string,
  { dataset, publications, objects, keys }: Footprint,
): Promise<Receipt | null> {
  const { ledger, store } = context;
  const without = await ledger.coverageWithout(dataset.name, dataset.version, keys, reverted);
  const before = await ledger.segments(dataset.name, dataset.version, keys);
  const window = spanOf(normalize([...before.values()].flat().map(({ start, end }) => ({ start, end }))));
  if (window === null) return null;
  const holds = { members: [], reverts: { run: reverted, keys } };
  return publishUnit(context, run, { window, holds }, (unit) =>
    store.revert({
      ...unit,
      publications,
      objects,
      series: keys.map((key) => standing(context, run, key, without.get(key) ?? [])),
      suspects: context.suspects,
    }),
  );
}

/**
 * Chunks of other runs with released records in slots that the reverted answers spoke for: while those stood, they
 * overtook the records. Judged again they stand as a rebuild would have them.
 */
export async function releasedUnder(ledger: Ledger, { dataset, objects }: Footprint): Promise<readonly ChunkRecord[]> {
  const releases = await releasesOf(ledger, dataset);
  if (releases.length === 0) return [];
  const reverted = await ledger.objectsByNo(objects);
  const counted = await ledger.objectsOfDataset(dataset.name, dataset.version);
  const places = new Set(
    releases
      .filter(({ span, decision: { key } }) =>
        reverted.some(({ keys, answered }) => span && key && keys.includes(key) && overlaps(answered, span)),
      )
      .map(({ objectNo }) => objectNo),
  );
  const chunks = counted.filter(({ ordinal }) => places.has(ordinal)).map(({ chunkId }) => chunkId);
  return ledger.chunksById([...new Set(chunks)]);
}

/** A series as it will have been answered once the run counts no more. */
function standing(context: BuildContext, run: RunRecord, key: SeriesKey, segments: Segments): PublishedSeries {
  const series = context.seriesOf(key);
  if (!series) throw new Error(`${context.dataset.name}: ${key} is not declared any more, its rows cannot be judged`);
  return answeredSeries(series, answeredSet(segments), run.businessNow);
}

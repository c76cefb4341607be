import { answeredSet, setOf } from "../../core/coverage/segment.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { type IntervalSet, normalize, spanOf } from "../../core/time/interval-set.ts";
import { releasesOf } from "../decide/releases.ts";
import type { RunRecord } from "../ledger-port.ts";
import type { PublishedSeries, Receipt } from "../store-port.ts";
import { answeredSeries, publishUnit } from "./publication.ts";
import type { BuildContext } from "./publish-chunks.ts";
import type { Footprint } from "./revert.ts";

/** Rows that are published together while a dataset is made anew. */
const GROUP_ROWS = 1_000_000;

/**
 * Makes all rows of a dataset anew from every bronze object that counts, in ingest order, and writes what differs from
 * the stored rows. Null where no object was ever stored. `without` takes a run back: its answers count no more.
 */
export async function rebuildDataset(
  context: BuildContext,
  run: RunRecord,
  without: { readonly run: string; readonly footprint: Footprint } | null = null,
): Promise<Receipt | null> {
  const { ledger, store, dataset } = context;
  const all = await ledger.objectsOfDataset(dataset.name, dataset.version);
  const window = spanOf(normalize(all.map((object) => object.answered)));
  if (window === null) return null;
  const gone = new Set(without?.footprint.objects);
  const objects = all.filter(({ ordinal }) => !gone.has(ordinal));
  const emptied = without?.footprint.keys ?? [];
  const keys = [...new Set([...objects.flatMap((object) => object.keys), ...emptied])];
  const segments = new Map(await ledger.segments(dataset.name, dataset.version, keys));
  if (without !== null) {
    const before = await ledger.coverageWithout(dataset.name, dataset.version, emptied, without.run);
    for (const [key, own] of before) segments.set(key, own);
  }
  const reverts = without === null ? {} : { reverts: { run: without.run, keys: emptied } };
  const restore = new Map<SeriesKey, IntervalSet>();
  const series = keys.map((key): PublishedSeries => {
    const declared = context.seriesOf(key);
    if (!declared) throw new Error(`${dataset.name}: ${key} is not declared any more, its rows cannot be made anew`);
    const own = segments.get(key) ?? [];
    const disputed = setOf(own, "disputed");
    if (disputed.length > 0) restore.set(key, disputed);
    return answeredSeries(declared, answeredSet(own), run.businessNow);
  });
  return publishUnit(context, run, { window, holds: { members: [], ...reverts } }, async (unit) =>
    store.rebuild({
      ...unit,
      sources: context.sources,
      objects,
      series,
      suspects: context.suspects,
      restore,
      released: await releasesOf(ledger, dataset),
      groupRows: GROUP_ROWS,
      publications: await ledger.publications(),
    }),
  );
}

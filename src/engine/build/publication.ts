import type { Built, Findings } from "../../core/coverage/segment.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { asSeriesKey, type Series, type SeriesKey } from "../../core/dataset/series.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, intersect, spanOf } from "../../core/time/interval-set.ts";
import { type ChunkRecord, type Ledger, MANY, type Reverts, type RunRecord } from "../ledger-port.ts";
import type { Clock } from "../ports.ts";
import type { PublishedSeries, Receipt } from "../store-port.ts";

interface PublicationContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly dataset: Dataset;
}

/** One unit that becomes visible at once: announced in the ledger, one transaction of the store, the ledger's commit. */
export async function publishUnit(
  context: PublicationContext,
  run: RunRecord,
  announced: { readonly window: Interval; readonly holds: Parameters<Ledger["beginPublication"]>[3] },
  write: (unit: { readonly chunkId: string; readonly fence: number; readonly dataset: Dataset }) => Promise<Receipt>,
): Promise<Receipt> {
  const { ledger, dataset } = context;
  const { window, holds } = announced;
  const publication = await ledger.beginPublication(
    run.id,
    run.fence,
    { kind: "build", round: 0, dataset: dataset.name, version: dataset.version, key: MANY, source: null, window },
    holds,
  );
  const receipt = await write({ chunkId: publication.id, fence: run.fence, dataset });
  await commitReceipt(context, publication, receipt);
  return receipt;
}

/** The ledger's half: copies the receipt. For a build, what was made is what its announcement said. */
export async function commitReceipt(
  context: Pick<PublicationContext, "ledger" | "clock">,
  chunk: ChunkRecord,
  receipt: Receipt,
): Promise<void> {
  const {
    members,
    rejudges,
    built = {},
    reverts,
  } = chunk.progress as unknown as {
    readonly members: readonly string[];
    readonly rejudges?: readonly string[];
    readonly built?: Readonly<Record<string, Built>>;
    readonly reverts?: Reverts;
  };
  await context.ledger.commitPublication(
    {
      chunkId: chunk.id,
      fence: receipt.fence,
      dataset: chunk.dataset,
      version: chunk.version,
      counts: receipt.counts,
      quarantinedBy: receipt.quarantinedBy,
      rowsBySeries: receipt.rowsBySeries,
      findings: new Map(
        Object.entries(receipt.findings).map(([key, found]): [SeriesKey, Findings] => [asSeriesKey(key), found]),
      ),
      built: new Map(Object.entries(built).map(([key, made]): [SeriesKey, Built] => [asSeriesKey(key), made])),
      reverts,
      totals: receipt.totals,
      members,
      rejudges,
      changes: receipt.changes,
    },
    context.clock.now(),
  );
}

/** A series with what is answered of it, and what of that is due. */
export function answeredSeries(series: Series, answered: IntervalSet, now: RunRecord["businessNow"]): PublishedSeries {
  const span = spanOf(answered);
  return { series, answered, due: span === null ? [] : intersect(dueSet(series.axis, span, now), answered) };
}

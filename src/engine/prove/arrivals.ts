import type { Dataset, DatasetName } from "../../core/dataset/dataset.ts";
import type { Grain } from "../../core/time/grid.ts";
import { DAY, HOUR } from "../../core/time/instant.ts";
import type { BoundPipeline, Project } from "../project.ts";
import type { ArrivalsRequest } from "../store-port.ts";

/** Rows of one dataset and grain that came, changed or went although their slot had been answered before. */
export interface Arrivals {
  readonly dataset: DatasetName;
  readonly grain: Grain;
  /** How far before its watermark an incremental run asks again, as declared. */
  readonly lookbackMs: number;
  readonly slots: number;
  /** Delays count from a slot's end to the receipt of the answer that brought the row, or lacked it. */
  readonly slowestMs: number;
  /** The 99.9th percentile. */
  readonly highMs: number;
  /** Slots that the declared lookback would have missed. */
  readonly missed: number;
  readonly suggestedMs: number;
}

/** Enough for a year of daily runs; a lookback is chosen by how a source behaves now. */
const LOOKED_AT_RUNS = 400;

/** What was the slowest so far will not stay it. */
const MARGIN = 1.25;

/**
 * How late rows arrive, by dataset and grain, as the last incremental runs saw it, or one of them. A run sees nothing
 * later than what it asks again, so figures near the lookback say that it is too short, not how long it should be.
 * @throws RetrofillError STORE_BUSY
 */
export async function lateArrivals(
  project: Project,
  { bound, datasets }: { readonly bound: BoundPipeline; readonly datasets: readonly Dataset[] },
  options: { readonly runId?: string; readonly waitMs: number },
): Promise<readonly Arrivals[]> {
  const { ledger, store } = project;
  const arrivals: Arrivals[] = [];
  const entries = await ledger.entries(bound.pipeline.name);
  for (const dataset of datasets) {
    if (dataset.extract === null) continue;
    const of = options.runId === undefined ? { runs: LOOKED_AT_RUNS } : { runId: options.runId };
    const answers = await ledger.incrementalAnswers(dataset.name, dataset.version, of);
    if (answers.length === 0) continue;
    const groups: Pick<Arrivals, "grain" | "lookbackMs">[] = [];
    const series: ArrivalsRequest["series"][number][] = [];
    for (const entry of entries) {
      for (const one of bound.pipeline.series(dataset.name, entry, project.businessNow())) {
        const { grain } = one.axis.grid;
        const { lookbackMs } = one;
        const known = groups.findIndex((group) => group.grain === grain && group.lookbackMs === lookbackMs);
        series.push({ series: one, group: known >= 0 ? known : groups.push({ grain, lookbackMs }) - 1 });
      }
    }
    for (const late of await store.arrivals({ dataset, series, answers, waitMs: options.waitMs })) {
      const group = groups[late.group];
      if (!group) throw new Error(`unreachable: ${dataset.name} has no group ${late.group}`);
      const { slots, slowestMs, highMs, beyondLookback } = late;
      arrivals.push({
        dataset: dataset.name,
        ...group,
        slots,
        slowestMs,
        highMs,
        missed: beyondLookback,
        suggestedMs: suggestedLookback(highMs),
      });
    }
  }
  return arrivals;
}

/** A lookback that holds delays of `highMs` and a margin: whole hours below a day, else whole days. */
export function suggestedLookback(highMs: number): number {
  const needed = highMs * MARGIN;
  const unit = needed < DAY ? HOUR : DAY;
  return Math.max(1, Math.ceil(needed / unit)) * unit;
}

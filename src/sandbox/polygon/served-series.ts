import type { CandleSeries } from "../candle-series.ts";
import { type SeriesEntry, zoneOf } from "../data-directory.ts";
import { splitsInEffect } from "../events.ts";
import { adjustForSplits } from "../split-adjust.ts";
import type { PolygonWorld } from "./world.ts";

/** The adjusted form of a series, by the splits it was made with; the present moves forward, so one is enough. */
const adjustedForms = new WeakMap<CandleSeries, { readonly splits: string; readonly series: CandleSeries }>();

/**
 * The candles of `entry` adjusted or raw, as asked, or null when they are not to be had that way: what is kept adjusted
 * has no raw form, what is kept as traded has an adjusted one where its splits are known. Splits happen to shares; other
 * classes are the same either way.
 */
export function servedSeries(world: PolygonWorld, entry: SeriesEntry, adjusted: boolean): Promise<CandleSeries> | null {
  const isShare = entry.assetClass === "stock" || entry.assetClass === "etf";
  if (!isShare || entry.adjusted === adjusted) return world.directory.load(entry);
  const known = world.directory.events.get(entry.symbol)?.splits;
  if (entry.adjusted || known === undefined) return null;
  const splits = splitsInEffect(known, zoneOf(entry), world.nowMs);
  return world.directory.load(entry).then((raw) => {
    const name = JSON.stringify(splits);
    const kept = adjustedForms.get(raw);
    if (kept?.splits === name) return kept.series;
    const series = adjustForSplits(raw, splits);
    adjustedForms.set(raw, { splits: name, series });
    return series;
  });
}

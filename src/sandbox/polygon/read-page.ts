import { type Bar, type CandleSeries, indexFrom, mergeCandles } from "../candle-series.ts";
import { TIMEFRAME_MINUTES } from "../choose-series.ts";
import type { Timeframe } from "../data-directory.ts";
import { type Window, type WindowSize, windowAt } from "../windows.ts";

export interface PageRequest {
  readonly size: WindowSize;
  /** Timeframe of the series that is read. */
  readonly timeframe: Timeframe;
  /** Whether its candles are the bars asked for, or are merged into larger ones. */
  readonly isOwn: boolean;
  /** Whole windows. */
  readonly window: Window;
  /** Base aggregates to read, minutes or days. */
  readonly limit: number;
  readonly sort: "asc" | "desc";
  /** Bars that start at this instant or later do not exist yet. */
  readonly nowMs: number | null;
}

export interface Page {
  readonly bars: readonly Bar[];
  /** Base aggregates in the bars. */
  readonly used: number;
  /** Where the next page starts: in `asc` the first window not answered, in `desc` the last; null when all is answered. */
  readonly rest: Window | null;
  /** Whether the newest bar there is now is on this page. */
  readonly hasNewest: boolean;
}

/**
 * Bars of `request.window` in the order asked, as many whole ones as `limit` base aggregates fill: a bar whose base
 * aggregates were not all read is left to the next page. The first bar is whole even when it alone exceeds `limit`.
 */
export function readPage(series: CandleSeries, request: PageRequest): Page {
  const { size, window, limit, sort, isOwn } = request;
  const visible = request.nowMs === null ? series.length : indexFrom(series, request.nowMs);
  const from = Math.min(visible, indexFrom(series, window.start));
  const to = Math.min(visible, indexFrom(series, window.end));
  const isAscending = sort === "asc";
  const bars: Bar[] = [];
  let used = 0;
  let low = from;
  let high = to;
  while (low < high) {
    const at = series.t[isAscending ? low : high - 1] as number;
    const slot = windowAt(size, at);
    let start = isAscending ? low : high - 1;
    let end = isAscending ? low + 1 : high;
    if (!isOwn && isAscending) while (end < high && (series.t[end] as number) < slot.end) end++;
    if (!isOwn && !isAscending) while (start > low && (series.t[start - 1] as number) >= slot.start) start--;
    const units = baseUnits(series, start, end, request);
    if (bars.length > 0 && used + units > limit) break;
    used += units;
    bars.push(mergeCandles(series, start, end, isOwn ? at : slot.start));
    if (isAscending) low = end;
    else high = start;
  }
  const last = bars[bars.length - 1];
  const isCut = low < high && last !== undefined;
  return {
    bars,
    used,
    rest: isCut ? restOf(window, windowAt(size, last.t), isAscending) : null,
    hasNewest: from < to && to === visible && (!isAscending || !isCut),
  };
}

function restOf(window: Window, answered: Window, isAscending: boolean): Window {
  return isAscending ? { start: answered.end, end: window.end } : { start: window.start, end: answered.start };
}

/** Base aggregates that the candles `[from, to)` stand for: a 5 minute candle counts as 5 minutes, a week as 7 days. */
function baseUnits(series: CandleSeries, from: number, to: number, { size, timeframe }: PageRequest): number {
  const minutes = TIMEFRAME_MINUTES[timeframe];
  if (size.timespan === "minute" || size.timespan === "hour") return (to - from) * minutes;
  if (minutes >= 1440) return (to - from) * (minutes / 1440);
  let days = 0;
  for (let i = from, end = Number.NEGATIVE_INFINITY; i < to; i++) {
    const t = series.t[i] as number;
    if (t < end) continue;
    days++;
    end = windowAt({ ...size, multiplier: 1, timespan: "day" }, t).end;
  }
  return days;
}

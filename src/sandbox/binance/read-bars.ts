import { type Bar, type CandleSeries, indexFrom, mergeCandles } from "../candle-series.ts";
import { barAt } from "./intervals.ts";

export interface BarsRequest {
  readonly interval: string;
  /** Whether the candles are the bars asked for, or are merged into larger ones. */
  readonly isOwn: boolean;
  /** Bars that start in `[startMs, endMs]`; without a start, the last ones up to the end; without either, the newest. */
  readonly startMs: number | null;
  readonly endMs: number | null;
  /** Bars at most. */
  readonly limit: number;
  /** Candles that start at this instant or later do not exist yet. */
  readonly nowMs: number | null;
}

/** The bars asked for, oldest first, and whether the newest bar there is now is one of them. */
export function readBars(
  series: CandleSeries,
  request: BarsRequest,
): { readonly bars: readonly Bar[]; readonly hasNewest: boolean } {
  const { interval, startMs, endMs, limit, nowMs } = request;
  const visible = nowMs === null ? series.length : indexFrom(series, nowMs);
  const low = startMs === null ? 0 : indexFrom(series, firstStart(interval, startMs));
  const high = endMs === null ? visible : Math.min(visible, indexFrom(series, barAt(interval, endMs).end));
  const spans: (readonly [from: number, to: number])[] = [];
  if (startMs === null) {
    for (let to = high; to > low && spans.length < limit; ) {
      const from = request.isOwn ? to - 1 : Math.max(low, indexFrom(series, startAt(series, interval, to - 1)));
      spans.unshift([from, to]);
      to = from;
    }
  } else {
    for (let from = low; from < high && spans.length < limit; ) {
      const end = barAt(interval, series.t[from] as number).end;
      const to = request.isOwn ? from + 1 : Math.min(high, indexFrom(series, end));
      spans.push([from, to]);
      from = to;
    }
  }
  const bars = spans.map(([from, to]) => mergeCandles(series, from, to, startAt(series, interval, from)));
  return { bars, hasNewest: bars.length > 0 && spans[spans.length - 1]?.[1] === visible };
}

/** The start of the first bar that starts at `at` or later. */
function firstStart(interval: string, at: number): number {
  const bar = barAt(interval, at);
  return bar.start === at ? at : bar.end;
}

function startAt(series: CandleSeries, interval: string, index: number): number {
  return barAt(interval, series.t[index] as number).start;
}

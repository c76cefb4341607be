/** One file of candles in memory, a column an array; times ascend strictly. */
export interface CandleSeries {
  readonly length: number;
  /** Bar start, epoch milliseconds UTC. */
  readonly t: Float64Array;
  readonly o: Float64Array;
  readonly h: Float64Array;
  readonly l: Float64Array;
  readonly c: Float64Array;
  /** NaN where the source gives none (indices). */
  readonly v: Float64Array;
  /** Volume-weighted price; absent when the file has no such column, NaN where a row has none. */
  readonly vw?: Float64Array;
  /** Number of trades; as `vw`. */
  readonly n?: Float64Array;
}

/** One bar as it is answered. */
export interface Bar {
  readonly t: number;
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v?: number;
  readonly vw?: number;
  readonly n?: number;
}

/** Index of the first candle that starts at `at` or later. O(log n). */
export function indexFrom(series: CandleSeries, at: number): number {
  let low = 0;
  let high = series.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((series.t[middle] as number) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The candles `[from, to)` as one bar that starts at `t`: first open, highest high, lowest low, last close, sums of
 * volume and trades. A value that some candle lacks is left out, except volume, which sums what there is.
 */
export function mergeCandles(series: CandleSeries, from: number, to: number, t: number): Bar {
  let h = Number.NEGATIVE_INFINITY;
  let l = Number.POSITIVE_INFINITY;
  let v = 0;
  let hasVolume = false;
  let n = 0;
  let turnover = 0;
  for (let i = from; i < to; i++) {
    h = Math.max(h, series.h[i] as number);
    l = Math.min(l, series.l[i] as number);
    const volume = series.v[i] as number;
    if (!Number.isNaN(volume)) {
      v += volume;
      hasVolume = true;
    }
    n += series.n?.[i] ?? Number.NaN;
    turnover += (series.vw?.[i] ?? Number.NaN) * volume;
  }
  const single = to - from === 1;
  const vw = single ? (series.vw?.[from] ?? Number.NaN) : turnover / v;
  return {
    t,
    o: series.o[from] as number,
    h,
    l,
    c: series.c[to - 1] as number,
    ...(hasVolume ? { v } : {}),
    ...(Number.isFinite(vw) ? { vw: single ? vw : Math.round(vw * 1e4) / 1e4 } : {}),
    ...(Number.isNaN(n) ? {} : { n }),
  };
}

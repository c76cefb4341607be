import type { CandleSeries } from "./candle-series.ts";

/** `from` old shares become `to` new ones at `startMs`. */
export interface EffectiveSplit {
  readonly startMs: number;
  readonly from: number;
  readonly to: number;
}

/** Divisions leave figures such as 33.333333…; they are kept to this many decimals. */
const SCALE = 1e8;

/**
 * As-traded candles as if every split had always been in effect: prices before it are divided by its ratio, volumes
 * multiplied. A candle belongs to the time it starts in. `splits` ascend; without any the series itself comes back.
 */
export function adjustForSplits(series: CandleSeries, splits: readonly EffectiveSplit[]): CandleSeries {
  if (splits.length === 0) return series;
  const price = new Float64Array(series.length);
  let open = splits.length - 1;
  let from = 1;
  let to = 1;
  for (let i = series.length - 1; i >= 0; i--) {
    for (; open >= 0 && (splits[open] as EffectiveSplit).startMs > (series.t[i] as number); open--) {
      from *= (splits[open] as EffectiveSplit).from;
      to *= (splits[open] as EffectiveSplit).to;
    }
    price[i] = from / to;
  }
  const scaled = (column: Float64Array, by: (value: number, factor: number) => number): Float64Array =>
    column.map((value, i) => (price[i] === 1 ? value : Math.round(by(value, price[i] as number) * SCALE) / SCALE));
  const times = (value: number, factor: number): number => value * factor;
  return {
    ...series,
    o: scaled(series.o, times),
    h: scaled(series.h, times),
    l: scaled(series.l, times),
    c: scaled(series.c, times),
    v: scaled(series.v, (value, factor) => value / factor),
    ...(series.vw ? { vw: scaled(series.vw, times) } : {}),
  };
}

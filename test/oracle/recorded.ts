import { join } from "node:path";
import { MINUTE } from "../../src/core/time/instant.ts";
import type { AssetClass, Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { civilSlots, gather } from "../real/expected.ts";
import { newYorkToUtc } from "../real/new-york.ts";
import { leanNewYork, plainNewYork, type RawBar, type RawFormat, readBars, withOffset } from "../real/raw-bars.ts";

// Series that the formulas are compared on, and how their files are to be read.

/** Where recorded files lie; empty where there are none. */
export const root = process.env.RETROFILL_DATA ?? "";

export interface Subject {
  readonly name: string;
  readonly assetClass: AssetClass;
  readonly timeframe: Timeframe;
  readonly read: () => readonly RawBar[] | Promise<readonly RawBar[]>;
  /** Bars that lie in a slot. */
  readonly bars: number;
}

export const LEAN: RawFormat = { columns: null, readTime: leanNewYork, priceScale: 10_000 };
export const YAHOO: RawFormat = { columns: null, readTime: withOffset, priceScale: 1 };
/** Stamped at the end of their minute, on New York clocks. */
export const EQKER: RawFormat = { columns: null, readTime: (stamp) => plainNewYork(stamp) - MINUTE, priceScale: 1 };
export const BITFINEX: RawFormat = {
  columns: ["t", "open", "close", "high", "low", "volume"],
  readTime: Number,
  priceScale: 1,
};

/** A file of the data folder, by its path without the ending. */
export function fromFile(
  file: string,
  assetClass: AssetClass,
  timeframe: Timeframe,
  format: RawFormat,
  bars: number,
): Subject {
  const path = join(root, "ohlcv", `${file}.csv.gz`);
  return { name: file, assetClass, timeframe, read: () => readBars(path, format), bars };
}

/** Days put together into weeks from Sunday, on New York clocks. */
export function weeks(days: readonly RawBar[]): readonly RawBar[] {
  const span = { start: days[0]?.t ?? 0, end: days[days.length - 1]?.t ?? 0 };
  return gather(
    civilSlots(span, 7, (date) => newYorkToUtc(date, "00:00")),
    days,
  );
}

import type { Instant } from "../time/instant.ts";
import type { Axis } from "./axis.ts";
import type { DatasetName } from "./dataset.ts";

declare const keyBrand: unique symbol;

/** The name of a series within its dataset: its key columns joined by `/`, such as `AAPL/1h`. */
export type SeriesKey = string & { readonly [keyBrand]: true };

/** The key of a series from its parts, in the dataset's key order. */
export function seriesKey(parts: readonly string[]): SeriesKey {
  return parts.join("/") as SeriesKey;
}

/** A key read back from the ledger or the command line. */
export function asSeriesKey(text: string): SeriesKey {
  return text as SeriesKey;
}

/** One key of a dataset with everything needed to know what it owes and how to ask for it. */
export interface Series {
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  /** Values of the dataset's key columns, by column. */
  readonly parts: Readonly<Record<string, string>>;
  /** The registry entry it belongs to (its symbol, its store). */
  readonly entry: string;
  readonly axis: Axis;
  /** Where its history starts when nobody asks for a range. */
  readonly since: Instant;
  /** What the source needs to know to ask for it, such as asset class; plain data, part of the plan's fingerprint. */
  readonly ask: Readonly<Record<string, string>>;
}

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
  /** The source that answers for it; null where its rows are made from other datasets. */
  readonly source: string | null;
  /** How far before the watermark an incremental run asks again, milliseconds. */
  readonly lookbackMs: number;
  /** Values that a transform's query may use by name. */
  readonly params: Readonly<Record<string, number | string>>;
  /** What the source needs to know to ask for it, such as asset class; plain data, part of the plan's fingerprint. */
  readonly ask: Readonly<Record<string, string>>;
}

/** The series of `input` from which `series` is made. */
export function inputKeyOf(
  series: Pick<Series, "parts">,
  input: { readonly with?: Readonly<Record<string, string>> },
  key: readonly string[],
): SeriesKey {
  return seriesKey(key.map((column) => input.with?.[column] ?? series.parts[column] ?? ""));
}

/** A series' name over all datasets and versions. */
export function cellKey({ dataset, version, key }: Pick<Series, "dataset" | "version" | "key">): string {
  return `${dataset}@${version} ${key}`;
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { newYorkToUtc } from "./new-york.ts";

/** One line of a file as its own description means it; `t` is the bar's start in milliseconds UTC. */
export interface RawBar {
  readonly t: number;
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v: number;
}

/** How a file is to be read, from its description and not from the product's code. */
export interface RawFormat {
  /** Column names, lower case, or null where the file's first line has them. */
  readonly columns: readonly string[] | null;
  /** Instant that a stamp means. */
  readonly readTime: (stamp: string) => number;
  readonly priceScale: number;
}

/** Stamps `2026-03-19 13:30:00+00:00` and `2025-09-26 04:00:00-04:00`. */
export const withOffset = (stamp: string): number => Date.parse(stamp.replace(" ", "T"));
/** Stamps `2025-10-29 08:00:00` that are UTC without saying so, and dates of coins. */
export const plainUtc = (stamp: string): number =>
  Date.parse(`${stamp.slice(0, 19).replace(" ", "T")}${stamp.length > 10 ? "Z" : ""}`);
/** Stamps `2025-07-01 04:00:00` on New York clocks. */
export const plainNewYork = (stamp: string): number => newYorkToUtc(stamp.slice(0, 10), stamp.slice(11, 16));
/** Dates, whatever stands behind them, that mean a day in New York. */
export const newYorkDay = (stamp: string): number => newYorkToUtc(stamp.slice(0, 10), "00:00");
/** Dates, whatever stands behind them, that mean a UTC day. */
export const utcDay = (stamp: string): number => Date.parse(stamp.slice(0, 10));
/** Stamps `20210331 15:00` on New York clocks. */
export const leanNewYork = (stamp: string): number =>
  newYorkToUtc(`${stamp.slice(0, 4)}-${stamp.slice(4, 6)}-${stamp.slice(6, 8)}`, stamp.slice(9, 14));

/** Bars of one file in its own order; lines that do not begin with a digit are headers. */
export async function readBars(path: string, format: RawFormat): Promise<readonly RawBar[]> {
  const text = gunzipSync(await readFile(path)).toString("utf8");
  const lines = text.split("\n");
  const columns = format.columns ?? (lines[0] ?? "").trim().toLowerCase().split(",");
  const at = (name: string): number => columns.indexOf(name);
  const [open, high, low, close, volume] = [at("open"), at("high"), at("low"), at("close"), at("volume")];
  const bars: RawBar[] = [];
  for (const line of lines) {
    if (line < "0" || line >= ":") continue;
    const cells = line.trimEnd().split(",");
    const price = (place: number): number => Number(cells[place]) / format.priceScale;
    bars.push({
      t: format.readTime(cells[0] ?? ""),
      o: price(open),
      h: price(high),
      l: price(low),
      c: price(close),
      v: Number(cells[volume]),
    });
  }
  return bars;
}

/** Bars of several files of one origin, oldest first. */
export async function readFiles(
  root: string,
  set: string,
  files: readonly string[],
  format: RawFormat,
): Promise<readonly RawBar[]> {
  const parts = await Promise.all(files.map((file) => readBars(join(root, "ohlcv", set, file), format)));
  return parts.flat().sort((a, b) => a.t - b.t);
}

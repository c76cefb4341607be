import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { EventsInput } from "../../src/sandbox/events.ts";

// Corporate events and cumulative factors as two collections of real files state them, read by code of these tests alone.

type Ticker = EventsInput["tickers"][string];

/** Both cumulative factors of one day: what splits and what dividends after it make of its price. */
export interface DayFactors {
  readonly split: number;
  readonly dividend: number;
}

/** A line of a factor file: both factors hold up to and including `date`; the reference close is that day's, as traded. */
interface FactorLine extends DayFactors {
  readonly date: string;
  readonly close: number;
}

/** `date,price factor,split factor,reference close`, without a header; oldest first. */
export async function readFactorFile(root: string, ticker: string): Promise<readonly FactorLine[]> {
  const text = await readFile(join(root, "ohlcv", "lean-us-factor_files", `${ticker}.csv`), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [date = "", dividend, split, close] = line.split(",");
      return {
        date: `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}`,
        dividend: Number(dividend),
        split: Number(split),
        close: Number(close),
      };
    });
}

/** The factors that a file gives for a day. */
export function factorsOn(lines: readonly FactorLine[], day: string): DayFactors {
  const line = lines.find(({ date }) => date >= day);
  if (!line) throw new Error(`no factors for ${day}`);
  return { split: line.split, dividend: line.dividend };
}

/**
 * The events between two lines of a factor file: a dividend takes its share of the reference close, a split divides. They
 * take effect on the first of `days` after the earlier line's date.
 */
export function eventsOf(
  lines: readonly FactorLine[],
  days: readonly string[],
): Required<Pick<Ticker, "splits">> & Ticker {
  const dividends: { exDate: string; cashAmount: number }[] = [];
  const splits: { executionDate: string; from: number; to: number }[] = [];
  for (const [i, line] of lines.entries()) {
    const next = lines[i + 1];
    const day = days.find((one) => one > line.date);
    if (!next || !day) continue;
    const amount = line.close * (1 - line.dividend / next.dividend);
    if (line.dividend !== next.dividend) dividends.push({ exDate: day, cashAmount: amount });
    if (line.split !== next.split)
      splits.push({ executionDate: day, from: 1, to: Math.round(next.split / line.split) });
  }
  return { dividends, splits };
}

/** One day of a file that has prices as traded and adjusted, dividends and split factors. */
export interface AdjustedDay {
  readonly date: string;
  readonly close: number;
  readonly adjustedClose: number;
  readonly dividend: number;
  /** New shares for one; 1 without a split. */
  readonly split: number;
  /** What volumes were divided by, of all splits after the day. */
  readonly splitOfVolume: number;
}

/** Days of a `yahoo-2026` daily file that has both prices. */
export async function readAdjustedDays(root: string, symbol: string): Promise<readonly AdjustedDay[]> {
  const file = await readFile(join(root, "ohlcv", "yahoo-2026", `${symbol}_1d.csv.gz`));
  const [header = "", ...lines] = gunzipSync(file).toString("utf8").trim().split("\n");
  const columns = header.trim().toLowerCase().split(",");
  return lines.map((line) => {
    const cells = line.trim().split(",");
    const number = (name: string): number => Number(cells[columns.indexOf(name)]);
    return {
      date: (cells[0] ?? "").slice(0, 10),
      close: number("close"),
      adjustedClose: number("adjclose"),
      dividend: number("divcash"),
      split: number("splitfactor"),
      splitOfVolume: number("volume") / number("adjvolume"),
    };
  });
}

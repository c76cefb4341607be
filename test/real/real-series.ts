import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Bounds, civilSlots, gather, type Slots, slotFrom, slotOf } from "./expected.ts";
import { newYorkDate, newYorkToUtc } from "./new-york.ts";
import {
  leanNewYork,
  newYorkDay,
  plainNewYork,
  plainUtc,
  type RawBar,
  type RawFormat,
  readFiles,
  utcDay,
  withOffset,
} from "./raw-bars.ts";
import { everyDay, nyseSessions, type Session } from "./sessions.ts";

// Which files hold which series, read off the descriptions that come with them; the product's converter is not asked.

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const STEPS: Readonly<Record<string, number>> = { "1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60 };

export type Market = "nyse" | "always";

/** Files of one symbol and timeframe. */
export interface RealSeries {
  readonly symbol: string;
  readonly timeframe: string;
  readonly market: Market;
  readonly files: readonly string[];
  readonly format: RawFormat;
}

const BITFINEX: RawFormat = {
  columns: ["t", "open", "close", "high", "low", "volume"],
  readTime: Number,
  priceScale: 1,
};

export const bitfinex: readonly RealSeries[] = [
  { symbol: "X:BTCUSD", files: ["BTCUSD_2013.csv.gz", "BTCUSD_2014.csv.gz", "BTCUSD_2015.csv.gz"] },
  { symbol: "X:ETHUSD", files: ["ETHUSD_2016.csv.gz"] },
  { symbol: "X:LTCUSD", files: ["LTCUSD_2013.csv.gz"] },
].map((one) => ({ ...one, timeframe: "1m", market: "always", format: BITFINEX }));

export const leanHours: readonly RealSeries[] = ["AAPL", "AIG", "IBM", "SPY", "GDVD", "SPWRA"].map((ticker) => ({
  symbol: `${ticker}.LEAN`,
  timeframe: "1h",
  market: "nyse",
  files: [`${ticker.toLowerCase()}.csv.gz`],
  format: { columns: null, readTime: leanNewYork, priceScale: 10_000 },
}));

/** In files with a three-line header the first line calls the times "Price". */
export const usMinutes: readonly RealSeries[] = (
  [
    ["SPY.2025JUL", "SPY_2025-07_extended-hours.csv.gz", plainNewYork],
    ["SPY.2025NOV", "SPY_2025-10-29_2025-11-08_across-dst.csv.gz", plainUtc],
    ["AAPL.2025SEP", "AAPL_2025-09-26_ibkr-offset-timestamps.csv.gz", withOffset],
    ["AAPL.2025MAY", "AAPL_2025-05_yfinance-three-line-header.csv.gz", withOffset],
    ["SPY.2025MAY", "SPY_2025-05_yfinance-three-line-header.csv.gz", withOffset],
  ] as const
).map(([symbol, file, readTime]) => ({
  symbol,
  timeframe: "1m",
  market: "nyse",
  files: [file],
  format: { columns: null, readTime, priceScale: 1 },
}));

export function yahoo(root: string): readonly RealSeries[] {
  const files = readdirSync(join(root, "ohlcv", "yahoo-2026")).filter((file) => file.endsWith(".csv.gz"));
  return files.sort().map((file) => {
    const [name = "", timeframe = ""] = file.replace(".csv.gz", "").split("_");
    const isCoin = name.endsWith("-USD");
    const readTime = timeframe !== "1d" ? withOffset : isCoin ? utcDay : newYorkDay;
    return {
      symbol: isCoin ? `X:${name.replace("-USD", "USD")}.YAHOO` : name,
      timeframe,
      market: isCoin ? "always" : "nyse",
      files: [file],
      format: { columns: null, readTime, priceScale: 1 },
    };
  });
}

/** First day of a symbol's life unless it is that of its files, first day without it, in its market's zone; end of what is asked for. */
export interface Life {
  readonly start: string | null;
  readonly end: string;
  readonly to: string;
  readonly now: string;
}

/** One series as it must come to be known. */
export interface Truth {
  readonly axis: { readonly slots: Slots; readonly sessions: readonly Session[]; readonly dense: boolean };
  readonly bounds: Bounds;
  /** Bars to be stored, oldest first. */
  readonly bars: readonly RawBar[];
  /** Starts of bars whose prices cannot be: the highest is more than 100,000 times the lowest. */
  readonly impossible: readonly number[];
}

/** Reads the files of one set, and the calendars. */
export class RealFiles {
  readonly #root: string;
  readonly #set: string;
  readonly #nyse: readonly Session[];

  constructor(root: string, set: string) {
    this.#root = root;
    this.#set = set;
    this.#nyse = nyseSessions(root);
  }

  async bars(series: RealSeries): Promise<readonly RawBar[]> {
    return readFiles(this.#root, this.#set, series.files, series.format);
  }

  /** What of `all`, in slots of `timeframe`, must be stored and owed. */
  truth(series: RealSeries, timeframe: string, all: readonly RawBar[], life: Life): Truth {
    const isCoin = series.market === "always";
    const midnight = (date: string): number => (isCoin ? Date.parse(date) : newYorkToUtc(date, "00:00"));
    const first = all[0]?.t ?? 0;
    const span = { start: first - 7 * DAY, end: Date.parse(life.to) + 7 * DAY };
    const slots = slotsOf(timeframe, span, midnight);
    const bounds: Bounds = {
      from: slotFrom(slots, Math.max(first, life.start === null ? 0 : midnight(life.start))),
      to: Math.min(slotFrom(slots, Date.parse(life.to)), slotFrom(slots, midnight(life.end))),
      now: Date.parse(life.now),
    };
    const sessions = isCoin
      ? everyDay(span.start, span.end)
      : this.#nyse.filter(({ open }) => open >= span.start && open < span.end);
    const built = series.timeframe === timeframe ? all : gather(slots, all);
    const asked = built.filter(({ t }) => t >= bounds.from && t < bounds.to && slotOf(slots, t).end <= bounds.now);
    const impossible = asked.filter(isImpossible).map(({ t }) => t);
    return {
      axis: { slots, sessions, dense: timeframe === "1d" || timeframe === "1w" },
      bounds,
      bars: asked.filter((bar) => !isImpossible(bar)),
      impossible,
    };
  }
}

/** The day after the last bar, where its market is. */
export function dayAfter(series: RealSeries, bars: readonly RawBar[]): string {
  const last = bars[bars.length - 1]?.t ?? 0;
  const date = series.market === "always" ? new Date(last).toISOString().slice(0, 10) : newYorkDate(last);
  return new Date(Date.parse(date) + DAY).toISOString().slice(0, 10);
}

const isImpossible = ({ h, l }: RawBar): boolean => h > 100_000 * l;

function slotsOf(timeframe: string, span: { start: number; end: number }, midnight: (date: string) => number): Slots {
  const minutes = STEPS[timeframe];
  return minutes === undefined ? civilSlots(span, timeframe === "1w" ? 7 : 1, midnight) : { stepMs: minutes * MINUTE };
}

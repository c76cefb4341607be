import { instant } from "../../src/core/time/instant.ts";
import { normalNumbers, randomNumbers } from "../../src/sandbox/random.ts";
import { simulateSessions } from "../../src/sandbox/simulate.ts";
import { newYorkToUtc } from "../real/new-york.ts";

/*
 * A simulator: nothing in here ever happened. It makes a small market with its calendar and keeps the truth of it: every
 * bar as traded, the splits, and what is wrong with the provider's answers on which night. What a store must hold in the
 * end follows from this alone.
 */

export interface Bar {
  readonly t: number;
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v: number;
}

/** `from` old shares become `to` new ones on `date`. */
export interface Split {
  readonly symbol: string;
  readonly date: string;
  readonly from: number;
  readonly to: number;
}

/** A day on which shares trade, by New York's date. */
export interface TradingDay {
  readonly date: string;
  /** 16, or 13 on half days. */
  readonly closingHour: number;
}

/** Bars of one symbol and timeframe, as traded. */
export interface MarketSeries {
  readonly symbol: string;
  readonly timeframe: "1m" | "1h" | "1d";
  readonly isCoin: boolean;
  readonly bars: readonly Bar[];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

// NYSE, "Holidays and trading hours" of 2019 and 2020, and its half days.
const CLOSED = new Set([
  ...["2019-07-04", "2019-09-02", "2019-11-28", "2019-12-25"],
  ...["2020-01-01", "2020-01-20", "2020-02-17", "2020-04-10", "2020-05-25", "2020-07-03"],
]);
const HALF_DAYS = new Set(["2019-07-03", "2019-11-29", "2019-12-24"]);

/** Trading days from `first` to `last`, by the exchange's published list. */
export function tradingDays(first: string, last: string): readonly TradingDay[] {
  const days: TradingDay[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += DAY) {
    const date = new Date(at).toISOString().slice(0, 10);
    if ([0, 6].includes(new Date(at).getUTCDay()) || CLOSED.has(date)) continue;
    days.push({ date, closingHour: HALF_DAYS.has(date) ? 13 : 16 });
  }
  return days;
}

/** Hours and days of a share. The price halves overnight where one share becomes two. */
export function simulateShare(
  symbol: string,
  days: readonly TradingDay[],
  { seed, splits, quiet }: { readonly seed: number; readonly splits: readonly Split[]; readonly quiet: string | null },
): readonly MarketSeries[] {
  const walk = new Walk(seed, 100);
  const hours: Bar[] = [];
  const daily: Bar[] = [];
  for (const { date, closingHour } of days) {
    for (const split of splits) if (split.date === date) walk.price *= split.from / split.to;
    const own: Bar[] = [];
    // The bar of nine o'clock holds the half hour after the opening.
    for (let hour = 9; hour < closingHour; hour++) {
      const t = newYorkToUtc(date, `${String(hour).padStart(2, "0")}:00`);
      own.push(walk.bar(t, 0.004, date === quiet ? 800 : 40_000));
    }
    hours.push(...own);
    daily.push(rollUp(newYorkToUtc(date, "00:00"), own));
  }
  const of = (timeframe: "1h" | "1d", bars: readonly Bar[]): MarketSeries => ({
    symbol,
    timeframe,
    isCoin: false,
    bars,
  });
  return [of("1h", hours), of("1d", daily)];
}

/** Hours and days of a coin, which trades at all hours. */
export function simulateCoin(symbol: string, first: string, last: string, seed: number): readonly MarketSeries[] {
  const walk = new Walk(seed, 8_000);
  const hours: Bar[] = [];
  const daily: Bar[] = [];
  for (let day = Date.parse(first); day <= Date.parse(last); day += DAY) {
    const own = Array.from({ length: 24 }, (_, hour) => walk.bar(day + hour * HOUR, 0.006, 900));
    hours.push(...own);
    daily.push(rollUp(day, own));
  }
  const of = (timeframe: "1h" | "1d", bars: readonly Bar[]): MarketSeries => ({
    symbol,
    timeframe,
    isCoin: true,
    bars,
  });
  return [of("1h", hours), of("1d", daily)];
}

/** Minutes of a share; quiet ones have no bar. */
export function simulateMinutes(symbol: string, days: readonly TradingDay[], seed: number): MarketSeries {
  const walk = new Walk(seed, 50);
  const rows = days.flatMap(({ date, closingHour }) => {
    const bar = walk.bar(0, 0.02, 200_000);
    const open = instant(newYorkToUtc(date, "09:30"));
    const close = instant(newYorkToUtc(date, `${closingHour}:00`));
    return simulateSessions([{ open, close, bar }], { seed });
  });
  const bars = rows.map(([t, o, h, l, c, v]): Bar => ({ t, o, h, l, c, v }));
  return { symbol, timeframe: "1m", isCoin: false, bars };
}

/** One bar of several: first open, extremes, last close, sum of volumes. */
export function rollUp(t: number, bars: readonly Bar[]): Bar {
  const [first] = bars;
  const last = bars[bars.length - 1];
  if (!first || !last) throw new Error("no bars to roll up");
  return {
    t,
    o: first.o,
    h: Math.max(...bars.map(({ h }) => h)),
    l: Math.min(...bars.map(({ l }) => l)),
    c: last.c,
    v: bars.reduce((sum, { v }) => sum + v, 0),
  };
}

/** Bars on the basis after `splits`: prices divided by their ratio, volumes multiplied, to eight decimals. */
export function adjust(bars: readonly Bar[], splits: readonly Split[]): readonly Bar[] {
  const rounded = (value: number): number => Math.round(value * 1e8) / 1e8;
  return bars.map((bar) => {
    const later = splits.filter(({ date }) => bar.t < newYorkToUtc(date, "00:00"));
    if (later.length === 0) return bar;
    const factor =
      later.reduce((product, { from }) => product * from, 1) / later.reduce((product, { to }) => product * to, 1);
    const { t, o, h, l, c, v } = bar;
    const price = (value: number): number => rounded(value * factor);
    return { t, o: price(o), h: price(h), l: price(l), c: price(c), v: rounded(v / factor) };
  });
}

/** A price that wanders, in cents. */
class Walk {
  price: number;
  readonly #uniform: () => number;
  readonly #normal: () => number;

  constructor(seed: number, price: number) {
    this.price = price;
    this.#uniform = randomNumbers(seed);
    this.#normal = normalNumbers(this.#uniform);
  }

  bar(t: number, deviation: number, volume: number): Bar {
    const cents = (value: number): number => Math.max(1, Math.round(value * 100)) / 100;
    const o = cents(this.price);
    const c = cents(o * Math.exp(deviation * this.#normal()));
    const h = cents(Math.max(o, c) * (1 + deviation * this.#uniform()));
    const l = cents(Math.min(o, c) * (1 - deviation * this.#uniform()));
    this.price = c;
    return {
      t,
      o,
      h: Math.max(h, o, c),
      l: Math.min(l, o, c),
      c,
      v: Math.round(volume * Math.exp(0.15 * this.#normal())),
    };
  }
}

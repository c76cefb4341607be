import { DAY, HOUR, MINUTE, WEEK } from "../../core/time/instant.ts";
import { chooseSeries } from "../choose-series.ts";
import { type SeriesEntry, zoneOf } from "../data-directory.ts";
import type { Timespan, Window } from "../windows.ts";

/** Bars of one size: their length, and an instant at which one starts. */
interface Steps {
  readonly multiplier: number;
  readonly timespan: Timespan;
  readonly stepMs: number;
  readonly originMs: number;
}

const steps = (multiplier: number, timespan: Timespan, stepMs: number, originMs = 0): Steps => ({
  multiplier,
  timespan,
  stepMs: multiplier * stepMs,
  originMs,
});

/** The exchange's bars that a directory can make, on UTC clocks; weeks start on Monday, as 1970-01-05 was. */
const INTERVALS: Readonly<Record<string, Steps>> = {
  "1m": steps(1, "minute", MINUTE),
  "3m": steps(3, "minute", MINUTE),
  "5m": steps(5, "minute", MINUTE),
  "15m": steps(15, "minute", MINUTE),
  "30m": steps(30, "minute", MINUTE),
  "1h": steps(1, "hour", HOUR),
  "2h": steps(2, "hour", HOUR),
  "4h": steps(4, "hour", HOUR),
  "6h": steps(6, "hour", HOUR),
  "8h": steps(8, "hour", HOUR),
  "12h": steps(12, "hour", HOUR),
  "1d": steps(1, "day", DAY),
  "1w": steps(1, "week", WEEK, 4 * DAY),
};

/** Whether bars of this name are served; names are case-sensitive. */
export function isInterval(name: string): boolean {
  return Object.hasOwn(INTERVALS, name);
}

/** The bar of `interval` that contains `at`. */
export function barAt(interval: string, at: number): Window {
  const { stepMs, originMs } = stepsOf(interval);
  const start = Math.floor((at - originMs) / stepMs) * stepMs + originMs;
  return { start, end: start + stepMs };
}

/**
 * The one series from which bars of `interval` are answered, or null when none is fine enough. Files whose bars are not
 * the exchange's are passed over: weeks, which start on Sunday, and days and 4 hours of another zone than UTC.
 */
export function seriesFor(interval: string, entries: readonly SeriesEntry[]): SeriesEntry | null {
  const { multiplier, timespan } = stepsOf(interval);
  const alike = entries.filter((entry) => {
    const isCivil = entry.timeframe === "1d" || entry.timeframe === "4h";
    return entry.timeframe !== "1w" && !(isCivil && zoneOf(entry) !== "UTC");
  });
  return chooseSeries(alike, multiplier, timespan);
}

function stepsOf(interval: string): Steps {
  const found = INTERVALS[interval];
  if (found === undefined) throw new Error(`unreachable: ${interval} is not served`);
  return found;
}

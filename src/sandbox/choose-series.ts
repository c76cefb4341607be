import type { SeriesEntry, Timeframe } from "./data-directory.ts";
import type { Timespan } from "./windows.ts";

/** Nominal minutes of a timeframe. */
export const TIMEFRAME_MINUTES: Readonly<Record<Timeframe, number>> = {
  "1m": 1,
  "5m": 5,
  "15m": 15,
  "30m": 30,
  "1h": 60,
  "4h": 240,
  "1d": 1440,
  "1w": 10080,
};

const DAY_MINUTES = 1440;

/**
 * The one series of a ticker from which bars of this size are answered, or null when none is fine enough: the file of
 * that timeframe itself, else the one that `builds` it, else the finest. Days and longer come from days, when there are.
 */
export function chooseSeries(
  entries: readonly SeriesEntry[],
  multiplier: number,
  timespan: Timespan,
): SeriesEntry | null {
  const name = `${multiplier}${timespan.charAt(0)}`;
  const own = timespan === "month" ? undefined : entries.find((entry) => entry.timeframe === name);
  if (own !== undefined) return own;
  const fitting = entries
    .filter((entry) => fits(TIMEFRAME_MINUTES[entry.timeframe], multiplier, timespan))
    .sort((a, b) => TIMEFRAME_MINUTES[a.timeframe] - TIMEFRAME_MINUTES[b.timeframe]);
  const declared = fitting.find((entry) => (entry.builds as string[] | undefined)?.includes(name));
  if (declared !== undefined) return declared;
  const free = fitting.filter((entry) => entry.builds === undefined);
  const daily = isIntraday(timespan) ? undefined : free.find((entry) => entry.timeframe === "1d");
  return daily ?? free[0] ?? null;
}

/** As `chooseSeries`, for one of the named timeframes. */
export function chooseSeriesFor(entries: readonly SeriesEntry[], timeframe: Timeframe): SeriesEntry | null {
  const timespan = ({ m: "minute", h: "hour", d: "day", w: "week" } as const)[
    timeframe.slice(-1) as "m" | "h" | "d" | "w"
  ];
  return chooseSeries(entries, Number.parseInt(timeframe, 10), timespan);
}

function isIntraday(timespan: Timespan): boolean {
  return timespan === "minute" || timespan === "hour";
}

function fits(minutes: number, multiplier: number, timespan: Timespan): boolean {
  if (!isIntraday(timespan)) return minutes <= DAY_MINUTES && (timespan !== "day" || minutes < DAY_MINUTES);
  const asked = multiplier * (timespan === "hour" ? 60 : 1);
  return minutes < asked && asked % minutes === 0;
}

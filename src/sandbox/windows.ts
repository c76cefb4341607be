import { type Grain, type Grid, slotAt } from "../core/time/grid.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../core/time/instant.ts";
import { fromLocalMs, toLocalMs } from "../core/time/zone.ts";

export type Timespan = "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year";

/** The windows that bars of one size fill. */
export interface WindowSize {
  readonly multiplier: number;
  readonly timespan: Timespan;
  readonly zone: string;
  /** Where 4 hour windows count from; Polygon does not document it. */
  readonly fourHourAnchor: "local-midnight" | "utc";
}

/** Half-open, milliseconds UTC. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

const CIVIL_GRAIN: Partial<Record<Timespan, Grain>> = {
  day: "1d",
  week: "1w",
  month: "month",
  quarter: "quarter",
  year: "year",
};

/** Why bars of this size cannot be made here, or null. */
export function sizeProblem(multiplier: number, timespan: string): string | null {
  if (!Number.isInteger(multiplier) || multiplier < 1) return "multiplier must be a positive integer";
  if (timespan === "minute") return multiplier <= 59 ? null : "minute multipliers go to 59 here";
  if (timespan === "hour") return 24 % multiplier === 0 ? null : "hour multipliers must divide 24 here";
  if (!(timespan in CIVIL_GRAIN)) return `timespan '${timespan}' is not served here`;
  return multiplier === 1 ? null : `only 1 ${timespan} is served here`;
}

/** The window that contains `at`. */
export function windowAt(size: WindowSize, at: number): Window {
  const { multiplier, timespan, zone } = size;
  if (timespan === "minute") return fixedWindow(multiplier * MINUTE, at);
  if (timespan === "hour") {
    if (multiplier === 1 || size.fourHourAnchor === "utc") return fixedWindow(multiplier * HOUR, at);
    return hoursOfDay(zone, multiplier * HOUR, instant(at));
  }
  const grid: Grid = { grain: CIVIL_GRAIN[timespan] as Grain, zone };
  return slotAt(grid, instant(at));
}

function fixedWindow(step: number, at: number): Window {
  const start = Math.floor(at / step) * step;
  return { start, end: start + step };
}

/** Wall-clock steps from local midnight: the one across a clock change is an hour longer or shorter. */
function hoursOfDay(zone: string, step: number, at: Instant): Window {
  const local = toLocalMs(zone, at);
  const midnight = Math.floor(local / DAY) * DAY;
  const start = midnight + Math.floor((local - midnight) / step) * step;
  return { start: fromLocalMs(zone, start), end: fromLocalMs(zone, start + step) };
}

import type { Closure } from "../calendar/store-calendar.ts";
import { countDays, type DaySpan, daysBetween, shiftDate } from "../time/local-days.ts";
import { type DayCoverage, dayCoverage, type KeyDays } from "./day-coverage.ts";
import {
  type CommonGap,
  commonGaps,
  type DayGap,
  type GapSettings,
  gapsOf,
  leadingDays,
  trailingDays,
} from "./day-gaps.ts";

/** A holiday that is named in reports and excuses nothing. */
export interface Holiday {
  readonly date: string;
  readonly name: string;
}

export interface DayReportSettings extends GapSettings {
  /** Missing days from which a key's priority is high, and medium. */
  readonly priority: { readonly high: number; readonly medium: number };
  /** A key is new when its first data come less than this many days before the window's end. */
  readonly newKeyDays: number;
}

export const DAY_REPORT_SETTINGS: DayReportSettings = {
  priority: { high: 48, medium: 30 },
  newKeyDays: 7,
  common: { share: 0.8, minKeys: 3, minDays: 3, recentDays: 7 },
  edge: { minDays: 14 },
  block: { minDays: 7, joinDays: 1 },
};

export type Priority = "high" | "medium" | "low";

/**
 * How a key's data begin, where that explains what is missing. `dark`: it has none at all, asked for or not. `new`: the first came when
 * the window was all but over. `late`: the first came inside the window, after a long leading gap.
 */
export type KeyStart = { readonly kind: "dark" } | { readonly kind: "new" | "late"; readonly firstDay: string };

/** Where a key's data end long before the window does. */
export interface KeyEnd {
  /** The day after its last one with data. */
  readonly since: string;
  /** Whether its declared life goes on, so that it is owed days for ever. */
  readonly isLifeOpen: boolean;
}

/** One key of the report. */
export interface DayReportRow extends DayCoverage {
  /** By missing days; high for dark and new keys; null when nothing is missing. */
  readonly priority: Priority | null;
  readonly start: KeyStart | null;
  /** Null for a key that still has data, or never had any. */
  readonly end: KeyEnd | null;
  /** What it owes. Every open day is in exactly one gap. */
  readonly gaps: readonly DayGap[];
}

/** What keys show on a holiday, counted. */
export interface HolidayCount extends Holiday {
  readonly withData: number;
  /** Missing, and closed by the key's own calendar. */
  readonly closed: number;
  /** Missing, and owed. */
  readonly open: number;
}

/** A closed day that counts as missing, with the keys that are closed for that reason. */
export interface SharedClosure extends Closure {
  readonly keys: readonly string[];
}

/** Which key lacks which days of a window, and in which pattern. */
export interface DayReport {
  readonly window: DaySpan;
  readonly days: number;
  /** Most missing days first; ties in the order in which the keys were given. */
  readonly rows: readonly DayReportRow[];
  /** Newest first. */
  readonly common: readonly CommonGap[];
  readonly holidays: readonly HolidayCount[];
  /** In order of their dates. */
  readonly closures: readonly SharedClosure[];
}

/**
 * Reports the days of `keys` over `window`, which must not reach beyond the last day that is due.
 * Its arithmetic counts every calendar day of a key's life: closed days are missing too, they are only never owed.
 */
export function dayReport(
  keys: readonly KeyDays[],
  window: DaySpan,
  options: { readonly holidays?: readonly Holiday[]; readonly settings?: DayReportSettings } = {},
): DayReport {
  const { holidays = [], settings = DAY_REPORT_SETTINGS } = options;
  const covered = keys.map((known) => dayCoverage(known, window));
  const common = commonGaps(covered, window, settings);
  const rows = covered.map((one): DayReportRow => {
    const start = startOf(one, window, common, settings);
    return {
      ...one,
      start,
      end: endOf(one, window, common, settings),
      priority: priorityOf(one, start, settings),
      gaps: gapsOf(one, start, window, common, settings),
    };
  });
  return {
    window,
    days: countDays(window),
    rows: rows.sort((a, b) => b.requestedWindow.missing - a.requestedWindow.missing),
    common,
    holidays: countHolidays(holidays, covered, window),
    closures: sharedClosures(covered),
  };
}

function startOf(
  one: DayCoverage,
  window: DaySpan,
  common: readonly CommonGap[],
  { edge, newKeyDays }: DayReportSettings,
): KeyStart | null {
  if (one.firstToLast === null) {
    // Days that the source has answered without data are not owed any more; the key is as dark as before.
    const isLacking = one.open.length > 0 || one.closed.some(({ cause }) => cause === "empty-at-source");
    return isLacking ? { kind: "dark" } : null;
  }
  const firstDay = one.firstToLast.first;
  if (firstDay < window.first || leadingDays(one, common) < edge.minDays) return null;
  return { kind: daysBetween(firstDay, window.last) < newKeyDays ? "new" : "late", firstDay };
}

/** Days that the source has answered without data count: they are what a key that is gone looks like. */
function endOf(
  one: DayCoverage,
  window: DaySpan,
  common: readonly CommonGap[],
  { edge }: DayReportSettings,
): KeyEnd | null {
  if (one.firstToLast === null || trailingDays(one, window, common) < edge.minDays) return null;
  return { since: shiftDate(one.firstToLast.last, 1), isLifeOpen: one.trailing?.last === window.last };
}

function priorityOf(one: DayCoverage, start: KeyStart | null, { priority }: DayReportSettings): Priority | null {
  const { missing } = one.requestedWindow;
  if (missing === 0) return null;
  if (start?.kind === "dark" || start?.kind === "new" || missing >= priority.high) return "high";
  return missing >= priority.medium ? "medium" : "low";
}

function countHolidays(
  holidays: readonly Holiday[],
  covered: readonly DayCoverage[],
  window: DaySpan,
): readonly HolidayCount[] {
  return holidays
    .filter(({ date }) => window.first <= date && date <= window.last)
    .map(({ date, name }) => ({
      date,
      name,
      withData: covered.filter((one) => one.present.includes(date)).length,
      closed: covered.filter((one) => one.closed.some((closure) => closure.date === date)).length,
      open: covered.filter((one) => one.open.includes(date)).length,
    }));
}

function sharedClosures(covered: readonly DayCoverage[]): readonly SharedClosure[] {
  const shared = new Map<string, Closure & { keys: string[] }>();
  for (const { key, closed } of covered) {
    for (const closure of closed) {
      const name = JSON.stringify([closure.date, closure.cause, closure.reason]);
      const known = shared.get(name) ?? { ...closure, keys: [] };
      known.keys.push(key);
      shared.set(name, known);
    }
  }
  return [...shared.values()].sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
}

import type { Closure } from "../calendar/store-calendar.ts";
import { countDays, type DaySpan, datesOf } from "../time/local-days.ts";

/** What is known of one key's days. */
export interface KeyDays {
  readonly key: string;
  /** Every local date with data, inside the window and outside. */
  readonly withData: Iterable<string>;
  /** Dates of the window on which its own calendar says closed, days outside its life among them. */
  readonly closures: readonly Closure[];
}

/**
 * How much of the requested window has data: every calendar day of it that belongs to the key's declared life counts,
 * closed days too. Days that are missing at the edges count like any other.
 */
export interface RequestedWindowCoverage {
  readonly days: number;
  readonly withData: number;
  readonly missing: number;
  /** Whole percent, half up; null when the key does not live in the window. */
  readonly percent: number | null;
}

/**
 * How dense the data are between a key's first and last day with data, whatever was requested. It cannot see a day
 * that is missing before the first or after the last.
 */
export interface FirstToLastCoverage {
  readonly first: string;
  readonly last: string;
  readonly days: number;
  readonly withData: number;
  /** Percent with one decimal, half up. */
  readonly percent: number;
}

/** The days of one key, counted over one requested window. */
export interface DayCoverage {
  readonly key: string;
  readonly requestedWindow: RequestedWindowCoverage;
  /** Null for a key without any data. */
  readonly firstToLast: FirstToLastCoverage | null;
  /** Dates of the window with data, in order. */
  readonly present: readonly string[];
  /** Dates of its life without data, in order: `closed` and `open` together. */
  readonly missing: readonly string[];
  /** Missing, and closed by its own calendar: counted, not asked for. */
  readonly closed: readonly Closure[];
  /** Missing, and owed. */
  readonly open: readonly string[];
  /** Missing days from the window's start (or the key's own) to its first day with data there. */
  readonly leading: DaySpan | null;
  /** Missing days from its last day with data there to the window's end (or the key's own). */
  readonly trailing: DaySpan | null;
  /** Closed by its own calendar, and yet with data: a fact, not an error. */
  readonly tradedWhileClosed: readonly Closure[];
}

/** Counts one key's days over `window`. A day with data belongs to its life, whatever was declared. */
export function dayCoverage(known: KeyDays, window: DaySpan): DayCoverage {
  const withData = new Set(known.withData);
  const closures = new Map(known.closures.map((closure) => [closure.date, closure]));
  const isOutsideLife = (date: string): boolean => {
    const cause = closures.get(date)?.cause;
    return cause === "not-open-yet" || cause === "gone";
  };
  const life = datesOf(window).filter((date) => withData.has(date) || !isOutsideLife(date));
  const missing = life.filter((date) => !withData.has(date));
  const present = life.filter((date) => withData.has(date));
  return {
    key: known.key,
    requestedWindow: {
      days: life.length,
      withData: present.length,
      missing: missing.length,
      percent: life.length === 0 ? null : percentHalfUp(present.length, life.length, 0),
    },
    firstToLast: firstToLast(withData),
    present,
    missing,
    closed: missing.flatMap((date) => closures.get(date) ?? []),
    open: missing.filter((date) => !closures.has(date)),
    leading: spanOf(life.slice(0, present[0] === undefined ? life.length : life.indexOf(present[0]))),
    trailing: spanOf(life.slice(life.lastIndexOf(present[present.length - 1] ?? "") + 1)),
    tradedWhileClosed: present.flatMap((date) => closures.get(date) ?? []),
  };
}

function spanOf(dates: readonly string[]): DaySpan | null {
  const first = dates[0];
  const last = dates[dates.length - 1];
  return first === undefined || last === undefined ? null : { first, last };
}

function firstToLast(withData: ReadonlySet<string>): FirstToLastCoverage | null {
  let first: string | null = null;
  let last: string | null = null;
  for (const date of withData) {
    if (first === null || date < first) first = date;
    if (last === null || date > last) last = date;
  }
  if (first === null || last === null) return null;
  const days = countDays({ first, last });
  return { first, last, days, withData: withData.size, percent: percentHalfUp(withData.size, days, 1) };
}

/** `part` of `whole` in percent, rounded half up; in integers, since 12.5 of 100 has no error to round away. */
function percentHalfUp(part: number, whole: number, decimals: 0 | 1): number {
  const scale = decimals === 0 ? 1 : 10;
  return Math.floor((200 * scale * part + whole) / (2 * whole)) / scale;
}

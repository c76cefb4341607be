import { RetrofillError } from "../errors.ts";
import { DAY, HOUR, instant, MINUTE } from "../time/instant.ts";
import { type Interval, overlapOf } from "../time/interval.ts";
import { datesOf, daysTouched } from "../time/local-days.ts";
import { fromLocalMs, parseDate } from "../time/zone.ts";
import type { Calendar, Session } from "./calendar.ts";

export const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Wall-clock hours of one day, `HH:MM`; a store that closes at midnight closes at `24:00`. */
export interface StoreHours {
  readonly open: string;
  readonly close: string;
}

/** A date on which the store is closed every year, `MM-DD`. */
export interface YearlyClosure {
  readonly monthDay: string;
  readonly reason: string;
}

/** What a store does on one date, whatever its week or the year's closures say: other hours, or null for closed. */
export interface DateException {
  readonly date: string;
  readonly hours: StoreHours | null;
  readonly reason: string;
}

/** When one store trades, as its owner declares it. All dates and hours are local. */
export interface StoreDeclaration {
  readonly name: string;
  readonly zone: string;
  /** Null on weekdays without trade. */
  readonly weekly: Readonly<Record<Weekday, StoreHours | null>>;
  /** First day of trade, or null when it is not known: then it is taken to have always been there. */
  readonly opened: string | null;
  /** First day without the store, or null while it lives. */
  readonly closed: string | null;
  readonly closedYearly: readonly YearlyClosure[];
  readonly exceptions: readonly DateException[];
}

/**
 * Why a day is not owed: outside the life, or closed on a day of the week, of the year, or declared alone, as the own
 * calendar says; or open, and without data at the source, which was asked twice.
 */
export type ClosureCause = "not-open-yet" | "gone" | "weekly" | "yearly" | "exception" | "empty-at-source";

/** A local date on which a store does not trade. */
export interface Closure {
  readonly date: string;
  readonly cause: ClosureCause;
  readonly reason: string;
}

export interface StoreCalendar extends Calendar {
  /** Why the store does not trade on a local date, or null when it does. */
  closureOn(date: string): Closure | null;
}

/** The days on which stores close unless they declare otherwise. */
export const CLOSED_YEARLY: readonly YearlyClosure[] = [
  { monthDay: "12-25", reason: "Navidad" },
  { monthDay: "01-01", reason: "Año Nuevo" },
];

// The years for which zone offsets are read, less a day at either end, so that no zone has to be read for it.
const KNOWN = { start: instant(Date.UTC(1970, 0, 2)), end: instant(Date.UTC(2044, 11, 31)) };

/** The same hours on all seven days. */
export function everyDay(hours: StoreHours): StoreDeclaration["weekly"] {
  const { open, close } = hours;
  return Object.fromEntries(WEEKDAYS.map((day) => [day, { open, close }])) as Record<Weekday, StoreHours>;
}

/**
 * The calendar of one store: at most one session a local day. Its version is the declared data as text.
 * On dates of its life an exception beats a yearly closure, and that the week.
 * @throws RetrofillError CONFIG_INVALID with every problem of the declaration
 */
export function storeCalendar(declared: StoreDeclaration): StoreCalendar {
  const problems = problemsOf(declared);
  if (problems.length > 0) {
    throw new RetrofillError("CONFIG_INVALID", `calendar of ${declared.name}: ${problems.join("; ")}`, {
      hint: 'hours are "07:00" to "24:00", dates "2026-01-30", yearly closures "12-25"',
      context: { calendar: declared.name },
    });
  }
  const { zone } = declared;
  const yearly = new Map(declared.closedYearly.map((one) => [one.monthDay, one]));
  const exceptions = new Map(declared.exceptions.map((one) => [one.date, one]));
  const weekly = WEEKDAYS.map((day) => timesOf(declared.weekly[day]));

  const closureOn = (date: string, midnight = parseDate(date)): Closure | null => {
    if (declared.opened !== null && date < declared.opened)
      return { date, cause: "not-open-yet", reason: `opened ${declared.opened}` };
    if (declared.closed !== null && date >= declared.closed)
      return { date, cause: "gone", reason: `closed ${declared.closed}` };
    const exception = exceptions.get(date);
    if (exception) return exception.hours === null ? { date, cause: "exception", reason: exception.reason } : null;
    const everyYear = yearly.get(date.slice(5));
    if (everyYear) return { date, cause: "yearly", reason: everyYear.reason };
    const weekday = weekdayNo(midnight);
    return weekly[weekday] === null ? { date, cause: "weekly", reason: `closed on ${WEEKDAYS[weekday]}s` } : null;
  };

  const sessionOn = (date: string, midnight: number): Session | null => {
    if (closureOn(date, midnight) !== null) return null;
    const usual = weekly[weekdayNo(midnight)] ?? null;
    const own = exceptions.get(date)?.hours;
    const times = own ? timesOf(own) : usual;
    if (times === null) return null;
    const open = fromLocalMs(zone, midnight + times.open);
    const close = fromLocalMs(zone, midnight + times.close);
    // A clock change may swallow the whole session.
    if (open >= close) return null;
    return { date, open, close, early: usual !== null && times.close < usual.close };
  };

  return {
    name: declared.name,
    version: versionOf(declared),
    zone,
    known: KNOWN,
    closureOn: (date) => closureOn(date),
    sessions: (span) => {
      const within = overlapOf(span, KNOWN);
      if (within === null) return [];
      const days = daysTouched(zone, within);
      const first = parseDate(days.first);
      return datesOf(days).flatMap((date, i) => {
        const session = sessionOn(date, first + i * DAY);
        return session !== null && session.open < within.end && within.start < session.close ? [session] : [];
      });
    },
  };
}

/**
 * The local dates touched by `span` on which the store's own calendar says closed, in order, each with its reason.
 * None outside what the calendar knows.
 */
export function ownClosures(calendar: StoreCalendar, span: Interval): readonly Closure[] {
  const within = overlapOf(span, calendar.known);
  if (within === null) return [];
  return datesOf(daysTouched(calendar.zone, within)).flatMap((date) => calendar.closureOn(date) ?? []);
}

/** Everything that was declared, but the name, in one order: equal declarations give equal texts, others do not. */
function versionOf(declared: StoreDeclaration): string {
  const hours = (one: StoreHours | null): string => (one === null ? "closed" : `${one.open}-${one.close}`);
  const sorted = <T>(all: readonly T[], key: (one: T) => string): readonly T[] =>
    [...all].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return JSON.stringify([
    declared.zone,
    WEEKDAYS.map((day) => hours(declared.weekly[day])),
    declared.opened,
    declared.closed,
    sorted(declared.closedYearly, (one) => one.monthDay).map((one) => [one.monthDay, one.reason]),
    sorted(declared.exceptions, (one) => one.date).map((one) => [one.date, hours(one.hours), one.reason]),
  ]);
}

function problemsOf(declared: StoreDeclaration): readonly string[] {
  const problems: string[] = [];
  const check = (path: string, problem: string | null): void => {
    if (problem !== null) problems.push(`${path}: ${problem}`);
  };
  check("zone", zoneProblem(declared.zone));
  for (const day of WEEKDAYS) check(`weekly.${day}`, hoursProblem(declared.weekly[day]));
  const { opened, closed } = declared;
  if (opened !== null) check("opened", dateProblem(opened));
  if (closed !== null) check("closed", dateProblem(closed));
  if (opened !== null && closed !== null && opened >= closed) problems.push(`closed: not after opened ${opened}`);
  declared.closedYearly.forEach(({ monthDay }, n) => {
    // A leap year, so that 02-29 may be declared.
    if (dateProblem(`2000-${monthDay}`) !== null) problems.push(`closedYearly.${n}: not a month and day: ${monthDay}`);
  });
  declared.exceptions.forEach(({ date, hours }, n) => {
    check(`exceptions.${n}`, dateProblem(date) ?? hoursProblem(hours));
  });
  for (const twice of repeated(declared.closedYearly.map((one) => one.monthDay)))
    problems.push(`closedYearly: ${twice} twice`);
  for (const twice of repeated(declared.exceptions.map((one) => one.date))) problems.push(`exceptions: ${twice} twice`);
  return problems;
}

function zoneProblem(zone: string): string | null {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return null;
  } catch {
    return `unknown time zone ${zone}`;
  }
}

function dateProblem(date: string): string | null {
  try {
    parseDate(date);
    return null;
  } catch (error) {
    return (error as RangeError).message;
  }
}

function hoursProblem(hours: StoreHours | null): string | null {
  if (hours === null) return null;
  const wrong = [hours.open, hours.close].find((text) => !/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/.test(text));
  if (wrong !== undefined) return `not a time of day: ${wrong}`;
  return hours.open < hours.close ? null : `closes at ${hours.close}, not after it opens at ${hours.open}`;
}

function repeated(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter((name, n) => names.indexOf(name) !== n))];
}

/** Place in `WEEKDAYS` of the day that starts at a UTC midnight. */
function weekdayNo(midnight: number): number {
  return new Date(midnight).getUTCDay();
}

/** Checked hours as milliseconds after local midnight. */
function timesOf(hours: StoreHours | null): { readonly open: number; readonly close: number } | null {
  return hours === null ? null : { open: timeOfDay(hours.open), close: timeOfDay(hours.close) };
}

/** Milliseconds after local midnight of a checked `HH:MM`. */
function timeOfDay(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * HOUR + minutes * MINUTE;
}

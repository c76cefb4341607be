import { DAY, HOUR, instant, MINUTE } from "../time/instant.ts";
import { offsetAt, parseDate } from "../time/zone.ts";
import { type Calendar, listedCalendar, type Session } from "./calendar.ts";

// Sources, by the name they are cited with below:
// [closings] New York Stock Exchange, "History of New York Stock Exchange Holidays" and "Special Closings, 1885-date",
//   revised through January 2011; a copy is kept in github.com/gerrymanoim/exchange_calendars,
//   etc/NYSE-Historical-Closings.pdf.
// [7.2] NYSE Rule 7.2, Holidays; earlier Rule 51, whose text [closings] quotes.
// [notices] NYSE Group, "Holiday and Early Closings Calendar", the yearly notices of 2021-12-27 (2022 to 2024),
//   2024-11-08 (2025 to 2027) and 2025-12-23 (2026 to 2028).

const ZONE = "America/New_York";
const FIRST_YEAR = 1990;
const LAST_YEAR = 2035;

const OPEN = 9 * HOUR + 30 * MINUTE;
const CLOSE = 16 * HOUR;

const SUNDAY = 0;
const MONDAY = 1;
const WEDNESDAY = 3;
const THURSDAY = 4;
const SATURDAY = 6;

/**
 * The New York Stock Exchange, 09:30 to 16:00 in New York, 1990 to 2035: rules for its holidays and early closes,
 * data for the rest. Up to 2028 as announced or traded; later years follow the rules of today.
 * A session is from the day's first trade to its last: halts and minutes of silence inside it are not modelled.
 */
export const XNYS: Calendar = listedCalendar(
  {
    name: "XNYS",
    version: "1",
    zone: ZONE,
    // New Year's midnights in New York, written in UTC so that loading this module does not read the zone.
    known: { start: instant(Date.UTC(FIRST_YEAR, 0, 1, 5)), end: instant(Date.UTC(LAST_YEAR + 1, 0, 1, 5)) },
  },
  buildSessions,
);

/** Weekdays without trading that no rule explains. */
const SPECIAL_CLOSURES: readonly string[] = [
  "1994-04-27", // funeral of President Nixon [closings]
  "2001-09-11", // to 09-14: attack on the World Trade Center [closings]
  "2001-09-12",
  "2001-09-13",
  "2001-09-14",
  "2004-06-11", // mourning for President Reagan [closings]
  "2007-01-02", // mourning for President Ford [closings]
  "2012-10-29", // and 10-30: Hurricane Sandy; NYSE Euronext, 2012-10-29
  "2012-10-30",
  "2018-12-05", // mourning for President George H. W. Bush; NYSE, 2018-12-01
  "2025-01-09", // mourning for President Carter; NYSE, 2024-12-30
];

/**
 * Wall-clock hours of sessions that no rule explains. Shifts of under ten minutes are left out (openings after a
 * minute of silence, the last four minutes of 2005-06-01): they move no session.
 */
const SPECIAL_HOURS: Readonly<Record<string, { readonly open?: number; readonly close?: number }>> = {
  "1990-12-27": { open: 11 * HOUR }, // transformer explosion [closings]
  "1994-02-11": { close: 14 * HOUR + 30 * MINUTE }, // snowstorm [closings]
  "1995-12-18": { open: 10 * HOUR + 30 * MINUTE }, // computer trouble [closings]
  "1996-01-08": { open: 11 * HOUR, close: 14 * HOUR }, // snowstorm [closings]
  "1997-10-27": { close: 15 * HOUR + 30 * MINUTE }, // circuit breaker [closings]
  "1997-12-26": { close: 13 * HOUR }, // Friday after Christmas [closings]
  "1999-12-31": { close: 13 * HOUR }, // turn of the millennium [closings]; announced by the NYSE on 1999-06-04
  "2002-09-11": { open: 12 * HOUR }, // memorial of the attack a year before [closings]
  "2003-12-26": { close: 13 * HOUR }, // Friday after Christmas [closings]
  "2009-07-02": { close: 16 * HOUR + 15 * MINUTE }, // extended after system trouble [closings]
};

function buildSessions(): readonly Session[] {
  const closed = new Set(SPECIAL_CLOSURES.map(parseDate));
  const earlyCloses = new Map<number, number>();
  for (let year = FIRST_YEAR; year <= LAST_YEAR; year++) {
    for (const day of holidays(year)) closed.add(day);
    for (const day of earlyCloseDays(year)) earlyCloses.set(day, earlyCloseTime(year));
  }
  const sessions: Session[] = [];
  for (let day = Date.UTC(FIRST_YEAR, 0, 1); day < Date.UTC(LAST_YEAR + 1, 0, 1); day += DAY) {
    if (isWeekend(day) || closed.has(day)) continue;
    const date = new Date(day).toISOString().slice(0, 10);
    const special = SPECIAL_HOURS[date];
    const close = special?.close ?? earlyCloses.get(day) ?? CLOSE;
    // New York's clocks change on Sunday mornings, so one offset holds for a session.
    const midnight = day - offsetAt(ZONE, day + 12 * HOUR);
    sessions.push({
      date,
      open: instant(midnight + (special?.open ?? OPEN)),
      close: instant(midnight + close),
      early: close < CLOSE,
    });
  }
  return sessions;
}

/** The year's holidays on the days they are observed, UTC midnights; some fall on a weekend and close nothing. */
function holidays(year: number): readonly number[] {
  const days = [
    newYearsDay(year),
    nthWeekday(year, 2, MONDAY, 3), // Washington's Birthday
    easterSunday(year) - 2 * DAY, // Good Friday
    nthWeekday(year, 6, MONDAY, 1) - 7 * DAY, // Memorial Day, the last Monday of May
    observed(Date.UTC(year, 6, 4)), // Independence Day
    nthWeekday(year, 9, MONDAY, 1), // Labor Day
    thanksgiving(year),
    observed(Date.UTC(year, 11, 25)), // Christmas Day
  ];
  // [closings]: closed all day for Martin Luther King, Jr. beginning in 1998.
  if (year >= 1998) days.push(nthWeekday(year, 1, MONDAY, 3));
  // [7.2] as amended in September 2021; first observed in 2022 [notices].
  if (year >= 2022) days.push(observed(Date.UTC(year, 5, 19)));
  return days;
}

/** [7.2]: a holiday on a Sunday closes the Monday after it, one on a Saturday the Friday before it. */
function observed(day: number): number {
  if (weekday(day) === SUNDAY) return day + DAY;
  if (weekday(day) === SATURDAY) return day - DAY;
  return day;
}

/**
 * [7.2]: not on the Friday before when that ends a monthly or yearly accounting period, as December 31 does.
 * So a New Year's Day on a Saturday (1994, 2000, 2005, 2011, 2022, 2028) is not observed at all.
 */
function newYearsDay(year: number): number {
  const day = Date.UTC(year, 0, 1);
  return weekday(day) === SATURDAY ? day : observed(day);
}

/** [closings]: at 14:00 from 1990 to 1992, at 13:00 from November 1993 on. */
function earlyCloseTime(year: number): number {
  return year < 1993 ? 14 * HOUR : 13 * HOUR;
}

/** Days that close early by rule, UTC midnights; those that are holidays or fall on a weekend stay closed. */
function earlyCloseDays(year: number): readonly number[] {
  // [closings]: Christmas Eve, which is the holiday itself when it is a Friday.
  const days = [Date.UTC(year, 11, 24)];
  // [closings]: the day after Thanksgiving since 1992.
  if (year >= 1992) days.push(thanksgiving(year) + DAY);
  // [closings]: since 1995 the day before Independence Day; up to 2012 a Thursday holiday shortened the Friday after it
  // instead (1996, 2002), since 2013 the Wednesday before it (2024 in [notices]).
  const july3 = Date.UTC(year, 6, 3);
  if (year >= 1995) days.push(weekday(july3) === WEDNESDAY && year < 2013 ? july3 + 2 * DAY : july3);
  return days;
}

function thanksgiving(year: number): number {
  return nthWeekday(year, 11, THURSDAY, 4);
}

/** UTC midnight of the `n`-th `day` of the week in a month (1 to 12). */
function nthWeekday(year: number, month: number, day: number, n: number): number {
  const first = Date.UTC(year, month - 1, 1);
  return first + (((day - weekday(first) + 7) % 7) + 7 * (n - 1)) * DAY;
}

/** Easter in the Gregorian calendar. J. Meeus, Astronomical Algorithms, 2nd ed., chapter 8. */
function easterSunday(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const d = Math.floor(b / 4);
  const e = b % 4;
  const f = Math.floor((b + 8) / 25);
  const g = Math.floor((b - f + 1) / 3);
  const h = (19 * a + b - d - g + 15) % 30;
  const i = Math.floor(c / 4);
  const k = c % 4;
  const l = (32 + 2 * e + 2 * i - h - k) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const n = h + l - 7 * m + 114;
  return Date.UTC(year, Math.floor(n / 31) - 1, (n % 31) + 1);
}

function isWeekend(day: number): boolean {
  return weekday(day) === SUNDAY || weekday(day) === SATURDAY;
}

/** Day of the week of a UTC midnight, 0 for Sunday. */
function weekday(day: number): number {
  return new Date(day).getUTCDay();
}

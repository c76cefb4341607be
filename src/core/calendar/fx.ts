import { DAY, HOUR, type Instant, instant } from "../time/instant.ts";
import { fromLocalMs, parseDate } from "../time/zone.ts";
import { type Calendar, listedCalendar, type Session } from "./calendar.ts";

const ZONE = "America/New_York";
/** Wall-clock time at which a trading day ends and the next one begins. */
const ROLLOVER = 17 * HOUR;
/** A Monday and the Friday before the last year for which zone offsets are read. */
const FIRST_DATE = "1970-01-05";
const LAST_DATE = "2044-12-30";

/**
 * Spot foreign exchange, five days a week: Sunday 17:00 to Friday 17:00 in New York, one session a trading day,
 * named for the day it ends (Monday's opens on Sunday evening). In UTC it moves with New York's clocks: 22:00 in
 * winter, 21:00 in summer. It lists no holidays: providers go quiet on Christmas and New Year's Day, each at hours of
 * its own.
 */
export const FX: Calendar = listedCalendar(
  {
    name: "FX",
    version: "1",
    zone: ZONE,
    // First and last rollover, 17:00 EST, written in UTC so that loading this module does not read the zone.
    known: { start: instant(Date.UTC(1970, 0, 4, 22)), end: instant(Date.UTC(2044, 11, 30, 22)) },
  },
  tradingDays,
);

function tradingDays(): readonly Session[] {
  const sessions: Session[] = [];
  for (let day = parseDate(FIRST_DATE); day <= parseDate(LAST_DATE); day += DAY) {
    const date = new Date(day);
    if (date.getUTCDay() === 0 || date.getUTCDay() === 6) continue;
    const open = rollover(day - DAY);
    sessions.push({ date: date.toISOString().slice(0, 10), open, close: rollover(day), early: false });
  }
  return sessions;
}

function rollover(day: number): Instant {
  return fromLocalMs(ZONE, day + ROLLOVER);
}

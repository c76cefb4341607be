import { HOUR } from "../core/time/instant.ts";
import { fromLocalMs, parseDate } from "../core/time/zone.ts";

const ZONE = "America/New_York";
const FRIDAY = 5;

/**
 * The instant at which New York's regular session of `date` ends: 16:00, or 13:00 on the days that the exchange closes
 * early by its rules of today (the day after Thanksgiving, Christmas Eve, the day before Independence Day). Whether the
 * date has a session at all is not looked at.
 */
export function newYorkClose(date: string): number {
  const day = parseDate(date);
  return fromLocalMs(ZONE, day + (closesEarly(day) ? 13 : 16) * HOUR);
}

function closesEarly(day: number): boolean {
  const at = new Date(day);
  const [month, dayOfMonth] = [at.getUTCMonth() + 1, at.getUTCDate()];
  if ((month === 12 && dayOfMonth === 24) || (month === 7 && dayOfMonth === 3)) return true;
  // Thanksgiving is the fourth Thursday of November: the 22nd to the 28th.
  return month === 11 && at.getUTCDay() === FRIDAY && dayOfMonth >= 23 && dayOfMonth <= 29;
}

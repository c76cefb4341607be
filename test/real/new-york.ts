// Clocks of New York by the law's own words, so that tests do not lean on the code they check.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The instant at which a clock in New York shows `time` (`09:30`) on `date`; of two, the first. */
export function newYorkToUtc(date: string, time: string): number {
  const wall = Date.parse(`${date}T${time}:00Z`);
  return isSummer(wall) ? wall + 4 * HOUR : wall + 5 * HOUR;
}

/** The date that a clock in New York shows at `at`. */
export function newYorkDate(at: number): string {
  const summer = at - 4 * HOUR;
  return new Date(isSummer(summer) ? summer : at - 5 * HOUR).toISOString().slice(0, 10);
}

/**
 * Whether summer time holds at a wall-clock time given as if it were UTC. Second Sunday of March to the first of
 * November at 02:00 (Energy Policy Act of 2005, section 110, from 2007); before, since 1987, first Sunday of April to
 * the last of October.
 */
function isSummer(wall: number): boolean {
  const year = new Date(wall).getUTCFullYear();
  const start = year >= 2007 ? sundayFrom(year, 2, 8) : sundayFrom(year, 3, 1);
  const end = year >= 2007 ? sundayFrom(year, 10, 1) : sundayFrom(year, 9, 25);
  return wall >= start + 2 * HOUR && wall < end + 2 * HOUR;
}

function sundayFrom(year: number, month: number, day: number): number {
  const first = Date.UTC(year, month, day);
  return first + ((7 - new Date(first).getUTCDay()) % 7) * DAY;
}

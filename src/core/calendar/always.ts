import { DAY, formatUtcDate, instant } from "../time/instant.ts";
import { parseDate } from "../time/zone.ts";
import type { Calendar, Session } from "./calendar.ts";

const KNOWN = { start: instant(parseDate("1970-01-01")), end: instant(parseDate("2100-01-01")) };

/** Markets that never close (crypto): one session a UTC day. */
export const ALWAYS: Calendar = {
  name: "24x7",
  version: "1",
  zone: "UTC",
  known: KNOWN,
  sessions: (span) => {
    const sessions: Session[] = [];
    const end = Math.min(span.end, KNOWN.end);
    for (let day = Math.floor(Math.max(span.start, KNOWN.start) / DAY) * DAY; day < end; day += DAY) {
      const open = instant(day);
      sessions.push({ date: formatUtcDate(open), open, close: instant(day + DAY), early: false });
    }
    return sessions;
  },
};

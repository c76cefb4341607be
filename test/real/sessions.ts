import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { newYorkToUtc } from "./new-york.ts";

/** When a market is open, milliseconds UTC. */
export interface Session {
  readonly date: string;
  readonly open: number;
  readonly close: number;
}

const DAY = 86_400_000;

/** Days on which trading began or ended at another time than planned, which exchange_calendars leaves out: NYSE, "closings". */
const UNPLANNED: Readonly<Record<string, readonly [string, string]>> = {
  "2002-09-11": ["12:00", "16:00"],
  "2009-07-02": ["09:30", "16:15"],
};

/**
 * NYSE sessions from 1998 to 2028, from reference data: exchange_calendars as long as its list goes, then Lean's
 * holidays and early closes, which it agrees with before.
 */
export function nyseSessions(root: string): readonly Session[] {
  const listed = gunzipSync(readFileSync(join(root, "calendars", "exchange_calendars-sessions", "xnys.csv.gz")))
    .toString("utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line): Session => {
      const [date = "", open = "", close = ""] = line.split(",");
      return { date: date.slice(0, 10), open: Date.parse(open), close: Date.parse(close) };
    })
    .filter(({ date }) => date >= "1998")
    .map((session) => {
      const hours = UNPLANNED[session.date];
      return hours
        ? { ...session, open: newYorkToUtc(session.date, hours[0]), close: newYorkToUtc(session.date, hours[1]) }
        : session;
    });
  const lean = JSON.parse(readFileSync(join(root, "calendars", "lean-equity-usa.json"), "utf8")) as {
    readonly holidays: readonly string[];
    readonly earlyCloses: Readonly<Record<string, string>>;
  };
  const closed = new Set(lean.holidays.map(isoDate));
  const early = new Map(Object.entries(lean.earlyCloses).map(([date, time]) => [isoDate(date), time.slice(0, 5)]));
  const last = listed[listed.length - 1]?.date ?? "";
  const later: Session[] = [];
  for (let day = Date.parse(last) + DAY; day < Date.UTC(2029, 0, 1); day += DAY) {
    const date = new Date(day).toISOString().slice(0, 10);
    if (new Date(day).getUTCDay() % 6 === 0 || closed.has(date)) continue;
    later.push({ date, open: newYorkToUtc(date, "09:30"), close: newYorkToUtc(date, early.get(date) ?? "16:00") });
  }
  return [...listed, ...later];
}

/** A market that never closes: each UTC day is a session. */
export function everyDay(from: number, to: number): readonly Session[] {
  const days: Session[] = [];
  for (let open = Math.floor(from / DAY) * DAY; open < to; open += DAY) {
    days.push({ date: new Date(open).toISOString().slice(0, 10), open, close: open + DAY });
  }
  return days;
}

/** `7/3/2025` as `2025-07-03`. */
function isoDate(american: string): string {
  const [month = "", day = "", year = ""] = american.split("/");
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

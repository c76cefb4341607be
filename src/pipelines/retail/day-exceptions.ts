import {
  type DateException,
  type StoreDeclaration,
  type StoreHours,
  WEEKDAYS,
  type Weekday,
} from "../../core/calendar/store-calendar.ts";
import { nearestNames, RetrofillError } from "../../core/errors.ts";
import { isDate, parseDate } from "../../core/time/zone.ts";
import { HOURS_FORM, rangeText, readRange, saysClosed, saysOpen } from "./hours-text.ts";

/** What a store does on one date: other hours, its usual ones on a day that the year closes, or null for closed. */
export interface DeclaredException {
  readonly date: string;
  readonly hours: StoreHours | "usual" | null;
  /** Why it is closed; of an open day, that somebody says so. */
  readonly reason: string;
}

const OPEN_REASON = "declared";

/**
 * Exceptions from `2025-12-24=08:00-14:00,2025-12-25=open,2026-02-16=Carnaval`, with those of `before` on other dates,
 * in order; an empty text leaves none.
 * @throws RetrofillError USAGE with every problem
 */
export function readExceptions(text: string, before: readonly DeclaredException[]): readonly DeclaredException[] {
  if (text.trim() === "") return [];
  const problems: string[] = [];
  const named = new Map<string, DeclaredException>();
  for (const item of text.split(",").filter((one) => one.trim() !== "")) {
    const read = readException(item.trim(), problems);
    if (named.has(read.date)) problems.push(`${read.date} is named twice`);
    named.set(read.date, read);
  }
  if (problems.length > 0) {
    throw new RetrofillError("USAGE", `--exceptions ${text}: ${problems.join("; ")}`, {
      hint:
        "--exceptions 2025-12-24=08:00-14:00 (other hours), 2025-12-25=open (its usual hours), 2026-02-16=closed or " +
        `a reason in place of closed; ${HOURS_FORM}`,
    });
  }
  return [...before.filter(({ date }) => !named.has(date)), ...named.values()].sort((a, b) =>
    a.date < b.date ? -1 : 1,
  );
}

/** As `readExceptions` takes them. */
export function exceptionsText(exceptions: readonly DeclaredException[]): string {
  return exceptions.map(({ date, hours, reason }) => `${date}=${valueText(hours, reason)}`).join(",");
}

/**
 * The exceptions with the hours that `usual` ones have: those of their weekday; where it has none, from the earliest
 * opening to the latest closing of the week.
 */
export function datedExceptions(
  exceptions: readonly DeclaredException[],
  weekly: StoreDeclaration["weekly"],
): readonly DateException[] {
  const days = Object.values(weekly).filter((hours) => hours !== null);
  const open = days.map((hours) => hours.open).sort()[0];
  const close = days.map((hours) => hours.close).sort()[days.length - 1];
  const widest = open === undefined || close === undefined ? null : { open, close };
  return exceptions.map(({ date, hours, reason }) => {
    if (hours !== "usual") return { date, hours, reason };
    return { date, hours: weekly[weekdayOf(date)] ?? widest, reason };
  });
}

function readException(item: string, problems: string[]): DeclaredException {
  const at = item.indexOf("=");
  const date = (at < 0 ? item : item.slice(0, at)).trim();
  const value = at < 0 ? "closed" : item.slice(at + 1).trim();
  if (!isDate(date)) problems.push(`"${date}" is no date such as 2026-02-16`);
  if (value === "") problems.push(`${date}= says nothing`);
  if (saysOpen(value)) return { date, hours: "usual", reason: OPEN_REASON };
  if (/^\d+:?\d*\s*-|\d:\d/.test(value)) return { date, hours: readRange(value, problems), reason: OPEN_REASON };
  // A slip in one word must not turn an open day into a closed one.
  if (!saysClosed(value) && nearestNames(value, ["open", "abierto"]).length > 0)
    problems.push(`${date}=${value}: neither open nor a reason to be closed (a reason may have several words)`);
  return { date, hours: null, reason: value };
}

function valueText(hours: DeclaredException["hours"], reason: string): string {
  if (hours === null) return reason;
  return hours === "usual" ? "open" : rangeText(hours);
}

function weekdayOf(date: string): Weekday {
  return WEEKDAYS[new Date(parseDate(date)).getUTCDay()] as Weekday;
}

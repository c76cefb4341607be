import { DAY, type Instant, instant, MINUTE } from "./instant.ts";
import { type Interval, interval } from "./interval.ts";
import { fromLocalMs, localDate, offsetSpans, parseDate } from "./zone.ts";

/** Days as people name them: local dates `YYYY-MM-DD`, `first` and `last` both belong to it. Dates sort as text. */
export interface DaySpan {
  readonly first: string;
  readonly last: string;
}

/** How many days from one date to another; negative when `to` comes first. */
export function daysBetween(from: string, to: string): number {
  return Math.round((parseDate(to) - parseDate(from)) / DAY);
}

/** Days in the span, both ends counted. */
export function countDays(span: DaySpan): number {
  return daysBetween(span.first, span.last) + 1;
}

/** `date` moved by `days` (may be negative). */
export function shiftDate(date: string, days: number): string {
  return dateOf(parseDate(date) + days * DAY);
}

/** Every date of the span, in order; none when `last` comes before `first`. */
export function datesOf(span: DaySpan): readonly string[] {
  const dates: string[] = [];
  const last = parseDate(span.last);
  for (let day = parseDate(span.first); day <= last; day += DAY) dates.push(dateOf(day));
  return dates;
}

/** The local dates that `span` touches. */
export function daysTouched(zone: string, span: Interval): DaySpan {
  return { first: localDate(zone, span.start), last: localDate(zone, instant(span.end - 1)) };
}

/** From the midnight that starts the first day to the one that ends the last. */
export function intervalOfDays(zone: string, span: DaySpan): Interval {
  return interval(fromLocalMs(zone, parseDate(span.first)), fromLocalMs(zone, parseDate(span.last) + DAY));
}

/**
 * The instant at which the wall-clock minute `localMs` is over. A minute that clocks show twice is over the second
 * time; one that they skip, at the jump.
 */
export function endOfLocalMinute(zone: string, localMs: number): Instant {
  const shown = offsetSpans(zone)
    .map(({ start, end, offsetMs }) => ({ start, end, at: localMs - offsetMs }))
    .filter(({ start, end, at }) => start <= at && at < end)
    .map(({ at }) => at);
  return shown.length === 0 ? fromLocalMs(zone, localMs) : instant(Math.max(...shown) + MINUTE);
}

function dateOf(day: number): string {
  return new Date(day).toISOString().slice(0, 10);
}

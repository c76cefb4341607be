declare const instantBrand: unique symbol;

/** Milliseconds since the Unix epoch, UTC. Only this module makes one. */
export type Instant = number & { readonly [instantBrand]: true };

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const WEEK = 7 * DAY;

/** The largest instant a JavaScript `Date` can hold, year 275760. */
const MAX_INSTANT_MS = 8.64e15;

/**
 * An instant from epoch milliseconds.
 * @throws RangeError when `ms` is not an integer a `Date` can hold
 */
export function instant(ms: number): Instant {
  if (!Number.isInteger(ms) || Math.abs(ms) > MAX_INSTANT_MS) {
    throw new RangeError(`not an instant: ${ms} (expected whole milliseconds since 1970-01-01 UTC)`);
  }
  return ms as Instant;
}

/** `at` moved by `ms` (may be negative). */
export function plus(at: Instant, ms: number): Instant {
  return instant(at + ms);
}

/** The earlier of two instants. */
export function earlier(a: Instant, b: Instant): Instant {
  return Math.min(a, b) as Instant;
}

/** The later of two instants. */
export function later(a: Instant, b: Instant): Instant {
  return Math.max(a, b) as Instant;
}

/** UTC text, `2026-01-30T14:30:00Z`; milliseconds only when there are any. */
export function formatInstant(at: Instant): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}

/** UTC date, `2026-01-30`. */
export function formatUtcDate(at: Instant): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** Short UTC text for people: the date alone at midnight, otherwise date and minutes. */
export function formatShort(at: Instant): string {
  const text = new Date(at).toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : `${text.slice(0, 10)} ${text.slice(11, 16)}Z`;
}

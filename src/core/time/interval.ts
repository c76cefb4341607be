import { earlier, formatShort, type Instant, later } from "./instant.ts";

/** Half-open span of UTC time: `start` belongs to it, `end` does not. Never empty. */
export interface Interval {
  readonly start: Instant;
  readonly end: Instant;
}

/**
 * The interval `[start, end)`.
 * @throws RangeError when it would be empty or reversed
 */
export function interval(start: Instant, end: Instant): Interval {
  if (!(start < end)) throw new RangeError(`empty interval: [${start}, ${end})`);
  return { start, end };
}

/** Length in milliseconds, always > 0. */
export function lengthMs(span: Interval): number {
  return span.end - span.start;
}

/** Whether the two share at least one instant (touching ends do not count). */
export function overlaps(a: Interval, b: Interval): boolean {
  return a.start < b.end && b.start < a.end;
}

/** What both share, or null when nothing. */
export function overlapOf(a: Interval, b: Interval): Interval | null {
  const start = later(a.start, b.start);
  const end = earlier(a.end, b.end);
  return start < end ? { start, end } : null;
}

/** `[2026-01-30, 2026-02-02)` in UTC, with minutes where they matter. */
export function formatInterval(span: Interval): string {
  return `[${formatShort(span.start)}, ${formatShort(span.end)})`;
}

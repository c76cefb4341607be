import type { Calendar } from "../calendar/calendar.ts";
import { addSlots, type Grid, slotAt, snapOut } from "../time/grid.ts";
import { DAY, earlier, formatUtcDate, type Instant, instant, later } from "../time/instant.ts";
import { type Interval, overlapOf } from "../time/interval.ts";
import { clip, EMPTY, type IntervalSet, normalize } from "../time/interval-set.ts";
import { localDate, parseDate } from "../time/zone.ts";

/** How a source stamps a bar: the civil start or end of its window, on the clocks of `zone`. */
export interface Stamp {
  readonly zone: string;
  readonly at: "start" | "end";
}

/** The time axis of one series: which slots it has and when a row is owed for them. */
export interface Axis {
  readonly grid: Grid;
  readonly calendar: Calendar;
  /** Dense: every due slot has a row. Sparse: a row only where something happened. */
  readonly density: "dense" | "sparse";
  /** Milliseconds after a slot's end before it is due. */
  readonly settleMs: number;
  readonly stamp: Stamp;
  /** When the key exists (listed to delisted); slots that meet no session inside it are never due. */
  readonly lifetime: Interval;
  /** The first instant that the source serves, or null when it is not known. */
  readonly earliest: Instant | null;
}

/** The instant from which slots are not due yet at `now`: the start of the first slot that has not settled. */
export function dueUntil(axis: Axis, now: Instant): Instant {
  return slotAt(axis.grid, instant(now - axis.settleMs)).start;
}

/**
 * The due slots that start inside `span`, as one set of whole slots: they meet a session of the calendar within the
 * key's lifetime, lie inside what the source serves, and have settled by `now`.
 */
export function dueSet(axis: Axis, span: Interval, now: Instant): IntervalSet {
  const scope = effectiveScope(axis, span, now);
  if (scope === null) return EMPTY;
  const alive = overlapOf(scope, axis.lifetime) ?? scope;
  const reach = overlapOf(snapOut(axis.grid, alive), scope);
  if (reach === null) return EMPTY;
  const slots: Interval[] = [];
  for (const session of axis.calendar.sessions(reach)) {
    const open = overlapOf({ start: session.open, end: session.close }, axis.lifetime);
    if (open !== null) slots.push(snapOut(axis.grid, open));
  }
  return clip(normalize(slots), scope);
}

/** The slots of `span` that could be due: whole slots after the source's depth and before the settled edge. */
export function effectiveScope(axis: Axis, span: Interval, now: Instant): Interval | null {
  const life = snapOut(axis.grid, axis.lifetime);
  const start = Math.max(
    firstSlotFrom(axis.grid, span.start),
    life.start,
    axis.earliest === null ? Number.NEGATIVE_INFINITY : firstSlotFrom(axis.grid, axis.earliest),
  );
  const end = Math.min(firstSlotFrom(axis.grid, span.end), life.end, dueUntil(axis, now));
  return start < end ? { start: instant(start), end: instant(end) } : null;
}

/**
 * `set` widened over the closed hours of its first and last days, inside `scope`. Rows from outside regular hours are
 * never due, so no gap holds them: asked for like this, they come with their sessions.
 */
export function withClosedHours({ grid }: Pick<Axis, "grid">, set: IntervalSet, scope: Interval): IntervalSet {
  const day: Grid = { grain: "1d", zone: grid.zone };
  const widened = set.map(({ start, end }): Interval => {
    const days = snapOut(grid, snapOut(day, { start, end }));
    return { start: earlier(start, later(days.start, scope.start)), end: later(end, earlier(days.end, scope.end)) };
  });
  return normalize(widened);
}

/** The days of a stretch as people name them: `first` and `last` both belong to it. */
export interface Days {
  readonly first: string;
  readonly last: string;
  /** Civil days of the axis that it touches. */
  readonly count: number;
}

/** The days that ask for exactly the slots of `span` when they are read as UTC dates, its last day included. */
export function daysOf({ grid }: Pick<Axis, "grid">, span: Interval): Days {
  const within = instant(span.end - 1);
  const lastLocal = localDate(grid.zone, within);
  // A week is named to its Saturday; late hours of a western market lie on the next UTC day.
  const lastUtc = formatUtcDate(slotAt(grid, within).start);
  const isLater = lastUtc > lastLocal;
  const days = parseDate(lastLocal) - parseDate(localDate(grid.zone, span.start));
  return {
    first: formatUtcDate(span.start),
    last: isLater ? lastUtc : lastLocal,
    count: Math.round(days / DAY) + 1,
  };
}

/** The start of the first slot that starts at or after `at`. */
function firstSlotFrom(grid: Grid, at: Instant): Instant {
  const slot = slotAt(grid, at);
  return slot.start === at ? at : addSlots(grid, at, 1);
}

import { DAY, HOUR, type Instant, instant, MINUTE, WEEK } from "./instant.ts";
import type { Interval } from "./interval.ts";
import { type IntervalSet, normalize } from "./interval-set.ts";
import { fromLocalMs, offsetAt, toLocalMs } from "./zone.ts";

/** Length of a slot on the civil calendar. */
export type Grain = "1m" | "5m" | "15m" | "30m" | "1h" | "4h" | "1d" | "1w" | "month" | "quarter" | "year";

export const GRAINS: readonly Grain[] = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "month", "quarter", "year"];

/** How time is cut into slots: civil steps of `grain` in `zone`. */
export interface Grid {
  readonly grain: Grain;
  readonly zone: string;
  /**
   * Where 4h slots start counting: at local midnight (a slot across a clock change is then 3 or 5 hours long),
   * or at midnight UTC (always 4 hours). Other grains do not look at it.
   */
  readonly anchor?: "local-midnight" | "utc";
}

/** Nominal lengths in milliseconds of the grains that have one. */
const FIXED_MS: Partial<Record<Grain, number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
};

const MONTHS: Partial<Record<Grain, number>> = { month: 1, quarter: 3, year: 12 };

/** 1970-01-04 was the first Sunday: weeks start there. */
const FIRST_SUNDAY = 3 * DAY;

/** Nominal milliseconds of a slot: exact up to 1h, the usual length for longer civil grains. */
export function nominalMs(grain: Grain): number {
  const months = MONTHS[grain];
  if (months !== undefined) return months * 30.436875 * DAY;
  return FIXED_MS[grain] ?? { "4h": 4 * HOUR, "1d": DAY, "1w": WEEK }[grain as "4h" | "1d" | "1w"];
}

/** The slot that contains `at`. */
export function slotAt(grid: Grid, at: Instant): Interval {
  const step = fixedStep(grid);
  if (step !== null) {
    const offset = grid.grain === "4h" ? 0 : offsetAt(grid.zone, at);
    const start = Math.floor((at + offset) / step) * step - offset;
    return { start: instant(start), end: instant(start + step) };
  }
  const index = civilIndex(grid, toLocalMs(grid.zone, at));
  const start = civilStart(grid, index);
  // A local midnight that the clocks skip belongs to the day it would have started.
  if (at < start) return { start: civilStart(grid, index - 1), end: start };
  return { start, end: civilStart(grid, index + 1) };
}

/** Whether a slot starts exactly at `at`. */
export function isSlotStart(grid: Grid, at: Instant): boolean {
  return slotAt(grid, at).start === at;
}

/** The smallest run of whole slots that contains `span`. */
export function snapOut(grid: Grid, span: Interval): Interval {
  return { start: slotAt(grid, span.start).start, end: slotAt(grid, instant(span.end - 1)).end };
}

/** The whole slots inside `span`, as one interval, or null when not one fits. */
export function snapIn(grid: Grid, span: Interval): Interval | null {
  const first = slotAt(grid, span.start);
  const start = first.start === span.start ? span.start : first.end;
  const last = slotAt(grid, span.end);
  return start < last.start ? { start, end: last.start } : null;
}

/** `set` with every member widened to whole slots. */
export function snapSetOut(grid: Grid, set: IntervalSet): IntervalSet {
  return normalize(set.map((span) => snapOut(grid, span)));
}

/** How many slots start inside `span`. O(log offsets), never a walk over slots. */
export function countSlots(grid: Grid, span: Interval): number {
  return ordinal(grid, span.end) - ordinal(grid, span.start);
}

/** How many slots start inside the members of `set`. */
export function countSlotsOf(grid: Grid, set: IntervalSet): number {
  let sum = 0;
  for (const span of set) sum += countSlots(grid, span);
  return sum;
}

/** The slots that start inside `span`, in order. */
export function* slotsIn(grid: Grid, span: Interval): Generator<Interval> {
  let slot = slotAt(grid, span.start);
  if (slot.start < span.start) slot = slotAt(grid, slot.end);
  while (slot.start < span.end) {
    yield slot;
    slot = slotAt(grid, slot.end);
  }
}

/** `at` moved by `n` slots from the slot that contains it; the result is a slot's start. */
export function addSlots(grid: Grid, at: Instant, n: number): Instant {
  const step = fixedStep(grid);
  if (step !== null) return instant(slotAt(grid, at).start + n * step);
  return civilStart(grid, civilIndex(grid, toLocalMs(grid.zone, slotAt(grid, at).start)) + n);
}

/** Slot starts before `at`, counted from a fixed origin: differences count slots. */
function ordinal(grid: Grid, at: Instant): number {
  const step = fixedStep(grid);
  if (step !== null) {
    const offset = grid.grain === "4h" ? 0 : offsetAt(grid.zone, at);
    // Offsets are whole multiples of the step in all but a few historic zones; elsewhere a change may drop a slot.
    return Math.ceil((at + offset) / step) - Math.round(offset / step);
  }
  const slot = slotAt(grid, at);
  const index = civilIndex(grid, toLocalMs(grid.zone, slot.start));
  return slot.start === at ? index : index + 1;
}

function fixedStep(grid: Grid): number | null {
  if (grid.grain === "4h" && grid.anchor === "utc") return 4 * HOUR;
  return FIXED_MS[grid.grain] ?? null;
}

function civilIndex(grid: Grid, localMs: number): number {
  const months = MONTHS[grid.grain];
  if (months !== undefined) {
    const date = new Date(localMs);
    return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / months);
  }
  if (grid.grain === "1w") return Math.floor((localMs - FIRST_SUNDAY) / WEEK);
  return Math.floor(localMs / nominalMs(grid.grain));
}

function civilStart(grid: Grid, index: number): Instant {
  const months = MONTHS[grid.grain];
  if (months !== undefined) {
    const month = index * months;
    return fromLocalMs(grid.zone, Date.UTC(Math.floor(month / 12), month % 12, 1));
  }
  if (grid.grain === "1w") return fromLocalMs(grid.zone, index * WEEK + FIRST_SUNDAY);
  return fromLocalMs(grid.zone, index * nominalMs(grid.grain));
}

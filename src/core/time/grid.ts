import { DAY, HOUR, type Instant, instant, MINUTE, WEEK } from "./instant.ts";
import type { Interval } from "./interval.ts";
import { type IntervalSet, normalize } from "./interval-set.ts";
import { fromLocalMs, offsetSpans, toLocalMs } from "./zone.ts";

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

/** Lengths in milliseconds of the grains whose slots all have one. */
const FIXED_MS: Partial<Record<Grain, number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
};

const NOMINAL_MS: Partial<Record<Grain, number>> = { ...FIXED_MS, "4h": 4 * HOUR, "1d": DAY, "1w": WEEK };

const MONTHS: Partial<Record<Grain, number>> = { month: 1, quarter: 3, year: 12 };

/** 1970-01-04 was the first Sunday: weeks start there. */
const FIRST_SUNDAY = 3 * DAY;

/** Nominal milliseconds of a slot: exact up to 1h, the usual length for longer civil grains. */
export function nominalMs(grain: Grain): number {
  const months = MONTHS[grain];
  if (months !== undefined) return months * 30.436875 * DAY;
  return NOMINAL_MS[grain] as number;
}

/** Whether slots are whole civil days, one or several: people name them by date. */
export function isOfDays({ grain }: Pick<Grid, "grain">): boolean {
  return nominalMs(grain) >= DAY;
}

/** The slot that contains `at`. */
export function slotAt(grid: Grid, at: Instant): Interval {
  const fixed = fixedStep(grid);
  if (fixed !== null) {
    const { start, end, phaseMs } = phaseAt(phaseSpans(fixed), at);
    const aligned = Math.floor((at - phaseMs) / fixed.stepMs) * fixed.stepMs + phaseMs;
    return {
      start: instant(Math.max(aligned, start)),
      end: instant(Math.min(aligned + fixed.stepMs, end)),
    };
  }
  let index = civilIndex(grid, toLocalMs(grid.zone, at));
  let start = civilStart(grid, index);
  let end = civilStart(grid, index + 1);
  // Clocks set back across a slot's end show the old slot's time again; the slot has ended the first time they did.
  while (at >= end) {
    index++;
    start = end;
    end = civilStart(grid, index + 1);
  }
  return { start, end };
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

/** How many slots start inside `span`. Never a walk over slots: O(log offsets), or O(changes of phase) up to 1h. */
export function countSlots(grid: Grid, span: Interval): number {
  const fixed = fixedStep(grid);
  if (fixed === null) return ordinal(grid, span.end) - ordinal(grid, span.start);
  let count = 0;
  for (const phase of phaseSpans(fixed)) {
    if (phase.end <= span.start) continue;
    if (phase.start >= span.end) break;
    const from = Math.max(phase.start, span.start);
    const to = Math.min(phase.end, span.end);
    const first = Math.ceil((from - phase.phaseMs) / fixed.stepMs);
    count += Math.ceil((to - phase.phaseMs) / fixed.stepMs) - first;
    if (from === phase.start && first * fixed.stepMs + phase.phaseMs !== from) count++;
  }
  return count;
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

/** `at` moved by `n` slots (may be negative) from the slot that contains it; the result is a slot's start. */
export function addSlots(grid: Grid, at: Instant, n: number): Instant {
  const from = slotAt(grid, at).start;
  const fixed = fixedStep(grid);
  const guess =
    fixed === null
      ? civilStart(grid, civilIndex(grid, toLocalMs(grid.zone, from)) + n)
      : instant(from + n * fixed.stepMs);
  let to = slotAt(grid, guess).start;
  // The guess is off by the few slots that clock changes on the way have cut or swallowed.
  let left = n - (to < from ? -countSlots(grid, { start: to, end: from }) : countSlots(grid, { start: from, end: to }));
  for (; left > 0; left--) to = slotAt(grid, to).end;
  for (; left < 0; left++) to = slotAt(grid, instant(to - 1)).start;
  return to;
}

/** Starts of civil slots before `at`, counted from a fixed origin: differences count slots. */
function ordinal(grid: Grid, at: Instant): number {
  const slot = slotAt(grid, at);
  const index = civilIndex(grid, toLocalMs(grid.zone, slot.start));
  const swallowed = swallowedSlots(grid).filter((lost) => lost < index).length;
  return (slot.start === at ? index : index + 1) - swallowed;
}

interface FixedStep {
  readonly zone: string;
  readonly stepMs: number;
}

function fixedStep(grid: Grid): FixedStep | null {
  if (grid.grain === "4h" && grid.anchor === "utc") return { zone: "UTC", stepMs: 4 * HOUR };
  const stepMs = FIXED_MS[grid.grain];
  return stepMs === undefined ? null : { zone: grid.zone, stepMs };
}

/** A span of time in which fixed slots start at `phaseMs` modulo their length. */
interface PhaseSpan {
  readonly start: number;
  readonly end: number;
  readonly phaseMs: number;
}

const phasesByZone = new Map<string, Map<number, readonly PhaseSpan[]>>();

/**
 * Fixed slots follow the wall clock, so their phase moves where an offset changes by a part of a slot
 * (1h in America/Caracas on 2007-12-09, by 30 minutes): the slot at the change is then cut there.
 * Nearly every zone and step has one phase for ever.
 */
function phaseSpans({ zone, stepMs }: FixedStep): readonly PhaseSpan[] {
  const known = phasesByZone.get(zone)?.get(stepMs);
  if (known) return known;
  const phases: PhaseSpan[] = [];
  for (const { start, end, offsetMs } of offsetSpans(zone)) {
    const phaseMs = ((-offsetMs % stepMs) + stepMs) % stepMs;
    const last = phases[phases.length - 1];
    if (last?.phaseMs === phaseMs) phases[phases.length - 1] = { start: last.start, end, phaseMs };
    else phases.push({ start, end, phaseMs });
  }
  const ofZone = phasesByZone.get(zone) ?? new Map<number, readonly PhaseSpan[]>();
  phasesByZone.set(zone, ofZone.set(stepMs, phases));
  return phases;
}

function phaseAt(phases: readonly PhaseSpan[], at: number): PhaseSpan {
  let low = 0;
  let high = phases.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((phases[middle] as PhaseSpan).start <= at) low = middle;
    else high = middle - 1;
  }
  return phases[low] as PhaseSpan;
}

const swallowedByGrid = new Map<string, readonly number[]>();

/**
 * Indexes of civil slots that never took place because the clocks jumped over all of them, ascending:
 * 2011-12-30 in Pacific/Apia, when Samoa crossed the date line. Empty in all but a few zones.
 */
function swallowedSlots(grid: Grid): readonly number[] {
  const key = `${grid.zone} ${grid.grain}`;
  const known = swallowedByGrid.get(key);
  if (known) return known;
  const lost: number[] = [];
  let before: number | undefined;
  for (const { start, offsetMs } of offsetSpans(grid.zone)) {
    if (before !== undefined && offsetMs > before) {
      const until = civilIndex(grid, start + offsetMs);
      for (let index = civilIndex(grid, start + before - 1) + 1; index < until; index++) lost.push(index);
    }
    before = offsetMs;
  }
  swallowedByGrid.set(key, lost);
  return lost;
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

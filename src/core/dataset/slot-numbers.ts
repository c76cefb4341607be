import type { Calendar } from "../calendar/calendar.ts";
import { countSlots, type Grid, nominalMs, slotsIn, snapOut } from "../time/grid.ts";
import { DAY, HOUR, type Instant, instant, later, MINUTE } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { offsetSpans } from "../time/zone.ts";
import type { Axis } from "./axis.ts";

type Slots = Pick<Axis, "grid" | "calendar">;

/** Neighbouring slots of one length, all of them in sessions, numbered from `from` on. */
export interface SlotPiece extends Interval {
  readonly stepMs: number;
  readonly from: number;
}

const FIXED: Partial<Record<Grid["grain"], number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
};

/** The step of a grid whose slots all have one length and start at its multiples in UTC, else null. */
export function fixedStep({ grain, zone, anchor }: Grid): number | null {
  if (grain === "4h" && anchor === "utc") return 4 * HOUR;
  const spans = offsetSpans(zone);
  const step = FIXED[grain] ?? (spans.length === 1 ? { "4h": 4 * HOUR, "1d": DAY }[grain as string] : undefined);
  return step !== undefined && spans.every((span) => span.offsetMs % step === 0) ? step : null;
}

const kept = new WeakMap<Calendar, Map<string, readonly SlotPiece[]>>();

/**
 * All slots of a grid that meet a session of the calendar, numbered through as far as the calendar is known: the slot
 * after a session's last one is the next session's first. Worked out once for each calendar and grid.
 */
export function slotPieces({ grid, calendar }: Slots): readonly SlotPiece[] {
  const ofCalendar = kept.get(calendar) ?? new Map<string, readonly SlotPiece[]>();
  kept.set(calendar, ofCalendar);
  const id = idOf(grid);
  const known = ofCalendar.get(id);
  if (known) return known;
  const pieces = numberAll({ grid, calendar });
  ofCalendar.set(id, pieces);
  return pieces;
}

/** The number of the first slot in a session that starts at or after `at`. */
export function slotNumberFrom(axis: Slots, at: Instant): number {
  const pieces = slotPieces(axis);
  const piece = pieces[lastStartingBy(pieces, at)];
  if (!piece) return 0;
  return piece.from + Math.ceil((Math.min(at, piece.end) - piece.start) / piece.stepMs);
}

/** The start of slot `number`; the calendar's first or last one where there is none. */
export function slotNumbered(axis: Slots, number: number): Instant {
  const pieces = slotPieces(axis);
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle] as SlotPiece).from <= number) low = middle;
    else high = middle - 1;
  }
  const piece = pieces[low];
  if (!piece) throw new RangeError(`calendar ${axis.calendar.name} has no session`);
  const last = (piece.end - piece.start) / piece.stepMs - 1;
  return instant(piece.start + Math.min(last, Math.max(0, number - piece.from)) * piece.stepMs);
}

const usualCounts = new WeakMap<Calendar, Map<string, number>>();

/** Slots of a usual session: 390 for minutes of New York's exchanges, 1 for days and longer. */
export function slotsOfSession({ grid, calendar }: Slots): number {
  if (nominalMs(grid.grain) >= DAY) return 1;
  const ofCalendar = usualCounts.get(calendar) ?? new Map<string, number>();
  usualCounts.set(calendar, ofCalendar);
  const known = ofCalendar.get(idOf(grid));
  if (known !== undefined) return known;
  const usual = usualCount({ grid, calendar });
  ofCalendar.set(idOf(grid), usual);
  return usual;
}

/** Of the sessions in a fortnight of summer and one of winter: the count that most have, of two as frequent the larger. */
function usualCount({ grid, calendar }: Slots): number {
  const counts = new Map<number, number>();
  for (const first of [Date.UTC(2022, 5, 6), Date.UTC(2023, 0, 23)]) {
    let taken = instant(0);
    for (const { open, close } of calendar.sessions({ start: instant(first), end: instant(first + 11 * DAY) })) {
      const slots = snapOut(grid, { start: open, end: close });
      // A slot that meets two sessions belongs to the first.
      const count = countSlots(grid, { start: later(taken, slots.start), end: slots.end });
      taken = slots.end;
      counts.set(count, (counts.get(count) ?? 0) + 1);
    }
  }
  const [usual] = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0]);
  return usual?.[0] ?? 1;
}

function idOf({ grain, zone, anchor }: Grid): string {
  return `${grain} ${zone} ${anchor ?? ""}`;
}

function numberAll({ grid, calendar }: Slots): readonly SlotPiece[] {
  const pieces: SlotPiece[] = [];
  const step = fixedStep(grid);
  let next = 0;
  let taken: number = Number.NEGATIVE_INFINITY;
  const add = (span: Interval, stepMs: number): void => {
    const last = pieces[pieces.length - 1];
    if (last && last.end === span.start && last.stepMs === stepMs) {
      pieces[pieces.length - 1] = { start: last.start, end: span.end, stepMs, from: last.from };
    } else pieces.push({ ...span, stepMs, from: next });
    next += (span.end - span.start) / stepMs;
  };
  for (const session of calendar.sessions(calendar.known)) {
    const snapped = snapOut(grid, { start: session.open, end: session.close });
    // A slot that meets two sessions belongs to the first.
    const start = instant(Math.max(snapped.start, taken));
    if (start >= snapped.end) continue;
    taken = snapped.end;
    const span = { start, end: snapped.end };
    if (step !== null) add(span, step);
    else for (const slot of slotsIn(grid, span)) add(slot, slot.end - slot.start);
  }
  return pieces;
}

/** Index of the last piece that starts at or before `at`; -1 when there is none. */
function lastStartingBy(pieces: readonly SlotPiece[], at: Instant): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pieces[middle] as SlotPiece).start <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

import { type Axis, dueSet } from "../../core/dataset/axis.ts";
import { countSlots, slotsIn, snapOut } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, type IntervalSet, spanOf } from "../../core/time/interval-set.ts";

/** Due slots numbered through from 0, so that silence can be counted in slots that were owed. */
export interface DueSlots {
  readonly pieces: readonly DuePiece[];
  readonly parts: readonly DuePart[];
  readonly sessions: readonly DueSession[];
}

/** Due slots `[from, to)`. */
export interface Numbered {
  readonly from: number;
  readonly to: number;
}

/** Neighbouring due slots of one length and one session. */
export interface DuePiece extends Interval, Numbered {
  readonly stepMs: number;
  readonly session: number;
  readonly part: number;
}

/** Due slots between which nothing due was left unasked. */
export type DuePart = Interval & Numbered;

export interface DueSession extends Numbered {
  /** Whether these are all slots of the session. */
  readonly whole: boolean;
}

/** Numbers the slots of `due`, which are due slots of `axis`; `stepMs` is their length where all have the same. */
export function numberSlots(axis: Axis, due: IntervalSet, stepMs: number | null): DueSlots {
  const pieces: DuePiece[] = [];
  const sessions: DueSession[] = [];
  const parts: DuePart[] = [];
  const span = spanOf(due);
  if (span === null) return { pieces, parts, sessions };
  let next = 0;
  let taken = Number.NEGATIVE_INFINITY;
  for (const session of axis.calendar.sessions(span)) {
    // A slot that meets two sessions belongs to the first.
    const snapped = snapOut(axis.grid, { start: session.open, end: session.close });
    const slots = { start: instant(Math.max(snapped.start, taken)), end: snapped.end };
    if (slots.start >= slots.end) continue;
    taken = slots.end;
    const from = next;
    for (const run of clip(due, slots)) {
      const part = partOf(axis, parts, run, next);
      for (const piece of stepMs === null ? slotsIn(axis.grid, run) : [run]) {
        const length = stepMs ?? piece.end - piece.start;
        const to = next + Math.round((piece.end - piece.start) / length);
        pieces.push({ ...piece, from: next, to, stepMs: length, session: sessions.length, part });
        next = to;
      }
      parts[part] = { ...(parts[part] as DuePart), end: run.end, to: next };
    }
    if (next > from) sessions.push({ from, to: next, whole: next - from === countSlots(axis.grid, slots) });
  }
  return { pieces, parts, sessions };
}

/** The time from the start of slot `from` to the end of slot `to - 1`. */
export function timeOf({ pieces }: DueSlots, { from, to }: Numbered): Interval {
  const first = pieceWith(pieces, from);
  const last = pieceWith(pieces, to - 1);
  return {
    start: instant(first.start + (from - first.from) * first.stepMs),
    end: instant(last.start + (to - last.from) * last.stepMs),
  };
}

/** Whether `[from, to)` holds all slots of a session. */
export function holdsSession({ sessions }: DueSlots, { from, to }: Numbered): boolean {
  return sessions.some((session) => session.whole && session.from >= from && session.to <= to);
}

/** The part that `run` continues, or a new one where something due before it was never asked. */
function partOf(axis: Axis, parts: DuePart[], run: Interval, next: number): number {
  const last = parts[parts.length - 1];
  if (last && (last.end === run.start || !hasDue(axis, { start: last.end, end: run.start }))) return parts.length - 1;
  return parts.push({ ...run, from: next, to: next }) - 1;
}

function hasDue(axis: Axis, span: Interval): boolean {
  return dueSet(axis, span, instant(span.end + axis.settleMs)).length > 0;
}

function pieceWith(pieces: readonly DuePiece[], slot: number): DuePiece {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle] as DuePiece).from <= slot) low = middle;
    else high = middle - 1;
  }
  return pieces[low] as DuePiece;
}

import type { RawBar } from "./raw-bars.ts";
import type { Session } from "./sessions.ts";

// What a series owes, which bars it must have and which of its silences are suspect, counted slot by slot: slow, plain,
// and none of the product's interval arithmetic or SQL.

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
/** The project's default: a bar is owed this long after its slot's end. */
const SETTLE = 15 * MINUTE;
const RULE = { quantile: 0.999, factor: 3, minSessions: 20 };

/** Up to an hour slots count from midnight UTC, which is on the hour everywhere here; longer ones are listed. */
export type Slots = { readonly stepMs: number } | { readonly starts: readonly number[] };

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Slots that start in `[from, to)` and have settled by `now`. */
export interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly now: number;
}

export interface Silence extends Span {
  /** Due slots in it. */
  readonly slots: number;
}

export interface Expected {
  /** Due slots. */
  readonly due: number;
  /** Due slots without a bar. */
  readonly absent: number;
  /** Stretches that have to be asked again, in order. */
  readonly silences: readonly Silence[];
  /** The longest stretches without a bar that are ordinary, longest first. */
  readonly quiet: readonly number[];
  /** Sessions with a bar. */
  readonly sessions: number;
  /** The most due slots in a row without one that are ordinary, or null while there are too few sessions to tell. */
  readonly limit: number | null;
}

/** The slot that contains `at`. */
export function slotOf(slots: Slots, at: number): Span {
  if ("stepMs" in slots) {
    const start = Math.floor(at / slots.stepMs) * slots.stepMs;
    return { start, end: start + slots.stepMs };
  }
  let low = 0;
  let high = slots.starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((slots.starts[middle] as number) <= at) low = middle;
    else high = middle - 1;
  }
  return { start: slots.starts[low] as number, end: slots.starts[low + 1] as number };
}

/** The start of the first slot that starts at or after `at`. */
export function slotFrom(slots: Slots, at: number): number {
  const slot = slotOf(slots, at);
  return slot.start === at ? at : slot.end;
}

/** Days or weeks from Sunday that begin where `midnight` says, one before `span` to one after it. */
export function civilSlots(span: Span, days: 1 | 7, midnight: (date: string) => number): Slots {
  const starts: number[] = [];
  // 1970-01-04, day 3, was a Sunday.
  for (let day = Math.floor((span.start / DAY - 3) / 7) * 7 - 4; day * DAY < span.end + 15 * DAY; day += days) {
    starts.push(midnight(new Date(day * DAY).toISOString().slice(0, 10)));
  }
  return { starts };
}

/** `bars` put together into slots: first open, highest high, lowest low, last close, all the volume. */
export function gather(slots: Slots, bars: readonly RawBar[]): readonly RawBar[] {
  const gathered: { t: number; o: number; h: number; l: number; c: number; v: number }[] = [];
  for (const bar of bars) {
    const t = slotOf(slots, bar.t).start;
    const last = gathered[gathered.length - 1];
    if (last?.t !== t) {
      gathered.push({ ...bar, t });
      continue;
    }
    last.h = Math.max(last.h, bar.h);
    last.l = Math.min(last.l, bar.l);
    last.c = bar.c;
    last.v += bar.v;
  }
  return gathered;
}

/**
 * The truth of one series from its bars' starts. On a dense series each due slot without a bar is a hole. On a sparse
 * one a stretch of them is suspect when it is longer than three times the usual one: the lower 99.9 % quantile of the
 * key's quiet stretches shorter than a session, that of the stretch's year if larger, one slot at least. Before twenty
 * sessions have bars it is suspect when a whole session lies in it.
 */
export function expectedOf(
  series: { readonly slots: Slots; readonly sessions: readonly Session[]; readonly dense: boolean },
  starts: ReadonlySet<number>,
  bounds: Bounds,
): Expected {
  const due = dueSlots(series.slots, series.sessions, bounds);
  const present = due.flatMap((slot, i) => (starts.has(slot.start) ? [i] : []));
  const sessions = new Set(present.map((i) => due[i]?.session)).size;
  const isNew = sessions < RULE.minSessions;
  const yearOf = (i: number): number => new Date((due[i] as Span).start).getUTCFullYear();
  const session = longestRun(due.map((slot) => slot.session));
  const steps = present
    .slice(1)
    .map((at, i) => ({ slots: at - (present[i] as number) - 1, year: yearOf(present[i] as number) }))
    .filter((step) => step.slots < session);
  const usual = usualSilence(steps.map((step) => step.slots));
  const usualOf = new Map<number, number>();
  for (const year of new Set(steps.map((step) => step.year))) {
    const own = steps.filter((step) => step.year === year && step.slots > 0).map((step) => step.slots);
    if (isReadable(own)) usualOf.set(year, lowerQuantile(own));
  }
  const isSuspect = (from: number, to: number): boolean => {
    if (series.dense) return true;
    if (isNew) return holdsSession(due, series.sessions, from, to);
    // The silences before the first bar and after the last have no year of their own.
    const isInner = from > 0 && to < due.length;
    return to - from > RULE.factor * Math.max(1, usual, isInner ? (usualOf.get(yearOf(from - 1)) ?? 0) : 0);
  };
  const limit = series.dense ? 0 : isNew ? null : RULE.factor * Math.max(1, usual);
  const silences: Silence[] = [];
  const quiet: number[] = [];
  const edges = [-1, ...present, due.length];
  for (let i = 1; i < edges.length; i++) {
    const from = (edges[i - 1] as number) + 1;
    const to = edges[i] as number;
    if (to === from) continue;
    if (!isSuspect(from, to)) quiet.push(to - from);
    else silences.push({ start: (due[from] as Span).start, end: (due[to - 1] as Span).end, slots: to - from });
  }
  quiet.sort((a, b) => b - a);
  return { due: due.length, absent: due.length - present.length, silences, quiet: quiet.slice(0, 5), sessions, limit };
}

/** The quantile of quiet stretches, or of all steps from bar to bar while there are too few quiet ones to read it. */
function usualSilence(steps: readonly number[]): number {
  const quiet = steps.filter((step) => step > 0);
  return isReadable(quiet) ? lowerQuantile(quiet) : lowerQuantile(steps);
}

/** Ten stretches must lie beyond the quantile: a hole or two must not move it. */
const isReadable = (stretches: readonly number[]): boolean => stretches.length * (1 - RULE.quantile) >= 10;

function lowerQuantile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(RULE.quantile * (sorted.length - 1))] ?? 0;
}

/** Whether all slots of some session lie in `[from, to)`; one that is due in part only is none. */
function holdsSession(
  due: readonly (Span & { readonly session: number })[],
  sessions: readonly Session[],
  from: number,
  to: number,
): boolean {
  for (let i = from; i < to; i++) {
    const { start, session } = due[i] as Span & { session: number };
    const { open, close } = sessions[session] as Session;
    if (start > open) continue;
    for (let last = i; last < to && due[last]?.session === session; last++) {
      if ((due[last] as Span).end >= close) return true;
    }
  }
  return false;
}

function dueSlots(
  slots: Slots,
  sessions: readonly Session[],
  { from, to, now }: Bounds,
): readonly (Span & { readonly session: number })[] {
  const due: (Span & { session: number })[] = [];
  for (const [i, session] of sessions.entries()) {
    if (session.close <= from || session.open >= to + 7 * DAY) continue;
    for (let slot = slotOf(slots, session.open); slot.start < session.close; slot = slotOf(slots, slot.end)) {
      const isKnown = slot.start === due[due.length - 1]?.start;
      const isInside = slot.start >= from && slot.start < to && slot.end + SETTLE <= now;
      if (!isKnown && isInside) due.push({ ...slot, session: i });
    }
  }
  return due;
}

/** The most equal values in a row. */
function longestRun(values: readonly number[]): number {
  let longest = 1;
  let run = 0;
  values.forEach((value, i) => {
    run = value === values[i - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  });
  return longest;
}

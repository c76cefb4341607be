import { earlier, type Instant, later } from "./instant.ts";
import { type Interval, lengthMs } from "./interval.ts";

/**
 * A set of instants as intervals in normal form: sorted, disjoint, not touching.
 * Every function here returns that form; those with two sets take it too.
 */
export type IntervalSet = readonly Interval[];

export const EMPTY: IntervalSet = [];

/** The normal form of any intervals: sorted, overlapping and touching ones merged. O(n log n). */
export function normalize(intervals: readonly Interval[]): IntervalSet {
  if (isNormal(intervals)) return intervals;
  const sorted = [...intervals].sort((a, b) => a.start - b.start);
  const merged: Interval[] = [];
  let current: Interval | undefined;
  for (const next of sorted) {
    if (current !== undefined && next.start <= current.end) {
      if (next.end > current.end) current = { start: current.start, end: next.end };
    } else {
      if (current !== undefined) merged.push(current);
      current = next;
    }
  }
  if (current !== undefined) merged.push(current);
  return merged;
}

/** Every instant that is in any of the sets. O(n log n). */
export function union(...sets: readonly IntervalSet[]): IntervalSet {
  return normalize(sets.flat());
}

/** Every instant of `from` that `minus` lacks. O(n + m). */
export function subtract(from: IntervalSet, minus: IntervalSet): IntervalSet {
  if (minus.length === 0) return from;
  const rest: Interval[] = [];
  let m = 0;
  for (const span of from) {
    let start = span.start;
    while (m < minus.length && (minus[m] as Interval).end <= start) m++;
    let cut = m;
    while (cut < minus.length && (minus[cut] as Interval).start < span.end) {
      const hole = minus[cut] as Interval;
      if (hole.start > start) rest.push({ start, end: hole.start });
      start = later(hole.end, start);
      cut++;
    }
    if (start < span.end) rest.push({ start, end: span.end });
  }
  return rest;
}

/** Every instant that is in both. O(n + m). */
export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
  const shared: Interval[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Interval;
    const y = b[j] as Interval;
    const start = later(x.start, y.start);
    const end = earlier(x.end, y.end);
    if (start < end) shared.push({ start, end });
    if (x.end <= y.end) i++;
    else j++;
  }
  return shared;
}

/** The members of `set` inside `span`, cut at its ends. O(log n + k). */
export function clip(set: IntervalSet, span: Interval): IntervalSet {
  const inside: Interval[] = [];
  for (let i = firstEndingAfter(set, span.start); i < set.length; i++) {
    const member = set[i] as Interval;
    if (member.start >= span.end) break;
    inside.push({
      start: later(member.start, span.start),
      end: earlier(member.end, span.end),
    });
  }
  return inside;
}

/** Whether `at` is in the set. O(log n). */
export function containsInstant(set: IntervalSet, at: Instant): boolean {
  const member = set[firstEndingAfter(set, at)];
  return member !== undefined && member.start <= at;
}

/** Whether every instant of `inner` is in `outer`. O(n + m). */
export function containsAll(outer: IntervalSet, inner: IntervalSet): boolean {
  return subtract(inner, outer).length === 0;
}

/** Whether the two share an instant; members may touch. O(n + m), and O(log n) where `b` is one interval. */
export function intersects(a: IntervalSet, b: IntervalSet): boolean {
  const [first] = b;
  let i = first === undefined ? a.length : firstEndingAfter(a, first.start);
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as Interval;
    const y = b[j] as Interval;
    if (x.start < y.end && y.start < x.end) return true;
    if (x.end <= y.end) i++;
    else j++;
  }
  return false;
}

/** From the first start to the last end, or null for the empty set. */
export function spanOf(set: IntervalSet): Interval | null {
  const first = set[0];
  const last = set[set.length - 1];
  return first && last ? { start: first.start, end: last.end } : null;
}

/** Sum of lengths in milliseconds. */
export function totalMs(set: IntervalSet): number {
  let sum = 0;
  for (const span of set) sum += lengthMs(span);
  return sum;
}

/** Index of the first member whose end is after `at`; `set.length` when there is none. Members may touch. O(log n). */
export function firstEndingAfter(set: IntervalSet, at: Instant): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle] as Interval).end > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function isNormal(intervals: readonly Interval[]): boolean {
  for (let i = 1; i < intervals.length; i++) {
    if ((intervals[i] as Interval).start <= (intervals[i - 1] as Interval).end) return false;
  }
  return true;
}

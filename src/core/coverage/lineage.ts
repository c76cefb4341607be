import type { Axis } from "../dataset/axis.ts";
import type { Reach } from "../dataset/dataset.ts";
import { slotNumbered, slotNumberFrom } from "../dataset/slot-numbers.ts";
import { snapOut } from "../time/grid.ts";
import { type Instant, instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { EMPTY, type IntervalSet, intersect, normalize, subtract, union } from "../time/interval-set.ts";
import { type Segments, setOf } from "./segment.ts";

/** Beyond any slot: where a reach has no end. */
const FIRST = instant(0);
const LAST = instant(Date.UTC(2100, 0, 1));

/** One stretch of an input whose rows changed, and its place in the change log. */
export interface Change extends Interval {
  readonly seq: number;
}

/**
 * The made slots whose rows may differ once an input's rows in `change` have changed: the blast radius, for one input.
 * What a change dirties, what a plan prices and what is stale are all this function.
 */
export function affected(axis: Axis, reach: Reach, change: Interval): Interval {
  switch (reach.kind) {
    case "slots": {
      const { start, end } = snapOut(axis.grid, change);
      return { start, end: endOfReach(axis, end, reach.count) };
    }
    case "within":
      return snapOut(axis.grid, change);
    case "later":
      return { start: FIRST, end: snapOut(axis.grid, change).end };
    default:
      return reach satisfies never;
  }
}

/** The stretch of an input that has to be read to make the rows of `window`. */
export function readFor(axis: Axis, reach: Reach, window: Interval): Interval {
  switch (reach.kind) {
    case "slots": {
      const first = slotNumberFrom(axis, window.start);
      const start = slotNumbered(axis, Math.max(0, first - reach.count));
      return { start: instant(Math.min(start, window.start)), end: window.end };
    }
    case "within":
      return window;
    case "later":
      return { start: window.start, end: LAST };
    default:
      return reach satisfies never;
  }
}

/**
 * What of a made series is out of date: covered stretches that an input's later change reaches. `changes` are those of
 * one input; a segment has seen all changes up to its `seq`.
 */
export function staleSet(axis: Axis, reach: Reach, segments: Segments, changes: readonly Change[]): IntervalSet {
  const stale: Interval[] = [];
  for (const change of changes) {
    const reached = affected(axis, reach, change);
    for (const segment of segments) {
      if (segment.start >= reached.end) break;
      if (segment.end <= reached.start || segment.state !== "covered" || (segment.seq ?? 0) >= change.seq) continue;
      stale.push({
        start: instant(Math.max(segment.start, reached.start)),
        end: instant(Math.min(segment.end, reached.end)),
      });
    }
  }
  return normalize(stale);
}

/** The change up to which all of a made series is current; null where nothing was made. */
export function oldestSeen(segments: Segments): number | null {
  let oldest: number | null = null;
  for (const { state, seq } of segments) {
    if (state === "covered" && (oldest === null || (seq ?? 0) < oldest)) oldest = seq ?? 0;
  }
  return oldest;
}

/** What has to be made of a series: what was never made of `ready`, and what is stale and can still be made. */
export function unmadeSet(
  segments: Segments,
  { ready, stale, scope }: { readonly ready: IntervalSet; readonly stale: IntervalSet; readonly scope: IntervalSet },
): IntervalSet {
  return union(subtract(intersect(ready, scope), setOf(segments, "covered")), intersect(stale, ready));
}

/** What was made of a series and cannot be made any more: its input was taken back. */
export function withdrawnSet(segments: Segments, ready: IntervalSet): IntervalSet {
  return subtract(setOf(segments, "covered"), ready);
}

/**
 * Where rows can be made as far as one required input goes, of which `answered` is known, up to `end`. What reaches
 * back from all of later time is known from the start of its last unbroken stretch on: what is to come is not missing.
 */
export function readyBy(reach: Reach, answered: IntervalSet, end: Instant): IntervalSet {
  if (reach.kind !== "later") return answered;
  const last = answered[answered.length - 1];
  return last === undefined || last.start >= end ? EMPTY : [{ start: last.start, end }];
}

/** Where every required input of a series was answered. */
export function readySet(scope: IntervalSet, answered: readonly IntervalSet[]): IntervalSet {
  return answered.reduce((ready, set) => intersect(ready, set), scope);
}

/** The end of the slot `count` slots after those that end at `end`. */
function endOfReach(axis: Axis, end: Instant, count: number): Instant {
  const next = slotNumberFrom(axis, end);
  const last = slotNumbered(axis, next + count - 1);
  return snapOut(axis.grid, { start: last, end: instant(Math.max(last + 1, end)) }).end;
}

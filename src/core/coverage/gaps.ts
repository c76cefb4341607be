import type { Calendar } from "../calendar/calendar.ts";
import { type Axis, dueSet, effectiveScope } from "../dataset/axis.ts";
import type { Series } from "../dataset/series.ts";
import { countSlots, countSlotsOf } from "../time/grid.ts";
import { DAY, type Instant } from "../time/instant.ts";
import { type Interval, overlaps } from "../time/interval.ts";
import { clip, EMPTY, type IntervalSet, intersect, subtract } from "../time/interval-set.ts";
import { cut, type Segment, type Segments, setOf, spansOf } from "./segment.ts";

/** Why a due stretch is not there. */
export type GapCause =
  | "never-asked"
  | "asked-once"
  | "blocked"
  | "disputed"
  | "failed"
  | "refused"
  | "not-made"
  | "stale"
  | "input-missing";

export interface Gap extends Interval {
  readonly cause: GapCause;
  /** Due slots in it. */
  readonly slots: number;
  readonly reason: string;
  readonly chunk: string | null;
}

/** A refusal older than this is asked again. */
const REFUSAL_HOLDS_MS = DAY;

/** The truth of one series over one scope at one business now. */
export interface Standing {
  readonly series: Series;
  /** The slots that could be due inside what was asked for, or null when none. */
  readonly scope: Interval | null;
  readonly due: IntervalSet;
  /**
   * Due and not covered, empty or refused a short while ago; oldest first. Neighbours of one cause with nothing due
   * between them are one gap, which then also spans the closed time between.
   */
  readonly gaps: readonly Gap[];
  /** Inside the scope and left out of what is due, printed, not a gap; may span closed time, as gaps do. */
  readonly refused: readonly Segment[];
  /** Due, asked at least twice, and empty; may span closed time, as gaps do. */
  readonly empty: readonly Segment[];
  /** Due, not there, and excused by a decision: not a gap while it holds. */
  readonly waived: readonly Waiver[];
  /** Due slots by state. */
  readonly slots: {
    readonly due: number;
    readonly covered: number;
    readonly empty: number;
    readonly failed: number;
    readonly refused: number;
    readonly waived: number;
    readonly gap: number;
  };
}

/** A stretch that somebody decided to do without. It hides what is missing, failed or refused, never what is disputed. */
export interface Waiver extends Interval {
  readonly reason: string;
  readonly actor: string;
}

/** A stretch that was answered once; the answer was taken back by a later run. */
export interface TakenBack extends Interval {
  readonly by: string;
}

/** What is known of a series whose rows are made from other datasets, beside its segments. */
export interface Making {
  /** Where every required input was answered. */
  readonly ready: IntervalSet;
  /** Covered stretches that a later change of an input reaches. */
  readonly stale: IntervalSet;
}

/**
 * What a series owes inside `span` at `now`, and what of it is there.
 * `refusedAt` tells when a refusal was received (real time), or null when it is not known.
 * `leaveOut` says which refused stretches lie outside the effective scope: those received within a day, or exactly the
 * given set (what a plan printed as left out; what its run is refused beyond that is a gap).
 */
export function standingOf(
  series: Series,
  segments: Segments,
  options: {
    readonly span: Interval;
    readonly now: Instant;
    readonly realNow: Instant;
    readonly refusedAt: (segment: Segment) => Instant | null;
    readonly leaveOut: "fresh" | IntervalSet;
    readonly waivers?: readonly Waiver[];
    /** Only tells why a gap that nobody has asked since is one. */
    readonly takenBack?: readonly TakenBack[];
    /** Present where the series' rows are made from other datasets. */
    readonly making?: Making | null;
  },
): Standing {
  const { axis } = series;
  const isFresh = (segment: Segment): boolean => {
    const at = options.refusedAt(segment);
    return at !== null && options.realNow - at < REFUSAL_HOLDS_MS;
  };
  const scope = effectiveScope(axis, options.span, options.now);
  const fullDue = scope === null ? EMPTY : sharedDueSet(axis, scope, options);
  const turnedDown = segments.filter((segment) => segment.state === "refused");
  const refused =
    options.leaveOut === "fresh"
      ? cut(turnedDown.filter(isFresh), fullDue)
      : cut(turnedDown, intersect(fullDue, options.leaveOut));
  const due = subtract(fullDue, spansOf(refused));
  const stale = options.making?.stale ?? EMPTY;
  const there = subtract(setOf(segments, "covered", "empty"), stale);
  const lacking = subtract(due, there);
  const excusable = subtract(lacking, setOf(segments, "disputed"));
  const waived = excused(options.waivers ?? [], excusable);
  const open = subtract(lacking, spansOf(waived));
  const unsatisfied = segments.filter((segment) => segment.state !== "covered" && segment.state !== "empty");
  const found = options.making
    ? unmadeGaps(series, open, options.making)
    : openGaps(series, open, unsatisfied, options.takenBack ?? []);
  const gaps = mergeNeighbours(found, fullDue);
  const count = (set: IntervalSet): number => countSlotsOf(axis.grid, set);
  const coveredSlots = count(subtract(intersect(due, setOf(segments, "covered")), stale));
  const empty = cut(
    segments.filter((segment) => segment.state === "empty"),
    due,
  );
  return {
    series,
    scope,
    due,
    gaps,
    refused: joined(refused, fullDue),
    empty: joined(empty, fullDue),
    waived,
    slots: {
      due: count(due),
      covered: coveredSlots,
      empty: count(spansOf(empty)),
      failed: count(intersect(due, setOf(segments, "failed"))),
      refused: count(intersect(fullDue, setOf(segments, "refused"))),
      waived: count(spansOf(waived)),
      gap: gaps.reduce((sum, gap) => sum + gap.slots, 0),
    },
  };
}

/** The gaps of a standing as a set. */
export function gapSet(standing: Standing): IntervalSet {
  return spansOf(standing.gaps);
}

/** More due sets than this are not kept at once: a pipeline has a few axes, and one set may hold thousands of sessions. */
const KEPT_DUE_SETS = 64;
const dueByCalendar = new WeakMap<Calendar, Map<string, IntervalSet>>();

/** The due set of `scope`, worked out once for all series that share their axis there. */
function sharedDueSet(
  axis: Axis,
  scope: Interval,
  options: { readonly span: Interval; readonly now: Instant },
): IntervalSet {
  const { grid, lifetime } = axis;
  const known = dueByCalendar.get(axis.calendar) ?? new Map<string, IntervalSet>();
  dueByCalendar.set(axis.calendar, known);
  const isWhole = lifetime.start <= scope.start && lifetime.end >= scope.end;
  const life = isWhole ? [] : [lifetime.start, lifetime.end];
  const key = [grid.grain, grid.zone, grid.anchor, scope.start, scope.end, ...life].join(" ");
  const kept = known.get(key);
  if (kept) return kept;
  const due = dueSet(axis, options.span, options.now);
  if (known.size >= KEPT_DUE_SETS) known.clear();
  known.set(key, due);
  return due;
}

function openGaps(
  series: Series,
  open: IntervalSet,
  unsatisfied: readonly Segment[],
  takenBack: readonly TakenBack[],
): readonly Gap[] {
  const { grid } = series.axis;
  const known = cut(unsatisfied, open).map(
    (segment): Gap => ({
      start: segment.start,
      end: segment.end,
      cause: causeOf(segment),
      slots: countSlots(grid, segment),
      reason: segment.reason ?? "",
      chunk: segment.chunk,
    }),
  );
  const neverAsked =
    (reason: string) =>
    (span: Interval): Gap => ({
      start: span.start,
      end: span.end,
      cause: "never-asked",
      slots: countSlots(grid, span),
      reason,
      chunk: null,
    });
  let left = subtract(open, spansOf(known));
  const returned: Gap[] = [];
  // Of several that took the same back, the latest is named.
  for (const { start, end, by } of takenBack.toReversed()) {
    const own = clip(left, { start, end });
    returned.push(...own.map(neverAsked(`taken back by ${by}`)));
    left = subtract(left, own);
  }
  const never = left.map(neverAsked("never asked"));
  const isPlain = known.length === 0 && returned.length === 0;
  return isPlain ? never : [...known, ...returned, ...never].sort((a, b) => a.start - b.start);
}

/** Gaps of a made series: stale, never made although its inputs are there, or without inputs. */
function unmadeGaps(series: Series, open: IntervalSet, { ready, stale }: Making): readonly Gap[] {
  const gapsOf = (set: IntervalSet, cause: GapCause, reason: string): readonly Gap[] =>
    set.map(({ start, end }) => ({
      start,
      end,
      cause,
      slots: countSlots(series.axis.grid, { start, end }),
      reason,
      chunk: null,
    }));
  const old = intersect(open, stale);
  const fresh = subtract(open, stale);
  return [
    ...gapsOf(old, "stale", "an input has changed since it was made"),
    ...gapsOf(intersect(fresh, ready), "not-made", "never made"),
    ...gapsOf(subtract(fresh, ready), "input-missing", "its input is missing there"),
  ].sort((a, b) => a.start - b.start);
}

/** The waived parts of `open`; of overlapping waivers the first counts. */
function excused(waivers: readonly Waiver[], open: IntervalSet): readonly Waiver[] {
  const parts: Waiver[] = [];
  let left = open;
  for (const { start, end, reason, actor } of waivers) {
    const inside = intersect(left, [{ start, end }]);
    parts.push(...inside.map((span) => ({ ...span, reason, actor })));
    left = subtract(left, inside);
  }
  return parts.sort((a, b) => a.start - b.start);
}

/** One gap a cause where nothing due lies between: a night does not cut a missing week into five gaps. */
function mergeNeighbours(gaps: readonly Gap[], due: IntervalSet): readonly Gap[] {
  const merged: Gap[] = [];
  const isClosed = closedBetween(due);
  for (const gap of gaps) {
    const last = merged[merged.length - 1];
    if (last?.cause === gap.cause && last.reason === gap.reason && isClosed(last.end, gap.start)) {
      const { start, cause, reason, chunk } = last;
      merged[merged.length - 1] = { start, end: gap.end, cause, slots: last.slots + gap.slots, reason, chunk };
    } else merged.push(gap);
  }
  return merged;
}

/** The same for what is refused or empty; of several chunks the first is named. */
function joined(segments: readonly Segment[], due: IntervalSet): readonly Segment[] {
  const merged: Segment[] = [];
  const isClosed = closedBetween(due);
  for (const segment of segments) {
    const last = merged[merged.length - 1];
    if (last?.reason === segment.reason && isClosed(last.end, segment.start)) {
      const { start, state, asked, reason, chunk } = last;
      merged[merged.length - 1] = { start, end: segment.end, state, asked, reason, chunk };
    } else merged.push(segment);
  }
  return merged;
}

/** Tells whether nothing of `due` lies from one instant to a later one; it must be asked for rising instants. */
function closedBetween(due: IntervalSet): (from: Instant, to: Instant) => boolean {
  let next = 0;
  return (from, to) => {
    while (next < due.length && (due[next] as Interval).end <= from) next++;
    return from >= to || next === due.length || (due[next] as Interval).start >= to;
  };
}

function causeOf(segment: Segment): GapCause {
  switch (segment.state) {
    case "hole":
      return "asked-once";
    case "blocked":
      return "blocked";
    case "disputed":
      return "disputed";
    case "failed":
      return "failed";
    case "refused":
      return "refused";
    case "covered":
    case "empty":
      throw new Error(`unreachable: ${segment.state} is not a gap`);
    default:
      return segment.state satisfies never;
  }
}

/** How one gap lies in what is due: before everything there, after it, all of it, or between. */
export type GapPlace = "whole" | "leading" | "trailing" | "inner";

/** Where `gap` lies relative to what the series already has. */
export function placeOf({ scope }: Pick<Standing, "scope">, segments: Segments, gap: Interval): GapPlace {
  const isThere = (segment: Segment): boolean =>
    (segment.state === "covered" || segment.state === "empty") && scope !== null && overlaps(segment, scope);
  const first = segments.find(isThere);
  const last = segments.findLast(isThere);
  if (!first || !last) return "whole";
  if (gap.end <= first.start) return "leading";
  if (gap.start >= last.end) return "trailing";
  return "inner";
}

import { type DaySpan, datesOf, daysBetween } from "../time/local-days.ts";
import type { DayCoverage } from "./day-coverage.ts";

/** How a gap of days lies: shared by nearly all keys, at an edge of the window, long, or short among days with data. */
export type GapShape = "common" | "leading" | "trailing" | "block" | "scattered";

/** Owed days of one key that belong together; from first to last may lie closed days and a few with data. */
export interface DayGap extends DaySpan {
  readonly shape: GapShape;
  /** The owed days, in order. Edge gaps run through common ones, whose days are counted there. */
  readonly open: readonly string[];
}

/** Days that nearly all keys lack. */
export interface CommonGap extends DaySpan {
  readonly days: number;
  readonly isRecent: boolean;
  /** Keys without data on any day of it, and those that lack only some. */
  readonly whole: readonly string[];
  readonly partly: readonly string[];
}

export interface GapSettings {
  readonly common: {
    /** Share of the keys owing a day that must lack it, 0..1. */
    readonly share: number;
    /** Fewer keys than this owing a day say nothing about all. */
    readonly minKeys: number;
    readonly minDays: number;
    /** A common gap is recent when it ends at most this many days before the window does. */
    readonly recentDays: number;
  };
  /** Missing days, common ones aside, from which a gap at the window's start or end stands for itself. */
  readonly edge: { readonly minDays: number };
  readonly block: {
    /** Owed days from which a run is a block; shorter ones are scattered. */
    readonly minDays: number;
    /** Days with data that a run may jump over. */
    readonly joinDays: number;
  };
}

/** The gaps that nearly all keys share, newest first. A day on which no key owes anything does not cut one. */
export function commonGaps(
  covered: readonly DayCoverage[],
  window: DaySpan,
  { common: { share, minKeys, minDays, recentDays } }: GapSettings,
): readonly CommonGap[] {
  const lacking = tally(covered.map(({ open }) => open));
  const present = tally(covered.map((one) => one.present));
  const owing = (date: string): number => (lacking.get(date) ?? 0) + (present.get(date) ?? 0);
  const days = datesOf(window);
  const lacked = days.filter((date) => owing(date) >= minKeys && (lacking.get(date) ?? 0) >= share * owing(date));
  return groupDates(lacked, days, 0, (date) => owing(date) > 0)
    .filter((dates) => dates.length >= minDays)
    .map((dates): CommonGap => {
      const span = hullOf(dates);
      const affected = covered.filter(({ open }) => open.some(isIn(span)));
      const isWhole = (one: DayCoverage): boolean => !one.present.some(isIn(span));
      return {
        ...span,
        days: dates.length,
        isRecent: daysBetween(span.last, window.last) <= recentDays,
        whole: affected.filter(isWhole).map(({ key }) => key),
        partly: affected.filter((one) => !isWhole(one)).map(({ key }) => key),
      };
    })
    .reverse();
}

/** Missing days before a key's first day with data in the window, common ones aside. */
export function leadingDays(one: DayCoverage, common: readonly CommonGap[]): number {
  return one.leading === null ? 0 : datesOf(one.leading).filter(outside(common)).length;
}

/** Missing days after a key's last day with data, common ones aside; none where data lie beyond the window. */
export function trailingDays(one: DayCoverage, window: DaySpan, common: readonly CommonGap[]): number {
  const hasEnded = one.firstToLast !== null && one.firstToLast.last <= window.last;
  return !hasEnded || one.trailing === null ? 0 : datesOf(one.trailing).filter(outside(common)).length;
}

/** What one key owes, in gaps: every open day is in exactly one. Edges first, then by date. */
export function gapsOf(
  one: DayCoverage,
  start: { readonly kind: "dark" | "new" | "late" } | null,
  window: DaySpan,
  common: readonly CommonGap[],
  { edge, block }: GapSettings,
): readonly DayGap[] {
  const isAside = outside(common);
  const edges: DayGap[] = [];
  const addEdge = (shape: "leading" | "trailing", span: DaySpan | null): void => {
    const open = span === null ? [] : one.open.filter(isIn(span));
    if (open.some(isAside)) edges.push({ shape, ...hullOf(open), open: open.filter(isAside) });
  };
  if (start !== null) addEdge("leading", one.leading);
  if (trailingDays(one, window, common) >= edge.minDays) addEdge("trailing", one.trailing);

  const shared = common.flatMap((gap): DayGap[] => {
    const open = one.open.filter(isIn(gap));
    return open.length === 0 ? [] : [{ shape: "common", ...hullOf(open), open }];
  });
  const closed = new Set(one.closed.map(({ date }) => date));
  const rest = one.open.filter((date) => isAside(date) && outside(edges)(date));
  const runs = groupDates(rest, datesOf(window), block.joinDays, (date) => !closed.has(date)).map(
    (open): DayGap => ({ shape: open.length >= block.minDays ? "block" : "scattered", ...hullOf(open), open }),
  );
  return [...edges, ...[...shared, ...runs].sort((a, b) => (a.first < b.first ? -1 : 1))];
}

/** From the first to the last of dates in order, of which there must be one. */
export function hullOf(dates: readonly string[]): DaySpan {
  return { first: dates[0] as string, last: dates[dates.length - 1] as string };
}

/** The `dates` among `days`, those together between which at most `most` of the other days count; both in order. */
function groupDates(
  dates: readonly string[],
  days: readonly string[],
  most: number,
  counts: (date: string) => boolean,
): readonly (readonly string[])[] {
  const members = new Set(dates);
  const groups: string[][] = [];
  let between = Number.POSITIVE_INFINITY;
  for (const day of days) {
    if (members.has(day)) {
      if (between <= most) groups[groups.length - 1]?.push(day);
      else groups.push([day]);
      between = 0;
    } else if (counts(day)) between++;
  }
  return groups;
}

/** How many of the lists hold each date. */
function tally(lists: readonly (readonly string[])[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const list of lists) for (const date of list) counts.set(date, (counts.get(date) ?? 0) + 1);
  return counts;
}

function isIn(span: DaySpan): (date: string) => boolean {
  return (date) => span.first <= date && date <= span.last;
}

function outside(spans: readonly DaySpan[]): (date: string) => boolean {
  return (date) => !spans.some((span) => isIn(span)(date));
}

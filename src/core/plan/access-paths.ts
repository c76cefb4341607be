import type { Series, SeriesKey } from "../dataset/series.ts";
import { countSlotsOf, slotsIn } from "../time/grid.ts";
import type { Instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import {
  EMPTY,
  type IntervalSet,
  intersect,
  intersects,
  normalize,
  spanOf,
  subtract,
  union,
} from "../time/interval-set.ts";

/** One way to ask for series of one dataset. */
export interface AccessPath {
  /** Names the source. */
  readonly name: string;
  /**
   * `key`: one series over a range. `all`: every series of a group for one slot. `held`: what lies in files already,
   * for nothing.
   */
  readonly kind: "key" | "all" | "held";
  /** Whether it can answer for the series at all. */
  serves(series: Series): boolean;
  /** The questions that answer `gaps` of one series. */
  windows(series: Series, gaps: IntervalSet): readonly Interval[];
  /** Series of one group are answered by one question; only for `all`. */
  group?(series: Series): string;
  /** What it holds of a series; only for `held`. */
  held?(series: Series): IntervalSet;
  /** Not asked about what somebody has answered; only for `held`. */
  readonly fillsOnly?: boolean;
  /** What is read for a window, where one reading answers several series; only for `held`. */
  target?(series: Series, window: Interval): string;
}

/** What one series wants to be asked for. */
export interface Wanted {
  readonly series: Series;
  /** Whole slots; may span closed time. */
  readonly gaps: IntervalSet;
  /** The slots that are owed inside. */
  readonly due: IntervalSet;
  /** `gaps` with closed hours around them, for paths that ask by range. */
  readonly ranges: IntervalSet;
  /** Of `gaps`, what was answered once without a row. */
  readonly silent?: IntervalSet;
  /** What somebody has answered, whatever it was. */
  readonly answered?: IntervalSet;
}

export interface PlannedChunk {
  readonly source: string;
  readonly key: SeriesKey;
  /** All series that the question answers, where there are several. */
  readonly keys: readonly SeriesKey[] | null;
  readonly window: Interval;
}

/** The way that was taken where there were two, and what the other one would have cost. */
export interface Choice {
  readonly source: string;
  readonly series: number;
  readonly calls: number;
  readonly instead: { readonly source: string; readonly calls: number };
}

/**
 * The questions that together answer everything wanted with the fewest calls. Files come first: they cost nothing.
 * For what is left, a group's series are ordered by how many slots they lack; asking the longest by range and all
 * others slot by slot is tried for every cut of that order, and the cheapest one taken.
 */
export function choosePaths(
  wanted: readonly Wanted[],
  paths: readonly AccessPath[],
): { readonly chunks: readonly PlannedChunk[]; readonly choices: readonly Choice[] } {
  const held: HeldChunk[] = [];
  const choices: Choice[] = [];
  const left = wanted.map((one) => takeHeld(one, paths, held, choices)).filter((one) => one.gaps.length > 0);
  const chunks: PlannedChunk[] = [...shared(held)];
  const groups = new Map<string, { readonly path: AccessPath; readonly members: Wanted[] }>();
  const byRange: Wanted[] = [];
  for (const one of left) {
    const path = paths.find((candidate) => candidate.kind === "all" && candidate.serves(one.series));
    const id = path && `${path.name} ${path.group?.(one.series) ?? ""}`;
    if (!path || id === undefined) byRange.push(one);
    else {
      const group = groups.get(id) ?? { path, members: [] };
      groups.set(id, group);
      group.members.push(one);
    }
  }
  for (const { path, members } of groups.values()) {
    const { range, together } = cheapestCut(members, paths);
    byRange.push(...range);
    const slots = [...slotsByStart(together).values()];
    for (const { window, keys } of slots) {
      chunks.push({ source: path.name, key: keys.length === 1 ? (keys[0] as SeriesKey) : MANY, keys, window });
    }
    const other = members[0] && keyPath(members[0].series, paths);
    if (!other) continue;
    const inRange = (some: readonly Wanted[]): number => some.reduce((sum, one) => sum + callsByRange(one, paths), 0);
    if (slots.length > 0) {
      const instead = { source: other.name, calls: inRange(together) };
      choices.push({ source: path.name, series: together.length, calls: slots.length, instead });
    }
    // One series alone gains nothing from an answer that holds all.
    if (range.length > 1) {
      const instead = { source: path.name, calls: countSlots(members) - slots.length };
      choices.push({ source: other.name, series: range.length, calls: inRange(range), instead });
    }
  }
  // In the order in which series were wanted: a plan reads like its registry.
  const places = new Map(wanted.map(({ series }, i) => [series, i]));
  byRange.sort((a, b) => (places.get(a.series) ?? 0) - (places.get(b.series) ?? 0));
  for (const one of byRange) {
    const path = keyPath(one.series, paths);
    if (!path) continue;
    for (const window of path.windows(one.series, one.ranges)) {
      chunks.push({ source: path.name, key: one.series.key, keys: null, window });
    }
  }
  return { chunks, choices };
}

const MANY = "*" as SeriesKey;

function keyPath(series: Series, paths: readonly AccessPath[]): AccessPath | undefined {
  return paths.find((path) => path.kind === "key" && path.serves(series));
}

function callsByRange(one: Wanted, paths: readonly AccessPath[]): number {
  return keyPath(one.series, paths)?.windows(one.series, one.ranges).length ?? Number.POSITIVE_INFINITY;
}

/** A question to files. */
interface HeldChunk {
  readonly path: AccessPath;
  readonly series: Series;
  readonly window: Interval;
}

/** What files hold is asked of them; returns what they lack. */
function takeHeld(one: Wanted, paths: readonly AccessPath[], chunks: HeldChunk[], choices: Choice[]): Wanted {
  const { series } = one;
  const other = keyPath(series, paths);
  // A silence that somebody answered already is for who can be asked by calls: a file says the same twice.
  const aside = other === undefined ? EMPTY : (one.silent ?? EMPTY);
  let { gaps, ranges } = one;
  for (const path of paths) {
    if (path.kind !== "held" || !path.serves(series)) continue;
    const known = path.fillsOnly === true ? union(aside, one.answered ?? EMPTY) : aside;
    const held = subtract(path.held?.(series) ?? EMPTY, known);
    const inside = intersect(gaps, held);
    if (inside.length === 0) continue;
    const windows = path.windows(series, inside);
    chunks.push(...windows.map((window) => ({ path, series, window })));
    const calls = other ? other.windows(series, inside).length : 0;
    const instead = { source: other?.name ?? "nothing", calls };
    choices.push({ source: path.name, series: 1, calls: windows.length, instead });
    gaps = subtract(gaps, held);
    const left = gaps;
    // Closed hours go with their sessions: what is left of them alone holds nothing that is wanted.
    ranges = subtract(ranges, held).filter((span) => intersects(left, [span]));
  }
  return { ...one, gaps, ranges };
}

/** Questions for the same window of the same file are one. */
function shared(held: readonly HeldChunk[]): readonly PlannedChunk[] {
  const questions = new Map<
    string,
    { readonly path: AccessPath; readonly window: Interval; readonly keys: SeriesKey[] }
  >();
  for (const [i, { path, series, window }] of held.entries()) {
    const target = path.target?.(series, window) ?? i;
    const id = JSON.stringify([path.name, target, window.start, window.end]);
    const question = questions.get(id) ?? { path, window, keys: [] };
    questions.set(id, question);
    question.keys.push(series.key);
  }
  return [...questions.values()].map(({ path, window, keys }) => ({
    source: path.name,
    key: keys.length === 1 ? (keys[0] as SeriesKey) : MANY,
    keys: keys.length === 1 ? null : keys,
    window,
  }));
}

/** The members to ask by range and those to ask slot by slot together. */
function cheapestCut(
  members: readonly Wanted[],
  paths: readonly AccessPath[],
): { readonly range: readonly Wanted[]; readonly together: readonly Wanted[] } {
  const inRange = members.map((one) => ({ one, calls: callsByRange(one, paths) }));
  const allByRange = inRange.reduce((sum, { calls }) => sum + calls, 0);
  // A member with more slots than all ranges cost is asked by range whatever the others do: its slots need no list.
  const sized = inRange
    .map(({ one, calls }) => ({ one, calls, slots: countDue(one) }))
    .map((member) => ({ ...member, starts: member.slots > allByRange ? [] : startsOf(member.one) }))
    .sort((a, b) => b.slots - a.slots);
  // From the shortest member on: what all from `cut` on cost together, beside what those before cost by range.
  const seen = new Set<Instant>();
  const slotCalls: number[] = new Array(sized.length + 1).fill(0) as number[];
  for (let i = sized.length - 1; i >= 0; i--) {
    for (const start of sized[i]?.starts ?? []) seen.add(start);
    slotCalls[i] = Math.max(seen.size, sized[i]?.slots ?? 0);
  }
  let best = { cut: sized.length, calls: allByRange };
  let rangeCalls = 0;
  for (let cut = 0; cut < sized.length; cut++) {
    const calls = rangeCalls + (slotCalls[cut] ?? 0);
    if (calls < best.calls) best = { cut, calls };
    rangeCalls += sized[cut]?.calls ?? 0;
  }
  return {
    range: sized.slice(0, best.cut).map(({ one }) => one),
    together: sized.slice(best.cut).map(({ one }) => one),
  };
}

function countDue({ series, gaps, due }: Wanted): number {
  return countSlotsOf(series.axis.grid, intersect(gaps, due));
}

/** Slots that members of one group are owed, each once: what all of them cost slot by slot. */
function countSlots(members: readonly Wanted[]): number {
  const due = normalize(members.flatMap((one) => intersect(one.gaps, one.due)));
  return members[0] === undefined ? 0 : countSlotsOf(members[0].series.axis.grid, due);
}

function startsOf(one: Wanted): readonly Instant[] {
  return dueSlots(one).map((slot) => slot.start);
}

function dueSlots({ series, gaps, due }: Wanted): readonly Interval[] {
  const inside = intersect(gaps, due);
  if (spanOf(inside) === null) return [];
  return inside.flatMap((span) => [...slotsIn(series.axis.grid, span)]);
}

function slotsByStart(
  members: readonly Wanted[],
): ReadonlyMap<Instant, { readonly window: Interval; readonly keys: SeriesKey[] }> {
  const slots = new Map<Instant, { readonly window: Interval; readonly keys: SeriesKey[] }>();
  for (const one of members) {
    for (const window of dueSlots(one)) {
      const slot = slots.get(window.start) ?? { window, keys: [] };
      slots.set(window.start, slot);
      slot.keys.push(one.series.key);
    }
  }
  return new Map([...slots].sort(([a], [b]) => a - b));
}

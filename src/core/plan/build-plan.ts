import { type Gap, type GapCause, type GapPlace, placeOf, type Standing } from "../coverage/gaps.ts";
import { answeredSet, type Segments, spansOf } from "../coverage/segment.ts";
import type { Series } from "../dataset/series.ts";
import { countSlotsOf } from "../time/grid.ts";
import { type Interval, overlaps } from "../time/interval.ts";
import { clip, type IntervalSet, normalize } from "../time/interval-set.ts";
import { type AccessPath, type Choice, choosePaths, type Wanted } from "./access-paths.ts";
import type { FetchChunk, FetchStep, SeriesPlan } from "./plan.ts";

/** One series as planning sees it. */
export interface SeriesState {
  readonly series: Series;
  readonly requested: Interval;
  readonly standing: Standing;
  readonly segments: Segments;
  /** What is to be asked: gaps, less what bronze holds unpublished, plus what is asked again. */
  readonly wanted: IntervalSet;
  /** `wanted` with closed hours around it, where rows may stand although none is owed. */
  readonly ranges: IntervalSet;
  /** Covered slots among them. */
  readonly again: IntervalSet;
}

/** The questions that answer everything wanted of one dataset, one step a source, and the rows they may bring. */
export function fetchSteps(
  states: readonly SeriesState[],
  paths: readonly (AccessPath & { readonly provider: string })[],
): { readonly steps: readonly FetchStep[]; readonly choices: readonly Choice[]; readonly rows: number } {
  const first = states[0]?.series;
  if (!first) return { steps: [], choices: [], rows: 0 };
  const wanted = states.map(
    (state): Wanted => ({
      series: state.series,
      gaps: state.wanted,
      due: state.standing.due,
      ranges: state.ranges,
      answered: answeredSet(state.segments),
      silent: spansOf(state.standing.gaps.filter(({ cause }) => cause === "asked-once")),
    }),
  );
  const { chunks, choices } = choosePaths(wanted, paths);
  const bySource = new Map<string, FetchChunk[]>();
  for (const { source, key, keys, window } of chunks) {
    const list = bySource.get(source) ?? [];
    if (list.length === 0) bySource.set(source, list);
    list.push({ key, ...(keys === null ? {} : { keys }), start: window.start, end: window.end });
  }
  const steps = [...bySource].map(
    ([source, list]): FetchStep => ({
      kind: "fetch",
      dataset: first.dataset,
      version: first.version,
      source,
      provider: paths.find((path) => path.name === source)?.provider ?? source,
      chunks: list,
    }),
  );
  const byKey = new Map<string, Interval[]>();
  for (const { key, keys, window } of chunks) {
    for (const one of keys ?? [key]) {
      const list = byKey.get(one) ?? [];
      if (list.length === 0) byKey.set(one, list);
      list.push(window);
    }
  }
  let rows = 0;
  for (const { series, standing } of states) {
    for (const window of normalize(byKey.get(series.key) ?? [])) {
      rows += countSlotsOf(series.axis.grid, clip(standing.due, window));
    }
  }
  return { steps, choices, rows };
}

/** Repair may cost at most this many calls: two, or a tenth of the plan. */
export function repairAllowance(calls: number): number {
  return calls === 0 ? 0 : Math.max(2, Math.ceil(calls / 10));
}

/** What a plan says of one series. */
export function seriesPlan(state: SeriesState, calls: number, making: SeriesPlan["making"]): SeriesPlan {
  const { standing, series } = state;
  return {
    dataset: series.dataset,
    key: series.key,
    entry: series.entry,
    made: series.source === null,
    requested: state.requested,
    effective: standing.scope,
    dueSlots: standing.slots.due,
    coveredSlots: standing.slots.covered,
    emptySlots: standing.slots.empty,
    gapSlots: standing.slots.gap,
    gapCount: standing.gaps.length,
    making,
    againSlots: countSlotsOf(series.axis.grid, state.again),
    leftOut: standing.refused.map(({ start, end, reason }) => ({ start, end, reason: reason ?? "refused" })),
    reasons: reasonsOf(state),
    calls,
  };
}

function reasonsOf(state: SeriesState): SeriesPlan["reasons"] {
  const sums = new Map<string, { cause: GapCause; place: GapPlace; slots: number }>();
  for (const gap of state.standing.gaps) {
    const place = placeOf(state.standing, state.segments, gap);
    const id = `${gap.cause} ${place}`;
    const sum = sums.get(id) ?? { cause: gap.cause, place, slots: 0 };
    sum.slots += gap.slots;
    sums.set(id, sum);
  }
  return [...sums.values()].sort((a, b) => b.slots - a.slots);
}

/** The windows that a repair round asks again, and the gaps it answers for, within `allowance` calls. */
export interface RepairRequest {
  readonly series: Series;
  readonly window: Interval;
  readonly gaps: readonly Gap[];
}

/**
 * What one repair round asks: neighbouring holes merged, largest first, within `allowance` calls. A series without any
 * row in what was asked comes after all others, and is asked again as a whole or not at all: half of it would tell
 * nothing, and cost others their repairs.
 * `wasAnswered` tells whether exactly this window was answered before in this run; then it is asked one slot wider
 * on each side (`widen`), and left alone if that was answered too.
 */
export function planRepair(
  states: readonly (Pick<SeriesState, "series" | "standing"> & {
    readonly windows: (gaps: IntervalSet) => readonly Interval[];
  })[],
  options: {
    readonly allowance: number;
    readonly wasAnswered: (series: Series, window: Interval) => boolean;
    readonly widen: (series: Series, window: Interval) => Interval;
  },
): { readonly requests: readonly RepairRequest[]; readonly left: number } {
  const candidates: (RepairRequest & { readonly slots: number })[] = [];
  const dark: RepairRequest[][] = [];
  for (const { series, standing, windows } of states) {
    const again = standing.gaps.filter((gap) => gap.cause !== "refused");
    const set = again.map((gap): Interval => ({ start: gap.start, end: gap.end }));
    const own: (typeof candidates)[number][] = [];
    for (const asked of windows(mergeTouching(set))) {
      let window = asked;
      if (options.wasAnswered(series, window)) window = options.widen(series, window);
      if (options.wasAnswered(series, window)) continue;
      const inside = again.filter((gap) => overlaps(gap, window));
      own.push({ series, window, gaps: inside, slots: inside.reduce((sum, gap) => sum + gap.slots, 0) });
    }
    const isDark = standing.slots.covered === 0 && again.every((gap) => gap.cause === "asked-once");
    if (isDark) dark.push(own);
    else candidates.push(...own);
  }
  candidates.sort((a, b) => b.slots - a.slots || a.window.start - b.window.start);
  const requests: RepairRequest[] = candidates.slice(0, options.allowance);
  let left = candidates.length - requests.length;
  for (const own of dark.sort((a, b) => a.length - b.length)) {
    if (requests.length + own.length <= options.allowance) requests.push(...own);
    else left += own.length;
  }
  return { requests, left };
}

function mergeTouching(spans: readonly Interval[]): IntervalSet {
  const merged: Interval[] = [];
  for (const span of spans) {
    const last = merged[merged.length - 1];
    if (last && last.end >= span.start) merged[merged.length - 1] = { start: last.start, end: span.end };
    else merged.push(span);
  }
  return merged;
}

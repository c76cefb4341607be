import { type Gap, type GapCause, type GapPlace, gapSet, placeOf, type Standing } from "../coverage/gaps.ts";
import type { Segments } from "../coverage/segment.ts";
import type { Series } from "../dataset/series.ts";
import { countSlotsOf } from "../time/grid.ts";
import { type Interval, overlaps } from "../time/interval.ts";
import { clip, type IntervalSet, subtract } from "../time/interval-set.ts";
import type { BuildStep, Cost, FetchStep, SeriesPlan, Step } from "./plan.ts";

/** One series as planning sees it. */
export interface SeriesState {
  readonly series: Series;
  readonly requested: Interval;
  readonly standing: Standing;
  readonly segments: Segments;
  /** Committed to bronze and not published yet: asking again would pay twice. */
  readonly unpublished: IntervalSet;
  /** Requests that answer these gaps with the fewest calls. */
  readonly windows: (gaps: IntervalSet) => readonly Interval[];
}

/** Bytes a bar takes: about 12 in compressed bronze and 24 in the store, measured on minute bars. */
const BYTES_PER_ROW = 36;

/** Steps that close every gap of `states` from one source, with what each series needs and what all of it costs. */
export function buildSteps(
  states: readonly SeriesState[],
  options: {
    readonly source: string;
    readonly pendingChunks: readonly string[];
    readonly minutesFor: (calls: number) => number;
  },
): { readonly series: readonly SeriesPlan[]; readonly steps: readonly Step[]; readonly cost: Cost } {
  const series: SeriesPlan[] = [];
  const chunks: FetchStep["chunks"][number][] = [];
  let rows = 0;
  for (const state of states) {
    const wanted = subtract(gapSet(state.standing), state.unpublished);
    const windows = state.windows(wanted);
    for (const window of windows) {
      chunks.push({ key: state.series.key, start: window.start, end: window.end });
      rows += countSlotsOf(state.series.axis.grid, clip(state.standing.due, window));
    }
    series.push(seriesPlan(state, windows.length));
  }
  const first = states[0]?.series;
  if (!first) return { series, steps: [], cost: { calls: 0, minutes: 0, rows: 0, bytes: 0 } };
  const common = { dataset: first.dataset, version: first.version };
  const fetch: FetchStep = { kind: "fetch", ...common, source: options.source, chunks };
  const build: BuildStep = { kind: "build", ...common, pendingChunks: options.pendingChunks };
  const calls = chunks.length;
  return {
    series,
    steps: [fetch, build],
    cost: { calls, minutes: options.minutesFor(calls), rows, bytes: rows * BYTES_PER_ROW },
  };
}

/** Repair may cost at most this many calls: two, or a tenth of the plan. */
export function repairAllowance(calls: number): number {
  return calls === 0 ? 0 : Math.max(2, Math.ceil(calls / 10));
}

function seriesPlan(state: SeriesState, calls: number): SeriesPlan {
  const { standing, series } = state;
  return {
    key: series.key,
    entry: series.entry,
    requested: state.requested,
    effective: standing.scope,
    dueSlots: standing.slots.due,
    coveredSlots: standing.slots.covered,
    emptySlots: standing.slots.empty,
    gapSlots: standing.slots.gap,
    gapCount: standing.gaps.length,
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
 * What one repair round asks: neighbouring holes merged, largest first, within `allowance` calls.
 * `wasAnswered` tells whether exactly this window was answered before in this run; then it is asked one slot wider
 * on each side (`widen`), and left alone if that was answered too.
 */
export function planRepair(
  states: readonly Pick<SeriesState, "series" | "standing" | "windows">[],
  options: {
    readonly allowance: number;
    readonly wasAnswered: (series: Series, window: Interval) => boolean;
    readonly widen: (series: Series, window: Interval) => Interval;
  },
): { readonly requests: readonly RepairRequest[]; readonly left: number } {
  const candidates: (RepairRequest & { readonly slots: number })[] = [];
  for (const { series, standing, windows } of states) {
    const again = standing.gaps.filter((gap) => gap.cause !== "refused");
    const set = again.map((gap): Interval => ({ start: gap.start, end: gap.end }));
    for (const asked of windows(mergeTouching(set))) {
      let window = asked;
      if (options.wasAnswered(series, window)) window = options.widen(series, window);
      if (options.wasAnswered(series, window)) continue;
      const inside = again.filter((gap) => overlaps(gap, window));
      candidates.push({ series, window, gaps: inside, slots: inside.reduce((sum, gap) => sum + gap.slots, 0) });
    }
  }
  candidates.sort((a, b) => b.slots - a.slots || a.window.start - b.window.start);
  const requests = candidates.slice(0, options.allowance);
  return { requests, left: candidates.length - requests.length };
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

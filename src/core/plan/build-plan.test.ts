import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import { gapSet, standingOf } from "../coverage/gaps.ts";
import type { Segments } from "../coverage/segment.ts";
import { type Series, seriesKey } from "../dataset/series.ts";
import { DAY, HOUR, type Instant, instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { type IntervalSet, subtract, union } from "../time/interval-set.ts";
import type { AccessPath } from "./access-paths.ts";
import { fetchSteps, planRepair, repairAllowance, type SeriesState, seriesPlan } from "./build-plan.ts";

const START = Date.parse("2024-03-01T00:00:00Z");
const DAY_ONE = hours(0, 24);
const NOTHING_MADE = { fresh: 0, halo: 0 };

describe("the steps of a plan", () => {
  it("ask for every gap but what is in bronze already, and price it", () => {
    const covered = segment("covered", 0, 6);
    const states = [stateOf("A", [covered], { unpublished: [hours(6, 8)] }), stateOf("B", [segment("covered", 0, 24)])];
    const { steps, rows, choices } = fetchSteps(states, [byRange()]);
    expect(steps).toEqual([
      {
        kind: "fetch",
        dataset: "trial.hours",
        version: 1,
        source: "trial",
        provider: "trial.example",
        chunks: [{ key: "A", ...hours(8, 24) }],
      },
    ]);
    expect(rows).toBe(16);
    expect(choices).toEqual([]);
    const series = states.map((state) => seriesPlan(state, state.series.key === "A" ? 1 : 0, NOTHING_MADE));
    expect(series.map(({ key, gapSlots, coveredSlots, calls }) => ({ key, gapSlots, coveredSlots, calls }))).toEqual([
      { key: "A", gapSlots: 18, coveredSlots: 6, calls: 1 },
      { key: "B", gapSlots: 0, coveredSlots: 24, calls: 0 },
    ]);
    expect(series[0]?.reasons).toEqual([{ cause: "never-asked", place: "trailing", slots: 18 }]);
  });

  it("sum up reasons by cause and place, largest first", () => {
    const segments = [segment("covered", 4, 8), segment("hole", 8, 9), segment("covered", 9, 20)];
    expect(seriesPlan(stateOf("A", segments), 0, NOTHING_MADE).reasons).toEqual([
      { cause: "never-asked", place: "leading", slots: 4 },
      { cause: "never-asked", place: "trailing", slots: 4 },
      { cause: "asked-once", place: "inner", slots: 1 },
    ]);
  });

  it("ask covered slots again where that is wanted, and say how many", () => {
    const state = stateOf("A", [segment("covered", 0, 20)], { again: [hours(18, 20)] });
    const { steps, rows } = fetchSteps([state], [byRange()]);
    expect(steps.map((step) => step.chunks)).toEqual([[{ key: "A", ...hours(18, 24) }]]);
    expect(rows).toBe(6);
    expect(seriesPlan(state, 1, NOTHING_MADE)).toMatchObject({
      gapSlots: 4,
      againSlots: 2,
      coveredSlots: 20,
      made: false,
    });
  });

  it("are one for each source that is asked, in the order of the series", () => {
    const states = [stateOf("A", []), stateOf("B", []), stateOf("C", [])];
    const only = (name: string, keys: readonly string[]): ReturnType<typeof byRange> => ({
      ...byRange(name),
      serves: (series) => keys.includes(series.key),
    });
    const { steps } = fetchSteps(states, [only("one", ["B"]), only("other", ["A", "C"])]);
    expect(steps.map(({ source, provider, chunks }) => [source, provider, chunks.map(({ key }) => key)])).toEqual([
      ["other", "other.example", ["A", "C"]],
      ["one", "one.example", ["B"]],
    ]);
  });

  it("name all series that one question answers, and count the rows of each", () => {
    const states = [stateOf("A", [segment("covered", 1, 24)]), stateOf("B", [segment("covered", 1, 24)])];
    const { steps, rows } = fetchSteps(states, [byRange(), slotBySlot()]);
    expect(steps.map(({ source, chunks }) => [source, chunks])).toEqual([
      ["grouped", [{ key: "*", keys: ["A", "B"], ...hours(0, 1) }]],
    ]);
    expect(rows).toBe(2);
  });

  it("count only due slots as rows where more is asked", () => {
    const state = { ...stateOf("A", []), ranges: [{ start: hours(0, 1).start, end: hours(30, 40).end }] };
    expect(fetchSteps([state], [byRange()])).toMatchObject({ rows: 24, steps: [{ chunks: [hours(0, 40)] }] });
  });

  it("are none without series", () => {
    expect(fetchSteps([], [byRange()])).toEqual({ steps: [], choices: [], rows: 0 });
  });
});

it.each([
  { calls: 0, allowance: 0 },
  { calls: 1, allowance: 2 },
  { calls: 20, allowance: 2 },
  { calls: 21, allowance: 3 },
  { calls: 1_000, allowance: 100 },
])("a plan of $calls calls may repair with $allowance", ({ calls, allowance }) => {
  expect(repairAllowance(calls)).toBe(allowance);
});

describe("a repair round", () => {
  const segments = [
    segment("covered", 0, 2),
    segment("hole", 2, 3),
    segment("failed", 3, 5),
    segment("covered", 5, 10),
    segment("hole", 10, 11),
    segment("refused", 11, 20),
    segment("covered", 20, 24),
  ];

  it("asks neighbouring holes and failures at once, largest first, and leaves refusals", () => {
    const { requests, left } = repair(segments, { allowance: 9 });
    expect(requests.map(({ window, gaps }) => [window, gaps.map((gap) => gap.cause)])).toEqual([
      [hours(2, 5), ["asked-once", "failed"]],
      [hours(10, 11), ["asked-once"]],
    ]);
    expect(left).toBe(0);
  });

  it("keeps within its allowance and says how much it leaves", () => {
    expect(repair(segments, { allowance: 1 })).toMatchObject({ requests: [{ window: hours(2, 5) }], left: 1 });
  });

  it("asks a series without any row again as a whole or not at all, after the others", () => {
    const hourly = (gaps: IntervalSet): readonly Interval[] =>
      gaps.flatMap(({ start, end }) =>
        Array.from({ length: (end - start) / HOUR }, (_, i) => ({
          start: instant(start + i * HOUR),
          end: instant(start + (i + 1) * HOUR),
        })),
      );
    const asked = (allowance: number, ...rest: Segments): readonly string[] =>
      planRepair(
        [
          { ...stateOf("DARK", [segment("hole", 0, 6), ...rest, segment("empty", 7, 24)]), windows: hourly },
          {
            ...stateOf("A", [segment("covered", 0, 3), segment("hole", 3, 4), segment("covered", 4, 24)]),
            windows: hourly,
          },
        ],
        { allowance, wasAnswered: () => false, widen: (_, window) => window },
      ).requests.map(({ series }) => series.key);
    const once = segment("hole", 6, 7);
    const DARK = Array.from({ length: 7 }, () => "DARK");
    expect(asked(8, once)).toEqual(["A", ...DARK]);
    expect(asked(7, once)).toEqual(["A"]);
    // One row, or a stretch that was given up, and it is a series like others.
    expect(asked(4, segment("covered", 6, 7))).toHaveLength(4);
    expect(asked(4, segment("failed", 6, 7))).toHaveLength(4);
  });

  it("asks one slot wider where exactly that window was answered, and not at all where that was answered too", () => {
    const asked = (window: Interval): boolean => window.start === hours(10, 11).start;
    const { requests } = repair(segments, { allowance: 9, wasAnswered: asked });
    expect(requests.map((request) => request.window)).toEqual([hours(2, 5), hours(9, 12)]);
    expect(repair(segments, { allowance: 9, wasAnswered: () => true }).requests).toEqual([]);
  });
});

function repair(
  segments: Segments,
  options: { readonly allowance: number; readonly wasAnswered?: (window: Interval) => boolean },
): ReturnType<typeof planRepair> {
  return planRepair([{ ...stateOf("A", segments), windows: (gaps) => gaps }], {
    allowance: options.allowance,
    wasAnswered: (_, window) => options.wasAnswered?.(window) ?? false,
    widen: (_, window) => ({ start: instant(window.start - HOUR), end: instant(window.end + HOUR) }),
  });
}

/** Wants its gaps, less what bronze holds unpublished, and what is asked again. */
function stateOf(
  name: string,
  segments: Segments,
  options: { readonly unpublished?: IntervalSet; readonly again?: IntervalSet } = {},
): SeriesState {
  const { unpublished = [], again = [] } = options;
  const series = seriesOf(name);
  const now = instant(START + 9 * DAY);
  const standing = standingOf(series, segments, {
    span: DAY_ONE,
    now,
    realNow: now,
    refusedAt: () => null,
    leaveOut: "fresh",
  });
  const wanted = subtract(union(gapSet(standing), again), unpublished);
  return { series, requested: DAY_ONE, standing, segments, wanted, ranges: wanted, again };
}

/** One question a gap. */
function byRange(name = "trial"): AccessPath & { readonly provider: string } {
  return { name, provider: `${name}.example`, kind: "key", serves: () => true, windows: (_, gaps) => gaps };
}

/** One question an hour, for all series. */
function slotBySlot(): AccessPath & { readonly provider: string } {
  return {
    ...byRange("grouped"),
    kind: "all",
    group: () => "all",
  };
}

function seriesOf(name: string): Series {
  return {
    dataset: "trial.hours",
    version: 1,
    key: seriesKey([name]),
    parts: { name },
    entry: name,
    axis: {
      grid: { grain: "1h", zone: "UTC" },
      calendar: ALWAYS,
      density: "dense",
      settleMs: 0,
      stamp: { zone: "UTC", at: "start" },
      lifetime: { start: instant(START - DAY), end: instant(START + 99 * DAY) },
      earliest: null,
    },
    since: DAY_ONE.start,
    source: "trial",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

function segment(state: Segments[number]["state"], from: number, to: number): Segments[number] {
  const asked = state === "failed" || state === "refused" ? 0 : 1;
  const reason = state === "covered" ? null : `it is ${state}`;
  return { ...hours(from, to), state, asked, reason, chunk: reason === null ? null : "run-1.1" };
}

function hours(from: number, to: number): Interval {
  const at = (n: number): Instant => instant(START + n * HOUR);
  return { start: at(from), end: at(to) };
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALWAYS } from "../../core/calendar/always.ts";
import { standingOf, type Waiver } from "../../core/coverage/gaps.ts";
import { inOrder, type Segment, type SegmentState } from "../../core/coverage/segment.ts";
import type { Axis } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { seriesKey } from "../../core/dataset/series.ts";
import type { Grain } from "../../core/time/grid.ts";
import { HOUR, type Instant, instant } from "../../core/time/instant.ts";
import type { ScopedSeries } from "../../engine/plan/scope.ts";
import { coverageDocument, type DocumentOptions, layoutFor } from "./coverage-document.ts";

const NOW = at("2024-03-02T00:30:00Z");
const START = at("2024-03-01T00:00:00Z");

const HOURS: Dataset = {
  name: "demo.hours",
  layer: "silver",
  version: 1,
  description: "hours of a demonstration",
  columns: [],
  key: ["symbol", "timeframe"],
  time: "ts",
  extract: null,
  transform: null,
};

const options: DocumentOptions = {
  title: "Coverage of demo.hours",
  project: "demo",
  now: NOW,
  pinned: true,
  generatedAt: at("2024-03-05T10:00:00Z"),
  columns: ["1h", "1d"],
  pipeline: {
    noun: { one: "symbol", many: "symbols" },
    narrowing: { flag: "timeframes", part: "timeframe", values: ["1h", "1d"] },
  },
  selector: "demo.hours",
};

describe("the document of a page", () => {
  it("says where, why and how many for every stretch, and the command that fills a gap", () => {
    const document = coverageDocument(
      [hourly("AAPL", [piece(0, 5), piece(5, 7, "empty", "empty at source"), piece(9, 24)])],
      options,
    );
    expect(document.businessNow).toEqual({ at: NOW, text: "2024-03-02T00:30:00Z", pinned: true });
    expect(document.entries).toEqual([{ entry: "AAPL", name: null, isUnfound: false }]);
    const [series] = document.series;
    expect(series).toMatchObject({ key: "AAPL/1h", entry: "AAPL", column: "1h", zone: "UTC", mark: "✗" });
    expect(series?.slots).toMatchObject({ due: 24, covered: 20, empty: 2, gap: 2 });
    expect(series?.segments).toEqual([
      { start: hour(0), end: hour(5), state: "covered", reason: null, slots: 5 },
      { start: hour(5), end: hour(7), state: "empty", reason: "empty at source", slots: 2 },
      { start: hour(7), end: hour(9), state: "gap", reason: "never asked", slots: 2 },
      { start: hour(9), end: hour(24), state: "covered", reason: null, slots: 15 },
    ]);
    expect(series?.gaps).toEqual([
      {
        start: hour(7),
        end: hour(9),
        cause: "never-asked",
        place: "inner",
        slots: 2,
        reason: "never asked",
        command:
          "retrofill run demo.hours --keys AAPL --timeframes 1h --from 2024-03-01T07:00:00Z --to 2024-03-01T09:00:00Z",
      },
    ]);
  });

  it("tells failures and refusals apart from other gaps, and a refusal that is left out has no due slots", () => {
    const claims = [piece(0, 2, "failed", "503"), piece(2, 4, "refused", "not in your plan"), piece(4, 24)];
    const [fresh, stale] = [NOW, null].map((refusedAt) => {
      const document = coverageDocument([hourly("AAPL", claims, refusedAt)], options);
      return document.series[0]?.segments.map(({ state, slots }) => [state, slots]);
    });
    expect(fresh).toEqual([
      ["failed", 2],
      ["refused", null],
      ["covered", 20],
    ]);
    expect(stale).toEqual([
      ["failed", 2],
      ["refused", 2],
      ["covered", 20],
    ]);
  });

  it("shows what is waived as such, with the reason and who decided", () => {
    const waiver = { start: hour(2), end: hour(6), reason: "vendor lost it", actor: "ana" };
    const one = hourly("AAPL", [piece(0, 3), piece(5, 24)], null, [waiver]);
    const [series] = coverageDocument([one], options).series;
    expect(series?.mark).toBe("◇");
    expect(series?.slots).toMatchObject({ due: 24, covered: 22, waived: 2, gap: 0 });
    expect(series?.segments).toEqual([
      { start: hour(0), end: hour(3), state: "covered", reason: null, slots: 3 },
      { start: hour(3), end: hour(5), state: "waived", reason: "vendor lost it (ana)", slots: 2 },
      { start: hour(5), end: hour(24), state: "covered", reason: null, slots: 19 },
    ]);
  });

  it("names series by their dataset where there are several, and is then no calendar", () => {
    const made = { ...HOURS, name: "demo.made" as const };
    const first = series("AAPL", "1d", "UTC", { span: { start: START, end: hour(24) }, segments: [] });
    const two = [first, { ...first, dataset: made }];
    const document = coverageDocument(two, options);
    expect(document.datasets).toEqual(["demo.hours", "demo.made"]);
    expect(document.series.map(({ name }) => name)).toEqual(["demo.hours AAPL/1d", "demo.made AAPL/1d"]);
    const one = coverageDocument([first], options);
    expect([one.datasets, one.series[0]?.name]).toEqual([["demo.hours"], "AAPL/1d"]);
    const pipeline = { ...options.pipeline, narrowing: { flag: "", part: "", values: [] } };
    expect([layoutFor(pipeline, [first]), layoutFor(pipeline, two)]).toEqual(["days", "lanes"]);
  });

  it("quotes names that a shell would take apart", () => {
    const [series] = coverageDocument([hourly("it's 1", [])], options).series;
    expect(series?.gaps[0]?.command).toContain("--keys 'it'\\''s 1' --timeframes");
  });

  it("has disjoint segments in order, whose slots are those of the standing", () => {
    const state = fc.constantFrom<SegmentState>("covered", "empty", "hole", "failed", "refused", "disputed");
    const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean(), state), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, fc.boolean(), (lengths, isFresh) => {
        let from = 0;
        const claims = lengths.flatMap(([length, isThere, claimed]) => {
          from += length;
          return isThere ? [piece(from - length, from, claimed)] : [];
        });
        const one = hourly("AAPL", claims, isFresh ? NOW : null);
        const { segments } = coverageDocument([one], options).series[0] as { segments: readonly Piece[] };
        segments.slice(1).forEach((next, i) => {
          expect((segments[i] as Piece).end).toBeLessThanOrEqual(next.start);
        });
        const sum = (...states: readonly string[]): number =>
          segments.filter((part) => states.includes(part.state)).reduce((total, part) => total + (part.slots ?? 0), 0);
        const { slots } = one.standing;
        expect([sum("covered"), sum("empty"), sum("gap", "failed", "refused")]).toEqual([
          slots.covered,
          slots.empty,
          slots.gap,
        ]);
      }),
    );
  });

  it("has a calendar of civil days where series are days with nothing to compare", () => {
    const pipeline = { ...options.pipeline, narrowing: { flag: "streams", part: "stream", values: [] } };
    const zone = "America/Caracas"; // UTC-4 all year
    const scoped = [
      series("tienda_01", "1d", zone, {
        span: { start: at("2024-01-30T04:00:00Z"), end: at("2024-02-03T04:00:00Z") },
        segments: [
          segment(at("2024-01-30T04:00:00Z"), at("2024-01-31T04:00:00Z"), "covered", null),
          segment(at("2024-02-01T04:00:00Z"), at("2024-02-02T04:00:00Z"), "empty", "no sales twice"),
        ],
        name: "Centro",
      }),
    ];
    expect(layoutFor(pipeline, scoped)).toBe("days");
    expect(layoutFor(options.pipeline, scoped)).toBe("lanes");
    const document = coverageDocument(scoped, { ...options, pipeline, layout: "days" });
    expect(document.entries).toEqual([
      {
        entry: "tienda_01",
        name: "Centro",
        isUnfound: false,
        days: [
          { date: "2024-01-30", state: "covered", note: null },
          { date: "2024-01-31", state: "gap", note: "never asked" },
          { date: "2024-02-01", state: "empty", note: "no sales twice" },
          { date: "2024-02-02", state: "gap", note: "never asked" },
        ],
      },
    ]);
    expect(document.series[0]?.gaps[0]?.command).toBe(
      "retrofill run demo.hours --keys tienda_01 --from 2024-01-31T04:00:00Z --to 2024-02-01T04:00:00Z",
    );
  });
});

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly state: string;
  readonly slots: number | null;
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

function hour(n: number): Instant {
  return instant(START + n * HOUR);
}

function piece(from: number, to: number, state: SegmentState = "covered", reason: string | null = state): Segment {
  return segment(hour(from), hour(to), state, state === "covered" ? null : reason);
}

function segment(start: Instant, end: Instant, state: SegmentState, reason: string | null): Segment {
  return { start, end, state, asked: state === "empty" ? 2 : 1, reason, chunk: state === "covered" ? null : "c1" };
}

function hourly(
  key: string,
  segments: readonly Segment[],
  refusedAt: Instant | null = null,
  waivers: readonly Waiver[] = [],
): ScopedSeries {
  return series(key, "1h", "UTC", { span: { start: START, end: hour(24) }, segments, refusedAt, waivers });
}

function series(
  key: string,
  grain: Grain,
  zone: string,
  has: {
    readonly span: ScopedSeries["requested"];
    readonly segments: readonly Segment[];
    readonly refusedAt?: Instant | null;
    readonly name?: string;
    readonly waivers?: readonly Waiver[];
  },
): ScopedSeries {
  const axis: Axis = {
    grid: { grain, zone },
    calendar: ALWAYS,
    density: "dense",
    settleMs: 0,
    stamp: { zone, at: "start" },
    lifetime: { start: at("2020-01-01"), end: at("2030-01-01") },
    earliest: null,
  };
  const one = {
    dataset: "demo.hours" as const,
    version: 1,
    key: seriesKey([key, grain]),
    parts: { symbol: key, timeframe: grain },
    entry: key,
    axis,
    since: has.span.start,
    source: "demo",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
  const segments = inOrder(has.segments);
  return {
    dataset: HOURS,
    series: one,
    entry: { key, active: true, attributes: has.name === undefined ? {} : { name: has.name } },
    requested: has.span,
    segments,
    standing: standingOf(one, segments, {
      span: has.span,
      now: NOW,
      realNow: NOW,
      refusedAt: () => has.refusedAt ?? null,
      leaveOut: "fresh",
      waivers: has.waivers ?? [],
    }),
    making: null,
  };
}

import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import { XNYS } from "../calendar/xnys.ts";
import type { Axis } from "../dataset/axis.ts";
import { DAY, type Instant, instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import type { Gap, GapCause } from "./gaps.ts";
import type { Segment, SegmentState } from "./segment.ts";
import { type AskedSeries, unfoundEntries } from "./unfound.ts";

const DAYS: Axis = {
  grid: { grain: "1d", zone: "UTC" },
  calendar: ALWAYS,
  density: "dense",
  settleMs: 0,
  stamp: { zone: "UTC", at: "start" },
  lifetime: { start: instant(0), end: at("2030-01-01") },
  earliest: null,
};

describe("entries of which there is nothing", () => {
  it("are those that were asked in full, in all their series, without ever a row", () => {
    const all = [
      series("NOPE", ["empty"], { due: 5, gap: 0 }),
      series("NOPE", ["hole", "empty"], { due: 3, gap: 2 }, "asked-once"),
      series("AAPL", ["empty"], { due: 5, gap: 0 }),
      series("AAPL", ["covered"], { due: 5, gap: 0 }),
    ];
    expect(unfoundEntries(all)).toEqual([{ entry: "NOPE", slots: 8, askedOnce: 2 }]);
  });

  it.each<readonly [string, readonly SegmentState[], GapCause | undefined]>([
    ["something was never asked", ["empty"], "never-asked"],
    ["a request failed", ["empty", "failed"], "failed"],
    ["rows came and a check stopped them", ["empty", "blocked"], "blocked"],
    ["there were rows, outside of what is looked at", ["covered", "empty"], undefined],
    ["something is to be restored", ["empty", "disputed"], "disputed"],
  ])("are none where %s", (_, states, cause) => {
    expect(unfoundEntries([series("NEW", states, { due: 4, gap: cause ? 1 : 0 }, cause)])).toEqual([]);
  });

  it("are not cleared by an answer for a time in which nothing is due", () => {
    const saturday = { start: at("2024-03-02T05:00:00Z"), end: at("2024-03-04T05:00:00Z") };
    const friday = { start: at("2024-03-01T05:00:00Z"), end: saturday.start };
    const said = (state: SegmentState, span: Interval): Segment => ({
      ...span,
      state,
      asked: 2,
      reason: null,
      chunk: null,
    });
    const axis: Axis = { ...DAYS, grid: { grain: "1d", zone: "America/New_York" }, calendar: XNYS };
    const one = { ...series("NOPE", [], { due: 1, gap: 0 }), axis };
    const silent = [said("empty", friday), said("covered", saturday)];
    expect(unfoundEntries([{ ...one, segments: silent }])).toHaveLength(1);
    expect(unfoundEntries([{ ...one, segments: [said("covered", friday)] }])).toEqual([]);
  });

  it("are none where nothing is due, and are not cleared by answers that owe no row", () => {
    const dividends = { ...series("NOPE", ["covered"], { due: 9, gap: 0 }), dataset: "demo.dividends" };
    expect(unfoundEntries([series("NOPE", [], { due: 0, gap: 0 })])).toEqual([]);
    const bars = series("NOPE", ["empty"], { due: 2, gap: 0 });
    expect(unfoundEntries([dividends, bars]).map(({ entry }) => entry)).toEqual(["NOPE"]);
  });
});

function series(
  entry: string,
  states: readonly SegmentState[],
  { due, gap }: { readonly due: number; readonly gap: number },
  cause?: GapCause,
): AskedSeries {
  const span = (n: number) => ({ start: instant(n * DAY), end: instant((n + 1) * DAY) });
  const segments = states.map((state, n): Segment => ({ ...span(n), state, asked: 2, reason: state, chunk: null }));
  const gaps: Gap[] = cause === undefined ? [] : [{ ...span(9), cause, slots: gap, reason: cause, chunk: null }];
  const slots = { due, covered: 0, empty: due - gap, failed: 0, refused: 0, waived: 0, gap };
  return { dataset: "demo.bars", entry, axis: DAYS, segments, standing: { gaps, slots } };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

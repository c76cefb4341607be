import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DocumentSegment, DocumentSeries, SpanState } from "../document.ts";
import { timeProfile } from "./time-profile.ts";

const whole = { start: 0, end: 100 };

describe("the profile of time", () => {
  it("measures what is there by what is due, part by part", () => {
    const days = series(segment(0, 50, "gap", 5), segment(50, 60, "covered", 1), segment(60, 100, "gap", 4));
    const minutes = series(segment(50, 60, "covered", 7), segment(60, 70, "gap", 8));
    const { due, there, open } = timeProfile([days, minutes], whole, 10);
    expect([...due]).toEqual([1, 1, 1, 1, 1, 8, 9, 1, 1, 1]);
    expect([...there]).toEqual([0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
    expect([...open]).toEqual([1, 1, 1, 1, 1, 0, 1, 1, 1, 1]);
  });

  it("counts what is empty as there, what is waived as due and not open, what is left out as open and not due", () => {
    const one = series(segment(0, 10, "empty", 2), segment(10, 20, "waived", 3), segment(20, 30, "refused", null));
    const { due, there, open } = timeProfile([one], whole, 10);
    expect([...due].slice(0, 4)).toEqual([2, 3, 0, 0]);
    expect([...there].slice(0, 4)).toEqual([2, 0, 0, 0]);
    expect([...open].slice(0, 4)).toEqual([0, 0, 1, 0]);
  });

  it("marks the part of a gap that is far smaller than it", () => {
    const { open } = timeProfile([series(segment(0, 55, "covered", 55), segment(55, 55.001, "gap", 1))], whole, 10);
    expect([...open]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it("loses no slot, however many parts there are", () => {
    const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 200 }), (pieces, parts) => {
        let at = 0;
        const segments = pieces.map(([length, isThere]) => {
          at += length;
          return segment(at - length, at, isThere ? "covered" : "gap", length * 3);
        });
        const { due, there } = timeProfile([series(...segments)], whole, parts);
        const sum = (list: Float64Array): number => list.reduce((a, b) => a + b, 0);
        expect(sum(due)).toBeCloseTo(at * 3);
        expect(sum(there)).toBeCloseTo(pieces.reduce((n, [length, isThere]) => n + (isThere ? length * 3 : 0), 0));
      }),
    );
  });
});

function segment(start: number, end: number, state: SpanState, slots: number | null): DocumentSegment {
  return { start, end, state, reason: null, slots };
}

function series(...segments: readonly DocumentSegment[]): DocumentSeries {
  return {
    name: "AAPL/1d",
    dataset: "demo.days",
    key: "AAPL/1d",
    entry: "AAPL",
    column: "1d",
    zone: "UTC",
    mark: "✗",
    slots: { due: 0, covered: 0, empty: 0, waived: 0, gap: 0, failed: 0, refused: 0 },
    scope: whole,
    segments,
    gaps: [],
  };
}

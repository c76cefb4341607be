import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeVolume, median } from "./volume.ts";

const LIMITS = { minHistory: 8, threshold: 6, minShare: 0.4 };

describe("the robust z-score", () => {
  // A published worked example (codingace.net, "Modified Z Score"): of these eight values the median is 12, the MAD 1,
  // and 300 has a score of 194.2560, 14 one of 1.3490, 10 one of -1.3490.
  const published = [10, 12, 12, 13, 12, 11, 14, 300];
  const scoreOf = (value: number): number | null | undefined =>
    judgeVolume(value, published, { ...LIMITS, threshold: 1, minShare: 0 })?.z;

  it("is the published one", () => {
    expect(judgeVolume(300, published, LIMITS)).toMatchObject({ direction: "peak", median: 12, mad: 1 });
    expect(scoreOf(300)).toBeCloseTo(194.256, 10);
    expect(scoreOf(14)).toBeCloseTo(1.349, 10);
    expect(scoreOf(10)).toBeCloseTo(-1.349, 10);
  });

  // By hand: 96 97 98 99 101 102 103 104 have the median 100 and deviations 1 1 2 2 3 3 4 4, so the MAD is 2.5.
  // 6 = 0.6745 * d / 2.5 at d = 22.239.
  const calm = [96, 97, 98, 99, 101, 102, 103, 104];
  it.each([
    [122, null],
    [123, "peak"],
    // z = -10.8, but no more than 40 % of the usual is lost.
    [60, null],
    [59.9, "drop"],
    [0, "drop"],
    [100, null],
  ])("flags %d as %s", (value, direction) => {
    expect(judgeVolume(value, calm, LIMITS)?.direction ?? null).toBe(direction);
  });

  it("lets a large loss pass where the history itself varies as much", () => {
    // By hand: median 95, deviations 15 15 35 35 55 55 75 75, MAD 45: 40 is 58 % less, and z = -0.82.
    const wild = [110, 80, 130, 60, 150, 40, 170, 20];
    expect(median(wild)).toBe(95);
    expect(judgeVolume(40, wild, LIMITS)).toBeNull();
  });

  it("does not move when a few values of the history are absurd", () => {
    const calmer = judgeVolume(40, [...calm, 100, 100], LIMITS);
    const spoiled = judgeVolume(40, [...calm, 1e9, 0], LIMITS);
    expect(calmer?.direction).toBe("drop");
    expect(spoiled?.direction).toBe("drop");
  });
});

describe("a history that does not vary", () => {
  const flat = [100, 100, 100, 100, 100, 100, 90, 110];

  it.each([
    [100, null],
    [61, null],
    [60, null],
    [59, "drop"],
    [140, null],
    [141, "peak"],
  ])("judges by the share alone: %d is %s", (value, direction) => {
    const judged = judgeVolume(value, flat, LIMITS);
    expect(judged?.direction ?? null).toBe(direction);
    if (judged) expect(judged).toMatchObject({ mad: 0, z: null, median: 100 });
  });

  it("of zeros is no measure", () => {
    expect(judgeVolume(5, [0, 0, 0, 0, 0, 0, 0, 3], LIMITS)).toBeNull();
  });
});

it("says nothing with less history than asked for", () => {
  const seven = Array.from({ length: 7 }, () => 100);
  expect(judgeVolume(0, seven, LIMITS)).toBeNull();
  expect(judgeVolume(0, [...seven, 100], LIMITS)?.direction).toBe("drop");
});

describe("a judgement", () => {
  const anyHistory = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 8, maxLength: 30 });

  it("does not depend on the order of the history, nor on the unit", () => {
    fc.assert(
      fc.property(
        anyHistory,
        fc.integer({ min: 0, max: 5_000 }),
        fc.constantFrom(2, 64, 1024),
        (history, value, unit) => {
          const judged = judgeVolume(value, history, LIMITS);
          expect(judgeVolume(value, [...history].reverse(), LIMITS)).toEqual(judged);
          const scaled = judgeVolume(
            value * unit,
            history.map((one) => one * unit),
            LIMITS,
          );
          expect(scaled?.direction).toBe(judged?.direction);
        },
      ),
    );
  });

  it("never flags the median itself", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        expect(judgeVolume(median(history), history, LIMITS)).toBeNull();
      }),
    );
  });
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { ArrivalWindows } from "./arrival-windows.ts";

it("lets in as many as the limit, and again one window after the first", () => {
  const windows = new ArrivalWindows([{ count: 2, windowMs: 100 }]);
  expect([0, 10, 20, 99.9, 100, 105, 110].map((at) => windows.arrive("key", at))).toEqual(
    [0, 0, 80, 0.1, 0, 5, 0].map(near),
  );
});

it("counts each key alone", () => {
  const windows = new ArrivalWindows([{ count: 1, windowMs: 100 }]);
  expect([windows.arrive("a", 0), windows.arrive("b", 1), windows.arrive("a", 2)]).toEqual([0, 0, 98]);
  expect(windows.report()).toEqual([{ limit: 1, windowMs: 100, maxSeen: 2, violations: 1, refused: 1 }]);
});

it("refuses by the strictest of several windows, and counts them all", () => {
  const windows = new ArrivalWindows([
    { count: 5, windowMs: 1_000 },
    { count: 1, windowMs: 10 },
  ]);
  for (const at of [0, 20, 40, 60, 80]) expect(windows.arrive("key", at)).toBe(0);
  expect(windows.arrive("key", 100)).toBe(900);
  expect(windows.report().map(({ maxSeen, violations }) => [maxSeen, violations])).toEqual([
    [6, 1],
    [1, 0],
  ]);
});

it("sees in every rolling window what counting by hand sees", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 100 }), (gaps, count, windowMs) => {
      let clock = 0;
      const arrivals = gaps.map((gap) => (clock += gap));
      const windows = new ArrivalWindows([{ count, windowMs }]);
      for (const at of arrivals) windows.arrive("key", at);
      const seen = arrivals.map((at, i) => arrivals.filter((other, j) => j <= i && other > at - windowMs).length);
      const [report] = windows.report();
      expect(report?.maxSeen).toBe(Math.max(0, ...seen));
      expect(report?.violations).toBe(seen.filter((n) => n > count).length);
    }),
  );
});

it("never lets more than the limit into any window", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 80 }), (gaps) => {
      let clock = 0;
      const windows = new ArrivalWindows([{ count: 3, windowMs: 50 }]);
      const admitted = gaps.map((gap) => (clock += gap)).filter((at) => windows.arrive("key", at) === 0);
      for (const at of admitted) expect(admitted.filter((o) => o <= at && o > at - 50).length).toBeLessThanOrEqual(3);
    }),
  );
});

function near(value: number): unknown {
  return Number.isInteger(value) ? value : expect.closeTo(value);
}

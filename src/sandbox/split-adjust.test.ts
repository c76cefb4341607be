import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY } from "../core/time/instant.ts";
import type { CandleSeries } from "./candle-series.ts";
import { adjustForSplits } from "./split-adjust.ts";

function seriesOf(rows: readonly (readonly [t: number, o: number, h: number, l: number, c: number, v: number])[]) {
  const column = (i: 0 | 1 | 2 | 3 | 4 | 5) => Float64Array.from(rows, (row) => row[i]);
  const [t, o, h, l, c, v] = [column(0), column(1), column(2), column(3), column(4), column(5)];
  return { length: rows.length, t, o, h, l, c, v } satisfies CandleSeries;
}

const barOf = ({ o, h, l, c, v }: CandleSeries, i: number) => [o[i], h[i], l[i], c[i], v[i]];

describe("a series adjusted for splits", () => {
  // AAPL on 2020-01-02: high, low and close as traded are those of QuantConnect's LEAN sample data; adjusted for the 1:4
  // split of August they are in the provider's documented answer.
  it("is what the provider documents for a day before a 1:4 split", () => {
    const raw = seriesOf([
      [Date.parse("2020-01-02T05:00Z"), 300, 300.6, 295.19, 300.35, 1000],
      [Date.parse("2020-08-31T04:00Z"), 127.58, 131, 126, 129.04, 1000],
    ]);
    const adjusted = adjustForSplits(raw, [{ startMs: Date.parse("2020-08-31T04:00Z"), from: 1, to: 4 }]);
    expect(barOf(adjusted, 0)).toEqual([75, 75.15, 73.7975, 75.0875, 4000]);
    expect(barOf(adjusted, 1)).toEqual(barOf(raw, 1));
  });

  it("raises prices and lowers volumes where shares were merged, and multiplies splits that follow each other", () => {
    const raw = seriesOf([0, 1, 2].map((day) => [day * DAY, 6, 6, 6, 6, 600]));
    const adjusted = adjustForSplits(raw, [
      { startMs: DAY, from: 2, to: 1 },
      { startMs: 2 * DAY, from: 1, to: 3 },
    ]);
    expect([0, 1, 2].map((i) => [adjusted.c[i], adjusted.v[i]])).toEqual([
      [4, 900],
      [2, 1800],
      [6, 600],
    ]);
  });

  it("keeps what is not there not there, and the series itself without splits", () => {
    const raw = { ...seriesOf([[0, 6, 6, 6, 6, Number.NaN]]), vw: Float64Array.of(Number.NaN) };
    const adjusted = adjustForSplits(raw, [{ startMs: 1, from: 1, to: 2 }]);
    expect([adjusted.o[0], adjusted.v[0], adjusted.vw?.[0]]).toEqual([3, Number.NaN, Number.NaN]);
    expect(adjustForSplits(raw, [])).toBe(raw);
  });

  it("leaves turnover as it was, whatever the splits", () => {
    const split = fc.record({
      startMs: fc.integer({ min: 0, max: 100 }),
      from: fc.integer({ min: 1, max: 20 }),
      to: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(split, { maxLength: 4 }), (splits) => {
        const raw = seriesOf(Array.from({ length: 10 }, (_, i) => [i * 10, 50, 50, 50, 50, 1_000_000]));
        const adjusted = adjustForSplits(
          raw,
          splits.sort((a, b) => a.startMs - b.startMs),
        );
        for (let i = 0; i < raw.length; i++) {
          expect((adjusted.c[i] ?? 0) * (adjusted.v[i] ?? 0)).toBeCloseTo(50_000_000, -2);
        }
      }),
    );
  });
});

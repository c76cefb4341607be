import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { agreementOf, type FeatureRow } from "./agreement.ts";
import { bundledAapl } from "./bundled.ts";
import { type Compared, type Features, featuresByHand, type SlotBar, type Timescale } from "./features-by-hand.ts";
import { axisOf, inSlots, timescaleOf } from "./slots.ts";

type Row = Features & Compared;

describe("features by hand", () => {
  it("equal what pandas made of AAPL's days, to 1e-12", () => {
    const file = new URL("golden-features.json", import.meta.url);
    const golden = JSON.parse(readFileSync(file, "utf8")) as { readonly rows: readonly FeatureRow[] };
    const days = bundledAapl();
    const bars = inSlots(axisOf("stock", "1d"), days, days[0]?.t);
    expect(bars).toHaveLength(1_260);
    const all = featuresByHand(bars, timescaleOf("XNYS", "1d"));
    const rows = golden.rows.map(({ slot }) => all[slot as number] as Row);
    const features = Object.keys(golden.rows[0] ?? {}).filter((name) => name !== "slot" && name !== "date");
    expect([...features].sort()).toEqual(
      Object.keys(rows[0] as Row)
        .filter((name) => name !== "slot")
        .sort(),
    );
    const found = agreementOf(rows, golden.rows, features as (keyof Row)[], { tolerance: 1e-12 });
    for (const { feature, differences, knifeEdges } of found) {
      expect([feature, ...differences, knifeEdges]).toEqual([feature, 0]);
    }
  });

  it("begin on the first slot whose window is full", () => {
    const dense = featuresByHand(steps(120), DENSE);
    const sparse = featuresByHand(steps(120), SPARSE);
    const first = (rows: readonly Row[], name: keyof Row) => rows.find((row) => row[name] !== null)?.slot;
    const table = (rows: readonly Row[]) => ({
      log_return: first(rows, "log_return"),
      volatility_20: first(rows, "volatility_20"),
      volatility_50: first(rows, "volatility_50"),
      atr: first(rows, "atr"),
      rolling_volume_20: first(rows, "rolling_volume_20"),
      hh: first(rows, "hh"),
      trend_direction: first(rows, "trend_direction"),
      volatility_regime: first(rows, "volatility_regime"),
      trend_regime: first(rows, "trend_regime"),
      compression_regime: first(rows, "compression_regime"),
    });
    // Returns begin one slot after bars do; a median's window begins where its own values do.
    expect(table(dense)).toEqual({
      log_return: 1,
      volatility_20: 20,
      volatility_50: 50,
      atr: 13,
      rolling_volume_20: 19,
      hh: 5,
      trend_direction: 5,
      volatility_regime: 99,
      trend_regime: 49,
      compression_regime: 68,
    });
    expect(table(sparse)).toEqual({
      log_return: 1,
      volatility_20: 10,
      volatility_50: 25,
      atr: 6,
      rolling_volume_20: 9,
      hh: 3,
      trend_direction: 5,
      volatility_regime: 49,
      trend_regime: 24,
      compression_regime: 33,
    });
  });

  it("carry nothing over an empty slot", () => {
    const bars = steps(30).filter(({ slot }) => slot !== 10);
    const at = (rows: readonly Row[], slot: number) => rows.find((row) => row.slot === slot) as Row;
    const rows = featuresByHand(bars, SPARSE);
    expect(at(rows, 11)).toMatchObject({ log_return: null, true_range: 2, gap_detected: false });
    expect(at(rows, 15)).toMatchObject({ trend_direction: null });
    expect(at(rows, 16).trend_direction).not.toBeNull();
    expect(at(rows, 12).atr).not.toBeNull();
    expect(at(featuresByHand(bars, DENSE), 12).atr).toBeNull();
    expect(at(featuresByHand(bars, DENSE), 24).atr).not.toBeNull();
  });

  it("weigh values by age in the exponential average, the oldest whole", () => {
    // Ranges 1 to 7 at slots 0 and 2 to 7, slot 1 empty. Span 14: alpha = 2/15, q = 13/15. Over 15^7 the weights at slot 7
    // are 13^7 for the oldest and 2 * 13^age * 15^(6 - age) for the others; exact fractions give 546389947 / 161205757.
    const ranges = [1, 2, 3, 4, 5, 6, 7];
    const bars = ranges.map((range, i) => ({ ...bar(i === 0 ? 0 : i + 1), high: 10 + range }));
    const rows = featuresByHand(bars, SPARSE);
    expect(rows.map((row) => row.true_range)).toEqual(ranges);
    expect(rows.map((row) => row.atr)).toEqual([
      null,
      null,
      null,
      null,
      null,
      null,
      expect.closeTo(546_389_947 / 161_205_757, 13),
    ]);
  });

  it("forget what is older than fourteen blocks before the own one", () => {
    const calm = fill(0, 215);
    const atrOf = (loud: number) =>
      featuresByHand(
        calm.map((one) => (one.slot === loud ? { ...one, high: 1e7 } : one)),
        DENSE,
      )[214]?.atr;
    // Slot 214 lies in block 15, [210, 224): its kernel begins with block 1, at slot 14.
    expect(atrOf(13)).toBe(atrOf(-1));
    expect(atrOf(14)).toBeGreaterThan(atrOf(-1) as number);
  });

  it("take points off for torn ranges, gaps and unusual volume", () => {
    const calm = fill(0, 50).map((one) => ({ ...one, volume: 100 }));
    const last = (change: Partial<SlotBar>) => {
      const rows = featuresByHand([...calm, { ...bar(50), volume: 100, ...change }], DENSE);
      const { quality_score, is_validated, gap_detected, volume_anomaly, validation_notes } = rows[50] as Row;
      return [quality_score, is_validated, gap_detected, volume_anomaly, validation_notes];
    };
    expect(last({})).toEqual([1, true, false, false, null]);
    expect(last({ open: 11.1 })).toEqual([0.8, false, true, false, "gap_over_10_percent"]);
    expect(last({ open: 11.1, weekday: 1 })).toEqual([1, true, false, false, null]);
    expect(last({ volume: 1_000 })).toEqual([1, true, false, false, null]);
    expect(last({ volume: 1_001 })).toEqual([0.9, true, false, true, "volume_high"]);
    expect(last({ volume: 9 })).toEqual([0.85, true, false, true, "volume_low"]);
    expect(last({ volume: null })).toEqual([1, true, false, false, null]);
    expect(last({ high: 60.1 })).toEqual([0.7, false, false, false, "range_over_500_percent"]);
    expect(last({ open: 11.1, high: 70, volume: 0 })).toEqual([
      0.35,
      false,
      true,
      true,
      "range_over_500_percent;gap_over_10_percent;volume_low",
    ]);
  });
});

const DENSE: Timescale = { dense: true, slotsPerHour: null, slotsPerSession: 1, barsPerYear: 252 };
const SPARSE: Timescale = { dense: false, slotsPerHour: 1, slotsPerSession: 24, barsPerYear: 8_760 };

/** A bar of a market that stands still at 10. */
function bar(slot: number): SlotBar {
  return { slot, open: 10, high: 10.5, low: 10, close: 10, volume: 100, weekday: 3 };
}

function fill(from: number, to: number): readonly SlotBar[] {
  return Array.from({ length: to - from }, (_, i) => bar(from + i));
}

/** Closes that climb in uneven steps, one bar a slot from slot 0. */
function steps(count: number): readonly SlotBar[] {
  return Array.from({ length: count }, (_, slot) => {
    const close = 100 + slot * 0.2 + (slot % 3) * 0.1;
    return { slot, open: close, high: close + 1, low: close - 1, close, volume: 100 + slot, weekday: 3 };
  });
}

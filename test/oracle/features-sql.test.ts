import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../src/core/time/instant.ts";
import { marketDataV2 } from "../../src/pipelines/ohlcv/market-data-v2.ts";
import type { AssetClass, Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import { agreementOf, type FeatureRow } from "./agreement.ts";
import { bundledAapl, bundledSp500 } from "./bundled.ts";
import { type Bar, type FeatureStore, featureStore, hullOf, numberedBars, pairOf } from "./feature-store.ts";
import { type Compared, FEATURES, type Features, featuresByHand } from "./features-by-hand.ts";
import { weeks } from "./recorded.ts";
import { simulated } from "./simulated.ts";
import { timescaleOf } from "./slots.ts";

interface Sample {
  readonly symbol: string;
  readonly assetClass: AssetClass;
  readonly timeframe: Timeframe;
  readonly bars: readonly Bar[];
}

const FROM = Date.UTC(2021, 0, 1);

const SAMPLES: readonly Sample[] = [
  { symbol: "AAPL", assetClass: "stock", timeframe: "1d", bars: bundledAapl() },
  { symbol: "SPX", assetClass: "index", timeframe: "1d", bars: bundledSp500() },
  { symbol: "SPX-WEEKS", assetClass: "index", timeframe: "1w", bars: weeks(bundledSp500()) },
  {
    symbol: "DAYS-WITH-HOLES",
    assetClass: "crypto",
    timeframe: "1d",
    bars: simulated({ seed: 1, from: FROM, stepMs: DAY, slots: 1_500, filled: 0.985, withVolume: 0.99 }),
  },
  {
    symbol: "THIN-MINUTES",
    assetClass: "crypto",
    timeframe: "1m",
    bars: simulated({ seed: 2, from: FROM, stepMs: MINUTE, slots: 4_000, filled: 0.6, withVolume: 0.9 }),
  },
  {
    symbol: "TINY-PRICE",
    assetClass: "crypto",
    timeframe: "5m",
    bars: simulated({ seed: 3, from: FROM, stepMs: 5 * MINUTE, slots: 1_500, filled: 0.8, price: 2e-8 }),
  },
  {
    symbol: "HUGE-PRICE",
    assetClass: "crypto",
    timeframe: "4h",
    bars: simulated({ seed: 4, from: FROM, stepMs: 4 * HOUR, slots: 1_500, filled: 0.8, price: 1e13 }),
  },
  {
    // Closes that move by one tick of 1e-7 now and then, or not at all.
    symbol: "STANDING-STILL",
    assetClass: "crypto",
    timeframe: "1m",
    bars: standingStill(),
  },
  {
    // Around the clock: what lies outside New York's sessions has no features and is in no window.
    symbol: "EXTENDED-HOURS",
    assetClass: "stock",
    timeframe: "30m",
    bars: simulated({ seed: 5, from: FROM, stepMs: 30 * MINUTE, slots: 6_000, filled: 0.9 }),
  },
  {
    symbol: "NO-VOLUME",
    assetClass: "index",
    timeframe: "1h",
    bars: simulated({ seed: 6, from: FROM, stepMs: HOUR, slots: 3_000, filled: 0.9, withVolume: 0 }),
  },
];

type Row = Features & Compared;

describe("features by SQL", () => {
  let store: FeatureStore;
  const found = new Map<string, readonly FeatureRow[]>();
  beforeAll(async () => {
    store = await featureStore();
    for (const { symbol, assetClass, timeframe, bars } of SAMPLES) {
      const pair = pairOf(symbol, assetClass, timeframe);
      await store.publish(pair, bars);
      await store.build([{ pair, window: hullOf(pair.candles.axis, bars) }]);
      found.set(symbol, await store.features(pair));
    }
  });
  afterAll(() => store[Symbol.asyncDispose]());

  it.each(SAMPLES)("are those by hand on $symbol, to 1e-9", ({ symbol, assetClass, timeframe, bars }) => {
    const numbered = numberedBars(pairOf(symbol, assetClass, timeframe).features.axis, bars);
    expect(numbered.length).toBeGreaterThan(500);
    const byHand = featuresByHand(numbered, timescaleOf(assetClass === "crypto" ? "24x7" : "XNYS", timeframe));
    for (const one of agreementOf(byHand, found.get(symbol) ?? [], FEATURES)) {
      expect([one.feature, ...one.differences, one.knifeEdges]).toEqual([one.feature, 0]);
      // Warm-up: something is null in every column that looks back, and something is not, where there is volume.
      if (/^(return_1d|volatility|atr|hh|trend|market|compression)/.test(one.feature) && timeframe !== "1w") {
        expect([one.feature, one.values > 0, one.nulls > 0]).toEqual([one.feature, true, true]);
      }
    }
  });

  it("are what pandas made of AAPL's days, to 1e-9", () => {
    const file = new URL("golden-features.json", import.meta.url);
    const golden = JSON.parse(readFileSync(file, "utf8")) as { readonly rows: readonly (Row & FeatureRow)[] };
    const own = found.get("AAPL") ?? [];
    expect(own).toHaveLength(1_260);
    // There slot 0 is the first day, here it is far back; where a block begins matters below 1e-12 without a gap.
    const rows = golden.rows.map(({ slot }) => ({ ...own[slot as number], slot }) as FeatureRow);
    for (const { feature, differences, knifeEdges } of agreementOf(golden.rows, rows, FEATURES)) {
      expect([feature, ...differences, knifeEdges]).toEqual([feature, 0]);
    }
  });

  it("answer the queries of docs/features.md as it says", async () => {
    const text = readFileSync(new URL("../../docs/features.md", import.meta.url), "utf8");
    const queries = [...text.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, query]) => query ?? "");
    expect(queries).toHaveLength(3);
    for (const query of queries) {
      const [differences = []] = await store.query(query);
      expect(differences.length).toBeGreaterThan(0);
      for (const difference of differences) expect(Number(difference ?? Number.NaN)).toBeLessThan(1e-6);
    }
  });

  it("take every value that they can take", () => {
    const seen = (feature: string) =>
      [...new Set([...found.values()].flat().map((row) => row[feature] ?? null))].sort();
    expect(seen("trend_direction")).toEqual(["down", "neutral", null, "up"]);
    expect(seen("market_structure")).toEqual(["bearish", "bullish", null, "range"]);
    expect(seen("volatility_regime")).toEqual(["high", "low", "medium", null]);
    expect(seen("trend_regime")).toEqual(["downtrend", null, "uptrend"]);
    expect(seen("compression_regime")).toEqual(["compressed", "expanded", null]);
    expect(seen("validation_notes")).toEqual(
      expect.arrayContaining(["gap_over_10_percent", "range_over_500_percent", "volume_high", "volume_low", null]),
    );
    expect(seen("is_validated")).toEqual([false, true]);
  });

  it("are all the columns of the table but what a row is of and where it came from", () => {
    const own = ["symbol", "timeframe", "ts", "asset_class", "open", "high", "low", "close", "volume"];
    const names = marketDataV2.columns.map(({ name }) => name);
    expect([...FEATURES].sort()).toEqual(
      names.filter((name) => ![...own, "source", "object_no"].includes(name)).sort(),
    );
  });

  it("come out of prices at the ends of what is stored, whatever they mean", async () => {
    const flat = (i: number, price: number): Bar => ({
      t: FROM + i * DAY,
      o: price,
      h: price,
      l: price,
      c: price,
      v: 1,
    });
    const wild = Array.from({ length: 120 }, (_, i) => flat(i, i % 2 === 0 ? 9e14 : 1e-300));
    const pair = pairOf("WILD", "crypto", "1d");
    await store.publish(pair, [...wild, flat(120, 1e15)]);
    const receipt = await store.build([{ pair, window: hullOf(pair.candles.axis, wild) }]);
    expect(receipt.counts).toMatchObject({ received: 120, inserted: 120 });
    const last = (await store.features(pair))[119] as FeatureRow;
    expect(last.log_return).toBeCloseTo(Math.log(1e-300 / 9e14), 9);
    // A deviation counts no return beyond 25 whole: of 20 that go up and down by 25, it is 25 * sqrt(20 / 19).
    expect(last.volatility_20_sqrt252).toBeCloseTo(25 * Math.sqrt(20 / 19) * Math.sqrt(252), 9);
    expect(await store.query("select reason, count(*) from quarantine group by reason")).toEqual([
      ["price_impossible", 1],
    ]);
  });

  it("lead to the candle that they were made from", async () => {
    const rows =
      await store.query(`select count(*), count(*) filter (where f.object_no = c.object_no and f.close = c.close
        and f.volume is not distinct from c.volume and f.source = c.source)
      from v1.market_data_v2 f join v1.market_data c using (symbol, timeframe, ts)`);
    const all = [...found.values()].reduce((sum, list) => sum + list.length, 120);
    expect(rows).toEqual([[all, all]]);
  });
});

function standingStill(): readonly Bar[] {
  const uniform = randomNumbers(8);
  return Array.from({ length: 1_500 }, (_, i) => {
    const close = 100_000 + (uniform() < 0.05 ? 0.01 : 0);
    return { t: FROM + i * MINUTE, o: close, h: close + 0.02, l: close - 0.02, c: close, v: 1 };
  });
}

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agreementOf } from "./agreement.ts";
import { type FeatureStore, featureStore, hullOf, numberedBars, pairOf } from "./feature-store.ts";
import { FEATURES, featuresByHand } from "./features-by-hand.ts";
import { BITFINEX, EQKER, fromFile, LEAN, root, type Subject, YAHOO } from "./recorded.ts";
import { timescaleOf } from "./slots.ts";

const RECORDED: readonly Subject[] = [
  fromFile("lean-us-daily/spy", "etf", "1d", LEAN, 5_849),
  fromFile("lean-us-hour/spy", "etf", "1h", LEAN, 40_784),
  fromFile("eqker-1m-2019/PPLT", "etf", "1m", EQKER, 566),
  fromFile("eqker-1m-2019/AAPL", "stock", "1m", EQKER, 1_948),
  fromFile("bitfinex-1m/LTCUSD_2013", "crypto", "1m", BITFINEX, 18_645),
  fromFile("yahoo-2026/ADA-USD_1m", "crypto", "1m", YAHOO, 8_851),
];

describe.runIf(root !== "")("features by SQL are those by hand, to 1e-9", () => {
  let store: FeatureStore;
  beforeAll(async () => {
    store = await featureStore();
  });
  afterAll(() => store[Symbol.asyncDispose]());

  it.each(RECORDED)("on $name", async ({ name, assetClass, timeframe, read, bars: count }) => {
    const bars = await read();
    const pair = pairOf(name.toUpperCase(), assetClass, timeframe);
    const window = hullOf(pair.candles.axis, bars);
    const [changed] = await store.publish(pair, bars, window);
    // Every bar of the file is a candle, whether or not it lies in a slot.
    expect(changed).toMatchObject(window);
    const receipt = await store.build([{ pair, window }]);
    const numbered = numberedBars(pair.features.axis, bars);
    expect([numbered.length, receipt.counts.inserted]).toEqual([count, count]);
    const byHand = featuresByHand(numbered, timescaleOf(assetClass === "crypto" ? "24x7" : "XNYS", timeframe));
    const found = agreementOf(byHand, await store.features(pair), FEATURES);
    for (const { feature, differences } of found) expect([feature, ...differences]).toEqual([feature]);
    const worst = Math.max(...found.map(({ worstRelative }) => worstRelative));
    const edges = found.reduce((sum, { knifeEdges }) => sum + knifeEdges, 0);
    console.log(
      `${name}: ${count} rows, at worst ${worst.toExponential(1)} apart, ${edges} regimes decided by rounding`,
    );
    expect(edges).toBeLessThan(count / 1_000);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AssetClass } from "../../src/pipelines/ohlcv/settings.ts";
import { type FeatureStore, featureStore, hullOf, pairOf, rolledSeries } from "./feature-store.ts";
import { BITFINEX, EQKER, fromFile, root, YAHOO } from "./recorded.ts";
import { rollUpByHand } from "./roll-up-by-hand.ts";
import { rollSlots } from "./slots.ts";

const MINUTES = [
  fromFile("eqker-1m-2019/AAPL", "stock", "1m", EQKER, 1_948),
  fromFile("eqker-1m-2019/PPLT", "etf", "1m", EQKER, 566),
  fromFile("yahoo-2026/ADA-USD_1m", "crypto", "1m", YAHOO, 8_851),
  fromFile("bitfinex-1m/LTCUSD_2013", "crypto", "1m", BITFINEX, 18_645),
];

describe.runIf(root !== "")("recorded minutes rolled up by SQL", () => {
  let store: FeatureStore;
  beforeAll(async () => {
    store = await featureStore();
  });
  afterAll(() => store[Symbol.asyncDispose]());

  it.each(MINUTES)("are those by hand: $name", async ({ name, assetClass, read }) => {
    // Some files are newest first.
    const bars = [...(await read())].sort((a, b) => a.t - b.t);
    const symbol = name.toUpperCase();
    await store.publish(pairOf(symbol, assetClass, "1m"), bars);
    for (const timeframe of ["5m", "15m", "30m", "1h", "4h"] as const) {
      const series = rolledSeries(symbol, assetClass as AssetClass, timeframe);
      const receipt = await store.rollUp(series, hullOf(series.axis, bars));
      const expected = rollUpByHand(
        bars.map(({ t, o, h, l, c, v }) => ({
          ts: t,
          open: o,
          high: h,
          low: l,
          close: c,
          volume: v,
          trades: null,
          vwap: null,
        })),
        rollSlots(series.axis, bars),
      );
      expect(receipt.counts.inserted).toBe(expected.length);
      const rows = await store.query(`select epoch_ms(ts), open, high, low, close, volume
        from v1.market_data where symbol = '${symbol}' and timeframe = '${timeframe}' order by ts`);
      const prices = (row: readonly unknown[]) => row.slice(0, 5);
      expect(rows.map(prices)).toEqual(expected.map((bar) => [bar.ts, bar.open, bar.high, bar.low, bar.close]));
      // The loop adds floats, the query exact decimals: a sum of volumes may end one digit apart.
      const apart = rows.map((row, i) => Math.abs(Number(row[5]) - (expected[i]?.volume ?? 0)) / (Number(row[5]) || 1));
      expect(Math.max(...apart)).toBeLessThan(1e-12);
    }
  });
});

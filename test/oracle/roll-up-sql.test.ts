import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MINUTE } from "../../src/core/time/instant.ts";
import { newYorkToUtc } from "../real/new-york.ts";
import { type Bar, type FeatureStore, featureStore, hullOf, pairOf, rolledSeries } from "./feature-store.ts";
import { rollUpByHand } from "./roll-up-by-hand.ts";
import { simulated } from "./simulated.ts";
import { rollSlots } from "./slots.ts";

describe("candles rolled up by SQL", () => {
  let store: FeatureStore;
  beforeAll(async () => {
    store = await featureStore();
  });
  afterAll(() => store[Symbol.asyncDispose]());

  it.each(["5m", "15m", "30m", "1h", "4h"] as const)(
    "are those by hand in %s: extended hours, early close, clocks",
    async (timeframe) => {
      for (const [symbol, bars] of Object.entries(await published(store))) {
        const series = rolledSeries(symbol, symbol === "COIN" ? "crypto" : "stock", timeframe);
        await store.rollUp(series, hullOf(series.axis, bars));
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
        const rows = await store.query(`select epoch_ms(ts), open, high, low, close, volume, trades, vwap
        from v1.market_data where symbol = '${symbol}' and timeframe = '${timeframe}' order by ts`);
        expect(rows).toHaveLength(expected.length);
        for (const [i, { ts, open, high, low, close, volume }] of expected.entries()) {
          expect(rows[i]).toEqual([
            ts,
            open,
            high,
            low,
            close,
            volume === null ? null : expect.closeTo(volume, 6),
            null,
            null,
          ]);
        }
      }
    },
  );
});

/** Minutes of a stock around the clock over days of interest, and of a coin over a night. */
async function published(store: FeatureStore): Promise<Readonly<Record<string, readonly Bar[]>>> {
  // An early close after Thanksgiving, the clocks' change of March 2024 with the Friday before and the Monday after.
  const days = ["2024-11-29", "2024-03-08", "2024-03-11"];
  const stock = days.flatMap((date, seed) => minutes(seed, newYorkToUtc(date, "00:00"), 0.7));
  const bySymbol = { STOCK: stock.sort((a, b) => a.t - b.t), COIN: minutes(9, Date.UTC(2024, 2, 9, 20), 0.3) };
  for (const [symbol, bars] of Object.entries(bySymbol)) {
    await store.publish(pairOf(symbol, symbol === "COIN" ? "crypto" : "stock", "1m"), bars);
  }
  return bySymbol;
}

function minutes(seed: number, from: number, filled: number): Bar[] {
  return [...simulated({ seed, from, stepMs: MINUTE, slots: 1_440, filled, withVolume: 0.9 })];
}

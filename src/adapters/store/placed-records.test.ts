import { afterAll, beforeAll, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { binanceSource } from "../../sources/binance/binance.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const T0 = Date.UTC(2024, 0, 2);
const window = { start: instant(T0), end: instant(T0 + 6 * MINUTE) };

let world: SmallStore;
beforeAll(async () => {
  world = await smallStore({ dataset: marketData, shape: binanceSource().records, suspects: settings.suspects });
});
afterAll(() => world[Symbol.asyncDispose]());

it.each([true, false])("stores candles that came as lists of texts, when they are strict: %s", async (strict) => {
  const coin = seriesOf(`S${strict}`);
  const object = await world.put(coin, { window, records: [candle(0), candle(1)], strict });
  const { counts } = await world.publish([object]);
  expect(counts).toMatchObject({ received: 2, inserted: 2, quarantined: 0 });
  expect(
    await world.rows(
      `select epoch_ms(ts), open, high, low, close, volume, vwap, trades from market_data where symbol = '${coin.entry}' order by ts`,
    ),
  ).toEqual([
    [T0, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815, null, 308],
    [T0 + MINUTE, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815, null, 308],
  ]);
});

it("keeps out a candle that is cut short, and one that is still forming, as they came", async () => {
  const coin = seriesOf("CUT");
  const now = T0 + 5 * MINUTE + 30_000;
  const cut = candle(3).slice(0, 8);
  const numeric = [...candle(4).slice(0, 5), 7, ...candle(4).slice(6)];
  const records = [candle(0), candle(1), candle(2), cut, numeric, candle(5)];
  const object = await world.put(coin, { window, records, now });
  const { quarantinedBy, counts } = await world.publish([object]);
  expect([counts.inserted, quarantinedBy]).toEqual([3, { unfinished: 1, unreadable: 2 }]);
  const kept = await world.rows("select record::varchar from quarantine where reason = 'unreadable' order by row_no");
  expect(kept.map(([record]) => JSON.parse(String(record)))).toEqual([cut, numeric]);
});

function candle(minute: number): unknown[] {
  const t = T0 + minute * MINUTE;
  const prices = ["0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815"];
  return [t, ...prices, t + MINUTE - 1, "2434.19055334", 308, "1756.87402397", "28.46694368", "0"];
}

function seriesOf(symbol: string): Series {
  const pipeline = candlesOnly(settings);
  const entry = pipeline.entry(symbol.toUpperCase(), { assetClass: "crypto", timeframes: ["1m"] });
  const [series] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

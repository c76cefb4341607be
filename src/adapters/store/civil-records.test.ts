import { afterAll, beforeAll, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import { DAY, instant } from "../../core/time/instant.ts";
import { startOfLocalDate } from "../../core/time/zone.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const midnight = (date: string): number => startOfLocalDate("America/New_York", date);

let world: SmallStore;
beforeAll(async () => {
  world = await smallStore({ dataset: marketData, shape: polygonSource().records, suspects: settings.suspects });
});
afterAll(() => world[Symbol.asyncDispose]());

it("finds the day of a bar that nobody asked for, years away, and of those that were asked for", async () => {
  const entry = candlesOnly(settings).entry("AAPL", { timeframes: ["1d"] });
  const [series] = candlesOnly(settings).series(marketData.name, entry, instant(Date.UTC(2026, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  const window = { start: instant(midnight("2025-11-03")), end: instant(midnight("2025-11-06")) };
  // The clocks differ in summer, and one bar has no day's stamp.
  const stamps = ["2025-11-03", "2025-11-04", "2025-11-05", "2021-07-01"].map(midnight);
  const object = await world.put(series, { window, records: [...stamps, (stamps[0] as number) + DAY / 3].map(bar) });
  const { counts, quarantinedBy } = await world.publish([object]);
  expect([counts.inserted, quarantinedBy]).toEqual([4, { off_grid: 1 }]);
  const rows = await world.rows("select epoch_ms(ts) from market_data where symbol = 'AAPL' order by ts");
  expect(rows.flat()).toEqual([...stamps].sort((a, b) => a - b));
});

function bar(t: number): object {
  return { t, o: 10, h: 11, l: 9, c: 10, v: 1_000, vw: 10, n: 5 };
}

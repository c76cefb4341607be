import { afterEach, beforeEach, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const shape = polygonSource().records;
const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const T0 = Date.UTC(2024, 0, 2);
const btc = seriesOf("BTC");

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
});
afterEach(() => world[Symbol.asyncDispose]());

/** Four sound minutes and three that checks keep out: minutes 1, 2 and one off the grid. */
function records(): readonly object[] {
  const [a, b, c, d, e, f] = bars(0, 6) as [Bar, Bar, Bar, Bar, Bar, Bar];
  return [a, { ...b, h: 1 }, { ...c, o: -1 }, { ...d, t: Number(d.t) + 1 }, e, f, bars(6, 1)[0] as Bar];
}

it("publishes a released record as it came, and no other that a check keeps out", async () => {
  const object = await world.put(btc, { window: minutes(0, 7), records: records() });
  await world.publish([object]);
  const again = { rejudge: new Map([[btc.key, [minutes(0, 7)]]]), released: [{ objectNo: 1, rowNo: 1 }] };
  const receipt = await world.publish([object], again);
  expect(receipt.counts).toMatchObject({ received: 7, inserted: 1, updated: 0, unchanged: 4, quarantined: 2 });
  expect(receipt.quarantinedBy).toEqual({ off_grid: 1, price_not_positive: 1 });
  expect(await world.rows(`select open, high from market_data where epoch_ms(ts) = ${T0 + MINUTE}`)).toEqual([
    [101, 1],
  ]);
  expect(await world.store.quarantined(marketData, { objectNo: 1, limit: 9 })).toMatchObject([
    { rowNo: 2, slot: T0 + 2 * MINUTE, reason: "price_not_positive" },
    { rowNo: 3, slot: null, reason: "off_grid" },
  ]);
  const states = world.segments(btc.key).map(({ start, end, state, asked }) => [start, end, state, asked]);
  expect(states).toEqual([
    [T0, T0 + 2 * MINUTE, "covered", 1],
    [T0 + 2 * MINUTE, T0 + 3 * MINUTE, "blocked", 1],
    [T0 + 3 * MINUTE, T0 + 7 * MINUTE, "covered", 1],
  ]);
});

it("never lets in what has no slot or cannot be read", async () => {
  const unreadable = [...bars(0, 3), { ...bars(3, 1)[0], o: "12" }, { ...bars(4, 1)[0], t: T0 + 5 }];
  const object = await world.put(btc, { window: minutes(0, 5), records: unreadable });
  const released = [3, 4].map((rowNo) => ({ objectNo: 1, rowNo }));
  const receipt = await world.publish([object], { released });
  expect(receipt.counts).toMatchObject({ inserted: 3, quarantined: 2 });
  expect(receipt.quarantinedBy).toEqual({ off_grid: 1, unreadable: 1 });
});

it("counts for what a whole answer is blocked by", async () => {
  const [a, b, c] = bars(0, 3) as [Bar, Bar, Bar];
  const object = await world.put(btc, { window: minutes(0, 3), records: [a, { ...b, h: 1 }, { ...c, h: 1 }] });
  const before = await world.publish([object]);
  expect(before.quarantinedBy).toEqual({ high_below_low: 2, object_blocked: 1 });
  const again = { rejudge: new Map([[btc.key, [minutes(0, 3)]]]), released: [{ objectNo: 1, rowNo: 1 }] };
  const after = await world.publish([object], again);
  expect(after.counts).toMatchObject({ inserted: 2, quarantined: 1 });
  expect(world.segments(btc.key).map(({ state }) => state)).toEqual(["covered", "blocked"]);
});

it("gives null for a column whose expression fails on a record that a check had kept out", async () => {
  const strict: Dataset = {
    ...marketData,
    extract: {
      select: { ...marketData.extract?.select, volume: "cast(sqrt(raw.v) as double)" },
      checks: [{ reason: "volume_negative", bad: "raw.v < 0" }],
      errorThreshold: 0.5,
    },
  };
  await using other = await smallStore({ dataset: strict, shape, suspects: settings.suspects });
  const [a, b, c] = bars(0, 3) as [Bar, Bar, Bar];
  const object = await other.put(btc, { window: minutes(0, 3), records: [a, { ...b, v: -1 }, c] });
  const receipt = await other.publish([object], { released: [{ objectNo: 1, rowNo: 1 }] });
  expect(receipt.counts).toMatchObject({ inserted: 3, quarantined: 0 });
  expect(await other.rows("select volume from market_data order by ts")).toEqual([
    [Math.sqrt(10)],
    [null],
    [Math.sqrt(10)],
  ]);
});

it("is told by series and reason, with the first and the last slot", async () => {
  const object = await world.put(btc, { window: minutes(0, 7), records: records() });
  await world.publish([object]);
  expect(await world.store.quarantineCounts(marketData)).toEqual([
    { key: btc.key, reason: "high_below_low", records: 1, first: T0 + MINUTE, last: T0 + MINUTE },
    { key: btc.key, reason: "off_grid", records: 1, first: null, last: null },
    { key: btc.key, reason: "price_not_positive", records: 1, first: T0 + 2 * MINUTE, last: T0 + 2 * MINUTE },
  ]);
  const some = await world.store.quarantined(marketData, { keys: [btc.key], slot: instant(T0 + MINUTE), limit: 5 });
  expect(some).toMatchObject([{ objectNo: 1, rowNo: 1, record: { h: 1 } }]);
  expect(await world.store.quarantined(marketData, { keys: [], limit: 5 })).toEqual([]);
});

type Bar = Record<string, number>;

function bars(from: number, count: number): readonly Bar[] {
  return Array.from({ length: count }, (_, i) => {
    const o = 100 + from + i;
    return { t: T0 + (from + i) * MINUTE, o, h: o + 2, l: o - 1, c: o + 1, v: 10, vw: o + 0.5, n: 3 };
  });
}

function minutes(from: number, count: number): Interval {
  return { start: instant(T0 + from * MINUTE), end: instant(T0 + (from + count) * MINUTE) };
}

function seriesOf(symbol: string): Series {
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: ["1m"] });
  const [series] = pipeline.series(marketData.name, entry, instant(T0));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

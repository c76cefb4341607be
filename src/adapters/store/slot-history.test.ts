import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
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
const window = minutes(0, 3);

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
});
afterEach(() => world[Symbol.asyncDispose]());

describe("the history of a slot", () => {
  it("is every publication that wrote, replaced or took back its row, with the row before", async () => {
    await publish(bars(0));
    await publish(bars(5));
    await publish(bars(5).filter(({ t }) => t !== T0 + MINUTE));
    await publish(bars(7));
    const { row, changes } = await world.store.slotHistory(marketData, btc, instant(T0 + MINUTE));
    expect(row).toMatchObject({ symbol: "BTC", ts: "2024-01-02 00:01:00", open: 108, object_no: 4 });
    expect(changes.map(({ change, chunkId, before }) => [change, chunkId, before?.open ?? null])).toEqual([
      ["inserted", "r1.b1", null],
      ["updated", "r1.b2", 101],
      ["retracted", "r1.b3", 106],
      ["inserted", "r1.b4", null],
    ]);
    expect(changes[1]?.before).toMatchObject({ ts: "2024-01-02 00:01:00", object_no: 1 });
  });

  it("leaves out publications that changed only other slots, and those that never committed", async () => {
    await publish(bars(0));
    await publish(bars(0).map((bar) => (bar.t === T0 ? { ...bar, v: 99 } : bar)));
    const folder = join(world.dir, "history", "dataset=ohlcv.market_data", "version=1");
    await copyFile(join(folder, "r1.b2-1.parquet"), join(folder, "r9.b9-1.parquet"));
    const other = await world.store.slotHistory(marketData, btc, instant(T0 + MINUTE));
    expect(other.changes.map(({ chunkId }) => chunkId)).toEqual(["r1.b1"]);
    const own = await world.store.slotHistory(marketData, btc, instant(T0));
    expect(own.changes.map(({ change, chunkId }) => [change, chunkId])).toEqual([
      ["inserted", "r1.b1"],
      ["updated", "r1.b2"],
    ]);
  });

  it("is empty where nothing ever was", async () => {
    const nothing = { row: null, changes: [] };
    expect(await world.store.slotHistory(marketData, btc, instant(T0))).toEqual(nothing);
    await publish(bars(0));
    expect(await world.store.slotHistory(marketData, btc, instant(T0 + 9 * MINUTE))).toEqual(nothing);
    expect(await world.store.slotHistory(marketData, seriesOf("ETH"), instant(T0))).toEqual(nothing);
  });
});

it("counts the rows of a stretch and names their objects", async () => {
  await publish(bars(0));
  await publish(bars(0).map((bar) => (bar.t === T0 ? { ...bar, v: 99 } : bar)));
  expect(await world.store.rowsWithin(marketData, btc, minutes(0, 2))).toEqual({
    rows: 2,
    first: T0,
    last: T0 + MINUTE,
    objects: [1, 2],
  });
  expect(await world.store.rowsWithin(marketData, btc, minutes(3, 9))).toEqual({
    rows: 0,
    first: null,
    last: null,
    objects: [],
  });
});

async function publish(records: readonly Bar[]): Promise<void> {
  await world.publish([await world.put(btc, { window, records })]);
}

type Bar = Record<string, number>;

/** Three minutes; opens are 100, 101, 102 and `more`. */
function bars(more: number): readonly Bar[] {
  return Array.from({ length: 3 }, (_, i) => {
    const o = 100 + i + more;
    return { t: T0 + i * MINUTE, o, h: o + 2, l: o - 1, c: o + 1, v: 10, vw: o + 0.5, n: 3 };
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

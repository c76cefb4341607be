import { copyFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Receipt } from "../../engine/store-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const shape = polygonSource().records;
const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const T0 = Date.UTC(2024, 0, 2);
const btc = seriesOf("BTC", "1m");
const eth = seriesOf("ETH", "1m");

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
});
afterEach(() => world[Symbol.asyncDispose]());

describe("one publication", () => {
  it("stores each record as a row of its series, with the object it came from", async () => {
    const one = await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) });
    const other = await world.put(eth, { window: minutes(0, 2), records: bars(0, 2, 7) });
    const receipt = await world.publish([one, other]);
    expect(receipt.counts).toEqual(counts({ received: 5, inserted: 5 }));
    expect(receipt.rowsBySeries).toEqual({
      "BTC/1m": { inserted: 3, updated: 0, retracted: 0 },
      "ETH/1m": { inserted: 2, updated: 0, retracted: 0 },
    });
    expect(await world.rows("select * from market_data where symbol = 'ETH' order by ts")).toEqual([
      ["ETH", "1m", "2024-01-02 00:00:00", 107, 109, 106, 108, 10, 107.5, 3, "polygon", "2024-01-02 00:00:00", 2],
      ["ETH", "1m", "2024-01-02 00:01:00", 108, 110, 107, 109, 10, 108.5, 3, "polygon", "2024-01-02 00:01:00", 2],
    ]);
    expect(receipt.changes).toEqual([
      { key: "BTC/1m", ...minutes(0, 3) },
      { key: "ETH/1m", ...minutes(0, 2) },
    ]);
  });

  it("keeps out an unfinished bar without counting it as bad", async () => {
    const now = T0 + 2 * MINUTE + 30_000;
    const object = await world.put(btc, { window: minutes(0, 3), records: bars(0, 3), now });
    const receipt = await world.publish([object]);
    expect(receipt.counts).toEqual(counts({ received: 3, inserted: 2, quarantined: 1 }));
    expect(receipt.quarantinedBy).toEqual({ unfinished: 1 });
    expect(receipt.findings["BTC/1m"]?.blocked).toEqual([]);
  });

  it("quarantines a record with its first reason, as it came", async () => {
    const [good, high, low] = bars(0, 3);
    const records = [
      good,
      { ...high, h: 1, l: 2, x: "kept" },
      { ...low, o: -1 },
      { ...bars(3, 1)[0], t: T0 + 3 * MINUTE + 1 },
      bars(4, 1)[0],
      bars(5, 1)[0],
      bars(6, 1)[0],
    ];
    const object = await world.put(btc, { window: minutes(0, 10), records });
    const receipt = await world.publish([object]);
    expect(receipt.quarantinedBy).toEqual({ high_below_low: 1, off_grid: 1, price_not_positive: 1 });
    expect(await world.rows("select series, row_no, slot, reason from quarantine order by row_no")).toEqual([
      ["BTC/1m", 1, "2024-01-02 00:01:00", "high_below_low"],
      ["BTC/1m", 2, "2024-01-02 00:02:00", "price_not_positive"],
      ["BTC/1m", 3, null, "off_grid"],
    ]);
    expect(await world.rows("select record->>'h' from quarantine where row_no = 1")).toEqual([["1.0"]]);
    expect(receipt.findings["BTC/1m"]?.blocked).toEqual([
      { ...minutes(1, 1), chunk: "r1.c1", reason: "high_below_low" },
      { ...minutes(2, 1), chunk: "r1.c1", reason: "price_not_positive" },
    ]);
  });

  it("never takes text, truth values, null or endless numbers for numbers", async () => {
    const bad = ['"12"', "true", "null", "1e400", "-1e400", "[1]", '{"a":1}', '"NaN"', '""'];
    const values = bad.map((value, i) => `{"t":${T0 + i * MINUTE},"o":${value},"h":9,"l":1,"c":5,"v":1}`);
    const badStamps = ["1e400", "9007199254740993", "1.5", '"12"', "null", "-60000", "99999999999999"];
    const stamps = badStamps.map((t) => `{"t":${t},"o":5,"h":9,"l":1,"c":5,"v":1}`);
    const odd = ["null", "5", '"x"', "[]", "{}", `{"t":${T0},"t":${T0},"o":5,"h":9,"l":1,"c":5}`];
    const good = Array.from({ length: 40 }, (_, i) => JSON.stringify(bars(100 + i, 1)[0]));
    const body = `{"results":[${[...values, ...stamps, ...odd, ...good].join(",")}]}`;
    const object = await world.put(btc, { window: minutes(0, 1000), body, strict: false });
    const receipt = await world.publish([object]);
    expect(receipt.counts).toEqual(counts({ received: 62, inserted: 40, quarantined: 22 }));
    expect(receipt.quarantinedBy).toEqual({ unreadable: 20, off_grid: 2 });
    expect(await world.rows("select count(*), min(open), max(open) from market_data")).toEqual([[40, 200, 239]]);
  });

  it("reads a number as the same double on both paths", async () => {
    const numbers = [
      "0.1",
      "1e-7",
      "123456.789012345678",
      "5e-324",
      "4503599627370495.5",
      "100",
      "1E2",
      "0.30000000000000004",
    ];
    const body = (t: number): string =>
      `{"results":[${numbers.map((n, i) => `{"t":${t + i * MINUTE},"o":1,"h":1,"l":1,"c":1,"v":${n},"n":1e3}`).join(",")}]}`;
    const fast = await world.put(btc, { window: minutes(0, 8), body: body(T0), strict: true });
    const slow = await world.put(eth, { window: minutes(0, 8), body: body(T0), strict: false });
    await world.publish([fast, slow]);
    for (const symbol of ["BTC", "ETH"]) {
      const rows = await world.rows(`select volume, trades from market_data where symbol = '${symbol}' order by ts`);
      expect(rows).toEqual(numbers.map((n) => [Number(n), 1000]));
    }
  });

  it("takes a missing or null volume as none where the source may leave it out", async () => {
    const { v, vw, n, ...bare } = bars(0, 1)[0] as Record<string, unknown>;
    expect([v, vw, n]).not.toContain(undefined);
    const object = await world.put(btc, { window: minutes(0, 1), records: [bare] });
    expect(object.strict).toBe(true);
    await world.publish([object]);
    expect(await world.rows("select volume, vwap, trades from market_data")).toEqual([[null, null, null]]);
  });

  it("lets the last record of a slot in an answer win and counts the others", async () => {
    const records = [...bars(0, 3), ...bars(1, 1, 50)];
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 3), records })]);
    expect(receipt.counts).toEqual(counts({ received: 4, inserted: 3, duplicate: 1 }));
    expect(await world.rows("select open from market_data order by ts")).toEqual([[100], [151], [102]]);
  });

  it("stores a finished bar outside the asked window, and claims nothing for it", async () => {
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 2), records: bars(0, 4) })]);
    expect(receipt.counts).toEqual(counts({ received: 4, inserted: 4 }));
    expect(receipt.findings["BTC/1m"]?.answered).toEqual([{ ...minutes(0, 2), chunk: "r1.c1" }]);
    const bad = await world.put(btc, { window: minutes(0, 2), records: [...bars(0, 2), { ...bars(9, 1)[0], o: -1 }] });
    expect((await world.publish([bad])).findings["BTC/1m"]?.blocked).toEqual([]);
  });

  it("blocks an object as a whole when too many of its records are bad, whatever is unfinished", async () => {
    const bad = bars(0, 3).map((bar) => ({ ...bar, h: 0.5 }));
    const now = T0 + 6 * MINUTE;
    const object = await world.put(btc, { window: minutes(0, 9), records: [...bad, ...bars(4, 5)], now });
    const fine = await world.put(eth, { window: minutes(0, 3), records: bars(0, 3) });
    const receipt = await world.publish([object, fine]);
    expect(receipt.counts).toEqual(counts({ received: 11, inserted: 3, quarantined: 8 }));
    expect(receipt.quarantinedBy).toEqual({ high_below_low: 3, object_blocked: 2, unfinished: 3 });
    expect(receipt.findings["BTC/1m"]?.blocked).toEqual([
      { ...minutes(0, 9), chunk: "r1.c1", reason: "too many bad records, most often high_below_low" },
    ]);
    expect(
      await world.rows("select record->>'open' from quarantine where reason = 'object_blocked' order by row_no"),
    ).toEqual([["104.0"], ["105.0"]]);
  });

  it("quarantines a body that JavaScript takes for JSON and DuckDB does not, and publishes the rest", async () => {
    const record = JSON.stringify(bars(0, 1)[0]).slice(1);
    const bodies = [
      `{"results":[{"x":"\\ud800",${record}]}`,
      `{"results":[{"o":3,${record}]}`,
      `{"results":[],"results":[{${record}]}`,
    ];
    const odd = await Promise.all(
      bodies.map((body, i) => world.put(seriesOf(`ODD${i}`, "1m"), { window: minutes(0, 1), body })),
    );
    const fine = await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) });
    const receipt = await world.publish([...odd, fine]);
    expect(receipt.counts).toEqual(counts({ received: 6, inserted: 3, quarantined: 3 }));
    expect(receipt.quarantinedBy).toEqual({ unreadable: 3 });
    expect(receipt.findings["ODD1/1m"]?.blocked).toHaveLength(1);
  });
});

describe("publishing again", () => {
  it("changes nothing when the objects are the same", async () => {
    const objects = [await world.put(btc, { window: minutes(0, 5), records: bars(0, 5) })];
    await world.publish(objects);
    const before = await world.rows("select * from market_data order by all");
    const receipt = await world.publish(objects);
    expect(receipt.counts).toEqual(counts({ received: 5, unchanged: 5 }));
    expect(receipt.changes).toEqual([]);
    expect(await world.rows("select * from market_data order by all")).toEqual(before);
  });

  it("writes only what changed and keeps what was there", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 5), records: bars(0, 5) })]);
    const records = [...bars(0, 2), ...bars(2, 1, 30), ...bars(4, 1)];
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 5), records })]);
    expect(receipt.counts).toEqual(counts({ received: 4, updated: 1, unchanged: 3, retracted: 1 }));
    expect(receipt.changes).toEqual([{ key: "BTC/1m", ...minutes(2, 2) }]);
    expect(await world.rows("select ts, open, object_no from market_data order by ts")).toEqual([
      ["2024-01-02 00:00:00", 100, 1],
      ["2024-01-02 00:01:00", 101, 1],
      ["2024-01-02 00:02:00", 132, 2],
      ["2024-01-02 00:04:00", 104, 1],
    ]);
    expect(await world.rows("select change, replaced_by, ts, open from market_data__history order by ts")).toEqual([
      ["updated", "r1.b2", "2024-01-02 00:02:00", 102],
      ["retracted", "r1.b2", "2024-01-02 00:03:00", 103],
    ]);
  });

  it("takes nothing back outside the window, nor where the record was quarantined", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 6), records: bars(0, 6) })]);
    const records = [bars(0, 1)[0], { ...bars(1, 1)[0], l: 1e9 }, bars(3, 1)[0]];
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 4), records })]);
    expect(receipt.counts).toEqual(counts({ received: 3, unchanged: 2, quarantined: 1, retracted: 1 }));
    expect(await world.rows("select open from market_data order by ts")).toEqual([[100], [101], [103], [104], [105]]);
    expect(receipt.findings["BTC/1m"]?.blocked).toEqual([]);
  });

  it("takes nothing back on the word of an answer with records that name no slot", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 4), records: bars(0, 4) })]);
    const records = [...bars(0, 2), { ...bars(2, 1)[0], t: "02:00" }, bars(3, 1)[0]];
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 4), records })]);
    expect(receipt.counts).toEqual(counts({ received: 4, unchanged: 3, quarantined: 1 }));
  });

  it("calls no slot empty on the word of answers with a record whose time cannot be read", async () => {
    const daily = seriesOf("BTC", "1d");
    const day = 24 * 60;
    const window = minutes(0, 3 * day);
    const bar = (n: number): object => ({ ...bars(n * day, 1)[0] });
    const records = [bar(0), { ...bar(1), t: "02:00" }, bar(2)];
    for (const asked of [1, 2]) {
      await world.publish([await world.put(daily, { window, records })]);
      expect(world.segments(daily.key)).toEqual([
        expect.objectContaining({ ...minutes(0, day), state: "covered" }),
        expect.objectContaining({
          ...minutes(day, day),
          state: "blocked",
          asked,
          reason: expect.stringMatching(/time/),
        }),
        expect.objectContaining({ ...minutes(2 * day, day), state: "covered" }),
      ]);
    }
    // What is said without such a record counts.
    await world.publish([await world.put(daily, { window, records: [bar(0), bar(2)] })]);
    expect(world.segments(daily.key).map(({ state }) => state)).toEqual(["covered", "empty", "covered"]);
  });

  it("takes everything back that an empty answer lacks", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 4), records: bars(0, 4) })]);
    const receipt = await world.publish([await world.put(btc, { window: minutes(1, 2) })]);
    expect(receipt.counts).toEqual(counts({ retracted: 2 }));
    expect(receipt.rowsBySeries).toEqual({ "BTC/1m": { inserted: 0, updated: 0, retracted: 2 } });
  });

  it("keeps the rows of a blocked object's stretch", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    const bad = bars(0, 2).map((bar) => ({ ...bar, l: 1e6 }));
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 3), records: bad })]);
    expect(receipt.counts).toEqual(counts({ received: 2, quarantined: 2 }));
    expect(await world.rows("select count(*) from market_data")).toEqual([[3]]);
    expect(world.segments(btc.key).map((segment) => segment.state)).toEqual(["blocked"]);
  });

  it("lets a later answer stand when an earlier one is published after it", async () => {
    const early = await world.put(btc, { window: minutes(0, 5), records: bars(0, 5) });
    const late = await world.put(btc, { window: minutes(1, 3), records: [...bars(1, 1, 40), ...bars(3, 1)] });
    await world.publish([late]);
    const receipt = await world.publish([early]);
    expect(receipt.counts).toEqual(counts({ received: 5, inserted: 2, duplicate: 3 }));
    expect(await world.rows("select open, object_no from market_data order by ts")).toEqual([
      [100, 1],
      [141, 2],
      [103, 2],
      [104, 1],
    ]);
  });

  it("takes no bar back that came with a later answer, in its window or beside it", async () => {
    const early = await world.put(btc, { window: minutes(5, 5), records: bars(5, 1) });
    const late = await world.put(btc, { window: minutes(0, 2), records: [...bars(0, 2), ...bars(9, 1)] });
    await world.publish([late]);
    expect((await world.publish([early])).counts).toEqual(counts({ received: 1, inserted: 1 }));
    expect(await world.rows("select open from market_data order by ts")).toEqual([[100], [101], [105], [109]]);
  });

  it("restores rows that were deleted by hand without undoing what was answered since", async () => {
    const first = await world.put(btc, { window: minutes(0, 6), records: bars(0, 6) });
    await world.publish([first]);
    await world.publish([await world.put(btc, { window: minutes(3, 2), records: bars(3, 1, 80) })]);
    const expected = await world.rows("select * from market_data order by ts");
    await byHand(world, "delete from v1.market_data where ts < '2024-01-02 00:02:00'");
    const receipt = await world.publish([first], { restore: new Map([[btc.key, [minutes(0, 2)]]]) });
    expect(receipt.counts).toMatchObject({ received: 6, inserted: 2, updated: 0, retracted: 0 });
    expect(await world.rows("select * from market_data order by ts")).toEqual(expected);
    expect(receipt.findings["BTC/1m"]).toMatchObject({ answered: [], restored: [minutes(0, 2)] });
  });
});

describe("objects that overlap", () => {
  it("end as if published one by one, rows, history and findings alike", async () => {
    const answers = [
      { window: minutes(0, 6), records: [...bars(0, 6), ...bars(8, 1)] },
      { window: minutes(2, 6), records: [...bars(2, 1), ...bars(3, 1, 20), { ...bars(4, 1)[0], o: 0 }, ...bars(7, 1)] },
      { window: minutes(3, 1), records: bars(3, 1) },
      { window: minutes(20, 2), records: [...bars(20, 2), ...bars(0, 1, 9)] },
    ];
    await using apart = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
    const objects = [];
    let last: Receipt | undefined;
    for (const answer of answers) {
      last = await apart.publish([await apart.put(btc, answer)]);
      objects.push(await world.put(btc, answer));
    }
    const together = await world.publish(objects);
    const rows = "select * from market_data order by ts";
    expect(await world.rows(rows)).toEqual(await apart.rows(rows));
    const history = "select * exclude (replaced_by) from market_data__history order by all";
    expect(await world.rows(history)).toEqual(await apart.rows(history));
    expect(together.findings["BTC/1m"]?.holes).toEqual(last?.findings["BTC/1m"]?.holes);
    expect(world.segments(btc.key)).toEqual(apart.segments(btc.key));
  });

  it("are not blocked where a later answer is good, and blocked where the later one is bad", async () => {
    const bad = { ...bars(1, 1)[0], l: 1e6 };
    const first = await world.put(btc, { window: minutes(0, 4), records: [bars(0, 1)[0], bad, ...bars(2, 2)] });
    const later = await world.put(btc, { window: minutes(1, 3), records: bars(2, 2) });
    const worst = await world.put(btc, { window: minutes(3, 1), records: [{ ...bad, t: T0 + 3 * MINUTE }] });
    const receipt = await world.publish([first, later, worst]);
    expect(receipt.findings["BTC/1m"]?.blocked).toEqual([
      { ...minutes(3, 1), chunk: "r1.c3", reason: "too many bad records, most often high_below_low" },
    ]);
  });
});

describe("a publication that fails", () => {
  it("leaves nothing behind", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    const object = await world.put(btc, { window: minutes(0, 3), records: bars(0, 2, 5) });
    const before = await world.rows("select * from market_data order by ts");
    // The fence is written with the receipt: one that is no integer fails after all rows are written.
    await expect(world.publish([object], { fence: Number.NaN })).rejects.toThrow();
    expect(await world.rows("select * from market_data order by ts")).toEqual(before);
    expect(await world.rows("select count(*) from receipt")).toEqual([[1]]);
    expect(await filesBelow(join(world.dir, "history"))).toEqual(["inserted/r1.b1-1.parquet"]);
    const receipt = await world.publish([object]);
    expect(receipt.counts).toEqual(counts({ received: 2, updated: 2, retracted: 1 }));
    expect(await filesBelow(join(world.dir, "history"))).toEqual(["inserted/r1.b1-1.parquet", "r1.b3-1.parquet"]);
  });

  it("leaves not even its before-image and the slots it filled, when it fails after they are written", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    const object = await world.put(btc, { window: minutes(0, 4), records: [...bars(0, 2, 5), ...bars(3, 1)] });
    const before = await world.rows("select * from market_data order by ts");
    // The view over all before-images comes after them: it cannot be made beside one that cannot be read.
    const unreadable = join(world.dir, "history", "dataset=ohlcv.market_data", "version=1", "r1.b1-1.parquet");
    await writeFile(unreadable, "not parquet");
    await expect(world.publish([object])).rejects.toThrow();
    await rm(unreadable);
    expect(await world.rows("select * from market_data order by ts")).toEqual(before);
    expect(await world.rows("select count(*) from receipt")).toEqual([[1]]);
    expect(await filesBelow(join(world.dir, "history"))).toEqual(["inserted/r1.b1-1.parquet"]);
    const receipt = await world.publish([object]);
    expect(receipt.counts).toEqual(counts({ received: 3, inserted: 1, updated: 2, retracted: 1 }));
    expect(await filesBelow(join(world.dir, "history"))).toEqual([
      "inserted/r1.b1-1.parquet",
      "inserted/r1.b3-1.parquet",
      "r1.b3-1.parquet",
    ]);
  });

  it("is swept away by the next one, which leaves images of runs that the data file does not know", async () => {
    for (const shift of [0, 1]) {
      await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3, shift) })]);
    }
    const folder = join(world.dir, "history", "dataset=ohlcv.market_data", "version=1");
    for (const name of ["r0.b1-1.parquet", "r1.b9-1.parquet"]) {
      await copyFile(join(folder, "r1.b2-1.parquet"), join(folder, name));
    }
    await world.publish([await world.put(btc, { window: minutes(3, 1), records: bars(3, 1) })]);
    expect(await filesBelow(join(world.dir, "history"))).toEqual([
      "inserted/r1.b1-1.parquet",
      "inserted/r1.b3-1.parquet",
      "r0.b1-1.parquet",
      "r1.b2-1.parquet",
    ]);
  });

  it("names a bronze file that is not what was received", async () => {
    const object = await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) });
    await expect(world.publish([{ ...object, path: `${object.path}.gone` }])).rejects.toMatchObject({
      code: "BRONZE_DAMAGED",
    });
    await expect(
      world.publish([{ ...object, sha256: "0" }], { restore: new Map([[btc.key, [minutes(0, 3)]]]) }),
    ).rejects.toMatchObject({ code: "BRONZE_DAMAGED" });
  });
});

describe("what a publication leaves", () => {
  it("is a receipt that reads back as it was returned", async () => {
    const receipt = await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    expect(await world.store.receipt(receipt.chunkId)).toEqual(receipt);
    expect(await world.store.receipt("r1.other")).toBeNull();
  });

  it("is a history view that is empty until something is replaced", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    expect(await world.rows("select count(*) from market_data__history")).toEqual([[0]]);
  });

  it("shows only before-images whose publication was committed", async () => {
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3) })]);
    await world.publish([await world.put(btc, { window: minutes(0, 3), records: bars(0, 3, 1) })]);
    expect(await world.rows("select count(*) from market_data__history")).toEqual([[3]]);
    await byHand(world, "delete from receipt where chunk = 'r1.b2'");
    expect(await world.rows("select count(*) from market_data__history")).toEqual([[0]]);
  });
});

function seriesOf(symbol: string, timeframe: string): Series {
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, instant(T0));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

function minutes(from: number, count: number): Interval {
  return { start: instant(T0 + from * MINUTE), end: instant(T0 + (from + count) * MINUTE) };
}

/** Sound bars from minute `from` on; their open is 100 and the minute, and `more`. */
function bars(from: number, count: number, more = 0): readonly Record<string, number>[] {
  return Array.from({ length: count }, (_, i) => {
    const o = 100 + from + i + more;
    return { t: T0 + (from + i) * MINUTE, o, h: o + 2, l: o - 1, c: o + 1, v: 10, vw: o + 0.5, n: 3 };
  });
}

function counts(some: Partial<Receipt["counts"]>): Receipt["counts"] {
  return {
    received: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    duplicate: 0,
    quarantined: 0,
    retracted: 0,
    ...some,
  };
}

async function byHand(world: SmallStore, sql: string): Promise<void> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(world.store.path);
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}

/** Paths below the folder of the dataset's history. */
async function filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const root = join(dir, "dataset=ohlcv.market_data", "version=1");
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(root, join(entry.parentPath, entry.name))).sort();
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import type { Lock } from "../ledger/leases.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const T0 = Date.UTC(2024, 0, 2);
const window = { start: instant(T0), end: instant(T0 + 5 * 60_000) };
const btc = seriesOf("BTC");

const namedLock: Lock = {
  hold: (_purpose, _waitMs, work) => work(1),
  holder: async () => "process 7 on elsewhere (publishing r9.b1)",
};

const declared = { dataset: marketData, shape: polygonSource().records, suspects: settings.suspects, lock: namedLock };

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore(declared);
});
afterEach(() => world[Symbol.asyncDispose]());

describe("a data file that another process writes", () => {
  it("makes readers and writers wait, then tells them who holds it", async () => {
    await using world = await smallStore({ ...declared, waits: { readerMs: 300, writerMs: 300 } });
    const object = await world.put(btc, { window, records: bars(3) });
    await world.publish([object]);
    const holder = await holdFile(world.store.path);
    try {
      const busy = {
        code: "STORE_BUSY",
        message: expect.stringContaining("process 7 on elsewhere (publishing r9.b1)"),
      };
      await expect(world.rows("select 1")).rejects.toMatchObject(busy);
      await expect(world.publish([object])).rejects.toMatchObject(busy);
    } finally {
      await release(holder);
    }
    expect(await world.rows("select count(*) from market_data")).toEqual([[3]]);
  });

  it("is read as soon as it is free, within the wait", async () => {
    await world.publish([await world.put(btc, { window, records: bars(3) })]);
    const holder = await holdFile(world.store.path);
    const reading = world.rows("select count(*) from market_data");
    await release(holder);
    expect(await reading).toEqual([[3]]);
  });

  it("can be read after that process was killed in the middle of its work", async () => {
    const receipt = await world.publish([await world.put(btc, { window, records: bars(3) })]);
    const holder = await holdFile(world.store.path);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    expect(await world.store.receipt(receipt.chunkId)).toEqual(receipt);
    expect(await world.rows("select count(*) from market_data")).toEqual([[3]]);
    expect(await world.rows("select * from committed_by_the_other")).toEqual([[1]]);
  });
});

describe("calls of one process", () => {
  it("take turns on the file, so that a reader never meets a half-written one", async () => {
    await world.publish([await world.put(btc, { window, records: bars(1) })]);
    const objects = [
      await world.put(btc, { window, records: bars(3) }),
      await world.put(seriesOf("ETH"), { window, records: bars(2) }),
    ];
    const all = await Promise.all([
      world.publish(objects),
      world.rows("select count(*) from market_data"),
      world.store.totals(marketData),
      world.store.doubledKeys(marketData),
    ]);
    expect([[[1]], [[5]]]).toContainEqual(all[1]);
    expect([1, 2]).toContain(all[2].size);
    expect(all[3]).toBe(0);
  });
});

describe("a query", () => {
  beforeEach(async () => {
    await world.publish([await world.put(btc, { window, records: bars(3) })]);
  });

  it("answers with columns, types and values as JSON shows them", async () => {
    const sql = `select symbol, ts, open, count(*) over () as n, 9007199254740993 as big, 1.20::decimal(9,2) as price,
      null as none, [1, 2]::bigint[] as list from market_data order by ts limit 1;`;
    expect(await world.store.query(sql)).toEqual({
      columns: [
        { name: "symbol", type: "VARCHAR" },
        { name: "ts", type: "TIMESTAMP" },
        { name: "open", type: "DOUBLE" },
        { name: "n", type: "BIGINT" },
        { name: "big", type: "BIGINT" },
        { name: "price", type: "DECIMAL(9,2)" },
        { name: "none", type: "INTEGER" },
        { name: "list", type: "BIGINT[]" },
      ],
      rows: [["BTC", "2024-01-02 00:00:00", 100, 3, "9007199254740993", "1.20", null, [1, 2]]],
    });
  });

  it.each(["show tables", "describe market_data", "explain select 1", "summarize market_data", "pragma database_list"])(
    "may be `%s`",
    async (sql) => {
      expect((await world.store.query(sql)).rows.length).toBeGreaterThan(0);
    },
  );

  it.each([
    ["selec 1", "syntax error"],
    ["select * from nothing", "nothing"],
    ["select 1/", "syntax error"],
    ["", "no query"],
    ["insert into v1.market_data select * from market_data", "not INSERT"],
    ["delete from v1.market_data", "not DELETE"],
    ["update v1.market_data set open = 0", "not UPDATE"],
    ["drop table receipt", "not DROP"],
    ["create table t(i int)", "not CREATE"],
    ["copy (select 1) to 'written.csv'", "not COPY"],
    ["attach 'other.duckdb' as other", "not ATTACH"],
    ["set threads = 1", "not SET"],
    ["select 1; drop table receipt", "not DROP"],
  ])("is refused as SQL_INVALID when it is `%s`", async (sql, message) => {
    await expect(world.store.query(sql)).rejects.toMatchObject({
      code: "SQL_INVALID",
      message: expect.stringContaining(message),
    });
    expect(await world.rows("select count(*) from receipt")).toEqual([[1]]);
    expect(await readdir(".")).not.toContain("written.csv");
  });
});

describe("before the first publication", () => {
  it("there is nothing to read, and no file is made by reading", async () => {
    expect(await world.store.query("select 1")).toEqual({ columns: [], rows: [] });
    expect(await world.store.receipt("r1.b1")).toBeNull();
    expect((await world.store.totals(marketData)).size).toBe(0);
    expect((await world.store.storedSlots(marketData, [btc])).size).toBe(0);
    expect(await readdir(world.dir)).toEqual(["bronze"]);
  });
});

describe("totals", () => {
  it("count the rows of each series and name its first and last slot", async () => {
    await world.publish([
      await world.put(btc, { window, records: bars(3) }),
      await world.put(seriesOf("ETH"), { window, records: bars(1) }),
    ]);
    expect([...(await world.store.totals(marketData))]).toEqual(
      expect.arrayContaining([
        ["BTC/1m", { rows: 3, first: T0, last: T0 + 120_000 }],
        ["ETH/1m", { rows: 1, first: T0, last: T0 }],
      ]),
    );
  });

  it("tell how many keys stand twice, which no publication makes", async () => {
    const object = await world.put(btc, { window, records: [...bars(3), ...bars(3)] });
    await world.publish([object]);
    await world.publish([object]);
    expect(await world.store.doubledKeys(marketData)).toBe(0);
  });
});

function seriesOf(symbol: string): Series {
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: ["1m"] });
  const [series] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

function bars(count: number): readonly Record<string, number>[] {
  return Array.from({ length: count }, (_, i) => ({
    t: T0 + i * 60_000,
    o: 100 + i,
    h: 103 + i,
    l: 99 + i,
    c: 101 + i,
  }));
}

/** Another process that has the file open for writing, with a commit behind it and a transaction in the middle. */
async function holdFile(path: string): Promise<ChildProcess> {
  const script = `
    import { DuckDBInstance } from "@duckdb/node-api";
    const instance = await DuckDBInstance.create(${JSON.stringify(path)});
    const connection = await instance.connect();
    await connection.run("create table committed_by_the_other as select 1 as one");
    await connection.run("begin transaction");
    await connection.run("delete from v1.market_data");
    console.log("holding");
    process.stdin.on("data", async () => {
      await connection.run("rollback");
      connection.closeSync();
      instance.closeSync();
      process.exit(0);
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return child;
}

async function release(child: ChildProcess): Promise<void> {
  child.stdin?.write("done\n");
  await once(child, "exit");
}

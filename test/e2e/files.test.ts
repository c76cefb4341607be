import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, it } from "vitest";
import { host } from "../../src/main.ts";
import { command, dailyBars, type Ended, weekdays, world } from "./kit.ts";

const DAYS = weekdays("2024-03-04", "2024-03-15");
const NOW = "2024-03-16T12:00:00Z";
const DAILY = {
  name: "daily",
  folder: "prices",
  pattern: "{symbol}.csv.gz",
  timeframe: "1d",
  columns: { t: "date", o: "open", h: "high", l: "low", c: "close", v: "volume" },
  time: { format: "date", zone: "America/New_York" },
};
const SINCE = { "1m": "2024-03-01", "1d": "2024-03-01" };

let dir: string;
let key: string | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "retrofill-files-"));
  key = process.env.POLYGON_API_KEY;
  delete process.env.POLYGON_API_KEY;
});
afterEach(async () => {
  if (key !== undefined) process.env.POLYGON_API_KEY = key;
  await rm(dir, { recursive: true, force: true });
});

it("fills from files alone without a key, and keeps what is no record with its line", async () => {
  await project([DAILY]);
  const lines = DAYS.map((date, i) => `${date},${line(i)}`);
  lines[2] = `${DAYS[2]},10,12,9`;
  lines[4] = `${DAYS[4]},NaN,12,9,11,100`;
  lines[6] = `${DAYS[6]},10,12,9,"11,5",100`;
  lines.splice(8, 0, "", "date,open,high,low,close,volume");
  await put("prices/aapl.csv.gz", ["date,open,high,low,close,volume", ...lines]);
  await symbols("AAPL", "stock", "1d");
  const planned = await cli("plan", "ohlcv");
  expect(planned.out).toMatch(/files +1 series in 1 stretch, 0 calls; nobody else has them/);
  const { exit, json } = await cli("run", "ohlcv", "--json");
  // Ten sessions; the header in the middle has no slot, three lines have one and are missing there.
  expect(json.rows).toMatchObject({ received: 11, inserted: 7, quarantined: 4, duplicate: 0 });
  expect([exit, json.calls.planned, json.calls.made, json.quarantined_by]).toEqual([3, 0, 0, { unreadable: 4 }]);
  expect(json.gaps.after).toBe(3);
  const kept = await rows("select record ->> '$' from quarantine order by row_no");
  expect(kept.flat()).toEqual([lines[2], lines[4], lines[6], "date,open,high,low,close,volume"]);
  const bodies = await rows("select distinct source from market_data");
  expect(bodies).toEqual([["files"]]);
});

it("stays incomplete where no file has what is owed and nobody can be asked", async () => {
  await project([DAILY]);
  await put("prices/aapl.csv.gz", ["date,open,high,low,close,volume", `${DAYS[0]},${line(0)}`]);
  await symbols("AAPL", "stock", "1d");
  for (const inserted of [1, 0]) {
    const { exit, json } = await cli("run", "ohlcv", "--json");
    expect([exit, json.status, json.rows.inserted, json.gaps.after]).toEqual([3, "partial", inserted, 9]);
  }
  expect((await cli("run", "ohlcv", "--to", "2024-03-05", "--json")).exit).toBe(0);
});

it("makes the same rows anew from what it kept, although the files are gone", async () => {
  await project([DAILY]);
  await put("prices/aapl.csv.gz", ["date,open,high,low,close,volume", ...DAYS.map((date, i) => `${date},${line(i)}`)]);
  await symbols("AAPL", "stock", "1d");
  expect((await cli("run", "ohlcv", "--json")).json).toMatchObject({ status: "succeeded", rows: { inserted: 10 } });
  const before = await rows("select * from market_data order by ts");
  await rm(join(dir, "prices"), { recursive: true });
  const rebuilt = await cli("reprocess", "ohlcv", "--json");
  expect(rebuilt.json.stages[0].rows).toMatchObject({ inserted: 0, updated: 0, unchanged: 10, retracted: 0 });
  expect(await rows("select * from market_data order by ts")).toEqual(before);
  expect((await cli("audit", "verify")).exit).toBe(0);
  const again = await cli("run", "ohlcv", "--json");
  expect([again.exit, again.json.run_id]).toEqual([0, null]);
});

it("reads a file that changed anew when asked again, and what is new in it without being asked", async () => {
  await project([DAILY]);
  const header = "date,open,high,low,close,volume";
  const lines = DAYS.map((date, i) => `${date},${line(i)}`);
  await put("prices/aapl.csv.gz", [header, ...lines.slice(0, 6)]);
  await symbols("AAPL", "stock", "1d");
  expect((await cli("run", "ohlcv", "--json")).json.rows.inserted).toBe(6);
  await put("prices/aapl.csv.gz", [header, ...lines.slice(0, 9)], 60);
  expect((await cli("run", "ohlcv", "--json")).json.rows).toMatchObject({ inserted: 3, updated: 0, unchanged: 6 });
  lines[1] = `${DAYS[1]},${line(41)}`;
  await put("prices/aapl.csv.gz", [header, ...lines], 120);
  const again = await cli("run", "ohlcv", "--again", "--json");
  expect(again.json.rows).toMatchObject({ received: 10, inserted: 1, updated: 1, unchanged: 8, retracted: 0 });
  expect(await rows("select open from market_data where ts = '2024-03-05 05:00:00'")).toEqual([[141]]);
  expect(await rows("select open from main.market_data__history")).toEqual([[101]]);
});

it("reads a file of many symbols once for all of them", async () => {
  const layout = {
    name: "days",
    folder: "days",
    pattern: "{date}.csv.gz",
    timeframe: "1m",
    columns: {
      symbol: "ticker",
      v: "volume",
      o: "open",
      c: "close",
      h: "high",
      l: "low",
      t: "window_start",
      n: "transactions",
    },
    time: { format: "epoch_ns", zone: "America/New_York" },
  };
  await project([layout]);
  const open = Date.parse("2024-03-05T14:30:00Z");
  const bars = (ticker: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${ticker},${100 + i},10,11,12,9,${open + i * 60_000}000000,${i}`);
  const other = "X,1,1,1,1,1,not a stamp,1";
  await put("days/2024-03-05.csv.gz", [
    "ticker,volume,open,close,high,low,window_start,transactions",
    ...bars("MSFT", 390),
    ...bars("AAPL", 390),
    ...bars("NVDA", 390),
    other,
  ]);
  await symbols("AAPL,MSFT", "stock", "1m");
  const { json } = await cli("run", "ohlcv", "--from", "2024-03-05", "--to", "2024-03-06", "--json");
  expect(json).toMatchObject({ status: "succeeded", rows: { received: 780, inserted: 780, quarantined: 0 } });
  expect(
    await rows("select symbol, count(*), sum(volume), sum(trades) from market_data group by 1 order by 1"),
  ).toEqual([
    ["AAPL", 390, 390 * 100 + (389 * 390) / 2, (389 * 390) / 2],
    ["MSFT", 390, 390 * 100 + (389 * 390) / 2, (389 * 390) / 2],
  ]);
  expect(await rows("select count(distinct object_no) from market_data")).toEqual([[1]]);
});

it("reads Parquet as it is, and stores it so", async () => {
  const layout = { ...DAILY, name: "parquet", pattern: "{symbol}.parquet", time: { format: "iso", zone: "UTC" } };
  await project([layout]);
  await mkdir(join(dir, "prices"));
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const values = DAYS.map((date, i) => `(timestamp '${date} 00:00:00', ${line(i)})`).join(", ");
  const missing = "(timestamp '2024-03-09 00:00:00', 1, 1, 1, null, 1)";
  await connection.run(`copy (select * from (values ${values}, ${missing}) t("date", "Open", high, low, "close", volume))
    to '${join(dir, "prices", "MSFT.parquet")}'`);
  connection.closeSync();
  instance.closeSync();
  await symbols("MSFT", "stock", "1d");
  const { json } = await cli("run", "ohlcv", "--json");
  expect(json.rows).toMatchObject({ received: 11, inserted: 10, quarantined: 1 });
  expect((await rows("select record ->> '$.close', record ->> '$.volume' from quarantine"))[0]).toEqual([null, 1]);
  expect((await cli("reprocess", "ohlcv", "--json")).json.stages[0].rows).toMatchObject({
    unchanged: 10,
    updated: 0,
  });
  expect((await cli("audit", "verify")).exit).toBe(0);
});

it("takes files before calls, asks the provider for the rest, and says what it saved", async () => {
  const series = { symbol: "AAPL", timeframe: "1d", assetClass: "stock", candles: dailyBars(DAYS) } as const;
  await using one = await world([series], {
    now: NOW,
    symbols: { AAPL: "--asset-class stock --timeframes 1d --listed 2024-03-04" },
    ohlcv: { files: [DAILY], since: SINCE },
  });
  dir = one.dir;
  // The file lacks its fourth day: that one is for the provider to fill, in the run after.
  const held = DAYS.slice(0, 6).flatMap((date, i) => (i === 3 ? [] : [`${date},${line(i)}`]));
  await put("prices/AAPL.csv.gz", ["date,open,high,low,close,volume", ...held]);
  const plan = await one.json("plan", "ohlcv");
  expect(plan.json.cost.choices).toEqual([
    { source: "files:daily", series: 1, calls: 1, instead: { source: "polygon", calls: 1 } },
  ]);
  expect((await one.cli("plan", "ohlcv")).out).toMatch(
    /files +1 series in 1 stretch, 0 calls; polygon would take 1 call/,
  );
  const first = await one.json("run", "ohlcv");
  expect(one.asked[0]?.from).toBe(Date.parse("2024-03-12T04:00:00Z"));
  const run = first.json;
  expect([first.exit, run.status, run.calls.planned]).toEqual([0, "succeeded", 1]);
  const found = await rows("select source, count(*), min(ts)::varchar from market_data group by 1 order by 1");
  expect(found).toEqual([
    ["files", 5, "2024-03-04 05:00:00"],
    ["polygon", 5, "2024-03-07 05:00:00"],
  ]);
});

it("leaves alone what another source has covered, although the file has other prices there", async () => {
  const series = { symbol: "AAPL", timeframe: "1d", assetClass: "stock", candles: dailyBars(DAYS) } as const;
  await using one = await world([series], {
    now: NOW,
    symbols: { AAPL: "--asset-class stock --timeframes 1d --listed 2024-03-04" },
    ohlcv: { files: [DAILY], since: SINCE },
  });
  dir = one.dir;
  expect((await one.json("run", "ohlcv", "--from", "2024-03-07", "--to", "2024-03-12")).json.rows.inserted).toBe(3);
  await put("prices/AAPL.csv.gz", [
    "date,open,high,low,close,volume",
    ...DAYS.map((date, i) => `${date},${line(i + 40)}`),
  ]);
  const filled = await one.json("run", "ohlcv");
  // Two stretches of one file, each read for itself: three days before what is covered, four after.
  expect(filled.json.rows).toMatchObject({ received: 20, inserted: 7, updated: 0, retracted: 0 });
  const found = "select source, count(*), min(open), max(open) from market_data group by 1 order by 1";
  expect(await rows(found)).toEqual([
    ["files", 7, 140, 149],
    ["polygon", 3, 103, 105],
  ]);
  expect((await one.json("reprocess", "ohlcv")).json.stages[0].rows).toMatchObject({ unchanged: 10, updated: 0 });
  // Asked for, it restates.
  expect((await one.json("run", "ohlcv", "--again")).json.rows).toMatchObject({ updated: 3, unchanged: 7 });
  expect((await one.json("verify", "ohlcv.market_data")).exit).toBe(0);
});

it("tells a file that it cannot read, and fills the rest from others", async () => {
  await project([DAILY]);
  await mkdir(join(dir, "prices"));
  await writeFile(join(dir, "prices", "AAPL.csv.gz"), "no gzip");
  await put("prices/MSFT.csv.gz", ["date,open,high,low,closed,volume", ...DAYS.map((date, i) => `${date},${line(i)}`)]);
  await put("prices/NVDA.csv.gz", ["date,open,high,low,close,volume", ...DAYS.map((date, i) => `${date},${line(i)}`)]);
  await symbols("AAPL,MSFT,NVDA", "stock", "1d");
  const { exit, err, json } = await cli("run", "ohlcv", "--json");
  expect(err).toMatch(/files: prices\/AAPL\.csv\.gz cannot be read: incorrect header check/);
  expect(err).toMatch(/files: prices\/MSFT\.csv\.gz has no column "close" \(did you mean "closed"\?\)/);
  expect([exit, json.rows.inserted, json.gaps.after]).toEqual([3, 10, 20]);
});

it("names what is wrong in a layout by its path", async () => {
  const wrong = { ...DAILY, patern: "x", columns: { ...DAILY.columns, close: "c" }, time: { format: "epoc_ms" } };
  await project([wrong]);
  const { exit, err } = await cli("plan", "ohlcv");
  expect(exit).toBe(2);
  expect(err).toMatch(/pipelines\.ohlcv\.files\.0: nothing is called "patern" \(did you mean pattern\?\)/);
  expect(err).toMatch(/pipelines\.ohlcv\.files\.0\.columns: nothing is called "close"/);
});

function line(i: number): string {
  return `${100 + i},${102 + i},${99 + i},${101 + i},${1_000 + i}`;
}

async function project(files: readonly object[]): Promise<void> {
  const config = { now: NOW, pipelines: { ohlcv: { source: { kind: "files" }, files, since: SINCE } } };
  await writeFile(join(dir, "retrofill.config.ts"), `export default ${JSON.stringify(config)};\n`);
}

/** Writes a gzip file; its age moves by `seconds`, since two writes may share a tick of the clock. */
async function put(path: string, lines: readonly string[], seconds = 0): Promise<void> {
  const file = join(dir, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, gzipSync(`${lines.join("\n")}\n`));
  const at = new Date(Date.parse(NOW) + seconds * 1_000);
  await utimes(file, at, at);
}

async function symbols(names: string, assetClass: string, timeframes: string): Promise<void> {
  const { exit, err } = await cli(
    "symbols",
    "add",
    names,
    "--asset-class",
    assetClass,
    "--timeframes",
    timeframes,
    "--listed",
    "2024-03-04",
  );
  if (exit !== 0) throw new Error(err);
}

function cli(...args: readonly string[]): Promise<Ended> {
  return command(host, ["--project", dir, ...args]);
}

async function rows(sql: string): Promise<readonly unknown[][]> {
  const instance = await DuckDBInstance.create(join(dir, ".retrofill", "data.duckdb"), { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    const found = (await connection.runAndReadAll(sql)).getRowsJson();
    return found.map((row) =>
      row.map((value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value)),
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { DAY, HOUR, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { isStrict } from "../../engine/fetch/probe.ts";
import type { ObjectRecord, RowCounts } from "../../engine/ledger-port.ts";
import type { Source } from "../../engine/ports.ts";
import type { Store } from "../../engine/store-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonGrouped } from "../../sources/polygon/grouped.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { isOneLine } from "../bronze/bronze.ts";
import { duckdbStore } from "./duckdb-store.ts";

const grouped = polygonGrouped();
const settings = ohlcvSettings.parse({});
const LATER = instant(Date.UTC(2025, 0, 1));

let dir: string;
let store: Store;
let objects = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "grouped-records-"));
  await mkdir(join(dir, "bronze"));
  store = duckdbStore({
    path: join(dir, "data.duckdb"),
    bronze: join(dir, "bronze"),
    history: join(dir, "history"),
    lock: { hold: (_purpose, _waitMs, work) => work(1), holder: async () => null },
  });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each([true, false])(
  "a market's day becomes a bar of each asked share, on New York's day (strict: %s)",
  async (strict) => {
    const names = strict ? ["AAPL", "MSFT", "QUIET"] : ["IBM", "NVDA", "SILENT"];
    const [apple = "", microsoft = "", quiet = ""] = names;
    // A Friday in winter: the slot is [05:00, 05:00), the exchange closes at 21:00 UTC.
    const start = Date.UTC(2024, 0, 5, 5);
    const close = start + 16 * HOUR;
    const { quarantinedBy, inserted } = await publish(
      [apple, microsoft, quiet].map((symbol) => daysOf(symbol, "stock")),
      { start: instant(start), end: instant(start + DAY) },
      [bar(apple, close, 10), bar("NOBODY", close, 11), bar(microsoft, close, 12), bar(apple.toLowerCase(), close, 13)],
      strict,
    );
    expect([quarantinedBy, inserted]).toEqual([{}, 2]);
    expect(await rows(names)).toEqual([
      [apple, start, close, 10, "polygon"],
      [microsoft, start, close, 12, "polygon"],
    ]);
  },
);

it("a bar that comes again in another list, stamped elsewhere in its slot, is the same bar", async () => {
  const start = Date.UTC(2024, 0, 9, 5);
  const window = { start: instant(start), end: instant(start + DAY) };
  const share = daysOf("SAME", "stock");
  const { T: _, ...single } = bar("SAME", start, 10);
  expect(await publish([share], window, [single], true, polygonSource())).toMatchObject({ inserted: 1 });
  const again = await publish([share], window, [bar("SAME", start + 16 * HOUR, 10)], true);
  expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 1 });
  expect(await rows(["SAME"])).toEqual([["SAME", start, start, 10, "polygon"]]);
  const other = await publish([share], window, [bar("SAME", start + 16 * HOUR, 11)], true);
  expect(other).toMatchObject({ updated: 1, unchanged: 0 });
});

it.each([true, false])("a coin's day ends a millisecond before UTC midnight, or at it (strict: %s)", async (strict) => {
  const names = strict ? ["BTC", "ETH", "SOL"] : ["ADA", "DOT", "XRP"];
  const [first = "", second = "", third = ""] = names;
  const start = Date.UTC(2024, 0, 6);
  const end = start + DAY;
  const { quarantinedBy, inserted } = await publish(
    names.map((symbol) => daysOf(symbol, "crypto")),
    { start: instant(start), end: instant(end) },
    [bar(`X:${first}USD`, end - 1, 10), bar(`X:${second}USD`, end, 11), bar(`X:${third}USD`, start + 1, 12)],
    strict,
  );
  expect([quarantinedBy, inserted]).toEqual([{}, 3]);
  expect(await rows(names)).toEqual([
    [first, start, end - 1, 10, "polygon"],
    [second, start, end, 11, "polygon"],
    [third, start, start + 1, 12, "polygon"],
  ]);
});

it("a record is held against the series of its own name alone, however many a day has", async () => {
  const plans: string[] = [];
  const run = DuckDBConnection.prototype.run;
  const spy = vi.spyOn(DuckDBConnection.prototype, "run").mockImplementation(async function (
    this: DuckDBConnection,
    ...[sql, ...rest]: Parameters<typeof run>
  ) {
    if (sql.startsWith("insert into staged_t"))
      plans.push(JSON.stringify((await this.runAndReadAll(`explain ${sql}`)).getRows()));
    return run.call(this, sql, ...rest);
  });
  try {
    const start = Date.UTC(2024, 0, 7);
    const names = Array.from({ length: 200 }, (_, i) => `C${i}`);
    const { inserted } = await publish(
      names.map((symbol) => daysOf(symbol, "crypto")),
      { start: instant(start), end: instant(start + DAY) },
      names.map((name) => bar(`X:${name}USD`, start + DAY, 10)),
      true,
    );
    expect(inserted).toBe(200);
  } finally {
    spy.mockRestore();
  }
  expect(plans.length).toBeGreaterThan(0);
  for (const plan of plans) {
    expect(plan).toContain("HASH_JOIN");
    expect(plan).not.toMatch(/NESTED_LOOP_JOIN|BLOCKWISE_NL_JOIN|CROSS_PRODUCT|PIECEWISE_MERGE_JOIN|IE_JOIN/);
  }
});

async function publish(
  series: readonly Series[],
  window: Interval,
  records: readonly unknown[],
  strict: boolean,
  source: Source = grouped,
): Promise<RowCounts & { readonly quarantinedBy: object }> {
  const ordinal = ++objects;
  const path = `${ordinal}.json.gz`;
  const body = Buffer.from(JSON.stringify({ results: records }));
  await writeFile(join(dir, "bronze", path), gzipSync(body));
  expect(isStrict(JSON.parse(body.toString()).results, source.records)).toBe(true);
  const object = {
    ordinal,
    id: `r1/c${ordinal}`,
    path,
    sha256: "",
    bytes: body.byteLength,
    oneLine: isOneLine(body),
    chunkId: `r1.c${ordinal}`,
    runId: "r1",
    dataset: marketData.name,
    version: marketData.version,
    key: series[0]?.key,
    keys: series.map(({ key }) => key),
    source: source.name,
    page: 0,
    target: "/asked",
    answered: window,
    rows: records.length,
    strict,
    layout: null,
    businessNow: LATER,
    receivedAt: LATER,
  } as ObjectRecord;
  const { quarantinedBy, counts } = await store.publish({
    chunkId: `r1.b${ordinal}`,
    fence: 1,
    dataset: marketData,
    sources: new Map([[source.name, { ...source, match: source.match ?? null }]]),
    objects: [object],
    series: series.map((one) => ({ series: one, answered: [window], due: [window] })),
    suspects: null,
    restore: new Map(),
  });
  return { ...counts, quarantinedBy };
}

async function rows(symbols: readonly string[]): Promise<readonly (readonly unknown[])[]> {
  const list = symbols.map((symbol) => `'${symbol}'`).join(", ");
  const { rows: found } = await store.query(
    `select symbol, epoch_ms(ts), epoch_ms(source_ts), close, source from market_data where symbol in (${list}) order by symbol`,
  );
  return found;
}

function bar(T: string, t: number, price: number) {
  return { T, v: 100, vw: price, o: price, c: price, h: price, l: price, t, n: 5 };
}

function daysOf(symbol: string, assetClass: "stock" | "crypto"): Series {
  const pipeline = candlesOnly(settings);
  const entry = pipeline.entry(symbol, { assetClass, timeframes: ["1d"] });
  const [series] = pipeline.series(marketData.name, entry, LATER);
  if (!series) throw new Error("unreachable: one timeframe is asked");
  expect(grouped.serves(series)).toBe(true);
  return series;
}

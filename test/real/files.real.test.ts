import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { host } from "../../src/main.ts";
import { command, type Ended } from "../e2e/kit.ts";
import {
  leanNewYork,
  newYorkDay,
  plainNewYork,
  plainUtc,
  type RawBar,
  type RawFormat,
  readFiles,
  utcDay,
  withOffset,
} from "./raw-bars.ts";

// Real files as a source (RETROFILL_DATA): six folders, each with its own layout, into one project without a key. What
// must be stored is counted from the files by the readers of these tests, which share nothing with the product.

const root = process.env.RETROFILL_DATA ?? "";
const MINUTE = 60_000;
const BY_NAME = { t: "date", o: "open", h: "high", l: "low", c: "close", v: "volume" };
const NEW_YORK = "America/New_York";
const COINS = /^(ADA|AVAX|BNB|DOGE|DOT|ETH|SOL)-USD/;

interface RealLayout {
  readonly layout: Readonly<Record<string, unknown>> & { readonly pattern: string };
  readonly set: string;
  readonly format: RawFormat;
  readonly timeframe: string;
  /** The symbol of a file, or null where the layout does not take it. */
  readonly symbolOf: (file: string) => string | null;
}

const lean = ["datetime", "open", "high", "low", "close", "volume"];
const stem = (file: string): string => file.replace(/\.csv\.gz$/, "");

const LAYOUTS: readonly RealLayout[] = [
  {
    set: "lean-us-daily",
    timeframe: "1d",
    layout: {
      pattern: "{symbol}.csv.gz",
      scale: 10_000,
      columns: { ...BY_NAME, t: "datetime_ny" },
      time: { format: "%Y%m%d %H:%M", zone: NEW_YORK },
    },
    format: { columns: lean, readTime: leanNewYork, priceScale: 10_000 },
    symbolOf: (file) => stem(file).toUpperCase(),
  },
  {
    set: "lean-us-hour",
    timeframe: "1h",
    layout: {
      pattern: "{symbol}.csv.gz",
      scale: 10_000,
      columns: { ...BY_NAME, t: "datetime_ny" },
      time: { format: "%Y%m%d %H:%M", zone: NEW_YORK },
    },
    format: { columns: lean, readTime: leanNewYork, priceScale: 10_000 },
    symbolOf: (file) => stem(file).toUpperCase(),
  },
  {
    set: "eqker-1m-2019",
    timeframe: "1m",
    layout: {
      pattern: "{symbol}.csv.gz",
      columns: { ...BY_NAME, t: "datetime" },
      time: { format: "iso", zone: NEW_YORK, at: "end" },
    },
    // Stamped with the end of the minute.
    format: { columns: lean, readTime: (stamp) => plainNewYork(stamp) - MINUTE, priceScale: 1 },
    symbolOf: stem,
  },
  {
    set: "yahoo-2026",
    timeframe: "1m",
    // Its first column is Datetime in some files and date in others.
    layout: { pattern: "{symbol}_1m.csv.gz", columns: { ...BY_NAME, t: 0 } },
    format: { columns: null, readTime: withOffset, priceScale: 1 },
    symbolOf: (file) => (file.endsWith("_1m.csv.gz") ? stem(file).slice(0, -3) : null),
  },
  {
    set: "yahoo-2026",
    timeframe: "1d",
    layout: { pattern: "{symbol}_1d.csv.gz", columns: BY_NAME },
    format: { columns: null, readTime: (stamp) => Date.parse(stamp.slice(0, 10)), priceScale: 1 },
    symbolOf: (file) => (file.endsWith("_1d.csv.gz") ? stem(file).slice(0, -3) : null),
  },
  {
    set: "bitfinex-1m",
    timeframe: "1m",
    layout: {
      pattern: "{symbol}_*.csv.gz",
      header: false,
      columns: { t: 0, o: 1, c: 2, h: 3, l: 4, v: 5 },
      time: { format: "epoch_ms" },
    },
    format: { columns: ["t", "open", "close", "high", "low", "volume"], readTime: Number, priceScale: 1 },
    symbolOf: (file) => file.split("_")[0] ?? null,
  },
  {
    set: "ejtrader-fx-1h",
    timeframe: "1h",
    // The broker's clocks are not documented: read as UTC here.
    layout: { pattern: "{symbol}h1.csv.gz", scale: 1_000, columns: { ...BY_NAME, v: "tick_volume" } },
    format: {
      columns: ["date", "open", "high", "low", "close", "volume"],
      readTime: plainUtc,
      priceScale: 1_000,
    },
    symbolOf: (file) => stem(file).replace(/h1$/, ""),
  },
];

let dir: string;
let ended: Ended;
const expected = new Map<string, RawBar[]>();
let lines = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "retrofill-real-files-"));
  delete process.env.POLYGON_API_KEY;
  const files = LAYOUTS.map(({ set, timeframe, layout }, i) => ({
    name: `${set} ${timeframe} ${i}`,
    folder: join(root, "ohlcv", set),
    timeframe,
    ...layout,
  }));
  const since = Object.fromEntries(["1m", "1h", "1d"].map((name) => [name, "1998-01-01"]));
  const config = { now: "2026-04-02T00:00:00Z", pipelines: { ohlcv: { source: { kind: "files" }, files, since } } };
  await writeFile(join(dir, "retrofill.config.ts"), `export default ${JSON.stringify(config)};\n`);
  for (const one of LAYOUTS) {
    for (const file of await readdir(join(root, "ohlcv", one.set))) {
      const symbol = one.symbolOf(file);
      if (symbol === null) continue;
      const isCoin = COINS.test(symbol) || one.set === "bitfinex-1m";
      const isDay = one.timeframe === "1d" && one.set === "yahoo-2026";
      const readTime = isDay ? (isCoin ? utcDay : newYorkDay) : one.format.readTime;
      const bars = await readFiles(root, one.set, [file], { ...one.format, readTime });
      const key = `${symbol}/${one.timeframe}`;
      expected.set(key, [...(expected.get(key) ?? []), ...bars]);
      lines += bars.length;
    }
  }
  const byClass = new Map<string, Set<string>>();
  for (const key of expected.keys()) {
    const symbol = key.split("/")[0] ?? "";
    const assetClass =
      COINS.test(symbol) || /^(BTC|ETH|LTC)USD$/.test(symbol) ? "crypto" : symbol === "USDJPY" ? "fx" : "stock";
    byClass.set(assetClass, (byClass.get(assetClass) ?? new Set()).add(symbol));
  }
  for (const [assetClass, symbols] of byClass) {
    const flags = ["--asset-class", assetClass, "--timeframes", "1m,1h,1d"];
    await command(host, ["--project", dir, "symbols", "add", [...symbols].join(","), ...flags]);
  }
  ended = await command(host, ["--project", dir, "--json", "--quiet", "run", "ohlcv", "--yes"]);
}, 600_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

it("reads every line of every file, and no line twice", () => {
  const { rows, calls, errors } = ended.json;
  const said = ended.err.split("\n").filter((line) => line !== "" && !line.startsWith("alert ("));
  expect([rows.received, calls.made, errors, said]).toEqual([lines, 0, [], []]);
  expect(rows.inserted + rows.duplicate + rows.quarantined).toBe(lines);
});

it("stores exactly the bars of the files whose prices can be", async () => {
  const stored = await storedBars();
  let bars = 0;
  for (const [key, all] of expected) {
    const sound = [...new Map(all.filter(isPossible).map((bar) => [bar.t, bar])).values()].sort((a, b) => a.t - b.t);
    bars += sound.length;
    const own = stored.get(key) ?? [];
    expect([key, own.length, sumsOf(own)]).toEqual([key, sound.length, sumsOf(sound)]);
    expect([key, own.findIndex((bar, i) => JSON.stringify(bar) !== JSON.stringify(sound[i]))]).toEqual([key, -1]);
  }
  expect([...stored.values()].reduce((sum, own) => sum + own.length, 0)).toBe(bars);
});

it("knows each file's first and last bar without opening it again", async () => {
  const started = performance.now();
  const planned = await command(host, ["--project", dir, "--json", "plan", "ohlcv"]);
  expect(planned.exit).toBe(0);
  expect(planned.json.cost.calls).toBe(0);
  expect(performance.now() - started).toBeLessThan(20_000);
});

/** Whether a candle can be: by the words of the pipeline's checks. */
function isPossible({ o, h, l, c, v }: RawBar): boolean {
  return Math.min(o, h, l, c) > 0 && h >= Math.max(o, c) && l <= Math.min(o, c) && h <= 100_000 * l && v >= 0;
}

function sumsOf(bars: readonly RawBar[]): readonly number[] {
  const sums = [0, 0, 0, 0, 0, 0];
  for (const { t, o, h, l, c, v } of bars)
    for (const [i, value] of [t, o, h, l, c, v].entries()) sums[i] = (sums[i] ?? 0) + value;
  return sums;
}

async function storedBars(): Promise<ReadonlyMap<string, readonly RawBar[]>> {
  const instance = await DuckDBInstance.create(join(dir, ".retrofill", "data.duckdb"), { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const stored = new Map<string, RawBar[]>();
  try {
    const reader = await connection.runAndReadAll(
      `select symbol || '/' || timeframe, epoch_ms(ts)::double, open, high, low, close, volume
       from market_data order by 1, 2`,
    );
    const [keys = [], t = [], o = [], h = [], l = [], c = [], v = []] = reader.getColumns() as [
      string[],
      ...number[][],
    ];
    for (const [i, key] of keys.entries()) {
      const own = stored.get(key) ?? [];
      if (own.length === 0) stored.set(key, own);
      const bar = [t[i], o[i], h[i], l[i], c[i], v[i]] as [number, number, number, number, number, number];
      own.push({ t: bar[0], o: bar[1], h: bar[2], l: bar[3], c: bar[4], v: bar[5] });
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return stored;
}

import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { formatInstant, instant } from "../src/core/time/instant.ts";
import { type ServedData, type ServedSymbol, servedSymbol } from "../src/sandbox/bundled-data.ts";
import {
  type AssetClass,
  candlePath,
  type SeriesEntry,
  type Timeframe,
  writeManifest,
} from "../src/sandbox/data-directory.ts";

/** Collections of files, each read as its own description says, `demo` a choice of them. */
const SANDBOX_SETS = [
  "yahoo-2026",
  "lean-us-hour",
  "lean-us-daily",
  "bitfinex-1m",
  "us-1m-misc",
  "eqker-1m-2019",
] as const;
export type SandboxSet = (typeof SANDBOX_SETS)[number];

/** How a file writes time. */
type TimeRule = "utc-ms" | "with-offset" | "utc" | "utc-date" | "new-york" | "new-york-date" | "lean-new-york";

interface SourceSeries {
  readonly symbol: string;
  readonly assetClass: AssetClass;
  readonly timeframe: Timeframe;
  /** Files of one origin, below the set's folder. */
  readonly files: readonly string[];
  readonly time: TimeRule;
  /** Columns of a file without a header, in its order. */
  readonly columns?: readonly string[];
  /** Prices are divided by this. Default 1. */
  readonly priceScale?: number;
  /** Stamps are the end of the bar, this long after its start. */
  readonly endMs?: number;
  readonly builds?: readonly Timeframe[];
  /** Keep only bars that start in this span, milliseconds UTC. */
  readonly from?: number;
  readonly to?: number;
}

/**
 * Writes the sandbox's layout from `sets` under `fromDir` (`ohlcv/<set>/…`). Rows stay as their source has them, fillers
 * and unfinished minutes too; only what the layout forbids is changed, and the manifest's note says it. Sources that
 * cover the same ticker get symbols of their own, and no two origins meet in one series.
 */
export async function writeRealData(
  fromDir: string,
  toDir: string,
  sets: readonly SandboxSet[],
): Promise<{ readonly series: readonly SeriesEntry[]; readonly note: string }> {
  const series: SeriesEntry[] = [];
  const notes: string[] = [];
  await withDuckDb(async (connection) => {
    for (const set of sets) {
      const found = await SET_READERS[set](join(fromDir, "ohlcv", set));
      const converted = await convertAll(connection, fromDir, toDir, set, found);
      series.push(...converted.series);
      notes.push(`${set}: ${SET_NOTES[set]}`, ...converted.changes);
    }
  });
  const note = `Real data. ${notes.join(" ")}`;
  await writeManifest(toDir, { note, series });
  return { series, note };
}

/** After the New York day in which the yahoo 5 minute files end. */
const DEMO_NOW = Date.UTC(2026, 2, 21, 6);

/**
 * Writes the real data of the demonstration: a few shares and funds up to `nowMs`, and two symbols whose data end
 * before, one hourly and one coin by the minute. The same shape as `writeBundledData` returns.
 */
export async function writeRealDemoData(fromDir: string, toDir: string): Promise<ServedData> {
  const yahoo = (await SET_READERS["yahoo-2026"](join(fromDir, "ohlcv", "yahoo-2026")))
    .filter(({ symbol, timeframe }) => DEMO_YAHOO[symbol]?.includes(timeframe))
    .map((series): SourceSeries => {
      // Nothing is built from these: a few sessions of minutes make poor hours, and their holes would show in each.
      const isIntraday = series.timeframe === "1m" || series.timeframe === "5m";
      return { ...series, to: DEMO_NOW, ...(isIntraday ? { builds: [] } : {}) };
    });
  const coin = {
    ...(bitfinex("BTCUSD", ["BTCUSD_2015.csv.gz"]) satisfies SourceSeries),
    from: Date.UTC(2015, 0, 1),
    to: Date.UTC(2015, 2, 1),
  };
  const lean: readonly SourceSeries[] = [
    { ...leanEquity("ibm", "1h"), from: Date.UTC(2014, 0, 1) },
    { ...leanEquity("ibm", "1d"), from: Date.UTC(2014, 0, 1) },
  ];
  const series = await withDuckDb(async (connection) => {
    const parts = [
      await convertAll(connection, fromDir, toDir, "yahoo-2026", yahoo),
      await convertAll(connection, fromDir, toDir, "lean-us-hour", lean.slice(0, 1)),
      await convertAll(connection, fromDir, toDir, "lean-us-daily", lean.slice(1)),
      await convertAll(connection, fromDir, toDir, "bitfinex-1m", [coin]),
    ];
    return parts.flatMap((part) => part.series);
  });
  const note =
    "All bars are real: yahoo-2026 (AAPL, TSLA, SPY), lean-us-hour and lean-us-daily (IBM.LEAN, raw, to " +
    "2021-03-31) and bitfinex-1m (X:BTCUSD, January and February 2015). Bars after the demonstration's present are cut.";
  await writeManifest(toDir, { note, series });
  return { nowMs: DEMO_NOW, symbols: servedSymbols(series), note };
}

const DEMO_YAHOO: Readonly<Record<string, readonly Timeframe[]>> = {
  AAPL: ["1m", "5m", "1d"],
  TSLA: ["1m", "5m", "1d"],
  // Its minutes start after the demonstration's present.
  SPY: ["5m", "1d"],
};

const DEMO_ENDS: Readonly<Record<string, string>> = { "IBM.LEAN": "2021-04-01", "X:BTCUSD": "2015-03-01" };

function servedSymbols(series: readonly SeriesEntry[]): readonly ServedSymbol[] {
  return [...new Set(series.map(({ symbol }) => symbol))].map((symbol) => {
    const own = series.filter((entry) => entry.symbol === symbol);
    const listed = own.map(({ first }) => first.slice(0, 10)).sort()[0] ?? "";
    const delisted = DEMO_ENDS[symbol];
    return servedSymbol(own, delisted === undefined ? { listed } : { listed, delisted });
  });
}

const FUNDS = new Set(["ARKK", "IWM", "QQQ", "SPY", "SHY", "PPLT", "SLV", "TZA", "UGA", "VOO", "VXXB", "XLP", "BNO"]);

/** What SOURCES.md warns of, set by set, and what is done about it. */
const SET_NOTES: Readonly<Record<SandboxSet, string>> = {
  "yahoo-2026":
    "raw prices read by header name; date stamps become midnight New York, of coins midnight UTC; the unfinished last " +
    "minutes (volume 0) are kept; coins are named X:<BASE>USD.YAHOO, and their volume is in dollars in some files and in " +
    "coins in others.",
  "lean-us-hour":
    "prices / 10000; New York wall clock; the 09:00 bar holds 09:30 to 10:00; raw, regular hours only; named <TICKER>.LEAN.",
  "lean-us-daily":
    "prices / 10000; New York dates; raw; named <TICKER>.LEAN; AAA, BNO and FB each hold two companies, kept as they are.",
  "bitfinex-1m":
    "columns t, o, c, h, l, v; minutes without trades have no row; the years of a pair are one series with their holes.",
  "us-1m-misc":
    "each file is a symbol of its own: naive New York, naive UTC, explicit offset, three-line header; filler minutes of " +
    "volume 0 (AAPL.2025SEP) are kept.",
  "eqker-1m-2019":
    "stamps are the END of the bar in New York and are moved back one minute; newest-first rows are sorted; named <TICKER>.EQKER.",
};

const SET_READERS: Readonly<Record<SandboxSet, (dir: string) => Promise<readonly SourceSeries[]>>> = {
  "yahoo-2026": async (dir) =>
    (await filesIn(dir)).map((file) => {
      const [name = "", timeframe = ""] = file.replace(".csv.gz", "").split("_");
      const isCoin = name.endsWith("-USD");
      return {
        symbol: isCoin ? `X:${name.replace("-USD", "USD")}.YAHOO` : name,
        assetClass: isCoin ? "crypto" : FUNDS.has(name) ? "etf" : "stock",
        timeframe: timeframe as Timeframe,
        files: [file],
        time: timeframe !== "1d" ? "with-offset" : isCoin ? "utc-date" : "new-york-date",
      };
    }),
  "lean-us-hour": async (dir) => (await filesIn(dir)).map((file) => leanEquity(file.replace(".csv.gz", ""), "1h")),
  "lean-us-daily": async (dir) => (await filesIn(dir)).map((file) => leanEquity(file.replace(".csv.gz", ""), "1d")),
  "bitfinex-1m": async (dir) => {
    const files = await filesIn(dir);
    const pairs = [...new Set(files.map((file) => file.split("_")[0] ?? ""))];
    return pairs.map((pair) =>
      bitfinex(
        pair,
        files.filter((file) => file.startsWith(`${pair}_`)),
      ),
    );
  },
  "us-1m-misc": async () => [
    minutes("SPY.2025JUL", "etf", "SPY_2025-07_extended-hours.csv.gz", "new-york"),
    minutes("SPY.2025NOV", "etf", "SPY_2025-10-29_2025-11-08_across-dst.csv.gz", "utc"),
    minutes("AAPL.2025SEP", "stock", "AAPL_2025-09-26_ibkr-offset-timestamps.csv.gz", "with-offset"),
    minutes("AAPL.2025MAY", "stock", "AAPL_2025-05_yfinance-three-line-header.csv.gz", "with-offset"),
    minutes("SPY.2025MAY", "etf", "SPY_2025-05_yfinance-three-line-header.csv.gz", "with-offset"),
  ],
  "eqker-1m-2019": async (dir) =>
    (await filesIn(dir)).map((file) => {
      const name = file.replace(".csv.gz", "");
      const assetClass = name === "VIX" ? "index" : FUNDS.has(name) ? "etf" : "stock";
      return { ...minutes(`${name}.EQKER`, assetClass, file, "new-york"), endMs: 60_000 };
    }),
};

function minutes(symbol: string, assetClass: AssetClass, file: string, time: TimeRule): SourceSeries {
  return { symbol, assetClass, timeframe: "1m", files: [file], time };
}

function leanEquity(name: string, timeframe: "1h" | "1d"): SourceSeries {
  const ticker = name.toUpperCase();
  return {
    symbol: `${ticker}.LEAN`,
    assetClass: FUNDS.has(ticker) ? "etf" : "stock",
    timeframe,
    files: [`${name}.csv.gz`],
    time: "lean-new-york",
    priceScale: 10_000,
  };
}

function bitfinex(pair: string, files: readonly string[]): SourceSeries {
  const columns = ["t", "open", "close", "high", "low", "volume"];
  return { symbol: `X:${pair}`, assetClass: "crypto", timeframe: "1m", files, time: "utc-ms", columns };
}

async function filesIn(dir: string): Promise<readonly string[]> {
  return (await readdir(dir)).filter((file) => file.endsWith(".csv.gz")).sort();
}

async function withDuckDb<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
  const connection = await instance.connect();
  try {
    return await use(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function convertAll(
  connection: DuckDBConnection,
  fromDir: string,
  toDir: string,
  set: SandboxSet,
  found: readonly SourceSeries[],
): Promise<{ readonly series: readonly SeriesEntry[]; readonly changes: readonly string[] }> {
  const series: SeriesEntry[] = [];
  const changes: string[] = [];
  for (const source of found) {
    const converted = await convert(connection, join(fromDir, "ohlcv", set), toDir, set, source);
    series.push(converted.entry);
    if (converted.dropped > 0) {
      const what = `${source.symbol} ${source.timeframe}: ${converted.dropped} rows without prices or of a repeated time dropped.`;
      changes.push(what);
    }
  }
  return { series, changes };
}

async function convert(
  connection: DuckDBConnection,
  dir: string,
  toDir: string,
  set: SandboxSet,
  source: SourceSeries,
): Promise<{ readonly entry: SeriesEntry; readonly dropped: number }> {
  const file = candlePath(source.symbol, source.timeframe, "parquet");
  await mkdir(dirname(join(toDir, file)), { recursive: true });
  await connection.run(`create or replace temp table candle as ${await candleSql(connection, dir, source)}`);
  const kept = `select * from candle where o + h + l + c is not null qualify row_number() over (partition by t order by place desc) = 1`;
  await connection.run(
    `copy (select * exclude (place) from (${kept}) order by t) to ${text(join(toDir, file))} (format parquet)`,
  );
  const counts = await connection.runAndReadAll(
    `select count(*)::double, min(t)::double, max(t)::double, (select count(*) from candle)::double from read_parquet(${text(join(toDir, file))})`,
  );
  const [rows, first, last, read] = counts.getRows()[0] as [number, number | null, number | null, number];
  if (first === null || last === null)
    throw new Error(`${set}/${source.files.join(", ")}: no rows for ${source.symbol}`);
  const { symbol, assetClass, timeframe, builds } = source;
  const entry: SeriesEntry = {
    symbol,
    assetClass,
    timeframe,
    file,
    source: `${set}: ${source.files.join(", ")}`,
    adjusted: false,
    simulated: false,
    ...(builds === undefined ? {} : { builds: [...builds] }),
    first: formatInstant(instant(first)),
    last: formatInstant(instant(last)),
    rows,
  };
  return { entry, dropped: read - rows };
}

/** Rows of the files with `t` in milliseconds UTC at the bar's start, as numbers; `place` is their order. */
async function candleSql(connection: DuckDBConnection, dir: string, source: SourceSeries): Promise<string> {
  const files = `[${source.files.map((file) => text(join(dir, file))).join(", ")}]`;
  const columns = source.columns;
  const reader =
    columns === undefined
      ? `read_csv(${files}, header = true, all_varchar = true, delim = ',', null_padding = true)`
      : `read_csv(${files}, header = false, auto_detect = false, delim = ',', columns = {${columns.map((name) => `${name}: 'VARCHAR'`).join(", ")}})`;
  const names = (await connection.run(`select * from ${reader} limit 0`))
    .columnNames()
    .map((name) => name.toLowerCase());
  const column = (...candidates: readonly string[]): string | undefined =>
    candidates.find((name) => names.includes(name));
  // In files with a three-line header the first line calls the times "Price".
  const time = column("t", "datetime", "datetime_ny", "date", "price");
  if (time === undefined) throw new Error(`${source.files.join(", ")}: no column of times among ${names.join(", ")}`);
  const number = (name: string) => `"${name}"::double`;
  const price = (name: string) =>
    source.priceScale === undefined ? number(name) : `${number(name)} / ${source.priceScale}`;
  const vw = column("average");
  const n = column("barcount", "tradesdone");
  const bounds = [
    ...(source.from === undefined ? [] : [`t >= ${source.from}`]),
    ...(source.to === undefined ? [] : [`t < ${source.to}`]),
  ];
  return `
    with row as (select *, row_number() over () as place from ${reader} where regexp_matches("${time}", '^[0-9]'))
    select * from (select ${timeSql(source.time, `"${time}"`)} - ${source.endMs ?? 0} as t,
      ${price("open")} as o, ${price("high")} as h, ${price("low")} as l, ${price("close")} as c, ${number("volume")} as v,
      ${vw === undefined ? "" : `${number(vw)} as vw,`} ${n === undefined ? "" : `${number(n)} as n,`} place
    from row) ${bounds.length === 0 ? "" : `where ${bounds.join(" and ")}`}`;
}

function timeSql(rule: TimeRule, column: string): string {
  switch (rule) {
    case "utc-ms":
      return `${column}::bigint`;
    case "with-offset":
      return `epoch_ms(${column}::timestamptz)`;
    case "utc":
      return `epoch_ms(${column}::timestamp)`;
    case "utc-date":
      return `epoch_ms(left(${column}, 10)::timestamp)`;
    case "new-york":
      return `epoch_ms(timezone('America/New_York', ${column}::timestamp))`;
    case "new-york-date":
      return `epoch_ms(timezone('America/New_York', left(${column}, 10)::timestamp))`;
    case "lean-new-york":
      return `epoch_ms(timezone('America/New_York', strptime(${column}, '%Y%m%d %H:%M')))`;
    default:
      return rule satisfies never;
  }
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      from: { type: "string", default: process.env.RETROFILL_DATA ?? "" },
      to: { type: "string", default: "" },
      set: { type: "string", multiple: true, default: [...SANDBOX_SETS] },
    },
  });
  const { from, to, set } = values;
  const unknown = set.filter((name) => name !== "demo" && !(SANDBOX_SETS as readonly string[]).includes(name));
  const problems = [
    ...(existsSync(join(from, "ohlcv")) ? [] : [`--from or RETROFILL_DATA must hold a folder ohlcv (is '${from}')`]),
    ...(to === "" ? ["--to must name the folder to write"] : []),
    ...unknown.map((name) => `unknown set '${name}' (sets: ${SANDBOX_SETS.join(", ")}, demo)`),
    ...(set.includes("demo") && set.length > 1 ? ["demo is a choice of the other sets: give it alone"] : []),
  ];
  if (problems.length > 0) {
    console.error(problems.join("\n"));
    process.exitCode = 2;
    return;
  }
  const written = set.includes("demo")
    ? await writeRealDemoData(from, to)
    : await writeRealData(from, to, set as SandboxSet[]);
  console.log(JSON.stringify(written, null, 2));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();

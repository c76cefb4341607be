import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, relative } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { z } from "zod";
import type { CandleSeries } from "./candle-series.ts";
import { type EventsFile, type EventsInput, eventsSchema, NO_EVENTS, type TickerEvents } from "./events.ts";

/** Name of the manifest in a directory of candles. */
export const MANIFEST = "manifest.json";

export const TIMEFRAMES = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"] as const;
export type Timeframe = (typeof TIMEFRAMES)[number];

const ASSET_CLASSES = ["stock", "etf", "index", "crypto", "forex"] as const;
export type AssetClass = (typeof ASSET_CLASSES)[number];

const MANIFEST_FILE = "manifest.json";
const EVENTS_FILE = "events.json";

const isoInstant = z.iso.datetime({ offset: false, error: "expected UTC time like 2018-05-11T13:30:00Z" });

const seriesSchema = z
  .strictObject({
    /** The provider's ticker, for example `AAPL`, `X:BTCUSD`, `C:EURUSD`. */
    symbol: z.string().min(1),
    assetClass: z.enum(ASSET_CLASSES),
    timeframe: z.enum(TIMEFRAMES),
    /** Path inside the directory, with forward slashes. */
    file: z.string().regex(/\.(csv|csv\.gz|parquet)$/, "expected a .csv, .csv.gz or .parquet file"),
    /** Where the rows come from, in words. */
    source: z.string().min(1),
    /** Split-adjusted, or as traded. */
    adjusted: z.boolean(),
    simulated: z.boolean(),
    /** Zone of the source's days; default America/New_York, UTC for crypto and forex. */
    zone: z.string().refine(isZone, "not a time zone of this Node.js").optional(),
    /** Larger timeframes made from this file when they have none of their own; absent = the finest file serves all. */
    builds: z.array(z.enum(TIMEFRAMES)).optional(),
    /** Start of the first and of the last bar the source can answer. */
    first: isoInstant,
    last: isoInstant,
    rows: z.int().nonnegative(),
  })
  .refine((s) => Date.parse(s.first) <= Date.parse(s.last), { path: ["last"], error: "is before first" })
  .refine((s) => isInside(s.file), { path: ["file"], error: "must stay inside the data directory" });

const manifestSchema = z
  .strictObject({ note: z.string(), series: z.array(seriesSchema).min(1) })
  .superRefine((manifest, context) => {
    const seen = new Map<string, number>();
    manifest.series.forEach((series, i) => {
      const name = `${series.symbol} ${series.timeframe}`;
      const earlier = seen.get(name);
      if (earlier === undefined) seen.set(name, i);
      else {
        const message = `${name} is already series[${earlier}]: series of different origin need different symbols`;
        context.addIssue({ code: "custom", path: ["series", i], message });
      }
    });
  });

export type Manifest = z.infer<typeof manifestSchema>;
export type SeriesEntry = Manifest["series"][number];

/** The directory, its manifest or a file in it cannot be served; `problems` names each one. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
  readonly problems: readonly string[];

  constructor(dir: string, problems: readonly string[]) {
    super(`${dir} cannot be served:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** A directory whose manifest has been read; the candles of a series are read when first asked for, and kept. */
export interface DataDirectory {
  readonly manifest: Manifest;
  /** All series of a ticker; empty when there is no such ticker. */
  entriesOf(symbol: string): readonly SeriesEntry[];
  /** What `events.json` says of each ticker; nothing without that file. */
  readonly events: ReadonlyMap<string, TickerEvents>;
  /** @throws DataDirectoryError when the file does not hold what the manifest says. */
  load(entry: SeriesEntry): Promise<CandleSeries>;
  close(): Promise<void>;
}

/**
 * Opens `dir` after checking the whole manifest, that its files are there, and the events where there are any.
 * @throws DataDirectoryError with every problem found
 */
export async function openDataDirectory(dir: string): Promise<DataDirectory> {
  const manifest = await readManifest(dir);
  const events = await readEvents(dir);
  const bySymbol = new Map<string, SeriesEntry[]>();
  for (const entry of manifest.series) bySymbol.set(entry.symbol, [...(bySymbol.get(entry.symbol) ?? []), entry]);
  const loaded = new Map<SeriesEntry, Promise<CandleSeries>>();
  let database: Promise<DuckDBInstance> | undefined;
  return {
    manifest,
    entriesOf: (symbol) => bySymbol.get(symbol) ?? [],
    events: new Map(Object.entries(events.tickers)),
    load(entry) {
      let series = loaded.get(entry);
      if (series === undefined) {
        database ??= DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
        series = database.then((instance) => readCandles(instance, dir, entry));
        loaded.set(entry, series);
      }
      return series;
    },
    async close() {
      await Promise.allSettled(loaded.values());
      loaded.clear();
      (await database)?.closeSync();
    },
  };
}

/** Writes `dir/manifest.json`. */
export async function writeManifest(dir: string, manifest: Manifest): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Writes `dir/events.json`. */
export async function writeEvents(dir: string, events: EventsInput): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, EVENTS_FILE), `${JSON.stringify(events, null, 2)}\n`);
}

/** `candles/X_BTCUSD/1m.csv`: where the layout puts a series. */
export function candlePath(symbol: string, timeframe: Timeframe, extension: "csv" | "csv.gz" | "parquet"): string {
  return `candles/${symbol.replaceAll(/[^A-Za-z0-9.-]/g, "_")}/${timeframe}.${extension}`;
}

/** Zone of the days, weeks and dates of a series. */
export function zoneOf(entry: SeriesEntry): string {
  return entry.zone ?? (entry.assetClass === "crypto" || entry.assetClass === "forex" ? "UTC" : "America/New_York");
}

/** Writes one series of rows as CSV under `dir` and returns its path inside. Rows ascend by `t`. */
export async function writeCandleCsv(
  dir: string,
  symbol: string,
  timeframe: Timeframe,
  rows: Iterable<readonly [t: number, o: number, h: number, l: number, c: number, v: number]>,
): Promise<string> {
  const file = candlePath(symbol, timeframe, "csv");
  await mkdir(dirname(join(dir, file)), { recursive: true });
  const lines = ["t,o,h,l,c,v"];
  for (const row of rows) lines.push(row.join(","));
  await writeFile(join(dir, file), `${lines.join("\n")}\n`);
  return file;
}

async function readManifest(dir: string): Promise<Manifest> {
  const parsed = manifestSchema.safeParse(await readJson(dir, MANIFEST_FILE));
  const problems = parsed.success
    ? await missingFiles(dir, parsed.data)
    : parsed.error.issues.map((issue) => `${MANIFEST_FILE} ${pathText(issue.path)}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) throw new DataDirectoryError(dir, problems);
  return parsed.data;
}

async function readEvents(dir: string): Promise<EventsFile> {
  const found = await stat(join(dir, EVENTS_FILE)).catch(() => null);
  if (found === null) return NO_EVENTS;
  const parsed = eventsSchema.safeParse(await readJson(dir, EVENTS_FILE));
  if (parsed.success) return parsed.data;
  throw new DataDirectoryError(
    dir,
    parsed.error.issues.map((issue) => `${EVENTS_FILE} ${pathText(issue.path)}: ${issue.message}`),
  );
}

async function readJson(dir: string, file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dir, file), "utf8"));
  } catch (cause) {
    throw new DataDirectoryError(dir, [`${file}: ${cause instanceof Error ? cause.message : String(cause)}`]);
  }
}

async function missingFiles(dir: string, manifest: Manifest): Promise<string[]> {
  const checks = manifest.series.map(async ({ file }, i) => {
    const found = await stat(join(dir, file)).catch(() => null);
    return found?.isFile() ? [] : [`manifest.json series[${i}].file: ${file} is not there`];
  });
  return (await Promise.all(checks)).flat();
}

async function readCandles(instance: DuckDBInstance, dir: string, entry: SeriesEntry): Promise<CandleSeries> {
  const connection = await instance.connect();
  try {
    const path = join(dir, entry.file).replaceAll("'", "''");
    const isParquet = entry.file.endsWith(".parquet");
    const header = isParquet
      ? `read_parquet('${path}')`
      : `read_csv('${path}', header = true, all_varchar = true, delim = ',')`;
    const names = (await connection.run(`select * from ${header} limit 0`)).columnNames();
    const missing = ["t", "o", "h", "l", "c", "v"].filter((name) => !names.includes(name));
    if (missing.length > 0) {
      throw new Error(
        `column ${missing.join(", ")} missing (header is ${names.join(",")}, expected t,o,h,l,c,v[,vw,n])`,
      );
    }
    // Types are given, not sniffed: a volume that is whole in the first rows may be fractional later.
    const types = names.map((name) => `'${name.replaceAll("'", "''")}': 'DOUBLE'`).join(", ");
    const from = isParquet
      ? header
      : `read_csv('${path}', header = true, auto_detect = false, delim = ',', columns = {${types}})`;
    const wanted = ["t", "o", "h", "l", "c", "v", "vw", "n"].filter((name) => names.includes(name));
    const select = wanted.map((name) => `"${name}"::double`).join(", ");
    const columns = wanted.map(() => new Float64Array(entry.rows));
    const length = await fillColumns(await connection.stream(`select ${select} from ${from}`), columns);
    if (length !== entry.rows) throw new Error(`holds ${length} rows, the manifest says ${entry.rows}`);
    const series = {
      length,
      ...Object.fromEntries(wanted.map((name, i) => [name, columns[i]])),
    } as unknown as CandleSeries;
    const problem = seriesProblem(series, entry);
    if (problem !== null) throw new Error(problem);
    return series;
  } catch (cause) {
    throw new DataDirectoryError(dir, [`${entry.file}: ${cause instanceof Error ? cause.message : String(cause)}`]);
  } finally {
    connection.closeSync();
  }
}

type CandleStream = Awaited<ReturnType<Awaited<ReturnType<DuckDBInstance["connect"]>>["stream"]>>;

/** Rows read; beyond the columns' length they are only counted. */
async function fillColumns(stream: CandleStream, columns: readonly Float64Array[]): Promise<number> {
  let length = 0;
  for (;;) {
    const chunk = await stream.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return length;
    const room = Math.max(0, (columns[0]?.length ?? 0) - length);
    columns.forEach((column, i) => {
      const vector = chunk.getColumnVector(i);
      for (let row = 0; row < Math.min(room, chunk.rowCount); row++) {
        const value = vector.getItem(row);
        column[length + row] = typeof value === "number" ? value : Number.NaN;
      }
    });
    length += chunk.rowCount;
  }
}

function seriesProblem(series: CandleSeries, entry: SeriesEntry): string | null {
  const first = Date.parse(entry.first);
  const last = Date.parse(entry.last);
  for (let i = 0; i < series.length; i++) {
    const t = series.t[i] as number;
    if (!Number.isInteger(t)) return `row ${i + 1}: t = ${t} is not whole milliseconds`;
    if (i > 0 && t <= (series.t[i - 1] as number)) return `row ${i + 1}: t = ${t} does not ascend`;
    if (t < first || t > last) return `row ${i + 1}: t = ${t} is outside the manifest's ${entry.first}..${entry.last}`;
    if (
      Number.isNaN(
        (series.o[i] as number) + (series.h[i] as number) + (series.l[i] as number) + (series.c[i] as number),
      )
    ) {
      return `row ${i + 1}: a price is missing`;
    }
  }
  return null;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`))
    .join("");
}

/** Whether a file that a manifest names lies in its folder. */
export function isInside(file: string): boolean {
  const path = relative(".", file);
  return !isAbsolute(file) && !path.startsWith("..");
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

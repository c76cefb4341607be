import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatInstant, instant, MINUTE } from "../core/time/instant.ts";
import { type SeriesEntry, writeCandleCsv, writeEvents, writeManifest } from "./data-directory.ts";
import type { EventsInput } from "./events.ts";
import type { CandleRow } from "./simulate.ts";
import { type Sandbox, type SandboxOptions, startSandbox } from "./start-sandbox.ts";

/** A series for a test: its rows, and what is not the usual of it. */
export type SmallSeries = Partial<SeriesEntry> & {
  readonly symbol: string;
  readonly timeframe: SeriesEntry["timeframe"];
  readonly candles: readonly CandleRow[];
};

/** A new directory in the sandbox's layout; series are raw stocks unless they say otherwise. */
export async function writeSmallWorld(
  series: readonly SmallSeries[],
  events?: EventsInput["tickers"],
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sandbox-"));
  const entries: SeriesEntry[] = [];
  for (const { candles, ...given } of series) {
    const file = await writeCandleCsv(dir, given.symbol, given.timeframe, candles);
    entries.push({
      assetClass: "stock",
      source: "made for a test",
      adjusted: false,
      simulated: true,
      file,
      first: isoOf(candles[0]),
      last: isoOf(candles[candles.length - 1]),
      rows: candles.length,
      ...given,
    });
  }
  await writeManifest(dir, { note: "made for a test", series: entries });
  if (events !== undefined) await writeEvents(dir, { tickers: events });
  return dir;
}

/** A sandbox over a new small world. */
export async function startSmallSandbox(
  series: readonly SmallSeries[],
  { events, ...options }: Omit<SandboxOptions, "dataDir"> & { readonly events?: EventsInput["tickers"] } = {},
): Promise<Sandbox> {
  return await startSandbox({ dataDir: await writeSmallWorld(series, events), ...options });
}

/** A candle for each minute from `start`, prices and volumes telling its place. */
export function minuteCandles(start: string, count: number, isThere: (i: number) => boolean = () => true): CandleRow[] {
  return Array.from({ length: count }, (_, i) => i)
    .filter(isThere)
    .map((i) => [Date.parse(start) + i * MINUTE, 100 + i, 101 + i, 99 + i, 100.5 + i, 10 + i]);
}

/** A candle at each of `starts`. */
export function candlesAt(starts: readonly string[]): CandleRow[] {
  return starts.map((start, i) => [Date.parse(start), 10 + i, 12 + i, 9 + i, 11 + i, 1000 + i]);
}

/** What a test reads of an answer. */
export interface ReadAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields that they expect to be there
  readonly body: any;
}

/** Asks with a key; `body` is undefined when the text is not JSON. */
export async function ask(sandbox: Sandbox, path: string, key = "test-key"): Promise<ReadAnswer> {
  const url = path.startsWith("http") ? path : `${sandbox.url}${path}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${key}` }, redirect: "manual" });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, body: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isoOf(row: CandleRow | undefined): string {
  return formatInstant(instant(row?.[0] ?? 0));
}

import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DAY, formatInstant, HOUR, instant, MINUTE } from "../core/time/instant.ts";
import { fromLocalMs, parseDate, startOfLocalDate } from "../core/time/zone.ts";
import { chooseSeriesFor } from "./choose-series.ts";
import {
  type AssetClass,
  type SeriesEntry,
  TIMEFRAMES,
  type Timeframe,
  writeCandleCsv,
  writeManifest,
} from "./data-directory.ts";
import { type CandleRow, type SessionBar, simulateCoin, simulateSessions } from "./simulate.ts";

/** A ticker that a data directory can answer, with what a configuration must say of it. */
export interface ServedSymbol {
  readonly symbol: string;
  readonly assetClass: AssetClass;
  /** Timeframes that are answered, built ones too. */
  readonly timeframes: readonly Timeframe[];
  /** Value of `adjusted` that is answered. */
  readonly adjusted: boolean;
  /** Date of the first bar of any timeframe, in the series' zone. */
  readonly listed: string;
  /** First date without bars, in the series' zone, where the data end before `nowMs`. */
  readonly delisted?: string;
  /** Start of the first bar of each timeframe: earlier ranges are refused. */
  readonly since: Readonly<Partial<Record<Timeframe, string>>>;
}

/** What a written data directory is good for. */
export interface ServedData {
  /** The present that suits the data: pin the business clock and the sandbox to it. */
  readonly nowMs: number;
  readonly symbols: readonly ServedSymbol[];
  /** What is real, what is simulated, and where it comes from. */
  readonly note: string;
}

export interface BundledDataOptions {
  /** Sessions of simulated minutes. Default 60. */
  readonly sessions?: number;
  /** Days of the simulated coin. Default 90. */
  readonly coinDays?: number;
  readonly seed?: number;
}

const NEW_YORK = "America/New_York";
const LAST_DATE = "2018-05-11";

/** After the day of the last session has ended in New York. */
const NOW = instant(Date.UTC(2018, 4, 12, 6));

const AAPL_SOURCE = "npm @observablehq/sample-datasets 1.0.1, aapl.csv (Yahoo Finance; split-adjusted, real)";
const SPX_SOURCE = "npm vega-datasets, data/sp500-2000.csv (Yahoo Finance ^GSPC, real)";
const SIMULATED = "simulated by this program (src/sandbox/simulate.ts)";

/**
 * Writes a data directory from what npm packages ship: real daily bars of AAPL, of the S&P 500 where `vega-datasets` is
 * installed, simulated minutes that add up to the last of those days, and a simulated coin. The same every time.
 */
export async function writeBundledData(dir: string, options: BundledDataOptions = {}): Promise<ServedData> {
  const { sessions = 60, coinDays = 90, seed = 1 } = options;
  const series: SeriesEntry[] = [];
  const symbols: ServedSymbol[] = [];

  for (const [i, { symbol, assetClass, adjusted, source, days }] of (await realDailies()).entries()) {
    const daily = days.map(({ date, bar }): CandleRow => {
      return [startOfLocalDate(NEW_YORK, date), bar.o, bar.h, bar.l, bar.c, bar.v];
    });
    const minutes = simulateSessions(days.slice(-sessions).map(sessionOf), { seed: seed + i });
    const traits = { symbol, assetClass, adjusted };
    const written = [
      await writeSeries(
        dir,
        { ...traits, timeframe: "1m", simulated: true, source: `${SIMULATED} from ${source}` },
        minutes,
      ),
      await writeSeries(dir, { ...traits, timeframe: "1d", simulated: false, source }, daily),
    ];
    series.push(...written);
    symbols.push(servedSymbol(written, { listed: days[0]?.date ?? LAST_DATE }));
  }

  const from = instant(Math.floor(NOW / DAY) * DAY - coinDays * DAY);
  const coin = simulateCoin({ seed: seed + 100, from, to: NOW, startPrice: 1000 });
  const traits = { symbol: "X:SIMUSD", assetClass: "crypto", adjusted: false, simulated: true } as const;
  const written = [
    await writeSeries(dir, { ...traits, timeframe: "1m", source: SIMULATED }, coin),
    await writeSeries(
      dir,
      { ...traits, timeframe: "1d", source: `${SIMULATED}, summed from its minutes` },
      utcDays(coin),
    ),
  ];
  series.push(...written);
  symbols.push(servedSymbol(written, { listed: new Date(from).toISOString().slice(0, 10) }));

  const names = symbols.map(({ symbol }) => symbol).filter((symbol) => symbol !== "X:SIMUSD");
  const note =
    `Daily bars of ${names.join(" and ")} are real. Their minutes (the last ${sessions} sessions; early closes ignored) ` +
    `are simulated so that they add up to those days, and X:SIMUSD is simulated altogether: nothing intraday happened.`;
  await writeManifest(dir, { note, series });
  return { nowMs: NOW, symbols, note };
}

/** What a configuration must know of one ticker's series. */
export function servedSymbol(
  series: readonly SeriesEntry[],
  life: { readonly listed: string; readonly delisted?: string },
): ServedSymbol {
  const [any] = series;
  if (any === undefined) throw new Error("unreachable: a symbol without series");
  const since: Partial<Record<Timeframe, string>> = {};
  for (const timeframe of TIMEFRAMES) {
    const entry = chooseSeriesFor(series, timeframe);
    if (entry !== null) since[timeframe] = entry.first;
  }
  const timeframes = TIMEFRAMES.filter((timeframe) => since[timeframe] !== undefined);
  const { symbol, assetClass, adjusted } = any;
  return { symbol, assetClass, timeframes, adjusted, ...life, since };
}

interface DailySource {
  readonly symbol: string;
  readonly assetClass: AssetClass;
  readonly adjusted: boolean;
  readonly source: string;
  /** Oldest first. */
  readonly days: readonly DailyBar[];
}

interface DailyBar {
  readonly date: string;
  readonly bar: SessionBar["bar"];
}

async function realDailies(): Promise<readonly DailySource[]> {
  const { resolve } = createRequire(import.meta.url);
  const aapl = await readDailies(resolve("@observablehq/sample-datasets/aapl.csv"));
  const sources: DailySource[] = [
    { symbol: "AAPL", assetClass: "stock", adjusted: true, source: AAPL_SOURCE, days: aapl },
  ];
  const spx = await spxFile(resolve);
  if (spx !== null) {
    const days = await readDailies(spx);
    sources.push({ symbol: "I:SPX", assetClass: "index", adjusted: false, source: SPX_SOURCE, days });
  }
  return sources;
}

/** The file in `vega-datasets`, which only a checkout has: an installed package goes without it. */
async function spxFile(resolve: NodeJS.RequireResolve): Promise<string | null> {
  try {
    const file = join(dirname(resolve("vega-datasets")), "..", "data", "sp500-2000.csv");
    return (await stat(file)).isFile() ? file : null;
  } catch {
    return null;
  }
}

/** Bars up to the last date of the bundle, by the header's names in any case. */
async function readDailies(file: string): Promise<readonly DailyBar[]> {
  const [header = "", ...lines] = (await readFile(file, "utf8")).trim().split(/\r?\n/);
  const names = header.toLowerCase().split(",");
  const at = (name: string) => names.indexOf(name);
  return lines
    .map((line) => line.split(","))
    .filter((cells) => (cells[at("date")] ?? "") <= LAST_DATE)
    .map((cells) => {
      const value = (name: string) => Number(cells[at(name)]);
      const bar = { o: value("open"), h: value("high"), l: value("low"), c: value("close"), v: value("volume") };
      return { date: cells[at("date")] ?? "", bar };
    });
}

/** A full day of the exchange: none of the last 60 sessions before May 2018 closed early. */
function sessionOf({ date, bar }: DailyBar): SessionBar {
  const midnight = parseDate(date);
  return {
    open: fromLocalMs(NEW_YORK, midnight + 9 * HOUR + 30 * MINUTE),
    close: fromLocalMs(NEW_YORK, midnight + 16 * HOUR),
    bar,
  };
}

type SeriesTraits = Pick<SeriesEntry, "symbol" | "assetClass" | "adjusted" | "simulated" | "source" | "timeframe">;

async function writeSeries(dir: string, traits: SeriesTraits, rows: readonly CandleRow[]): Promise<SeriesEntry> {
  const file = await writeCandleCsv(dir, traits.symbol, traits.timeframe, rows);
  const first = formatInstant(instant(rows[0]?.[0] ?? NOW));
  const last = formatInstant(instant(rows[rows.length - 1]?.[0] ?? NOW));
  return { ...traits, file, first, last, rows: rows.length };
}

function utcDays(minutes: readonly CandleRow[]): readonly CandleRow[] {
  const days: [number, number, number, number, number, number][] = [];
  for (const [t, o, h, l, c, v] of minutes) {
    const start = Math.floor(t / DAY) * DAY;
    const day = days[days.length - 1];
    if (day?.[0] !== start) {
      days.push([start, o, h, l, c, v]);
      continue;
    }
    day[2] = Math.max(day[2], h);
    day[3] = Math.min(day[3], l);
    day[4] = c;
    day[5] = Math.round((day[5] + v) * 1e4) / 1e4;
  }
  return days;
}

import { parseLimits } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { RecordShape, Source } from "../../engine/ports.ts";
import { BAR_FIELDS } from "./bars.ts";
import { readAggregates } from "./classify.ts";
import { firstPage, type PageQuery, TIMEFRAMES, type Timeframe } from "./pages.ts";
import { type AssetClass, assetClassOf, tickerOf } from "./tickers.ts";
import { coverGaps } from "./windows.ts";

export interface PolygonSettings {
  /** Split-adjusted bars. Default false: a split would change every earlier bar. Indices have no such choice. */
  readonly adjusted?: boolean;
  /** Base bars read per request, 1 to 50,000. Default 50,000. */
  readonly limit?: number;
  /** Base minute bars of the longest day per asset class, 1 to 1,440; those left out keep their default. */
  readonly minutesPerDay?: Partial<Readonly<Record<AssetClass, number>>>;
  /** The money that a coin or a currency without a pair is priced in. Default USD. */
  readonly quote?: string;
}

/** The address; `https://api.massive.com` takes the same keys and paths. */
export const POLYGON_BASE_URL = "https://api.polygon.io";

/** Requests allowed by the free plan, and what the pipeline uses unless told otherwise: 2.5 a second, evenly. */
export const POLYGON_LIMITS = { free: parseLimits("5/min"), pipeline: parseLimits("5/2s") } as const;

/** A page holds at most this many bars: the provider's largest `limit`. */
export const POLYGON_MAX_LIMIT = 50_000;

// Stocks trade from 04:00 to 20:00 New York; the other two are open on every minute of a trading day.
const MINUTES_PER_DAY: Readonly<Record<AssetClass, number>> = {
  stock: 960,
  etf: 960,
  index: 960,
  crypto: 1_440,
  fx: 1_440,
};

const RECORDS: RecordShape = {
  path: "results",
  fields: BAR_FIELDS,
  stamp: "t",
};

/** The header that carries the key: in a header it stays out of URLs and logs. */
export function polygonAuth(key: string): { readonly name: string; readonly value: string } {
  return { name: "authorization", value: `Bearer ${key}` };
}

/**
 * Polygon (now Massive) aggregates in the eight timeframes, for series with the parts `symbol` and `timeframe` and the
 * asset class in `ask.assetClass`.
 * @throws RetrofillError CONFIG_INVALID naming every setting that is out of bounds
 */
export function polygonSource(settings: PolygonSettings = {}): Source {
  const { adjusted = false, limit = POLYGON_MAX_LIMIT, quote = "USD" } = settings;
  const minutesPerDay = { ...MINUTES_PER_DAY, ...settings.minutesPerDay };
  checkSettings({ limit, minutesPerDay, quote });

  const read = (series: Series): { ticker: string; timeframe: Timeframe; assetClass: AssetClass; query: PageQuery } => {
    const symbol = series.parts.symbol ?? series.entry;
    const assetClass = assetClassOf(series.ask.assetClass, symbol);
    return {
      ticker: tickerOf(symbol, assetClass, quote),
      timeframe: timeframeOf(series),
      assetClass,
      query: { adjusted: assetClass === "index" ? null : adjusted, limit },
    };
  };

  return {
    name: "polygon",
    system: "polygon",
    serves: () => true,
    records: RECORDS,
    silentCaps: [1_000, 5_000, 50_000],
    windows(series, gaps) {
      return coverGaps(series.axis.grid, gaps, { limit, minutesPerDay: minutesPerDay[read(series).assetClass] });
    },
    request(series, window) {
      const { ticker, timeframe, query } = read(series);
      return firstPage(ticker, timeframe, window, query);
    },
    classify(series, request, answer) {
      const { ticker, query } = read(series);
      return readAggregates(answer, { request, ticker, axis: series.axis, query });
    },
  };
}

function timeframeOf(series: Series): Timeframe {
  const timeframe = series.parts.timeframe ?? series.axis.grid.grain;
  if (Object.hasOwn(TIMEFRAMES, timeframe)) return timeframe as Timeframe;
  throw new RetrofillError("CONFIG_INVALID", `${series.key}: Polygon has no timeframe "${timeframe}"`, {
    hint: `one of ${Object.keys(TIMEFRAMES).join(", ")}`,
    context: { series: series.key },
  });
}

function checkSettings(settings: {
  limit: number;
  minutesPerDay: Readonly<Record<AssetClass, number>>;
  quote: string;
}): void {
  const problems: string[] = [];
  const within = (name: string, value: number, max: number): void => {
    if (!Number.isInteger(value) || value < 1 || value > max) {
      problems.push(`${name} is ${value}, expected a whole number from 1 to ${max}`);
    }
  };
  within("limit", settings.limit, POLYGON_MAX_LIMIT);
  for (const [name, minutes] of Object.entries(settings.minutesPerDay)) within(`minutesPerDay.${name}`, minutes, 1_440);
  if (!/^[A-Z]{3,5}$/.test(settings.quote)) problems.push(`quote is "${settings.quote}", expected a code such as USD`);
  if (problems.length > 0) {
    throw new RetrofillError("CONFIG_INVALID", `polygon settings: ${problems.join("; ")}`);
  }
}

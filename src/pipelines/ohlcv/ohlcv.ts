import { z } from "zod";
import { calendarNamed } from "../../core/calendar/calendars.ts";
import type { Axis } from "../../core/dataset/axis.ts";
import type { Pipeline, RegistryEntry } from "../../core/dataset/pipeline.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { slotsOfSession as slotsOfSessionOn } from "../../core/dataset/slot-numbers.ts";
import { RetrofillError } from "../../core/errors.ts";
import { nominalMs } from "../../core/time/grid.ts";
import { DAY, HOUR, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { startOfLocalDate } from "../../core/time/zone.ts";
import { adjusted, adjustmentFactors } from "./adjusted.ts";
import { dividends, earnings, stockSplits } from "./events.ts";
import { ohlcvJobs, retiredJobs } from "./jobs.ts";
import { marketData } from "./market-data.ts";
import { marketDataV2 } from "./market-data-v2.ts";
import { SYMBOL_FIELDS } from "./registry.ts";
import { restatementRules } from "./restatements.ts";
import {
  ASSET_CLASSES,
  type AssetClass,
  DEFAULT_SINCE,
  lookbackMs,
  type OhlcvSettings,
  reachBack,
  settleMs,
  TIMEFRAMES,
  type Timeframe,
} from "./settings.ts";

const date = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, "expected a date such as 1980-12-12");

/** What the registry holds of a symbol. */
const symbolAttributes = z.strictObject({
  assetClass: z.enum(ASSET_CLASSES).default("stock"),
  /** Calendar, when it is not the asset class's own. */
  calendar: z.string().optional(),
  /** First and last local day of its life; it owes nothing outside. `delisted` is the first day without it. */
  listed: date.optional(),
  delisted: date.optional(),
  timeframes: z
    .array(z.enum(TIMEFRAMES))
    .nonempty()
    .default([...TIMEFRAMES]),
  /** Who is asked for it, when it is not the project's own source; `files` asks nobody. */
  source: z.enum(["polygon", "binance", "files"]).optional(),
  /** First instant that the source serves, by timeframe, when it differs from the project's depth. */
  depth: z.partialRecord(z.enum(TIMEFRAMES), z.string()).optional(),
});

type SymbolAttributes = z.infer<typeof symbolAttributes>;

/** Beyond any listing: lifetimes without a known end reach here. */
const FAR_PAST = instant(Date.UTC(1970, 0, 1));
const FAR_FUTURE = instant(Date.UTC(2100, 0, 1));

/** What the composition root adds to a project's settings: who is asked for what. */
export interface OhlcvSources {
  /** The system that is asked for candles where a symbol names none. */
  readonly source: string;
  /** Whether the source's prices are adjusted already: then there is nothing to adjust. */
  readonly adjusted: boolean;
  /** Who is asked for corporate events; null: nobody. */
  readonly events: {
    readonly dividends: string | null;
    readonly splits: string | null;
    readonly earnings: string | null;
  };
}

type Settings = OhlcvSettings & OhlcvSources;

/** Candles by symbol and timeframe from a rate-limited market API. */
export function ohlcvPipeline(settings: Settings): Pipeline {
  const adjusting = settings.adjusted ? [] : [adjustmentFactors, adjusted];
  return {
    name: "ohlcv",
    description: "candles in eight timeframes, gaps found and repaired, features, corporate events, adjusted series",
    datasets: [marketData, marketDataV2, dividends, stockSplits, earnings, ...adjusting],
    main: marketData.name,
    noun: { one: "symbol", many: "symbols" },
    example: "AAPL --asset-class stock",
    fields: SYMBOL_FIELDS,
    narrowing: { flag: "timeframes", part: "timeframe", values: TIMEFRAMES },

    entry(key, attributes) {
      const parsed = symbolAttributes.safeParse(attributes);
      const problems = parsed.success ? [] : parsed.error.issues.map((one) => `${one.path.join(".")}: ${one.message}`);
      if (!/^[A-Z0-9][A-Z0-9.:/_-]*$/.test(key))
        problems.push(`"${key}" is not a symbol: letters, digits and . : / _ -`);
      if (parsed.success && parsed.data.calendar !== undefined) {
        try {
          calendarNamed(parsed.data.calendar);
        } catch (error) {
          problems.push((error as Error).message);
        }
      }
      if (parsed.success) problems.push(...sourceProblems(parsed.data, settings.source));
      if (problems.length > 0 || !parsed.success) {
        throw new RetrofillError("CONFIG_INVALID", `symbol ${key}: ${problems.join("; ")}`, {
          hint: "retrofill symbols add AAPL --asset-class stock --listed 1980-12-12",
        });
      }
      const { timeframes: given } = attributes;
      const own = parsed.data;
      // Binance begins its weeks on Monday, ours begin on Sunday.
      const isBinance = (own.source ?? settings.source) === "binance" && given === undefined;
      const timeframes = isBinance ? own.timeframes.filter((one) => one !== "1w") : own.timeframes;
      return { key, active: true, attributes: { ...own, timeframes } };
    },

    series(dataset, entry, now) {
      const own = symbolAttributes.parse(entry.attributes);
      switch (dataset) {
        case marketData.name:
        case marketDataV2.name:
          return own.timeframes.map((timeframe) => candleSeries(settings, dataset, entry, own, timeframe, now));
        case adjusted.name:
          return own.timeframes
            .filter((timeframe) => (settings.adjust as readonly string[]).includes(timeframe) && hasEvents(own))
            .map((timeframe) => candleSeries(settings, dataset, entry, own, timeframe, now));
        default:
          return hasEvents(own) ? eventSeries(settings, dataset, entry, own, now) : [];
      }
    },

    suspects: (dataset) => (dataset === marketData.name ? settings.suspects : null),
    restatements: restatementRules(settings.adjusted),
    jobs: ohlcvJobs,
    retired: retiredJobs,
    verification: [
      {
        title: "records by symbol and timeframe",
        sql: "SELECT symbol, timeframe, COUNT(*) as records FROM market_data GROUP BY symbol, timeframe ORDER BY records DESC LIMIT 20;",
      },
      {
        title: "rows that stand twice under one key (none expected)",
        sql: "SELECT symbol, timeframe, ts, COUNT(*) as n FROM market_data GROUP BY symbol, timeframe, ts HAVING COUNT(*) > 1 LIMIT 20;",
      },
    ],
  };
}

function sourceProblems({ source, assetClass }: SymbolAttributes, project: string): readonly string[] {
  if ((source ?? project) !== "binance" || assetClass === "crypto") return [];
  return [`source: binance has coins only, not ${assetClass} (--asset-class crypto)`];
}

/** Shares and funds pay dividends, split and report; coins, currencies and indices do not. */
function hasEvents({ assetClass }: SymbolAttributes): boolean {
  return assetClass === "stock" || assetClass === "etf";
}

/** Events before this are not asked for. */
const EVENTS_SINCE = "10y";
const EVENTS_LOOKBACK_MS = 30 * DAY;

function eventSeries(
  settings: Settings,
  dataset: Series["dataset"],
  entry: RegistryEntry,
  own: SymbolAttributes,
  now: Instant,
): readonly Series[] {
  const sources: Readonly<Record<string, string | null>> = {
    [dividends.name]: settings.events.dividends,
    [stockSplits.name]: settings.events.splits,
    [earnings.name]: settings.events.earnings,
  };
  const isMade = dataset === adjustmentFactors.name;
  const source = sources[dataset] ?? null;
  if (!isMade && source === null) return [];
  const { zone } = settings.markets[own.assetClass];
  return [
    {
      dataset,
      version: 1,
      key: seriesKey([entry.key]),
      parts: { symbol: entry.key },
      entry: entry.key,
      axis: {
        grid: { grain: "1d", zone },
        // An event may be dated on any day, also on one without trading.
        calendar: calendarNamed("24x7"),
        density: "sparse",
        settleMs: settleMs(settings),
        stamp: { zone: "UTC", at: "start" },
        lifetime: lifetimeOf(own, zone),
        earliest: null,
      },
      since: reachBack(settings.eventsSince ?? EVENTS_SINCE, now),
      source: isMade ? null : source,
      lookbackMs: EVENTS_LOOKBACK_MS,
      params: {},
      ask: { assetClass: own.assetClass },
    },
  ];
}

function lifetimeOf({ listed, delisted }: SymbolAttributes, zone: string): Interval {
  return {
    start: listed === undefined ? FAR_PAST : startOfLocalDate(zone, listed),
    end: delisted === undefined ? FAR_FUTURE : startOfLocalDate(zone, delisted),
  };
}

function candleSeries(
  settings: Settings,
  dataset: Series["dataset"],
  entry: RegistryEntry,
  own: SymbolAttributes,
  timeframe: Timeframe,
  now: Instant,
): Series {
  const market = settings.markets[own.assetClass as AssetClass];
  const { zone } = market;
  const depth = own.depth?.[timeframe] ?? settings.depth[timeframe];
  const isMade = dataset !== marketData.name || isDerived(settings, own, timeframe);
  const axis: Axis = {
    grid: { grain: timeframe, zone, anchor: settings.fourHourAnchor },
    calendar: calendarNamed(own.calendar ?? market.calendar),
    density: settings.dense.includes(timeframe) ? "dense" : "sparse",
    settleMs: settleMs(settings),
    stamp: { zone: market.stampZone ?? zone, at: market.stampAt },
    lifetime: lifetimeOf(own, zone),
    earliest: depth === undefined ? null : reachBack(depth, now),
  };
  return {
    dataset,
    version: VERSIONS[dataset] ?? 1,
    key: seriesKey([entry.key, timeframe]),
    parts: { symbol: entry.key, timeframe },
    entry: entry.key,
    axis,
    since: reachBack(settings.since[timeframe] ?? DEFAULT_SINCE[timeframe], now),
    source: isMade ? null : (own.source ?? settings.source),
    lookbackMs: lookbackMs(settings, timeframe),
    params: isMade ? featureParams(axis, own.assetClass) : {},
    ask: { assetClass: own.assetClass },
  };
}

/** Whether a symbol's candles of a timeframe are made from its minutes. */
function isDerived({ derive }: OhlcvSettings, { timeframes }: SymbolAttributes, timeframe: Timeframe): boolean {
  return (derive as readonly string[]).includes(timeframe) && timeframes.includes("1m");
}

const VERSIONS: Readonly<Record<string, number>> = {
  [marketData.name]: marketData.version,
  [marketDataV2.name]: marketDataV2.version,
  [adjusted.name]: adjusted.version,
};

/** Sessions a year, for annual figures: the usual count of each calendar. */
const SESSIONS_A_YEAR: Readonly<Record<string, number>> = { XNYS: 252, "24x7": 365, FX: 260 };
const WEEKS_A_YEAR = 52;

/** What the features' formulas take from the axis: they count its slots. */
function featureParams(axis: Axis, assetClass: string): Series["params"] {
  const { grid, calendar, density } = axis;
  const slotsOfSession = slotsOfSessionOn(axis);
  const hours = nominalMs(grid.grain) / HOUR;
  return {
    asset: assetClass,
    zone_name: grid.zone,
    dense: density === "dense" ? 1 : 0,
    bars_per_year: grid.grain === "1w" ? WEEKS_A_YEAR : (SESSIONS_A_YEAR[calendar.name] ?? 252) * slotsOfSession,
    slots_of_hour: hours <= 1 ? Math.round(1 / hours) : 0,
    slots_of_day: grid.grain === "1w" ? 0 : slotsOfSession,
  };
}

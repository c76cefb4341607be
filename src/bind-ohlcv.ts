import { bindFiles } from "./bind-files.ts";
import { type AddressOf, type ProjectPlace, providerOf } from "./bind-provider.ts";
import type { OhlcvConfig } from "./config.ts";
import { parseLimits, type RateLimit } from "./core/budget/limits.ts";
import type { BoundPipeline, BoundSource, Provider } from "./engine/project.ts";
import { dividends, earnings, stockSplits } from "./pipelines/ohlcv/events.ts";
import { marketData } from "./pipelines/ohlcv/market-data.ts";
import { type OhlcvSources, ohlcvPipeline } from "./pipelines/ohlcv/ohlcv.ts";
import { BINANCE_BASE_URL, BINANCE_LIMITS, binanceSource } from "./sources/binance/binance.ts";
import { fmpEarnings } from "./sources/fmp/earnings.ts";
import { FMP_BASE_URL, FMP_LIMITS, fmpAuth } from "./sources/fmp/fmp.ts";
import { polygonDividends } from "./sources/polygon/dividends.ts";
import { polygonGrouped } from "./sources/polygon/grouped.ts";
import { POLYGON_BASE_URL, POLYGON_LIMITS, polygonAuth, polygonSource } from "./sources/polygon/polygon.ts";
import { polygonSplits } from "./sources/polygon/splits.ts";

/** The OHLCV pipeline with the sources and providers that a configuration names. */
export function bindOhlcv(config: OhlcvConfig, place: ProjectPlace): BoundPipeline {
  const {
    source,
    files: layouts,
    binance: _binance,
    fmp: _fmp,
    concurrency,
    publishRows,
    repairRounds,
    backoff: _backoff,
    timeouts: _timeouts,
    ...settings
  } = config;
  const files = bindFiles(layouts, { ...place, dataset: marketData.name });
  const who = asked(config);
  const adjusting = isPolygon(source) ? source.adjusted : false;
  return {
    pipeline: ohlcvPipeline({ ...settings, ...who, adjusted: adjusting }),
    sources: [...files.sources, ...polygonSources(config), ...binanceSources(config), ...fmpSources(config)],
    prepare: files.prepare,
    concurrency,
    publishRows,
    repairRounds,
    shown: {
      ...(isPolygon(source) ? { "page limit": `${source.pageLimit} base bars` } : {}),
      "published together": `${publishRows} rows`,
      ...(isPolygon(source) ? { adjusted: String(source.adjusted) } : {}),
      "settle after slot": `${settings.settleMinutes} min`,
      dense: settings.dense.join(" "),
      suspects: `${settings.suspects.factor}x q${settings.suspects.quantile} over ${settings.suspects.minSessions} sessions`,
      "4h anchor": settings.fourHourAnchor,
      ...(settings.derive.length === 0 ? {} : { "made from 1m": settings.derive.join(" ") }),
    },
  };
}

type SourceConfig = OhlcvConfig["source"];
/** The sandbox speaks Polygon's contract among others, and stands in for all of them. */
type PolygonLike = Extract<SourceConfig, { readonly kind: "polygon" | "sandbox" }>;

function isPolygon(source: SourceConfig): source is PolygonLike {
  return source.kind === "polygon" || source.kind === "sandbox";
}

/** Who is asked for candles and for events. */
function asked({ source, fmp }: OhlcvConfig): Omit<OhlcvSources, "adjusted"> {
  const events = isPolygon(source) ? "polygon" : null;
  const hasFmp = source.kind === "sandbox" || fmp !== undefined || process.env.FMP_API_KEY !== undefined;
  return {
    source: isPolygon(source) ? "polygon" : source.kind,
    events: { dividends: events, splits: events, earnings: hasFmp ? "fmp" : null },
  };
}

function polygonSources(config: OhlcvConfig): readonly BoundSource[] {
  const { source } = config;
  if (!isPolygon(source)) return [];
  const { adjusted, pageLimit: limit } = source;
  const key = process.env.POLYGON_API_KEY;
  const limitText = (source.kind === "polygon" ? process.env.POLYGON_LIMIT : undefined) ?? source.limit;
  const provider = ohlcvProvider(config, {
    name: "polygon",
    key: source.kind === "sandbox" ? undefined : key,
    limits: limitText === undefined ? POLYGON_LIMITS.pipeline : parseLimits(limitText),
  });
  return [
    { dataset: marketData.name, source: polygonSource({ adjusted, limit }), provider },
    { dataset: marketData.name, source: polygonGrouped({ adjusted }), provider },
    { dataset: dividends.name, source: polygonDividends(), provider },
    { dataset: stockSplits.name, source: polygonSplits(), provider },
  ];
}

/** Needs no key: every project can ask it for coins. */
function binanceSources(config: OhlcvConfig): readonly BoundSource[] {
  const { limit, quote, usd } = config.binance;
  const provider = ohlcvProvider(config, {
    name: "binance",
    key: undefined,
    limits: limit === undefined ? BINANCE_LIMITS : parseLimits(limit),
  });
  return [{ dataset: marketData.name, source: binanceSource({ quote, usd }), provider }];
}

function fmpSources(config: OhlcvConfig): readonly BoundSource[] {
  const limit = process.env.FMP_LIMIT ?? config.fmp?.limit;
  const limits = limit === undefined ? FMP_LIMITS.free : parseLimits(limit);
  const provider = ohlcvProvider(config, { name: "fmp", key: process.env.FMP_API_KEY, limits });
  return [{ dataset: earnings.name, source: fmpEarnings({ limits }), provider }];
}

function ohlcvProvider(
  config: OhlcvConfig,
  who: { readonly name: string; readonly key: string | undefined; readonly limits: readonly RateLimit[] },
): Provider {
  const { name } = who;
  const place = config.source.kind === "sandbox" ? (name === "polygon" ? "sandbox" : `sandbox ${name}`) : name;
  return providerOf(config, { ...who, place });
}

/** Where the pipeline's providers are; what the environment says goes before the configuration. */
export function ohlcvAddresses({ source, binance, fmp }: OhlcvConfig): AddressOf {
  return ({ name }, sandboxUrl, setting) => {
    const keyOf = (variable: string): string =>
      sandboxUrl === null ? setting(variable, process.env[variable]) : "sandbox";
    const { POLYGON_BASE_URL: polygonUrl, BINANCE_BASE_URL: binanceUrl, FMP_BASE_URL: fmpUrl } = process.env;
    switch (name) {
      case "polygon": {
        const configured = source.kind === "polygon" ? source.baseUrl : undefined;
        const baseUrl = sandboxUrl ?? polygonUrl ?? configured ?? POLYGON_BASE_URL;
        return { baseUrl, authHeader: polygonAuth(keyOf("POLYGON_API_KEY")) };
      }
      case "binance":
        return { baseUrl: sandboxUrl ?? binanceUrl ?? binance.baseUrl ?? BINANCE_BASE_URL, authHeader: null };
      case "fmp": {
        const baseUrl = sandboxUrl ?? fmpUrl ?? fmp?.baseUrl ?? FMP_BASE_URL;
        return { baseUrl, authHeader: fmpAuth(keyOf("FMP_API_KEY")) };
      }
      default:
        throw new Error(`unreachable: nobody is called ${name}`);
    }
  };
}

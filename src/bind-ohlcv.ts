import { createHash } from "node:crypto";
import { join } from "node:path";
import { bindFiles, connectFiles } from "./bind-files.ts";
import { type ConnectedProject, startProjectSandbox } from "./bind-sandbox.ts";
import type { OhlcvConfig } from "./config.ts";
import { parseLimits, type RateLimit } from "./core/budget/limits.ts";
import { RetrofillError } from "./core/errors.ts";
import type { Http } from "./engine/fetch/http.ts";
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

/** Where a project lies, and whom it tells what is wrong with its files. */
export interface ProjectPlace {
  readonly dir: string;
  readonly stateDir: string;
  readonly note: (line: string) => void;
}

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
  const provider = providerOf(config, {
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
  const provider = providerOf(config, {
    name: "binance",
    key: undefined,
    limits: limit === undefined ? BINANCE_LIMITS : parseLimits(limit),
  });
  return [{ dataset: marketData.name, source: binanceSource({ quote, usd }), provider }];
}

function fmpSources(config: OhlcvConfig): readonly BoundSource[] {
  const limit = process.env.FMP_LIMIT ?? config.fmp?.limit;
  const limits = limit === undefined ? FMP_LIMITS.free : parseLimits(limit);
  const provider = providerOf(config, { name: "fmp", key: process.env.FMP_API_KEY, limits });
  return [{ dataset: earnings.name, source: fmpEarnings({ limits }), provider }];
}

function providerOf(
  { source, backoff, timeouts }: OhlcvConfig,
  who: { readonly name: string; readonly key: string | undefined; readonly limits: readonly RateLimit[] },
): Provider {
  const { name, key, limits } = who;
  const place = source.kind === "sandbox" ? (name === "polygon" ? "sandbox" : `sandbox ${name}`) : name;
  return {
    name,
    credential: key === undefined ? place : `${name}:${createHash("sha256").update(key).digest("hex").slice(0, 12)}`,
    limits,
    backoff,
    answerMs: timeouts.connectMs + timeouts.headersMs + timeouts.bodyMs,
    isFree: false,
  };
}

/** What is open to the providers of one project: connections, and the sandbox where the configuration names it. */
export class OhlcvConnections implements AsyncDisposable {
  readonly #project: ConnectedProject;
  readonly #config: OhlcvConfig;
  readonly #open: AsyncDisposable[] = [];
  #sandboxUrl: Promise<string> | null = null;

  constructor(project: ConnectedProject, config: OhlcvConfig) {
    this.#project = project;
    this.#config = config;
  }

  /** A client of one provider. @throws RetrofillError SOURCE_UNCONFIGURED */
  async connect(provider: Provider): Promise<Http> {
    if (provider.isFree) return connectFiles(this.#project);
    const { source, binance, fmp } = this.#config;
    const at = source.kind === "sandbox" ? await this.#sandbox(source) : null;
    switch (provider.name) {
      case "polygon": {
        const configured = source.kind === "polygon" ? source.baseUrl : undefined;
        const key = at === null ? this.#keyOf("POLYGON_API_KEY") : "sandbox";
        return this.#http(at ?? process.env.POLYGON_BASE_URL ?? configured ?? POLYGON_BASE_URL, polygonAuth(key));
      }
      case "binance":
        return this.#http(at ?? process.env.BINANCE_BASE_URL ?? binance.baseUrl ?? BINANCE_BASE_URL, null);
      case "fmp": {
        const key = at === null ? this.#keyOf("FMP_API_KEY") : "sandbox";
        return this.#http(at ?? process.env.FMP_BASE_URL ?? fmp?.baseUrl ?? FMP_BASE_URL, fmpAuth(key));
      }
      default:
        throw new Error(`unreachable: nobody is called ${provider.name}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.reverse()) await one[Symbol.asyncDispose]();
  }

  #keyOf(variable: string): string {
    const key = process.env[variable];
    if (key) return key;
    throw new RetrofillError("SOURCE_UNCONFIGURED", `${variable} is not set`, {
      hint: `put ${variable}=… into ${join(this.#project.dir, ".env")}, or use the sandbox as the source`,
    });
  }

  async #http(baseUrl: string, authHeader: { readonly name: string; readonly value: string } | null): Promise<Http> {
    const { createHttp } = await import("./engine/fetch/http.ts");
    const http = createHttp({ baseUrl, authHeader, clock: this.#project.clock, timeouts: this.#config.timeouts });
    this.#open.push(http);
    return http;
  }

  #sandbox(source: Extract<SourceConfig, { kind: "sandbox" }>): Promise<string> {
    this.#sandboxUrl ??= startProjectSandbox(this.#project, source).then((sandbox) => {
      this.#open.push(sandbox);
      return sandbox.url;
    });
    return this.#sandboxUrl;
  }
}

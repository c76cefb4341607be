import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { bindFiles, connectFiles } from "./bind-files.ts";
import type { OhlcvConfig } from "./config.ts";
import { parseLimits } from "./core/budget/limits.ts";
import { RetrofillError } from "./core/errors.ts";
import type { Instant } from "./core/time/instant.ts";
import type { Http } from "./engine/fetch/http.ts";
import type { Clock } from "./engine/ports.ts";
import type { BoundPipeline, BoundSource, Provider } from "./engine/project.ts";
import { marketData } from "./pipelines/ohlcv/market-data.ts";
import { ohlcvPipeline } from "./pipelines/ohlcv/ohlcv.ts";
import { POLYGON_BASE_URL, POLYGON_LIMITS, polygonAuth, polygonSource } from "./sources/polygon/polygon.ts";

/** Where a project lies, and whom it tells what is wrong with its files. */
export interface ProjectPlace {
  readonly dir: string;
  readonly stateDir: string;
  readonly note: (line: string) => void;
}

/** The OHLCV pipeline with the sources and providers that a configuration names. */
export function bindOhlcv(config: OhlcvConfig, place: ProjectPlace): BoundPipeline {
  const { source, files: layouts, concurrency, publishRows, repairRounds, backoff: _, timeouts: __, ...settings } = config;
  const files = bindFiles(layouts, { ...place, dataset: marketData.name });
  return {
    pipeline: ohlcvPipeline({ ...settings, source: source.kind === "files" ? "files" : "polygon" }),
    sources: [...files.sources, ...polygonSources(config)],
    prepare: files.prepare,
    concurrency,
    publishRows,
    repairRounds,
    shown: {
      ...(source.kind === "files" ? {} : { "page limit": `${source.pageLimit} base bars` }),
      "published together": `${publishRows} rows`,
      ...(source.kind === "files" ? {} : { adjusted: String(source.adjusted) }),
      "settle after slot": `${settings.settleMinutes} min`,
      dense: settings.dense.join(" "),
      suspects: `${settings.suspects.factor}x q${settings.suspects.quantile} over ${settings.suspects.minSessions} sessions`,
      "4h anchor": settings.fourHourAnchor,
    },
  };
}

function polygonSources(config: OhlcvConfig): readonly BoundSource[] {
  const { source } = config;
  if (source.kind === "files") return [];
  return [
    {
      dataset: marketData.name,
      source: polygonSource({ adjusted: source.adjusted, limit: source.pageLimit }),
      provider: polygonProvider(config, source),
    },
  ];
}

function polygonProvider(
  { backoff, timeouts }: OhlcvConfig,
  source: Exclude<OhlcvConfig["source"], { readonly kind: "files" }>,
): Provider {
  const limitText = (source.kind === "polygon" ? process.env.POLYGON_LIMIT : undefined) ?? source.limit;
  const key = process.env.POLYGON_API_KEY;
  const isSandbox = source.kind === "sandbox" || key === undefined;
  return {
    name: "polygon",
    credential: isSandbox ? source.kind : `polygon:${createHash("sha256").update(key).digest("hex").slice(0, 12)}`,
    limits: limitText === undefined ? POLYGON_LIMITS.pipeline : parseLimits(limitText),
    backoff,
    answerMs: timeouts.connectMs + timeouts.headersMs + timeouts.bodyMs,
    isFree: false,
  };
}

/** What is open to the providers of one project: connections, and the sandbox where the configuration names it. */
export class OhlcvConnections implements AsyncDisposable {
  readonly #project: { readonly dir: string; readonly clock: Clock; readonly now: () => Instant };
  readonly #config: OhlcvConfig;
  readonly #open: AsyncDisposable[] = [];
  #sandboxUrl: Promise<string> | null = null;

  constructor(project: { readonly dir: string; readonly clock: Clock; readonly now: () => Instant }, config: OhlcvConfig) {
    this.#project = project;
    this.#config = config;
  }

  /** A client of one provider. @throws RetrofillError SOURCE_UNCONFIGURED */
  async connect(provider: Provider): Promise<Http> {
    const { source } = this.#config;
    if (provider.isFree) return connectFiles(this.#project);
    if (source.kind === "files") throw new Error("unreachable: nobody but files is asked");
    if (source.kind === "sandbox") return this.#http(await this.#sandbox(source), polygonAuth("sandbox"));
    if (provider.name !== "polygon") throw new Error(`unreachable: nobody is called ${provider.name}`);
    const key = process.env.POLYGON_API_KEY;
    if (!key) {
      throw new RetrofillError("SOURCE_UNCONFIGURED", "POLYGON_API_KEY is not set", {
        hint: `put POLYGON_API_KEY=… into ${join(this.#project.dir, ".env")}, or use the sandbox as the source`,
      });
    }
    return this.#http(process.env.POLYGON_BASE_URL ?? source.baseUrl ?? POLYGON_BASE_URL, polygonAuth(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.reverse()) await one[Symbol.asyncDispose]();
  }

  async #http(baseUrl: string, authHeader: { readonly name: string; readonly value: string } | null): Promise<Http> {
    const { createHttp } = await import("./engine/fetch/http.ts");
    const http = createHttp({ baseUrl, authHeader, clock: this.#project.clock, timeouts: this.#config.timeouts });
    this.#open.push(http);
    return http;
  }

  #sandbox(source: Extract<OhlcvConfig["source"], { kind: "sandbox" }>): Promise<string> {
    this.#sandboxUrl ??= this.#startSandbox(source);
    return this.#sandboxUrl;
  }

  async #startSandbox(source: Extract<OhlcvConfig["source"], { kind: "sandbox" }>): Promise<string> {
    const { startSandbox } = await import("./sandbox/start-sandbox.ts");
    const sandbox = await startSandbox({
      dataDir: resolve(this.#project.dir, source.data),
      faults: typeof source.faults === "string" ? source.faults : { ...source.faults },
      seed: source.seed,
      nowMs: this.#project.now(),
      latencyMs: source.latencyMs,
      ...(source.limit === undefined ? {} : { limits: parseLimits(source.limit) }),
    }).catch(sandboxProblem);
    this.#open.push(sandbox);
    return sandbox.url;
  }
}

/** The sandbox knows nothing of the engine's errors: what is wrong with its data, faults or port is the user's to see. */
export function sandboxProblem(cause: unknown): never {
  const { message } = cause as Error;
  throw new RetrofillError("CONFIG_INVALID", `the sandbox cannot start: ${message}`, { cause });
}

import { createHash } from "node:crypto";
import { join } from "node:path";
import { connectFiles, FILES_PROVIDER } from "./bind-files.ts";
import type { ProjectPlace } from "./bind-ohlcv.ts";
import { type ConnectedProject, startProjectSandbox } from "./bind-sandbox.ts";
import type { RetailConfig } from "./config.ts";
import { parseLimits, type RateLimit } from "./core/budget/limits.ts";
import { RetrofillError } from "./core/errors.ts";
import type { Http } from "./engine/fetch/http.ts";
import type { FileHolding, Source } from "./engine/ports.ts";
import type { BoundPipeline, Provider } from "./engine/project.ts";
import { retailPipeline } from "./pipelines/retail/retail.ts";
import { STORE_ZONE } from "./pipelines/retail/stores.ts";
import { ventas } from "./pipelines/retail/ventas.ts";
import { KLK_LIMITS, klkSource } from "./sources/klk/klk.ts";
import { SALES_LIMITS, salesSource } from "./sources/sales/sales.ts";
import { ventasTableRecords, ventasTableSource } from "./sources/ventas-table/ventas-table.ts";

/** The retail pipeline with the source and provider that a configuration names. */
export function bindRetail(config: RetailConfig, place: ProjectPlace): BoundPipeline {
  const {
    source,
    existing,
    concurrency,
    publishRows,
    repairRounds,
    backoff: _backoff,
    timeouts: _timeouts,
    ...settings
  } = config;
  const contract = contractOf(source);
  const provider = providerOf(config);
  const table = bindTable(existing ?? null, place);
  return {
    pipeline: retailPipeline({ ...settings, source: contract }),
    sources: [...table.sources, { dataset: ventas.name, source: sourceOf(config), provider }],
    prepare: table.prepare,
    dayReporting: async () => {
      const { retailReporting } = await import("./pipelines/retail/day-reporting.ts");
      return retailReporting(settings);
    },
    concurrency,
    publishRows,
    repairRounds,
    shown: {
      source: source.kind === "sandbox" ? `sandbox, contract ${contract}` : contract,
      "asked at once": `${settings.chunkDays} days`,
      "published together": `${publishRows} rows`,
      "settle after midnight": `${settings.settleMinutes} min`,
      "too few lines": `below ${settings.thin.share} of the weekday's median`,
    },
  };
}

/** The rows that a table holds already, and the look at its files. */
function bindTable(
  folder: string | null,
  { dir, stateDir, note }: ProjectPlace,
): Pick<BoundPipeline, "sources" | "prepare"> {
  if (folder === null) return { sources: [], prepare: async () => undefined };
  let holdings: readonly FileHolding[] = [];
  const source = ventasTableSource(STORE_ZONE, () => holdings);
  return {
    sources: [{ dataset: ventas.name, source, provider: FILES_PROVIDER }],
    async prepare() {
      const { indexFiles } = await import("./adapters/files/file-index.ts");
      const readName = (path: string): FileHolding["named"] | null => (/\.csv(\.gz)?$/.test(path) ? {} : null);
      const layout = { name: "ventas", folder, readName, records: ventasTableRecords(STORE_ZONE) };
      const cachePath = join(stateDir, "existing-index.json");
      holdings = (await indexFiles([layout], { root: dir, cachePath, note })).get("ventas") ?? [];
    },
  };
}

type SourceConfig = RetailConfig["source"];

function contractOf(source: SourceConfig): "klk" | "sales" {
  return source.kind === "sandbox" ? source.contract : source.kind;
}

function sourceOf({ chunkDays: days, source }: RetailConfig): Source {
  if (contractOf(source) === "klk" || source.kind === "klk") return klkSource({ days });
  return salesSource({ days, limit: source.pageLimit });
}

function providerOf({ source, backoff, timeouts }: RetailConfig): Provider {
  const name = contractOf(source);
  const key = name === "sales" && source.kind !== "sandbox" ? process.env.SALES_API_KEY : undefined;
  const place = source.kind === "sandbox" ? `sandbox ${name}` : name;
  return {
    name,
    credential: key === undefined ? place : `${name}:${createHash("sha256").update(key).digest("hex").slice(0, 12)}`,
    limits: limitsOf(source),
    backoff,
    answerMs: timeouts.connectMs + timeouts.headersMs + timeouts.bodyMs,
    isFree: false,
  };
}

function limitsOf(source: SourceConfig): readonly RateLimit[] {
  if (source.limit !== undefined) return parseLimits(source.limit);
  return contractOf(source) === "klk" ? KLK_LIMITS : SALES_LIMITS;
}

/** What is open to the stores' server: a connection, and the sandbox where the configuration names it. */
export class RetailConnections implements AsyncDisposable {
  readonly #project: ConnectedProject;
  readonly #config: RetailConfig;
  readonly #open: AsyncDisposable[] = [];
  #sandboxUrl: Promise<string> | null = null;

  constructor(project: ConnectedProject, config: RetailConfig) {
    this.#project = project;
    this.#config = config;
  }

  /** A client of the provider. @throws RetrofillError SOURCE_UNCONFIGURED */
  async connect(provider: Provider): Promise<Http> {
    if (provider.isFree) return connectFiles(this.#project);
    const { source, timeouts } = this.#config;
    const { createHttp } = await import("./engine/fetch/http.ts");
    const isSandbox = source.kind === "sandbox";
    const variable = provider.name === "klk" ? "KLK_BASE_URL" : "SALES_BASE_URL";
    const baseUrl = isSandbox
      ? await this.#sandbox(source)
      : this.#setting(variable, process.env[variable] ?? source.baseUrl);
    const key =
      provider.name === "klk"
        ? null
        : isSandbox
          ? "sandbox"
          : this.#setting("SALES_API_KEY", process.env.SALES_API_KEY);
    const authHeader = key === null ? null : { name: "authorization", value: `Bearer ${key}` };
    const http = createHttp({ baseUrl, authHeader, clock: this.#project.clock, timeouts });
    this.#open.push(http);
    return http;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.reverse()) await one[Symbol.asyncDispose]();
  }

  #setting(variable: string, value: string | undefined): string {
    if (value) return value;
    throw new RetrofillError("SOURCE_UNCONFIGURED", `${variable} is not set`, {
      hint: `put ${variable}=… into ${join(this.#project.dir, ".env")}, or use the sandbox as the source`,
    });
  }

  #sandbox(source: Extract<SourceConfig, { kind: "sandbox" }>): Promise<string> {
    this.#sandboxUrl ??= startProjectSandbox(this.#project, source).then((sandbox) => {
      this.#open.push(sandbox);
      return sandbox.url;
    });
    return this.#sandboxUrl;
  }
}

import { join } from "node:path";
import { FILES_PROVIDER } from "./bind-files.ts";
import { type AddressOf, type ProjectPlace, providerOf } from "./bind-provider.ts";
import type { RetailConfig } from "./config.ts";
import { parseLimits, type RateLimit } from "./core/budget/limits.ts";
import type { FileHolding, Source } from "./engine/ports.ts";
import type { BoundPipeline, Provider } from "./engine/project.ts";
import { retailPipeline } from "./pipelines/retail/retail.ts";
import { STORE_ZONE } from "./pipelines/retail/stores.ts";
import { ventas } from "./pipelines/retail/ventas.ts";
import { KLK_LIMITS, klkSource } from "./sources/klk/klk.ts";
import { SALES_LIMITS, salesSource } from "./sources/sales/sales.ts";
import { APART_MS, ventasTableRecords, ventasTableSource } from "./sources/ventas-table/ventas-table.ts";

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
  const provider = retailProvider(config);
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
      ...askedAtOnce(settings.chunkDays),
      "published together": `${publishRows} rows`,
      "settle after midnight": `${settings.settleMinutes} min`,
      "too few lines": `below ${settings.thin.share} of the weekday's median`,
    },
    shownFor: ({ chunkSlots }) => (chunkSlots === undefined ? {} : askedAtOnce(chunkSlots)),
  };
}

function askedAtOnce(days: number): Readonly<Record<string, string>> {
  return { "asked at once": days === 1 ? "1 day" : `${days} days` };
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
      const layout = { name: "ventas", folder, readName, records: ventasTableRecords(STORE_ZONE), apartMs: APART_MS };
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

function retailProvider(config: RetailConfig): Provider {
  const { source } = config;
  const name = contractOf(source);
  const isSandbox = source.kind === "sandbox";
  const key = name === "sales" && !isSandbox ? process.env.SALES_API_KEY : undefined;
  return providerOf(config, { name, place: isSandbox ? `sandbox ${name}` : name, key, limits: limitsOf(source) });
}

function limitsOf(source: SourceConfig): readonly RateLimit[] {
  if (source.limit !== undefined) return parseLimits(source.limit);
  return contractOf(source) === "klk" ? KLK_LIMITS : SALES_LIMITS;
}

/** Where the stores' server is; what the environment says goes before the configuration. */
export function retailAddresses({ source }: RetailConfig): AddressOf {
  return ({ name }, sandboxUrl, setting) => {
    const isKlk = name === "klk";
    const variable = isKlk ? "KLK_BASE_URL" : "SALES_BASE_URL";
    const configured = source.kind === "sandbox" ? undefined : source.baseUrl;
    const baseUrl = sandboxUrl ?? setting(variable, process.env[variable] ?? configured);
    if (isKlk) return { baseUrl, authHeader: null };
    const key = sandboxUrl === null ? setting("SALES_API_KEY", process.env.SALES_API_KEY) : "sandbox";
    return { baseUrl, authHeader: { name: "authorization", value: `Bearer ${key}` } };
  };
}

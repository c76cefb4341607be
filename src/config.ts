import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { alertsConfig } from "./alerts-config.ts";
import { RetrofillError } from "./core/errors.ts";
import { ohlcvSettings } from "./pipelines/ohlcv/settings.ts";
import { retailSettings } from "./pipelines/retail/settings.ts";
import { fileLayouts } from "./sources/files/layout.ts";

/** Settings of a Polygon (Massive) source; the key comes from POLYGON_API_KEY. */
const polygonConfig = z.strictObject({
  kind: z.literal("polygon"),
  /** Address; POLYGON_BASE_URL goes before it. */
  baseUrl: z.string().optional(),
  /** Limits such as `5/min` or `50/s,10000/day`; POLYGON_LIMIT goes before it. */
  limit: z.string().optional(),
  adjusted: z.boolean().default(false),
  /** Base bars read per request. */
  pageLimit: z.number().int().min(1).max(50_000).default(50_000),
});

/** The sandbox as a source: each command starts it on a free loopback port and ends it. */
const sandboxConfig = z.strictObject({
  kind: z.literal("sandbox"),
  /** Data directory, from the project's folder. */
  data: z.string(),
  limit: z.string().optional(),
  adjusted: z.boolean().default(false),
  pageLimit: z.number().int().min(1).max(50_000).default(50_000),
  faults: z.union([z.string(), z.record(z.string(), z.number())]).default("none"),
  seed: z.number().int().default(1),
  latencyMs: z.number().min(0).default(0),
});

/** Nobody is asked: every candle comes from `files`. */
const filesConfig = z.strictObject({ kind: z.literal("files") });

/** Binance needs no key and has coins only. */
const binanceSourceConfig = z.strictObject({ kind: z.literal("binance") });

/** How Binance is asked, also where only single symbols name it as their source. */
const binanceConfig = z.strictObject({
  /** Address; BINANCE_BASE_URL goes before it. */
  baseUrl: z.string().optional(),
  /** Requests, such as `1500/min`: half of what the provider allows an address. */
  limit: z.string().optional(),
  /** The money that a coin without a pair is priced in. */
  quote: z.string().default("USDT"),
  /** The coin that stands for USD in pairs such as BTC-USD. */
  usd: z.string().default("USDT"),
});

/** FMP for earnings reports; the key comes from FMP_API_KEY. */
const fmpConfig = z.strictObject({
  /** Address; FMP_BASE_URL goes before it. */
  baseUrl: z.string().optional(),
  /** Limits such as `250/day` or `300/min`; FMP_LIMIT goes before it. */
  limit: z.string().optional(),
});

/** The stores' KLK endpoint; no key. */
const klkConfig = z.strictObject({
  kind: z.literal("klk"),
  /** Address, such as `http://host:7002`; KLK_BASE_URL goes before it. */
  baseUrl: z.string().optional(),
  limit: z.string().optional(),
});

/** The paged sales endpoint; its key comes from SALES_API_KEY. */
const salesConfig = z.strictObject({
  kind: z.literal("sales"),
  /** Address; SALES_BASE_URL goes before it. */
  baseUrl: z.string().optional(),
  limit: z.string().optional(),
  /** Lines a page. */
  pageLimit: z.number().int().min(1).max(1_000).default(1_000),
});

/** The sandbox over sale lines, under one of the two contracts. */
const retailSandboxConfig = z.strictObject({
  kind: z.literal("sandbox"),
  contract: z.enum(["klk", "sales"]).default("klk"),
  /** Data directory, from the project's folder. */
  data: z.string(),
  limit: z.string().optional(),
  pageLimit: z.number().int().min(1).max(1_000).default(1_000),
  faults: z.union([z.string(), z.record(z.string(), z.number())]).default("none"),
  seed: z.number().int().default(1),
  latencyMs: z.number().min(0).default(0),
});

const retailConfig = retailSettings.extend({
  /** Folder with CSV files of rows that a `ventas` table holds already: read before anybody is asked. */
  existing: z.string().optional(),
  source: z.discriminatedUnion("kind", [klkConfig, salesConfig, retailSandboxConfig]),
  /** Chunks fetched at once: the load is a shop's server. */
  concurrency: z.number().int().min(1).max(16).default(3),
  publishRows: z.number().int().min(1).default(1_000_000),
  repairRounds: z.number().int().min(0).max(2).default(2),
  backoff: z
    .strictObject({ baseMs: z.number().positive(), capMs: z.number().positive() })
    .default({ baseMs: 5_000, capMs: 60_000 }),
  /** The endpoint thinks for minutes before the first byte. */
  timeouts: z
    .strictObject({
      connectMs: z.number().positive().default(10_000),
      headersMs: z.number().positive().default(600_000),
      bodyMs: z.number().positive().default(600_000),
    })
    .prefault({}),
});

const ohlcvConfig = ohlcvSettings.extend({
  source: z.discriminatedUnion("kind", [polygonConfig, binanceSourceConfig, sandboxConfig, filesConfig]),
  binance: binanceConfig.prefault({}),
  fmp: fmpConfig.optional(),
  /** Files that are read before anybody is asked. */
  files: fileLayouts.default([]),
  /** Chunks fetched at once. */
  concurrency: z.number().int().min(1).max(64).default(3),
  /** Rows after which fetched chunks are published together. */
  publishRows: z.number().int().min(1).default(1_000_000),
  repairRounds: z.number().int().min(0).max(2).default(2),
  backoff: z
    .strictObject({ baseMs: z.number().positive(), capMs: z.number().positive() })
    .default({ baseMs: 1_000, capMs: 60_000 }),
  timeouts: z
    .strictObject({
      connectMs: z.number().positive().default(10_000),
      headersMs: z.number().positive().default(30_000),
      bodyMs: z.number().positive().default(60_000),
    })
    .prefault({}),
});

const projectConfig = z.strictObject({
  /** Pins the business clock, such as `2026-03-20T20:00:00Z`; RETROFILL_NOW goes before it. */
  now: z.iso.datetime().optional(),
  pipelines: z.strictObject({ ohlcv: ohlcvConfig.optional(), retail: retailConfig.optional() }),
  alerts: alertsConfig.prefault({}),
  store: z
    .strictObject({ memoryLimit: z.string().default("700MB"), threads: z.number().int().min(1).default(2) })
    .prefault({}),
});

export type ProjectConfig = z.infer<typeof projectConfig>;
export type RetailConfig = z.infer<typeof retailConfig>;
export type OhlcvConfig = z.infer<typeof ohlcvConfig>;
/** What `retrofill.config.ts` exports: every setting that has a default may be left out. */
export type ProjectConfigInput = z.input<typeof projectConfig>;

export const CONFIG_FILE = "retrofill.config.ts";

/** Types a project's configuration. */
export function defineConfig(config: ProjectConfigInput): ProjectConfigInput {
  return config;
}

/** The nearest folder at or above `from` with a configuration. @throws RetrofillError PROJECT_NOT_FOUND */
export function findProject(from: string): string {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, CONFIG_FILE))) return dir;
    if (dirname(dir) === dir) {
      throw new RetrofillError("PROJECT_NOT_FOUND", `no ${CONFIG_FILE} in ${resolve(from)} or above`, {
        hint: "retrofill init makes a project here; --project DIR names another folder",
      });
    }
  }
}

/** Loads and checks a project's configuration. @throws RetrofillError CONFIG_INVALID with every problem and its path */
export async function loadConfig(dir: string): Promise<ProjectConfig> {
  const file = join(dir, CONFIG_FILE);
  const { createJiti } = await import("jiti");
  // The package itself under its own name, wherever the project lies; Node 20 cannot import TypeScript from a package.
  const here = fileURLToPath(import.meta.url);
  const self = join(dirname(here), here.endsWith(".ts") ? "index.ts" : "index.js");
  const jiti = createJiti(pathToFileURL(file).href, { alias: { retrofill: self }, fsCache: false, moduleCache: false });
  let loaded: unknown;
  try {
    loaded = await jiti.import(file, { default: true });
  } catch (cause) {
    throw new RetrofillError("CONFIG_INVALID", `${file} cannot be loaded: ${(cause as Error).message}`, { cause });
  }
  const parsed = projectConfig.safeParse(loaded);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `  ${issue.path.join(".") || "(top)"}: ${issue.message}`);
    throw new RetrofillError("CONFIG_INVALID", `${file}:\n${problems.join("\n")}`);
  }
  return parsed.data;
}

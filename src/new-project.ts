import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CONFIG_FILE } from "./config.ts";
import type { Pipeline } from "./core/dataset/pipeline.ts";
import { RetrofillError } from "./core/errors.ts";
import { formatInstant, type Instant } from "./core/time/instant.ts";
import type { Ledger } from "./engine/ledger-port.ts";

/** A symbol that a sandbox's data directory can answer. */
export interface SandboxSymbol {
  readonly symbol: string;
  readonly assetClass: string;
  readonly timeframes: readonly string[];
  readonly listed: string;
  readonly delisted?: string;
  readonly adjusted: boolean;
  readonly since: Readonly<Partial<Record<string, string>>>;
}

/** What a new project's configuration says of its source. */
export type NewSource =
  | { readonly kind: "polygon"; readonly limit: string }
  | {
      readonly kind: "sandbox";
      readonly note: string;
      readonly now: Instant;
      readonly adjusted: boolean;
      readonly faults: string;
      readonly seed: number;
      readonly since: Readonly<Partial<Record<string, string>>>;
    };

/** Folder of a project's sandbox data. */
export const SANDBOX_FOLDER = "sandbox";

/** Folder of what a retail project's table held before. */
export const EXISTING_FOLDER = "existing";

/** Writes a project of the chain's stores. @throws RetrofillError CONFIG_INVALID where one exists */
export async function writeRetailProject(
  dir: string,
  source: { readonly kind: "klk" } | { readonly kind: "sandbox"; readonly now: Instant },
): Promise<readonly string[]> {
  return writeFiles(dir, retailConfigText(source));
}

/** Writes a project's configuration. @throws RetrofillError CONFIG_INVALID where one exists */
export async function writeProject(dir: string, source: NewSource): Promise<readonly string[]> {
  return writeFiles(dir, configText(source));
}

async function writeFiles(dir: string, config: string): Promise<readonly string[]> {
  const file = join(dir, CONFIG_FILE);
  if (existsSync(file)) {
    throw new RetrofillError("CONFIG_INVALID", `${file} exists already`, { hint: "init never overwrites a project" });
  }
  await mkdir(dir, { recursive: true });
  await writeFile(file, config);
  await writeFile(join(dir, ".gitignore"), ".retrofill/\n.env\nsandbox/\nexisting/\nlogs/\n");
  return [CONFIG_FILE, ".gitignore"];
}

/** Puts the symbols that a sandbox serves into the project's registry. */
export async function registerSymbols(
  ledger: Ledger,
  pipeline: Pipeline,
  symbols: readonly SandboxSymbol[],
  now: Instant,
): Promise<void> {
  const entries = symbols.map((one) =>
    pipeline.entry(one.symbol, {
      assetClass: one.assetClass === "forex" ? "fx" : one.assetClass,
      listed: one.listed,
      ...(one.delisted === undefined ? {} : { delisted: one.delisted }),
      timeframes: [...one.timeframes],
      depth: one.since,
    }),
  );
  await ledger.putEntries(pipeline.name, entries, now);
}

function retailConfigText(source: Parameters<typeof writeRetailProject>[1]): string {
  if (source.kind === "klk") {
    return `import { defineConfig } from "retrofill";

// The address is read from KLK_BASE_URL (environment or .env). Days are local days of America/Caracas.
export default defineConfig({
  pipelines: {
    retail: {
      source: { kind: "klk" },
      since: "365d",
      // Ranges of more days are known to time out.
      chunkDays: 2,
    },
  },
});
`;
  }
  return `import { defineConfig } from "retrofill";

// 19 real stores; every sale is simulated. Days are local days of America/Caracas.
export default defineConfig({
  // The night after the sandbox's last day: what is due is judged as of then.
  now: "${formatInstant(source.now)}",
  pipelines: {
    retail: {
      // Each command starts this sandbox on a free loopback port and ends it; switching to the real endpoint is
      // source: { kind: "klk" } and KLK_BASE_URL, or { kind: "sales" }, SALES_BASE_URL and SALES_API_KEY.
      source: { kind: "sandbox", contract: "klk", data: "./${SANDBOX_FOLDER}", limit: "50/s" },
      since: "2025-10-28",
      // Rows that the chain's own table held before: read first, for nothing.
      existing: "./${EXISTING_FOLDER}",
      chunkDays: 2,
      backoff: { baseMs: 250, capMs: 5_000 },
    },
  },
});
`;
}

function configText(source: NewSource): string {
  if (source.kind === "polygon") {
    return `import { defineConfig } from "retrofill";

// The key is read from POLYGON_API_KEY (environment or .env); POLYGON_LIMIT and POLYGON_BASE_URL override what is here.
export default defineConfig({
  pipelines: {
    ohlcv: {
      // ${source.limit} is the free plan's limit: raise it to what your plan allows, such as "50/s".
      source: { kind: "polygon", limit: "${source.limit}" },
      // The free plan serves about two years. Nothing before is asked for or owed.
      depth: { "1m": "2y", "5m": "2y", "15m": "2y", "30m": "2y", "1h": "2y", "4h": "2y", "1d": "2y", "1w": "2y" },
    },
  },
});
`;
  }
  return `import { defineConfig } from "retrofill";

// ${source.note.replaceAll("\n", " ")}
export default defineConfig({
  // The end of the sandbox's data: what is due is judged as of then.
  now: "${formatInstant(source.now)}",
  pipelines: {
    ohlcv: {
      // Each command starts this sandbox on a free loopback port and ends it; switching to the real provider is
      // source: { kind: "polygon" } and POLYGON_API_KEY.
      source: {
        kind: "sandbox",
        data: "./${SANDBOX_FOLDER}",
        limit: "5/2s",
        adjusted: ${source.adjusted},
        faults: "${source.faults}",
        seed: ${source.seed},
      },
      since: ${JSON.stringify(source.since)},
      backoff: { baseMs: 250, capMs: 5_000 },
    },
  },
});
`;
}

import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { XNYS } from "../../src/core/calendar/xnys.ts";
import { formatInstant, instant } from "../../src/core/time/instant.ts";
import { TIMEFRAMES, writeCandleCsv, writeManifest } from "../../src/sandbox/data-directory.ts";
import { type SessionBar, simulateSessions } from "../../src/sandbox/simulate.ts";

const NOW = instant(Date.UTC(2025, 0, 1, 6));
export const RETROFILL = join(import.meta.dirname, "..", "..", "bin", "retrofill.mjs");

/** A project in `dir` whose provider is a sandbox in a process of its own, with a year of simulated stocks. */
export interface Market {
  readonly names: readonly string[];
  readonly sandbox: ChildProcess;
  /** For `retrofill` on the project. */
  readonly env: NodeJS.ProcessEnv;
}

export async function startMarket(
  dir: string,
  options: { readonly stocks: number; readonly adjusted: boolean; readonly limit: string },
): Promise<Market> {
  const names = await writeData(join(dir, "data"), options);
  await writeFile(
    join(dir, "retrofill.config.ts"),
    `export default { now: "${formatInstant(NOW)}", pipelines: { ohlcv: { source: { kind: "polygon", adjusted: ${options.adjusted} }, concurrency: 4 } } };\n`,
  );
  const sandbox = spawn(process.execPath, [
    RETROFILL,
    "sandbox",
    "--data",
    join(dir, "data"),
    "--now",
    formatInstant(NOW),
  ]);
  const url = await new Promise<string>((resolve) => {
    sandbox.stdout.on("data", (text: Buffer) => {
      const found = /http:\/\/\S+/.exec(text.toString());
      if (found) resolve(found[0].replace(/,$/, ""));
    });
  });
  const env = { ...process.env, POLYGON_API_KEY: "bench", POLYGON_BASE_URL: url, POLYGON_LIMIT: options.limit };
  return { names, sandbox, env };
}

/** Simulated minutes in one file that every symbol is served from. */
async function writeData(
  data: string,
  { stocks, adjusted }: { readonly stocks: number; readonly adjusted: boolean },
): Promise<readonly string[]> {
  const sessions = XNYS.sessions({ start: instant(Date.UTC(2023, 11, 1)), end: NOW }).map(
    ({ open, close }, i): SessionBar => ({
      open,
      close,
      bar: { o: 100 + (i % 7), h: 104 + (i % 7), l: 97 + (i % 7), c: 101 + (i % 7), v: 1_000_000 },
    }),
  );
  const minutes = simulateSessions(sessions, { seed: 1 });
  const file = await writeCandleCsv(data, "BENCH", "1m", minutes);
  const names = Array.from({ length: stocks }, (_, i) => `S${String(i).padStart(3, "0")}`);
  await writeManifest(data, {
    note: "simulated, for a benchmark",
    series: names.map((symbol) => ({
      symbol,
      assetClass: "stock" as const,
      timeframe: "1m" as const,
      file: String(file),
      source: "simulated",
      adjusted,
      simulated: true,
      first: new Date(minutes[0]?.[0] ?? 0).toISOString(),
      last: new Date(minutes.at(-1)?.[0] ?? 0).toISOString(),
      rows: minutes.length,
      builds: TIMEFRAMES.filter((timeframe) => timeframe !== "1m"),
    })),
  });
  return names;
}

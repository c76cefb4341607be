import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XNYS } from "../src/core/calendar/xnys.ts";
import { formatInstant, instant } from "../src/core/time/instant.ts";
import { TIMEFRAMES, writeCandleCsv, writeManifest } from "../src/sandbox/data-directory.ts";
import { type SessionBar, simulateSessions } from "../src/sandbox/simulate.ts";

// A run with nothing to do: 25 stocks in eight timeframes are filled from a sandbox, their features made, and then the
// same is asked again. The whole program is timed, from its start to its exit; `spent` is the work of its threads.
//
//     node --import tsx bench/rerun.ts [symbols] [days] [rounds]     default: 25 365 5

const root = join(import.meta.dirname, "..");
const retrofill = join(root, "bin", "retrofill.mjs");
const now = instant(Date.UTC(2025, 0, 1, 6));
const [symbols = 25, days = 365, rounds = 5] = process.argv.slice(2).map(Number);

const dir = await mkdtemp(join(tmpdir(), "retrofill-rerun-"));
const sandbox = await startSandbox();
try {
  const env = { ...process.env, POLYGON_API_KEY: "bench", POLYGON_BASE_URL: sandbox.url, POLYGON_LIMIT: "100000/s" };
  const run = (...args: string[]) => {
    const began = performance.now();
    const before = childMs();
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [retrofill, "--project", dir, "--quiet", "--json", ...args],
      { env, maxBuffer: 1e9, encoding: "utf8" },
    );
    if (status !== 0)
      throw new Error(`retrofill ${args.join(" ")} ended with ${status}: ${stderr}${stdout.slice(0, 2_000)}`);
    return { ms: performance.now() - began, cpuMs: childMs() - before, document: JSON.parse(stdout) as Document };
  };
  run("symbols", "add", ...sandbox.names);
  const filled = run("run", "ohlcv+", "--days", String(days), "--yes");
  console.log(
    `${symbols} stocks, ${days} days: ${filled.document.calls.made} calls, ${filled.document.rows.received} rows in ${(filled.ms / 1_000).toFixed(1)} s`,
  );
  const table: Record<string, Record<string, number>> = {};
  for (const selector of ["ohlcv", "ohlcv+", "ohlcv.market_data", "ohlcv.market_data_v2"]) {
    const all = Array.from({ length: rounds }, () => run("run", selector, "--days", String(days), "--yes"));
    table[`run ${selector}`] = {
      "best ms": Math.round(Math.min(...all.map(({ ms }) => ms))),
      "median ms": Math.round(all.map(({ ms }) => ms).sort((a, b) => a - b)[rounds >> 1] ?? 0),
      "spent ms": Math.round(Math.min(...all.map(({ cpuMs }) => cpuMs))),
      calls: Math.max(...all.map(({ document }) => document.calls?.made ?? 0)),
    };
  }
  console.log("again, with nothing to do (target: under 1 s, 0 calls)");
  console.table(table);
} finally {
  sandbox.process.kill("SIGINT");
  await rm(dir, { recursive: true, force: true });
}

interface Document {
  readonly calls: { readonly made: number };
  readonly rows: { readonly received: number };
}

/** What ended children of this process have worked, in milliseconds: proc(5), clock ticks of 10 ms. */
function childMs(): number {
  const { stdout } = spawnSync("cat", [`/proc/${process.pid}/stat`], { encoding: "utf8" });
  const fields = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

async function startSandbox(): Promise<{ process: ChildProcess; url: string; names: readonly string[] }> {
  const names = await writeData(join(dir, "data"));
  await writeFile(
    join(dir, "retrofill.config.ts"),
    `export default { now: "${formatInstant(now)}", pipelines: { ohlcv: { source: { kind: "polygon", adjusted: true }, concurrency: 4 } } };\n`,
  );
  const sandbox = spawn(process.execPath, [
    retrofill,
    "sandbox",
    "--data",
    join(dir, "data"),
    "--now",
    formatInstant(now),
  ]);
  const url = await new Promise<string>((resolve) => {
    sandbox.stdout.on("data", (text: Buffer) => {
      const found = /http:\/\/\S+/.exec(text.toString());
      if (found) resolve(found[0].replace(/,$/, ""));
    });
  });
  return { process: sandbox, url, names };
}

/** Simulated minutes in one file that every symbol is served from. */
async function writeData(data: string): Promise<readonly string[]> {
  const sessions = XNYS.sessions({ start: instant(Date.UTC(2023, 11, 1)), end: now }).map(
    ({ open, close }, i): SessionBar => ({
      open,
      close,
      bar: { o: 100 + (i % 7), h: 104 + (i % 7), l: 97 + (i % 7), c: 101 + (i % 7), v: 1_000_000 },
    }),
  );
  const minutes = simulateSessions(sessions, { seed: 1 });
  const file = await writeCandleCsv(data, "BENCH", "1m", minutes);
  const names = Array.from({ length: symbols }, (_, i) => `S${String(i).padStart(3, "0")}`);
  await writeManifest(data, {
    note: "simulated, for a benchmark",
    series: names.map((symbol) => ({
      symbol,
      assetClass: "stock" as const,
      timeframe: "1m" as const,
      file: String(file),
      source: "simulated",
      adjusted: true,
      simulated: true,
      first: new Date(minutes[0]?.[0] ?? 0).toISOString(),
      last: new Date(minutes[minutes.length - 1]?.[0] ?? 0).toISOString(),
      rows: minutes.length,
      builds: TIMEFRAMES.filter((timeframe) => timeframe !== "1m"),
    })),
  });
  return names;
}

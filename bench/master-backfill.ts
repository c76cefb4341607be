// A year of eight timeframes for 5, 25, … symbols through master_backfill: calls, minutes that the provider's limit
// takes, and the time the program itself needs when the limit is out of the way. The sandbox runs in a process of its own
// and its share is printed beside, since it works on the same cores.
//
//     node --import tsx bench/master-backfill.ts [symbols…]     default: 5 25
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XNYS } from "../src/core/calendar/xnys.ts";
import { formatInstant, instant } from "../src/core/time/instant.ts";
import { TIMEFRAMES, writeCandleCsv, writeManifest } from "../src/sandbox/data-directory.ts";
import { type SessionBar, simulateSessions } from "../src/sandbox/simulate.ts";

const root = join(import.meta.dirname, "..");
const retrofill = join(root, "bin", "retrofill.mjs");
const now = instant(Date.UTC(2025, 0, 1, 6));
const symbols = process.argv.slice(2).map(Number);
const rows = [];
for (const n of symbols.length > 0 ? symbols : [5, 25]) rows.push(await measure(n));
console.log("symbols  calls  min at 2.5/s  seconds without the limit  rows       peak MB  sandbox s");
for (const row of rows) {
  console.log(
    [
      String(row.symbols).padStart(7),
      String(row.calls).padStart(5),
      (row.calls / 2.5 / 60).toFixed(1).padStart(12),
      row.seconds.toFixed(1).padStart(25),
      row.rows.toLocaleString("en-US").padStart(10),
      String(row.peakMb).padStart(8),
      row.sandboxSeconds.toFixed(1).padStart(9),
    ].join("  "),
  );
}

interface Measured {
  readonly symbols: number;
  readonly calls: number;
  readonly seconds: number;
  readonly rows: number;
  readonly peakMb: number;
  readonly sandboxSeconds: number;
}

async function measure(n: number): Promise<Measured> {
  const dir = await mkdtemp(join(tmpdir(), "retrofill-bench-"));
  try {
    const names = await writeData(join(dir, "data"), n);
    await writeFile(
      join(dir, "retrofill.config.ts"),
      `export default { now: "${formatInstant(now)}", pipelines: { ohlcv: { source: { kind: "polygon" }, concurrency: 4 } } };\n`,
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
    const env = { ...process.env, POLYGON_API_KEY: "bench", POLYGON_BASE_URL: url, POLYGON_LIMIT: "100000/s" };
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [retrofill, "--project", dir, "--quiet", "--json", ...args], { env, maxBuffer: 1e9 });
    run("symbols", "add", ...names);
    const started = performance.now();
    const worker = spawn(
      process.execPath,
      [retrofill, "--project", dir, "--quiet", "--json", "run", "ohlcv.market_data", "--days", "365", "--yes"],
      { env, stdio: ["ignore", "pipe", "inherit"] },
    );
    let peakMb = 0;
    const watch = setInterval(async () => {
      const status = await readFile(`/proc/${worker.pid}/status`, "utf8").catch(() => "");
      peakMb = Math.max(peakMb, Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024));
    }, 100);
    let text = "";
    worker.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await new Promise((resolve) => worker.on("close", resolve));
    clearInterval(watch);
    const seconds = (performance.now() - started) / 1000;
    const document = JSON.parse(text) as { calls: { made: number }; rows: { received: number } };
    const stat = (await readFile(`/proc/${sandbox.pid}/stat`, "utf8")).split(" ");
    sandbox.kill("SIGINT");
    return {
      symbols: n,
      calls: document.calls.made,
      seconds,
      rows: document.rows.received,
      peakMb,
      // proc(5): user and system time in clock ticks of 10 ms.
      sandboxSeconds: (Number(stat[13]) + Number(stat[14])) / 100,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A year of simulated minutes in one file that every symbol is served from. */
async function writeData(dir: string, n: number): Promise<readonly string[]> {
  const sessions = XNYS.sessions({ start: instant(Date.UTC(2023, 11, 1)), end: now }).map(
    ({ open, close }, i): SessionBar => ({
      open,
      close,
      bar: { o: 100 + (i % 7), h: 104 + (i % 7), l: 97 + (i % 7), c: 101 + (i % 7), v: 1_000_000 },
    }),
  );
  const minutes = simulateSessions(sessions, { seed: 1 });
  const file = await writeCandleCsv(dir, "BENCH", "1m", minutes);
  const first = new Date(minutes[0]?.[0] ?? 0).toISOString();
  const last = new Date(minutes[minutes.length - 1]?.[0] ?? 0).toISOString();
  const names = Array.from({ length: n }, (_, i) => `S${String(i).padStart(3, "0")}`);
  await writeManifest(dir, {
    note: "simulated, for a benchmark",
    series: names.map((symbol) => ({
      symbol,
      assetClass: "stock" as const,
      timeframe: "1m" as const,
      file: String(file),
      source: "simulated",
      adjusted: false,
      simulated: true,
      first,
      last,
      rows: minutes.length,
      builds: TIMEFRAMES.filter((timeframe) => timeframe !== "1m"),
    })),
  });
  return names;
}

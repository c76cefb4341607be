// A year of eight timeframes for 5, 25, … symbols through master_backfill: calls, minutes that the provider's limit
// takes, and the time the program itself needs when the limit is out of the way. The sandbox runs in a process of its own
// and its share is printed beside, since it works on the same cores.
//
//     node --import tsx bench/master-backfill.ts [symbols…]     default: 5 25
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RETROFILL, startMarket } from "./kit/market.ts";

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
    const { names, sandbox, env } = await startMarket(dir, { stocks: n, adjusted: false, limit: "100000/s" });
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [RETROFILL, "--project", dir, "--quiet", "--json", ...args], { env, maxBuffer: 1e9 });
    run("symbols", "add", ...names);
    const started = performance.now();
    const worker = spawn(
      process.execPath,
      [RETROFILL, "--project", dir, "--quiet", "--json", "run", "ohlcv.market_data", "--days", "365", "--yes"],
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

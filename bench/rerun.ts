import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./kit/cost.ts";
import { RETROFILL, startMarket } from "./kit/market.ts";

// A run with nothing to do: 25 stocks in eight timeframes are filled from a sandbox, their features made, and then the
// same is asked again. The whole program is timed, from its start to its exit; `spent` is the work of its threads.
//
//     node --import tsx bench/rerun.ts [symbols] [days] [rounds]     default: 25 365 5

const [symbols = 25, days = 365, rounds = 5] = process.argv.slice(2).map(Number);

const dir = await mkdtemp(join(tmpdir(), "retrofill-rerun-"));
const { names, sandbox, env } = await startMarket(dir, { stocks: symbols, adjusted: true, limit: "100000/s" });
try {
  const run = (...args: string[]) => {
    const began = performance.now();
    const before = childMs();
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [RETROFILL, "--project", dir, "--quiet", "--json", ...args],
      { env, maxBuffer: 1e9, encoding: "utf8" },
    );
    if (status !== 0)
      throw new Error(`retrofill ${args.join(" ")} ended with ${status}: ${stderr}${stdout.slice(0, 2_000)}`);
    return { ms: performance.now() - began, cpuMs: childMs() - before, document: JSON.parse(stdout) as Document };
  };
  run("symbols", "add", ...names);
  const filled = run("run", "ohlcv+", "--days", String(days), "--yes");
  console.log(
    `${symbols} stocks, ${days} days: ${filled.document.calls.made} calls, ${filled.document.rows.received} rows in ${(filled.ms / 1_000).toFixed(1)} s`,
  );
  const table: Record<string, Record<string, number>> = {};
  for (const selector of ["ohlcv", "ohlcv+", "ohlcv.market_data", "ohlcv.market_data_v2"]) {
    const all = Array.from({ length: rounds }, () => run("run", selector, "--days", String(days), "--yes"));
    table[`run ${selector}`] = {
      "best ms": Math.round(Math.min(...all.map(({ ms }) => ms))),
      "median ms": Math.round(median(all.map(({ ms }) => ms))),
      "spent ms": Math.round(Math.min(...all.map(({ cpuMs }) => cpuMs))),
      calls: Math.max(...all.map(({ document }) => document.calls?.made ?? 0)),
    };
  }
  console.log("again, with nothing to do (target: under 1 s, 0 calls)");
  console.table(table);
} finally {
  sandbox.kill("SIGINT");
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

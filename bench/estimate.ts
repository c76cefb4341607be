import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RETROFILL, startMarket } from "./kit/market.ts";

// What a plan says it will cost, and what it did: stocks in eight timeframes under a limit that decides how long it
// takes, on a source without faults. Calls must be exact; minutes within 15 %.
//
//     node --import tsx bench/estimate.ts [stocks] [limit] [days]     default: 3 5/2s 365

const [, , stocks = "3", limit = "5/2s", days = "365"] = process.argv;

const dir = await mkdtemp(join(tmpdir(), "retrofill-estimate-"));
const { names, sandbox, env } = await startMarket(dir, { stocks: Number(stocks), adjusted: false, limit });
try {
  const ask = (...args: string[]): unknown => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [RETROFILL, "--project", dir, "--quiet", "--json", ...args],
      { env, maxBuffer: 1e9, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`retrofill ${args.join(" ")} ended with ${status}: ${stderr}`);
    return JSON.parse(stdout);
  };
  ask("symbols", "add", ...names);
  const { id, cost } = ask("plan", "ohlcv.market_data", "--days", days) as Planned;
  const { calls, duration_ms: ms } = ask("apply", id) as Applied;
  const minutes = ms / 60_000;
  console.log(`${names.length} stocks, ${days} days, limit ${limit}`);
  console.table({
    calls: { planned: cost.calls, made: calls.made, difference: calls.made - cost.calls },
    minutes: {
      planned: Number(cost.minutes.toFixed(3)),
      made: Number(minutes.toFixed(3)),
      difference: `${((100 * (minutes - cost.minutes)) / cost.minutes).toFixed(1)} %`,
    },
  });
} finally {
  sandbox.kill("SIGINT");
  await rm(dir, { recursive: true, force: true });
}

interface Planned {
  readonly id: string;
  readonly cost: { readonly calls: number; readonly minutes: number };
}

interface Applied {
  readonly calls: { readonly made: number };
  readonly duration_ms: number;
}

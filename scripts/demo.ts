// The demonstration: a project on sandbox data in demo/, filled from a faulty source and repaired.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { formatInstant, instant } from "../src/core/time/instant.ts";
import { initSandbox } from "../src/main.ts";
import { writeBundledData } from "../src/sandbox/bundled-data.ts";
import { writeRealDemoData } from "./sandbox-data.ts";

const root = join(import.meta.dirname, "..");
const dir = join(root, "demo");
/** Faults are drawn from these seeds: each meets transport faults and a few holes that need a narrower question. */
const SEEDS = { bundled: 4, real: 4 };

const data = process.env.RETROFILL_DATA;
if (data !== undefined && !existsSync(data)) {
  console.error(`RETROFILL_DATA is set to ${data}, which does not exist`);
  process.exit(2);
}
if (!existsSync(join(dir, "retrofill.config.ts"))) {
  await rm(dir, { recursive: true, force: true });
  const sandbox = join(dir, "sandbox");
  const served = data === undefined ? await writeBundledData(sandbox) : await writeRealDemoData(data, sandbox);
  await initSandbox(dir, served, { faults: "demo", seed: data === undefined ? SEEDS.bundled : SEEDS.real });
  console.log(data === undefined ? "Demonstration on bundled data." : "Demonstration on real bars.");
  console.log(served.note);
  console.log(
    `The sandbox answers as the provider would, with faults on purpose; business now is pinned to ${formatInstant(instant(served.nowMs))}.\n`,
  );
}

const retrofill = (...args: string[]): number => {
  const { status } = spawnSync(process.execPath, [join(root, "bin", "retrofill.mjs"), "--project", dir, ...args], {
    stdio: "inherit",
  });
  return status ?? 1;
};

const exit = retrofill("run", "ohlcv", "--yes");
console.log(`
The data:  demo/.retrofill/data.duckdb (tables), demo/.retrofill/bronze (answers as received), demo/.retrofill/ledger.db
Type next:
  bin/retrofill --project demo coverage
  bin/retrofill --project demo gaps
  bin/retrofill --project demo verify
  bin/retrofill --project demo audit verify
  bin/retrofill --project demo sql "SELECT symbol, timeframe, COUNT(*) AS records FROM market_data GROUP BY ALL ORDER BY records DESC LIMIT 20"
  bin/retrofill --project demo run master_backfill
Start over: rm -r demo`);
process.exit(exit);

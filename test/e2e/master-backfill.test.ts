import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MINUTE } from "../../src/core/time/instant.ts";
import type { SmallSeries } from "../../src/sandbox/small-world.ts";
import { barsFrom, dailyBars, days, type Ended, type Script, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-14T21:30:00Z";
const SESSIONS = weekdays("2025-11-03", "2025-11-14");
const OPENS = SESSIONS.map((date) => `${date}T14:30:00Z`);
const MIDNIGHTS = days("2025-11-02", "2025-11-14").map((date) => `${date}T00:00:00Z`);

/** Served from the Sunday before: a week's first request starts there. */
const SERVED = { first: "2025-11-02T05:00:00Z" };

const SERIES: readonly SmallSeries[] = [
  { ...SERVED, symbol: "AAPL", timeframe: "1m", candles: barsFrom(OPENS, 390, MINUTE) },
  // Veterans Day has no daily bar: the exchange is open, the source has none.
  { ...SERVED, symbol: "AAPL", timeframe: "1d", candles: dailyBars(SESSIONS.filter((date) => date !== "2025-11-11")) },
  {
    symbol: "X:BTCUSD",
    assetClass: "crypto",
    timeframe: "1m",
    candles: barsFrom(MIDNIGHTS, 1440, MINUTE).filter(([t]) => t <= Date.parse(NOW)),
  },
  { ...SERVED, symbol: "SPY", assetClass: "etf", timeframe: "1m", candles: barsFrom(OPENS, 390, MINUTE) },
  { ...SERVED, symbol: "SPY", assetClass: "etf", timeframe: "1d", candles: dailyBars(SESSIONS) },
];

const SYMBOLS = {
  AAPL: "--asset-class stock --listed 1980-12-12",
  BTC: "--asset-class crypto",
  SPY: "--asset-class etf --listed 1993-01-29",
};

// By hand. Ten sessions of the stock: 3,900 + 780 + 260 + 130 + 70 + 20 bars, 8 days (one missing, today not over), a week.
// The fund: the same without its 20 four-hour bars, and the day. The coin until 21:15: 18,555 + 3,711 + 1,237 + 618 +
// 309 + 77 bars, 12 days, a week.
const CANDLES = 5_169 + 5_150 + 24_520;

const LACKING = [Date.parse("2025-11-05"), Date.parse("2025-11-09")] as const;

/** The coin's first answer lacks four days; one timeframe of the fund only fails. */
const troubled: Script = ({ ticker, size, from }) => {
  if (ticker === "SPY" && size === "4/hour") return { status: 500, body: { status: "ERROR", error: "no luck" } };
  if (ticker !== "X:BTCUSD" || size !== "1/minute" || from >= LACKING[0]) return null;
  return {
    edit: (body) => {
      const results = body.results.filter(({ t }: { t: number }) => t < LACKING[0] || t >= LACKING[1]);
      return { ...body, results, resultsCount: results.length, count: results.length };
    },
  };
};

/** What the orchestrator script prints, from the document that this job replaces. */
const SOURCE_FORM = [
  "================================================================================",
  "MASTER BACKFILL ORCHESTRATOR STARTED",
  "================================================================================",
  "Loaded 3 symbols",
  "",
  "================================================================================",
  "STAGE 1: BACKFILLING OHLCV DATA",
  "================================================================================",
  "Processing symbol group 1",
  "  AAPL/1m: backfilling...",
  "  AAPL/5m: backfilling...",
  "",
  "================================================================================",
  "STAGE 2: DETECTING GAPS",
  "================================================================================",
  "AAPL/1m: 0 gap(s) detected",
  "BTC/1m: 1 gap(s) detected",
  "",
  "================================================================================",
  "STAGE 3: RETRYING FAILED GAPS",
  "================================================================================",
  "  BTC/1m: retrying gap 2025-11-05 to 2025-11-08 (attempt 1/2)...",
  "  BTC/1m: ✓ gap filled (5,760 candles)",
  "",
  "================================================================================",
  "DATA COMPLETENESS MATRIX",
  "================================================================================",
  "Symbol      1m    5m   15m   30m   1h    4h    1d    1w  ",
  "------|----|----|-----|-----|----|----|----|----- ",
  "BTC       ✓     ✓     ✓     ✓     ✓     ✓     ✓     ✓  ",
  "SPY       ✓     ✓     ✓     ✓     ✓     ✗     ✓     ✓  ",
  "",
  "================================================================================",
  "BACKFILL SUMMARY",
  "================================================================================",
  "Duration: N.Ns",
  "Symbols Processed: 3",
  "  Successful: 2",
  "Gaps Detected: 3",
  "Gaps Filled: 1",
  "Total Candles Inserted: 34,839",
  "================================================================================",
];

describe("run master_backfill", () => {
  let at: World;
  let ended: Ended;
  let results: string;

  beforeAll(async () => {
    at = await world(SERIES, { now: NOW, symbols: SYMBOLS, script: troubled, limit: "20/s" });
    results = join(await mkdtemp(join(tmpdir(), "results-")), "master.json");
    ended = await at.cli("run", "master_backfill", "--days", "12", "--max-concurrent", "1", "--results", results);
  });
  afterAll(() => at[Symbol.asyncDispose]());

  const normal = (text: string): string =>
    text
      .replaceAll(at.dir, "DIR")
      .replace(/run-\d{8}-\d{6}-\w{4}/g, "RUN")
      .replace(/Duration: [\d.]+s/, "Duration: N.Ns")
      .replace(/Waited [\d.]+s/g, "Waited N.Ns");

  it("prints the text that is kept beside this test", async () => {
    await expect(normal(ended.out)).toMatchFileSnapshot("./golden/master-backfill.txt");
    expect(ended.exit).toBe(3);
  });

  it("has the lines of the script that it replaces, in their order", () => {
    const lines = normal(ended.out).split("\n");
    let from = 0;
    for (const wanted of SOURCE_FORM) {
      const found = lines.indexOf(wanted, from);
      expect(found, `"${wanted}" after line ${from}`).toBeGreaterThanOrEqual(from);
      from = found + 1;
    }
  });

  it("names the gap count of every pair", () => {
    const counted = ended.out.match(/^\w+\/\w+: \d+ gap\(s\) detected$/gm) ?? [];
    expect(counted).toHaveLength(24);
  });

  it("leaves results that jq reads as before, its dates as one types them", async () => {
    const document = JSON.parse(await readFile(results, "utf8"));
    expect(document.summary).toEqual({
      total_symbols: 3,
      successful: 2,
      partial_failures: 1,
      total_failures: 0,
      total_candles_inserted: CANDLES,
      total_gaps_detected: 3,
      total_gaps_retried: expect.any(Number),
      total_gaps_filled: 1,
    });
    expect(document.gaps_detected).toEqual({
      AAPL: { "1d": [{ start: "2025-11-11", end: "2025-11-11", days: 1 }] },
      BTC: { "1m": [{ start: "2025-11-05", end: "2025-11-08", days: 4 }] },
      SPY: { "4h": [{ start: "2025-11-03", end: "2025-11-14", days: 12 }] },
    });
    expect(document.retry_results.BTC["1m"]).toEqual([
      { start: "2025-11-05", end: "2025-11-08", days: 4, attempt: 1, filled: true, candles: 5_760 },
    ]);
    expect(document.symbols_processed.SPY).toMatchObject({
      symbol: "SPY",
      asset_class: "etf",
      status: "partial_failure",
      timeframes: { "1m": { status: "completed", inserted: 3_900 }, "4h": { status: "failed", inserted: 0 } },
    });
    expect(document.symbols_processed.SPY.timeframes["4h"].error).toContain("no luck");
    expect(Date.parse(document.timestamp)).not.toBeNaN();
  });

  it("retries a gap by the very command that it prints under the matrix", async () => {
    at.script(null);
    const line = ended.out.split("\n").find((one) => one.includes("run backfill_ohlcv")) ?? "";
    const typed = line.trim().split(" ");
    expect(typed.slice(0, 3)).toEqual(["retrofill", "--project", at.dir]);
    const again = await at.cli(...typed.slice(3));
    expect(again.exit).toBe(0);
    const check = await at.json("coverage", "--symbols", "SPY", "--timeframes", "4h", "--days", "12");
    expect(check.json.series[0]).toMatchObject({ key: "SPY/4h", gap: 0, complete: true });
  });

  it("says that nothing is missing when it runs again, with the same form", async () => {
    const again = await at.cli("run", "master_backfill", "--days", "12", "--results", results);
    expect(again.exit).toBe(0);
    expect(again.out).toContain("  AAPL/1m: nothing missing\n");
    expect(again.out).toContain("No gaps to retry\n");
    expect(again.out).toContain("Total Candles Inserted: 0\n");
    const document = JSON.parse(await readFile(results, "utf8"));
    expect(document.summary).toMatchObject({ total_symbols: 3, successful: 3, total_candles_inserted: 0 });
    expect(document.gaps_detected).toEqual({});
  });

  it("shows only what was asked for in the narrowed matrix, in the same columns", async () => {
    const narrow = ["run", "master_backfill", "--days", "12", "--symbols", "spy", "--timeframes", "1h,1d", "--results"];
    const { out } = await at.cli(...narrow, results);
    expect(out).toContain("\nSPY       ·     ·     ·     ·     ✓     ·     ✓     ·  \n");
  });
});

describe("the results of run master_backfill", () => {
  const daily: SmallSeries = { symbol: "SPY", timeframe: "1d", candles: dailyBars(SESSIONS) };
  const spy = { SPY: "--timeframes 1d" };

  it("are only a warning when their path cannot be written", async () => {
    await using at = await world([daily], { now: NOW, symbols: spy });
    const run = await at.json("run", "master_backfill", "--days", "12", "--results", "/nowhere/at/all.json");
    expect(run.exit).toBe(0);
    expect(run.err).toContain("warning: results were not written to /nowhere/at/all.json");
    const own = join(at.dir, ".retrofill", "runs", run.json.run_id, "results.json");
    expect(JSON.parse(await readFile(own, "utf8")).summary.total_candles_inserted).toBe(SESSIONS.length - 1);
  });

  it("are written when the run fails, and by default where the script left them", async () => {
    await using at = await world([daily], { now: NOW, symbols: spy, script: () => ({ status: 401, body: {} }) });
    const run = await at.json("run", "master_backfill", "--days", "12");
    expect(run.exit).toBe(4);
    const document = JSON.parse(await readFile("/tmp/master_backfill_results.json", "utf8"));
    expect(document.run_id).toBe(run.json.run_id);
    expect(document.summary).toMatchObject({ total_failures: 1, total_candles_inserted: 0 });
    expect(document.symbols_processed.SPY.errors[0]).toMatch(/^auth: /);
  });

  it("are written when an error ends the run half-way", async () => {
    await using at = await world([daily], { now: NOW, symbols: spy });
    at.wrap((opened) => ({
      ...opened,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      project: {
        ...opened.project,
        store: { ...opened.project.store, publish: () => Promise.reject(new Error("the disk fell out")) },
      },
    }));
    const file = join(at.dir, "half.json");
    const run = await at.json("run", "master_backfill", "--days", "12", "--results", file);
    expect(run.exit).toBe(1);
    const document = JSON.parse(await readFile(file, "utf8"));
    expect(document.summary.total_candles_inserted).toBe(0);
    const log = await at.json("runs", "show", document.run_id, "--log");
    expect(log.json.at(-1)).toMatchObject({ event: "FAILURE", error: "the disk fell out" });
  });

  it("do not meet those of a job that runs at the same time", async () => {
    await using at = await world([daily, { ...daily, symbol: "QQQ" }], {
      now: NOW,
      symbols: { ...spy, QQQ: "--timeframes 1d" },
    });
    await at.cli("run", "master_backfill", "--symbols", "SPY", "--days", "12", "--results", join(at.dir, "a.json"));
    await at.cli("run", "master_backfill", "--symbols", "QQQ", "--days", "12", "--results", join(at.dir, "b.json"));
    const runs = await readdir(join(at.dir, ".retrofill", "runs"));
    expect(runs).toHaveLength(2);
    const symbols = await Promise.all(
      runs.map(async (run) => {
        const text = await readFile(join(at.dir, ".retrofill", "runs", run, "results.json"), "utf8");
        return Object.keys(JSON.parse(text).symbols_processed);
      }),
    );
    expect(symbols.flat().sort()).toEqual(["QQQ", "SPY"]);
    expect((await readdir(at.dir)).filter((name) => name.endsWith(".json")).sort()).toEqual(["a.json", "b.json"]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HOUR } from "../../src/core/time/instant.ts";
import type { SmallSeries } from "../../src/sandbox/small-world.ts";
import { barsFrom, dailyBars, days, type Ended, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-14T22:30:00Z";
const SESSIONS = weekdays("2025-11-03", "2025-11-14");
// From the hour that the session opens in to the one it closes in: seven hours.
const HOURS = SESSIONS.map((date) => `${date}T14:00:00Z`);
const SERVED = { first: "2025-11-02T05:00:00Z" };
const STOCKS = ["AAPL", "MSFT", "SPY"];

const SERIES: readonly SmallSeries[] = STOCKS.flatMap((symbol): readonly SmallSeries[] => [
  { ...SERVED, symbol, timeframe: "1h", candles: barsFrom(HOURS, 7, HOUR) },
  { ...SERVED, symbol, timeframe: "1d", candles: dailyBars(SESSIONS) },
]);
const SYMBOLS = Object.fromEntries(STOCKS.map((symbol) => [symbol, "--timeframes 1h,1d"]));

/** What the script prints, from the document that this job replaces; its "..." stands for further pairs. */
const SOURCE_FORM = [
  "================================================================================",
  "FEATURE ENRICHMENT PIPELINE STARTED",
  "================================================================================",
  "Loaded 3 symbols",
  "Date range: 2025-11-02 to 2025-11-14",
  "",
  "Processing group 1 (2 symbols)",
  "  AAPL/1h: computing features...",
  "  AAPL/1d: computing features...",
  "  AAPL/1h: ✓ processed=70, inserted=70, updated=0",
  "  AAPL/1d: ✓ processed=9, inserted=9, updated=0",
  "",
  "Processing group 2 (1 symbols)",
  "",
  "================================================================================",
  "ENRICHMENT SUMMARY",
  "================================================================================",
  "Duration: N.Ns",
  "Symbols Processed: 3",
  "  Successful: 3",
  "Total Records Processed: 237",
  "Total Features Computed: 237",
  "================================================================================",
];

describe("run backfill_features", () => {
  let at: World;
  let first: Ended;

  beforeAll(async () => {
    // Publications of 50 rows: a pair's features come in parts, and parts of two pairs together.
    at = await world(SERIES, { now: NOW, symbols: SYMBOLS, limit: "50/s", ohlcv: { publishRows: 50 } });
    await at.cli("run", "master_backfill", "--days", "12", "--results", `${at.dir}/r.json`);
    first = await at.cli("run", "backfill_features", "--days", "12", "--max-concurrent", "2");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  const normal = (text: string): string => text.replace(/Duration: [\d.]+s/, "Duration: N.Ns");

  it("prints the text that is kept beside this test", async () => {
    await expect(normal(first.out)).toMatchFileSnapshot("./golden/backfill-features.txt");
    expect(first.exit).toBe(0);
  });

  it("has the lines of the script that it replaces, in their order", () => {
    const lines = normal(first.out).split("\n");
    let from = 0;
    for (const wanted of SOURCE_FORM) {
      const found = lines.indexOf(wanted, from);
      expect(found, `"${wanted}" after line ${from}`).toBeGreaterThanOrEqual(from);
      from = found + 1;
    }
  });

  it("counts what is stored", async () => {
    const { json } = await at.json(
      "sql",
      "select symbol || '/' || timeframe as key, count(*) as n from market_data_v2 group by key",
    );
    const stored = new Map<string, number>(json.rows.map((row: { key: string; n: number }) => [row.key, row.n]));
    const printed = [...first.out.matchAll(/^ {2}(\S+): ✓ processed=(\d+), inserted=(\d+), updated=0$/gm)];
    expect(printed).toHaveLength(6);
    for (const [, key, processed, inserted] of printed) {
      expect([key, Number(processed), Number(inserted)]).toEqual([key, stored.get(key ?? ""), stored.get(key ?? "")]);
    }
  });

  it("asks nobody, and finds nothing to do when it runs again", async () => {
    const before = at.asked.length;
    const again = await at.cli("run", "backfill_features", "--days", "12");
    expect(again.exit).toBe(0);
    expect(again.out).toContain("Processing group 1 (3 symbols)\n  AAPL/1h: nothing to compute\n");
    expect(again.out).toContain("\n  SPY/1d: ✓ processed=0, inserted=0, updated=0 (nothing changed)\n");
    expect(again.out).toContain("\nTotal Records Processed: 0\nTotal Features Computed: 0\n");
    expect(at.asked.length).toBe(before);
  });

  it("takes five symbols at once unless it is told otherwise, the last year, and the flags of the script", async () => {
    const plan = await at.json("plan", "backfill_features", "--symbols", "AAPL,SPY", "--timeframes", "1d");
    expect(plan.json.request).toMatchObject({
      maxConcurrent: 5,
      entries: ["AAPL", "SPY"],
      narrow: { timeframes: ["1d"] },
    });
    expect(new Date(plan.json.request.from).toISOString()).toBe("2024-11-14T00:00:00.000Z");
  });

  it("says which pairs have no candles there, and how to get them", async () => {
    const ended = await at.cli(
      "run",
      "backfill_features",
      "--start",
      "2025-10-27",
      "--end",
      "2025-10-31",
      "--symbols",
      "SPY",
    );
    expect(ended.exit).toBe(3);
    expect(ended.out).toContain("\nDate range: 2025-10-27 to 2025-10-31\n");
    expect(ended.out).toContain("\n  SPY/1d: no candles to compute from\n");
    expect(ended.out).toContain(
      "\n  SPY/1d: ✗ processed=0, inserted=0, updated=0 (no candles: run master_backfill first)\n",
    );
    expect(ended.out).toContain(
      "run backfill_ohlcv --symbols SPY --timeframe 1d --start 2025-10-27 --end 2025-10-31\n",
    );
    expect(ended.out).toContain("\n  Successful: 0\n  Incomplete: 1\n");
    const told = await at.json(
      "run",
      "backfill_features",
      "--start",
      "2025-10-27",
      "--end",
      "2025-10-31",
      "--symbols",
      "SPY",
    );
    expect(told.json).toMatchObject({ status: "partial", gaps: { before: 5 + 35, after: 5 + 35 } });
  });
});

describe("features without candles", () => {
  it("are refused with what to run first, and planned together with their inputs", async () => {
    await using at = await world(SERIES.slice(0, 2), { now: NOW, symbols: { AAPL: "--timeframes 1h,1d" } });
    const refused = await at.cli("run", "backfill_features", "--days", "12");
    expect(refused.exit).toBe(5);
    expect(refused.out).toBe("");
    expect(refused.err).toContain(
      "ohlcv.market_data_v2 is made from ohlcv.market_data, which holds nothing of this scope",
    );
    expect(refused.err).toContain("run it first: retrofill run master_backfill;");
    expect(refused.err).toContain("retrofill run backfill_features --with-inputs");
    expect((await at.json("run", "backfill_features")).json.error.code).toBe("INPUT_ABSENT");
    expect(at.asked).toEqual([]);

    const both = await at.cli("run", "backfill_features", "--days", "12", "--with-inputs");
    expect(both.exit).toBe(0);
    expect(both.out).toContain("\n  AAPL/1h: ✓ processed=70, inserted=70, updated=0\n");
    expect(both.out).toContain("\nTotal Records Processed: 79\n");
  });
});

describe("features of candles that are served again", () => {
  const DATES = days("2019-01-01", "2024-12-31");
  const REACH = 1_440;
  const coin: SmallSeries = {
    symbol: "X:BTCUSD",
    assetClass: "crypto",
    timeframe: "1d",
    candles: dailyBars(DATES, "UTC"),
  };
  const RANGE = ["--start", DATES[0] ?? "", "--end", DATES.at(-1) ?? ""];
  let at: World;

  beforeAll(async () => {
    at = await world([coin], { now: "2025-01-01T12:00:00Z", symbols: { BTC: "--asset-class crypto --timeframes 1d" } });
    expect((await at.cli("run", "backfill_ohlcv", ...RANGE)).exit).toBe(0);
    expect((await at.cli("run", "backfill_features", ...RANGE)).exit).toBe(0);
  });
  afterAll(() => at[Symbol.asyncDispose]());

  const windows = async (): Promise<readonly { start: number; end: number }[]> => {
    const { json } = await at.json("plan", "backfill_features", ...RANGE);
    return json.steps.flatMap((step: { kind: string; windows: object[] }) =>
      step.kind === "build" ? step.windows : [],
    );
  };
  const rows = async (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
    (await at.json("sql", "select * from market_data_v2 order by ts")).json.rows;

  it("are not planned when the answer is the same", async () => {
    const again = await at.json("run", "backfill_ohlcv", ...RANGE, "--again");
    expect(again.json.rows).toMatchObject({ received: DATES.length, unchanged: DATES.length, updated: 0 });
    expect(await windows()).toEqual([]);
    const nothing = await at.json("run", "backfill_features", ...RANGE);
    expect(nothing.json).toMatchObject({ run_id: null, status: "succeeded", rows: { received: 0 } });
  });

  it("are made again where a changed candle reaches, and only those that differ are written", async () => {
    const place = 310;
    const changed = Date.parse(DATES[place] ?? "");
    const before = await rows();
    at.script(() => ({
      edit: (body) => ({
        ...body,
        results: body.results.map((bar: { t: number; h: number; c: number }) =>
          bar.t === changed ? { ...bar, h: bar.h + 3, c: bar.c + 0.5 } : bar,
        ),
      }),
    }));
    const restated = await at.json("run", "backfill_ohlcv", ...RANGE, "--again");
    expect(restated.json.rows).toMatchObject({ received: DATES.length, updated: 1, unchanged: DATES.length - 1 });
    expect(await windows()).toEqual([
      { key: "BTC/1d", start: changed, end: Date.parse(DATES[place + REACH + 1] ?? "") },
    ]);

    const ended = await at.cli("run", "backfill_features", ...RANGE);
    const after = await rows();
    const differ = after.flatMap((row, i) => (JSON.stringify(row) === JSON.stringify(before[i]) ? [] : [i]));
    expect(ended.out).toContain(`\n  BTC/1d: ✓ processed=${REACH + 1}, inserted=0, updated=${differ.length}\n`);
    expect(differ[0]).toBe(place);
    expect(differ.length).toBeGreaterThan(100);
    // Blocks of 50 slots: the row's own and the 14 before it are the longest memory of a day's features.
    expect(differ.at(-1)).toBeLessThan(place + 750);
    const kept = await at.json("sql", "select change, count(*) as n from market_data_v2__history group by change");
    expect(kept.json.rows).toEqual([{ change: "updated", n: differ.length }]);
    expect(await windows()).toEqual([]);
    expect((await at.cli("verify", "ohlcv.market_data_v2")).exit).toBe(0);
    expect((await at.cli("audit", "verify")).exit).toBe(0);
  });
});

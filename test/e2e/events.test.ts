import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EventsInput } from "../../src/sandbox/events.ts";
import { dailyBars, KEY, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-21T21:30:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");

const EVENTS: EventsInput["tickers"] = {
  AAPL: {
    dividends: [
      { exDate: "2025-11-10", cashAmount: 0.26, payDate: "2025-11-13", frequency: 4 },
      { exDate: "2025-11-10", cashAmount: 1.5, type: "SC", frequency: 0 },
    ],
    splits: [{ executionDate: "2025-11-12", from: 1, to: 4 }],
    earnings: [
      { date: "2025-10-30", epsEstimated: 1.77, epsActual: 1.85, revenueEstimated: 100, revenueActual: 102 },
      { date: "2026-01-29", epsEstimated: 2.1 },
    ],
  },
};

/** A project whose candles, events and earnings all come through the door. */
async function withEvents(
  symbols: Readonly<Record<string, string>>,
  events: EventsInput["tickers"],
  options: Pick<Parameters<typeof world>[1], "sandbox" | "script"> = {},
): Promise<World> {
  const at = await world([{ symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) }], {
    now: NOW,
    symbols,
    events,
    ohlcv: { since: { "1d": "2025-11-03" }, fmp: { limit: "500/s" } },
    ...options,
  });
  // The door's address is known only now.
  process.env.FMP_BASE_URL = at.url;
  return at;
}

const asked = (at: World, path: string): readonly string[] =>
  at.asked
    .map(({ url }) => new URL(url, at.url))
    .filter(({ pathname }) => pathname === path)
    .map(({ searchParams }) => searchParams.get("ticker") ?? searchParams.get("symbol") ?? "")
    .sort();

describe("adjusted candles", () => {
  beforeEach(() => void vi.stubEnv("FMP_API_KEY", KEY).stubEnv("FMP_BASE_URL", ""));
  afterEach(() => void vi.unstubAllEnvs());

  const split = { splits: [{ executionDate: "2025-11-12", from: 1, to: 4 }] };
  const factorsOf = (at: World): Promise<{ json: { rows: { symbol: string; factor: number; n: number }[] } }> =>
    at.json(
      "sql",
      "select symbol, split_factor as factor, count(*)::int as n from ohlcv_adjusted group by all order by all",
    );

  it("are not made before events were asked for: nobody knows then what to adjust by", async () => {
    await using at = await withEvents({ AAPL: "--timeframes 1d" }, { AAPL: split });
    const candles = await at.json("run", "ohlcv+");
    expect([candles.exit, candles.json.status]).toEqual([0, "succeeded"]);
    expect(candles.json.stages.map(({ dataset }: { dataset: string }) => dataset)).not.toContain(
      "ohlcv.ohlcv_adjusted",
    );
    const early = await at.json("run", "ohlcv.ohlcv_adjusted");
    expect([early.exit, early.json.error.code, early.json.error.hint]).toEqual([
      5,
      "INPUT_ABSENT",
      expect.stringContaining("retrofill run"),
    ]);
    const events = await at.json("run", "ohlcv.stock_splits,ohlcv.dividends");
    expect(events.exit).toBe(0);
    expect((await at.json("run", "ohlcv+")).exit).toBe(0);
    expect((await factorsOf(at)).json.rows).toEqual([
      { symbol: "AAPL", factor: 0.25, n: 7 },
      { symbol: "AAPL", factor: 1, n: 7 },
    ]);
  });

  it("are made of the symbols whose events are known, and the others are not owed", async () => {
    await using at = await withEvents(
      { AAPL: "--timeframes 1d", QUIET: "--timeframes 1d" },
      { AAPL: split, QUIET: { splits: [] } },
    );
    await at.json("run", "ohlcv.stock_splits,ohlcv.dividends", "--symbols", "AAPL");
    const all = await at.json("run", "ohlcv+", "--symbols", "AAPL");
    expect([all.exit, all.json.status]).toEqual([0, "succeeded"]);
    await at.json("run", "ohlcv+");
    const again = await at.json("run", "ohlcv+");
    expect([again.exit, again.json.calls.made]).toEqual([0, 0]);
    expect((await factorsOf(at)).json.rows.map(({ symbol }) => symbol)).toEqual(["AAPL", "AAPL"]);
  });
});

describe("backfill_enrichment_data", () => {
  beforeEach(() => void vi.stubEnv("FMP_API_KEY", KEY).stubEnv("FMP_BASE_URL", ""));
  afterEach(() => void vi.unstubAllEnvs());

  it("fills dividends, splits and earnings, and what is made from them", async () => {
    await using at = await withEvents({ AAPL: "--timeframes 1d" }, EVENTS);
    const prices = await at.json("run", "ohlcv");
    expect(prices.exit).toBe(0);
    const run = await at.json("run", "backfill_enrichment_data");
    expect([run.exit, run.json.status, run.json.errors]).toEqual([0, "succeeded", []]);

    const { json: dividends } = await at.json(
      "sql",
      "select ex_date::varchar as ex_date, dividend_type, dividend_amount, pay_date::varchar as pay_date from dividends order by dividend_amount",
    );
    // A special dividend on the ex-date of a regular one is another row.
    expect(dividends.rows).toEqual([
      { ex_date: "2025-11-10", dividend_type: "CD", dividend_amount: 0.26, pay_date: "2025-11-13" },
      { ex_date: "2025-11-10", dividend_type: "SC", dividend_amount: 1.5, pay_date: null },
    ]);
    const { json: splits } = await at.json(
      "sql",
      "select symbol, execution_date::varchar as day, split_from, split_to, split_ratio from stock_splits",
    );
    expect(splits.rows).toEqual([{ symbol: "AAPL", day: "2025-11-12", split_from: 1, split_to: 4, split_ratio: 4 }]);
    const { json: earnings } = await at.json(
      "sql",
      "select earnings_date::varchar as day, eps_actual, round(eps_surprise, 6) as surprise from earnings order by 1",
    );
    expect(earnings.rows).toEqual([
      { day: "2025-10-30", eps_actual: 1.85, surprise: 0.08 },
      { day: "2026-01-29", eps_actual: null, surprise: null },
    ]);
    // Closes before 10 November are 105, so that 1 - 1.76 / 105 is what the dividends take.
    const { json: factors } = await at.json(
      "sql",
      "select ts::date::varchar as day, split_factor, dividend_factor, close_before from adjustment_factors order by ts",
    );
    expect(factors.rows).toEqual([
      { day: "2025-11-10", split_factor: 1, dividend_factor: 1 - 1.76 / 105, close_before: 105 },
      { day: "2025-11-12", split_factor: 0.25, dividend_factor: 1, close_before: 107 },
    ]);

    const again = await at.json("run", "backfill_enrichment_data");
    expect([again.exit, again.json.calls.made]).toEqual([0, 0]);
  });

  it.each([
    ["dividends", { polygon: { refuses: { dividends: "not-entitled" } } }, /403/],
    ["dividends", { polygon: { refuses: { dividends: "not-found" } } }, /404/],
    ["stock_splits", { polygon: { refuses: { splits: "not-entitled" } } }, /403/],
    ["earnings", { fmp: { refuses: { earnings: "legacy" } } }, /403/],
    ["earnings", { fmp: { refuses: { earnings: "not-found" } } }, /404/],
  ] as const)("names a refusal of %s and does not take it for an answer (%o)", async (table, sandbox, status) => {
    await using at = await withEvents({ AAPL: "--timeframes 1d" }, EVENTS, { sandbox });
    await at.json("run", "ohlcv");
    const run = await at.json("run", "backfill_enrichment_data");
    const dataset = `ohlcv.${table}`;
    expect([run.exit, run.json.status]).toEqual([3, "partial"]);
    const errors = new Set(run.json.errors.map((one: { dataset: string; key: string }) => `${one.dataset} ${one.key}`));
    expect([...errors]).toEqual([`${dataset} AAPL`]);
    expect(run.json.errors[0].reason).toMatch(status);
    const stage = run.json.stages.find((one: { dataset: string }) => one.dataset === dataset);
    expect(stage.cells.covered_after + stage.cells.verified_empty).toBe(0);
    expect(stage.gaps.after).toBeGreaterThan(0);
    const shown = await at.cli("runs", "show", run.json.run_id);
    expect(shown.out).toMatch(new RegExp(`${dataset} AAPL.*${status.source}`));
    // The other two were answered.
    const lacking = run.json.stages.filter((one: { gaps: { after: number } }) => one.gaps.after > 0);
    expect(lacking.map((one: { dataset: string }) => one.dataset)[0]).toBe(dataset);
    for (const other of ["dividends", "stock_splits", "earnings"].filter((name) => name !== table)) {
      expect((await at.json("gaps", `ohlcv.${other}`)).json.gaps, other).toEqual([]);
    }
  });

  it("asks for every active symbol, and for no inactive one", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `S${String(i).padStart(2, "0")}`);
    const events = Object.fromEntries(
      names.map((name, i) => [name, { splits: [], dividends: [{ exDate: "2025-11-10", cashAmount: 0.1 + i }] }]),
    );
    await using at = await withEvents(Object.fromEntries(names.map((name) => [name, "--timeframes 1d"])), events);
    await at.cli("symbols", "remove", "S07", "S31");
    const active = names.filter((name) => name !== "S07" && name !== "S31");
    const run = await at.json("run", "backfill_enrichment_data");
    expect(run.json.errors).toEqual([]);
    for (const path of ["/v3/reference/dividends", "/v3/reference/splits", "/stable/earnings"]) {
      expect([path, asked(at, path)]).toEqual([path, active]);
    }
    const { json } = await at.json("sql", "select count(distinct symbol) as n from dividends");
    expect(Number(json.rows[0].n)).toBe(active.length);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdjustedDay, type DayFactors, eventsOf, factorsOn, readAdjustedDays, readFactorFile } from "./factors.ts";
import type { RunDocument } from "./filled-set.ts";
import { newYorkDate } from "./new-york.ts";
import { RealProject } from "./project.ts";
import { leanNewYork, readBars } from "./raw-bars.ts";

// Adjusted candles of real shares, made from raw ones and events, against the factors that other people worked out.

const root = process.env.RETROFILL_DATA ?? "";
const FILL_MS = 300_000;

interface AdjustedRow extends DayFactors {
  readonly day: string;
  readonly close: number;
}

async function adjustedRows(project: RealProject, symbol: string): Promise<readonly AdjustedRow[]> {
  const { document } = await project.command<{ rows: readonly Record<string, unknown>[] }>(
    "sql",
    `select epoch_ms(ts) as t, split_factor, dividend_factor, close from ohlcv_adjusted where symbol = '${symbol}' order by ts`,
  );
  return document.rows.map((row) => ({
    day: newYorkDate(Number(row.t)),
    split: Number(row.split_factor),
    dividend: Number(row.dividend_factor),
    close: Number(row.close),
  }));
}

/** What `plan --json` says of its price. */
interface PlanDocument {
  readonly cost: { readonly calls: number };
  readonly series: readonly { readonly key: string; readonly halo?: number }[];
}

interface RunStages extends RunDocument {
  readonly stages: readonly { readonly dataset: string; readonly rows: RunDocument["rows"] }[];
}

const rowsOf = (run: RunStages, dataset: string): Partial<RunDocument["rows"]> =>
  run.stages.find((stage) => stage.dataset === dataset)?.rows ?? {};

describe.runIf(root !== "")("raw daily bars from 1998 with the events of factor files (lean-us-daily)", () => {
  const tickers = ["aapl", "ibm", "spy"] as const;
  const name = (ticker: string): string => `${ticker.toUpperCase()}.LEAN`;
  const lines = new Map<string, Awaited<ReturnType<typeof readFactorFile>>>();
  const days = new Map<string, readonly string[]>();
  let project: RealProject;

  beforeAll(async () => {
    const events: Record<string, ReturnType<typeof eventsOf>> = {};
    for (const ticker of tickers) {
      const bars = await readBars(`${root}/ohlcv/lean-us-daily/${ticker}.csv.gz`, {
        columns: ["datetime_ny", "open", "high", "low", "close", "volume"],
        readTime: leanNewYork,
        priceScale: 10_000,
      });
      lines.set(ticker, await readFactorFile(root, ticker));
      days.set(
        ticker,
        bars.map(({ t }) => newYorkDate(t)),
      );
      events[name(ticker)] = eventsOf(lines.get(ticker) ?? [], days.get(ticker) ?? []);
    }
    project = await RealProject.make({
      root,
      set: "lean-us-daily",
      // The evening before Apple's shares split one into four.
      now: "2020-08-31T06:00:00Z",
      symbols: tickers.map((ticker) => ({ symbol: name(ticker), timeframes: ["1d"], start: null, end: "2021-04-01" })),
      events,
    });
    await project.command("run", "ohlcv");
    const { exit } = await project.command("run", "backfill_enrichment_data");
    expect(exit).toBe(0);
  }, FILL_MS);
  afterAll(async () => await project?.[Symbol.asyncDispose]());

  it("reads dividends off the factor files that the companies did pay", () => {
    const amount = (ticker: string, day: string): number =>
      eventsOf(lines.get(ticker) ?? [], days.get(ticker) ?? []).dividends?.find(({ exDate }) => exDate === day)
        ?.cashAmount ?? 0;
    // Apple's investor relations list these per share, before any later split: 2.65, 0.47, 0.82, 0.205.
    expect(amount("aapl", "2012-08-09")).toBeCloseTo(2.65, 3);
    expect(amount("aapl", "2014-08-07")).toBeCloseTo(0.47, 3);
    expect(amount("aapl", "2020-08-07")).toBeCloseTo(0.82, 3);
    expect(amount("aapl", "2020-11-06")).toBeCloseTo(0.205, 3);
  });

  it("a new split costs one question for the split and none for candles; only rows before it change", async () => {
    const before = await adjustedRows(project, "AAPL.LEAN");
    await project.moveTo("2020-09-02T06:00:00Z");
    await project.command("run", "ohlcv");
    const { document: asked } = await project.command<RunStages>("run", "ohlcv.stock_splits,ohlcv.dividends");
    expect(rowsOf(asked, "ohlcv.stock_splits")).toMatchObject({ inserted: 1 });
    const { document: plan } = await project.command<PlanDocument>("plan", "ohlcv.adjustment_factors+");
    expect(plan.cost.calls).toBe(0);
    const { document: run } = await project.command<RunStages>("run", "ohlcv.adjustment_factors+");
    const after = await adjustedRows(project, "AAPL.LEAN");
    const old = new Map(before.map((row) => [row.day, row]));
    const changed = after.filter((row) => old.has(row.day) && old.get(row.day)?.close !== row.close);
    // Every bar before 31 August 2020 and no other, in no other series.
    expect(changed.length).toBe(after.filter(({ day }) => day < "2020-08-31").length);
    expect(changed.every(({ day }) => day < "2020-08-31")).toBe(true);
    expect(rowsOf(run, "ohlcv.ohlcv_adjusted")).toMatchObject({ updated: changed.length, retracted: 0 });
    for (const row of changed) expect((old.get(row.day) as AdjustedRow).close / row.close).toBeCloseTo(4, 10);
  });

  it("has the files' cumulative factors on every day", async () => {
    await project.moveTo("2021-04-01T06:00:00Z");
    await project.command("run", "ohlcv");
    const { exit } = await project.command("run", "backfill_enrichment_data");
    expect(exit).toBe(0);
    for (const ticker of tickers) {
      const rows = await adjustedRows(project, name(ticker));
      expect(rows.map(({ day }) => day)).toEqual(days.get(ticker));
      const worst = { split: 0, dividend: 0, both: 0 };
      for (const { day, split, dividend } of rows) {
        const file = factorsOn(lines.get(ticker) ?? [], day);
        worst.split = Math.max(worst.split, Math.abs(split - file.split));
        worst.dividend = Math.max(worst.dividend, Math.abs(dividend - file.dividend));
        worst.both = Math.max(worst.both, Math.abs(split * dividend - file.split * file.dividend));
      }
      console.log(ticker, rows.length, "days, farthest from the file:", JSON.stringify(worst));
      // Price factors have seven decimals, split factors up to eight.
      expect(worst.dividend).toBeLessThan(5.5e-8);
      expect(worst.split).toBeLessThan(5.5e-8);
      expect(worst.both).toBeLessThan(1.1e-7);
    }
  });
});

describe.runIf(root !== "")("shares with their splits and adjusted prices beside (yahoo-2026)", () => {
  const symbols = ["AVGO", "SMCI", "IBKR"] as const;
  const files = new Map<string, readonly AdjustedDay[]>();
  let project: RealProject;

  beforeAll(async () => {
    for (const symbol of symbols) files.set(symbol, await readAdjustedDays(root, symbol));
    project = await RealProject.make({
      root,
      set: "yahoo-2026",
      now: "2026-04-02T06:00:00Z",
      symbols: symbols.map((symbol) => ({ symbol, timeframes: ["1d"], start: null, end: lastDay(files.get(symbol)) })),
      events: Object.fromEntries(
        [...files].map(([symbol, list]) => [
          symbol,
          {
            dividends: list
              .filter(({ dividend }) => dividend > 0)
              .map(({ date, dividend }) => ({ exDate: date, cashAmount: dividend })),
            splits: list
              .filter(({ split }) => split !== 1)
              .map(({ date, split }) => ({ executionDate: date, from: 1, to: split })),
          },
        ]),
      ),
    });
    await project.command("run", "ohlcv");
    await project.command("run", "backfill_enrichment_data");
  }, FILL_MS);
  afterAll(async () => await project?.[Symbol.asyncDispose]());

  it("finds each split on its day", async () => {
    const { document } = await project.command<{ rows: readonly unknown[] }>(
      "sql",
      "select symbol, execution_date::varchar as day, split_ratio from stock_splits order by symbol",
    );
    expect(document.rows).toEqual([
      { symbol: "AVGO", day: "2024-07-15", split_ratio: 10 },
      { symbol: "IBKR", day: "2025-06-18", split_ratio: 4 },
      { symbol: "SMCI", day: "2024-10-01", split_ratio: 10 },
    ]);
  });

  it("has the file's factor of splits on every day", async () => {
    for (const symbol of symbols) {
      const rows = await adjustedRows(project, symbol);
      const list = files.get(symbol) ?? [];
      expect(rows.map(({ day }) => day)).toEqual(list.map(({ date }) => date));
      for (const [i, { split }] of rows.entries()) {
        expect(split).toBeCloseTo((list[i] as AdjustedDay).splitOfVolume, 9);
      }
    }
  });

  it("adjusts every close as the file does, but for which close a dividend is measured by", async () => {
    for (const symbol of symbols) {
      const rows = await adjustedRows(project, symbol);
      const list = files.get(symbol) ?? [];
      // The file takes a dividend's share of the close of its ex-date, c / (c + d); ours of the close before, 1 - d / c.
      const theirs = dividendFactors(list, ({ close, dividend }) => close / (close + dividend));
      const ours = dividendFactors(list, ({ dividend }, i) => 1 - dividend / (list[i - 1]?.close ?? Number.NaN));
      const worst = { file: 0, dividends: 0, method: 0 };
      for (const [i, { close, dividend }] of rows.entries()) {
        const day = list[i] as AdjustedDay;
        const asTheirs = (close / dividend) * (theirs[i] as number);
        worst.file = Math.max(worst.file, Math.abs(asTheirs / day.adjustedClose - 1));
        worst.dividends = Math.max(worst.dividends, Math.abs(dividend - (ours[i] as number)));
        worst.method = Math.max(worst.method, Math.abs(close / day.adjustedClose - 1));
      }
      console.log(symbol, rows.length, "days, farthest from the file's adjusted close:", JSON.stringify(worst));
      expect(worst.file).toBeLessThan(1e-9);
      expect(worst.dividends).toBeLessThan(1e-14);
      expect(worst.method).toBeLessThan(5e-4);
    }
  });
});

/** By day, the product over all later dividends of what `share` leaves. */
function dividendFactors(
  list: readonly AdjustedDay[],
  share: (day: AdjustedDay, i: number) => number,
): readonly number[] {
  const factors: number[] = [];
  let factor = 1;
  for (let i = list.length - 1; i >= 0; i--) {
    factors[i] = factor;
    const day = list[i] as AdjustedDay;
    if (day.dividend > 0) factor *= share(day, i);
  }
  return factors;
}

/** The first day without a bar. */
function lastDay(list: readonly AdjustedDay[] | undefined): string {
  const last = list?.[list.length - 1]?.date ?? "";
  return new Date(Date.parse(last) + 86_400_000).toISOString().slice(0, 10);
}

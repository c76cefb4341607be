import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EventsInput } from "./events.ts";
import { ask, candlesAt, startSmallSandbox } from "./small-world.ts";

const root = process.env.RETROFILL_DATA ?? "";
// biome-ignore lint/suspicious/noExplicitAny: recorded bodies are read as they are
const recorded = async (file: string): Promise<any> => JSON.parse(await readFile(join(root, "recorded", file), "utf8"));
const series = [{ symbol: "AAPL", timeframe: "1d", candles: candlesAt(["2020-01-02T05:00Z"]) }] as const;

type Tickers = EventsInput["tickers"];

/** Events by ticker from rows of any order. */
function byTicker(kind: "dividends" | "splits" | "earnings", rows: readonly (readonly [string, object])[]): Tickers {
  const tickers: Record<string, Record<string, object[]>> = {};
  for (const [ticker, event] of rows) tickers[ticker] = { [kind]: [...(tickers[ticker]?.[kind] ?? []), event] };
  return tickers as Tickers;
}

/** Ids are ours, and recorded records had no currency yet. */
const withoutOurs = (rows: readonly Record<string, unknown>[]) => rows.map(({ id, currency, ...row }) => row);
const inOrder = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

describe.runIf(root !== "")("recorded answers", () => {
  it("of dividends come back field for field when their events are served", async () => {
    const { results, ...envelope } = await recorded("polygon-mocks/v3_reference_dividends.json");
    expect(results.length).toBeGreaterThan(5);
    const events = byTicker(
      "dividends",
      results.map((row: Record<string, never>) => [
        row.ticker,
        {
          exDate: row.ex_dividend_date,
          cashAmount: row.cash_amount,
          declarationDate: row.declaration_date,
          recordDate: row.record_date,
          payDate: row.pay_date,
          frequency: row.frequency,
          type: row.dividend_type,
        },
      ]),
    );
    await using sandbox = await startSmallSandbox(series, { events });
    const { body } = await ask(sandbox, "/v3/reference/dividends?limit=1000");
    expect(Object.keys(body).sort()).toEqual(["results", ...Object.keys(envelope)].sort());
    // As text, so that the order of keys counts too.
    expect(inOrder(withoutOurs(body.results))).toEqual(inOrder(results));
  });

  it("of splits come back field for field when their events are served", async () => {
    const { results } = await recorded("polygon-mocks/v3_reference_splits.json");
    const events = byTicker(
      "splits",
      results.map((row: Record<string, never>) => [
        row.ticker,
        { executionDate: row.execution_date, from: row.split_from, to: row.split_to },
      ]),
    );
    await using sandbox = await startSmallSandbox(series, { events });
    const { body } = await ask(sandbox, "/v3/reference/splits");
    expect(inOrder(withoutOurs(body.results))).toEqual(inOrder(results));
    const dates = body.results.map((row: Record<string, string>) => row.execution_date);
    expect(dates).toEqual(results.map((row: Record<string, string>) => row.execution_date));
  });

  it("of a grouped day have the keys that are served", async () => {
    const { results, ...envelope } = await recorded(
      "polygon-mocks/v2_aggs_grouped_locale_us_market_stocks_2005-04-04_adjusted=true.json",
    );
    await using sandbox = await startSmallSandbox([{ ...series[0], adjusted: true }]);
    const { body } = await ask(sandbox, "/v2/aggs/grouped/locale/us/market/stocks/2020-01-02?adjusted=true");
    expect(Object.keys(body).sort()).toEqual([...Object.keys(envelope), "results"].sort());
    // Candles of a test have neither a weighted price nor trades.
    expect([...Object.keys(body.results[0]), "vw", "n"].sort()).toEqual(Object.keys(results[0]).sort());
  });

  it.each(["AAPL", "MSFT"])("of %s' earnings come back, null what was not reported yet", async (symbol) => {
    const rows = await recorded(`fmp-stable/earnings-${symbol}.json`);
    const events = byTicker(
      "earnings",
      rows.map(({ symbol: of, lastUpdated, ...row }: Record<string, unknown>) => [of, row]),
    );
    await using sandbox = await startSmallSandbox(series, { events, nowMs: Date.parse("2025-09-23T12:00Z") });
    const response = await fetch(`${sandbox.url}/stable/earnings?symbol=${symbol}&limit=6&apikey=k`);
    const served = (await response.json()) as Record<string, unknown>[];
    const known = (row: Record<string, unknown>) => JSON.stringify({ ...row, lastUpdated: "" });
    expect(served.map(known)).toEqual(rows.map(known));
  });
});

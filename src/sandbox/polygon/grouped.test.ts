import { afterAll, describe, expect, it } from "vitest";
import { ask, candlesAt, minuteCandles, startSmallSandbox } from "../small-world.ts";
import type { Sandbox } from "../start-sandbox.ts";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

// The Friday after Thanksgiving 2020 closes at 13:00.
const DAYS = ["2020-11-25T05:00Z", "2020-11-27T05:00Z", "2020-11-30T05:00Z"];
const daily = { timeframe: "1d", candles: candlesAt(DAYS) } as const;
const SERIES = [
  { ...daily, symbol: "AAPL" },
  { ...daily, symbol: "SPY", assetClass: "etf", candles: candlesAt(DAYS.slice(1)) },
  { symbol: "GE", timeframe: "1m", candles: minuteCandles("2020-11-25T14:30:00Z", 10) },
  { ...daily, symbol: "I:SPX", assetClass: "index" },
  { symbol: "X:BTCUSD", timeframe: "1d", assetClass: "crypto", candles: candlesAt(["2020-11-26T00:00Z"]) },
  { symbol: "C:EURUSD", timeframe: "1d", assetClass: "forex", candles: candlesAt(["2020-11-26T00:00Z"]) },
] as const;

async function open(options: Parameters<typeof startSmallSandbox>[1] = {}): Promise<Sandbox> {
  const sandbox = await startSmallSandbox(SERIES, options);
  opened.push(sandbox);
  return sandbox;
}

const STOCKS = "/v2/aggs/grouped/locale/us/market/stocks";
const RAW = "?adjusted=false";
const tickers = (body: { results?: { T: string }[] }) => (body.results ?? []).map(({ T }) => T);

describe("a grouped day", () => {
  it("has the day's bar of every share and fund, with the keys of recorded answers and the day's end", async () => {
    const { status, body } = await ask(await open(), `${STOCKS}/2020-11-25${RAW}`);
    expect(status).toBe(200);
    expect(Object.keys(body).join(" ")).toBe("queryCount resultsCount adjusted results status request_id count");
    expect(body).toMatchObject({ queryCount: 2, resultsCount: 2, count: 2, adjusted: false, status: "OK" });
    expect(Object.keys(body.results[0]).join(" ")).toBe("T v o c h l t");
    const t = Date.parse("2020-11-25T21:00Z");
    expect(body.results).toEqual([
      { T: "AAPL", v: 1000, o: 10, c: 11, h: 12, l: 9, t },
      { T: "GE", v: 145, o: 100, c: 109.5, h: 110, l: 99, t },
    ]);
  });

  it("ends at 13:00 where the exchange closes early", async () => {
    const { body } = await ask(await open(), `${STOCKS}/2020-11-27${RAW}`);
    expect(tickers(body)).toEqual(["AAPL", "SPY"]);
    expect(body.results[0].t).toBe(Date.parse("2020-11-27T18:00Z"));
  });

  it("of coins and currencies ends a millisecond before UTC midnight", async () => {
    const sandbox = await open();
    for (const [market, ticker] of [
      ["crypto", "X:BTCUSD"],
      ["fx", "C:EURUSD"],
    ] as const) {
      const { body } = await ask(sandbox, `/v2/aggs/grouped/locale/global/market/${market}/2020-11-26`);
      expect([tickers(body), body.results[0].t]).toEqual([[ticker], Date.parse("2020-11-26T23:59:59.999Z")]);
    }
  });

  it("without bars is a 200 with counts 0, without results unless told", async () => {
    const { status, body } = await ask(await open(), `${STOCKS}/2020-11-26${RAW}`);
    const empty = { queryCount: 0, resultsCount: 0, adjusted: false, status: "OK", count: 0 };
    expect([status, body]).toEqual([200, { ...empty, request_id: body.request_id }]);
    const sending = await open({ polygon: { sendsEmptyResults: true } });
    expect((await ask(sending, `${STOCKS}/2020-11-26${RAW}`)).body.results).toEqual([]);
  });

  it("has no bars until it has ended, and is refused while it lies ahead", async () => {
    const sandbox = await open({ nowMs: Date.parse("2020-11-27T17:59Z") });
    const ask27 = async () => await ask(sandbox, `${STOCKS}/2020-11-27${RAW}`);
    expect(tickers((await ask27()).body)).toEqual([]);
    const ahead = await ask(sandbox, `${STOCKS}/2020-11-28${RAW}`);
    expect([ahead.status, ahead.body.message]).toEqual([403, expect.stringContaining("data timeframe")]);
    sandbox.setNow(Date.parse("2020-11-27T18:00Z"));
    expect(tickers((await ask27()).body)).toEqual(["AAPL", "SPY"]);
  });

  it("before all data is refused, and a date that is none is a 400", async () => {
    const sandbox = await open();
    expect((await ask(sandbox, `${STOCKS}/2020-11-24${RAW}`)).status).toBe(403);
    expect((await ask(sandbox, `${STOCKS}/2020-02-30${RAW}`)).status).toBe(400);
    expect((await ask(sandbox, `${STOCKS}/2020-11-25?adjusted=maybe`)).status).toBe(400);
    expect((await ask(sandbox, "/v2/aggs/grouped/locale/us/market/bonds/2020-11-25")).status).toBe(404);
  });

  it("leaves out who is not kept as asked, and adjusts whose splits are known", async () => {
    const sandbox = await open({ events: { AAPL: { splits: [{ executionDate: "2020-11-30", from: 1, to: 2 }] } } });
    const { body } = await ask(sandbox, `${STOCKS}/2020-11-27`);
    expect(body.results).toEqual([expect.objectContaining({ T: "AAPL", o: 5.5, v: 2002 })]);
    expect(tickers((await ask(sandbox, `${STOCKS}/2020-11-27${RAW}`)).body)).toEqual(["AAPL", "SPY"]);
  });
});

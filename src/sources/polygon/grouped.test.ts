import { describe, expect, it } from "vitest";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { choosePaths } from "../../core/plan/access-paths.ts";
import type { Grain } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome } from "../../engine/ports.ts";
import { candlesAt, startSmallSandbox } from "../../sandbox/small-world.ts";
import { groupedTicker, polygonGrouped } from "./grouped.ts";
import { polygonSource } from "./polygon.ts";

const EVER: Interval = { start: instant(Date.UTC(2000, 0, 1)), end: instant(Date.UTC(2100, 0, 1)) };
const source = polygonGrouped();
const utc = (text: string): number => Date.parse(`${text}Z`);
const window = (start: string, end: string): Interval => ({ start: instant(utc(start)), end: instant(utc(end)) });

const APPLE = daysOf("AAPL");
const DAY = window("2020-10-14T04:00", "2020-10-15T04:00");
const REQUEST = source.request(APPLE, DAY);

// The documented example's stamp: 16:00 in New York.
const bar = (T: string, more: object = {}): object => {
  return { T, c: 34.24, h: 35.47, l: 34.21, n: 4966, o: 34.9, t: 1602705600000, v: 312583, vw: 34.4736, ...more };
};
const page = (results: readonly unknown[] | undefined, more: object = {}): object => ({
  adjusted: false,
  queryCount: results?.length ?? 0,
  resultsCount: results?.length ?? 0,
  status: "OK",
  request_id: "1",
  results,
  count: results?.length ?? 0,
  ...more,
});

describe("request", () => {
  it("is one for every ticker of a market and date", () => {
    expect(REQUEST).toEqual({
      method: "GET",
      target: "/v2/aggs/grouped/locale/us/market/stocks/2020-10-14?adjusted=false",
    });
    expect(source.request(daysOf("SPY", "etf"), DAY)).toEqual(REQUEST);
    const coin = daysOf("BTC", "crypto", "UTC");
    expect(
      polygonGrouped({ adjusted: true }).request(coin, window("2020-10-14T00:00", "2020-10-15T00:00")).target,
    ).toBe("/v2/aggs/grouped/locale/global/market/crypto/2020-10-14?adjusted=true");
  });

  it("is needed for each day of the gaps", () => {
    // Across the night in which New York's clocks go back.
    const gaps = [window("2020-10-30T04:00", "2020-11-02T05:00"), window("2020-11-05T05:00", "2020-11-06T05:00")];
    const days = source.windows(APPLE, gaps);
    expect(days.map((day) => source.request(APPLE, day).target.slice(-25, -15))).toEqual([
      "2020-10-30",
      "2020-10-31",
      "2020-11-01",
      "2020-11-05",
    ]);
  });
});

describe("series", () => {
  it.each<[string, Series, string | null]>([
    ["shares", APPLE, "stocks"],
    ["funds", daysOf("SPY", "etf"), "stocks"],
    ["coins", daysOf("BTC", "crypto", "UTC"), "crypto"],
    ["what has no class, as shares", { ...APPLE, ask: {} }, "stocks"],
    ["indices", daysOf("SPX", "index"), null],
    ["currencies", daysOf("EURUSD", "fx", "UTC"), null],
    ["hours", daysOf("AAPL", "stock", "America/New_York", "1h"), null],
    ["weeks", daysOf("AAPL", "stock", "America/New_York", "1w"), null],
    ["days of other clocks", daysOf("BTC", "crypto", "America/New_York"), null],
  ])("of %s are grouped where a market's days hold them", (_what, series, group) => {
    expect(source.serves(series)).toBe(group !== null);
    if (group !== null) expect(source.group?.(series)).toBe(group);
    else expect(() => source.request(series, DAY)).toThrow(/not among Polygon's grouped days/);
  });

  it("are found by their ticker, which records name in T", () => {
    const { key = "", fields } = source.records;
    expect(fields[key]).toEqual({ type: "string", required: true, member: "T" });
    const coin = daysOf("BTC", "crypto", "UTC");
    expect([APPLE, coin].map((one) => source.match?.(one))).toEqual(["AAPL", "X:BTCUSD"]);
    expect(groupedTicker(coin)).toBe("X:BTCUSD");
    expect(polygonGrouped({ quote: "EUR" }).match?.(coin)).toBe("X:BTCEUR");
  });

  it("share their days' requests with the rest of their market where that is cheaper", () => {
    const [start, end] = [instant(utc("2020-10-14T04:00")), instant(utc("2020-10-16T04:00"))];
    const paths = [polygonSource(), source].map((one) => ({
      name: one.name,
      kind: one.group === undefined ? ("key" as const) : ("all" as const),
      serves: one.serves,
      windows: one.windows,
      ...(one.group === undefined ? {} : { group: one.group }),
    }));
    const gaps = [{ start, end }];
    const series = ["AAPL", "MSFT", "SPY"].map((symbol) => daysOf(symbol));
    const { chunks } = choosePaths(
      series.map((one) => ({ series: one, gaps, due: gaps, ranges: gaps })),
      paths,
    );
    expect(chunks.map(({ source: by, keys, window: day }) => [by, keys?.length, day.start])).toEqual([
      ["polygon-grouped", 3, utc("2020-10-14T04:00")],
      ["polygon-grouped", 3, utc("2020-10-15T04:00")],
    ]);
  });
});

describe("classify", () => {
  it("reads every ticker's bar and claims the whole day", () => {
    expect(read(page([bar("VSAT"), bar("AAPL", { n: undefined, vw: undefined })]))).toEqual({
      kind: "rows",
      rows: 2,
      next: null,
      through: DAY.end,
      provisional: false,
      strict: true,
      layout: null,
    });
  });

  it.each([
    ["an early close", "2020-10-14T17:00"],
    ["the day's end", "2020-10-15T04:00"],
    ["a UTC day's end", "2020-10-14T23:59:59.999"],
  ])("takes %s for the day", (_what, at) => {
    expect(read(page([bar("AAPL", { t: utc(at) })]))).toMatchObject({ kind: "rows", through: DAY.end });
  });

  it("takes a closed day for an empty answer, with and without a list", () => {
    for (const results of [undefined, []]) {
      expect(read(page(results))).toMatchObject({ kind: "rows", rows: 0, through: null, next: null });
    }
  });

  it("refuses another day's answer, and another adjustment", () => {
    for (const at of ["2020-10-15T20:00", "2020-10-14T04:00"]) {
      expect(read(page([bar("AAPL", { t: utc(at) })]))).toMatchObject({ class: "bad-request" });
    }
    expect(read(page([bar("AAPL")], { adjusted: true }))).toMatchObject({ class: "bad-request" });
  });

  it.each([
    [403, { status: "NOT_AUTHORIZED", message: "You are not entitled to this data." }, "plan-endpoint"],
    [403, { status: "NOT_AUTHORIZED", message: "Your plan doesn't include this data timeframe." }, "plan-value"],
    [404, { status: "NOT_FOUND", message: "not found" }, "not-found"],
    [200, page([bar("AAPL")], { resultsCount: 8_000 }), "transient"],
    [200, page([], { resultsCount: 8_000, results: undefined }), "transient"],
  ])("takes %i with %j for %s", (status, body, of) => {
    expect(read(body, status)).toMatchObject({ kind: "failure", class: of });
  });

  it("reads what the sandbox serves", async () => {
    const candles = candlesAt(["2020-10-14T04:00Z"]);
    await using sandbox = await startSmallSandbox([
      { symbol: "AAPL", timeframe: "1d", candles },
      { symbol: "MSFT", timeframe: "1d", candles },
    ]);
    const response = await fetch(`${sandbox.url}${REQUEST.target}`, { headers: { authorization: "Bearer k" } });
    expect(read(await response.json(), response.status)).toMatchObject({ rows: 2, through: DAY.end, strict: true });
  });
});

function read(body: unknown, status = 200): Outcome {
  const answer = { status, headers: {}, body: Buffer.from(JSON.stringify(body)), receivedAt: instant(0) };
  return classifyAnswer(source, APPLE, REQUEST, answer);
}

function daysOf(symbol: string, assetClass = "stock", zone = "America/New_York", grain: Grain = "1d"): Series {
  return {
    dataset: "ohlcv.market_data",
    version: 1,
    key: seriesKey([symbol, grain]),
    parts: { symbol, timeframe: grain },
    entry: symbol,
    axis: {
      grid: { grain, zone },
      calendar: { name: "none", version: "1", zone, sessions: () => [], known: EVER },
      density: "dense",
      settleMs: 0,
      stamp: { zone, at: "start" },
      lifetime: EVER,
      earliest: null,
    },
    since: EVER.start,
    source: "polygon",
    lookbackMs: 0,
    params: {},
    ask: { assetClass },
  };
}

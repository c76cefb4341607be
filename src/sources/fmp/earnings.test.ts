import { describe, expect, it } from "vitest";
import { parseLimits } from "../../core/budget/limits.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome, Source } from "../../engine/ports.ts";
import { candlesAt, startSmallSandbox } from "../../sandbox/small-world.ts";
import { fmpEarnings } from "./earnings.ts";
import { FMP_LIMITS, fmpAuth } from "./fmp.ts";

const EVER: Interval = { start: instant(Date.UTC(2000, 0, 1)), end: instant(Date.UTC(2100, 0, 1)) };
const APPLE = earningsOf("AAPL");
const utc = (text: string): number => Date.parse(`${text}Z`);
const window = (start: string, end: string): Interval => ({ start: instant(utc(start)), end: instant(utc(end)) });
const YEAR = window("2025-01-01T05:00", "2026-01-01T05:00");

const row = (date: unknown, more: object = {}): object => ({
  symbol: "AAPL",
  date,
  epsActual: 1.57,
  epsEstimated: 1.44,
  revenueActual: 94036000000,
  revenueEstimated: 89562736363,
  lastUpdated: "2025-09-23",
  ...more,
});

describe("request", () => {
  it("has no range, so that all gaps are one, and carries its key in a header", () => {
    const source = fmpEarnings();
    expect(source).toMatchObject({ name: "fmp", system: "fmp" });
    expect(source.serves(APPLE)).toBe(true);
    expect(source.request(APPLE, YEAR)).toEqual({ method: "GET", target: "/stable/earnings?symbol=AAPL&limit=1000" });
    const gaps = [window("2010-01-01T05:00", "2010-01-02T05:00"), YEAR];
    expect(source.windows(APPLE, gaps)).toEqual([window("2010-01-01T05:00", "2026-01-01T05:00")]);
    expect(source.windows(APPLE, [])).toEqual([]);
    expect(fmpAuth("k")).toEqual({ name: "apikey", value: "k" });
  });

  it("names the symbol as the provider does where the registry says so", () => {
    const berkshire = { ...earningsOf("BRK.B"), ask: { fmpSymbol: "BRK-B" } };
    expect(fmpEarnings({ limit: 100 }).request(berkshire, YEAR).target).toBe("/stable/earnings?symbol=BRK-B&limit=100");
    expect(() => fmpEarnings({ limit: 0 })).toThrow(/limit is 0/);
  });
});

describe("classify", () => {
  it("reads reports newest first, null where nothing is reported yet", () => {
    const future = { epsActual: null, epsEstimated: null, revenueActual: null, revenueEstimated: null };
    expect(read([row("2025-10-30", future), row("2025-07-31"), row("2025-05-01")])).toEqual({
      kind: "rows",
      rows: 3,
      next: null,
      through: utc("2025-10-31T04:00"),
      provisional: false,
      strict: true,
      layout: null,
    });
  });

  it("takes an empty list for an answer", () => {
    expect(read([])).toMatchObject({ kind: "rows", rows: 0, through: null, next: null });
  });

  it("does not take a list as long as was asked for the whole history", () => {
    const source = fmpEarnings({ limit: 2 });
    expect(read([row("2025-07-31"), row("2025-05-01")], { source })).toMatchObject({
      kind: "failure",
      class: "partial",
      message: expect.stringContaining("before 2025-05-01"),
    });
    expect(read([row("2025-07-31")], { source })).toMatchObject({ kind: "rows", rows: 1 });
  });

  it("refuses reports of another symbol, and leaves wrong types to be judged", () => {
    expect(read([row("2025-07-31", { symbol: "AAP" })])).toMatchObject({ class: "bad-request" });
    expect(read([row("2025-07-31", { epsActual: "1.57" })])).toMatchObject({ kind: "rows", strict: false });
    expect(read([row("2025-07-32")])).toMatchObject({ kind: "rows", strict: false, through: null });
  });

  const limitText = "Limit Reach . Please upgrade your plan or visit our documentation for more details";
  it.each([
    [200, { "Error Message": "Invalid API KEY. Feel free to create a Free API Key" }, "auth"],
    [200, { "Error Message": limitText }, "quota"],
    [200, [{ "Error Message": limitText }], "quota"],
    [200, { "Error Message": "Something went wrong" }, "transient"],
    [200, { historical: [] }, "transient"],
    [400, { "Error Message": "Query Error: Invalid or missing query parameter" }, "bad-request"],
    [401, { "Error Message": "Invalid API KEY. Feel free to create a Free API Key" }, "auth"],
    [402, "Restricted Endpoint: This endpoint is not available under your current subscription", "plan-endpoint"],
    [402, { "Error Message": "Exclusive Endpoint : This endpoint is not available under your" }, "plan-endpoint"],
    [402, "Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' is not available", "plan-value"],
    [402, {}, "plan-endpoint"],
    [403, { "Error Message": "Legacy Endpoint : Due to Legacy endpoints being no longer supported" }, "plan-endpoint"],
    [403, { "Error Message": "Account suspended. Please contact info@example.com" }, "auth"],
    [403, "<html>blocked</html>", "ban"],
    [404, { "Error Message": "Not Found" }, "not-found"],
    [404, [], "not-found"],
    [429, { "Error Message": limitText }, "quota"],
    [429, { "Error Message": "Bandwidth Limit Reach . Please upgrade your plan" }, "quota"],
    [500, "", "transient"],
    [200, "", "transient"],
    [200, "<html></html>", "transient"],
  ] as const)("takes %i with %j for %s", (status, body, of) => {
    expect(read(body, { status })).toMatchObject({ kind: "failure", class: of });
  });

  it("waits for the minute where the key has a limit by the minute, and for neither where bytes are used up", () => {
    const source = fmpEarnings({ limits: FMP_LIMITS.starter });
    expect(read({ "Error Message": limitText }, { status: 429, source })).toMatchObject({ class: "rate-untold" });
    expect(read("", { status: 429, source })).toMatchObject({ class: "rate-untold" });
    const bandwidth = { "Error Message": "Bandwidth Limit Reach . Please upgrade your plan" };
    expect(read(bandwidth, { status: 429, source })).toMatchObject({ class: "quota" });
    expect(FMP_LIMITS.free).toEqual(parseLimits("250/day"));
  });

  it("reads what the sandbox serves, and its refusals", async () => {
    const series = [{ symbol: "AAPL", timeframe: "1d", candles: candlesAt(["2025-01-02T05:00Z"]) }] as const;
    const events = { AAPL: { earnings: [{ date: "2025-07-31", epsActual: 1.57 }, { date: "2025-10-30" }] } };
    const asked = async (options: Parameters<typeof startSmallSandbox>[1]) => {
      await using sandbox = await startSmallSandbox(series, { events, ...options });
      const { target } = fmpEarnings().request(APPLE, YEAR);
      const response = await fetch(`${sandbox.url}${target}`, { headers: { apikey: "k" } });
      return read(await response.text(), { status: response.status });
    };
    expect(await asked({})).toMatchObject({ kind: "rows", rows: 2, strict: true, through: utc("2025-10-31T04:00") });
    for (const [refuses, of] of [
      ["restricted", "plan-endpoint"],
      ["exclusive", "plan-endpoint"],
      ["premium-value", "plan-value"],
      ["legacy", "plan-endpoint"],
      ["suspended", "auth"],
      ["not-found", "not-found"],
      ["bandwidth", "quota"],
      ["limit-inside-200", "quota"],
    ] as const) {
      expect([refuses, await asked({ fmp: { refuses } })]).toEqual([refuses, expect.objectContaining({ class: of })]);
    }
  });
});

function read(body: unknown, asked: { readonly status?: number; readonly source?: Source } = {}): Outcome {
  const { status = 200, source = fmpEarnings() } = asked;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = { status, headers: {}, body: Buffer.from(text), receivedAt: instant(0) };
  return classifyAnswer(source, APPLE, source.request(APPLE, YEAR), answer);
}

function earningsOf(symbol: string): Series {
  const zone = "America/New_York";
  return {
    dataset: "corporate.earnings",
    version: 1,
    key: seriesKey([symbol]),
    parts: { symbol },
    entry: symbol,
    axis: {
      grid: { grain: "1d", zone },
      calendar: { name: "none", version: "1", zone, sessions: () => [], known: EVER },
      density: "sparse",
      settleMs: 0,
      stamp: { zone: "UTC", at: "start" },
      lifetime: EVER,
      earliest: null,
    },
    since: EVER.start,
    source: "fmp",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

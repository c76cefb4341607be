import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Axis } from "../../core/dataset/axis.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome, Source, SourceRequest } from "../../engine/ports.ts";
import { candlesAt, startSmallSandbox } from "../../sandbox/small-world.ts";
import type { Sandbox } from "../../sandbox/start-sandbox.ts";
import { polygonDividends } from "./dividends.ts";
import { polygonSplits } from "./splits.ts";

const NEW_YORK = "America/New_York";
const YEAR_2000_ON: Interval = { start: instant(Date.UTC(2000, 0, 1)), end: instant(Date.UTC(2100, 0, 1)) };
const APPLE = eventsOf("AAPL");
const utc = (text: string): number => Date.parse(`${text}Z`);
const window = (start: string, end: string): Interval => ({ start: instant(utc(start)), end: instant(utc(end)) });

// Whole days in New York: 2020, from winter to winter.
const YEAR = window("2020-01-01T05:00", "2021-01-01T05:00");
const dividends = polygonDividends();
const splits = polygonSplits();
const REQUEST = dividends.request(APPLE, YEAR);
const NEXT: SourceRequest = { method: "GET", target: "/v3/reference/dividends?cursor=YXA9MQ" };

const dividend = (ex_dividend_date: unknown, more: object = {}): object => ({
  cash_amount: 0.82,
  declaration_date: "2020-07-30",
  dividend_type: "CD",
  ex_dividend_date,
  frequency: 4,
  id: "E1",
  pay_date: "2020-08-13",
  record_date: "2020-08-10",
  ticker: "AAPL",
  ...more,
});
const page = (results: unknown, more: object = {}): object => ({ results, status: "OK", request_id: "1", ...more });

describe("series", () => {
  it("of shares and funds are served, by sources that name themselves apart", () => {
    expect([dividends, splits].map(({ name, system }) => [name, system])).toEqual([
      ["polygon-dividends", "polygon"],
      ["polygon-splits", "polygon"],
    ]);
    const classes = ["stock", "etf", "index", "crypto", "fx"];
    expect(classes.filter((one) => dividends.serves(eventsOf("X", NEW_YORK, one)))).toEqual(["stock", "etf"]);
  });
});

describe("request", () => {
  it("asks for the local dates of the window: its first belongs to it, its end does not", () => {
    expect(REQUEST).toEqual({
      method: "GET",
      target:
        "/v3/reference/dividends?ticker=AAPL&ex_dividend_date.gte=2020-01-01&ex_dividend_date.lt=2021-01-01" +
        "&order=asc&sort=ex_dividend_date&limit=1000",
    });
    expect(splits.request(eventsOf("BRK.B", NEW_YORK, "etf"), window("2020-07-01T04:00", "2020-07-02T04:00"))).toEqual({
      method: "GET",
      target:
        "/v3/reference/splits?ticker=BRK.B&execution_date.gte=2020-07-01&execution_date.lt=2020-07-02" +
        "&order=asc&sort=execution_date&limit=1000",
    });
  });

  it("reads dates on the clocks of the axis", () => {
    const target = (zone: string) => dividends.request(eventsOf("AAPL", zone), YEAR).target;
    expect(target("UTC")).toContain("gte=2020-01-01&ex_dividend_date.lt=2021-01-02");
    expect(target("Asia/Tokyo")).toContain("gte=2020-01-01&ex_dividend_date.lt=2021-01-02");
  });

  it("takes one window for all gaps, and refuses a limit that the provider does not have", () => {
    const gaps = [window("2015-01-01T05:00", "2015-01-02T05:00"), window("2020-01-01T05:00", "2020-01-03T05:00")];
    expect(dividends.windows(APPLE, gaps)).toEqual([window("2015-01-01T05:00", "2020-01-03T05:00")]);
    expect(dividends.windows(APPLE, [])).toEqual([]);
    expect(polygonSplits({ limit: 5 }).request(APPLE, YEAR).target).toMatch(/&limit=5$/);
    for (const limit of [0, 1_001, 2.5]) expect(() => polygonSplits({ limit })).toThrow(/limit is .*1 to 1000/);
  });
});

describe("classify", () => {
  it("reads events, and claims them up to the end of the last one's day in New York", () => {
    expect(read(page([dividend("2020-05-08"), dividend("2020-08-07")]))).toEqual({
      kind: "rows",
      rows: 2,
      next: null,
      through: utc("2020-08-08T04:00"),
      provisional: false,
      strict: true,
      layout: null,
    });
  });

  it.each([
    ["with an empty list", page([])],
    ["with a count of 0", page(undefined, { count: 0 })],
    ["without a list", page(undefined)],
  ])("takes an answer %s for an empty one", (_what, body) => {
    expect(read(body)).toMatchObject({ kind: "rows", rows: 0, next: null, through: null });
  });

  it("claims nothing for events outside the asked dates", () => {
    const body = page([dividend("2019-11-07"), dividend("2020-02-07"), dividend("2021-02-05")]);
    expect(read(body)).toMatchObject({ rows: 3, through: utc("2020-02-08T05:00") });
    expect(read(page([dividend("2021-01-01")]))).toMatchObject({ rows: 1, through: null });
  });

  it("reads old records without id, currency and the company's own dates", () => {
    const bare = { ticker: "AAPL", ex_dividend_date: "2020-02-07", cash_amount: 0.77 };
    expect(read(page([bare]))).toMatchObject({ rows: 1, strict: true });
    const split = { execution_date: "2020-08-31", split_from: 1, split_to: 4, ticker: "AAPL" };
    const asked = { request: splits.request(APPLE, YEAR), source: splits };
    expect(read(page([split]), asked)).toMatchObject({ rows: 1, strict: true, through: utc("2020-09-01T04:00") });
  });

  it("leaves a record with a wrong type to be judged, and claims nothing by it", () => {
    const body = page([dividend("2020-02-07"), dividend("2020-13-01"), dividend(20200507)]);
    expect(read(body)).toMatchObject({ rows: 3, strict: false, through: utc("2020-02-08T05:00") });
  });

  it("refuses events of another ticker", () => {
    expect(read(page([dividend("2020-02-07"), dividend("2020-02-07", { ticker: "AAP" })]))).toMatchObject({
      kind: "failure",
      class: "bad-request",
      message: "asked AAPL, the page holds AAP: not stored",
    });
  });

  // An endpoint that the plan lacks must never be read as a company without events.
  it.each([
    [
      403,
      { status: "NOT_AUTHORIZED", request_id: "1", message: "You are not entitled to this data." },
      "plan-endpoint",
    ],
    [403, { status: "NOT_AUTHORIZED", message: "Your plan doesn't include this data timeframe." }, "plan-value"],
    [404, { status: "NOT_FOUND", request_id: "1", message: "not found" }, "not-found"],
    [401, { status: "ERROR", request_id: "1", error: "Unknown API Key" }, "auth"],
    [400, { status: "ERROR", request_id: "1", error: "limit must be" }, "bad-request"],
    [
      429,
      { status: "ERROR", request_id: "1", error: "You've exceeded the maximum requests per minute" },
      "rate-untold",
    ],
    [
      200,
      { status: "NOT_AUTHORIZED", request_id: "1", message: "You are not entitled to this data." },
      "plan-endpoint",
    ],
    [200, { status: "ERROR", request_id: "1", error: "An internal error occurred" }, "transient"],
    [200, { request_id: "1" }, "transient"],
    [200, [], "transient"],
    [200, page({ a: 1 }), "transient"],
    [200, page([dividend("2020-02-07")], { count: 2 }), "transient"],
    [502, "<html></html>", "transient"],
    [404, "", "not-found"],
    [403, "<html></html>", "ban"],
  ] as const)("takes %i with %j for %s", (status, body, of) => {
    expect(read(body, { status })).toMatchObject({ kind: "failure", class: of });
  });
});

describe("a next page", () => {
  const next_url = "https://api.massive.com/v3/reference/dividends?cursor=YXA9MQ&apiKey=secret";

  it("is asked on our own host, by its cursor and without a key", () => {
    const outcome = read(page([dividend("2020-02-07")], { next_url }));
    expect(outcome).toMatchObject({ next: NEXT, through: utc("2020-02-08T05:00") });
    expect(JSON.stringify(outcome)).not.toContain("secret");
  });

  it.each([
    ["another list", "https://api.massive.com/v3/reference/splits?cursor=YXA9MQ"],
    ["no cursor", "https://api.massive.com/v3/reference/dividends?ticker=AAPL"],
    ["no address", "cursor=YXA9MQ"],
    ["something else", 5],
  ])("with %s is a bad request", (_what, url) => {
    expect(read(page([dividend("2020-02-07")], { next_url: url }))).toMatchObject({ class: "bad-request" });
  });

  it("that is the same page is a bad request", () => {
    expect(read(page([dividend("2020-02-07")], { next_url }), { request: NEXT })).toMatchObject({
      class: "bad-request",
      message: expect.stringContaining("never end"),
    });
  });

  it("after a page out of order is not followed: what came so far would claim too much", () => {
    const results = [dividend("2020-08-07"), dividend("2020-02-07")];
    expect(read(page(results, { next_url }))).toMatchObject({ class: "bad-request" });
    expect(read(page(results))).toMatchObject({ kind: "rows", through: utc("2020-08-08T04:00") });
  });

  it("that has grown stale starts the slice over", () => {
    for (const status of [400, 404]) {
      expect(read({ status: "ERROR", error: "cursor is not valid" }, { status, request: NEXT })).toMatchObject({
        class: "stale-cursor",
      });
    }
  });
});

describe("against the sandbox", () => {
  let sandbox: Sandbox;
  const exDates = Array.from({ length: 40 }, (_, i) => `${2011 + Math.floor(i / 4)}-0${2 + (i % 4) * 2}-07`);
  beforeAll(async () => {
    sandbox = await startSmallSandbox(
      [{ symbol: "AAPL", timeframe: "1d", candles: candlesAt(["2020-01-02T05:00Z"]) }],
      {
        events: {
          AAPL: {
            dividends: exDates.map((exDate) => ({ exDate, cashAmount: 0.2 })),
            splits: [{ executionDate: "2020-08-31", from: 1, to: 4 }],
          },
          MSFT: { dividends: exDates.map((exDate) => ({ exDate, cashAmount: 0.3 })) },
        },
      },
    );
  });
  afterAll(async () => await sandbox.close());

  it.each([1, 7, 1_000])("reads every event of the range once with %i a page", async (limit) => {
    const source = polygonDividends({ limit });
    const range = window("2013-02-07T05:00", "2018-02-07T05:00");
    const seen = await walk(sandbox, source, source.request(APPLE, range));
    expect(seen).toEqual(exDates.filter((date) => date >= "2013-02-07" && date < "2018-02-07"));
  });

  it("has an answer where there was nothing", async () => {
    const range = window("2013-02-07T05:00", "2018-02-07T05:00");
    expect(await walk(sandbox, splits, splits.request(APPLE, range))).toEqual([]);
    expect(await walk(sandbox, splits, splits.request(APPLE, YEAR))).toEqual(["2020-08-31"]);
  });
});

async function walk(sandbox: Sandbox, source: Source, first: SourceRequest): Promise<unknown[]> {
  const seen: unknown[] = [];
  let through = 0;
  for (let request: SourceRequest | null = first; request !== null; ) {
    const response = await fetch(`${sandbox.url}${request.target}`, { headers: { authorization: "Bearer k" } });
    const body = Buffer.from(await response.arrayBuffer());
    const answer = { status: response.status, headers: {}, body, receivedAt: instant(0) };
    const outcome = classifyAnswer(source, APPLE, request, answer);
    if (outcome.kind === "failure") throw new Error(outcome.message);
    expect(outcome.strict).toBe(true);
    if (outcome.rows > 0) expect(outcome.through).toBeGreaterThan(through);
    through = outcome.through ?? through;
    const { results } = JSON.parse(body.toString("utf8"));
    seen.push(...results.map((row: Record<string, unknown>) => row[source.records.stamp]));
    request = outcome.next;
  }
  return seen;
}

function read(
  body: unknown,
  asked: { readonly status?: number; readonly request?: SourceRequest; readonly source?: Source } = {},
): Outcome {
  const { status = 200, request = REQUEST, source = dividends } = asked;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return classifyAnswer(source, APPLE, request, {
    status,
    headers: {},
    body: Buffer.from(text),
    receivedAt: instant(0),
  });
}

function eventsOf(symbol: string, zone = NEW_YORK, assetClass = "stock"): Series {
  const axis: Axis = {
    grid: { grain: "1d", zone },
    calendar: { name: "none", version: "1", zone, sessions: () => [], known: YEAR_2000_ON },
    density: "sparse",
    settleMs: 0,
    stamp: { zone: "UTC", at: "start" },
    lifetime: YEAR_2000_ON,
    earliest: null,
  };
  return {
    dataset: "corporate.dividends",
    version: 1,
    key: seriesKey([symbol]),
    parts: { symbol },
    entry: symbol,
    axis,
    since: YEAR_2000_ON.start,
    source: "polygon",
    lookbackMs: 0,
    params: {},
    ask: { assetClass },
  };
}

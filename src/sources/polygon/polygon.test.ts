import { describe, expect, it } from "vitest";
import { formatLimits } from "../../core/budget/limits.ts";
import type { Axis } from "../../core/dataset/axis.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome, SourceRequest } from "../../engine/ports.ts";
import { POLYGON_LIMITS, type PolygonSettings, polygonAuth, polygonSource } from "./polygon.ts";

const NEW_YORK = "America/New_York";
const source = polygonSource();

const utc = (text: string): number => Date.parse(`${text}Z`);
const window = (start: string, end: string): Interval => ({ start: instant(utc(start)), end: instant(utc(end)) });

// One New York day in January: midnight is 05:00Z.
const DAY_WINDOW = window("2026-01-30T05:00", "2026-01-31T05:00");
const HOUR_1 = utc("2026-01-30T14:00");
const HOUR_2 = utc("2026-01-30T15:00");

const APPLE = series("AAPL", "1h");
const REQUEST = source.request(APPLE, DAY_WINDOW);
const NEXT: SourceRequest = { method: "GET", target: `${REQUEST.target}&cursor=bGltaXQ9MiZzb3J0PWFzYw` };

const bar = (t: unknown, more: object = {}): object => ({
  t,
  o: 1,
  h: 2,
  l: 0.5,
  c: 1.5,
  v: 10.25,
  vw: 1.2,
  n: 3,
  ...more,
});
const page = (results: readonly unknown[], more: object = {}): object => ({
  ticker: "AAPL",
  adjusted: false,
  queryCount: results.length,
  resultsCount: results.length,
  count: results.length,
  status: "OK",
  request_id: "1",
  results,
  ...more,
});

describe("request", () => {
  it.each([
    ["1m", "1/minute"],
    ["5m", "5/minute"],
    ["15m", "15/minute"],
    ["30m", "30/minute"],
    ["1h", "1/hour"],
    ["4h", "4/hour"],
    ["1d", "1/day"],
    ["1w", "1/week"],
  ] as const)("asks for %s bars as range/%s, from the window's first to its last millisecond", (timeframe, range) => {
    expect(source.request(series("AAPL", timeframe), DAY_WINDOW)).toEqual({
      method: "GET",
      target: `/v2/aggs/ticker/AAPL/range/${range}/1769749200000/1769835599999?adjusted=false&sort=asc&limit=50000`,
    });
  });

  it.each([
    ["BTC", "crypto", "X:BTCUSD"],
    ["EURUSD", "fx", "C:EURUSD"],
    ["BTCS", "stock", "BTCS"],
    ["A/B", "stock", "A%2FB"],
  ])("writes %s of class %s as %s in the path", (symbol, assetClass, ticker) => {
    expect(source.request(series(symbol, "1d", assetClass), DAY_WINDOW).target).toContain(`/ticker/${ticker}/range/`);
  });

  it("follows the settings, and asks nothing about splits of an index", () => {
    const adjusted = polygonSource({ adjusted: true, limit: 5_000 });
    expect(adjusted.request(APPLE, DAY_WINDOW).target).toMatch(/\?adjusted=true&sort=asc&limit=5000$/);
    expect(adjusted.request(series("NDX", "1d", "index"), DAY_WINDOW).target).toMatch(/\?sort=asc&limit=5000$/);
  });

  it("refuses a timeframe that the provider does not have", () => {
    expect(() => source.request(series("AAPL", "3m"), DAY_WINDOW)).toThrow(/AAPL\/3m.*"3m"/);
  });
});

describe("windows", () => {
  it("counts base bars by asset class", () => {
    const year = [window("2025-01-01T00:00", "2026-01-01T00:00")];
    const calls = (assetClass: string, from = source): number =>
      from.windows(series("ANY", "1h", assetClass, "UTC"), year).length;
    expect(["stock", "etf", "index"].map((name) => calls(name))).toEqual([8, 8, 8]);
    expect(calls("crypto")).toBe(11);
    expect(calls("fx", polygonSource({ minutesPerDay: { fx: 1_000 } }))).toBe(8);
    expect(calls("crypto", polygonSource({ limit: 5_000 }))).toBe(122);
  });
});

describe("classify", () => {
  it("reads bars, and claims them up to the end of the last one's slot", () => {
    expect(read(page([bar(HOUR_1), bar(HOUR_2)]))).toEqual({
      kind: "rows",
      rows: 2,
      next: null,
      through: utc("2026-01-30T16:00"),
      provisional: false,
      strict: true,
      layout: null,
    });
  });

  it.each([
    ["without results", { results: undefined }],
    ["with null for results", { results: null }],
    ["with an empty list", {}],
  ])("takes an answer %s and a count of 0 for an empty one", (_what, more) => {
    expect(read(page([], more))).toMatchObject({ kind: "rows", rows: 0, through: null, next: null, strict: true });
  });

  it("takes DELAYED for data that may still change", () => {
    expect(read(page([bar(HOUR_1)], { status: "DELAYED" }))).toMatchObject({ rows: 1, provisional: true });
  });

  it("takes bars in any order, and claims nothing for those outside the asked range", () => {
    const later = utc("2026-02-02T14:00");
    const outcome = read(page([bar(HOUR_2), bar(later), bar(HOUR_1), bar(1.7e18)]));
    expect(outcome).toMatchObject({ rows: 4, through: utc("2026-01-30T16:00") });
    expect(read(page([bar(later)]))).toMatchObject({ rows: 1, through: null });
  });

  it.each([
    // Slots on New York's clocks: four hours from local midnight, a day, a week from Sunday.
    ["4h", "America/New_York", "start", "2026-01-30T13:00", "2026-01-30T17:00"],
    ["1d", "America/New_York", "start", "2026-01-30T05:00", "2026-01-31T05:00"],
    ["1d", "America/New_York", "end", "2026-01-31T05:00", "2026-01-31T05:00"],
    ["1d", "UTC", "start", "2026-01-30T00:00", "2026-01-31T05:00"],
    ["1w", "America/New_York", "start", "2026-01-25T05:00", "2026-02-01T05:00"],
  ] as const)("ends the slot of a %s bar stamped in %s at its %s", (timeframe, zone, stampAt, stamp, through) => {
    const asked = series("AAPL", timeframe, "stock", NEW_YORK, { zone, at: stampAt });
    const request = source.request(asked, DAY_WINDOW);
    expect(read(page([bar(utc(stamp))]), { series: asked, request })).toMatchObject({ through: utc(through) });
  });

  it("knows index bars without volume as strict, and without a choice about splits", () => {
    const index = series("NDX", "1h", "index");
    const body = page([{ t: HOUR_1, o: 1, h: 2, l: 0.5, c: 1.5 }], { ticker: "I:NDX", adjusted: true });
    const outcome = read(body, { series: index, request: source.request(index, DAY_WINDOW) });
    expect(outcome).toMatchObject({ kind: "rows", rows: 1, strict: true });
  });

  it.each([
    ["a text for a price", bar(HOUR_1, { c: "1.5" })],
    ["null for a price", bar(HOUR_1, { o: null })],
    ["a fraction for a time", bar(HOUR_1 + 0.5)],
    ["a fraction for a count", bar(HOUR_1, { n: 1.5 })],
    ["no price", bar(HOUR_1, { h: undefined })],
    ["no object", 5],
  ])("does not call %s strict", (_what, record) => {
    expect(read(page([bar(HOUR_1), record]))).toMatchObject({ kind: "rows", rows: 2, strict: false });
  });
});

const ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing";
const TIMEFRAME =
  "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing";
const EXCEEDED =
  "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. https://polygon.io/pricing";
const error = (text: string): object => ({ status: "ERROR", request_id: "1", error: text });
const refusal = (text: string): object => ({ status: "NOT_AUTHORIZED", request_id: "1", message: text });

describe("a refusal", () => {
  it.each<[number, object | string, string]>([
    [200, error("Unknown API Key"), "auth"],
    [200, error(EXCEEDED), "rate-untold"],
    [200, error("Ticker not found."), "not-found"],
    [200, { status: "NOT_FOUND", message: "nothing here" }, "not-found"],
    [200, error("Could not parse the time parameter: 'from'."), "bad-request"],
    [200, error("Something went wrong"), "transient"],
    [200, refusal(ENTITLED), "plan-endpoint"],
    [200, refusal(TIMEFRAME), "plan-value"],
    [200, error(TIMEFRAME), "plan-value"],
    [200, { results: [] }, "transient"],
    [200, "<html>Welcome</html>", "transient"],
    [200, '{"status":"OK","results":[{"t":17', "transient"],
    [200, "", "transient"],
    [200, "[]", "transient"],
    [200, "null", "transient"],
    [400, error("'limit' must be a positive integer"), "bad-request"],
    [401, error("Unknown API Key"), "auth"],
    [401, "<html>401</html>", "auth"],
    [403, refusal(ENTITLED), "plan-endpoint"],
    [403, refusal(TIMEFRAME), "plan-value"],
    [403, "<html>Attention required</html>", "ban"],
    [404, error("Not found"), "not-found"],
    [404, "404 page not found", "not-found"],
    [429, error(EXCEEDED), "rate-untold"],
    [429, "", "rate-untold"],
    [429, "<html>", "rate-untold"],
    [499, "", "transient"],
    [500, error("internal"), "transient"],
    [502, "<html>Bad gateway</html>", "transient"],
    [503, "", "transient"],
    [504, "", "transient"],
  ])("of HTTP %i with %j is %s", (status, body, of) => {
    expect(read(body, { status })).toMatchObject({ kind: "failure", class: of, waitMs: null });
  });

  it.each<[number, object | string]>([
    [429, error(EXCEEDED)],
    [429, ""],
    [200, error(EXCEEDED)],
  ])("of HTTP %i says how long to wait when the answer does", (status, body) => {
    const outcome = read(body, { status, headers: { "retry-after": "12" } });
    expect(outcome).toMatchObject({ class: "rate-told", waitMs: 12_000 });
  });

  it("shows the provider's own words", () => {
    expect(read(refusal(TIMEFRAME), { status: 403 })).toMatchObject({ message: `HTTP 403: ${TIMEFRAME}` });
    expect(read(error("Unknown API Key"))).toMatchObject({ message: "HTTP 200 with ERROR: Unknown API Key" });
  });

  it.each<[number, object]>([
    [400, error("bad cursor")],
    [404, error("gone")],
    [410, error("gone")],
    [200, error("invalid cursor")],
  ])("of a next page with HTTP %i makes the slice start over", (status, body) => {
    expect(read(body, { status, request: NEXT })).toMatchObject({ class: "stale-cursor" });
  });

  it("of a next page for its plan or its rate is what it is", () => {
    expect(read(refusal(TIMEFRAME), { status: 403, request: NEXT })).toMatchObject({ class: "plan-value" });
    expect(read("", { status: 429, request: NEXT })).toMatchObject({ class: "rate-untold" });
  });
});

describe("a page that is not what was asked", () => {
  it.each<[string, object, string, RegExp]>([
    ["is adjusted", { adjusted: true }, "bad-request", /adjusted=false.*adjusted=true/],
    ["is of another ticker", { ticker: "MSFT" }, "bad-request", /AAPL.*MSFT/],
    ["says neither true nor false for adjusted", { adjusted: "false" }, "transient", /adjusted/],
    ["has a number for a ticker", { ticker: 5 }, "transient", /ticker/],
    ["announces more than it sends", { resultsCount: 3 }, "transient", /3 results.*1 sent/],
    ["announces and sends none", { resultsCount: 3, results: undefined }, "transient", /3 results.*none/],
    [
      "sends none and does not say so",
      { resultsCount: undefined, count: undefined, results: undefined },
      "transient",
      /unknown/,
    ],
    ["has an object for the list", { results: { 0: bar(HOUR_1) } }, "transient", /not a list/],
    ["has a text for the list", { results: "[]" }, "transient", /not a list/],
    ["has a text for the count", { resultsCount: "1" }, "transient", /count/],
    ["has a number for the next page", { next_url: 5 }, "transient", /next page/],
  ])("%s fails", (_what, more, of, message) => {
    const expected = { kind: "failure", class: of, message: expect.stringMatching(message) };
    expect(read(page([bar(HOUR_1)], more))).toMatchObject(expected);
    expect(read(page([bar(HOUR_1)], more), { request: NEXT })).toMatchObject(expected);
  });

  it("may leave out what it echoes", () => {
    const outcome = read(page([bar(HOUR_1)], { adjusted: undefined, ticker: undefined, resultsCount: undefined }));
    expect(outcome).toMatchObject({ kind: "rows", rows: 1 });
  });
});

describe("next_url", () => {
  const PATH = "https://api.massive.com/v2/aggs/ticker/AAPL/range/1/hour";
  const CURSOR = "bGltaXQ9MiZzb3J0PWFzYw";
  const next = (url: string, request = REQUEST): Outcome => read(page([bar(HOUR_1)], { next_url: url }), { request });

  it("becomes a request to our own host, with adjusted again and whatever the cursor lacks", () => {
    expect(next(`${PATH}/${HOUR_2}/2026-01-30?cursor=${CURSOR}`)).toMatchObject({
      kind: "rows",
      next: {
        method: "GET",
        target: `/v2/aggs/ticker/AAPL/range/1/hour/${HOUR_2}/1769835599999?adjusted=false&cursor=${CURSOR}`,
      },
    });
    const rest = "adjusted=false&sort=asc&limit=50000";
    const target = `/v2/aggs/ticker/AAPL/range/1/hour/${HOUR_2}/1769835599999?${rest}`;
    expect(next(`${PATH}/${HOUR_2}/1769835599999`)).toMatchObject({ next: { target } });
    expect(next(`${PATH}/${HOUR_2}/1769835599999?cursor=b3BhcXVl`)).toMatchObject({
      next: { target: `${target}&cursor=b3BhcXVl` },
    });
  });

  it("never carries a key on", () => {
    const outcome = next(`${PATH}/${HOUR_2}/1769835599999?apiKey=secret&cursor=${CURSOR}`);
    expect(JSON.stringify(outcome)).not.toContain("secret");
  });

  it("is followed from page to page, with the escaped form of a ticker too", () => {
    const coin = series("BTC", "1h", "crypto", "UTC");
    const first = source.request(coin, window("2026-01-01T00:00", "2026-01-02T00:00"));
    const start = utc("2026-01-01T00:00");
    const body = (t: number, from: number): object =>
      page([bar(t)], {
        ticker: "X:BTCUSD",
        next_url: `${PATH.replace("AAPL", "X%3ABTCUSD")}/${from}/x?cursor=${CURSOR}`,
      });
    const one = read(body(start, start + 3_600_000), { series: coin, request: first });
    if (one.kind !== "rows" || one.next === null) throw new Error("unreachable: there is a next page");
    expect(one.next.target).toContain("/ticker/X:BTCUSD/range/");
    const two = read(body(start + 3_600_000, start + 7_200_000), { series: coin, request: one.next });
    expect(two).toMatchObject({ kind: "rows", next: { target: expect.stringContaining(`/${start + 7_200_000}/`) } });
  });

  it.each([null, ""])("of %j ends the pages", (url) => {
    expect(read(page([bar(HOUR_1)], { next_url: url }))).toMatchObject({ kind: "rows", next: null });
  });

  it.each([
    ["the same page", `${PATH}/${DAY_WINDOW.start}/1769835599999?cursor=${CURSOR}`, /repeats/],
    ["an earlier page", `${PATH}/${DAY_WINDOW.start - 3_600_000}/1769835599999?cursor=${CURSOR}`, /repeats/],
    ["a page that starts with this page's last bar", `${PATH}/${HOUR_1}/1769835599999?cursor=${CURSOR}`, /repeats/],
    ["a page a millisecond on", `${PATH}/${DAY_WINDOW.start + 1}/1769835599999?cursor=${CURSOR}`, /repeats/],
    ["a page after the range", `${PATH}/1769835600000/1869835600000?cursor=${CURSOR}`, /after the range/],
    ["another ticker", `${PATH.replace("AAPL", "MSFT")}/${HOUR_2}/1769835599999`, /not one of the asked series/],
    ["another timeframe", `${PATH.replace("1/hour", "1/minute")}/${HOUR_2}/1769835599999`, /not one of/],
    ["another endpoint", "https://api.polygon.io/v3/reference/tickers?cursor=x", /not one of/],
    ["no address", "next please", /not one of/],
    ["a path upwards", `${PATH}/../../../../../v1/x/${HOUR_2}/1`, /not one of/],
    ["a broken escape", `${PATH.replace("AAPL", "%E0%A4%A")}/${HOUR_2}/1769835599999`, /not one of/],
  ])("that leads to %s is not followed", (_what, url, message) => {
    expect(next(url)).toMatchObject({ class: "bad-request", message: expect.stringMatching(message) });
  });
});

describe("mutated bodies", () => {
  it("never throw, never give rows that are not there, and are strict only with the declared types", () => {
    const random = mulberry32(20_260_130);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) {
      const body = mutate(random);
      const outcome = classifyAnswer(source, APPLE, REQUEST, answer(body, { status: 200, headers: {} }));
      const tag = outcome.kind === "rows" ? `rows ${outcome.strict ? "strict" : "loose"}` : outcome.class;
      outcomes.set(tag, (outcomes.get(tag) ?? 0) + 1);
      if (outcome.kind === "rows") {
        const { results = [] } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
        expect(outcome.rows).toBe((results ?? []).length);
        expect(outcome.strict).toBe((results ?? []).every(isDeclared));
      }
    }
    // The mutations reach what they are for: refusals as well as rows of either kind.
    for (const tag of ["rows strict", "rows loose", "transient", "bad-request"]) {
      expect(outcomes.get(tag), tag).toBeGreaterThan(50);
    }
  });
});

describe("settings", () => {
  it.each<[string, PolygonSettings, RegExp]>([
    ["limit", { limit: 50_001 }, /limit is 50001/],
    ["a fractional limit", { limit: 1.5 }, /limit is 1.5/],
    ["minutes", { minutesPerDay: { stock: 2_000 } }, /minutesPerDay\.stock is 2000/],
    ["quote", { quote: "dollar" }, /quote is "dollar"/],
    ["two at once", { limit: 0, quote: "" }, /limit is 0.*quote is ""/],
  ])("out of bounds are refused: %s", (_what, settings, message) => {
    expect(() => polygonSource(settings)).toThrow(message);
  });

  it("have the documented limits, caps and header", () => {
    expect([formatLimits(POLYGON_LIMITS.free), formatLimits(POLYGON_LIMITS.pipeline)]).toEqual(["5/min", "5/2s"]);
    expect(source.silentCaps).toEqual([1_000, 5_000, 50_000]);
    expect(polygonAuth("abc")).toEqual({ name: "authorization", value: "Bearer abc" });
  });
});

function series(
  symbol: string,
  timeframe: string,
  assetClass = "stock",
  zone = NEW_YORK,
  stamp: Axis["stamp"] = { zone, at: "start" },
): Series {
  const all = window("1970-01-01T00:00", "2040-01-01T00:00");
  return {
    dataset: "ohlcv.market_data",
    version: 1,
    key: seriesKey([symbol, timeframe]),
    parts: { symbol, timeframe },
    entry: symbol,
    since: all.start,
    source: "polygon",
    lookbackMs: 0,
    params: {},
    ask: { assetClass },
    axis: {
      grid: { grain: timeframe as Axis["grid"]["grain"], zone },
      calendar: { name: "24x7", version: "1", zone, known: all, sessions: () => [] },
      density: "sparse",
      settleMs: 0,
      stamp,
      lifetime: all,
      earliest: null,
    },
  };
}

interface Given {
  readonly series?: Series;
  readonly request?: SourceRequest;
  readonly status?: number;
  readonly headers?: Record<string, string>;
}

function read(
  body: object | string,
  { series: asked = APPLE, request = REQUEST, status = 200, headers = {} }: Given = {},
): Outcome {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return classifyAnswer(source, asked, request, answer(Buffer.from(text), { status, headers }));
}

function answer(body: Buffer, head: { status: number; headers: Record<string, string> }) {
  return { ...head, body, receivedAt: instant(utc("2026-02-01T00:00")) };
}

/** The bar's declaration, written a second time. */
function isDeclared(record: unknown): boolean {
  if (Object.prototype.toString.call(record) !== "[object Object]") return false;
  const { t, o, h, l, c, v = 0, vw = 0, n = 0 } = record as Record<string, unknown>;
  const whole = [t, n].every((value) => typeof value === "number" && Number.isSafeInteger(value));
  return (
    whole &&
    [o, h, l, c, v, vw].every((value) => typeof value === "number" && Math.abs(value) < Number.POSITIVE_INFINITY)
  );
}

const VALUES = [
  "null",
  '"1.5"',
  "true",
  "[]",
  "{}",
  "1e400",
  "-1e400",
  "9007199254740993",
  "1.5",
  "-1",
  "1e308",
  "0",
  '""',
];
const MEMBERS = ["t", "o", "h", "l", "c", "v", "vw", "n"];
const HEADS = ["results", "resultsCount", "count", "queryCount", "status", "ticker", "adjusted", "next_url"];

/** One body damaged in one or two ways. */
function mutate(random: () => number): Buffer {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const text = JSON.stringify(page([bar(HOUR_1), bar(HOUR_2), bar(HOUR_2 + 3_600_000)]));
  const ways: ((body: string) => string)[] = [
    (body) => body.slice(0, Math.floor(random() * body.length)),
    (body) => replaceMember(body, pick(MEMBERS), pick(VALUES), random),
    (body) => replaceMember(body, pick(MEMBERS), pick(VALUES), random),
    (body) => replaceMember(body, pick(HEADS), pick(VALUES), random),
    (body) => replaceMember(body, pick(MEMBERS), "NaN", random),
    (body) => body.replace(new RegExp(`"${pick(MEMBERS)}":[^,}]*,?`), ""),
    (body) => body.replace(/"results":\[(\{[^}]*\}),(\{[^}]*\})/, '"results":[$2,$1'),
    (body) => body.replace(/"results":\[/, `"results":[${pick(VALUES)},`),
    (body) => body.replace(/"resultsCount":3,"count":3,/, "").replace(/"results":\[/, `"results":[${pick(VALUES)},`),
    (body) => `<html><body>${body}</body></html>`,
    (body) => body + body,
    (body) => body.replace("OK", pick(["ERROR", "DELAYED", "NOT_AUTHORIZED", ""])),
    (body) => body.replace("AAPL", pick(["MSFT", "aapl", "\\u0041APL"])),
    (body) => body.replace('"adjusted":false', `"adjusted":${pick(["true", "0", '"false"'])}`),
    (body) => body.replace("{", `{"next_url":"https://api.polygon.io${pick([REQUEST.target, "/x", "//h"])}",`),
  ];
  let body = pick(ways)(text);
  if (random() < 0.3) body = pick(ways)(body);
  const bytes = Buffer.from(body);
  if (random() < 0.15 && bytes.length > 0) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return bytes;
}

/** `body` with the value of one occurrence of a member replaced. */
function replaceMember(body: string, name: string, value: string, random: () => number): string {
  const found = [...body.matchAll(new RegExp(`"${name}":(\\[.*\\]|[^,}\\]]*)`, "g"))];
  const one = found[Math.floor(random() * found.length)];
  return one === undefined
    ? body
    : `${body.slice(0, one.index)}"${name}":${value}${body.slice(one.index + one[0].length)}`;
}

/** Numbers in [0, 1), the same for the same start, so that a failure can be seen again. */
function mulberry32(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

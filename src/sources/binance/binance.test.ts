import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatLimits } from "../../core/budget/limits.ts";
import type { Axis } from "../../core/dataset/axis.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { countSlots, type Grid } from "../../core/time/grid.ts";
import { DAY, HOUR, instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { containsAll, intersects, normalize } from "../../core/time/interval-set.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome, SourceRequest } from "../../engine/ports.ts";
import {
  BINANCE_BASE_URL,
  BINANCE_LIMITS,
  BINANCE_TIMEFRAMES,
  type BinanceSettings,
  binanceSource,
} from "./binance.ts";

const source = binanceSource();
const three = binanceSource({ limit: 3 });

const utc = (text: string): number => Date.parse(`${text}Z`);
const window = (start: string, end: string): Interval => ({ start: instant(utc(start)), end: instant(utc(end)) });

const DAY_WINDOW = window("2026-01-30T00:00", "2026-01-31T00:00");
const HOUR_0 = utc("2026-01-30T00:00");
const COIN = series("BTC", "1h");
const REQUEST = source.request(COIN, DAY_WINDOW);

/** The documented example row, at another time. */
const row = (t: unknown, more: Readonly<Record<number, unknown>> = {}): unknown[] =>
  Object.assign(
    [
      t,
      "0.01634790",
      "0.80000000",
      "0.01575800",
      "0.01577100",
      "148976.11427815",
      0,
      "2434.19055334",
      308,
      "1",
      "2",
      "0",
    ],
    more,
  );

describe("request", () => {
  it.each(BINANCE_TIMEFRAMES)(
    "asks for %s bars under that name, from the window's first to its last millisecond",
    (timeframe) => {
      expect(source.request(series("BTC-USD", timeframe), DAY_WINDOW)).toEqual({
        method: "GET",
        target: `/api/v3/klines?symbol=BTCUSDT&interval=${timeframe}&startTime=1769731200000&endTime=1769817599999&limit=1000`,
      });
    },
  );

  it("follows the settings", () => {
    const other = binanceSource({ limit: 7, quote: "EUR", usd: "USDC" });
    expect(other.request(COIN, DAY_WINDOW).target).toMatch(/symbol=BTCEUR&.*&limit=7$/);
    expect(other.request(series("BTC-USD", "1h"), DAY_WINDOW).target).toContain("symbol=BTCUSDC&");
  });
});

describe("a series whose slots are not bars of the exchange", () => {
  it.each<[string, Series, RegExp]>([
    ["weeks", series("BTC", "1w"), /BTC\/1w: .*"1w".*Monday/],
    ["a timeframe it does not have here", series("BTC", "3m"), /BTC\/3m: .*"3m"/],
    ["shares", series("AAPL", "1d", { assetClass: "stock" }), /AAPL\/1d: .*"stock"/],
    ["days of another zone", series("BTC", "1d", { zone: "America/New_York" }), /BTC\/1d: .*New_York/],
    ["4 hours of another zone", series("BTC", "4h", { zone: "Europe/London" }), /BTC\/4h: .*London/],
    ["hours of half-hour clocks", series("BTC", "1h", { zone: "Asia/Kolkata" }), /BTC\/1h: .*Kolkata/],
    ["stamps at the end", series("BTC", "1h", { stampAt: "end" }), /BTC\/1h: .*end/],
  ])("is refused by name: %s", (_what, asked, message) => {
    const refused = expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
    expect(() => source.windows(asked, [DAY_WINDOW])).toThrow(refused);
    expect(() => source.request(asked, DAY_WINDOW)).toThrow(refused);
  });

  it.each<[string, Series]>([
    ["hours of another zone", series("BTC", "1h", { zone: "America/New_York" })],
    ["half hours of half-hour clocks", series("BTC", "30m", { zone: "Asia/Kolkata" })],
    // UTC-4:30 until 2016-05-01, before there was anything to ask.
    ["hours of a zone that had half-hour clocks once", series("BTC", "1h", { zone: "America/Caracas" })],
    ["4 hours of another zone from midnight UTC", series("BTC", "4h", { zone: "America/New_York", anchor: "utc" })],
    ["a class that is not named", { ...COIN, ask: {} }],
  ])("is not this: %s", (_what, asked) => {
    expect(source.windows(asked, [DAY_WINDOW])).toHaveLength(1);
  });

  it("is left out of the timeframes that can be asked", () => {
    expect(BINANCE_TIMEFRAMES).toEqual(["1m", "5m", "15m", "30m", "1h", "4h", "1d"]);
  });
});

it("serves coins in the exchange's timeframes, and nothing else", () => {
  expect(source).toMatchObject({ name: "binance", system: "binance" });
  const served = ["1m", "4h", "1d", "1w", "2h"].filter((timeframe) => source.serves(series("BTC", timeframe)));
  expect(served).toEqual(["1m", "4h", "1d"]);
  expect(source.serves(series("AAPL", "1d", { assetClass: "stock" }))).toBe(false);
});

describe("windows", () => {
  it.each([
    // 2025 has 525,600 minutes.
    ["1m", 526],
    ["5m", 106],
    ["15m", 36],
    ["30m", 18],
    ["1h", 9],
    ["4h", 3],
    ["1d", 1],
  ] as const)("ask for a year of %s bars with %i requests", (timeframe, calls) => {
    const year = [window("2025-01-01T00:00", "2026-01-01T00:00")];
    const windows = source.windows(series("BTC", timeframe), year);
    expect(windows).toHaveLength(calls);
    expect(normalize(windows)).toEqual(year);
  });

  it("take gaps together that lie within one request", () => {
    const gaps = [
      window("2025-03-03T00:00", "2025-03-03T01:00"),
      window("2025-03-03T02:00", "2025-03-03T03:00"),
      window("2025-03-03T05:00", "2025-03-03T07:00"),
    ];
    expect(three.windows(COIN, gaps)).toEqual([window("2025-03-03T00:00", "2025-03-03T03:00"), gaps[2]]);
  });

  it("cover all gaps, in order, each with at most the limit of slots", () => {
    const gap = fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 900 }));
    fc.assert(
      fc.property(fc.array(gap, { maxLength: 8 }), fc.integer({ min: 1, max: 1_000 }), (pairs, limit) => {
        const gaps = normalize(
          pairs.map(([at, n]) => ({ start: instant(HOUR_0 + at * MINUTE), end: instant(HOUR_0 + (at + n) * MINUTE) })),
        );
        const minutes = series("BTC", "1m");
        const windows = binanceSource({ limit }).windows(minutes, gaps);
        expect(containsAll(normalize(windows), gaps)).toBe(true);
        windows.forEach((one, i) => {
          expect(countSlots(minutes.axis.grid, one)).toBeLessThanOrEqual(limit);
          expect(one.start).toBeGreaterThanOrEqual(windows[i - 1]?.end ?? 0);
          expect(intersects([one], gaps)).toBe(true);
        });
      }),
    );
  });
});

describe("classify", () => {
  it("reads bars, and claims them up to the end of the last one's slot", () => {
    expect(read([row(HOUR_0), row(HOUR_0 + HOUR)])).toEqual({
      kind: "rows",
      rows: 2,
      next: null,
      through: HOUR_0 + 2 * HOUR,
      provisional: false,
      strict: true,
      layout: null,
    });
  });

  it("takes an empty list for an answer", () => {
    expect(read([])).toMatchObject({ kind: "rows", rows: 0, through: null, next: null, strict: true });
  });

  it("takes bars in any order, and claims nothing for those outside the asked range", () => {
    const records = [row(HOUR_0 + 2 * HOUR), row(HOUR_0 - HOUR), row(HOUR_0 + DAY), row(HOUR_0), row("soon"), {}];
    expect(read(records)).toMatchObject({ rows: 6, through: HOUR_0 + 3 * HOUR, strict: false });
    expect(read([row(HOUR_0 + DAY)])).toMatchObject({ rows: 1, through: null });
  });

  it.each<[string, unknown]>([
    ["a number for a price", row(HOUR_0, { 1: 0.0163479 })],
    ["no number in a price", row(HOUR_0, { 4: "NaN" })],
    ["a text for a time", row(String(HOUR_0))],
    ["a fraction for a count", row(HOUR_0, { 8: 1.5 })],
    ["a row that ends too early", row(HOUR_0).slice(0, 8)],
    ["an object", { t: HOUR_0 }],
  ])("does not call %s strict", (_what, record) => {
    expect(read([row(HOUR_0), record])).toMatchObject({ kind: "rows", rows: 2, strict: false });
  });
});

describe("pages", () => {
  const asked = three.request(COIN, DAY_WINDOW);
  const next = (records: readonly unknown[], request = asked): Outcome => read(records, { request });

  it("go on after the last bar of a full one, up to the same end", () => {
    const outcome = next([row(HOUR_0 + HOUR), row(HOUR_0 + 2 * HOUR), row(HOUR_0)]);
    const from = HOUR_0 + 2 * HOUR + 1;
    const target = `/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime=${from}&endTime=1769817599999&limit=3`;
    expect(outcome).toMatchObject({ through: HOUR_0 + 3 * HOUR, next: { method: "GET", target } });
  });

  it("end with a short one, and with a full one that reaches the end of what was asked", () => {
    expect(next([row(HOUR_0), row(HOUR_0 + HOUR)])).toMatchObject({ next: null });
    const end = HOUR_0 + 23 * HOUR;
    expect(next([row(end - 2 * HOUR), row(end - HOUR), row(end)])).toMatchObject({ next: null, through: HOUR_0 + DAY });
    const one = three.request(COIN, window("2026-01-30T00:00", "2026-01-30T03:00"));
    expect(
      next(
        [0, 1, 2].map((i) => row(HOUR_0 + i * HOUR)),
        one,
      ),
    ).toMatchObject({ next: null });
  });

  it("that lead nowhere are refused", () => {
    const outside = [1, 2, 3].map((i) => row(HOUR_0 - i * HOUR));
    expect(next(outside)).toMatchObject({ class: "bad-request", message: expect.stringContaining("never end") });
  });

  it("give each bar once and come to an end, whatever the limit", () => {
    const bars = Array.from({ length: 24 }, (_, i) => HOUR_0 + i * HOUR);
    const there = fc.subarray(bars);
    fc.assert(
      fc.property(there, fc.integer({ min: 1, max: 30 }), (opens, limit) => {
        const from = binanceSource({ limit });
        const seen: number[] = [];
        let request: SourceRequest | null = from.request(COIN, DAY_WINDOW);
        for (let calls = 0; request !== null; calls++) {
          expect(calls).toBeLessThanOrEqual(24);
          const query = new URLSearchParams(request.target.split("?")[1]);
          const [start, end] = [Number(query.get("startTime")), Number(query.get("endTime"))];
          const page = opens.filter((at) => at >= start && at <= end).slice(0, limit);
          seen.push(...page);
          const outcome: Outcome = read(
            page.map((at) => row(at)),
            { request },
          );
          if (outcome.kind !== "rows") throw new Error("unreachable: rows were sent");
          request = outcome.next;
        }
        expect(seen).toEqual(opens);
      }),
    );
  });
});

const error = (code: number, msg: string): object => ({ code, msg });
const BANNED =
  "Way too much request weight used; IP banned until 1620286253180. Please use the websocket for live updates to avoid bans.";

describe("a refusal", () => {
  it.each<[number, object | string, string]>([
    [200, error(-1003, "Too many requests queued."), "rate-untold"],
    [200, error(-1121, "Invalid symbol."), "bad-request"],
    [200, error(-9999, "Something else."), "transient"],
    [200, {}, "transient"],
    [200, "null", "transient"],
    [200, "5", "transient"],
    [200, "", "transient"],
    [200, "<html>Welcome</html>", "transient"],
    [200, '[[1499040000000,"0.01', "transient"],
    [400, error(-1121, "Invalid symbol."), "bad-request"],
    [400, error(-1120, "Invalid interval."), "bad-request"],
    [400, error(-1003, "Too many requests queued."), "rate-untold"],
    [400, error(-1008, "Server is currently overloaded with other requests."), "transient"],
    [400, "", "bad-request"],
    [403, error(0, "no"), "ban"],
    [403, "<html>Request blocked</html>", "ban"],
    [404, "", "not-found"],
    [408, error(-1007, "Timeout waiting for response from backend server."), "transient"],
    [418, error(-1003, BANNED), "ban"],
    [418, "", "ban"],
    [429, error(-1003, "Too much request weight used"), "rate-untold"],
    [429, error(-1008, "Server is currently overloaded"), "rate-untold"],
    [429, "", "rate-untold"],
    [451, error(0, "Service unavailable from a restricted location"), "plan-endpoint"],
    [451, "<html>", "plan-endpoint"],
    [500, error(-1001, "Internal error; unable to process your request. Please try again."), "transient"],
    [502, "<html>Bad gateway</html>", "transient"],
    [503, error(-1008, "Server is currently overloaded"), "transient"],
    [504, "", "transient"],
  ])("of HTTP %i with %j is %s", (status, body, of) => {
    expect(read(body, { status })).toMatchObject({ kind: "failure", class: of, waitMs: null });
  });

  it.each([
    [429, "rate-told"],
    [418, "ban"],
  ])("of HTTP %i waits as long as it is told", (status, of) => {
    const outcome = read(error(-1003, BANNED), { status, headers: { "retry-after": "120" } });
    expect(outcome).toMatchObject({ class: of, waitMs: 120_000 });
  });

  it("that bans until an instant waits for it, by the answer's own date", () => {
    // 1620286253180 is 2021-05-06 07:30:53.180 UTC.
    const at = (date: string): Outcome => read(error(-1003, BANNED), { status: 418, headers: { date } });
    expect(at("Thu, 06 May 2021 07:28:53 GMT")).toMatchObject({ class: "ban", waitMs: 120_180 });
    expect(at("Thu, 06 May 2021 08:00:00 GMT")).toMatchObject({ class: "ban", waitMs: 0 });
    expect(at("1.5")).toMatchObject({ class: "ban", waitMs: null });
    expect(
      read(error(-1003, "banned"), { status: 418, headers: { date: "Thu, 06 May 2021 08:00:00 GMT" } }),
    ).toMatchObject({
      waitMs: null,
    });
  });

  it("shows the exchange's own words", () => {
    expect(read(error(-1121, "Invalid symbol."), { status: 400 })).toMatchObject({
      message: "HTTP 400: -1121 Invalid symbol.",
    });
  });
});

describe("mutated bodies", () => {
  it("never throw, never give rows that are not there, and are strict only with the declared types", () => {
    const value = fc.oneof(
      fc.constantFrom<unknown>(HOUR_0, "1.5", "0", 7, null, true, "", "NaN", "1e999", 1.5, -1, {}, []),
      fc.double(),
      fc.string(),
    );
    const anyRow = fc.oneof(
      { weight: 5, arbitrary: fc.constant(row(HOUR_0)) },
      { weight: 3, arbitrary: fc.tuple(fc.nat(11), value).map(([i, one]) => row(HOUR_0, { [i]: one })) },
      { weight: 1, arbitrary: fc.array(value, { maxLength: 13 }) },
      { weight: 1, arbitrary: value },
    );
    const seen = { strict: 0, loose: 0 };
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 5 }), (records) => {
        const outcome = read(records);
        if (outcome.kind !== "rows") throw new Error("unreachable: a short list is rows");
        expect(outcome.rows).toBe(records.length);
        const sound = (JSON.parse(JSON.stringify(records)) as unknown[]).every(isDeclared);
        expect(outcome.strict).toBe(sound);
        seen[sound ? "strict" : "loose"]++;
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(seen.strict, seen.loose)).toBeGreaterThan(50);
  });
});

describe("settings", () => {
  it.each<[string, BinanceSettings, RegExp]>([
    ["limit", { limit: 1_001 }, /limit is 1001/],
    ["a fractional limit", { limit: 1.5 }, /limit is 1.5/],
    ["quote", { quote: "tether" }, /quote is "tether"/],
    ["two at once", { limit: 0, usd: "" }, /limit is 0.*usd is ""/],
  ])("out of bounds are refused: %s", (_what, settings, message) => {
    expect(() => binanceSource(settings)).toThrow(message);
  });

  it("have the documented address, limit and caps", () => {
    expect(BINANCE_BASE_URL).toBe("https://data-api.binance.vision");
    expect(formatLimits(BINANCE_LIMITS)).toBe("1500/min");
    expect(source.silentCaps).toEqual([500, 1_000]);
  });
});

interface Given {
  readonly assetClass?: string;
  readonly zone?: string;
  readonly anchor?: NonNullable<Grid["anchor"]>;
  readonly stampAt?: Axis["stamp"]["at"];
}

function series(symbol: string, timeframe: string, given: Given = {}): Series {
  const { assetClass = "crypto", zone = "UTC", anchor, stampAt = "start" } = given;
  const all = window("1970-01-01T00:00", "2040-01-01T00:00");
  return {
    dataset: "ohlcv.market_data",
    version: 1,
    key: seriesKey([symbol, timeframe]),
    parts: { symbol, timeframe },
    entry: symbol,
    since: all.start,
    source: "binance",
    lookbackMs: 0,
    params: {},
    ask: { assetClass },
    axis: {
      grid: { grain: timeframe as Grid["grain"], zone, ...(anchor === undefined ? {} : { anchor }) },
      calendar: { name: "24x7", version: "1", zone, known: all, sessions: () => [] },
      density: "sparse",
      settleMs: 0,
      stamp: { zone, at: stampAt },
      lifetime: all,
      earliest: null,
    },
  };
}

function read(
  body: unknown,
  {
    request = REQUEST,
    status = 200,
    headers = {},
  }: { request?: SourceRequest; status?: number; headers?: Record<string, string> } = {},
): Outcome {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = { status, headers, body: Buffer.from(text), receivedAt: instant(utc("2026-02-01T00:00")) };
  return classifyAnswer(source, COIN, request, answer);
}

/** The row's declaration, written a second time. */
function isDeclared(record: unknown): boolean {
  if (!Array.isArray(record)) return false;
  const [t, o, h, l, c, v, , , n] = record;
  return (
    [t, n].every((value) => Number.isSafeInteger(value)) &&
    [o, h, l, c, v].every(
      (text) =>
        typeof text === "string" &&
        /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) &&
        Number.isFinite(Number(text)),
    )
  );
}

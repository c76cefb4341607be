import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import { ask, candlesAt, minuteCandles, type ReadAnswer, type SmallSeries, startSmallSandbox } from "../small-world.ts";
import type { Sandbox, SandboxOptions } from "../start-sandbox.ts";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function open(series: readonly SmallSeries[], options: Omit<SandboxOptions, "dataDir"> = {}): Promise<Sandbox> {
  const sandbox = await startSmallSandbox(series, options);
  opened.push(sandbox);
  return sandbox;
}

const utc = (text: string): number => Date.parse(`${text}Z`);
const FIRST = utc("2020-01-02T00:00");
const coin = { symbol: "X:BTCUSD", assetClass: "crypto" } as const;
/** Two days of minutes. */
const minutes = { ...coin, timeframe: "1m", candles: minuteCandles("2020-01-02T00:00:00Z", 2_880) } as const;

const klines = (interval: string, more = "", symbol = "BTCUSDT"): string =>
  `/api/v3/klines?symbol=${symbol}&interval=${interval}${more}`;
const opens = ({ body }: ReadAnswer): number[] => body.map(([t]: [number]) => t);
const iso = (ms: number): string => new Date(ms).toISOString().replace(":00.000Z", "Z");

describe("a candle", () => {
  it("is a list of 12 values: prices as texts of 8 decimals, its last millisecond at place 6", async () => {
    const candles = [[FIRST, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815]] as const;
    const sandbox = await open([{ ...coin, timeframe: "1h", candles }]);
    const { status, body, headers } = await ask(sandbox, klines("1h"));
    expect([status, headers.get("content-type")]).toEqual([200, "application/json;charset=UTF-8"]);
    expect(body).toHaveLength(1);
    const [row] = body;
    const prices = ["0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815"];
    expect(row.slice(0, 7)).toEqual([FIRST, ...prices, FIRST + HOUR - 1]);
    expect(row.map((value: unknown) => typeof value).join(" ")).toBe(
      "number string string string string string number string number string string string",
    );
    expect(row[11]).toBe("0");
  });
});

describe("a range", () => {
  const span = (start: number | null, end: number | null, limit?: number): string =>
    `${start === null ? "" : `&startTime=${start}`}${end === null ? "" : `&endTime=${end}`}${limit === undefined ? "" : `&limit=${limit}`}`;
  const last = FIRST + 2_879 * MINUTE;

  it.each([
    ["both ends belong to it", span(FIRST, FIRST + 2 * MINUTE), FIRST, FIRST + 2 * MINUTE, 3],
    ["a bar belongs to it by its opening", span(FIRST + 1, FIRST + 2 * MINUTE - 1), FIRST + MINUTE, FIRST + MINUTE, 1],
    ["500 bars from its start unless told otherwise", span(FIRST, last), FIRST, FIRST + 499 * MINUTE, 500],
    ["as many as the limit", span(FIRST, last, 7), FIRST, FIRST + 6 * MINUTE, 7],
    ["1,000 for any larger limit", span(FIRST, last, 5_000), FIRST, FIRST + 999 * MINUTE, 1_000],
    ["from its start without an end", span(last - MINUTE, null), last - MINUTE, last, 2],
    [
      "the last ones up to its end without a start",
      span(null, last - 10 * MINUTE, 3),
      last - 12 * MINUTE,
      last - 10 * MINUTE,
      3,
    ],
    ["the newest without either", span(null, null, 2), last - MINUTE, last, 2],
    ["from before the listing, the first there are", span(0, null, 2), FIRST, FIRST + MINUTE, 2],
  ] as const)("%s", async (_what, query, from, to, count) => {
    const found = opens(await ask(await open([minutes]), klines("1m", query)));
    expect([found.length, found[0], found[found.length - 1]]).toEqual([count, from, to]);
    expect(found).toEqual([...found].sort((a, b) => a - b));
  });

  it("without bars is an empty list", async () => {
    const sandbox = await open([minutes]);
    for (const query of [
      span(last + MINUTE, null),
      span(0, FIRST - 1),
      span(FIRST + MINUTE, FIRST),
      span(null, FIRST - 1),
    ]) {
      const { status, body } = await ask(sandbox, klines("1m", query));
      expect([status, body]).toEqual([200, []]);
    }
  });

  it("has no bars for minutes without a candle", async () => {
    const candles = minuteCandles("2020-01-02T00:00:00Z", 20, (i) => i < 5 || i >= 15);
    const found = opens(await ask(await open([{ ...minutes, candles }]), klines("5m")));
    expect(found.map(iso)).toEqual(["2020-01-02T00:00Z", "2020-01-02T00:15Z"]);
  });
});

describe("bars", () => {
  it("up to now end with one that is still forming, of what has happened so far", async () => {
    const sandbox = await open([minutes], { nowMs: FIRST + 10 * MINUTE });
    const { body } = await ask(sandbox, klines("15m"));
    expect(body.map((row: unknown[]) => row.slice(0, 7))).toEqual([
      [FIRST, "100.00000000", "110.00000000", "99.00000000", "109.50000000", "145.00000000", FIRST + 15 * MINUTE - 1],
    ]);
    expect(opens(await ask(sandbox, klines("1m", "&limit=1")))).toEqual([FIRST + 9 * MINUTE]);
  });

  it("of weeks start on Monday, also where the directory has weeks of its own", async () => {
    const days = candlesAt(Array.from({ length: 9 }, (_, i) => iso(utc("2020-01-03T00:00") + i * DAY)));
    const sundays = candlesAt(["2019-12-29T00:00Z", "2020-01-05T00:00Z"]);
    const sandbox = await open([
      { ...coin, timeframe: "1d", candles: days },
      { ...coin, timeframe: "1w", candles: sundays },
    ]);
    // 2020-01-06 was a Monday.
    expect(opens(await ask(sandbox, klines("1w"))).map(iso)).toEqual(["2019-12-30T00:00Z", "2020-01-06T00:00Z"]);
  });

  it("of days are those of UTC, never a file with days of another zone", async () => {
    const candles = minuteCandles("2020-01-02T03:00:00Z", 180);
    const days = candlesAt(["2020-01-01T05:00Z", "2020-01-02T05:00Z"]);
    const zone = "America/New_York";
    const sandbox = await open([
      { ...coin, timeframe: "1m", candles, zone },
      { ...coin, timeframe: "1d", candles: days, zone },
    ]);
    expect(opens(await ask(sandbox, klines("1d"))).map(iso)).toEqual(["2020-01-02T00:00Z"]);
  });

  it.each([
    ["3m", "3 minutes", "2000-01-01"],
    ["15m", "15 minutes", "2000-01-01"],
    ["2h", "2 hours", "2000-01-01"],
    ["4h", "4 hours", "2000-01-01"],
    ["12h", "12 hours", "2000-01-01"],
    ["1d", "1 day", "2000-01-01"],
    // A Monday.
    ["1w", "7 days", "2000-01-03"],
  ])("of %s hold what SQL makes of the minutes", async (interval, length, origin) => {
    const candles = minuteCandles("2020-01-02T09:00:00Z", 10 * 1_440, (i) => (i * 7_919) % 29 < 4);
    const { body } = await ask(await open([{ ...minutes, candles }]), klines(interval, "&startTime=0&limit=1000"));
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const values = candles.map((row) => `(${row.join(",")})`).join(",");
    const reader = await connection.runAndReadAll(`
      with candle(t, o, h, l, c, v) as (values ${values}),
      placed as (select *, time_bucket(interval '${length}', make_timestamp_ms(t::bigint), timestamp '${origin}') as bar from candle)
      select epoch_ms(bar)::double, first(o order by t)::double, max(h)::double, min(l)::double,
        last(c order by t)::double, sum(v)::double
      from placed group by bar order by bar limit 1000`);
    connection.closeSync();
    instance.closeSync();
    const bars = body.map((row: unknown[]) => row.slice(0, 6).map(Number));
    expect(bars).toEqual(reader.getRows());
    expect(bars.length).toBeGreaterThan(1);
  });
});

describe("a pair", () => {
  const one = (symbol: string, o: number): SmallSeries => ({
    symbol,
    assetClass: "crypto",
    timeframe: "1h",
    candles: [[FIRST, o, o, o, o, 1]],
  });
  const priceOf = async (sandbox: Sandbox, symbol: string) =>
    Number((await ask(sandbox, klines("1h", "", symbol))).body[0][1]);

  it("is found under its own name, else as the pair in dollars", async () => {
    const sandbox = await open([one("X:BTCUSD", 1), one("X:ETHUSD", 2), one("X:ETHUSDT", 3), one("X:ETHBTC", 4)]);
    expect(await priceOf(sandbox, "BTCUSDT")).toBe(1);
    expect(await priceOf(sandbox, "ETHUSDT")).toBe(3);
    expect(await priceOf(sandbox, "ETHBTC")).toBe(4);
  });

  it("that is not there, or is no coin, is an invalid symbol", async () => {
    const sandbox = await open([minutes, { ...minutes, symbol: "AAPL", assetClass: "stock" }]);
    for (const symbol of ["NOPEUSDT", "AAPL", "BTCUSDC"]) {
      const { status, body } = await ask(sandbox, klines("1m", "", symbol));
      expect([status, body]).toEqual([400, { code: -1121, msg: "Invalid symbol." }]);
    }
  });
});

describe("a bad request", () => {
  it.each([
    ["/api/v3/klines?interval=1m", -1102, "'symbol'"],
    ["/api/v3/klines?symbol=BTCUSDT", -1102, "'interval'"],
    ["/api/v3/klines?symbol=&interval=1m", -1102, "'symbol'"],
    [klines("1m", "", "btcusdt"), -1100, "'symbol'"],
    [klines("1m", "&startTime=yesterday"), -1100, "'startTime'; legal range is '^[0-9]{1,20}$'"],
    [klines("1m", "&endTime=-1"), -1100, "'endTime'"],
    [klines("1m", "&limit=1.5"), -1100, "'limit'"],
    [klines("1m", "&limit=0"), -1130, "'limit'"],
    [klines("1M"), -1120, "Invalid interval."],
    [klines("1H"), -1120, "Invalid interval."],
    [klines("toString"), -1120, "Invalid interval."],
    [klines("1m", "&sort=asc"), -1104, "read '2' parameter(s) but was sent '3'"],
  ])("%s is answered with code %i", async (path, code, msg) => {
    const { status, body } = await ask(await open([minutes]), path);
    expect([status, body]).toEqual([400, { code, msg: expect.stringContaining(msg) }]);
  });

  it("for bars finer than the data is one for an invalid interval", async () => {
    const sandbox = await open([{ ...coin, timeframe: "1d", candles: candlesAt(["2020-01-02T00:00Z"]) }]);
    expect((await ask(sandbox, klines("1h"))).body.code).toBe(-1120);
  });
});

describe("the door", () => {
  it("asks for no key, not even where keys are known, and tells the weight used", async () => {
    const sandbox = await open([minutes], { apiKeys: ["good"] });
    const first = await fetch(`${sandbox.url}${klines("1m")}`);
    expect([first.status, first.headers.get("x-mbx-used-weight-1m")]).toEqual([200, "2"]);
    expect((await ask(sandbox, klines("1x"))).headers.get("x-mbx-used-weight-1m")).toBe("4");
    expect((await ask(sandbox, "/api/v3/trades")).status).toBe(404);
    expect(sandbox.report()).toMatchObject({ byPath: { klines: 2, "other api/v3": 1 }, answered: 1 });
  });

  it("serves both contracts, each with its own limit", async () => {
    const sandbox = await open([minutes], {
      limits: [{ count: 1, windowMs: 60_000 }],
      binance: { weight: { count: 4, windowMs: 600_000 }, refusalsBeforeBan: 1, banMs: 60_000 },
    });
    const aggregates = "/v2/aggs/ticker/X:BTCUSD/range/1/minute/2020-01-02/2020-01-02?adjusted=false";
    const statuses: number[] = [];
    for (const path of [aggregates, aggregates]) statuses.push((await ask(sandbox, path)).status);
    for (let i = 0; i < 5; i++) statuses.push((await ask(sandbox, klines("1m"))).status);
    expect(statuses).toEqual([200, 429, 200, 200, 429, 418, 418]);
    const banned = await ask(sandbox, klines("1m"));
    expect(Number(banned.headers.get("retry-after"))).toBeGreaterThan(50);
    const until = Number(/until (\d+)\./.exec(banned.body.msg)?.[1]);
    expect(Math.abs(until - Date.now() - 60_000)).toBeLessThan(10_000);
    const { windows, gates } = sandbox.report();
    expect(windows).toMatchObject([{ maxSeen: 2, refused: 1 }]);
    expect(gates).toMatchObject([{ of: "binance weight", limit: 4, refused: 4, bans: 1 }]);
    await fetch(`${sandbox.url}/sandbox/reset`, { method: "POST" });
    expect((await ask(sandbox, klines("1m"))).status).toBe(200);
  });
});

describe("faults", () => {
  const hours = {
    ...coin,
    timeframe: "1h",
    candles: candlesAt(Array.from({ length: 1_200 }, (_, i) => iso(FIRST + i * HOUR))),
  } as const;
  const wide = klines("1h", `&startTime=${FIRST}&limit=1000`);

  it("in place of an answer are the exchange's: a 429 that says when, an error in a 200", async () => {
    const storm = await ask(await open([minutes], { faults: { storm429: 1 } }), klines("1m"));
    expect([storm.status, storm.headers.get("retry-after"), storm.body.code]).toEqual([429, "1", -1003]);
    const inside = await ask(await open([minutes], { faults: { error200: 1 } }), klines("1m"));
    expect([inside.status, inside.body.code]).toEqual([200, -1001]);
  });

  it("of holes take days out of a wide answer until it has been asked for again", async () => {
    const sandbox = await open([hours], { faults: { holes: 1 } });
    const counts = [];
    for (let i = 0; i < 3; i++) counts.push(opens(await ask(sandbox, wide)).length);
    expect(counts).toEqual([880, 880, 1_000]);
    expect(sandbox.report().faults).toEqual({ holes: 2 });
  });

  it("of doubled rows leave no more than the limit", async () => {
    const found = opens(await ask(await open([hours], { faults: { duplicates: 1 } }), wide));
    expect(found).toHaveLength(1_000);
    expect(new Set(found).size).toBeLessThan(1_000);
  });

  it("of late data and of a silent cap shorten the answer", async () => {
    const newest = FIRST + 1_199 * HOUR;
    const late = await open([hours], { faults: { late: 1 } });
    expect(opens(await ask(late, klines("1h", "&limit=10"))).pop()).toBe(newest - 3 * HOUR);
    expect(opens(await ask(late, klines("1h", `&startTime=${FIRST}&limit=10`)))).toHaveLength(10);
    const capped = await open([hours], { silentCapRows: 500 });
    expect(opens(await ask(capped, wide))).toHaveLength(500);
  });
});

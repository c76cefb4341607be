import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import { ask, candlesAt, minuteCandles, type SmallSeries, startSmallSandbox } from "../small-world.ts";
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

const RAW = "adjusted=false";
const iso = (ms: number) => new Date(ms).toISOString().replace(":00.000Z", "Z");
const starts = (body: { results?: { t: number }[] }) => (body.results ?? []).map(({ t }) => iso(t));

/** Sessions of New York in the winter of 2020, at their midnight. */
const DAYS = ["2020-01-02T05:00Z", "2020-01-03T05:00Z", "2020-01-06T05:00Z", "2020-01-07T05:00Z", "2020-01-08T05:00Z"];
const daily = { symbol: "AAPL", timeframe: "1d", candles: candlesAt(DAYS) } as const;
/** 09:30 to 11:30 in New York, every minute. */
const morning = { symbol: "AAPL", timeframe: "1m", candles: minuteCandles("2020-01-02T14:30:00Z", 120) } as const;

describe("the envelope", () => {
  it("has the keys of recorded answers, in their order", async () => {
    const sandbox = await open([daily]);
    const { status, body, headers } = await ask(
      sandbox,
      `/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-08?${RAW}`,
    );
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    const keys = "ticker queryCount resultsCount adjusted results status request_id count";
    expect(Object.keys(body).join(" ")).toBe(keys);
    expect(Object.keys(body.results[0]).join(" ")).toBe("v o c h l t");
    expect(body).toMatchObject({ ticker: "AAPL", queryCount: 5, resultsCount: 5, count: 5, adjusted: false });
    expect(body.status).toBe("OK");
    expect(body.request_id).toMatch(/^[0-9a-f]{32}$/);
    expect(starts(body)).toEqual(DAYS);
  });

  it("leaves results out when there are none, unless told to send them", async () => {
    const path = `/v2/aggs/ticker/AAPL/range/1/day/2020-01-04/2020-01-05?${RAW}`;
    const empty = { ticker: "AAPL", queryCount: 0, resultsCount: 0, adjusted: false, status: "OK", count: 0 };
    const plain = await ask(await open([daily]), path);
    expect(plain.body).toEqual({ ...empty, request_id: plain.body.request_id });
    const sending = await ask(await open([daily], { polygon: { sendsEmptyResults: true } }), path);
    expect(sending.body.results).toEqual([]);
  });

  it("answers an unknown ticker with an empty 200", async () => {
    const { status, body } = await ask(await open([daily]), "/v2/aggs/ticker/NOPE/range/1/day/2020-01-02/2020-01-08");
    expect([status, body.resultsCount, body.results]).toEqual([200, 0, undefined]);
  });

  it("says DELAYED on a delayed plan", async () => {
    const sandbox = await open([daily], { polygon: { isDelayed: true } });
    expect((await ask(sandbox, `/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-08?${RAW}`)).body.status).toBe(
      "DELAYED",
    );
  });

  it("refuses the endpoint with a 403, or inside a 200", async () => {
    const path = `/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-08?${RAW}`;
    const refused = await ask(await open([daily], { polygon: { refuses: "not-entitled" } }), path);
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ status: "NOT_AUTHORIZED", message: expect.stringContaining("not entitled") });
    const inside = await ask(await open([daily], { polygon: { refuses: "inside-200" } }), path);
    expect([inside.status, inside.body.status]).toEqual([200, "ERROR"]);
  });
});

describe("paging", () => {
  // The provider's own documented example: limit=2 on daily AAPL from 2020-01-02 continues at 1578114000000.
  it("continues where the last window ended, with a cursor and without key or adjusted", async () => {
    const sandbox = await open([daily]);
    const path = `/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-10?${RAW}&limit=2&apiKey=test-key`;
    const { body } = await ask(sandbox, path);
    expect(starts(body)).toEqual(DAYS.slice(0, 2));
    expect(body.next_url).toBe(
      `${sandbox.url}/v2/aggs/ticker/AAPL/range/1/day/1578114000000/2020-01-10?cursor=bGltaXQ9MiZzb3J0PWFzYw`,
    );
    const next = await ask(sandbox, `${body.next_url}&${RAW}`);
    expect(starts(next.body)).toEqual(DAYS.slice(2, 4));
    const forgetful = await ask(sandbox, body.next_url);
    expect(forgetful.status).toBe(400);
  });

  it("counts base minutes and leaves a half-read hour to the next page", async () => {
    const sandbox = await open([{ ...morning, candles: minuteCandles("2020-01-02T14:00:00Z", 120) }]);
    const { body } = await ask(sandbox, `/v2/aggs/ticker/AAPL/range/1/hour/2020-01-02/2020-01-02?${RAW}&limit=100`);
    expect([body.queryCount, starts(body)]).toEqual([60, ["2020-01-02T14:00Z"]]);
    expect(body.next_url).toContain(`/${Date.parse("2020-01-02T15:00Z")}/2020-01-02?cursor=`);
  });

  it("counts a 5 minute candle as 5 base minutes", async () => {
    const candles = candlesAt(["2020-01-02T14:30Z", "2020-01-02T14:35Z", "2020-01-02T14:40Z"]);
    const sandbox = await open([{ symbol: "AAPL", timeframe: "5m", candles }]);
    const { body } = await ask(sandbox, `/v2/aggs/ticker/AAPL/range/5/minute/2020-01-02/2020-01-02?${RAW}&limit=10`);
    expect([body.queryCount, body.resultsCount]).toEqual([10, 2]);
  });

  it("gives every bar once, in order, whatever the limit", async () => {
    const candles = minuteCandles("2020-01-02T14:30:00Z", 400, (i) => i % 7 !== 3 && (i < 100 || i > 170));
    const sandbox = await open([{ ...morning, candles }]);
    const range = (sort: string, limit: number) =>
      `/v2/aggs/ticker/AAPL/range/30/minute/2020-01-02/2020-01-02?${RAW}&sort=${sort}&limit=${limit}`;
    const whole = starts((await ask(sandbox, range("asc", 50_000))).body);
    expect(whole).toHaveLength(13);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 450 }), fc.constantFrom("asc", "desc"), async (limit, sort) => {
        const seen: string[] = [];
        let url: string | undefined = range(sort, limit);
        while (url !== undefined) {
          const { body } = await ask(sandbox, url);
          expect(body.queryCount).toBeLessThanOrEqual(Math.max(limit, 30));
          seen.push(...starts(body));
          url = body.next_url && `${body.next_url}&${RAW}`;
        }
        expect(sort === "asc" ? seen : seen.reverse()).toEqual(whole);
      }),
      { numRuns: 30 },
    );
  });
});

describe("windows", () => {
  it("widen the asked range to whole hours, which start on the hour", async () => {
    const sandbox = await open([morning]);
    const from = Date.parse("2020-01-02T14:45Z");
    const { body } = await ask(sandbox, `/v2/aggs/ticker/AAPL/range/1/hour/${from}/${from + MINUTE}?${RAW}`);
    // 09:30 to 10:00: thirty candles of the hour that starts 09:00.
    expect(body.results).toEqual([{ v: 735, o: 100, c: 129.5, h: 130, l: 99, t: Date.parse("2020-01-02T14:00Z") }]);
  });

  it("count 4 hours from local midnight by default, shorter when the clock is put forward, or from UTC midnight", async () => {
    const candles = minuteCandles("2018-03-11T05:00:00Z", 23 * 60);
    const series = [{ symbol: "AAPL", timeframe: "1m", candles }] as const;
    const path = `/v2/aggs/ticker/AAPL/range/4/hour/2018-03-11/2018-03-11?${RAW}`;
    const local = await ask(await open(series), path);
    expect(starts(local.body)).toEqual([
      "2018-03-11T05:00Z",
      "2018-03-11T08:00Z",
      "2018-03-11T12:00Z",
      "2018-03-11T16:00Z",
      "2018-03-11T20:00Z",
      "2018-03-12T00:00Z",
    ]);
    const utc = await ask(await open(series, { polygon: { fourHourAnchor: "utc" } }), path);
    expect(starts(utc.body).slice(0, 2)).toEqual(["2018-03-11T04:00Z", "2018-03-11T08:00Z"]);
  });

  it("start days and Sunday weeks at midnight New York for stocks, UTC for coins, or where the series says", async () => {
    const candles = minuteCandles("2020-01-08T02:00:00Z", 240);
    const coin = { assetClass: "crypto", timeframe: "1m", candles } as const;
    const sandbox = await open([
      { symbol: "AAPL", timeframe: "1m", candles },
      { ...coin, symbol: "X:BTCUSD" },
      { ...coin, symbol: "X:OLDUSD", zone: "America/New_York" },
    ]);
    const bars = async (ticker: string, span: string) => {
      const from = ticker === "X:BTCUSD" ? "2020-01-08" : "2020-01-07";
      return starts((await ask(sandbox, `/v2/aggs/ticker/${ticker}/range/1/${span}/${from}/2020-01-09?${RAW}`)).body);
    };
    expect(await bars("AAPL", "day")).toEqual(["2020-01-07T05:00Z", "2020-01-08T05:00Z"]);
    expect(await bars("X:BTCUSD", "day")).toEqual(["2020-01-08T00:00Z"]);
    expect(await bars("X:OLDUSD", "day")).toEqual(["2020-01-07T05:00Z", "2020-01-08T05:00Z"]);
    expect(await bars("AAPL", "week")).toEqual(["2020-01-05T05:00Z"]);
    expect(await bars("X:BTCUSD", "week")).toEqual(["2020-01-05T00:00Z"]);
  });

  it("without a candle have no bar", async () => {
    const candles = minuteCandles("2020-01-02T14:30:00Z", 20, (i) => i < 5 || i >= 15);
    const sandbox = await open([{ ...morning, candles }]);
    const { body } = await ask(sandbox, `/v2/aggs/ticker/AAPL/range/5/minute/2020-01-02/2020-01-02?${RAW}`);
    expect(starts(body)).toEqual(["2020-01-02T14:30Z", "2020-01-02T14:45Z"]);
  });

  it("that are still open hold what has happened so far", async () => {
    const nowMs = Date.parse("2020-01-02T14:40Z");
    const sandbox = await open([morning], { nowMs });
    const { body } = await ask(sandbox, `/v2/aggs/ticker/AAPL/range/15/minute/2020-01-02/2020-01-02?${RAW}`);
    expect(body.results).toEqual([{ v: 145, o: 100, c: 109.5, h: 110, l: 99, t: Date.parse("2020-01-02T14:30Z") }]);
  });

  it.each([
    [5, "minute", "time_bucket(interval '5 minutes', local_at)"],
    [15, "minute", "time_bucket(interval '15 minutes', local_at)"],
    [30, "minute", "time_bucket(interval '30 minutes', local_at)"],
    [1, "hour", "time_bucket(interval '1 hour', local_at)"],
    [4, "hour", "time_bucket(interval '4 hours', local_at, timestamp '2000-01-01 00:00:00')"],
    [1, "day", "time_bucket(interval '1 day', local_at, timestamp '2000-01-01 00:00:00')"],
    [1, "week", "time_bucket(interval '7 days', local_at, timestamp '2000-01-02 00:00:00')"],
  ] as const)("of %i %s hold what SQL makes of the minutes", async (multiplier, span, bucket) => {
    // Local times without a clock change, so that buckets of local time are exact.
    const candles = minuteCandles("2020-01-02T09:00:00Z", 8 * 1440, (i) => (i * 7919) % 13 > 4);
    const sandbox = await open([{ ...morning, candles }]);
    const path = `/v2/aggs/ticker/AAPL/range/${multiplier}/${span}/2020-01-02/2020-01-12?${RAW}&limit=50000`;
    const { body } = await ask(sandbox, path);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const values = candles.map((row) => `(${row.join(",")})`).join(",");
    const reader = await connection.runAndReadAll(`
      with candle(t, o, h, l, c, v) as (values ${values}),
      local as (select *, make_timestamp_ms(t::bigint) - interval '5 hours' as local_at from candle)
      select (epoch_ms(${bucket}) + 5 * 3600000)::double as start, first(o order by t)::double, max(h)::double,
        min(l)::double, last(c order by t)::double, sum(v)::double
      from local group by start order by start`);
    connection.closeSync();
    const bars = body.results.map((b: Record<string, number>) => [b.t, b.o, b.h, b.l, b.c, b.v]);
    expect(bars).toEqual(reader.getRows());
    expect(bars.length).toBeGreaterThan(1);
  });
});

describe("the series that answers", () => {
  const fine = minuteCandles("2020-01-02T14:30:00Z", 30);
  const coarse = candlesAt(["2020-01-02T14:30Z", "2020-01-02T14:35Z", "2020-01-02T14:40Z"]);
  const opens = async (series: readonly SmallSeries[], size: string) => {
    const { body } = await ask(await open(series), `/v2/aggs/ticker/AAPL/range/${size}/2020-01-02/2020-01-02?${RAW}`);
    return body.results?.map(({ o }: { o: number }) => o) ?? body.message;
  };

  it("is the file of the timeframe, never mixed with another", async () => {
    const both = [
      { symbol: "AAPL", timeframe: "1m", candles: fine },
      { symbol: "AAPL", timeframe: "5m", candles: coarse },
    ] as const;
    expect(await opens(both, "5/minute")).toEqual([10, 11, 12]);
    expect(await opens(both, "15/minute")).toEqual([100, 115]);
  });

  it("is the one that says it builds the timeframe", async () => {
    const both = [
      { symbol: "AAPL", timeframe: "1m", candles: fine },
      { symbol: "AAPL", timeframe: "5m", candles: coarse, builds: ["15m", "1h"] },
    ] as const satisfies readonly SmallSeries[];
    expect(await opens(both, "15/minute")).toEqual([10]);
    expect(await opens(both, "10/minute")).toEqual([100, 110, 120]);
  });

  it("is not one coarser than what is asked: that is refused by timeframe", async () => {
    expect(await opens([{ symbol: "AAPL", timeframe: "5m", candles: coarse }], "1/minute")).toContain("timeframe");
  });
});

describe("a 403 by time range", () => {
  const hourly = {
    symbol: "IBM",
    timeframe: "1h",
    candles: candlesAt(["2020-01-02T14:00Z", "2020-01-02T15:00Z", "2020-01-10T20:00Z"]),
  } as const;

  it.each([
    ["hour", "2020-01-02", "2020-01-03", 200, "from the local date of the first bar"],
    ["hour", `${Date.parse("2020-01-02T00:00Z")}`, "2020-01-03", 200, "from the UTC day of the first bar"],
    ["hour", `${Date.parse("2020-01-01T23:59Z")}`, "2020-01-03", 403, "a minute earlier"],
    ["hour", "2019-12-31", "2020-01-10", 403, "from two days before, though it reaches into the data"],
    ["week", "2019-12-29", "2020-01-10", 200, "from the start of the week that holds the first bar"],
    ["week", "2019-12-28", "2020-01-10", 403, "from the week before"],
    ["hour", "2020-01-10", "2020-01-31", 200, "which only runs on past the last bar"],
    ["hour", `${Date.parse("2020-01-11T23:59Z")}`, "2020-01-31", 200, "within a day of the last bar's day"],
    ["hour", `${Date.parse("2020-01-12T00:00Z")}`, "2020-01-31", 403, "later than that"],
  ])("%s bars %s to %s: %i, %s", async (span, from, to, status) => {
    const sandbox = await open([hourly]);
    const answer = await ask(sandbox, `/v2/aggs/ticker/IBM/range/1/${span}/${from}/${to}?${RAW}`);
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body.message).toContain("Your plan doesn't include this data timeframe");
  });

  it("meets questions about the future", async () => {
    const sandbox = await open([hourly], { nowMs: Date.parse("2020-01-10T12:00Z") });
    const from = (at: string) => `/v2/aggs/ticker/IBM/range/1/hour/${Date.parse(at)}/2020-01-31?${RAW}`;
    expect((await ask(sandbox, from("2020-01-10T12:00Z"))).status).toBe(200);
    expect((await ask(sandbox, from("2020-01-10T12:01Z"))).status).toBe(403);
  });
});

describe("a 400", () => {
  it.each([
    ["/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-08", "adjusted=true cannot be served"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-01-08/2020-01-02?${RAW}`, "'from' must not be after 'to'"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-02-30/2020-03-02?${RAW}`, "'from' must be a date"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/soon?${RAW}`, "'to' must be a date"],
    [`/v2/aggs/ticker/AAPL/range/0/day/2020-01-02/2020-01-03?${RAW}`, "multiplier"],
    [`/v2/aggs/ticker/AAPL/range/1/second/2020-01-02/2020-01-03?${RAW}`, "timespan"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-03?${RAW}&limit=50001`, "limit"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-03?${RAW}&sort=up`, "sort"],
    [`/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-03?${RAW}&cursor=Zm9v`, "cursor"],
  ])("answers %s", async (path, reason) => {
    const { status, body } = await ask(await open([daily]), path);
    expect([status, body.status]).toEqual([400, "ERROR"]);
    expect(body.error).toContain(reason);
  });

  it("does not meet coins, which have no splits to adjust for", async () => {
    const candles = minuteCandles("2020-01-02T00:00:00Z", 3);
    const sandbox = await open([{ symbol: "X:BTCUSD", timeframe: "1m", assetClass: "crypto", candles }]);
    for (const adjusted of [true, false]) {
      const path = `/v2/aggs/ticker/X:BTCUSD/range/1/minute/2020-01-02/2020-01-02?adjusted=${adjusted}`;
      expect((await ask(sandbox, path)).body).toMatchObject({ adjusted, resultsCount: 3 });
    }
  });
});

it("answers from a million candles without holding anyone up", async () => {
  const day = minuteCandles("2020-01-02T00:00:00Z", 1440);
  const candles = Array.from({ length: 700 }, (_, d) => d).flatMap((d) =>
    day.map(([t, ...rest]) => [t + d * DAY, ...rest] as const),
  );
  const sandbox = await open([{ symbol: "X:BIGUSD", timeframe: "1m", assetClass: "crypto", candles }]);
  const from = Date.parse("2021-06-01T00:00Z");
  await ask(sandbox, `/v2/aggs/ticker/X:BIGUSD/range/1/minute/${from}/${from}`);
  const startedAt = performance.now();
  const { body } = await ask(sandbox, `/v2/aggs/ticker/X:BIGUSD/range/1/hour/${from}/${from + 700 * HOUR}?limit=50000`);
  expect(body.resultsCount).toBe(701);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
}, 60_000);

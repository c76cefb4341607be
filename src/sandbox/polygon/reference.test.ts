import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, candlesAt, startSmallSandbox } from "../small-world.ts";
import type { Sandbox } from "../start-sandbox.ts";

const series = [{ symbol: "AAPL", timeframe: "1d", candles: candlesAt(["2020-01-02T05:00Z"]) } as const];
/** A quarter's dividend, and a special one on the first of them. */
const dividends = [
  ...Array.from({ length: 12 }, (_, i) => ({
    exDate: `${2020 + Math.floor(i / 4)}-0${2 + (i % 4) * 2}-07`,
    cashAmount: 0.2 + i / 100,
    payDate: `${2020 + Math.floor(i / 4)}-0${2 + (i % 4) * 2}-14`,
    frequency: 4,
  })),
  { exDate: "2020-02-07", cashAmount: 2.5, type: "SC", declarationDate: "2020-01-28" },
] as const;
const events = {
  AAPL: {
    dividends: [...dividends],
    splits: [
      { executionDate: "2020-08-31", from: 1, to: 4 },
      { executionDate: "2014-06-09", from: 1, to: 7 },
    ],
  },
  GE: { splits: [{ executionDate: "2021-08-02", from: 8, to: 1, announcedMs: Date.parse("2021-06-18T00:00Z") }] },
};

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSmallSandbox(series, { events });
});
afterAll(async () => await sandbox.close());

const DIVIDENDS = "/v3/reference/dividends";
const SPLITS = "/v3/reference/splits";
const dates = async (query: string) =>
  (await ask(sandbox, `${DIVIDENDS}?${query}`)).body.results.map(
    (row: { ex_dividend_date: string }) => row.ex_dividend_date,
  );

describe("the envelope", () => {
  it("has the keys of recorded answers, and a record theirs with currency and id", async () => {
    const { status, body } = await ask(sandbox, `${DIVIDENDS}?dividend_type=SC`);
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(["results", "status", "request_id"]);
    expect(body.status).toBe("OK");
    expect(body.results).toEqual([
      {
        cash_amount: 2.5,
        currency: "USD",
        declaration_date: "2020-01-28",
        dividend_type: "SC",
        ex_dividend_date: "2020-02-07",
        id: expect.stringMatching(/^E[0-9a-f]{64}$/),
        ticker: "AAPL",
      },
    ]);
    const split = await ask(sandbox, `${SPLITS}?ticker=GE`);
    expect(Object.keys(split.body.results[0])).toEqual(["execution_date", "id", "split_from", "split_to", "ticker"]);
  });

  it("has an empty list for a ticker without events, known or not", async () => {
    for (const path of [`${DIVIDENDS}?ticker=GE`, `${DIVIDENDS}?ticker=NOPE`, `${SPLITS}?ticker=NOPE`]) {
      const { status, body } = await ask(sandbox, path);
      expect([status, body.status, body.results]).toEqual([200, "OK", []]);
    }
  });
});

describe("a list", () => {
  it("is ten records, newest first, unless told", async () => {
    const newest = await dates("");
    expect(newest).toHaveLength(10);
    expect(newest).toEqual([...newest].sort().reverse());
    expect(await dates("order=asc&limit=3")).toEqual(["2020-02-07", "2020-02-07", "2020-04-07"]);
    const { body } = await ask(sandbox, `${DIVIDENDS}?sort=cash_amount&limit=1`);
    expect(body.results[0].cash_amount).toBe(2.5);
  });

  it("keeps to ranges with and without their ends", async () => {
    const between = "order=asc&ex_dividend_date.gte=2020-04-07&ex_dividend_date.lt=2020-08-07";
    expect(await dates(between)).toEqual(["2020-04-07", "2020-06-07"]);
    const open = "order=asc&ex_dividend_date.gt=2020-04-07&ex_dividend_date.lte=2020-08-07";
    expect(await dates(open)).toEqual(["2020-06-07", "2020-08-07"]);
    expect(await dates("ex_dividend_date=2021-02-07")).toEqual(["2021-02-07"]);
    expect(await dates("cash_amount.gt=1")).toEqual(["2020-02-07"]);
    const reverse = await ask(sandbox, `${SPLITS}?reverse_split=true`);
    expect(reverse.body.results.map(({ ticker }: { ticker: string }) => ticker)).toEqual(["GE"]);
  });

  it("gives every record once, in order, whatever the limit", async () => {
    const whole = (await ask(sandbox, `${DIVIDENDS}?order=asc&limit=1000`)).body;
    expect([whole.results.length, whole.next_url]).toEqual([13, undefined]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 14 }), fc.constantFrom("asc", "desc"), async (limit, order) => {
        const seen: unknown[] = [];
        let url: string | undefined = `${DIVIDENDS}?ticker=AAPL&order=${order}&limit=${limit}&apiKey=test-key`;
        while (url !== undefined) {
          const { body } = await ask(sandbox, url);
          expect(body.results.length).toBeLessThanOrEqual(limit);
          seen.push(...body.results);
          url = body.next_url;
          expect(url ?? "").not.toContain("test-key");
        }
        expect(order === "asc" ? seen : seen.reverse()).toEqual(whole.results);
      }),
      { numRuns: 28 },
    );
  });

  it.each([
    ["limit=0", /limit must be 1 to 1000/],
    ["limit=1001", /limit must be 1 to 1000/],
    ["order=up", /order must be/],
    ["sort=id", /sort must be one of/],
    ["ex_dividend_date.ge=2020-01-01", /not a parameter/],
    ["tickers=AAPL", /not a parameter/],
    ["ex_dividend_date.gte=1577923200000", /must be a date/],
    ["cash_amount.gt=much", /no usable value/],
    ["cursor=xyz", /cursor is not valid/],
  ])("is refused for %s", async (query, error) => {
    const { status, body } = await ask(sandbox, `${DIVIDENDS}?${query}`);
    expect([status, body.status]).toEqual([400, "ERROR"]);
    expect(body.error).toMatch(error);
  });
});

describe("an event", () => {
  it("is not there before it is announced", async () => {
    const nowMs = Date.parse("2021-06-17T23:59Z");
    await using early = await startSmallSandbox(series, { events, nowMs });
    expect((await ask(early, `${SPLITS}?ticker=GE`)).body.results).toEqual([]);
    early.setNow(nowMs + 60_000);
    expect((await ask(early, `${SPLITS}?ticker=GE`)).body.results).toHaveLength(1);
  });

  it("can be refused by path, as not in the plan, as not there, or inside a 200", async () => {
    const refuses = { dividends: "not-entitled", splits: "not-found", grouped: "inside-200" } as const;
    await using refusing = await startSmallSandbox(series, { events, polygon: { refuses } });
    const dividend = await ask(refusing, DIVIDENDS);
    expect([dividend.status, dividend.body.status]).toEqual([403, "NOT_AUTHORIZED"]);
    expect((await ask(refusing, SPLITS)).status).toBe(404);
    const grouped = await ask(refusing, "/v2/aggs/grouped/locale/us/market/stocks/2020-01-02");
    expect([grouped.status, grouped.body.status]).toEqual([200, "ERROR"]);
    const bars = "/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-02?adjusted=false";
    expect((await ask(refusing, bars)).status).toBe(200);
    expect(refusing.report().byPath).toEqual({ dividends: 1, splits: 1, grouped: 1, aggregates: 1 });
  });
});

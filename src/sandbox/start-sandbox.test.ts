import { request } from "node:http";
import { afterAll, describe, expect, it } from "vitest";
import { DAY } from "../core/time/instant.ts";
import type { FaultKind } from "./faults.ts";
import { ask, minuteCandles, type ReadAnswer, startSmallSandbox } from "./small-world.ts";
import type { Sandbox, SandboxOptions } from "./start-sandbox.ts";

const FIRST = "2020-01-01T00:00:00Z";
const HOURS = 24 * 60;
/** A coin for sixty days, one candle an hour. */
const coin = {
  symbol: "X:BTCUSD",
  timeframe: "1m",
  assetClass: "crypto",
  candles: minuteCandles(FIRST, HOURS * 60, (i) => i % 60 === 0),
} as const;
const PATH = "/v2/aggs/ticker/X:BTCUSD/range/1/minute/2020-01-01/2020-02-29?adjusted=false&limit=50000";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function open(options: Omit<SandboxOptions, "dataDir"> = {}): Promise<Sandbox> {
  const sandbox = await startSmallSandbox([coin], options);
  opened.push(sandbox);
  return sandbox;
}

const times = ({ body }: ReadAnswer): number[] => (body.results ?? []).map(({ t }: { t: number }) => t);
const allTimes = coin.candles.map(([t]) => t);

describe("the door", () => {
  it("listens on loopback only", async () => {
    expect(new URL((await open()).url).hostname).toBe("127.0.0.1");
  });

  it("refuses a request without a key, and keys it does not know when it knows some", async () => {
    const anyKey = await open();
    expect((await fetch(`${anyKey.url}${PATH}`)).status).toBe(401);
    expect((await fetch(`${anyKey.url}${PATH}&apiKey=x`)).status).toBe(200);
    const someKeys = await open({ apiKeys: ["good"] });
    expect((await ask(someKeys, PATH, "good")).status).toBe(200);
    const { status, body } = await ask(someKeys, PATH, "bad");
    expect(status).toBe(401);
    expect(body).toEqual({ status: "ERROR", request_id: body.request_id, error: "Unknown API Key" });
  });

  it("answers what is over the limit with the provider's 429, without Retry-After unless told", async () => {
    const limits = [{ count: 2, windowMs: 60_000 }];
    const sandbox = await open({ limits });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(sandbox, PATH)).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const refused = await ask(sandbox, PATH);
    expect(refused.body.error).toContain("exceeded the maximum requests per minute");
    expect(refused.headers.has("retry-after")).toBe(false);
    expect(sandbox.report().windows).toEqual([{ limit: 2, windowMs: 60_000, maxSeen: 5, violations: 3, refused: 3 }]);
    expect((await ask(sandbox, PATH, "another-key")).status).toBe(200);

    const telling = await open({ limits: [{ count: 1, windowMs: 60_000 }], retryAfter: true });
    await ask(telling, PATH);
    expect(Number((await ask(telling, PATH)).headers.get("retry-after"))).toBeGreaterThan(50);
  });

  it("waits before it answers when told to", async () => {
    const sandbox = await open({ latencyMs: 60 });
    const startedAt = performance.now();
    await ask(sandbox, PATH);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(55);
  });

  it("answers paths it does not have with a 404, and other methods with a 405", async () => {
    const sandbox = await open();
    expect((await ask(sandbox, "/v3/reference/tickers")).status).toBe(404);
    const headers = { authorization: "Bearer x" };
    expect((await fetch(`${sandbox.url}${PATH}`, { method: "POST", headers })).status).toBe(405);
    expect(sandbox.report().byPath).toEqual({ other: 1, aggregates: 1 });
  });
});

describe("the providers of one server", () => {
  const klines = "/api/v3/klines?symbol=BTCUSDT&interval=1h";

  it("are told apart by path, also where two have the same beginning", async () => {
    const sandbox = await open();
    const legacy = await ask(sandbox, "/api/v3/earning_calendar?apikey=k");
    const statuses = [legacy.status];
    for (const path of [PATH, klines, "/api/v3/trades", "/stable/earnings?symbol=AAPL&apikey=k"]) {
      statuses.push((await ask(sandbox, path)).status);
    }
    expect(statuses).toEqual([403, 200, 200, 404, 200]);
    expect(sandbox.report().byPath).toEqual({
      "fmp-legacy": 1,
      aggregates: 1,
      klines: 1,
      "other api/v3": 1,
      earnings: 1,
    });
  });

  it("count what a key may ask for each by itself", async () => {
    const sandbox = await open({ limits: [{ count: 1, windowMs: 60_000 }] });
    const earnings = "/stable/earnings?symbol=AAPL&apikey=test-key";
    const statuses = [];
    for (const path of [PATH, earnings, klines, klines, PATH, earnings]) {
      statuses.push((await ask(sandbox, path)).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
    expect(sandbox.report().gates).toMatchObject([{ of: "binance weight", maxSeen: 4, refused: 0 }]);
  });

  it("have one present, which moves for all", async () => {
    const events = { AAPL: { earnings: [{ date: "2020-01-10", announcedMs: Date.parse("2020-01-05T00:00Z") }] } };
    const sandbox = await startSmallSandbox([coin], { events, nowMs: Date.parse("2020-01-02T00:00Z") });
    opened.push(sandbox);
    const seen = async () => [
      times(await ask(sandbox, PATH)).length,
      (await ask(sandbox, klines)).body.length,
      (await ask(sandbox, "/stable/earnings?symbol=AAPL&apikey=k")).body.length,
    ];
    expect(await seen()).toEqual([24, 24, 0]);
    sandbox.setNow(Date.parse("2020-01-06T00:00Z"));
    expect(await seen()).toEqual([5 * 24, 5 * 24, 1]);
    expect(sandbox.report().repeated.count).toBe(0);
  });
});

describe("the report", () => {
  it("counts requests, answers, statuses and repeated answers, whoever asks and in whatever order", async () => {
    const sandbox = await open();
    await ask(sandbox, PATH);
    await ask(sandbox, PATH, "another");
    await ask(sandbox, PATH.replace("adjusted=false&limit=50000", "limit=50000&adjusted=false&apiKey=third"));
    await ask(sandbox, PATH.replace("2020-01-01", "2020-01-02"));
    await ask(sandbox, PATH.replace("2020-01-01", "2019-01-02"));
    const report = sandbox.report();
    expect(report).toMatchObject({ requests: 5, answered: 4, byStatus: { 200: 4, 403: 1 }, byPath: { aggregates: 5 } });
    expect(report.repeated.count).toBe(2);
    expect(report.repeated.first).toEqual([
      { request: expect.stringContaining("/2020-01-01/2020-02-29?"), answers: 3 },
    ]);
    expect(JSON.stringify(report)).not.toContain("third");
  });

  it("is served as JSON without being counted, and starts afresh on demand", async () => {
    const sandbox = await open({ faults: { html: 1 } });
    expect((await ask(sandbox, PATH)).text).toContain("<html>");
    const served = await (await fetch(`${sandbox.url}/sandbox/report`)).json();
    expect(served).toEqual(JSON.parse(JSON.stringify(sandbox.report())));
    expect(served).toMatchObject({ requests: 1, answered: 0, faults: { html: 1 } });
    await fetch(`${sandbox.url}/sandbox/reset`, { method: "POST" });
    expect(sandbox.report()).toMatchObject({ requests: 0, faults: {} });
    expect((await ask(sandbox, PATH)).text).toContain("<html>");
  });

  it("tells what is wrong with a file that was asked for", async () => {
    const broken = await startSmallSandbox([{ ...coin, rows: 7 }]);
    opened.push(broken);
    expect((await ask(broken, PATH)).status).toBe(500);
    expect(broken.report().problems).toEqual([expect.stringContaining("the manifest says 7")]);
  });
});

describe("a fault", () => {
  const struck = async (kind: FaultKind, options: Omit<SandboxOptions, "dataDir"> = {}) =>
    await open({ faults: { [kind]: 1 }, ...options });

  it("of storm429 is a 429 that passes", async () => {
    const sandbox = await struck("storm429");
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(sandbox, PATH)).status);
    expect(statuses[0]).toBe(429);
    expect(statuses[2]).toBe(200);
  });

  it("of flaky5xx is a transient status in several shapes", async () => {
    const sandbox = await struck("flaky5xx");
    const seen = new Set<number>();
    const types = new Set<string | null>();
    for (let day = 1; day <= 28; day++) {
      const answer = await ask(sandbox, PATH.replace("2020-01-01", `2020-01-${String(day).padStart(2, "0")}`));
      seen.add(answer.status);
      types.add(answer.headers.get("content-type"));
    }
    expect([...seen].every((status) => [499, 500, 502, 503, 504].includes(status))).toBe(true);
    expect(seen.size).toBeGreaterThan(2);
    expect(types.size).toBe(3);
  });

  it("of timeouts sends nothing until the stall is over, and does not hold up closing", async () => {
    const sandbox = await struck("timeouts", { stallMs: 40 });
    const startedAt = performance.now();
    await expect(ask(sandbox, PATH)).rejects.toThrow();
    expect(performance.now() - startedAt).toBeGreaterThan(35);
    const long = await struck("timeouts", { stallMs: 60_000 });
    const waiting = ask(long, PATH).catch(() => "ended");
    while (long.report().requests === 0) await new Promise(setImmediate);
    await long.close();
    expect(await waiting).toBe("ended");
  });

  it("of cut ends in the middle: with an honest length, or with the connection", async () => {
    const sandbox = await struck("cut");
    const outcomes = new Set<string>();
    for (let day = 1; day <= 20; day++) {
      const path = PATH.replace("2020-01-01", `2020-01-${String(day).padStart(2, "0")}`);
      const outcome = await rawGet(`${sandbox.url}${path}`);
      outcomes.add(outcome.isComplete ? "honest" : "broken");
      expect(outcome.text).toMatch(/^\{"ticker"/);
      expect(() => JSON.parse(outcome.text)).toThrow();
    }
    expect(outcomes).toEqual(new Set(["honest", "broken"]));
    expect(sandbox.report()).toMatchObject({ answered: 0, faults: { cut: 20 } });
  });

  it("of error200 is an error inside a 200", async () => {
    const { status, body } = await ask(await struck("error200"), PATH);
    expect([status, body.status, body.results]).toEqual([200, "ERROR", undefined]);
  });

  it("of html is a page where JSON is due", async () => {
    expect((await ask(await struck("html"), PATH)).headers.get("content-type")).toContain("text/html");
  });

  it("of redirect points at another host", async () => {
    const { status, headers } = await ask(await struck("redirect"), PATH);
    expect(status).toBe(302);
    expect(new URL(headers.get("location") ?? "").hostname).toBe("elsewhere.invalid");
  });

  it("of holes lacks days in the middle of a wide window, twice, and nothing of a narrow one", async () => {
    const sandbox = await struck("holes");
    const first = times(await ask(sandbox, PATH));
    const missing = allTimes.filter((t) => !first.includes(t));
    expect(missing.length).toBe(5 * 24);
    expect((missing.at(-1) ?? 0) - (missing[0] ?? 0)).toBeLessThan(5 * DAY);
    expect(first[0]).toBe(allTimes[0]);
    const narrow = PATH.replace("2020-01-01/2020-02-29", `${missing[0]}/${missing.at(-1)}`);
    expect(times(await ask(sandbox, narrow))).toEqual(missing);
    expect(times(await ask(sandbox, PATH))).toEqual(first);
    expect(times(await ask(sandbox, PATH))).toEqual(allTimes);
  });

  it("of holes spares windows up to the length that is told", async () => {
    const sandbox = await struck("holes", { holeMinDays: 30 });
    const until = async (date: string) => times(await ask(sandbox, PATH.replace("2020-02-29", date))).length;
    expect(await until("2020-01-30")).toBe(30 * 24);
    expect(await until("2020-01-31")).toBe(26 * 24);
  });

  it("of late lacks the newest bars at first", async () => {
    const sandbox = await struck("late");
    expect(times(await ask(sandbox, PATH))).toEqual(allTimes.slice(0, -3));
    await ask(sandbox, PATH);
    expect(times(await ask(sandbox, PATH))).toEqual(allTimes);
    const old = PATH.replace("2020-02-29", "2020-01-10");
    expect(times(await ask(sandbox, old)).at(-1)).toBe(Date.parse("2020-01-10T23:00Z"));
  });

  it("of corrections has other values in the first answer, the same bars and true values after", async () => {
    const sandbox = await struck("corrections");
    const [before, after] = [await ask(sandbox, PATH), await ask(sandbox, PATH)];
    expect(times(before)).toEqual(times(after));
    const changed = after.body.results.filter((bar: unknown, i: number) => !equal(bar, before.body.results[i]));
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.length).toBeLessThan(allTimes.length / 10);
    expect(after.body.results.at(-1)).toMatchObject({ v: 10 + (allTimes.length - 1) * 60 });
  });

  it("of duplicates repeats rows", async () => {
    const answer = await ask(await struck("duplicates"), PATH);
    expect(times(answer).length).toBeGreaterThan(allTimes.length);
    expect([...new Set(times(answer))]).toEqual(allTimes);
    expect(answer.body.resultsCount).toBe(times(answer).length);
  });

  it("of shuffled has all rows in another order", async () => {
    const answer = times(await ask(await struck("shuffled"), PATH));
    expect(answer).not.toEqual(allTimes);
    expect(answer.toSorted((a, b) => a - b)).toEqual(allTimes);
  });

  it("of loop points at itself, until it lets go", async () => {
    const sandbox = await struck("loop");
    const path = PATH.replace("limit=50000", "limit=500");
    const first = await ask(sandbox, path);
    expect(first.body.next_url).toBe(`${sandbox.url}${path}`);
    expect(times(await ask(sandbox, first.body.next_url))).toEqual(times(first));
    expect((await ask(sandbox, first.body.next_url)).body.next_url).toContain("cursor=");
  });

  it("of moving repeats the end of a page at the start of the next", async () => {
    const sandbox = await struck("moving");
    const first = await ask(sandbox, PATH.replace("limit=50000", "limit=500"));
    const second = await ask(sandbox, `${first.body.next_url}&adjusted=false`);
    expect(times(second).slice(0, 3)).toEqual(times(first).slice(-3));
  });

  it.each([
    ["cap1000", { faults: "cap1000" }, 1_000],
    ["silentCapRows", { silentCapRows: 700 }, 700],
  ] as const)("of %s cuts every answer without saying so", async (_, options, rows) => {
    const sandbox = await open(options);
    for (let i = 0; i < 6; i++) {
      const answer = await ask(sandbox, PATH);
      expect(times(answer)).toEqual(allTimes.slice(0, rows));
      expect(answer.body.next_url).toBeUndefined();
    }
    const narrow = PATH.replace("2020-02-29", "2020-01-28");
    expect(times(await ask(sandbox, narrow))).toHaveLength(28 * 24);
  });

  it("of cap50000 takes away the next page of a full one", async () => {
    const candles = minuteCandles(FIRST, 51_000);
    const sandbox = await startSmallSandbox([{ ...coin, candles }], { faults: "cap50000" });
    opened.push(sandbox);
    const { body } = await ask(sandbox, PATH);
    expect([body.resultsCount, body.next_url]).toEqual([50_000, undefined]);
  });

  it("strikes the same requests in another run with the same seed", async () => {
    const run = async () => {
      const sandbox = await open({ faults: "transport,storm429=0.2", seed: 42, stallMs: 1 });
      const seen = [];
      for (let i = 0; i < 60; i++) {
        const path = PATH.replace("2020-01-01", String(Date.parse(FIRST) + (i % 20) * DAY));
        seen.push(
          await ask(sandbox, path).then(
            ({ status, text }) => [status, text.length],
            () => "broken",
          ),
        );
      }
      return { seen, report: { ...sandbox.report() } };
    };
    const [first, second] = [await run(), await run()];
    expect(second).toEqual(first);
    expect(Object.keys(first.report.faults).length).toBeGreaterThan(1);
  });
});

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What arrives before the connection ends, and whether all that was announced did. */
async function rawGet(url: string): Promise<{ text: string; isComplete: boolean }> {
  return await new Promise((resolve, reject) => {
    const sent = request(url, { headers: { authorization: "Bearer x" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => undefined);
      response.on("close", () => resolve({ text: Buffer.concat(chunks).toString(), isComplete: response.complete }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

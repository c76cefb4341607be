import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MINUTE } from "../../src/core/time/instant.ts";
import type { OpenProject } from "../../src/surfaces/cli/host.ts";
import {
  barsFrom,
  dailyBars,
  type Ended,
  KEY,
  type Reply,
  type Script,
  type World,
  type WorldOptions,
  weekdays,
  world,
} from "./kit.ts";

const NOW = "2025-11-22T12:00:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");
const SYMBOLS = ["AAPL", "MSFT", "SPY"] as const;

/** Stocks with daily bars of three weeks behind a door. */
const daily = (
  script: Script | null,
  { series = SYMBOLS, ...options }: Partial<WorldOptions> & { readonly series?: readonly string[] } = {},
): Promise<World> =>
  world(
    series.map((symbol) => ({ symbol, timeframe: "1d", candles: dailyBars(DATES) }) as const),
    {
      now: NOW,
      symbols: Object.fromEntries(series.map((symbol) => [symbol, "--timeframes 1d"])),
      ohlcv: {
        since: { "1d": "2025-11-03" },
        concurrency: 1,
        timeouts: { connectMs: 500, headersMs: 1_100, bodyMs: 500 },
      },
      ...options,
      ...(script === null ? {} : { script }),
    },
  );

const error = (status: number, text: string): Reply => ({
  status,
  body: { status: "ERROR", request_id: "r", error: text },
});
const notAuthorized = (message: string): Reply => ({ status: 403, body: { status: "NOT_AUTHORIZED", message } });
const onFirst =
  (reply: Reply, times = 1): Script =>
  ({ nth, ticker }) =>
    ticker === "AAPL" && nth <= times ? reply : null;

const TIMEFRAME =
  "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing";
const NOT_ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing";
const PAGE = "<!DOCTYPE html><html><body>Please wait...</body></html>";
const TOO_MANY =
  "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.";

describe("what passes is asked again and healed", () => {
  const passing: Readonly<Record<string, Reply>> = {
    "a 500": error(500, "internal"),
    "a 502 with a page": { status: 502, body: PAGE },
    "an empty 503": { status: 503, body: "" },
    "a 504": { status: 504, body: "" },
    "a 499": { status: 499, body: "" },
    "a 408": { status: 408, body: "" },
    "a body that is cut": { cut: true },
    "half a body that calls itself whole": { edit: (body) => ({ ...body, results: body.results.slice(1) }) },
    "a web page with a 200": { status: 200, body: PAGE },
    "text with a 200": { status: 200, body: "Exceeded the daily hits limit" },
    "an empty 200": { status: 200, body: "" },
    "an error inside a 200": error(200, "An internal error occurred, please try again"),
    "an answer that never comes": { stallMs: 10_000 },
  };
  const { names, symbols, script } = eachItsOwn(passing, 1);
  let at: World;
  let run: Ended;
  let log: Ended;

  beforeAll(async () => {
    at = await daily(script, { series: symbols });
    run = await at.json("run", "ohlcv");
    log = await at.json("runs", "show", run.json.run_id, "--log");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it.each(names)("%s", (name, symbol) => {
    expect(
      at.asked.filter(({ ticker }) => ticker === symbol),
      name,
    ).toHaveLength(2);
    const lines = log.json.filter((line: { key?: string }) => line.key === `${symbol}/1d`);
    const results = lines.map((line: { result: string; reason?: string }) => line.result);
    expect(results).toEqual(["defer", "fetched"]);
    expect(lines[0].reason).toMatch(/^transient: /);
    expect(run.json.rows_by_series["ohlcv.market_data"][`${symbol}/1d`].inserted).toBe(DATES.length);
  });

  it("without a trace in the data", async () => {
    expect(run.exit, run.err).toBe(0);
    expect(run.json).toMatchObject({
      status: "succeeded",
      calls: { planned: names.length, made: 2 * names.length, retried: names.length },
      rows: { received: names.length * DATES.length, inserted: names.length * DATES.length },
      gaps: { after: 0 },
    });
    expect((await at.json("verify")).exit).toBe(0);
  });
});

describe("a 429", () => {
  it("halves the rate for this credential once, says so, and keeps it until the setting changes", async () => {
    await using at = await daily(({ total }) => (total === 1 || total === 3 ? error(429, TOO_MANY) : null), {
      limit: "20/s",
    });
    const notice = "the rate for this credential is halved until the setting changes";
    const started = performance.now();
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(0);
    expect(run.json.calls).toMatchObject({ made: 5, deferred: 2 });
    expect(run.err.split(notice)).toHaveLength(2);
    // Without Retry-After each of the two waits is the longest declared window: a second.
    expect(performance.now() - started).toBeGreaterThan(2_000);
    expect(await factor(at)).toBe(0.5);
    const log = await at.json("runs", "show", run.json.run_id, "--log");
    expect(log.json.some((line: { text?: string }) => line.text?.includes(notice))).toBe(true);
    await at.configure({ source: { limit: "30/s" } });
    expect(await factor(at)).toBe(1);
  });

  it("with Retry-After waits as long as it says", async () => {
    const told: Reply = { ...error(429, TOO_MANY), headers: { "retry-after": "1" } };
    await using at = await daily(({ total }) => (total <= 1 ? told : null), { limit: "1000/20s" });
    at.wrap(inHaste);
    const run = await at.json("run", "ohlcv", "--symbols", "AAPL");
    // Untold, the wait would have been 20 seconds.
    expect([run.exit, run.json.calls.deferred]).toEqual([0, 1]);
    expect(run.json.duration_ms).toBeGreaterThan(1_000);
    expect(run.json.duration_ms).toBeLessThan(15_000);
  });
});

describe("a 401", () => {
  it("stops the provider, exits 4, and the key stands nowhere", async () => {
    await using at = await daily(() => error(401, `Unknown API Key ${KEY}`));
    const run = await at.json("run", "ohlcv");
    const plain = await at.cli("runs", "show", run.json.run_id);
    expect(run.exit).toBe(4);
    expect(run.json.status).toBe("failed");
    expect(at.asked).toHaveLength(1);
    expect(run.json.errors[0].reason).toContain("Unknown API Key ***");
    const log = await at.cli("runs", "show", run.json.run_id, "--log");
    for (const text of [run.out, run.err, plain.out, plain.err, log.out]) expect(text).not.toContain(KEY);
    for (const file of await filesBelow(at.dir)) expect(await contentOf(file), file).not.toContain(KEY);

    at.script(null);
    const retry = await at.json("retry", run.json.run_id);
    expect([retry.exit, retry.json.gaps.after]).toEqual([0, 0]);
    for (const file of await filesBelow(at.dir)) expect(await contentOf(file), file).not.toContain(KEY);
  });

  it("after rows came leaves a partial run", async () => {
    await using at = await daily(({ total }) => (total >= 2 ? error(401, "Unknown API Key") : null));
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.status]).toEqual([3, "partial"]);
    expect(at.asked).toHaveLength(2);
    expect(run.json.cells.covered_after).toBe(DATES.length);
  });
});

describe("a refusal", () => {
  it("by time frame is an incomplete run once, then left out, said so, and exit 0", async () => {
    await using at = await daily(({ ticker }) => (ticker === "MSFT" ? notAuthorized(TIMEFRAME) : null));
    const first = await at.json("run", "ohlcv");
    expect(first.exit).toBe(3);
    expect(first.json).toMatchObject({
      status: "partial",
      cells: { refused: DATES.length, failed: 0, verified_empty: 0 },
      gaps: { after: DATES.length },
    });
    const calls = at.asked.length;
    const second = await at.cli("run", "ohlcv");
    expect(second.exit).toBe(0);
    expect(second.out).toMatch(/MSFT +nothing +refused, left out for a day/);
    expect(second.out).toMatch(/left out: MSFT\/1d \[2025-11-03 05:00Z, 2025-11-22 05:00Z\).*plan-value: /);
    expect(second.out).toContain("Nothing to do: 2 series complete, 1 left out, 0 calls.");
    expect(at.asked).toHaveLength(calls);
    const gaps = await at.json("gaps", "--check");
    expect(gaps.exit).toBe(0);
    expect(gaps.json).toMatchObject({ gaps: [], empty_at_source: [], refused: [{ key: "MSFT/1d" }] });
    expect((await at.cli("coverage")).out).toMatch(/^MSFT.*⊘/m);
    const third = await at.cli("run", "master_backfill", "--days", "19", "--results", join(at.dir, "r.json"));
    expect(third.exit).toBe(0);
    expect(third.out).toContain("  MSFT/1d: left out, refused by the source less than a day ago");
    expect(third.out).toContain("⊘ refused by the source");
  });

  it("is asked again after a day", async () => {
    await using at = await daily(({ ticker }) => (ticker === "MSFT" ? notAuthorized(TIMEFRAME) : null));
    await at.json("run", "ohlcv");
    at.script(null);
    at.wrap(aDayLater);
    const later = await at.json("run", "ohlcv");
    expect([later.exit, later.json.calls.made, later.json.cells.refused]).toEqual([0, 1, 0]);
  });

  it("is asked again at once by the command that stands under the matrix", async () => {
    await using at = await daily(({ ticker }) => (ticker === "MSFT" ? notAuthorized(TIMEFRAME) : null));
    const run = await at.cli("run", "master_backfill", "--days", "19", "--results", join(at.dir, "r.json"));
    const line = run.out.split("\n").find((text) => /^ {4}retrofill/.test(text)) ?? "";
    expect(line).toContain(`retrofill --project ${at.dir} retry run-`);
    at.script(null);
    const again = await at.cli(...line.trim().split(" ").slice(3));
    expect(again.exit).toBe(0);
  });

  it("that comes beside one left out earlier still counts", async () => {
    const refusing = new Set(["MSFT"]);
    await using at = await daily(({ ticker }) => (refusing.has(ticker) ? notAuthorized(TIMEFRAME) : null));
    await at.json("run", "ohlcv", "--symbols", "MSFT,AAPL");
    refusing.add("SPY");
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.gaps.after]).toEqual([3, DATES.length]);
  });

  it("of the endpoint asks no more of its kind in this run", async () => {
    await using at = await daily(() => notAuthorized(NOT_ENTITLED));
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(3);
    expect(run.json.cells).toMatchObject({ refused: 3 * DATES.length, failed: 0 });
    expect(at.asked).toHaveLength(1);
    const again = await at.json("run", "ohlcv");
    expect([again.exit, again.json.calls.made]).toEqual([0, 0]);
  });
});

describe("what does not pass is a failure, never data", () => {
  const final: Readonly<Record<string, readonly [Reply, string]>> = {
    "a 400": [error(400, "Could not parse the time parameter: 'from'"), "bad-request"],
    "a 404": [{ status: 404, body: { status: "NOT_FOUND", message: "not found" } }, "not-found"],
    "a redirect to another host": [
      { status: 302, body: "", headers: { location: "http://127.0.0.2:1/steal" } },
      "redirected to another host",
    ],
    "adjusted bars where raw ones were asked": [
      { edit: (body) => ({ ...body, adjusted: true }) },
      "adjusted=true: not stored",
    ],
    "bars of another ticker": [{ edit: (body) => ({ ...body, ticker: "GOOG" }) }, "the page is of GOOG: not stored"],
    "a page that names itself as the next": [
      { edit: (body) => ({ ...body, next_url: loopOf(body.ticker) }) },
      "would never end",
    ],
    "pages of another series": [
      { edit: (body) => ({ ...body, next_url: loopOf("GOOG") }) },
      "not one of the asked series",
    ],
  };
  const replies = Object.fromEntries(Object.entries(final).map(([name, [reply]]) => [name, reply]));
  const { names, symbols, script } = eachItsOwn(replies, Number.POSITIVE_INFINITY);
  let at: World;
  let run: Ended;

  beforeAll(async () => {
    at = await daily(script, { series: [...symbols, "SPY"] });
    run = await at.json("run", "ohlcv");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it.each(names)("%s", (name, symbol) => {
    const failed = run.json.errors.find(({ key }: { key: string }) => key === `${symbol}/1d`);
    expect(failed.reason).toContain(final[name]?.[1]);
    expect(run.json.rows_by_series["ohlcv.market_data"]?.[`${symbol}/1d`]).toBeUndefined();
  });

  it("and the gaps say so, while the rest is complete", async () => {
    expect([run.exit, run.json.status]).toEqual([3, "partial"]);
    const cells = { failed: names.length * DATES.length, refused: 0, verified_empty: 0, covered_after: DATES.length };
    expect(run.json.cells).toMatchObject(cells);
    const gaps = await at.json("gaps");
    expect(gaps.json.gaps).toHaveLength(names.length);
    for (const gap of gaps.json.gaps) expect(gap).toMatchObject({ cause: "failed", slots: DATES.length });
    const rows = await at.json("sql", "SELECT DISTINCT symbol FROM market_data");
    expect(rows.json.rows).toEqual([{ symbol: "SPY" }]);
  });

  it("is given up after five tries, exits 4 when nothing was answered, and heals by retry in the same windows", async () => {
    await using at = await daily(() => error(500, "down"));
    const run = await at.json("run", "ohlcv", "--symbols", "AAPL");
    expect([run.exit, run.json.status]).toEqual([4, "failed"]);
    expect(run.json.errors[0].reason).toContain("given up after 5 attempts");
    const windows = new Set(at.asked.map(({ url }) => url));
    // Two repair rounds may ask again, each five times.
    expect(at.asked.length).toBe(15);
    expect(windows.size).toBe(1);
    at.script(null);
    const later = await at.configure({ now: "2025-11-29T12:00:00Z" }).then(() => at.json("retry", run.json.run_id));
    expect([later.exit, later.json.status]).toEqual([0, "succeeded"]);
    expect(later.json.business_now).toBe(NOW);
    expect(new Set(at.asked.map(({ url }) => url))).toEqual(windows);
  });

  it("of one symbol makes the run partial; the others are complete", async () => {
    await using at = await daily(({ ticker }) => (ticker === "AAPL" ? error(503, "down") : null));
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.status, run.json.cells.failed]).toEqual([3, "partial", DATES.length]);
    const latest = await at.json("retry", run.json.run_id, "--latest");
    expect(latest.exit).toBe(4);
    at.script(null);
    const healed = await at.json("retry", run.json.run_id, "--latest");
    expect([healed.exit, healed.json.calls.made]).toEqual([0, 1]);
    expect(healed.json.run_id).not.toBe(run.json.run_id);
  });
});

describe("the rest of the classes", () => {
  it("a delayed plan's bars are accepted", async () => {
    await using at = await daily(null, { sandbox: { polygon: { isDelayed: true } } });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.rows.inserted]).toEqual([0, 3 * DATES.length]);
  });

  it("a block page with a 403 is waited out as long as it says", async () => {
    await using at = await daily(onFirst({ status: 403, body: PAGE, headers: { "retry-after": "1" } }));
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.calls.deferred]).toEqual([0, 1]);
    expect(run.json.duration_ms).toBeGreaterThan(1_000);
  });

  it("a used-up daily quota ends the run with what it has; the next day goes on", async () => {
    await using at = await daily(null, { limit: "500/s,2/day" });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.status]).toEqual([3, "partial"]);
    expect(run.json.cells).toMatchObject({ covered_after: 2 * DATES.length, failed: 0 });
    expect(run.json.errors[0].reason).toContain("quota of 2/day is used up until");
    expect(at.asked).toHaveLength(2);
    await at.configure({ source: { limit: "500/s,4/day" } });
    const next = await at.json("retry", run.json.run_id);
    expect([next.exit, next.json.cells.covered_after]).toEqual([0, 3 * DATES.length]);
    expect(at.asked).toHaveLength(3);
  });

  it("a next page that is refused starts its slice over", async () => {
    const candles = barsFrom(["2025-11-21T14:30:00Z"], 390, MINUTE);
    await using at = await world([{ symbol: "AAPL", timeframe: "1m", candles }], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1m" },
      ohlcv: { since: { "1m": "2025-11-21" } },
      script: ({ url, total }) => {
        if (total === 1) return firstHundred(url);
        return url.includes("cursor=") ? error(400, "stale cursor") : null;
      },
    });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.rows.inserted, run.json.rows.received]).toEqual([0, 390, 390]);
    expect(at.asked.map(({ url }) => url.includes("cursor="))).toEqual([false, true, false]);
  });
});

/** A next page that starts where the first one did. */
function loopOf(ticker: string): string {
  return `https://api.polygon.io/v2/aggs/ticker/${ticker}/range/1/day/1762146000000/1763787599999?cursor=bGltaXQ9Mg`;
}

/** A symbol for each case, which gets its reply on the first `times` requests of one address. */
function eachItsOwn(cases: Readonly<Record<string, Reply>>, times: number) {
  const names = Object.keys(cases).map((name, i) => [name, `S${String(i).padStart(2, "0")}`] as const);
  const replyOf = new Map(names.map(([name, symbol]) => [symbol as string, cases[name] ?? null]));
  const script: Script = ({ ticker, nth }) => (nth <= times ? (replyOf.get(ticker) ?? null) : null);
  return { names, symbols: names.map(([, symbol]) => symbol), script };
}

/** Only the first bars of a page, with a next page for the rest. */
function firstHundred(url: string): Reply {
  return {
    edit: (body) => {
      const results = body.results.slice(0, 100);
      const next = results.at(-1).t + MINUTE;
      const next_url = `http://127.0.0.1${url.replace(/minute\/\d+/, `minute/${next}`).replace("?", "?cursor=bGltaXQ9NTAwMDAmc29ydD1hc2M&")}`;
      return { ...body, results, resultsCount: 100, count: 100, next_url };
    },
  };
}

/** Without the spread that is added to told waits. */
function inHaste(opened: OpenProject): OpenProject {
  return {
    ...opened,
    project: { ...opened.project, random: () => 0 },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function factor(at: World): Promise<number> {
  let seen = 1;
  at.wrap((opened) => ({
    ...opened,
    async [Symbol.asyncDispose]() {
      const provider = opened.project.pipelines[0]?.sources[0]?.provider;
      if (provider) seen = (await opened.project.budget.usage(provider.credential, provider.limits)).factor;
      await opened[Symbol.asyncDispose]();
    },
  }));
  await at.json("runs");
  at.wrap(null);
  return seen;
}

function aDayLater(opened: OpenProject): OpenProject {
  const { clock } = opened.project;
  const later = { ...clock, now: () => (clock.now() + 25 * 60 * MINUTE) as ReturnType<typeof clock.now> };
  return {
    ...opened,
    project: { ...opened.project, clock: later },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function filesBelow(dir: string): Promise<readonly string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

async function contentOf(file: string): Promise<string> {
  const bytes = await readFile(file);
  return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("latin1");
}

import { describe, expect, it } from "vitest";
import { HOUR } from "../../src/core/time/instant.ts";
import { startOfLocalDate } from "../../src/core/time/zone.ts";
import { barsFrom, dailyBars, type Script, type World, weekdays, world } from "./kit.ts";

const DATES = weekdays("2025-11-03", "2025-11-21");
const at0 = (date: string): number => startOfLocalDate("America/New_York", date);

async function nightly(at: World, ...flags: readonly string[]) {
  return at.json("run", "ohlcv+", "--mode", "incremental", ...flags);
}

async function moveTo(at: World, now: string): Promise<void> {
  at.sandbox.setNow(Date.parse(now));
  await at.configure({ now });
}

async function watermark(at: World): Promise<string | null> {
  const { json } = await at.json("state", "show");
  return json.datasets.find((one: { dataset: string }) => one.dataset === "ohlcv.market_data").watermark;
}

interface Bar {
  readonly t: number;
  readonly c: number;
}

/** At first nobody has the 12th; later it is there, the 10th closes higher, and the 11th is gone. */
const story =
  (isLater: () => boolean): Script =>
  () => ({
    edit: (body) => {
      const lacking = at0(isLater() ? "2025-11-11" : "2025-11-12");
      const results = ((body.results ?? []) as readonly Bar[])
        .filter(({ t }) => t !== lacking)
        .map((bar) => (isLater() && bar.t === at0("2025-11-10") ? { ...bar, c: bar.c + 0.5 } : bar));
      return { ...body, results, resultsCount: results.length, queryCount: results.length };
    },
  });

describe("an incremental run", () => {
  it("asks a tail again: late bars come, corrected ones are restated, vanished ones retracted, and counted", async () => {
    let isLater = false;
    await using at = await world([{ symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) }], {
      now: "2025-11-13T22:30:00Z",
      symbols: { AAPL: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" } },
      script: story(() => isLater),
    });
    const first = await nightly(at);
    // The 13th lasts until midnight in New York.
    expect([first.exit, first.json.stages[0].rows.inserted]).toEqual([0, 7]);
    isLater = true;
    await moveTo(at, "2025-11-14T22:30:00Z");
    const second = await nightly(at);
    const [candles, features] = second.json.stages;
    // The 12th late and the 13th new, the 10th corrected, the 11th gone.
    expect([second.exit, candles.rows]).toMatchObject([0, { inserted: 2, updated: 1, retracted: 1 }]);
    expect(features.rows.retracted).toBe(1);
    const { json } = await at.json("sql", "select count(*) as n from market_data where day(ts) = 11");
    expect(Number(json.rows[0].n)).toBe(0);
    const { json: kept } = await at.json("sql", "select change, day(ts) as day from market_data__history order by day");
    expect(kept.rows.filter(({ change }: { change: string }) => change !== "inserted")).toEqual([
      { change: "updated", day: 10 },
      { change: "retracted", day: 11 },
    ]);
    expect((await at.cli("gaps", "ohlcv")).out).toMatch(/2025-11-11 .*empty at source now, covered before/);
    expect((await at.json("audit", "verify")).exit).toBe(0);
  });

  it("alone moves the watermark, and only over all that is registered", async () => {
    await using at = await world(
      ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d" as const, candles: dailyBars(DATES) })),
      {
        now: "2025-11-13T22:30:00Z",
        symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
        ohlcv: { since: { "1d": "2025-11-03" } },
      },
    );
    const none = await watermark(at);
    expect(none).toBe(null);
    await at.json("run", "ohlcv", "--symbols", "AAPL");
    await at.json("run", "ohlcv", "--mode", "incremental", "--symbols", "MSFT");
    expect(await watermark(at)).toBe(none);
    await nightly(at);
    const moved = await watermark(at);
    expect(moved).not.toBe(none);
    await moveTo(at, "2025-11-20T22:30:00Z");
    await at.json("run", "ohlcv");
    expect(await watermark(at)).toBe(moved);
    await nightly(at);
    expect(await watermark(at)).not.toBe(moved);
  });

  it("whose lookback gets no answer is not done: it says so, and the watermark waits for a night that asks it", async () => {
    await using at = await world(
      ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d" as const, candles: dailyBars(DATES) })),
      {
        now: "2025-11-13T22:30:00Z",
        symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
        ohlcv: { since: { "1d": "2025-11-03" } },
      },
    );
    await nightly(at);
    const before = await watermark(at);
    // Nothing new is due an hour later: only what is covered is asked again.
    await moveTo(at, "2025-11-13T23:30:00Z");
    at.script(({ ticker }) => (ticker === "AAPL" ? { status: 503, body: "busy" } : {}));
    const troubled = await nightly(at);
    expect([troubled.exit, troubled.json.status, troubled.json.gaps.after]).toEqual([3, "partial", 0]);
    expect(troubled.json.errors).toMatchObject([{ key: "AAPL/1d", refused: false, answered: false }]);
    expect(await watermark(at)).toBe(before);
    at.script(() => ({ status: 503, body: "busy" }));
    expect(await nightly(at)).toMatchObject({ exit: 4, json: { status: "failed" } });
    at.script(null);
    expect(await nightly(at)).toMatchObject({ exit: 0, json: { status: "succeeded", errors: [] } });
    expect(await watermark(at)).not.toBe(before);
  });

  it("goes on while a long backfill holds the rest, and neither asks what the other has", async () => {
    const hours = weekdays("2025-03-03", "2025-11-21").map((date) => `${date}T14:00:00Z`);
    let isSlow = true;
    let isBackfilled = false;
    await using at = await world(
      [
        { symbol: "AAPL", timeframe: "1h", candles: barsFrom(hours, 7, HOUR) },
        { symbol: "MSFT", timeframe: "1d", candles: dailyBars(DATES) },
      ],
      {
        now: "2025-11-21T22:30:00Z",
        symbols: { AAPL: "--timeframes 1h", MSFT: "--timeframes 1d" },
        limit: "40/s",
        ohlcv: { since: { "1h": "2025-03-03", "1d": "2025-11-03" } },
        // The backfill's answers take long; what is asked of the last week comes at once.
        script: ({ from }) => (isSlow && from < Date.parse("2025-11-10") ? { stallMs: 2_500 } : {}),
      },
    );
    const backfill = at.json("run", "ohlcv", "--to", "2025-11-08").finally(() => {
      isBackfilled = true;
    });
    await expect.poll(() => at.asked.length, { timeout: 20_000 }).toBeGreaterThan(0);
    const planned = await at.cli("plan", "ohlcv", "--mode", "incremental");
    expect(planned.out).toContain(
      "asked for     each lookback before now (no watermark yet, and a backfill is on its way through the rest) to now",
    );
    const live = await at.json("run", "ohlcv", "--mode", "incremental", "--from", "2025-11-14");
    expect([live.exit, live.json.status]).toEqual([0, "succeeded"]);
    expect(live.json.rows.inserted).toBeGreaterThan(30);
    expect(isBackfilled).toBe(false);
    isSlow = false;
    const ended = await backfill;
    expect([ended.exit, ended.json.status]).toEqual([0, "succeeded"]);
    const rest = await at.json("run", "ohlcv");
    expect(rest.exit).toBe(0);
    const { json } = await at.json(
      "sql",
      "select count(*) - count(distinct (symbol, timeframe, ts)) as twice from market_data",
    );
    expect(Number(json.rows[0].twice)).toBe(0);
    expect(at.asked.filter(({ from, ticker }) => ticker === "AAPL" && from >= Date.parse("2025-11-14")).length).toBe(1);
  });
});

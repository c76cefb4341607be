import { describe, expect, it } from "vitest";
import { HOUR, MINUTE } from "../../src/core/time/instant.ts";
import { startOfLocalDate } from "../../src/core/time/zone.ts";
import type { CandleRow } from "../../src/sandbox/simulate.ts";
import { barsFrom, dailyBars, days, type World, weekdays, world } from "./kit.ts";

// What the scripts that this program replaces got wrong, each told as what it does instead.

const NOW = "2025-11-22T12:00:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");
const newYork = (date: string): number => startOfLocalDate("America/New_York", date);
const at0930 = (dates: readonly string[]): readonly string[] => dates.map((date) => `${date}T14:30:00Z`);

const stock = (timeframe: "1m" | "1h" | "1d", candles: readonly CandleRow[], symbol = "AAPL") =>
  ({ symbol, timeframe, candles }) as const;

/** Slots that a symbol owes in a range, without asking anybody. */
async function dueIn(at: World, symbol: string, timeframe: string, first: string, last: string): Promise<number> {
  const range = ["--symbols", symbol, "--timeframe", timeframe, "--start", first, "--end", last];
  const { json } = await at.json("plan", "backfill_ohlcv", ...range);
  return json.series[0].dueSlots;
}

describe("success", () => {
  it("is never reported when the source fails", async () => {
    await using at = await world([stock("1d", dailyBars(DATES))], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d" },
      script: () => ({ status: 500, body: "" }),
    });
    for (const job of ["ohlcv", "backfill_ohlcv", "master_backfill"]) {
      const run = await at.json("run", job, "--days", "19", "--results", `${at.dir}/r.json`);
      expect([run.exit, run.json.status, run.json.rows.inserted], job).toEqual([4, "failed", 0]);
    }
  });

  it("counts what is stored, not what was sent", async () => {
    await using at = await world([stock("1m", barsFrom(at0930(DATES), 390, MINUTE))], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1m" },
      ohlcv: { since: { "1m": "2025-11-03" } },
      sandbox: { faults: "duplicates,shuffled" },
    });
    const run = await at.json("run", "ohlcv");
    const { received, inserted, updated, unchanged, duplicate, quarantined } = run.json.rows;
    expect(duplicate).toBeGreaterThan(0);
    expect(received).toBe(inserted + updated + unchanged + duplicate + quarantined);
    const stored = await at.json("sql", "SELECT count(*) AS n, count(DISTINCT ts) AS slots FROM market_data");
    expect(Number(stored.json.rows[0].n)).toBe(inserted);
    expect(Number(stored.json.rows[0].slots)).toBe(inserted);
    expect(inserted).toBe(390 * DATES.length);
  });
});

describe("what is due", () => {
  it("follows the exchange, not the federal holidays, and never closes for coins", async () => {
    await using at = await world([stock("1d", dailyBars(DATES))], {
      now: NOW,
      symbols: { AAPL: "", BTC: "--asset-class crypto" },
    });
    const due = (symbol: string, timeframe: string, first: string, last = first): Promise<number> =>
      dueIn(at, symbol, timeframe, first, last);
    // Dates by the exchange's own calendar of 2024 and 2025.
    expect(await due("AAPL", "1d", "2025-04-18"), "Good Friday").toBe(0);
    expect(await due("AAPL", "1d", "2024-10-14"), "Columbus Day").toBe(1);
    expect(await due("AAPL", "1d", "2024-11-11"), "Veterans Day").toBe(1);
    expect(await due("AAPL", "1d", "2025-01-09"), "day of mourning").toBe(0);
    expect(await due("AAPL", "1d", "2025-11-15", "2025-11-16"), "weekend").toBe(0);
    expect(await due("AAPL", "1m", "2024-11-29"), "closes at 13:00").toBe(210);
    expect(await due("AAPL", "1m", "2024-12-02"), "regular day").toBe(390);
    expect(await due("BTC", "1d", "2025-11-15", "2025-11-16"), "a coin's weekend").toBe(2);
    expect(await due("BTC", "1m", "2024-12-25"), "a coin's Christmas").toBe(1_440);
  });

  it("counts weeks by weeks", async () => {
    await using at = await world([stock("1d", dailyBars(DATES))], { now: NOW, symbols: { AAPL: "--timeframes 1w" } });
    expect(await dueIn(at, "AAPL", "1w", "2025-11-02", "2025-11-15")).toBe(2);
    const run = await at.json("run", "backfill_ohlcv", "--timeframe", "1w", "--start", "2025-11-02");
    expect([run.exit, run.json.rows.inserted, run.json.gaps.after]).toEqual([0, 2, 0]);
  });

  it("goes on after a month's end with the next trading day, not a month later", async () => {
    const dates = weekdays("2025-08-25", "2025-09-05").filter((date) => date !== "2025-09-01");
    const gone = new Set(["2025-08-29", "2025-09-02"].map(newYork));
    await using at = await world([stock("1d", dailyBars(dates))], {
      now: "2025-09-06T12:00:00Z",
      symbols: { AAPL: "--timeframes 1d" },
      script: ({ total }) => (total === 1 ? lacking((t) => gone.has(t)) : null),
    });
    const run = await at.cli("run", "master_backfill", "--days", "12", "--results", `${at.dir}/r.json`);
    expect(run.exit).toBe(0);
    expect(run.out).toContain("AAPL/1d: 1 gap(s) detected\n");
    expect(run.out).toContain("AAPL/1d: retrying gap 2025-08-29 to 2025-09-02 (attempt 1/2)...\n");
    expect(run.out).toContain("AAPL/1d: ✓ gap filled (2 candles)\n");
  });
});

describe("a day", () => {
  it("with one candle is not complete", async () => {
    const dates = weekdays("2025-10-13", "2025-11-21");
    const [from, to] = [newYork("2025-11-05"), newYork("2025-11-06")];
    const hours = dates.flatMap((date) => {
      // New York is four hours behind until 2 November, five after.
      const open = Date.parse(`${date}T${date < "2025-11-02" ? 13 : 14}:00:00Z`);
      return barsFrom([new Date(open).toISOString()], 7, HOUR);
    });
    await using at = await world([stock("1h", hours)], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1h" },
      ohlcv: { since: { "1h": "2025-10-13" }, repairRounds: 0 },
      script: ({ total }) => (total === 1 ? lacking((t) => t >= from + 10 * HOUR && t < to) : null),
    });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.gaps.after]).toEqual([3, 6]);
    const gaps = await at.json("gaps");
    expect(gaps.json.gaps).toMatchObject([
      { key: "AAPL/1h", cause: "asked-once", start: "2025-11-05T15:00:00Z", slots: 6 },
    ]);
    await at.configure({ repairRounds: 2 });
    const next = await at.json("run", "ohlcv");
    expect([next.exit, next.json.kind, next.json.rows.inserted]).toEqual([0, "repair", 6]);
  });

  it("under way has its candles, and no false gap at its end", async () => {
    const dates = weekdays("2025-11-10", "2025-11-19");
    const minutes = barsFrom(at0930(dates), 390, MINUTE);
    await using at = await world([stock("1m", minutes), stock("1d", dailyBars(dates))], {
      now: "2025-11-19T17:00:00Z",
      symbols: { AAPL: "--timeframes 1m,5m,1h,1d" },
      ohlcv: { since: { "1m": "2025-11-10", "5m": "2025-11-10", "1h": "2025-11-10", "1d": "2025-11-10" } },
    });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.gaps.after]).toEqual([0, 0]);
    const today = await at.json(
      "sql",
      "SELECT timeframe, count(*) AS n, max(ts) AS last FROM market_data WHERE ts >= '2025-11-19' GROUP BY ALL ORDER BY n DESC",
    );
    // From 14:30 to 16:45: a slot counts a quarter of an hour after its end.
    expect(today.json.rows.map((row: { n: unknown }) => Number(row.n))).toEqual([135, 27, 2]);
    const again = await at.json("run", "ohlcv");
    expect([again.exit, again.json.calls.made]).toEqual([0, 0]);
    expect((await at.json("gaps", "--check")).exit).toBe(0);
    await at.configure({ now: "2025-11-19T17:05:00Z" });
    const later = await at.json("run", "ohlcv");
    expect([later.exit, later.json.rows.inserted, later.json.gaps.after]).toEqual([0, 6, 0]);
  });
});

describe("a long history", () => {
  it("is paged through to its end", async () => {
    await using at = await world([stock("1m", barsFrom(at0930(DATES), 390, MINUTE))], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1m" },
      ohlcv: { since: { "1m": "2025-11-03" } },
    });
    // The provider reads fewer base bars at once than it is asked for.
    at.script(({ url, nth }) => (nth === 1 && !url.includes("cursor=") ? page(url, 500) : null));
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.rows.inserted]).toEqual([0, 390 * DATES.length]);
    expect(run.json.calls).toMatchObject({ planned: 1, paged: 1, repaired: 0 });
  });

  it("cut silently at 1,000 rows is continued, never stored as complete", async () => {
    await using at = await world([stock("1m", barsFrom(at0930(DATES), 390, MINUTE))], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1m" },
      ohlcv: { since: { "1m": "2025-11-03" }, repairRounds: 0 },
      sandbox: { faults: "cap1000" },
    });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.rows.inserted]).toEqual([0, 390 * DATES.length]);
    // 5,850 rows by 1,000.
    expect(at.asked).toHaveLength(6);
    expect(at.sandbox.report().repeated.count).toBe(0);
  });

  it("cut silently at 50,000 rows is continued too", async () => {
    // Open around the clock, so that a window measured for a stock's day holds more than the provider reads at once.
    const midnights = days("2025-10-13", "2025-11-16").map((date) => `${date}T00:00:00Z`);
    await using at = await world([stock("1m", barsFrom(midnights, 1_440, MINUTE))], {
      now: "2025-11-17T00:15:00Z",
      symbols: { AAPL: "--timeframes 1m --calendar 24x7" },
      ohlcv: { since: { "1m": "2025-10-13" }, repairRounds: 0 },
      sandbox: { faults: "cap50000" },
    });
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.calls.planned, run.json.rows.inserted]).toEqual([0, 1, 35 * 1_440]);
    expect(at.asked).toHaveLength(2);
  });
});

describe("a symbol", () => {
  it("is a coin by its asset class only", async () => {
    await using at = await world(
      [
        { symbol: "X:BTCUSD", assetClass: "crypto", timeframe: "1d", candles: dailyBars(DATES, "UTC") },
        { symbol: "X:ETHUSD", assetClass: "crypto", timeframe: "1d", candles: dailyBars(DATES, "UTC") },
        ...["BTCS", "ETHE", "BTC"].map((symbol) => stock("1d", dailyBars(DATES), symbol)),
      ],
      {
        now: NOW,
        symbols: {
          BTCUSD: "--timeframes 1d --asset-class crypto",
          "ETH-USD": "--timeframes 1d --asset-class crypto",
          BTCS: "--timeframes 1d",
          ETHE: "--timeframes 1d --asset-class etf",
          BTC: "--timeframes 1d",
        },
        ohlcv: { since: { "1d": "2025-11-03" }, repairRounds: 0 },
      },
    );
    await at.json("run", "ohlcv");
    expect([...new Set(at.asked.map(({ ticker }) => decodeURIComponent(ticker)))].sort()).toEqual([
      "BTC",
      "BTCS",
      "ETHE",
      "X:BTCUSD",
      "X:ETHUSD",
    ]);
  });
});

describe("a bad row", () => {
  it("stops itself and no other", async () => {
    const [day, other] = ["2025-11-05", "2025-11-06"].map(newYork);
    await using at = await world([stock("1d", dailyBars(DATES)), stock("1d", dailyBars(DATES), "MSFT")], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" } },
      script: ({ ticker }) =>
        ticker !== "AAPL"
          ? null
          : {
              edit: (body) => ({
                ...body,
                results: body.results.map((bar: { t: number }) =>
                  bar.t === day ? { ...bar, h: 1, l: 500 } : bar.t === other ? { ...bar, c: "NaN" } : bar,
                ),
              }),
            },
    });
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(3);
    expect(run.json.rows.inserted).toBe(2 * DATES.length - 2);
    expect(run.json.quarantined_by.high_below_low).toBeGreaterThan(0);
    const gaps = await at.json("gaps");
    expect(gaps.json.gaps.map((gap: { key: string; cause: string }) => [gap.key, gap.cause])).toEqual([
      ["AAPL/1d", "blocked"],
      ["AAPL/1d", "blocked"],
    ]);
    at.script(null);
    const healed = await at.json("run", "ohlcv");
    expect([healed.exit, healed.json.rows.inserted]).toEqual([0, 2]);
  });
});

/** The answer without the bars that `isGone` names. */
function lacking(isGone: (t: number) => boolean) {
  return {
    edit: (body: { readonly results: readonly { readonly t: number }[] }) => {
      const results = body.results.filter(({ t }) => !isGone(t));
      return { ...body, results, resultsCount: results.length, count: results.length };
    },
  };
}

/** The first `rows` bars of an answer and where the next page starts, as the provider writes it. */
function page(url: string, rows: number) {
  return {
    edit: (body: { readonly results: readonly { readonly t: number }[] }) => {
      const results = body.results.slice(0, rows);
      const next = (results.at(-1)?.t ?? 0) + MINUTE;
      const path = url.replace(/minute\/\d+/, `minute/${next}`).replace(/\?.*/, "?cursor=bGltaXQ9NTAwMDAmc29ydD1hc2M");
      return { ...body, results, resultsCount: rows, count: rows, next_url: `https://api.polygon.io${path}` };
    },
  };
}

import { describe, expect, it } from "vitest";
import { parseDate, startOfLocalDate } from "../../src/core/time/zone.ts";
import { type Asked, dailyBars, type Reply, type Script, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-22T12:00:00Z";
const DATES = weekdays("2025-09-02", "2025-11-21");

/** Daily bars of one stock since September behind a door; `lacking` dates are not in the data at all. */
const daily = (options: { readonly lacking?: readonly string[]; readonly script?: Script } = {}): Promise<World> =>
  world(
    [
      {
        symbol: "AAPL",
        timeframe: "1d",
        candles: dailyBars(DATES.filter((date) => !(options.lacking ?? []).includes(date))),
        first: "2025-09-02T04:00:00Z",
        last: "2025-11-21T05:00:00Z",
      },
    ],
    {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-09-02" } },
      ...(options.script ? { script: options.script } : {}),
    },
  );

const midnight = (date: string): number => startOfLocalDate("America/New_York", date);

/** The answer without the bars of `dates`. */
const without = (...dates: readonly string[]): Reply => {
  const gone = new Set(dates.map(midnight));
  return {
    edit: (body) => {
      const results = body.results.filter(({ t }: { t: number }) => !gone.has(t));
      return { ...body, results, resultsCount: results.length, count: results.length };
    },
  };
};

/** First and last day of what a request asked for, in New York. */
const daysOf = ({ url }: Asked): readonly [string, string] => {
  const [, from, to] = /\/(\d+)\/(\d+)\?/.exec(url) ?? [];
  const date = (ms: number): string =>
    new Intl.DateTimeFormat("sv-SE", { timeZone: "America/New_York", dateStyle: "short" }).format(ms);
  return [date(Number(from)), date(Number(to))];
};

describe("repair", () => {
  it("heals holes by narrower questions and computes the matrix after that", async () => {
    const hole = ["2025-10-14", "2025-10-15"];
    await using at = await daily({ script: ({ total }) => (total === 1 ? without(...hole, "2025-11-04") : null) });
    const run = await at.cli("run", "ohlcv");
    expect(run.exit).toBe(0);
    expect(run.out).toMatch(/^AAPL.*✓/m);
    expect(at.asked.slice(1).map(daysOf)).toEqual([["2025-10-14", "2025-11-04"]]);
    expect(run.out).toContain("2 made = 1 planned + 0 retried + 1 repaired");
  });

  it("asks a hole that equals its window one slot wider on each side, and no answered request twice", async () => {
    const day = "2025-10-15";
    await using at = await daily({ script: ({ nth, total }) => (total <= 1 || nth > 1 ? without(day) : null) });
    const run = await at.json("run", "ohlcv", "--from", `${day}T00:00Z`, "--to", "2025-10-16T00:00Z");
    expect(run.exit).toBe(0);
    expect(at.asked.map(daysOf)).toEqual([
      [day, day],
      ["2025-10-14", "2025-10-16"],
    ]);
    expect(run.json.rows).toMatchObject({ inserted: 3 });
    expect(at.sandbox.report().repeated.count).toBe(0);
  });

  it("leaves what stays empty as empty at the source: listed, marked, not asked again, exit 0", async () => {
    await using at = await daily({ lacking: ["2025-10-15"] });
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(0);
    expect(run.json.cells).toMatchObject({ verified_empty: 1, failed: 0, refused: 0 });
    expect(run.json.gaps.after).toBe(0);
    const calls = at.asked.length;
    expect(at.sandbox.report().repeated.count).toBe(0);
    const gaps = await at.json("gaps", "--check");
    expect(gaps.exit).toBe(0);
    expect(gaps.json).toMatchObject({
      gaps: [],
      empty_at_source: [{ key: "AAPL/1d", start: "2025-10-15T04:00:00Z", end: "2025-10-16T04:00:00Z" }],
      refused: [],
    });
    expect((await at.cli("gaps")).out).toContain("Empty at source");
    expect((await at.cli("coverage")).out).toMatch(/^AAPL.*○/m);
    const again = await at.json("run", "ohlcv");
    expect([again.exit, again.json.calls.made]).toEqual([0, 0]);
    expect(at.asked).toHaveLength(calls);
  });

  it("spends at most two calls on a small plan; what it does not reach stays a gap, exit 3", async () => {
    // Far apart, and the source takes few days at once: five holes are five questions.
    const holes = ["2025-09-09", "2025-09-23", "2025-10-07", "2025-10-21", "2025-11-04"];
    const isWide = ({ url }: Asked): boolean => /\/(\d+)\/(\d+)\?/.exec(url) !== null && at.asked.length <= first;
    let first = Number.POSITIVE_INFINITY;
    await using at = await daily({ script: (asked) => (isWide(asked) ? without(...holes) : null) });
    await at.configure({ source: { pageLimit: 10 } });
    const plan = await at.json("plan", "ohlcv");
    first = plan.json.cost.calls;
    expect(plan.json.repair).toEqual({ rounds: 2, calls: 2 });
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(3);
    expect(run.json).toMatchObject({ status: "partial", calls: { repaired: 2 }, gaps: { after: 3 } });
    const gaps = await at.json("gaps");
    expect(gaps.json.gaps.map((gap: { cause: string }) => gap.cause)).toEqual([
      "asked-once",
      "asked-once",
      "asked-once",
    ]);
    const next = await at.json("run", "ohlcv");
    expect(next.exit).toBe(0);
    expect(next.json).toMatchObject({ kind: "repair", gaps: { before: 3, after: 0 } });
  });

  it("may spend a tenth of a larger plan", async () => {
    await using at = await daily();
    await at.configure({ source: { pageLimit: 2 } });
    const { json } = await at.json("plan", "ohlcv");
    expect(json.cost.calls).toBeGreaterThan(20);
    expect(json.repair.calls).toBe(Math.ceil(json.cost.calls / 10));
    expect((await at.cli("plan", "ohlcv")).out).toContain(`+ up to ${json.repair.calls} to repair (2 rounds)`);
  });

  it("never mixes up empty, failed and refused", async () => {
    const refusedFrom = parseDate("2025-11-10");
    await using at = await daily({
      lacking: ["2025-09-10"],
      script: ({ from }) =>
        from >= refusedFrom
          ? {
              status: 403,
              body: { status: "NOT_AUTHORIZED", message: "Your plan doesn't include this data timeframe." },
            }
          : from >= midnight("2025-10-14") && from < midnight("2025-10-28")
            ? { status: 400, body: { status: "ERROR", error: "no" } }
            : null,
    });
    await at.configure({ source: { pageLimit: 14 } });
    const run = await at.json("run", "ohlcv");
    expect(run.exit).toBe(3);
    const { json } = await at.json("gaps");
    expect(json.empty_at_source.map((one: { start: string }) => one.start)).toEqual(["2025-09-10T04:00:00Z"]);
    expect(json.gaps.map((one: { cause: string }) => one.cause)).toEqual(["failed"]);
    expect(json.refused).toHaveLength(1);
    expect(json.refused[0].reason).toContain("plan-value");
    const { due, covered_after, verified_empty, failed, refused } = run.json.cells;
    expect(verified_empty).toBe(1);
    expect(covered_after + verified_empty + failed + refused).toBe(due);
  });
});

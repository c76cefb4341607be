import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DAY, formatInstant, HOUR, instant } from "../../src/core/time/instant.ts";
import { dailyBars, type World, weekdays, world } from "./kit.ts";

const DATES = weekdays("2026-01-05", "2026-04-24").filter((date) => !["2026-01-19", "2026-02-16"].includes(date));
const MONDAY = Date.parse("2026-03-23T21:30:00Z");
const RUNS = 5;

describe("the growth of bronze that an incremental plan tells", () => {
  it.each([
    { pause: "a day", pauseMs: DAY },
    { pause: "six hours", pauseMs: 6 * HOUR },
  ])("is what such runs, $pause apart, add in a year", async ({ pauseMs }) => {
    await using at = await stocks();
    expect((await at.json("run", "ohlcv", "--mode", "incremental")).exit).toBe(0);
    const before = await onDisk(at);
    for (let run = 1; run <= RUNS; run++) {
      await at.configure({ now: formatInstant(instant(MONDAY + run * pauseMs)) });
      expect((await at.json("run", "ohlcv", "--mode", "incremental")).exit).toBe(0);
    }
    const perYear = (((await onDisk(at)) - before) * 365 * DAY) / (RUNS * pauseMs);
    expect(perYear).toBeGreaterThan(0);
    await at.configure({ now: formatInstant(instant(MONDAY + (RUNS + 1) * pauseMs)) });
    const { json } = await at.json("plan", "ohlcv", "--mode", "incremental");
    expect(json.cost.yearlyBytes / perYear).toBeGreaterThan(0.85);
    expect(json.cost.yearlyBytes / perYear).toBeLessThan(1.15);
    expect((await at.cli("plan", "ohlcv", "--mode", "incremental")).out).toMatch(/growth +bronze by about .* a year/);
    expect((await at.json("plan", "ohlcv")).json.cost.yearlyBytes).toBeUndefined();
  });

  it("is that of as many answers where hardly any day brings a row", async () => {
    await using at = await stocks();
    expect((await at.json("run", "ohlcv.stock_splits")).exit).toBe(0);
    const answer = (await onDisk(at)) / 2;
    await at.configure({ now: "2026-03-26T21:30:00Z" });
    const { json } = await at.json("plan", "ohlcv.stock_splits", "--mode", "incremental");
    expect(json.cost.calls).toBe(2);
    expect(json.cost.yearlyBytes).toBeCloseTo(2 * 365 * answer, 0);
  });

  it("is not told while nothing was ever answered", async () => {
    await using at = await stocks();
    expect((await at.json("plan", "ohlcv", "--mode", "incremental")).json.cost.yearlyBytes).toBeUndefined();
  });
});

describe("the disk space that a plan tells", () => {
  it("is that of as many rows a day as the last answers had", async () => {
    await using at = await stocks();
    // Blocks of the table, two answers, and in bronze, store and history a split's 38.5 bytes.
    const space = (rows: number): number => 2 * 262_144 + 2 * 10_240 + rows * 38.5;
    const first = (await at.json("plan", "ohlcv.stock_splits")).json.cost;
    expect(first.bytes).toBe(space(first.rows));
    expect((await at.json("run", "ohlcv.stock_splits")).exit).toBe(0);
    const again = (await at.json("plan", "ohlcv.stock_splits", "--again")).json.cost;
    expect(again.rows).toBe(first.rows);
    expect(again.bytes).toBeCloseTo(space(1), 6);
  });
});

function stocks(): Promise<World> {
  const span = { first: "2026-01-05T05:00:00Z", last: "2026-04-24T04:00:00Z" };
  return world(
    ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d", candles: dailyBars(DATES), ...span })),
    {
      now: formatInstant(instant(MONDAY)),
      sandbox: { nowMs: Date.parse("2026-04-30T12:00:00Z") },
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
      events: { AAPL: { splits: [{ executionDate: "2026-02-04", from: 1, to: 4 }] } },
      ohlcv: { since: { "1d": "2026-01-05" } },
    },
  );
}

/** Bytes that bodies and sidecars take, in whole blocks. */
async function onDisk(at: World): Promise<number> {
  const root = join(at.dir, ".retrofill", "bronze");
  const names = (await readdir(root, { recursive: true })).filter((name) => /\.(gz|meta\.json)$/.test(name));
  return names.reduce((sum, name) => sum + statSync(join(root, name)).blocks * 512, 0);
}

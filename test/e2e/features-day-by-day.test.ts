import { describe, expect, it } from "vitest";
import { DAY, MINUTE } from "../../src/core/time/instant.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import type { SmallSeries } from "../../src/sandbox/small-world.ts";
import { simulated } from "../oracle/simulated.ts";
import { type World, world } from "./kit.ts";

const FROM = Date.parse("2024-03-01");
const DAYS = 4;
const coin: SmallSeries = {
  symbol: "X:BTCUSD",
  assetClass: "crypto",
  timeframe: "1m",
  candles: simulated({ seed: 21, from: FROM, stepMs: MINUTE, slots: DAYS * 1_440, filled: 0.7 }).map(
    ({ t, o, h, l, c, v }) => [t, o, h, l, c, v ?? 1],
  ),
};

/** Minutes are asked; 5m and 1h candles are made from them, and features from all three. */
const PROJECT = {
  now: new Date(FROM + DAYS * DAY + DAY / 2).toISOString(),
  symbols: { BTC: "--asset-class crypto --timeframes 1m,5m,1h" },
  ohlcv: { derive: ["5m", "1h"], publishRows: 3_000 },
};

const day = (no: number): string => new Date(FROM + no * DAY).toISOString().slice(0, 10);
const ALL = ["--start", day(0), "--end", day(DAYS - 1)];

describe("candles and features made day by day", () => {
  it.each([1, 2])("are those made at once, to the last bit: order %i", async (seed) => {
    await using once = await world([coin], PROJECT);
    await run(once, "ohlcv", ...ALL);
    await run(once, "backfill_features", ...ALL);
    await using parts = await world([coin], PROJECT);
    const uniform = randomNumbers(seed);
    const order = Array.from({ length: DAYS }, (_, no) => ({ no, at: uniform() })).sort((a, b) => a.at - b.at);
    for (const { no } of order) {
      await run(parts, "ohlcv", "--start", day(no), "--end", day(no));
      // Features of some stretch, whether or not its candles are all there.
      const first = Math.floor(uniform() * DAYS);
      if (uniform() < 0.7) await run(parts, "backfill_features", "--start", day(first), "--end", day(DAYS - 1));
    }
    await run(parts, "ohlcv", ...ALL);
    await run(parts, "backfill_features", ...ALL);
    for (const table of ["market_data", "market_data_v2"]) {
      const expected = await stored(once, table);
      const found = await stored(parts, table);
      expect(expected.length).toBeGreaterThan(5_000);
      expect(found.length).toBe(expected.length);
      expect(found.filter((row, i) => row !== expected[i]).slice(0, 3)).toEqual([]);
    }
  });
});

async function run(at: World, ...args: readonly string[]): Promise<void> {
  const ended = await at.cli("run", ...args);
  // 3 where some of the stretch has no candles yet, 5 where none of it has.
  if (![0, 3, 5].includes(ended.exit)) throw new Error(`run ${args.join(" ")}: ${ended.err}`);
}

/** Rows but for the bronze object, which is another in another order. */
async function stored(at: World, table: string): Promise<readonly string[]> {
  const { json } = await at.json("sql", `select * exclude (object_no) from ${table} order by symbol, timeframe, ts`);
  return json.rows.map((row: object) => JSON.stringify(row));
}

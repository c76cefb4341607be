import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { newYorkToUtc } from "../real/new-york.ts";
import { leanNewYork, readBars } from "../real/raw-bars.ts";
import { rollUpByHand } from "./roll-up-by-hand.ts";
import { axisOf, rollSlots } from "./slots.ts";

const root = process.env.RETROFILL_DATA ?? "";

describe.runIf(root !== "")("minutes rolled up by hand", () => {
  it.each([
    { symbol: "spy", hours: 42 },
    { symbol: "aapl", hours: 21 },
  ])("hold the shares of the provider's own hours of $symbol, and its prices but for single trades", async (set) => {
    const minutes = leanMinutes(set.symbol);
    const file = join(root, "ohlcv", "lean-us-hour", `${set.symbol}.csv.gz`);
    const hours = await readBars(file, { columns: null, readTime: leanNewYork, priceScale: 10_000 });
    const theirs = new Map(hours.map((bar) => [bar.t, bar]));
    const rolled = rollUpByHand(
      minutes,
      rollSlots(
        axisOf("stock", "1h"),
        minutes.map(({ ts }) => ({ t: ts })),
      ),
    );
    const both = rolled.flatMap((bar) => {
      const own = theirs.get(bar.ts);
      return own === undefined ? [] : [{ bar, own }];
    });
    expect(both).toHaveLength(set.hours);
    expect(both.map(({ bar }) => bar.volume)).toEqual(both.map(({ own }) => own.v));
    // The two files are of different years of the provider's work, between which single trades were struck out: most
    // prices are the same, others a few cents apart.
    const prices = both.flatMap(({ bar, own }) => [
      bar.open / own.o,
      bar.high / own.h,
      bar.low / own.l,
      bar.close / own.c,
    ]);
    expect(Math.max(...prices.map((ratio) => Math.abs(ratio - 1)))).toBeLessThan(0.01);
    expect(prices.filter((ratio) => ratio === 1).length).toBeGreaterThan(0.7 * prices.length);
  });
});

/** Trades from 04:00 to 20:00, stamped in milliseconds since midnight. */
function leanMinutes(symbol: string) {
  const file = join(root, "ohlcv", "lean-us-minute", `${symbol}_trade.csv.gz`);
  const lines = gunzipSync(readFileSync(file)).toString("utf8").trim().split("\n").slice(1);
  return lines.map((line) => {
    const [day = "", ms, ...figures] = line.split(",");
    const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`;
    const [open, high, low, close, volume] = figures.map(Number) as [number, number, number, number, number];
    const prices = { open: open / 1e4, high: high / 1e4, low: low / 1e4, close: close / 1e4 };
    // No day in the file changes its clocks.
    return { ts: newYorkToUtc(date, "00:00") + Number(ms), ...prices, volume, trades: null, vwap: null };
  });
}

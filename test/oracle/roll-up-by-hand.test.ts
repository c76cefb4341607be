import { describe, expect, it } from "vitest";
import type { Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { newYorkToUtc } from "../real/new-york.ts";
import { type MinuteBar, rollUpByHand } from "./roll-up-by-hand.ts";
import { axisOf, rollSlots } from "./slots.ts";

describe("roll-up by hand", () => {
  it("takes first open, highest high, lowest low, last close, sums, and the price per share", () => {
    const minutes = [
      minute("09:30", { open: 10, high: 12, low: 9, close: 11, volume: 100, trades: 3, vwap: 10.5 }),
      minute("09:31", { open: 11, high: 11.5, low: 8, close: 9, volume: 300, trades: 5, vwap: 9.5 }),
      minute("09:34", { open: 9, high: 10, low: 9, close: 9.5, volume: 0, trades: 0, vwap: null }),
      minute("09:35", { open: 9.5, high: 9.5, low: 9.5, close: 9.5, volume: null, trades: null, vwap: null }),
    ];
    expect(rolled("5m", minutes)).toEqual([
      // (10.5 * 100 + 9.5 * 300) / 400 = 9.75
      ["09:30", { open: 10, high: 12, low: 8, close: 9.5, volume: 400, trades: 8, vwap: 9.75 }],
      ["09:35", { open: 9.5, high: 9.5, low: 9.5, close: 9.5, volume: null, trades: null, vwap: null }],
    ]);
  });

  it("keeps extended hours out of the slots that the session opens and closes in", () => {
    const times = ["09:29", "09:30", "09:59", "10:00", "12:00", "15:59", "16:00"];
    const minutes = times.map((time, i) => minute(time, { ...flat(10 + i), trades: 1 }));
    expect(rolled("1h", minutes).map(([time, bar]) => [time, bar.open, bar.close, bar.trades])).toEqual([
      ["09:00", 11, 12, 2],
      ["10:00", 13, 13, 1],
      ["12:00", 14, 14, 1],
      ["15:00", 15, 15, 1],
    ]);
    expect(rolled("4h", minutes).map(([time, bar]) => [time, bar.open, bar.close, bar.trades])).toEqual([
      ["08:00", 11, 13, 3],
      ["12:00", 14, 15, 2],
    ]);
  });

  it("ends with the session where it closes early", () => {
    const afterThanksgiving = "2024-11-29";
    const minutes = ["12:58", "12:59", "13:00", "13:30"].map((time) => minute(time, flat(10), afterThanksgiving));
    expect(rolled("30m", minutes).map(([time, bar]) => [time, bar.volume])).toEqual([["12:30", 200]]);
    expect(rolled("4h", minutes).map(([time, bar]) => [time, bar.volume])).toEqual([["12:00", 200]]);
  });
});

type Figures = Omit<MinuteBar, "ts">;

const flat = (price: number): Figures => {
  return { open: price, high: price, low: price, close: price, volume: 100, trades: 1, vwap: price };
};

function minute(time: string, figures: Figures, date = "2024-06-03"): MinuteBar {
  return { ts: newYorkToUtc(date, time), ...figures };
}

/** Rolled bars by the New York time of their slots. */
function rolled(timeframe: Timeframe, minutes: readonly MinuteBar[]): readonly (readonly [string, Figures])[] {
  const slots = rollSlots(
    axisOf("stock", timeframe),
    minutes.map(({ ts }) => ({ t: ts })),
  );
  return rollUpByHand(minutes, slots).map(({ ts, ...figures }) => [newYorkTime(ts), figures] as const);
}

const newYorkTime = (ts: number): string =>
  new Date(ts).toLocaleTimeString("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit" });

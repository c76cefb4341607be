import { expect, it } from "vitest";
import { dailyBars, weekdays, world } from "./kit.ts";

const DATES = weekdays("2025-11-03", "2025-11-21");

it("a plan shows how it asks, and what the other way would have cost, whichever is cheaper", async () => {
  await using at = await world(
    ["AAPL", "MSFT", "NVDA"].map((symbol) => ({ symbol, timeframe: "1d" as const, candles: dailyBars(DATES) })),
    {
      now: "2025-11-20T22:30:00Z",
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d", NVDA: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" } },
    },
  );
  // From 3 to 19 November: the day of the 20th is not over in New York.
  const many = await at.cli("plan", "ohlcv");
  expect(many.out).toMatch(/^ +polygon: 3 requests for 3 series; polygon-grouped would take 13$/m);
  // One series alone has no other way.
  expect((await at.cli("plan", "ohlcv", "--symbols", "AAPL")).out).not.toContain("would take");
  expect((await at.json("run", "ohlcv")).exit).toBe(0);
  await at.configure({ now: "2025-11-21T22:30:00Z" });
  const few = await at.cli("plan", "ohlcv");
  expect(few.out).toMatch(/^ +polygon-grouped: 1 request for 3 series; polygon would take 3$/m);
});

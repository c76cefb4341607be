import { describe, expect, it } from "vitest";
import { pairOf } from "./symbols.ts";

const USDT = { quote: "USDT", usd: "USDT" };

describe("pairOf", () => {
  it.each([
    ["BTC", "BTCUSDT"],
    ["btc", "BTCUSDT"],
    ["BTC-USD", "BTCUSDT"],
    ["BTC/USD", "BTCUSDT"],
    ["BTCUSD", "BTCUSDT"],
    ["X:BTCUSD", "BTCUSDT"],
    ["x:btcusd", "BTCUSDT"],
    ["BTC-USDT", "BTCUSDT"],
    ["BTCUSDT", "BTCUSDT"],
    ["BTCFDUSD", "BTCFDUSD"],
    ["BTC-EUR", "BTCEUR"],
    ["ETHBTC", "ETHBTC"],
    ["ETH-BTC", "ETHBTC"],
    ["OP-USDT", "OPUSDT"],
    ["1INCH", "1INCHUSDT"],
    ["USDC", "USDCUSDT"],
    ["TUSD", "TUSDUSDT"],
    ["FDUSD", "FDUSDUSDT"],
    ["WBTC", "WBTCUSDT"],
    ["BTC-TRY", "BTCTRY"],
  ])("writes %s as %s", (symbol, pair) => {
    expect(pairOf(symbol, USDT)).toBe(pair);
  });

  it("prices a bare coin in the quote that is set, and lets that end a pair", () => {
    const inTry = { quote: "TRY", usd: "USDC" };
    expect(["BTC", "BTCTRY", "BTC-USD", "BTCUSD"].map((symbol) => pairOf(symbol, inTry))).toEqual([
      "BTCTRY",
      "BTCTRY",
      "BTCUSDC",
      "BTCUSDC",
    ]);
    expect(pairOf("BTCUSD", { quote: "USD", usd: "USD" })).toBe("BTCUSD");
    expect(pairOf("BTC", { quote: "USD", usd: "USDC" })).toBe("BTCUSDC");
  });

  it.each(["BTC-USD-PERP", "BTC-", "-USD", "BT C", "BTC_USDT", "X:", "BTC-U$D"])("refuses %j, naming it", (symbol) => {
    expect(() => pairOf(symbol, USDT)).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringContaining(symbol),
        hint: expect.stringContaining("BTC/USDT"),
      }),
    );
  });
});

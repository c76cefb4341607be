import { describe, expect, it } from "vitest";
import { type AssetClass, assetClassOf, tickerOf } from "./tickers.ts";

describe("tickerOf", () => {
  it.each<[string, AssetClass, string]>([
    ["AAPL", "stock", "AAPL"],
    ["BRK.B", "stock", "BRK.B"],
    ["BACpB", "stock", "BACpB"],
    ["ETHE", "stock", "ETHE"],
    ["BTCS", "stock", "BTCS"],
    ["BTC", "stock", "BTC"],
    ["SPY", "etf", "SPY"],
    ["NDX", "index", "I:NDX"],
    ["I:SPX", "index", "I:SPX"],
    ["BTC", "crypto", "X:BTCUSD"],
    ["BTC-USD", "crypto", "X:BTCUSD"],
    ["BTCUSD", "crypto", "X:BTCUSD"],
    ["BTC/USD", "crypto", "X:BTCUSD"],
    ["btc-usd", "crypto", "X:BTCUSD"],
    ["X:BTCUSD", "crypto", "X:BTCUSD"],
    ["BTC-EUR", "crypto", "X:BTCEUR"],
    ["BTCEUR", "crypto", "X:BTCEUR"],
    ["BUSD", "crypto", "X:BUSDUSD"],
    ["PYUSD", "crypto", "X:PYUSDUSD"],
    ["1INCH", "crypto", "X:1INCHUSD"],
    ["EURUSD", "fx", "C:EURUSD"],
    ["EUR/USD", "fx", "C:EURUSD"],
    ["EUR-JPY", "fx", "C:EURJPY"],
    ["EUR", "fx", "C:EURUSD"],
    ["C:EURUSD", "fx", "C:EURUSD"],
  ])("writes %s as %s: %s", (symbol, assetClass, ticker) => {
    expect(tickerOf(symbol, assetClass)).toBe(ticker);
  });

  it("prices a bare coin in the quote that is set", () => {
    expect(tickerOf("BTC", "crypto", "EUR")).toBe("X:BTCEUR");
  });

  it.each<[string, AssetClass]>([
    ["BTC-USD-PERP", "crypto"],
    ["BTC-", "crypto"],
    ["-USD", "crypto"],
    ["BT C", "crypto"],
    ["EUR_USD", "fx"],
    ["EURUS", "fx"],
  ])("refuses %j as %s, naming it and the forms that work", (symbol, assetClass) => {
    expect(() => tickerOf(symbol, assetClass)).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringContaining(symbol),
        hint: expect.stringContaining("EUR/USD"),
      }),
    );
  });
});

describe("assetClassOf", () => {
  it("is the named one, a stock without a name", () => {
    expect([assetClassOf("fx", "EURUSD"), assetClassOf(undefined, "AAPL")]).toEqual(["fx", "stock"]);
  });

  it("refuses any other word and lists the known ones", () => {
    expect(() => assetClassOf("coin", "BTC")).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", hint: "one of stock, etf, index, crypto, fx" }),
    );
  });
});

import { RetrofillError } from "../../core/errors.ts";

export const ASSET_CLASSES = ["stock", "etf", "index", "crypto", "fx"] as const;

export type AssetClass = (typeof ASSET_CLASSES)[number];

/** Money that may end a pair written without a separator, beside the default quote. */
const QUOTES: readonly string[] = ["USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF"];

/** A pair without a separator has a base of at least this many letters: BUSD, PYUSD and FDUSD are coins, not pairs. */
const MIN_BASE = 3;

/**
 * The provider's ticker of `symbol`, which is case-sensitive for stocks: AAPL, X:BTCUSD, C:EURUSD, I:NDX.
 * Only the asset class makes a coin of a symbol: a stock named ETHE or BTCS stays what it is. A symbol that has its
 * prefix keeps it.
 * @throws RetrofillError CONFIG_INVALID when a coin or currency symbol cannot be read as a pair
 */
export function tickerOf(symbol: string, assetClass: AssetClass, quote = "USD"): string {
  if (/^[A-Za-z]:./.test(symbol)) return symbol.toUpperCase();
  switch (assetClass) {
    case "stock":
    case "etf":
      return symbol;
    case "index":
      return `I:${symbol.toUpperCase()}`;
    case "crypto":
      return `X:${pairOf(symbol, assetClass, quote)}`;
    case "fx":
      return `C:${pairOf(symbol, assetClass, quote)}`;
    default:
      return assetClass satisfies never;
  }
}

/**
 * The asset class that `text` names; without one it is a stock.
 * @throws RetrofillError CONFIG_INVALID for any other word
 */
export function assetClassOf(text: string | undefined, symbol: string): AssetClass {
  const known = ASSET_CLASSES.find((name) => name === (text ?? "stock"));
  if (known !== undefined) return known;
  throw new RetrofillError("CONFIG_INVALID", `${symbol}: Polygon has no asset class "${text}"`, {
    hint: `one of ${ASSET_CLASSES.join(", ")}`,
    context: { symbol },
  });
}

function pairOf(symbol: string, assetClass: "crypto" | "fx", quote: string): string {
  const [base = "", ...rest] = symbol.toUpperCase().split(/[-/]/);
  if (rest.length === 0) return /^[A-Z0-9]+$/.test(base) ? joined(base, assetClass, quote) : unreadable(symbol);
  const pair = base + rest.join("");
  return rest.length === 1 && /^[A-Z0-9]+$/.test(base) && /^[A-Z]{3,}$/.test(rest[0] ?? "") ? pair : unreadable(symbol);
}

function joined(text: string, assetClass: "crypto" | "fx", quote: string): string {
  // Codes of money have three letters each.
  if (assetClass === "fx") return text.length === 6 ? text : text.length === 3 ? text + quote : unreadable(text);
  const isPair = [quote, ...QUOTES].some((end) => text.endsWith(end) && text.length - end.length >= MIN_BASE);
  return isPair ? text : text + quote;
}

function unreadable(symbol: string): never {
  throw new RetrofillError("CONFIG_INVALID", `${symbol}: not a pair of currencies`, {
    hint: "write BTC, BTC-USD, BTC/USD, BTCUSD or X:BTCUSD; EURUSD, EUR/USD or C:EURUSD",
    context: { symbol },
  });
}

import { RetrofillError } from "../../core/errors.ts";

/** What a coin is priced in. */
export interface Money {
  /** For a coin named without a pair: `BTC` is BTCUSDT. */
  readonly quote: string;
  /** What stands for USD, which the exchange does not trade: `BTC-USD` is BTCUSDT. */
  readonly usd: string;
}

/** Money that may end a pair written without a separator, beside what is set; the longest that fits is meant. */
const QUOTES: readonly string[] = ["FDUSD", "USDT", "USDC", "USD", "EUR", "BTC", "ETH", "BNB"];

/** A pair without a separator has a base of at least this many letters: TUSD, PYUSD and WBTC are coins, not pairs. */
const MIN_BASE = 3;

/**
 * The exchange's name of a coin's pair: BTCUSDT for BTC, BTC-USD, BTC/USDT, BTCUSD and X:BTCUSD.
 * @throws RetrofillError CONFIG_INVALID when `symbol` cannot be read as a pair
 */
export function pairOf(symbol: string, { quote, usd }: Money): string {
  const text = symbol.toUpperCase().replace(/^X:/, "");
  const [base = "", money = "", ...rest] = text.split(/[-/]/);
  const isSeparated = base !== text;
  if (!/^[A-Z0-9]+$/.test(base) || rest.length > 0 || (isSeparated && !/^[A-Z0-9]{3,}$/.test(money))) {
    throw new RetrofillError("CONFIG_INVALID", `${symbol}: not a coin or a pair of coins`, {
      hint: "write BTC, BTC-USD, BTC/USDT, BTCUSDT or X:BTCUSD",
      context: { symbol },
    });
  }
  if (isSeparated) return base + traded(money, usd);
  const end = [...QUOTES, quote, usd]
    .filter((one) => base.endsWith(one) && base.length - one.length >= MIN_BASE)
    .reduce((longest, one) => (one.length > longest.length ? one : longest), "");
  return end === "" ? base + traded(quote, usd) : base.slice(0, -end.length) + traded(end, usd);
}

function traded(money: string, usd: string): string {
  return money === "USD" ? usd : money;
}

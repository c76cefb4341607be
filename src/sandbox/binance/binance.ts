import type { Provider } from "../provider.ts";
import { failureInside200, notFound, tooManyRequests } from "./bodies.ts";
import { answerKlines, KLINES_PATH } from "./klines.ts";
import { WeightGate } from "./weight-gate.ts";
import type { BinanceWorld } from "./world.ts";

/** Market data that the exchange has beside candles. What else is under `/api/v3/` is not its own: FMP's old paths. */
const OTHER_PATH =
  /^\/api\/v3\/(ping|time|exchangeInfo|depth|trades|historicalTrades|aggTrades|uiKlines|avgPrice|ticker(\/\w+)?)$/;

/** Binance's contract over a data directory. It has no keys; an endpoint is a line here and a file beside. */
export function binanceProvider(world: BinanceWorld): Provider {
  const gate = new WeightGate(world.settings, {
    weightOf: (path) => (path === KLINES_PATH ? 2 : 1),
    realNow: () => Date.now(),
  });
  return {
    name: "binance",
    gate,
    isOpen: true,
    sendsRetryAfter: true,
    keyParameters: [],
    pathKind: (path) => (path === KLINES_PATH ? "klines" : OTHER_PATH.test(path) ? "other api/v3" : null),
    keyOf: () => "everybody",
    answer: async (request) => {
      const answer = request.path === KLINES_PATH ? await answerKlines(world, request) : notFound();
      return { ...answer, headers: { ...answer.headers, "x-mbx-used-weight-1m": String(gate.used) } };
    },
    refuseKey: () => {
      throw new Error("unreachable: there are no keys");
    },
    refuseRate: tooManyRequests,
    failInside200: failureInside200,
  };
}

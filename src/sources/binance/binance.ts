import { parseLimits } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { coverWithin } from "../../core/time/cover.ts";
import { addSlots, type Grid } from "../../core/time/grid.ts";
import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import { offsetSpans } from "../../core/time/zone.ts";
import type { RecordShape, Source } from "../../engine/ports.ts";
import { readKlines } from "./classify.ts";
import { firstPage, readPage } from "./klines.ts";
import { type Money, pairOf } from "./symbols.ts";

export interface BinanceSettings extends Partial<Money> {
  /** Bars per request, 1 to 1,000. Default 1,000. */
  readonly limit?: number;
}

/** The host that serves market data only and takes no key; `https://api.binance.com` has the same paths. */
export const BINANCE_BASE_URL = "https://data-api.binance.vision";

/**
 * A request for candles weighs 2 of the 6,000 a minute that an address has, which is 3,000 requests: half of them,
 * since every program behind the address spends from the same.
 */
export const BINANCE_LIMITS = parseLimits("1500/min");

/** A page holds at most this many bars; a larger `limit` is cut to it. */
export const BINANCE_MAX_LIMIT = 1_000;

/** Bars of the exchange that are slots of ours, with their length. Its weeks start on Monday, ours on Sunday. */
const STEPS = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
  "4h": 4 * HOUR,
  "1d": DAY,
} as const;

/** The timeframes that can be asked for; weeks have to be made from days. */
export const BINANCE_TIMEFRAMES = Object.keys(STEPS) as readonly (keyof typeof STEPS)[];

// The names are those of other sources of candles, so that one dataset reads them all.
const RECORDS: RecordShape = {
  path: "",
  fields: {
    t: { type: "integer", required: true, at: 0 },
    o: { type: "decimal-text", required: true, at: 1 },
    h: { type: "decimal-text", required: true, at: 2 },
    l: { type: "decimal-text", required: true, at: 3 },
    c: { type: "decimal-text", required: true, at: 4 },
    v: { type: "decimal-text", required: true, at: 5 },
    vw: { type: "number", required: false, at: null },
    n: { type: "integer", required: true, at: 8 },
  },
  stamp: "t",
};

/**
 * Binance spot candles in seven timeframes, for coins: series with the parts `symbol` and `timeframe`. It needs no key.
 * `windows` and `request` throw CONFIG_INVALID for a series whose slots are not bars of the exchange.
 * @throws RetrofillError CONFIG_INVALID naming every setting that is out of bounds
 */
export function binanceSource(settings: BinanceSettings = {}): Source {
  const { limit = BINANCE_MAX_LIMIT, quote = "USDT", usd = "USDT" } = settings;
  checkSettings({ limit, quote, usd });

  const read = (series: Series): { pair: string; interval: string; limit: number } => {
    const interval = series.parts.timeframe ?? series.axis.grid.grain;
    const problem = seriesProblem(series, interval);
    if (problem !== null) {
      throw new RetrofillError("CONFIG_INVALID", `${series.key}: ${problem}`, {
        hint: `Binance has ${BINANCE_TIMEFRAMES.join(", ")} bars of coins, stamped at their start, on UTC clocks`,
        context: { series: series.key },
      });
    }
    return { pair: pairOf(series.parts.symbol ?? series.entry, { quote, usd }), interval, limit };
  };

  return {
    name: "binance",
    system: "binance",
    serves: ({ ask, parts }) =>
      ask.assetClass === "crypto" && (BINANCE_TIMEFRAMES as readonly string[]).includes(parts.timeframe ?? ""),
    records: RECORDS,
    // 500 is the page of whoever loses our `limit` on the way.
    silentCaps: [500, 1_000],
    windows(series, gaps) {
      read(series);
      return coverWithin(gaps, (start) => addSlots(series.axis.grid, start, limit));
    },
    request(series, window) {
      return firstPage(read(series), window);
    },
    classify(series, request, answer) {
      const asked = readPage(request.target);
      if (asked === null) throw new Error(`unreachable: ${request.target} is no request of this source`);
      return readKlines(answer, asked, series.axis.grid);
    },
  };
}

/** Why the slots of a series are not bars of the exchange, or null. */
function seriesProblem({ axis, ask }: Series, interval: string): string | null {
  if ((ask.assetClass ?? "crypto") !== "crypto") return `Binance trades coins, not class "${ask.assetClass}"`;
  if (interval === "1w") return 'Binance\'s "1w" bars start on Monday, our weeks on Sunday: make weeks from days';
  if (!Object.hasOwn(STEPS, interval)) return `Binance has no timeframe "${interval}" here`;
  if (axis.stamp.at !== "start") return "Binance stamps bars at their start, the axis says at their end";
  const step = STEPS[interval as keyof typeof STEPS];
  return isOnUtcClock(axis.grid, step) ? null : `${interval} slots in ${axis.grid.zone} are not Binance's bars`;
}

/** Whether slots of `step` start where those of UTC do: the zone's clocks are whole steps from it, whenever. */
function isOnUtcClock({ grain, zone, anchor }: Grid, step: number): boolean {
  if (grain === "4h" && anchor === "utc") return true;
  return offsetSpans(zone).every(({ end, offsetMs }) => end <= FIRST_BARS || offsetMs % step === 0);
}

/** The exchange opened in July 2017. */
const FIRST_BARS = Date.UTC(2017, 6, 1);

function checkSettings(settings: { limit: number } & Money): void {
  const problems: string[] = [];
  const { limit } = settings;
  if (!Number.isInteger(limit) || limit < 1 || limit > BINANCE_MAX_LIMIT) {
    problems.push(`limit is ${limit}, expected a whole number from 1 to ${BINANCE_MAX_LIMIT}`);
  }
  for (const name of ["quote", "usd"] as const) {
    const code = settings[name];
    if (!/^[A-Z0-9]{3,6}$/.test(code)) problems.push(`${name} is "${code}", expected a code such as USDT`);
  }
  if (problems.length > 0) throw new RetrofillError("CONFIG_INVALID", `binance settings: ${problems.join("; ")}`);
}

import { z } from "zod";
import type { Grain } from "../../core/time/grid.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import { parseDate } from "../../core/time/zone.ts";

export const TIMEFRAMES = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"] as const satisfies readonly Grain[];
export type Timeframe = (typeof TIMEFRAMES)[number];

export const ASSET_CLASSES = ["stock", "etf", "index", "crypto", "fx"] as const;
export type AssetClass = (typeof ASSET_CLASSES)[number];

/** Timeframes that minutes make: whole minutes inside one session day. */
export const DERIVABLE = ["5m", "15m", "30m", "1h", "4h"] as const satisfies readonly Timeframe[];

const daysOrDate = z
  .string()
  .regex(/^(\d+(d|y)|\d{4}-\d{2}-\d{2}(T[\d:]+Z)?)$/, "expected 365d, 5y or a date such as 2024-01-31");
const perTimeframe = z.partialRecord(z.enum(TIMEFRAMES), daysOrDate);

const market = z.strictObject({
  calendar: z.string(),
  /** Zone of the civil grid: where days and weeks start. */
  zone: z.string(),
  /** Clocks on which the provider stamps bars; the grid's own zone unless it differs. */
  stampZone: z.string().optional(),
  stampAt: z.enum(["start", "end"]).default("start"),
});

/** What a project may set of the pipeline; everything has a default. */
export const ohlcvSettings = z.strictObject({
  /** History to keep when no range is asked for: days or years before now, or a date. */
  since: perTimeframe.default({}),
  /** How far back the source serves under the present plan; nothing before is asked or owed. */
  depth: perTimeframe.default({}),
  /** Minutes after a slot's end before its bar is owed. */
  settleMinutes: z.number().int().min(0).default(15),
  fourHourAnchor: z.enum(["local-midnight", "utc"]).default("local-midnight"),
  /** Timeframes on which every due slot owes a bar; on the others quiet slots are ordinary. */
  /** Timeframes whose candles are made from 1m candles instead of asked for; 1m itself is asked. */
  derive: z.array(z.enum(DERIVABLE)).default([]),
  /** Timeframes of which an adjusted series is made from raw candles and corporate events. */
  adjust: z.array(z.enum(TIMEFRAMES)).default(["1d"]),
  /** How far back corporate events are kept: days or years before now, or a date. Default 10y. */
  eventsSince: daysOrDate.optional(),
  /** How far before its watermark an incremental run asks again: late and corrected bars. */
  lookback: z.partialRecord(z.enum(TIMEFRAMES), z.string().regex(/^\d+[hd]$/, "expected 6h or 3d")).default({}),
  dense: z.array(z.enum(TIMEFRAMES)).default(["1d", "1w"]),
  markets: z.record(z.enum(ASSET_CLASSES), market).default({
    stock: { calendar: "XNYS", zone: "America/New_York", stampAt: "start" },
    etf: { calendar: "XNYS", zone: "America/New_York", stampAt: "start" },
    index: { calendar: "XNYS", zone: "America/New_York", stampAt: "start" },
    crypto: { calendar: "24x7", zone: "UTC", stampAt: "start" },
    fx: { calendar: "FX", zone: "America/New_York", stampAt: "start" },
  }),
  suspects: z
    .strictObject({
      quantile: z.number().gt(0).lte(1).default(0.999),
      factor: z.number().positive().default(3),
      minSessions: z.number().int().positive().default(20),
    })
    .prefault({}),
});

export type OhlcvSettings = z.infer<typeof ohlcvSettings>;

/** History kept by default: five years of days and weeks, a year of everything else. */
export const DEFAULT_SINCE: Readonly<Record<Timeframe, string>> = {
  "1m": "365d",
  "5m": "365d",
  "15m": "365d",
  "30m": "365d",
  "1h": "365d",
  "4h": "365d",
  "1d": "5y",
  "1w": "5y",
};

/** Asked again by incremental runs by default: a day of intraday bars, a week of days, four weeks of weeks. */
const DEFAULT_LOOKBACK: Readonly<Record<Timeframe, string>> = {
  "1m": "1d",
  "5m": "1d",
  "15m": "1d",
  "30m": "1d",
  "1h": "1d",
  "4h": "1d",
  "1d": "7d",
  "1w": "28d",
};

/** The lookback of a timeframe in milliseconds. */
export function lookbackMs({ lookback }: OhlcvSettings, timeframe: Timeframe): number {
  const text = lookback[timeframe] ?? DEFAULT_LOOKBACK[timeframe];
  return Number.parseInt(text, 10) * (text.endsWith("h") ? HOUR : DAY);
}

/** The instant that `365d`, `5y` or a date names: from 00:00 UTC that many days before `now`. */
export function reachBack(text: string, now: Instant): Instant {
  const count = /^(\d+)(d|y)$/.exec(text);
  if (!count) return instant(text.includes("T") ? Date.parse(text) : parseDate(text));
  const midnight = Math.floor(now / DAY) * DAY;
  if (count[2] === "d") return instant(midnight - Number(count[1]) * DAY);
  const date = new Date(midnight);
  return instant(date.setUTCFullYear(date.getUTCFullYear() - Number(count[1])));
}

export const settleMs = (settings: OhlcvSettings): number => settings.settleMinutes * MINUTE;

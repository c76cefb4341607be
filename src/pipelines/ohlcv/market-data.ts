import type { Dataset } from "../../core/dataset/dataset.ts";
import { sql } from "../../core/dataset/sql.ts";

/**
 * A candle from the minutes of the session inside its slot: first open, last close, extremes, sums; the mean price
 * weighted by volume over the minutes that tell both. Extended hours count for none: New York's 09:00 hour holds 09:30
 * to 10:00. Sums of exact decimals, so that they do not depend on an order.
 */
const rollUp = sql`
  select series_no, slot_ms,
    arg_min(open, ts) as open, max(high) as high, min(low) as low, arg_max(close, ts) as close,
    sum(volume::decimal(38, 18))::double as volume,
    sum(try_cast(vwap * volume as decimal(38, 12))) filter (where vwap is not null)::double
      / nullif(sum(volume::decimal(38, 18)) filter (where vwap is not null)::double, 0) as vwap,
    sum(trades)::bigint as trades, 'derived' as source, min(source_ts) as source_ts, max(object_no) as object_no
  from ${{ name: "ohlcv.market_data" }}
  where in_session
  group by series_no, slot_ms`;

/** Candles as the source sent them, one row a symbol, timeframe and slot. */
export const marketData: Dataset = {
  name: "ohlcv.market_data",
  layer: "silver",
  version: 1,
  description: "candles by symbol and timeframe, unadjusted unless the source is asked otherwise",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "timeframe", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the slot, UTC" },
    { name: "open", type: "DOUBLE", note: "quote currency" },
    { name: "high", type: "DOUBLE", note: "quote currency" },
    { name: "low", type: "DOUBLE", note: "quote currency" },
    { name: "close", type: "DOUBLE", note: "quote currency" },
    { name: "volume", type: "DOUBLE", note: "shares or base currency; null where the source has none (indices)" },
    { name: "vwap", type: "DOUBLE", note: "quote currency; null where the source has none" },
    { name: "trades", type: "BIGINT", note: "null where the source has none" },
    { name: "source", type: "VARCHAR" },
    { name: "source_ts", type: "TIMESTAMP", note: "the provider's own stamp, UTC" },
    { name: "object_no", type: "BIGINT", note: "the bronze object it came from" },
  ],
  key: ["symbol", "timeframe"],
  time: "ts",
  extract: {
    select: {
      symbol: "series.symbol",
      timeframe: "series.timeframe",
      open: "raw.o",
      high: "raw.h",
      low: "raw.l",
      close: "raw.c",
      volume: "raw.v",
      vwap: "raw.vw",
      trades: "raw.n",
    },
    checks: [
      {
        reason: "price_not_finite",
        bad: "not (isfinite(raw.o) and isfinite(raw.h) and isfinite(raw.l) and isfinite(raw.c))",
      },
      { reason: "price_not_positive", bad: "raw.o <= 0 or raw.h <= 0 or raw.l <= 0 or raw.c <= 0" },
      // Nothing is quoted so high, and exact sums of prices end at 10^18.
      { reason: "price_impossible", bad: "raw.h >= 1e15" },
      { reason: "high_below_low", bad: "raw.h < raw.l" },
      { reason: "high_below_body", bad: "raw.h < greatest(raw.o, raw.c)" },
      { reason: "low_above_body", bad: "raw.l > least(raw.o, raw.c)" },
      // A minute of bitfinex BTCUSD on 2013-04-16 really fell from 59.99 to 0.01; a shifted decimal point goes further.
      { reason: "range_impossible", bad: "raw.h > 100000 * raw.l" },
      // Beyond 2^53 a count is not exact any more: no market trades that many, a damaged number may say so.
      { reason: "volume_not_valid", bad: "raw.v is not null and not (raw.v >= 0 and raw.v < 9007199254740992)" },
      { reason: "vwap_not_valid", bad: "raw.vw is not null and not (raw.vw >= 0 and raw.vw < 9007199254740992)" },
      { reason: "trades_not_valid", bad: "raw.n is not null and raw.n < 0" },
    ],
    errorThreshold: 0.5,
  },
  transform: {
    kind: "transform",
    inputs: [{ dataset: "ohlcv.market_data", with: { timeframe: "1m" }, reach: { kind: "within" }, required: true }],
    query: rollUp,
    compared: ["open", "high", "low", "close", "volume"],
  },
  volume: { sql: "volume", unit: "traded" },
  measure: "close",
};

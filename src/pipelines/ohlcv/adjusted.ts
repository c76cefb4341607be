import type { Dataset } from "../../core/dataset/dataset.ts";
import { sql } from "../../core/dataset/sql.ts";
import { dividends, stockSplits } from "./events.ts";
import { marketData } from "./market-data.ts";

/** Days before an ex-date in which the last close is looked for. */
const LOOK_BACK_DAYS = 10;

/**
 * What one day's events do to every price before it: a split divides by its ratio, a dividend takes its share of the
 * close before the ex-date (1 - dividend / close; CRSP's and Yahoo's method). Several events of a day multiply.
 */
export const adjustmentFactors: Dataset = {
  name: "ohlcv.adjustment_factors",
  layer: "gold",
  version: 1,
  description: "by symbol and day with an event: what earlier prices are multiplied by",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the event's day in New York, UTC" },
    { name: "split_factor", type: "DOUBLE", note: "1 without a split; 0.25 for four new shares for one" },
    { name: "dividend_factor", type: "DOUBLE", note: "1 without a dividend; null where no close is known before it" },
    { name: "close_before", type: "DOUBLE", note: "unadjusted close before the day" },
    { name: "object_no", type: "BIGINT", note: "the latest bronze object among the day's events" },
  ],
  key: ["symbol"],
  time: "ts",
  extract: null,
  transform: {
    kind: "transform",
    inputs: [
      { dataset: "ohlcv.stock_splits", reach: { kind: "within" }, required: true },
      { dataset: "ohlcv.dividends", reach: { kind: "within" }, required: true },
      {
        dataset: "ohlcv.market_data",
        with: { timeframe: "1d" },
        reach: { kind: "slots", count: LOOK_BACK_DAYS },
        required: false,
      },
    ],
    query: sql`
      with events as (
        select series_no, slot_ms, split_from / split_to as split, null::double as dividend, object_no from ${stockSplits}
        union all
        select series_no, slot_ms, null, dividend_amount, object_no from ${dividends}),
      days as (
        select series_no, slot_ms, list_reduce([1.0] || list(split order by object_no) filter (where split is not null),
            lambda a, b: a * b) as split_factor,
          sum(dividend::decimal(38, 18))::double as dividend, max(object_no) as object_no
        from events group by series_no, slot_ms),
      closes as (select series_no, slot_ms, close from ${marketData})
      select d.series_no, d.slot_ms, d.object_no, coalesce(d.split_factor, 1) as split_factor,
        case when d.dividend is null then 1 else 1 - d.dividend / c.close end as dividend_factor, c.close as close_before
      from days d asof left join closes c on c.series_no = d.series_no and c.slot_ms < d.slot_ms`,
  },
};

/** Candles on the basis of today: earlier prices are divided by later splits and cut by later dividends. */
export const adjusted: Dataset = {
  name: "ohlcv.ohlcv_adjusted",
  layer: "gold",
  version: 1,
  description: "candles adjusted for splits and dividends, made from raw ones and factors: a new split costs no call",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "timeframe", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the slot, UTC" },
    { name: "open", type: "DOUBLE", note: "adjusted for splits and dividends" },
    { name: "high", type: "DOUBLE", note: "adjusted for splits and dividends" },
    { name: "low", type: "DOUBLE", note: "adjusted for splits and dividends" },
    { name: "close", type: "DOUBLE", note: "adjusted for splits and dividends" },
    { name: "volume", type: "DOUBLE", note: "adjusted for splits" },
    { name: "split_factor", type: "DOUBLE", note: "of all splits after the slot" },
    { name: "dividend_factor", type: "DOUBLE", note: "of all dividends after the slot" },
    { name: "object_no", type: "BIGINT", note: "the bronze object of the raw candle" },
  ],
  key: ["symbol", "timeframe"],
  time: "ts",
  extract: null,
  transform: {
    kind: "transform",
    inputs: [
      { dataset: "ohlcv.market_data", reach: { kind: "slots", count: 0 }, required: true },
      { dataset: "ohlcv.adjustment_factors", reach: { kind: "later" }, required: true },
    ],
    // Products run over lists in the order of time, so that they have the same bits wherever they are made.
    query: sql`
      with later as (
        select series_no, slot_ms,
          list_reduce(list(split_factor) over ahead, lambda a, b: a * b) as split_factor,
          list_reduce(list(coalesce(dividend_factor, 1)) over ahead, lambda a, b: a * b) as dividend_factor
        from ${adjustmentFactors}
        window ahead as (partition by series_no order by slot_ms desc rows between unbounded preceding and current row)),
      bars as (
        select b.series_no, b.slot_ms, b.object_no, b.open, b.high, b.low, b.close, b.volume,
          coalesce(l.split_factor, 1) as split_factor, coalesce(l.dividend_factor, 1) as dividend_factor
        from ${marketData} b asof left join later l on l.series_no = b.series_no and b.slot_ms < l.slot_ms)
      select series_no, slot_ms, object_no, open * split_factor * dividend_factor as open,
        high * split_factor * dividend_factor as high, low * split_factor * dividend_factor as low,
        close * split_factor * dividend_factor as close, volume / split_factor as volume, split_factor, dividend_factor
      from bars`,
  },
  measure: "close",
};

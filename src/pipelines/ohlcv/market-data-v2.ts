import type { Dataset, Sql } from "../../core/dataset/dataset.ts";
import { sql } from "../../core/dataset/sql.ts";
import { marketData } from "./market-data.ts";

// How a window counts, why an empty slot is never filled, and what each formula is: docs/features.md.

/** Slots that a window of `n` needs: all of them on a dense axis, half of them on a sparse one. */
const full = (n: number): string => `case when dense = 1 then ${n} else ${Math.ceil(n / 2)} end`;

/** Averages with exponential weights keep this many blocks of `span` slots: what lies further back weighs below 1e-12. */
const KERNEL_BLOCKS = 14;

/** Slots of the longest day, minutes around the clock: return_1d looks so far back. */
const DAY_OF_MINUTES = 24 * 60;

/** The longest reach of any formula: a day back, or the longest average's own block and those before it. */
const REACH = Math.max(DAY_OF_MINUTES, (KERNEL_BLOCKS + 1) * 50);

/**
 * The exponentially weighted mean of `value` as a finite kernel: the bars of the row's own block of `span` slots up to
 * the row, and of the 14 blocks before; the earliest bar seeds the recursion. Each block is one exact sum, so that the
 * mean has the same bits wherever it is computed. Makes `${name}` with the columns series_no, slot_no, value.
 */
function ewm(name: string, value: string, span: number): Sql {
  const q = 1 - 2 / (span + 1);
  const seed = (span + 1) / 2 - 1;
  const weight = `pow(${q}, -(slot_no % ${span}))`;
  return sql`
  ${name}_part as (
    select series_no, slot_no, slot_no // ${span} as block, slot_no % ${span} as place, ${value} as x,
      sum((${value} * ${weight})::decimal(38, 20)) over own as up_to, sum(${weight}::decimal(38, 20)) over own as weights
    from ranged
    window own as (partition by series_no, slot_no // ${span} order by slot_no rows unbounded preceding)),
  ${name}_block as (
    select series_no, block, max_by(up_to, slot_no)::double as total, max_by(weights, slot_no)::double as weights,
      min(slot_no) as first_slot, min_by(x, slot_no) as first_x
    from ${name}_part group by series_no, block),
  ${name}_carry as (
    select series_no, block + back as block,
      sum((total * pow(${q}, back * ${span}))::decimal(38, 20))::double as total,
      sum((weights * pow(${q}, back * ${span}))::decimal(38, 20))::double as weights,
      min(first_slot) as first_slot, min_by(first_x, first_slot) as first_x
    from ${name}_block, range(1, ${KERNEL_BLOCKS + 1}) kernel(back) group by series_no, block + back),
  ${name}_seeded as (
    select p.series_no, p.slot_no, pow(${q}, p.place) as decay,
      coalesce(c.total, 0) + p.up_to::double as total, coalesce(c.weights, 0) + p.weights::double as weights,
      ${seed} * pow(${q}, p.slot_no - coalesce(c.first_slot, b.first_slot)) as seed,
      coalesce(c.first_x, b.first_x) as seed_x
    from ${name}_part p
    join ${name}_block b on b.series_no = p.series_no and b.block = p.block
    left join ${name}_carry c on c.series_no = p.series_no and c.block = p.block),
  ${name} as (
    select series_no, slot_no, (decay * total + seed * seed_x) / (decay * weights + seed) as value
    from ${name}_seeded)`;
}

/** The largest return that a deviation counts whole, a factor of 7e10 in one slot: sums of 50 squares end there. */
const MOST_RETURN = 25;

/** Sample standard deviation of the returns in a window, from exact integer sums of returns in units of 1e-16. */
const deviation = (n: number): string => `case when returns_${n} >= ${full(n)}
      then sqrt((returns_${n} * squares_${n} - sum_${n} * sum_${n})::double / (returns_${n} * (returns_${n} - 1))) * 1e-16 end`;

const features = sql`
  with bars as (
    select series_no, slot_ms, slot_no, open, high, low, close, volume, object_no, source, zone_name, dense,
      bars_per_year, slots_of_hour, slots_of_day, asset
    from ${marketData} where slot_no is not null),
  neighboured as (
    select *, case when lag(slot_no) over t = slot_no - 1 then lag(close) over t end as before,
      -- A frame of an unknown length would be one of length 0.
      case when slots_of_hour > 0 then max(close)
        over (t range between slots_of_hour preceding and slots_of_hour preceding) end as hour_before,
      case when slots_of_day > 0 then max(close)
        over (t range between slots_of_day preceding and slots_of_day preceding) end as day_before,
      max(close) over (t range between 5 preceding and 5 preceding) as five_before
    from bars
    window t as (partition by series_no order by slot_no)),
  ranged as (
    select *, ln(close / before) as log_return,
      case when before is not null
        then round(greatest(least(ln(close / before), ${MOST_RETURN}), -${MOST_RETURN}) * 1e16)::bigint end as return_units,
      greatest(high - low, abs(high - coalesce(before, high)), abs(low - coalesce(before, low))) as true_range
    from neighboured),
  windowed as (
    select *,
      count(return_units) over w20 as returns_20, sum(return_units) over w20 as sum_20,
      sum(return_units::hugeint * return_units) over w20 as squares_20,
      count(return_units) over w50 as returns_50, sum(return_units) over w50 as sum_50,
      sum(return_units::hugeint * return_units) over w50 as squares_50,
      count(*) over w14 as bars_14, count(*) over w20 as bars_20, count(*) over w50 as bars_50,
      count(volume) over w20 as volumes_20, sum(volume::decimal(38, 18)) over w20 as volume_20,
      count(*) over before_5 as bars_before_5, max(high) over before_5 as high_5, min(low) over before_5 as low_5,
      list(close) over w20 as closes_20,
      median(case when volume > 0 then volume end) over before_50 as usual_volume,
      count(case when volume > 0 then volume end) over before_50 as usual_volumes
    from ranged
    window w14 as (partition by series_no order by slot_no range between 13 preceding and current row),
      w20 as (partition by series_no order by slot_no range between 19 preceding and current row),
      w50 as (partition by series_no order by slot_no range between 49 preceding and current row),
      before_5 as (partition by series_no order by slot_no range between 5 preceding and 1 preceding),
      before_50 as (partition by series_no order by slot_no range between 50 preceding and 1 preceding)),
  measured as (
    select *, ${deviation(20)} as deviation_20, ${deviation(50)} as deviation_50,
      case when bars_20 >= ${full(20)} then 2 * list_stddev_samp(closes_20) / list_avg(closes_20) end as band
    from windowed),
  compared as (
    select *, median(deviation_50) over w50 as usual_deviation, count(deviation_50) over w50 as deviations,
      median(band) over w50 as usual_band, count(band) over w50 as bands
    from measured
    window w50 as (partition by series_no order by slot_no range between 49 preceding and current row)),
  ${ewm("atr", "true_range", 14)},
  ${ewm("fast", "close", 20)},
  ${ewm("slow", "close", 50)},
  flagged as (
    select c.*, a.value as atr_value, f.value as fast_value, s.value as slow_value,
      case when volumes_20 >= ${full(20)} then volume_20::double / volumes_20 end as mean_volume,
      case when bars_before_5 >= ${full(5)} then high > high_5 end as hh,
      case when bars_before_5 >= ${full(5)} then high < high_5 end as lh,
      case when bars_before_5 >= ${full(5)} then low > low_5 end as hl,
      case when bars_before_5 >= ${full(5)} then low < low_5 end as ll,
      abs(close / open - 1) > 5 or (high - low) / low > 5 as is_wild,
      coalesce(abs(open / before - 1) > 0.1, false) and isodow(timezone(zone_name, epoch_ms(slot_ms) at time zone 'UTC')) <> 1 as is_gapped,
      coalesce(usual_volumes >= ${full(50)} and volume > 10 * usual_volume, false) as is_loud,
      coalesce(usual_volumes >= ${full(50)} and volume < 0.1 * usual_volume, false) as is_faint
    from compared c
    join atr a on a.series_no = c.series_no and a.slot_no = c.slot_no
    join fast f on f.series_no = c.series_no and f.slot_no = c.slot_no
    join slow s on s.series_no = c.series_no and s.slot_no = c.slot_no)
  select series_no, slot_ms, object_no, asset as asset_class, open, high, low, close, volume, log_return,
    ln(close / hour_before) as return_1h, ln(close / day_before) as return_1d,
    deviation_20 * sqrt(bars_per_year) as volatility_20, deviation_50 * sqrt(bars_per_year) as volatility_50,
    deviation_20 * sqrt(252) as volatility_20_sqrt252, deviation_50 * sqrt(252) as volatility_50_sqrt252,
    case when bars_14 >= ${full(14)} then atr_value end as atr,
    mean_volume as rolling_volume_20, volume / (mean_volume + 1) as volume_ratio, hh, lh, hl, ll,
    case when close / five_before - 1 > 0.01 then 'up' when close / five_before - 1 < -0.01 then 'down'
      when five_before is not null then 'neutral' end as trend_direction,
    case when hh and hl then 'bullish' when lh and ll then 'bearish' when hh is not null then 'range' end as market_structure,
    case when deviation_50 is null or deviations < ${full(50)} then null
      when deviation_50 < 0.7 * usual_deviation then 'low' when deviation_50 > 1.3 * usual_deviation then 'high'
      else 'medium' end as volatility_regime,
    case when bars_20 < ${full(20)} or bars_50 < ${full(50)} then null
      when fast_value > slow_value then 'uptrend' when fast_value < slow_value then 'downtrend' else 'ranging' end as trend_regime,
    case when band is null or bands < ${full(50)} then null
      when band < 0.7 * usual_band then 'compressed' else 'expanded' end as compression_regime,
    (100 - 30 * is_wild::integer - 20 * is_gapped::integer - 10 * is_loud::integer - 15 * is_faint::integer) / 100.0 as quality_score,
    100 - 30 * is_wild::integer - 20 * is_gapped::integer - 10 * is_loud::integer - 15 * is_faint::integer >= 85 as is_validated,
    nullif(concat_ws(';', case when is_wild then 'range_over_500_percent' end, case when is_gapped then 'gap_over_10_percent' end,
      case when is_loud then 'volume_high' end, case when is_faint then 'volume_low' end), '') as validation_notes,
    is_gapped as gap_detected, is_loud or is_faint as volume_anomaly, source
  from flagged`;

/** Candles with their features, one row a candle inside regular sessions. */
export const marketDataV2: Dataset = {
  name: "ohlcv.market_data_v2",
  layer: "gold",
  version: 1,
  description: "candles with returns, volatility, trend, structure and quality; docs/features.md has each formula",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "timeframe", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the slot, UTC" },
    { name: "asset_class", type: "VARCHAR" },
    { name: "open", type: "DOUBLE", note: "quote currency" },
    { name: "high", type: "DOUBLE", note: "quote currency" },
    { name: "low", type: "DOUBLE", note: "quote currency" },
    { name: "close", type: "DOUBLE", note: "quote currency" },
    { name: "volume", type: "DOUBLE", note: "shares or base currency" },
    { name: "log_return", type: "DOUBLE", note: "natural logarithm, one slot" },
    { name: "return_1h", type: "DOUBLE", note: "natural logarithm, the slots of an hour" },
    { name: "return_1d", type: "DOUBLE", note: "natural logarithm, the slots of a full session" },
    { name: "volatility_20", type: "DOUBLE", note: "per year, by the timeframe's own bars a year" },
    { name: "volatility_50", type: "DOUBLE", note: "per year, by the timeframe's own bars a year" },
    { name: "volatility_20_sqrt252", type: "DOUBLE", note: "times the root of 252 whatever the timeframe" },
    { name: "volatility_50_sqrt252", type: "DOUBLE", note: "times the root of 252 whatever the timeframe" },
    { name: "atr", type: "DOUBLE", note: "quote currency" },
    { name: "rolling_volume_20", type: "DOUBLE", note: "shares or base currency" },
    { name: "volume_ratio", type: "DOUBLE" },
    { name: "hh", type: "BOOLEAN", note: "higher high than the five slots before" },
    { name: "lh", type: "BOOLEAN", note: "lower high" },
    { name: "hl", type: "BOOLEAN", note: "higher low" },
    { name: "ll", type: "BOOLEAN", note: "lower low" },
    { name: "trend_direction", type: "VARCHAR", note: "up, down, neutral" },
    { name: "market_structure", type: "VARCHAR", note: "bullish, bearish, range" },
    { name: "volatility_regime", type: "VARCHAR", note: "low, medium, high" },
    { name: "trend_regime", type: "VARCHAR", note: "uptrend, downtrend, ranging" },
    { name: "compression_regime", type: "VARCHAR", note: "compressed, expanded" },
    { name: "quality_score", type: "DOUBLE", note: "0 to 1" },
    { name: "is_validated", type: "BOOLEAN", note: "quality_score is 0.85 or more; nothing is hidden by it" },
    { name: "validation_notes", type: "VARCHAR", note: "what lowered the score" },
    { name: "gap_detected", type: "BOOLEAN" },
    { name: "volume_anomaly", type: "BOOLEAN" },
    { name: "source", type: "VARCHAR" },
    { name: "object_no", type: "BIGINT", note: "the bronze object of the row's own candle" },
  ],
  key: ["symbol", "timeframe"],
  time: "ts",
  extract: null,
  transform: {
    kind: "transform",
    inputs: [{ dataset: "ohlcv.market_data", reach: { kind: "slots", count: REACH }, required: true }],
    query: features,
  },
};

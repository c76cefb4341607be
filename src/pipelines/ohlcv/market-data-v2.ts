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
 * Sums are of integers in small units, so that no order of rows and no neighbour changes a bit of them. Decimals would
 * be as exact, but are slow to read as doubles.
 */
const UNITS = "1e20";
const inUnits = (value: string): string => `(${value} * ${UNITS})::hugeint`;

const decay = (span: number): number => 1 - 2 / (span + 1);

/** The weight of a slot against that of its block's first: the later, the heavier. */
const weight = (span: number): string => `pow(${decay(span)}, -(slot_no % ${span}))`;

/** A weight is at most 7.4: in these units it fits into 64 bits. */
const WEIGHT_UNITS = "1e17";
const weightInUnits = (span: number): string => `(${weight(span)} * ${WEIGHT_UNITS})::bigint`;

/** Running sums over the row's own block of `span` slots, as `${name}_sum` and `${name}_weights`. */
function blockSums(name: string, value: string, span: number): string {
  const own = `(t rows between slot_no % ${span} preceding and current row)`;
  return `sum(${inUnits(`${value} * ${weight(span)}`)}) over ${own} as ${name}_sum,
      sum(case when ${value} is not null then ${weightInUnits(span)} end) over ${own} as ${name}_weights`;
}

/**
 * What an exponentially weighted mean of `value` takes from before the row's own block of `span` slots: sums of the 14
 * blocks before, and the earliest bar of the kernel, which seeds the recursion. Makes `${name}_kernel`, a row a block.
 */
function kernel(name: string, value: string, span: number): Sql {
  const aged = `pow(${decay(span)}, back * ${span})`;
  return sql`
  ${name}_block as (
    select series_no, slot_no // ${span} as block, sum(${inUnits(`${value} * ${weight(span)}`)})::double as total,
      sum(${weightInUnits(span)})::double as weights, min(slot_no) as first_slot, min_by(${value}, slot_no) as first_x
    from ranged group by all),
  ${name}_carry as (
    select series_no, block + back as block, sum((total * ${aged})::hugeint)::double as total,
      sum((weights * ${aged})::hugeint)::double as weights, min(first_slot) as first_slot,
      min_by(first_x, first_slot) as first_x
    from ${name}_block, range(1, ${KERNEL_BLOCKS + 1}) kernel(back) group by all),
  ${name}_kernel as (
    select b.series_no, b.block, coalesce(c.total, 0) as total, coalesce(c.weights, 0) as weights,
      coalesce(c.first_slot, b.first_slot) as first_slot, coalesce(c.first_x, b.first_x) as first_x
    from ${name}_block b left join ${name}_carry c on c.series_no = b.series_no and c.block = b.block)`;
}

/** The mean itself, where `w` has the running sums of the row's block and `${name}_kernel` is joined. */
function weightedMean(name: string, span: number): string {
  const k = `${name}_kernel`;
  const q = decay(span);
  const own = `pow(${q}, w.slot_no % ${span})`;
  const seed = `${(span + 1) / 2 - 1} * pow(${q}, w.slot_no - ${k}.first_slot)`;
  return `(${own} * ((${k}.total + w.${name}_sum) / ${UNITS}) + ${seed} * ${k}.first_x)
      / (${own} * ((${k}.weights + w.${name}_weights) / ${WEIGHT_UNITS}) + ${seed})`;
}

const joinKernel = (name: string, span: number): string =>
  `left join ${name}_kernel on ${name}_kernel.series_no = w.series_no and ${name}_kernel.block = w.slot_no // ${span}`;

/** The largest return that a deviation counts whole, a factor of 7e10 in one slot: sums of 50 squares end there. */
const MOST_RETURN = 25;

/** Sample standard deviation of the returns in a window, from exact integer sums of returns in units of 1e-16. */
const deviation = (n: number): string => `case when close is not null and returns_${n} >= ${full(n)}
      then sqrt((returns_${n} * squares_${n} - sum_${n} * sum_${n})::double / (returns_${n} * (returns_${n} - 1))) * 1e-16 end`;

/** `value` in the row's slot and the `n - 1` before it, oldest first: a list in one order, so that any figure of it has the same bits. */
const lastOf = (value: string, n: number): string =>
  `[${Array.from({ length: n - 1 }, (_, i) => `lag(${value}, ${n - 1 - i}) over t`).join(", ")}, ${value}]`;

/** Bars in the window of `n` slots that ends with the row's. */
const bars = (n: number): string => `bar_no - lag(bar_no, ${n}, 0) over t`;

const features = sql`
  with followed as (
    select series_no, slot_ms, slot_no, open, high, low, close, volume, object_no, source, asset, zone_name, dense,
      bars_per_year, slots_of_hour::bigint as hour, slots_of_day::bigint as day,
      case when lag(slot_no) over t = slot_no - 1 then lag(close) over t end as before,
      lead(slot_no) over t as next_no, row_number() over t as bar_no
    from ${marketData} where slot_no is not null
    window t as (partition by series_no order by slot_no)),
  ranged as (
    select * exclude (before, zone_name), ln(close / before) as log_return,
      case when before is not null
        then round(greatest(least(ln(close / before), ${MOST_RETURN}), -${MOST_RETURN}) * 1e16)::bigint end as return_units,
      greatest(high - low, abs(high - coalesce(before, high)), abs(low - coalesce(before, low))) as true_range,
      abs(close / open - 1) > 5 or (high - low) / low > 5 as is_wild,
      case when abs(open / before - 1) > 0.1 then isodow(timezone(zone_name, epoch_ms(slot_ms) at time zone 'UTC')) <> 1
        else false end as is_gapped
    from followed),
  -- A row a slot, so that windows can count rows; of silence longer than any formula looks back, only so much.
  slots as (
    select * exclude (past) replace (slot_no + past as slot_no, case when past = 0 then close end as close,
      case when past = 0 then high end as high, case when past = 0 then low end as low,
      case when past = 0 then volume end as volume, case when past = 0 then return_units end as return_units,
      case when past = 0 then true_range end as true_range)
    from (select *, unnest(range(least(coalesce(next_no - slot_no, 1), ${REACH + 1}))) as past from ranged)),
  windowed as (
    select *,
      case when hour > 0 then lag(close, hour) over t end as hour_before,
      case when day > 0 then lag(close, day) over t end as day_before,
      lag(close, 5) over t as five_before,
      count(return_units) over w20 as returns_20, sum(return_units) over w20 as sum_20,
      sum(return_units::hugeint * return_units) over w20 as squares_20,
      count(return_units) over w50 as returns_50, sum(return_units) over w50 as sum_50,
      sum(return_units::hugeint * return_units) over w50 as squares_50,
      ${bars(14)} as bars_14, ${bars(20)} as bars_20, ${bars(50)} as bars_50, ${bars(6)} - 1 as bars_before_5,
      count(volume) over w20 as volumes_20, sum(${inUnits("volume")}) over w20 as volume_20,
      max(high) over before_5 as high_5, min(low) over before_5 as low_5,
      ${lastOf("close", 20)} as closes_20,
      median(case when volume > 0 then volume end) over before_50 as usual_volume,
      count(case when volume > 0 then volume end) over before_50 as usual_volumes,
      ${blockSums("atr", "true_range", 14)},
      ${blockSums("fast", "close", 20)},
      ${blockSums("slow", "close", 50)}
    from slots
    window t as (partition by series_no order by slot_no),
      w20 as (partition by series_no order by slot_no rows between 19 preceding and current row),
      w50 as (partition by series_no order by slot_no rows between 49 preceding and current row),
      before_5 as (partition by series_no order by slot_no rows between 5 preceding and 1 preceding),
      before_50 as (partition by series_no order by slot_no rows between 50 preceding and 1 preceding)),
  ${kernel("atr", "true_range", 14)},
  ${kernel("fast", "close", 20)},
  ${kernel("slow", "close", 50)},
  measured as (
    select w.series_no, w.slot_no, slot_ms, object_no, source, asset, dense, open, high, low, close, volume, log_return,
      ln(close / hour_before) as return_1h, ln(close / day_before) as return_1d,
      ${deviation(20)} as deviation_20, ${deviation(50)} as deviation_50, bars_per_year,
      case when bars_14 >= ${full(14)} then ${weightedMean("atr", 14)} end as atr,
      case when bars_20 >= ${full(20)} and bars_50 >= ${full(50)}
        then ${weightedMean("fast", 20)} - ${weightedMean("slow", 50)} end as drift,
      case when volumes_20 >= ${full(20)} then volume_20 / ${UNITS} / volumes_20 end as mean_volume,
      case when bars_before_5 >= ${full(5)} then high > high_5 end as hh,
      case when bars_before_5 >= ${full(5)} then high < high_5 end as lh,
      case when bars_before_5 >= ${full(5)} then low > low_5 end as hl,
      case when bars_before_5 >= ${full(5)} then low < low_5 end as ll,
      close / five_before - 1 as move,
      case when close is not null and bars_20 >= ${full(20)} then 2 * list_stddev_samp(closes_20) / list_avg(closes_20) end as band,
      is_wild, is_gapped,
      coalesce(usual_volumes >= ${full(50)} and volume > 10 * usual_volume, false) as is_loud,
      coalesce(usual_volumes >= ${full(50)} and volume < 0.1 * usual_volume, false) as is_faint
    from windowed w ${joinKernel("atr", 14)} ${joinKernel("fast", 20)} ${joinKernel("slow", 50)}),
  compared as (
    select *, median(deviation_50) over w50 as usual_deviation, count(deviation_50) over w50 as deviations,
      median(band) over w50 as usual_band, count(band) over w50 as bands
    from measured
    window w50 as (partition by series_no order by slot_no rows between 49 preceding and current row))
  select series_no, slot_ms, object_no, asset as asset_class, open, high, low, close, volume, log_return, return_1h, return_1d,
    deviation_20 * sqrt(bars_per_year) as volatility_20, deviation_50 * sqrt(bars_per_year) as volatility_50,
    deviation_20 * sqrt(252) as volatility_20_sqrt252, deviation_50 * sqrt(252) as volatility_50_sqrt252,
    atr, mean_volume as rolling_volume_20, volume / (mean_volume + 1) as volume_ratio, hh, lh, hl, ll,
    case when move > 0.01 then 'up' when move < -0.01 then 'down' when move is not null then 'neutral' end as trend_direction,
    case when hh and hl then 'bullish' when lh and ll then 'bearish' when hh is not null then 'range' end as market_structure,
    case when deviation_50 is null or deviations < ${full(50)} then null
      when deviation_50 < 0.7 * usual_deviation then 'low' when deviation_50 > 1.3 * usual_deviation then 'high'
      else 'medium' end as volatility_regime,
    case when drift > 0 then 'uptrend' when drift < 0 then 'downtrend' when drift = 0 then 'ranging' end as trend_regime,
    case when band is null or bands < ${full(50)} then null
      when band < 0.7 * usual_band then 'compressed' else 'expanded' end as compression_regime,
    (100 - 30 * is_wild::integer - 20 * is_gapped::integer - 10 * is_loud::integer - 15 * is_faint::integer) / 100.0 as quality_score,
    100 - 30 * is_wild::integer - 20 * is_gapped::integer - 10 * is_loud::integer - 15 * is_faint::integer >= 85 as is_validated,
    nullif(concat_ws(';', case when is_wild then 'range_over_500_percent' end, case when is_gapped then 'gap_over_10_percent' end,
      case when is_loud then 'volume_high' end, case when is_faint then 'volume_low' end), '') as validation_notes,
    is_gapped as gap_detected, is_loud or is_faint as volume_anomaly, source
  from compared where close is not null`;

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

import type { RestatementRule } from "../../core/dataset/pipeline.ts";

/**
 * SQL: whether no answer since `since` (business now of its run) speaks for the bar `m`, which starts before `before`.
 * Answers that begin there are left out first: what an old split asks stays cheap as the history grows.
 */
const notAskedSince = (since: string, before: string): string => `not exists (select 1 from answer a
    where a.dataset = 'ohlcv.market_data' and a.series = m.symbol || '/' || m.timeframe and a.business_now >= ${since}
      and a.start_ms < ${before} and epoch_ms(m.ts) >= a.start_ms and epoch_ms(m.ts) < a.end_ms)`;

/**
 * Where the source adjusts its history, a split that has taken effect leaves every bar that was received before it on
 * the old basis.
 */
const splitSeen: RestatementRule = {
  title: "a split has taken effect since these bars were received",
  reads: ["market_data", "stock_splits", "answer"],
  sql: `select m.symbol as entry, m.timeframe as narrow, epoch_ms(min(m.ts)) as start_ms, epoch_ms(max(m.ts)) + 1 as end_ms,
      'split ' || s.split_to::varchar || ' for ' || s.split_from::varchar || ' on ' || s.execution_date::varchar as why
    from market_data m join stock_splits s on s.symbol = m.symbol and m.ts < s.ts
    where epoch_ms(s.ts) <= :now and m.source <> 'derived' and ${notAskedSince("epoch_ms(s.ts)", "epoch_ms(s.ts)")}
    group by m.symbol, m.timeframe, s.ts, s.split_to, s.split_from, s.execution_date
    order by m.symbol, s.ts, m.timeframe`,
};

/** Bars alike in one publication that make a split; so many of all that it changed, since some are corrected besides. */
const MIN_ALIKE = 3;
const MIN_ALIKE_SHARE = 0.5;
/** A factor nearer to 1 is a correction, or a dividend that the source takes off its past. */
const MIN_CHANGE = 0.02;
/** How far a factor may lie from the usual one: half a thousandth, and half a cent where prices are in cents. */
const alike = (fresh: string, old: string): string =>
  `abs(${fresh} - ratio * ${old}) <= 0.0005 * ${fresh} + if(least(${fresh}, ${old}) >= 1, 0.005 * greatest(1, ratio), 0)`;

/** Bars that were asked again and came back different by one and the same factor: a split that nobody announced. */
const overlapByRatio: RestatementRule = {
  title: "bars asked again differ from those before by one factor",
  reads: ["market_data", "market_data__history", "answer"],
  sql: `with changed as (
      select m.symbol, m.timeframe, m.ts, h.replaced_by, m.open, m.close, h.open as old_open, h.close as old_close,
        o.business_now as asked, median(m.close / h.close) over (partition by m.symbol, m.timeframe, h.replaced_by) as ratio
      from market_data__history h
      join market_data m on m.symbol = h.symbol and m.timeframe = h.timeframe and m.ts = h.ts
      join (select object_no, max(business_now) as business_now from answer group by object_no) o on o.object_no = m.object_no
      where h.change = 'updated' and h.close > 0 and m.close <> h.close and m.source <> 'derived'),
    overlap as (
      select symbol, timeframe, ratio, min(ts) as low, max(asked) as asked
      from (select *, ${alike("close", "old_close")} and ${alike("open", "old_open")} as is_alike from changed
        where abs(ratio - 1) > ${MIN_CHANGE})
      group by symbol, timeframe, replaced_by, ratio
      having count(*) filter (is_alike) >= greatest(${MIN_ALIKE}, ${MIN_ALIKE_SHARE} * count(*)))
    select m.symbol as entry, m.timeframe as narrow, epoch_ms(min(m.ts)) as start_ms, epoch_ms(max(m.ts)) + 1 as end_ms,
      'asked again, bars came back multiplied by ' || round(o.ratio, 4)::varchar as why
    from market_data m join overlap o on o.symbol = m.symbol and o.timeframe = m.timeframe and m.ts < o.low
    where ${notAskedSince("o.asked", "epoch_ms(o.low)")}
    group by m.symbol, m.timeframe, o.low, o.ratio, o.asked
    order by m.symbol, m.timeframe`,
};

/** What restates the candles of a source whose prices are adjusted, or of one that says they are not. */
export function restatementRules(adjusted: boolean): readonly RestatementRule[] {
  return adjusted ? [splitSeen, overlapByRatio] : [overlapByRatio];
}

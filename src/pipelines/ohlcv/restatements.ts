import type { RestatementRule } from "../../core/dataset/pipeline.ts";

/** SQL: whether no answer since `since` (business now of its run) speaks for the bar `m`. */
const notAskedSince = (since: string): string => `not exists (select 1 from answer a
    where a.dataset = 'ohlcv.market_data' and a.series = m.symbol || '/' || m.timeframe and a.business_now >= ${since}
      and epoch_ms(m.ts) >= a.start_ms and epoch_ms(m.ts) < a.end_ms)`;

/**
 * Where the source adjusts its history, a split that has taken effect leaves every bar that was received before it on
 * the old basis.
 */
const splitSeen: RestatementRule = {
  title: "a split has taken effect since these bars were received",
  reads: ["market_data", "stock_splits", "answer"],
  sql: `select m.symbol as entry, m.timeframe as narrow, epoch_ms(min(m.ts)) as start_ms, epoch_ms(s.ts) as end_ms,
      'split ' || s.split_to::varchar || ' for ' || s.split_from::varchar || ' on ' || s.execution_date::varchar
        || ': ' || count(*) || ' bars received before it are on the old basis' as why
    from market_data m join stock_splits s on s.symbol = m.symbol and m.ts < s.ts
    where epoch_ms(s.ts) <= :now and m.source <> 'derived' and ${notAskedSince("epoch_ms(s.ts)")}
    group by m.symbol, m.timeframe, s.ts, s.split_to, s.split_from, s.execution_date
    order by m.symbol, s.ts, m.timeframe`,
};

/** Bars that were asked again and came back all different by one and the same factor: a split that nobody announced. */
const overlapByRatio: RestatementRule = {
  title: "bars asked again differ from those before by one factor",
  reads: ["market_data", "market_data__history", "answer"],
  sql: `with overlap as (
      select m.symbol, m.timeframe, min(m.ts) as low, median(m.close / h.close) as ratio, count(*) as bars,
        max(o.business_now) as asked
      from market_data__history h
      join market_data m on m.symbol = h.symbol and m.timeframe = h.timeframe and m.ts = h.ts
      join (select object_no, max(business_now) as business_now from answer group by object_no) o on o.object_no = m.object_no
      where h.change = 'updated' and h.close > 0 and m.source <> 'derived'
      group by m.symbol, m.timeframe, h.replaced_by
      having count(*) >= 3 and max(m.close / h.close) < 1.0005 * min(m.close / h.close)
        and max(m.open / h.open) < 1.0005 * min(m.open / h.open) and abs(median(m.close / h.close) - 1) > 0.05)
    select m.symbol as entry, m.timeframe as narrow, epoch_ms(min(m.ts)) as start_ms, epoch_ms(o.low) as end_ms,
      o.bars || ' bars asked again differ by the factor ' || round(o.ratio, 6)::varchar || ': ' || count(*)
        || ' earlier ones are on the old basis' as why
    from market_data m join overlap o on o.symbol = m.symbol and o.timeframe = m.timeframe and m.ts < o.low
    where ${notAskedSince("o.asked")}
    group by m.symbol, m.timeframe, o.low, o.ratio, o.bars, o.asked
    order by m.symbol, m.timeframe`,
};

/** What restates the candles of a source whose prices are adjusted, or of one that says they are not. */
export function restatementRules(adjusted: boolean): readonly RestatementRule[] {
  return adjusted ? [splitSeen, overlapByRatio] : [overlapByRatio];
}

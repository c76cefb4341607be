import type { Job, RetiredJob } from "../../core/dataset/pipeline.ts";

/** The commands of the scripts that this pipeline replaces: each only a selector with defaults. */
export const ohlcvJobs: readonly Job[] = [
  {
    name: "master_backfill",
    description: "all active symbols in all timeframes: fetch, find gaps, repair, completeness matrix",
    selector: "ohlcv.market_data",
    occasion: "periodic",
    tier: "critical",
    cadence: "daily 02:00 UTC",
    mode: "backfill",
    days: 365,
    narrow: null,
    print: "master",
    resultsFile: "/tmp/master_backfill_results.json",
  },
  {
    name: "backfill_ohlcv",
    description: "one symbol and timeframe (1d), or a few, over an explicit range (its last day included)",
    selector: "ohlcv.market_data",
    occasion: "ad-hoc",
    tier: "optional",
    cadence: "on demand",
    mode: "backfill",
    days: 5 * 365,
    narrow: ["1d"],
    print: "standard",
    resultsFile: null,
  },
  {
    name: "backfill_features",
    description: "features of stored candles: returns, volatility, trend, structure, quality; 0 calls",
    selector: "ohlcv.market_data_v2",
    occasion: "periodic",
    tier: "critical",
    cadence: "daily 03:30 UTC",
    mode: "backfill",
    days: 365,
    narrow: null,
    maxConcurrent: 5,
    print: "features",
    resultsFile: null,
  },
  {
    name: "backfill_enrichment_data",
    description: "corporate events: dividends, splits, earnings; factors and adjusted candles follow",
    selector: "ohlcv.dividends+,ohlcv.stock_splits+,ohlcv.earnings",
    occasion: "periodic",
    tier: "high",
    cadence: "daily 01:30 UTC",
    mode: "backfill",
    days: null,
    narrow: null,
    print: "standard",
    resultsFile: null,
  },
];

export const retiredJobs: readonly RetiredJob[] = [
  { name: "backfill_1m_data", replacedBy: "retrofill run backfill_ohlcv --timeframe 1m [--symbols AAPL]" },
];

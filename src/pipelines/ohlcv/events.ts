import type { Dataset } from "../../core/dataset/dataset.ts";

// One row an event. The slot is the local day of the event in New York; a day without an event is ordinary.

const trail = [
  { name: "source", type: "VARCHAR" },
  { name: "source_ts", type: "TIMESTAMP", note: "the provider's own date, UTC midnight" },
  { name: "object_no", type: "BIGINT", note: "the bronze object it came from" },
] as const;

/** Cash dividends by ex-date; one date can have two, a regular and a special one. */
export const dividends: Dataset = {
  name: "ohlcv.dividends",
  layer: "silver",
  version: 1,
  description: "cash dividends by ex-date, as declared",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the ex-date in New York, UTC" },
    { name: "ex_date", type: "DATE" },
    { name: "dividend_type", type: "VARCHAR", note: "CD regular, SC special, LT and ST capital gains" },
    { name: "dividend_amount", type: "DOUBLE", note: "per share as of the ex-date, in `currency`" },
    { name: "currency", type: "VARCHAR" },
    { name: "declaration_date", type: "DATE" },
    { name: "record_date", type: "DATE" },
    { name: "pay_date", type: "DATE" },
    { name: "frequency", type: "INTEGER", note: "payments a year; 0 once" },
    ...trail,
  ],
  key: ["symbol"],
  time: "ts",
  rowKey: ["dividend_type"],
  extract: {
    select: {
      ex_date: "epoch_ms(raw.ex_dividend_date)::date",
      dividend_type: "coalesce(raw.dividend_type, 'CD')",
      dividend_amount: "raw.cash_amount",
      currency: "raw.currency",
      declaration_date: "try_cast(raw.declaration_date as date)",
      record_date: "try_cast(raw.record_date as date)",
      pay_date: "try_cast(raw.pay_date as date)",
      frequency: "raw.frequency",
    },
    checks: [
      { reason: "amount_not_valid", bad: "not (isfinite(raw.cash_amount) and raw.cash_amount >= 0)" },
      { reason: "amount_impossible", bad: "raw.cash_amount > 100000" },
    ],
    errorThreshold: 0.5,
    isAnnounced: true,
  },
  transform: null,
};

/** Splits by the day from which prices are on the new basis. */
export const stockSplits: Dataset = {
  name: "ohlcv.stock_splits",
  layer: "silver",
  version: 1,
  description: "splits by execution date; split_ratio new shares for one old",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the execution date in New York, UTC" },
    { name: "execution_date", type: "DATE" },
    { name: "split_from", type: "DOUBLE", note: "old shares" },
    { name: "split_to", type: "DOUBLE", note: "new shares for them" },
    { name: "split_ratio", type: "DOUBLE", note: "split_to / split_from" },
    ...trail,
  ],
  key: ["symbol"],
  time: "ts",
  extract: {
    select: {
      execution_date: "epoch_ms(raw.execution_date)::date",
      split_from: "raw.split_from",
      split_to: "raw.split_to",
      split_ratio: "raw.split_to / raw.split_from",
    },
    checks: [
      { reason: "ratio_not_positive", bad: "not (raw.split_from > 0 and raw.split_to > 0)" },
      { reason: "ratio_impossible", bad: "not (raw.split_to / raw.split_from between 0.0001 and 10000)" },
    ],
    errorThreshold: 0.5,
    isAnnounced: true,
  },
  transform: null,
};

/** Earnings reports by the day they are made, those to come included. */
export const earnings: Dataset = {
  name: "ohlcv.earnings",
  layer: "silver",
  version: 1,
  description: "earnings reports, estimated and actual; actuals are null until reported",
  columns: [
    { name: "symbol", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP", note: "start of the report's date in New York, UTC" },
    { name: "earnings_date", type: "DATE" },
    { name: "eps_estimated", type: "DOUBLE", note: "per share" },
    { name: "eps_actual", type: "DOUBLE", note: "per share" },
    { name: "eps_surprise", type: "DOUBLE", note: "actual less estimated" },
    { name: "revenue_estimated", type: "DOUBLE" },
    { name: "revenue_actual", type: "DOUBLE" },
    { name: "revenue_surprise", type: "DOUBLE", note: "actual less estimated" },
    ...trail,
  ],
  key: ["symbol"],
  time: "ts",
  extract: {
    select: {
      earnings_date: "epoch_ms(raw.date)::date",
      eps_estimated: "raw.epsEstimated",
      eps_actual: "raw.epsActual",
      eps_surprise: "raw.epsActual - raw.epsEstimated",
      revenue_estimated: "raw.revenueEstimated",
      revenue_actual: "raw.revenueActual",
      revenue_surprise: "raw.revenueActual - raw.revenueEstimated",
    },
    checks: [
      { reason: "figure_not_finite", bad: "not isfinite(coalesce(raw.epsActual, 0) + coalesce(raw.revenueActual, 0))" },
    ],
    errorThreshold: 0.5,
    isAnnounced: true,
  },
  transform: null,
};

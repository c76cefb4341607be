import type { Gap } from "../core/coverage/gaps.ts";
import { daysOf } from "../core/dataset/axis.ts";
import type { Series } from "../core/dataset/series.ts";
import { formatInstant, type Instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import type { RunRecord } from "./ledger-port.ts";
import type { RunSummary } from "./run/summary.ts";

/** The results document of a run: the shape that the scripts it replaces wrote, so that their `jq` lines go on working. */
export interface ResultsDocument {
  readonly timestamp: string;
  readonly run_id: string;
  readonly symbols_processed: Readonly<Record<string, SymbolResult>>;
  readonly gaps_detected: Readonly<Record<string, Readonly<Record<string, readonly GapResult[]>>>>;
  readonly retry_results: Readonly<Record<string, Readonly<Record<string, readonly RetryResult[]>>>>;
  readonly summary: {
    readonly total_symbols: number;
    readonly successful: number;
    readonly partial_failures: number;
    readonly total_failures: number;
    readonly total_candles_inserted: number;
    readonly total_gaps_detected: number;
    readonly total_gaps_retried: number;
    readonly total_gaps_filled: number;
  };
}

interface SymbolResult {
  readonly symbol: string;
  readonly asset_class: string;
  readonly status: "completed" | "partial_failure" | "failed";
  readonly total_inserted: number;
  readonly errors: readonly string[];
  readonly timeframes: Readonly<
    Record<string, { readonly status: string; readonly inserted: number; readonly error?: string }>
  >;
}

interface GapResult {
  /** UTC dates; the last day is included, so that both can be typed after --start and --end. */
  readonly start: string;
  readonly end: string;
  readonly days: number;
}

interface RetryResult extends GapResult {
  readonly attempt: number;
  readonly filled: boolean;
  readonly candles: number;
}

/** What a run observed of one series. */
export interface SeriesOutcome {
  readonly series: Series;
  readonly detected: readonly Gap[];
  readonly open: readonly Gap[];
  readonly retries: readonly {
    readonly start: Instant;
    readonly end: Instant;
    readonly round: number;
    readonly filled: boolean;
    readonly rows: number;
  }[];
}

/** Builds the results document from what a run left; also for a run that failed. */
export function resultsOf(
  run: Pick<RunRecord, "id" | "openedAt" | "closedAt">,
  summary: RunSummary | null,
  outcomes: readonly SeriesOutcome[],
): ResultsDocument {
  const symbols = new Map<string, SeriesOutcome[]>();
  for (const one of outcomes) symbols.set(one.series.entry, [...(symbols.get(one.series.entry) ?? []), one]);
  const inserted = ({ dataset, key }: Series): number => summary?.rows_by_series[dataset]?.[key]?.inserted ?? 0;
  const errorsOf = (key: string): readonly string[] =>
    (summary?.errors ?? []).filter((error) => error.key === key).map((error) => error.reason);
  const processed: Record<string, SymbolResult> = {};
  for (const [symbol, series] of symbols) {
    const open = series.filter((one) => one.open.length > 0).length;
    const failed = series.filter(
      (one) => one.open.length > 0 && inserted(one.series) === 0 && errorsOf(one.series.key).length > 0,
    );
    processed[symbol] = {
      symbol,
      asset_class: series[0]?.series.ask.assetClass ?? "",
      status: open === 0 ? "completed" : failed.length === series.length ? "failed" : "partial_failure",
      total_inserted: series.reduce((sum, one) => sum + inserted(one.series), 0),
      errors: series.flatMap((one) => errorsOf(one.series.key)),
      timeframes: Object.fromEntries(
        series.map((one) => {
          const errors = errorsOf(one.series.key);
          const status = one.open.length === 0 ? "completed" : errors.length > 0 ? "failed" : "incomplete";
          const rest = errors[0] === undefined ? {} : { error: errors[0] };
          return [one.series.axis.grid.grain, { status, inserted: inserted(one.series), ...rest }];
        }),
      ),
    };
  }
  const statuses = Object.values(processed).map((one) => one.status);
  const count = (status: SymbolResult["status"]): number => statuses.filter((one) => one === status).length;
  return {
    timestamp: formatInstant(run.closedAt ?? run.openedAt),
    run_id: run.id,
    symbols_processed: processed,
    gaps_detected: bySymbol(symbols, (one) => one.detected.map((gap) => gapResult(one.series, gap))),
    retry_results: bySymbol(symbols, (one) =>
      one.retries.map((retry) => ({
        ...gapResult(one.series, retry),
        attempt: retry.round,
        filled: retry.filled,
        candles: retry.rows,
      })),
    ),
    summary: {
      total_symbols: symbols.size,
      successful: count("completed"),
      partial_failures: count("partial_failure"),
      total_failures: count("failed"),
      total_candles_inserted: summary?.rows.inserted ?? 0,
      total_gaps_detected: summary?.repairs.detected ?? 0,
      total_gaps_retried: summary?.repairs.retried ?? 0,
      total_gaps_filled: summary?.repairs.filled ?? 0,
    },
  };
}

function bySymbol<T>(
  symbols: ReadonlyMap<string, readonly SeriesOutcome[]>,
  of: (one: SeriesOutcome) => readonly T[],
): Readonly<Record<string, Readonly<Record<string, readonly T[]>>>> {
  const result: Record<string, Record<string, readonly T[]>> = {};
  for (const [symbol, series] of symbols) {
    const filled = series
      .map((one) => [one.series.axis.grid.grain, of(one)] as const)
      .filter(([, list]) => list.length > 0);
    if (filled.length > 0) result[symbol] = Object.fromEntries(filled);
  }
  return result;
}

function gapResult({ axis }: Series, gap: Interval): GapResult {
  const { first, last, count } = daysOf(axis, gap);
  return { start: first, end: last, days: count };
}

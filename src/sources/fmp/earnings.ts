import type { RateLimit } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { slotAt } from "../../core/time/grid.ts";
import { isDate, startOfLocalDate } from "../../core/time/zone.ts";
import type { Reading, RecordShape, Source } from "../../engine/ports.ts";
import { failure, readAnswer } from "./classify.ts";
import { FMP_LIMITS } from "./fmp.ts";

export interface FmpEarningsSettings {
  /** Reports asked for, 1 to 1,000, those to come included. Default 1,000; some plans refuse so many. */
  readonly limit?: number;
  /** The limits of the key: without one by the minute, an excess is the day's. Default the free plan's. */
  readonly limits?: readonly RateLimit[];
}

const MAX_LIMIT = 1_000;

const figure = { type: "number", required: false, nullable: true } as const;

const RECORDS: RecordShape = {
  path: "",
  fields: {
    symbol: { type: "string", required: true },
    date: { type: "date", required: true },
    // Null until reported; estimates are null where nobody made one.
    epsActual: figure,
    epsEstimated: figure,
    revenueActual: figure,
    revenueEstimated: figure,
    lastUpdated: { type: "string", required: false, nullable: true },
  },
  stamp: "date",
};

/**
 * Earnings reports of a symbol by date, actual and estimated, those to come included. A request has no range: it
 * answers all of a symbol's history, so that all gaps together are one.
 * @throws RetrofillError CONFIG_INVALID when `limit` is out of bounds
 */
export function fmpEarnings({ limit = MAX_LIMIT, limits = FMP_LIMITS.free }: FmpEarningsSettings = {}): Source {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RetrofillError("CONFIG_INVALID", `FMP earnings: limit is ${limit}, expected 1 to ${MAX_LIMIT}`);
  }
  return {
    name: "fmp",
    system: "fmp",
    serves: () => true,
    records: RECORDS,
    silentCaps: [],
    windows(_series, gaps) {
      const [first, last] = [gaps[0], gaps[gaps.length - 1]];
      return first === undefined || last === undefined ? [] : [{ start: first.start, end: last.end }];
    },
    request: (series) => ({
      method: "GET",
      target: `/stable/earnings?symbol=${encodeURIComponent(symbolOf(series))}&limit=${limit}`,
    }),
    classify: (series, _request, answer) => readAnswer(answer, limits, (records) => readRows(records, series, limit)),
  };
}

/** The provider's own name where `ask.fmpSymbol` gives one: it writes BRK-B for BRK.B. */
function symbolOf(series: Series): string {
  return series.ask.fmpSymbol ?? series.parts.symbol ?? series.entry;
}

function readRows(records: readonly unknown[], series: Series, limit: number): Reading {
  const symbol = symbolOf(series);
  const foreign = records.map((record) => textIn(record, "symbol")).find((own) => own !== null && own !== symbol);
  if (foreign !== undefined) return failure("bad-request", `asked ${symbol}, the list holds ${foreign}: not stored`);
  const dates = records
    .map((record) => textIn(record, "date"))
    .filter((date): date is string => date !== null && isDate(date))
    .sort();
  // The newest come first, so a full list leaves out the oldest; there is no way to ask for those.
  if (records.length >= limit) {
    return failure("partial", `${limit} reports, as many as asked for: those before ${dates[0]} may be missing`);
  }
  const last = dates[dates.length - 1];
  const { grid } = series.axis;
  return {
    kind: "rows",
    rows: records.length,
    next: null,
    through: last === undefined ? null : slotAt(grid, startOfLocalDate(grid.zone, last)).end,
    provisional: false,
  };
}

function textIn(record: unknown, field: string): string | null {
  const value = (record as Readonly<Record<string, unknown>> | null)?.[field];
  return typeof value === "string" ? value : null;
}

import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { slotAt, slotsIn } from "../../core/time/grid.ts";
import type { Interval } from "../../core/time/interval.ts";
import { localDate, startOfLocalDate } from "../../core/time/zone.ts";
import type { Answer, Reading, RecordShape, Source, SourceRequest } from "../../engine/ports.ts";
import { BAR_FIELDS } from "./bars.ts";
import { type Body, failure, readEnvelope, recordsIn } from "./envelope.ts";
import { type AssetClass, assetClassOf, tickerOf } from "./tickers.ts";

/** Markets whose days can be had at once. Currencies have days of UTC, which are not ours. */
export type GroupedMarket = "stocks" | "crypto";

export interface GroupedSettings {
  /** Split-adjusted bars. Default false, as for single series. */
  readonly adjusted?: boolean;
  /** The money that a coin without a pair is priced in. Default USD. */
  readonly quote?: string;
}

const MARKETS: Readonly<Record<GroupedMarket, { readonly path: string; readonly zone: string }>> = {
  stocks: { path: "/v2/aggs/grouped/locale/us/market/stocks/", zone: "America/New_York" },
  crypto: { path: "/v2/aggs/grouped/locale/global/market/crypto/", zone: "UTC" },
};

/**
 * Records of every ticker. `t` is the **end** of the window (16:00 in New York, or UTC midnight less a millisecond), so it
 * lies inside the day's slot and at neither of its edges: the slot is the one that contains it.
 */
const RECORDS: RecordShape = {
  path: "results",
  fields: { ticker: { type: "string", required: true, member: "T" }, ...BAR_FIELDS },
  stamp: "t",
  stampWithin: "(start, end]",
  key: "ticker",
};

/**
 * Daily bars of every ticker of a market, a request a date: shares and funds on the days of New York, coins on those of
 * UTC. `group`, `request` and `classify` throw CONFIG_INVALID for a series that it does not serve.
 */
export function polygonGrouped({ adjusted = false, quote = "USD" }: GroupedSettings = {}): Source {
  return {
    name: "polygon-grouped",
    system: "polygon",
    serves: (series) => marketOf(series) !== null,
    group: servedMarketOf,
    match: (series) => groupedTicker(series, quote),
    records: RECORDS,
    silentCaps: [],
    windows: (series, gaps) => gaps.flatMap((gap) => [...slotsIn(series.axis.grid, gap)]),
    request(series, window) {
      const { path } = MARKETS[servedMarketOf(series)];
      const date = localDate(series.axis.grid.zone, window.start);
      return { method: "GET", target: `${path}${date}?adjusted=${adjusted}` };
    },
    classify(series, request, answer) {
      return readGrouped(answer, { request, slot: slotOf(series, request), adjusted });
    },
  };
}

/** The name of a series in the records of its market's days. */
export function groupedTicker(series: Series, quote = "USD"): string {
  return tickerOf(symbolOf(series), classOf(series), quote);
}

/**
 * What an answer for all tickers of a date means: all rows or none, never a next page. A closed day is an empty answer.
 * Bars of other dates only are another day's answer, of which nothing is stored. Null leaves it to the HTTP status.
 */
export function readGrouped(
  answer: Answer,
  asked: { readonly request: SourceRequest; readonly slot: Interval; readonly adjusted: boolean },
): Reading {
  return readEnvelope(answer, asked.request, (body) => readRows(body, asked));
}

function readRows(body: Body, { slot, adjusted }: { readonly slot: Interval; readonly adjusted: boolean }): Reading {
  if (body.adjusted !== undefined && body.adjusted !== adjusted) {
    return failure("bad-request", `asked adjusted=${adjusted}, the page says adjusted=${body.adjusted}: not stored`);
  }
  const records = recordsIn(body);
  if (typeof records === "string") return failure("transient", records);
  const stamps = records.map((record) => (record as { readonly t?: unknown } | null)?.t);
  const isOfDate = stamps.some((t) => typeof t === "number" && t > slot.start && t <= slot.end);
  if (records.length > 0 && !isOfDate) {
    return failure("bad-request", "no bar of the page is of the date that was asked: not stored");
  }
  return {
    kind: "rows",
    rows: records.length,
    next: null,
    through: isOfDate ? slot.end : null,
    provisional: body.status === "DELAYED",
  };
}

/** The market whose days hold `series`, or null: they are days of the market's own clocks. */
function marketOf({ axis: { grid }, ask, parts }: Series): GroupedMarket | null {
  if ((parts.timeframe ?? grid.grain) !== "1d") return null;
  const market = MARKET_OF[ask.assetClass ?? "stock"];
  return market !== undefined && MARKETS[market].zone === grid.zone ? market : null;
}

const MARKET_OF: Readonly<Record<string, GroupedMarket | undefined>> = {
  stock: "stocks",
  etf: "stocks",
  crypto: "crypto",
} satisfies Partial<Record<AssetClass, GroupedMarket>>;

function servedMarketOf(series: Series): GroupedMarket {
  const market = marketOf(series);
  if (market !== null) return market;
  throw new RetrofillError("CONFIG_INVALID", `${series.key}: not among Polygon's grouped days`, {
    hint: "they are 1d bars of shares and funds on New York's days, and of coins on UTC's",
    context: { series: series.key },
  });
}

function slotOf(series: Series, { target }: SourceRequest): Interval {
  const { grid } = series.axis;
  const date = /\/(\d{4}-\d{2}-\d{2})\?/.exec(target)?.[1] ?? "";
  return slotAt(grid, startOfLocalDate(grid.zone, date));
}

function symbolOf(series: Series): string {
  return series.parts.symbol ?? series.entry;
}

function classOf(series: Series): AssetClass {
  return assetClassOf(series.ask.assetClass, symbolOf(series));
}

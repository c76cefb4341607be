import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { slotAt, slotsIn } from "../../core/time/grid.ts";
import type { Interval } from "../../core/time/interval.ts";
import { localDate, startOfLocalDate } from "../../core/time/zone.ts";
import type { Answer, Reading, RecordShape, Source, SourceRequest } from "../../engine/ports.ts";
import { type Body, failure, readEnvelope, recordsIn } from "./envelope.ts";
import { type AssetClass, assetClassOf, tickerOf } from "./tickers.ts";

/** Markets whose days can be had at once. */
export type GroupedMarket = "stocks" | "crypto" | "fx";

export interface GroupedSettings {
  /** Split-adjusted bars. Default false, as for single series. */
  readonly adjusted?: boolean;
  /** The money that a coin or a currency without a pair is priced in. Default USD. */
  readonly quote?: string;
}

/**
 * Daily bars of every ticker of a market, a request a date. As a `Source` it asks for the dates of one series; the rest
 * serves whoever asks once a date for many series.
 */
export interface GroupedSource extends Source {
  /** Field of a record that names its series. */
  readonly keyField: "T";
  /** The value of `keyField` in records of `series`. */
  keyOf(series: Series): string;
  marketOf(series: Series): GroupedMarket;
  requestDate(date: string, market: GroupedMarket): SourceRequest;
  /** What an answer means for series whose slot of the asked date is `slot`. */
  classifyDate(slot: Interval, request: SourceRequest, answer: Answer): Reading;
}

/**
 * Records of every ticker. `t` is the **end** of the window (16:00 in New York, or UTC midnight less a millisecond), so it
 * lies inside the day's slot and at neither of its edges: the slot is the one that contains it.
 */
export const GROUPED_RECORDS: RecordShape = {
  path: "results",
  fields: {
    T: { type: "string", required: true },
    t: { type: "integer", required: true },
    o: { type: "number", required: true },
    h: { type: "number", required: true },
    l: { type: "number", required: true },
    c: { type: "number", required: true },
    v: { type: "number", required: false },
    vw: { type: "number", required: false },
    n: { type: "integer", required: false },
  },
  stamp: "t",
};

const PATHS: Readonly<Record<GroupedMarket, string>> = {
  stocks: "/v2/aggs/grouped/locale/us/market/stocks/",
  crypto: "/v2/aggs/grouped/locale/global/market/crypto/",
  fx: "/v2/aggs/grouped/locale/global/market/fx/",
};

/** Daily bars by date for series of one day each, of any class but indices, which have no such path. */
export function polygonGrouped({ adjusted = false, quote = "USD" }: GroupedSettings = {}): GroupedSource {
  return {
    name: "polygon",
    records: GROUPED_RECORDS,
    silentCaps: [],
    keyField: "T",
    keyOf: (series) => groupedTicker(series, quote),
    marketOf,
    requestDate: (date, market) => groupedRequest(date, { market, adjusted }),
    classifyDate: (slot, request, answer) => readGrouped(answer, { request, slot, adjusted }),
    windows: (series, gaps) => gaps.flatMap((gap) => [...slotsIn(dayGridOf(series), gap)]),
    request(series, window) {
      return groupedRequest(localDate(series.axis.grid.zone, window.start), { market: marketOf(series), adjusted });
    },
    classify(series, request, answer) {
      return readGrouped(answer, { request, slot: slotOf(series, request), adjusted });
    },
  };
}

/** The request for every ticker's bar of `date`, `YYYY-MM-DD`. */
export function groupedRequest(
  date: string,
  { market, adjusted }: { readonly market: GroupedMarket; readonly adjusted: boolean },
): SourceRequest {
  return { method: "GET", target: `${PATHS[market]}${date}?adjusted=${adjusted}` };
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
  const isOfDate = stamps.some((t) => typeof t === "number" && t >= slot.start && t < slot.end);
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

/** The market whose days hold `series`. */
function marketOf(series: Series): GroupedMarket {
  const assetClass = classOf(series);
  switch (assetClass) {
    case "stock":
    case "etf":
      return "stocks";
    case "crypto":
    case "fx":
      return assetClass;
    case "index":
      throw new RetrofillError("CONFIG_INVALID", `${series.key}: indices are not among Polygon's grouped days`, {
        context: { series: series.key },
      });
    default:
      return assetClass satisfies never;
  }
}

function dayGridOf({ axis, key }: Series): Series["axis"]["grid"] {
  if (axis.grid.grain === "1d") return axis.grid;
  throw new RetrofillError("CONFIG_INVALID", `${key}: grouped days hold days, not ${axis.grid.grain}`, {
    context: { series: key },
  });
}

function slotOf(series: Series, { target }: SourceRequest): Interval {
  const grid = dayGridOf(series);
  const date = /\/(\d{4}-\d{2}-\d{2})\?/.exec(target)?.[1] ?? "";
  return slotAt(grid, startOfLocalDate(grid.zone, date));
}

function symbolOf(series: Series): string {
  return series.parts.symbol ?? series.entry;
}

function classOf(series: Series): AssetClass {
  return assetClassOf(series.ask.assetClass, symbolOf(series));
}

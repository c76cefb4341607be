import type { Axis } from "../../core/dataset/axis.ts";
import type { Series } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { slotAt } from "../../core/time/grid.ts";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { IntervalSet } from "../../core/time/interval-set.ts";
import { isDate, localDate, parseDate, startOfLocalDate } from "../../core/time/zone.ts";
import type { Answer, Reading, RecordShape, Source, SourceRequest } from "../../engine/ports.ts";
import { type Body, failure, readEnvelope, recordsIn } from "./envelope.ts";
import { assetClassOf, tickerOf } from "./tickers.ts";

export interface ReferenceSettings {
  /** Records a page, 1 to 1,000. Default 1,000. */
  readonly limit?: number;
}

/** One list of dated events of a ticker. */
export interface ReferenceList {
  /** The source's name, such as `polygon-dividends`. */
  readonly name: string;
  /** `/v3/reference/dividends`. */
  readonly path: string;
  /** Its records' date is `records.stamp`, which is also what it is filtered and sorted by. */
  readonly records: RecordShape;
}

/** The provider's largest page; its own default is 10. */
const MAX_LIMIT = 1_000;

/**
 * A source of one ticker's dated events over a range of dates: the symbol is `parts.symbol`, the dates are those of the
 * axis' zone. A range of any length is one request, and one more for each 1,000 events in it.
 * @throws RetrofillError CONFIG_INVALID when `limit` is out of bounds
 */
export function referenceSource(list: ReferenceList, { limit = MAX_LIMIT }: ReferenceSettings): Source {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RetrofillError("CONFIG_INVALID", `${list.path}: limit is ${limit}, expected 1 to ${MAX_LIMIT}`);
  }
  return {
    name: list.name,
    system: "polygon",
    // Coins, currencies and indices pay nothing and are not split.
    serves: ({ ask }) => ["stock", "etf"].includes(ask.assetClass ?? "stock"),
    records: list.records,
    // A page as long as its limit that names no next one is not taken for the last.
    silentCaps: [limit],
    windows: (_series, gaps) => hullOf(gaps),
    request: (series, window) => firstPage(list, tickerIn(series), datesOf(series.axis, window), limit),
    classify: (series, request, answer) => readReference(answer, { list, request, series }),
  };
}

/** What an answer has to agree with. */
interface Asked {
  readonly list: ReferenceList;
  readonly request: SourceRequest;
  readonly series: Series;
}

/** Dates as the provider filters: `first` belongs to the range, `end` does not. */
interface Dates {
  readonly first: string;
  readonly end: string;
}

function hullOf(gaps: IntervalSet): readonly Interval[] {
  const [first, last] = [gaps[0], gaps[gaps.length - 1]];
  return first === undefined || last === undefined ? [] : [{ start: first.start, end: last.end }];
}

function tickerIn(series: Series): string {
  const symbol = series.parts.symbol ?? series.entry;
  return tickerOf(symbol, assetClassOf(series.ask.assetClass, symbol));
}

/** The local dates that `window` touches. */
function datesOf({ grid }: Axis, window: Interval): Dates {
  const last = parseDate(localDate(grid.zone, instant(window.end - 1)));
  return { first: localDate(grid.zone, window.start), end: new Date(last + DAY).toISOString().slice(0, 10) };
}

function firstPage({ path, records }: ReferenceList, ticker: string, dates: Dates, limit: number): SourceRequest {
  const range = `${records.stamp}.gte=${dates.first}&${records.stamp}.lt=${dates.end}`;
  const paging = `order=asc&sort=${records.stamp}&limit=${limit}`;
  return { method: "GET", target: `${path}?ticker=${encodeURIComponent(ticker)}&${range}&${paging}` };
}

/** The dates that `request` asks for by itself; null for a next page, whose cursor keeps them. */
function datesIn({ target }: SourceRequest, { stamp }: RecordShape): Dates | null {
  const query = new URLSearchParams(target.split("?", 2)[1] ?? "");
  const [first, end] = [query.get(`${stamp}.gte`), query.get(`${stamp}.lt`)];
  return first === null || end === null ? null : { first, end };
}

function readReference(answer: Answer, asked: Asked): Reading {
  return readEnvelope(answer, asked.request, (body) => readRows(body, asked));
}

function readRows(body: Body, asked: Asked): Reading {
  const { list, request, series } = asked;
  const records = eventsIn(body);
  if (typeof records === "string") return failure("transient", records);
  const ticker = tickerIn(series);
  const foreign = records.map((record) => textIn(record, "ticker")).find((own) => own !== null && own !== ticker);
  if (foreign !== undefined) {
    return failure("bad-request", `asked ${ticker}, the page holds ${foreign}: not stored`);
  }
  const dates = records
    .map((record) => textIn(record, list.records.stamp))
    .filter((date): date is string => date !== null && isDate(date));
  const next = nextIn(body, asked);
  if (typeof next === "string") return failure("bad-request", next);
  if (next !== null && dates.some((date, i) => date < (dates[i - 1] ?? ""))) {
    return failure("bad-request", "the page is not in the order that was asked: what it leaves out is not known");
  }
  const range = datesIn(request, list.records);
  const within = range === null ? [...dates] : dates.filter((date) => date >= range.first && date < range.end);
  const last = within.sort().at(-1);
  return {
    kind: "rows",
    rows: records.length,
    next,
    through: last === undefined ? null : slotEnd(series.axis, last),
    provisional: body.status === "DELAYED",
  };
}

/** As for bars, but that a whole envelope without a list and without a count is an empty answer: these have no count. */
function eventsIn(body: Body): readonly unknown[] | string {
  const isBare = (body.results ?? null) === null && body.count === undefined && body.resultsCount === undefined;
  return isBare && typeof body.request_id === "string" ? [] : recordsIn(body);
}

/**
 * The page that the body's `next_url` names, on our own host and without a key; null on the last, or why it is not
 * followed. Its cursor carries the whole question.
 */
function nextIn({ next_url: url = "" }: Body, { list, request }: Asked): SourceRequest | string | null {
  if (url === "" || url === null) return null;
  const next = typeof url === "string" && URL.canParse(url) ? new URL(url) : null;
  if (next === null || next.pathname !== list.path || !next.searchParams.has("cursor")) {
    return "the next page is not one of the asked list";
  }
  const query = [...next.searchParams].filter(([name]) => !/^api_?key$/i.test(name));
  const target = `${list.path}?${new URLSearchParams(query)}`;
  return target === request.target
    ? "the next page repeats this one: the pages would never end"
    : { method: "GET", target };
}

function slotEnd({ grid }: Axis, date: string): Instant {
  return slotAt(grid, startOfLocalDate(grid.zone, date)).end;
}

function textIn(record: unknown, field: string): string | null {
  const value = (record as Readonly<Record<string, unknown>> | null)?.[field];
  return typeof value === "string" ? value : null;
}

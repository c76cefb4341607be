import { DAY, instant } from "../../core/time/instant.ts";
import { localDate, parseDate, startOfLocalDate } from "../../core/time/zone.ts";
import { spoilBars } from "../bar-faults.ts";
import type { Bar } from "../candle-series.ts";
import { chooseSeries } from "../choose-series.ts";
import { type SeriesEntry, zoneOf } from "../data-directory.ts";
import type { DataFault } from "../faults.ts";
import type { Answer, ProviderRequest } from "../provider.ts";
import { sizeProblem, type Timespan, type Window, type WindowSize, windowAt } from "../windows.ts";
import { aggregatesAnswer, badRequest, timeframeNotIncluded } from "./bodies.ts";
import { readPage } from "./read-page.ts";
import { servedSeries } from "./served-series.ts";
import type { PolygonWorld } from "./world.ts";

export const AGGREGATES_PATH = /^\/v2\/aggs\/ticker\/([^/]+)\/range\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/;

const DEFAULT_LIMIT = 5_000;
const MAX_LIMIT = 50_000;

/** Bars that a page which moves repeats from the one before. */
const MOVED_BARS = 3;

/** What was asked, before any series is known: dates have no zone yet. */
interface Question {
  readonly ticker: string;
  readonly multiplier: number;
  readonly timespan: Timespan;
  readonly from: string;
  readonly to: string;
  readonly adjusted: boolean;
  readonly sort: "asc" | "desc";
  readonly limit: number;
}

/** `GET /v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}`. */
export async function answerAggregates(world: PolygonWorld, request: ProviderRequest): Promise<Answer> {
  const { requestId } = request;
  const { settings, directory } = world;
  const question = readQuestion(request);
  if (typeof question === "string") return badRequest(requestId, question);

  const answer = (bars: readonly Bar[], queryCount: number, nextUrl: string | null): Answer =>
    aggregatesAnswer({
      ticker: question.ticker,
      queryCount,
      adjusted: question.adjusted,
      bars,
      status: settings.isDelayed ? "DELAYED" : "OK",
      requestId,
      nextUrl,
      sendsEmptyResults: settings.sendsEmptyResults ?? false,
    });

  const entries = directory.entriesOf(question.ticker);
  if (entries.length === 0) return answer([], 0, null);
  const entry = chooseSeries(entries, question.multiplier, question.timespan);
  if (entry === null) return timeframeNotIncluded(requestId);
  const series = servedSeries(world, entry, question.adjusted);
  if (series === null) {
    const kept = entry.adjusted ? "split-adjusted" : "raw";
    return badRequest(
      requestId,
      `adjusted=${question.adjusted} cannot be served: ${entry.symbol} is kept ${kept} only`,
    );
  }
  const zone = zoneOf(entry);
  const size: WindowSize = {
    multiplier: question.multiplier,
    timespan: question.timespan,
    zone,
    fourHourAnchor: settings.fourHourAnchor ?? "local-midnight",
  };
  const asked = { start: boundOf(question.from, zone, "from"), end: boundOf(question.to, zone, "to") };
  if (asked.start > asked.end) return badRequest(requestId, "'from' must not be after 'to'");
  if (isOutsidePlan(entry, size, asked.start, world.nowMs)) return timeframeNotIncluded(requestId);

  const window = { start: windowAt(size, asked.start).start, end: windowAt(size, asked.end).end };
  const isOwn = entry.timeframe === `${question.multiplier}${question.timespan.charAt(0)}`;
  const page = readPage(await series, {
    size,
    timeframe: entry.timeframe,
    isOwn,
    window,
    limit: question.limit,
    sort: question.sort,
    nowMs: world.nowMs,
  });

  const spanMs = window.end - window.start;
  const { bars, applied } = spoilBars({ ...page, spanMs }, request.dataFaults, request.faultSettings);
  const paging = spoilPaging(world, request.dataFaults, bars, page.rest, size, question);
  const nextUrl = paging.isLoop ? ownUrl(request) : paging.rest && nextPageUrl(request, question, paging.rest);
  return { ...answer(paging.bars, page.used, nextUrl), faults: [...applied, ...paging.applied] };
}

function readQuestion({ path, query }: ProviderRequest): Question | string {
  const [, rawTicker = "", multiplier = "", timespan = "", from = "", to = ""] = AGGREGATES_PATH.exec(path) ?? [];
  const cursor = query.get("cursor");
  // The cursor carries limit and sort, and nothing else: whoever leaves out `adjusted` asks for adjusted bars.
  const paging = cursor === null ? query : new URLSearchParams(Buffer.from(cursor, "base64url").toString("utf8"));
  const sort = paging.get("sort") ?? "asc";
  const limit = Number(paging.get("limit") ?? DEFAULT_LIMIT);
  const adjusted = query.get("adjusted") ?? "true";
  const problem =
    sizeProblem(Number(multiplier), timespan) ??
    boundProblem("from", from) ??
    boundProblem("to", to) ??
    (cursor !== null && !(paging.has("limit") && paging.has("sort")) ? "cursor is not valid" : null) ??
    (sort === "asc" || sort === "desc" ? null : "sort must be asc or desc") ??
    (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT ? null : `limit must be 1 to ${MAX_LIMIT}`) ??
    (adjusted === "true" || adjusted === "false" ? null : "adjusted must be true or false");
  if (problem !== null) return problem;
  let ticker: string;
  try {
    ticker = decodeURIComponent(rawTicker);
  } catch {
    return "ticker is not valid";
  }
  return {
    ticker,
    multiplier: Number(multiplier),
    timespan: timespan as Timespan,
    from,
    to,
    adjusted: adjusted === "true",
    sort: sort as "asc" | "desc",
    limit,
  };
}

function boundProblem(name: string, text: string): string | null {
  try {
    boundOf(text, "UTC", "from");
    return null;
  } catch {
    return `'${name}' must be a date YYYY-MM-DD or Unix milliseconds`;
  }
}

/** The instant meant by `from` or `to`, which includes all of its date. */
function boundOf(text: string, zone: string, which: "from" | "to"): number {
  if (/^-?\d+$/.test(text)) return instant(Number(text));
  if (which === "from") return startOfLocalDate(zone, text);
  const nextDate = new Date(parseDate(text) + DAY).toISOString().slice(0, 10);
  return startOfLocalDate(zone, nextDate) - 1;
}

/**
 * Whether a question that starts at `from` gets the 403 of a plan without that time range: it starts before the first
 * bar's day (UTC or local, whichever is earlier) and before the window of the first bar; or after the UTC day that
 * follows the last bar's; or after the present.
 */
function isOutsidePlan(entry: SeriesEntry, size: WindowSize, from: number, nowMs: number | null): boolean {
  const first = Date.parse(entry.first);
  const earliest = Math.min(
    startOfUtcDay(first),
    startOfLocalDate(size.zone, localDate(size.zone, instant(first))),
    windowAt(size, first).start,
  );
  const latest = startOfUtcDay(Date.parse(entry.last)) + 2 * DAY;
  return from < earliest || from >= latest || (nowMs !== null && from > nowMs);
}

function startOfUtcDay(at: number): number {
  return Math.floor(at / DAY) * DAY;
}

interface Paging {
  readonly bars: readonly Bar[];
  readonly rest: Window | null;
  readonly isLoop: boolean;
  readonly applied: readonly DataFault[];
}

function spoilPaging(
  world: PolygonWorld,
  faults: readonly DataFault[],
  bars: readonly Bar[],
  rest: Window | null,
  size: WindowSize,
  { sort }: Question,
): Paging {
  const caps = [
    { rows: 1_000, applied: ["cap1000"] as const, isOn: faults.includes("cap1000") },
    { rows: 50_000, applied: ["cap50000"] as const, isOn: faults.includes("cap50000") },
    { rows: world.silentCapRows ?? Number.POSITIVE_INFINITY, applied: [], isOn: true },
  ];
  for (const cap of caps) {
    const cuts = bars.length > cap.rows || (bars.length === cap.rows && rest !== null);
    if (cap.isOn && cuts) return { bars: bars.slice(0, cap.rows), rest: null, isLoop: false, applied: cap.applied };
  }
  if (faults.includes("loop") && bars.length > 0) return { bars, rest, isLoop: true, applied: ["loop"] };
  const repeated = bars[Math.max(1, bars.length - MOVED_BARS)];
  if (rest !== null && repeated !== undefined && faults.includes("moving")) {
    const again = windowAt(size, repeated.t);
    const moved = sort === "asc" ? { ...rest, start: again.start } : { ...rest, end: again.end };
    return { bars, rest: moved, isLoop: false, applied: ["moving"] };
  }
  return { bars, rest, isLoop: false, applied: [] };
}

/** Without a key, and without `adjusted`, as the service sends it. */
function nextPageUrl(request: ProviderRequest, question: Question, rest: Window): string {
  const parts = request.path.split("/");
  if (question.sort === "asc") parts[parts.length - 2] = String(rest.start);
  else parts[parts.length - 1] = String(rest.end - 1);
  const cursor = Buffer.from(`limit=${question.limit}&sort=${question.sort}`).toString("base64url");
  return `${request.origin}${parts.join("/")}?cursor=${cursor}`;
}

function ownUrl({ origin, path, query }: ProviderRequest): string {
  const own = new URLSearchParams(query);
  for (const name of ["apiKey", "apikey"]) own.delete(name);
  return `${origin}${path}?${own}`;
}

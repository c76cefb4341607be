import type { Bar } from "../candle-series.ts";
import type { Answer } from "../provider.ts";

/** What an answer with bars says, in the provider's words. */
export interface AggregatesBody {
  readonly ticker: string;
  /** Base aggregates (minutes or days) that were used. */
  readonly queryCount: number;
  readonly adjusted: boolean;
  readonly bars: readonly Bar[];
  readonly status: "OK" | "DELAYED";
  readonly requestId: string;
  readonly nextUrl: string | null;
  readonly sendsEmptyResults: boolean;
}

/** The 200 with bars; keys in the order of recorded answers, `results` absent when empty. */
export function aggregatesAnswer(body: AggregatesBody): Answer {
  const { ticker, queryCount, adjusted, bars, status } = body;
  const head = { ticker, queryCount, resultsCount: bars.length, adjusted };
  const tail = {
    status,
    request_id: body.requestId,
    count: bars.length,
    ...(body.nextUrl === null ? {} : { next_url: body.nextUrl }),
  };
  const results = bars.length === 0 && !body.sendsEmptyResults ? {} : { results: bars.map(wireBar) };
  return { ...json(200, { ...head, ...results, ...tail }), isData: true };
}

/** The 200 of every ticker's bar of one day: `T` and the end of the day, in the order of recorded answers. */
export function groupedAnswer(body: {
  readonly adjusted: boolean;
  readonly bars: readonly { readonly ticker: string; readonly endMs: number; readonly bar: Bar }[];
  readonly status: "OK" | "DELAYED";
  readonly requestId: string;
  readonly sendsEmptyResults: boolean;
}): Answer {
  const { adjusted, bars, status, requestId } = body;
  const rows = bars.map(({ ticker, endMs, bar }) => ({ T: ticker, ...wireBar({ ...bar, t: endMs }) }));
  const results = rows.length === 0 && !body.sendsEmptyResults ? {} : { results: rows };
  const head = { queryCount: rows.length, resultsCount: rows.length, adjusted };
  return {
    ...json(200, { ...head, ...results, status, request_id: requestId, count: rows.length }),
    isData: true,
  };
}

/** The 200 of the reference endpoints, which always has a list. */
export function referenceAnswer(results: readonly object[], requestId: string, nextUrl: string | null): Answer {
  const next = nextUrl === null ? {} : { next_url: nextUrl };
  return { ...json(200, { results, status: "OK", request_id: requestId, ...next }), isData: true };
}

export function badRequest(requestId: string, error: string): Answer {
  return json(400, { status: "ERROR", request_id: requestId, error });
}

export function unknownKey(requestId: string): Answer {
  return json(401, { status: "ERROR", request_id: requestId, error: "Unknown API Key" });
}

export function notEntitled(requestId: string): Answer {
  const message = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing";
  return json(403, { status: "NOT_AUTHORIZED", request_id: requestId, message });
}

export function timeframeNotIncluded(requestId: string): Answer {
  const message =
    "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing";
  return json(403, { status: "NOT_AUTHORIZED", request_id: requestId, message });
}

export function notFound(requestId: string): Answer {
  return json(404, { status: "NOT_FOUND", request_id: requestId, message: "The requested resource was not found" });
}

export function tooManyRequests(requestId: string): Answer {
  const error =
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. https://polygon.io/pricing";
  return json(429, { status: "ERROR", request_id: requestId, error });
}

/** A refusal that a 200 carries. */
export function refusalInside200(requestId: string): Answer {
  return json(200, { status: "ERROR", request_id: requestId, error: "An internal error occurred, please try again" });
}

/** Fields in the order of recorded answers. */
function wireBar({ t, o, h, l, c, v, vw, n }: Bar): Record<string, number> {
  return {
    ...(v === undefined ? {} : { v }),
    ...(vw === undefined ? {} : { vw }),
    o,
    c,
    h,
    l,
    t,
    ...(n === undefined ? {} : { n }),
  };
}

function json(status: number, body: object): Answer {
  return { status, contentType: "application/json", body: JSON.stringify(body), isData: false };
}

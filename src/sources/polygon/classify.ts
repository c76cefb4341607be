import type { Axis } from "../../core/dataset/axis.ts";
import { slotAt } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import { fromLocalMs, toLocalMs } from "../../core/time/zone.ts";
import type { Answer, FailureClass, Reading, SourceRequest } from "../../engine/ports.ts";
import { lastBar, nextPage, type PageQuery, readPage } from "./pages.ts";

/** What an answer has to agree with. */
export interface Asked {
  readonly request: SourceRequest;
  readonly ticker: string;
  readonly axis: Axis;
  readonly query: PageQuery;
}

type Body = Readonly<Record<string, unknown>>;

/** What an answer to a request for aggregates means; null leaves it to the HTTP status. Never throws. */
export function readAggregates(answer: Answer, asked: Asked): Reading {
  const ok = answer.status >= 200 && answer.status < 300;
  const body = answer.isJson ? objectOf(answer.json) : null;
  if (body === null) return ok && answer.isJson ? failure("transient", "the body is not a JSON object") : null;
  if (!ok) return refusalByStatus(answer.status, body, asked.request);
  if (body.status !== "OK" && body.status !== "DELAYED") return refusalInside(body, asked.request);
  return readRows(body, asked);
}

function readRows(body: Body, { request, ticker, axis, query }: Asked): Reading {
  const foreign = disagreement(body, ticker, query);
  if (foreign !== null) return foreign;
  const records = recordsIn(body);
  if (typeof records === "string") return failure("transient", records);
  const last = lastBar(records, request, axis.stamp.at);
  if (typeof (body.next_url ?? "") !== "string") return failure("transient", "the next page is not an address");
  const next = nextIn(body, { request, lastStart: last, query });
  if (typeof next === "string") return failure("bad-request", next);
  return {
    kind: "rows",
    rows: records.length,
    next,
    through: last === null ? null : slotEnd(axis, last),
    provisional: body.status === "DELAYED",
  };
}

/** A page of another table than the one that was asked: one table never mixes adjusted and raw, or two tickers. */
function disagreement(body: Body, ticker: string, { adjusted }: PageQuery): Reading {
  const echoed = body.adjusted;
  if (echoed !== undefined && typeof echoed !== "boolean")
    return failure("transient", "`adjusted` is not true or false");
  if (adjusted !== null && echoed !== undefined && echoed !== adjusted) {
    return failure("bad-request", `asked adjusted=${adjusted}, the page says adjusted=${echoed}: not stored`);
  }
  if (body.ticker !== undefined && typeof body.ticker !== "string") {
    return failure("transient", "`ticker` is not a text");
  }
  if (body.ticker !== undefined && body.ticker !== ticker) {
    return failure("bad-request", `asked ${ticker}, the page is of ${body.ticker}: not stored`);
  }
  return null;
}

/** The records, none for an answer that says it has none, or why the body cannot be whole. */
function recordsIn(body: Body): readonly unknown[] | string {
  const count = body.resultsCount ?? body.count;
  if (count !== undefined && !isCount(count)) return "the count of results is not a number";
  const results = body.results ?? null;
  if (results === null)
    return count === 0 ? [] : `${count ?? "an unknown number of"} results are announced and none sent`;
  if (!Array.isArray(results)) return "`results` is not a list";
  if (count !== undefined && count !== results.length)
    return `${count} results are announced and ${results.length} sent`;
  return results;
}

/** The next page, null on the last, or why the paging cannot be followed. */
function nextIn(
  body: Body,
  page: { request: SourceRequest; lastStart: Instant | null; query: PageQuery },
): SourceRequest | string | null {
  return typeof body.next_url === "string" && body.next_url !== "" ? nextPage(body.next_url, page) : null;
}

/** The end of the slot that a stamp stands for: days and weeks are read on the provider's clocks, as in `Stamp`. */
function slotEnd({ grid, stamp }: Axis, at: Instant): Instant {
  const civil = grid.grain === "1d" || grid.grain === "1w";
  const ours = civil && stamp.zone !== grid.zone ? fromLocalMs(grid.zone, toLocalMs(stamp.zone, at)) : at;
  return slotAt(grid, ours).end;
}

/** The status says the class, its text which of two; statuses without a meaning of their own are the engine's. */
function refusalByStatus(status: number, body: Body, request: SourceRequest): Reading {
  const text = textOf(body);
  const by = (of: FailureClass): Reading => failure(of, `HTTP ${status}: ${text === "" ? "no reason given" : text}`);
  switch (status) {
    case 400:
      return by(unlessPage("bad-request", request));
    case 401:
      return by("auth");
    case 403:
      return by(planClass(text));
    case 404:
    case 410:
      return by(unlessPage("not-found", request));
    case 429:
      return by("rate-untold");
    default:
      return null;
  }
}

/** A refusal that came with HTTP 200: its `status`, then its words. What says nothing known is tried again. */
function refusalInside(body: Body, request: SourceRequest): Reading {
  const status = typeof body.status === "string" ? body.status : "no status";
  const text = textOf(body);
  const by = (of: FailureClass): Reading => failure(of, `HTTP 200 with ${status}: ${text}`);
  if (/maximum requests|too many requests|rate limit/i.test(text)) return by("rate-untold");
  if (/api ?key/i.test(text)) return by("auth");
  if (status === "NOT_AUTHORIZED" || /not entitled|upgrade your plan/i.test(text)) return by(planClass(text));
  if (status === "NOT_FOUND" || /not found/i.test(text)) return by(unlessPage("not-found", request));
  if (/invalid|could not parse|malformed|must be|bad request/i.test(text))
    return by(unlessPage("bad-request", request));
  return by("transient");
}

/** Also said of dates in the future: that range is refused, not the key and not the endpoint. */
function planClass(text: string): FailureClass {
  return /time ?frame/i.test(text) ? "plan-value" : "plan-endpoint";
}

/** A next page that is refused as such has grown stale: its first page is still good. */
function unlessPage(of: FailureClass, request: SourceRequest): FailureClass {
  return (readPage(request.target)?.cursor ?? null) === null ? of : "stale-cursor";
}

/** Two envelopes exist, with `error` and with `message`. */
function textOf(body: Body): string {
  return [body.error, body.message].filter((text) => typeof text === "string" && text !== "").join(" ");
}

function objectOf(json: unknown): Body | null {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Body) : null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function failure(of: FailureClass, message: string): Extract<Reading, { kind: "failure" }> {
  return { kind: "failure", class: of, message, waitMs: null };
}

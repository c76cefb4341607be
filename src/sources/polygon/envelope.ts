import type { Answer, FailureClass, Reading, SourceRequest } from "../../engine/ports.ts";

/** The JSON object that every answer of this provider is. */
export type Body = Readonly<Record<string, unknown>>;

/**
 * What an answer means whose data `readData` reads: refusals by status, refusals inside a 200, then the data. Null leaves
 * it to the HTTP status. Never throws.
 */
export function readEnvelope(answer: Answer, request: SourceRequest, readData: (body: Body) => Reading): Reading {
  const ok = answer.status >= 200 && answer.status < 300;
  const body = answer.isJson ? objectOf(answer.json) : null;
  if (body === null) return ok && answer.isJson ? failure("transient", "the body is not a JSON object") : null;
  if (!ok) return refusalByStatus(answer.status, body, request);
  if (body.status !== "OK" && body.status !== "DELAYED") return refusalInside(body, request);
  return readData(body);
}

/** An answer that is not data, without a told wait. */
export function failure(of: FailureClass, message: string): Extract<Reading, { kind: "failure" }> {
  return { kind: "failure", class: of, message, waitMs: null };
}

/** The records, none for an answer that says it has none, or why the body cannot be whole. */
export function recordsIn(body: Body): readonly unknown[] | string {
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
  return isLaterPage(request) ? "stale-cursor" : of;
}

/** Whether `request` asks for another page than the first. */
function isLaterPage({ target }: SourceRequest): boolean {
  return new URLSearchParams(target.split("?", 2)[1] ?? "").has("cursor");
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

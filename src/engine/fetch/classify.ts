import type { Series } from "../../core/dataset/series.ts";
import { DAY, type Instant, SECOND } from "../../core/time/instant.ts";
import type { Answer, FailureClass, Outcome, Source, SourceRequest } from "../ports.ts";
import { isTransportFailure, type RawAnswer, type TransportFailure } from "./http.ts";
import { layoutOf } from "./layout.ts";
import { isStrict, probe, recordsOf } from "./probe.ts";

type Failure = Extract<Outcome, { kind: "failure" }>;

/**
 * What came back for `request`: rows, or one class of failure. Never throws on what a provider sent.
 *
 * In this order, since status codes alone mislead: the transport; what the source reads in it (a refusal inside a 200,
 * the text of a 403); whether it is JSON at all; the HTTP status. Rows come only from a JSON answer with a status of
 * 2xx, whatever the source says, or from a file. A `Retry-After` applies to every class that waits.
 */
export function classifyAnswer(
  source: Source,
  series: Series,
  request: SourceRequest,
  answer: RawAnswer | TransportFailure,
): Outcome {
  if (isTransportFailure(answer)) {
    const isSlow = answer.kind === "timeout" && source.splitsOnTimeout === true;
    return failure(isSlow ? "slow-window" : TRANSPORT_CLASS[answer.kind], answer.message);
  }
  const seen: Answer = { status: answer.status, headers: answer.headers, ...probe(answer.body) };
  const toldMs = retryAfterMs(answer.headers, answer.receivedAt);
  const reading = source.classify(series, request, seen);
  if (reading?.kind === "failure") return withTold(reading, toldMs);
  // A file's lines are judged one by one when they are published.
  if (reading !== null && source.records.reader !== undefined && isSuccess(seen))
    return { ...reading, strict: false, layout: null };
  if (reading === null || !isData(seen)) return withTold(classifyStatus(seen), toldMs);
  const strict = isStrict(recordsOf(seen.json, source.records) ?? [], source.records);
  return { ...reading, strict, layout: strict ? layoutOf(seen.json, source.records) : null };
}

/**
 * The class of an answer by its HTTP status and by whether it is JSON, for answers of which the source knows no more.
 * A 2xx that is not data is a cut, garbled or foreign page: transient.
 */
export function classifyStatus(answer: Answer): Failure {
  const what = isPage(answer) ? "a web page where JSON is due" : answer.isJson ? "JSON" : "a body that is not JSON";
  const text = excerpt(answer.text);
  return failure(statusClass(answer), `HTTP ${answer.status} with ${what}${text === "" ? " (empty)" : `: ${text}`}`);
}

/**
 * Milliseconds to wait from `now` by the `Retry-After` header, or null without a readable one; never negative.
 * RFC 9110 10.2.3: a number of seconds or an HTTP date. A date is measured against the answer's own `Date`, where there
 * is one, so that a local clock that is off does not change the wait.
 */
export function retryAfterMs(headers: Readonly<Record<string, string>>, now: Instant): number | null {
  const value = headers["retry-after"]?.trim();
  if (value === undefined) return null;
  if (/^\d+$/.test(value)) return Math.min(MAX_TOLD_MS, Number(value) * SECOND);
  const until = parseHttpDate(value, now);
  if (until === null) return null;
  const from = parseHttpDate(headers.date?.trim() ?? "", now) ?? now;
  return Math.min(MAX_TOLD_MS, Math.max(0, until - from));
}

/** Longer told waits are mistakes (a date far off, seconds that are milliseconds); they would overflow timers, too. */
const MAX_TOLD_MS = 30 * DAY;

const TRANSPORT_CLASS: Readonly<Record<TransportFailure["kind"], FailureClass>> = {
  connect: "transient",
  timeout: "transient",
  cut: "transient",
  // Asking for the same again would end the same: half of the window may fit.
  "too-large": "slow-window",
  redirect: "bad-request",
  target: "bad-request",
};

const STATUS_CLASS: Readonly<Record<number, FailureClass>> = {
  401: "auth",
  402: "plan-endpoint",
  403: "plan-endpoint",
  404: "not-found",
  407: "auth",
  408: "transient",
  410: "not-found",
  425: "transient",
  429: "rate-untold",
  499: "transient",
};

function statusClass(answer: Answer): FailureClass {
  // A block page: the door is shut to this address for a while, not to this plan.
  if (answer.status === 403 && !answer.isJson) return "ban";
  if (answer.status < 300 || answer.status >= 500) return "transient";
  return STATUS_CLASS[answer.status] ?? "bad-request";
}

function isData(answer: Answer): boolean {
  return isSuccess(answer) && answer.isJson && !isPage(answer);
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function isPage({ headers, text, isJson }: Answer): boolean {
  return /^\s*(text\/html|application\/xhtml)/i.test(headers["content-type"] ?? "") || (!isJson && /^\s*</.test(text));
}

/** A told wait turns an untold excess into a told one; classes that do not wait ignore it. */
function withTold(reading: Failure, toldMs: number | null): Failure {
  const waitMs = reading.waitMs ?? toldMs;
  const told = reading.class === "rate-untold" && waitMs !== null ? "rate-told" : reading.class;
  return { ...reading, class: told, message: excerpt(reading.message, 400), waitMs };
}

function failure(of: FailureClass, message: string): Failure {
  return { kind: "failure", class: of, message, waitMs: null };
}

/** One printable line: what a provider sends must not drive a terminal or fill a log. */
function excerpt(text: string, chars = 160): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length > chars ? `${line.slice(0, chars - 1)}…` : line;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 9110 5.6.7: the three forms of an HTTP date, all UTC. `Date.parse` would also take `1.5` for a day in 2001. */
function parseHttpDate(text: string, now: Instant): number | null {
  const time = "(\\d\\d):(\\d\\d):(\\d\\d)";
  const imf = new RegExp(`^\\w{3}, (\\d\\d) (\\w{3}) (\\d{4}) ${time} GMT$`).exec(text);
  if (imf) return utc([imf[3], imf[2], imf[1]], imf.slice(4));
  const rfc850 = new RegExp(`^\\w{6,9}, (\\d\\d)-(\\w{3})-(\\d\\d) ${time} GMT$`).exec(text);
  if (rfc850) return utc([String(fullYear(Number(rfc850[3]), now)), rfc850[2], rfc850[1]], rfc850.slice(4));
  const asctime = new RegExp(`^\\w{3} (\\w{3}) ([ \\d]\\d) ${time} (\\d{4})$`).exec(text);
  if (asctime) return utc([asctime[6], asctime[1], asctime[2]], asctime.slice(3, 6));
  return null;
}

/** RFC 9110 5.6.7: a two-digit year more than 50 years ahead is the last one in the past. */
function fullYear(twoDigits: number, now: Instant): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

function utc(
  [year, month, day]: readonly (string | undefined)[],
  time: readonly (string | undefined)[],
): number | null {
  const index = MONTHS.indexOf(month ?? "");
  if (index < 0) return null;
  return Date.UTC(Number(year), index, Number(day), Number(time[0]), Number(time[1]), Number(time[2]));
}

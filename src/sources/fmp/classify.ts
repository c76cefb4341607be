import { isRolling, type RateLimit } from "../../core/budget/limits.ts";
import type { Answer, FailureClass, Reading } from "../../engine/ports.ts";

/**
 * What an answer means whose list `readList` reads: refusals by status and text, errors inside a 200, then the data. Null
 * leaves it to the HTTP status. Never throws. `limits` are those of the key: the provider uses one text for the minute's
 * and the day's.
 */
export function readAnswer(
  answer: Answer,
  limits: readonly RateLimit[],
  readList: (records: readonly unknown[]) => Reading,
): Reading {
  const error = errorIn(answer);
  if (answer.status >= 200 && answer.status < 300) {
    if (error !== null) return failure(classOfText(error, limits) ?? "transient", `HTTP 200 with an error: ${error}`);
    if (!answer.isJson) return null;
    return Array.isArray(answer.json) ? readList(answer.json) : failure("transient", "the body is not a list");
  }
  // Some refusals are plain text; a web page is the gateway's, not the provider's.
  const text = error ?? (isPage(answer) ? "" : answer.text);
  const of = classOfStatus(answer.status, text, limits);
  return of === null || (text === "" && !answer.isJson)
    ? null
    : failure(of, `HTTP ${answer.status}: ${text || "no reason given"}`);
}

/** An answer that is not data, without a told wait. */
export function failure(of: FailureClass, message: string): Extract<Reading, { kind: "failure" }> {
  return { kind: "failure", class: of, message, waitMs: null };
}

/** The status, where its text does not say it better; statuses without a meaning of their own are the engine's. */
function classOfStatus(status: number, text: string, limits: readonly RateLimit[]): FailureClass | null {
  const told = classOfText(text, limits);
  switch (status) {
    case 400:
      return "bad-request";
    case 401:
      return "auth";
    case 402:
    case 403:
      return told ?? "plan-endpoint";
    case 404:
      return "not-found";
    case 429:
      return told ?? excess(limits);
    default:
      return null;
  }
}

/** The class that a refusal's words name, or null. */
function classOfText(text: string, limits: readonly RateLimit[]): FailureClass | null {
  // Thirty days' worth of bytes: waiting a minute does not bring them back.
  if (/bandwidth limit/i.test(text)) return "quota";
  if (/limit reach/i.test(text)) return excess(limits);
  if (/invalid api ?key|account suspended/i.test(text)) return "auth";
  // Only this symbol or parameter: the text names an endpoint too.
  if (/premium query parameter|value set for/i.test(text)) return "plan-value";
  if (/restricted endpoint|exclusive endpoint|special endpoint|legacy endpoint/i.test(text)) return "plan-endpoint";
  return null;
}

/** A key without a limit by the minute has used up its day. */
function excess(limits: readonly RateLimit[]): FailureClass {
  return limits.some(isRolling) ? "rate-untold" : "quota";
}

/** The text of an object, or of a list of one object, that is an error and no record. */
function errorIn({ isJson, json }: Answer): string | null {
  const body: unknown = isJson && Array.isArray(json) && json.length === 1 ? (json as readonly unknown[])[0] : json;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return null;
  const { "Error Message": errorMessage, message, error } = body as Readonly<Record<string, unknown>>;
  const texts = [errorMessage, message, error].filter((text) => typeof text === "string" && text !== "");
  return texts.length === 0 ? null : texts.join(" ");
}

function isPage({ text }: Answer): boolean {
  return /^\s*</.test(text);
}

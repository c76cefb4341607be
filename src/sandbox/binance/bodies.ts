import type { Bar } from "../candle-series.ts";
import type { Answer } from "../provider.ts";
import { barAt } from "./intervals.ts";

/** The 200 with candles: lists of 12 values, prices and volumes as texts of 8 decimals. */
export function klinesAnswer(bars: readonly Bar[], interval: string): Answer {
  return {
    ...json(
      200,
      bars.map((bar) => wireRow(bar, interval)),
    ),
    isData: true,
  };
}

export function missingParameter(name: string): Answer {
  return refusal(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`);
}

export function illegalCharacters(name: string, range: RegExp): Answer {
  return refusal(-1100, `Illegal characters found in parameter '${name}'; legal range is '${range.source}'.`);
}

export function unreadParameters(read: number, sent: number): Answer {
  return refusal(-1104, `Not all sent parameters were read; read '${read}' parameter(s) but was sent '${sent}'.`);
}

export function invalidParameter(name: string): Answer {
  return refusal(-1130, `Data sent for parameter '${name}' is not valid.`);
}

export function invalidInterval(): Answer {
  return refusal(-1120, "Invalid interval.");
}

export function invalidSymbol(): Answer {
  return refusal(-1121, "Invalid symbol.");
}

/** More weight was used than a window has; `waitMs` is the rest of the window. */
export function tooMuchWeight(limit: number, waitMs: number): Answer {
  const advice = "Please use WebSocket Streams for live updates to avoid polling the API.";
  const msg = `Too much request weight used; current limit is ${limit} request weight per 1 MINUTE. ${advice}`;
  return { ...json(429, { code: -1003, msg }), headers: retryAfter(waitMs) };
}

/** The address is banned for `waitMs`, until `untilMs` of the real clock. */
export function banned(untilMs: number, waitMs: number): Answer {
  const advice = "Please use WebSocket Streams for live updates to avoid bans.";
  const msg = `Way too much request weight used; IP banned until ${Math.ceil(untilMs)}. ${advice}`;
  return { ...json(418, { code: -1003, msg }), headers: retryAfter(waitMs) };
}

/** A 429 that is not for weight: the service is busy. */
export function tooManyRequests(): Answer {
  return json(429, { code: -1003, msg: "Too many requests queued." });
}

/** An error that a 200 carries. */
export function failureInside200(): Answer {
  return json(200, { code: -1001, msg: "Internal error; unable to process your request. Please try again." });
}

export function notFound(): Answer {
  return json(404, { code: -1, msg: "no such endpoint in the sandbox" });
}

/** What the data do not have is made up here: turnover at the middle of the bar, no count of trades, no taker volumes. */
function wireRow({ t, o, h, l, c, v = 0, vw, n }: Bar, interval: string): readonly (string | number)[] {
  const quoteVolume = v * (vw ?? (h + l) / 2);
  const prices = [o, h, l, c, v].map(decimal);
  return [
    t,
    ...prices,
    barAt(interval, t).end - 1,
    decimal(quoteVolume),
    Math.round(n ?? 0),
    decimal(0),
    decimal(0),
    "0",
  ];
}

function decimal(value: number): string {
  return value.toFixed(8);
}

function retryAfter(waitMs: number): Readonly<Record<string, string>> {
  return { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) };
}

function refusal(code: number, msg: string): Answer {
  return json(400, { code, msg });
}

function json(status: number, body: object): Answer {
  return { status, contentType: "application/json;charset=UTF-8", body: JSON.stringify(body), isData: false };
}

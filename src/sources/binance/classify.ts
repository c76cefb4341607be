import { type Grid, slotAt } from "../../core/time/grid.ts";
import type { Answer, FailureClass, Reading } from "../../engine/ports.ts";
import { type KlinesQuery, lastOpen, nextPage } from "./klines.ts";

type Body = Readonly<Record<string, unknown>>;

/** What an answer to `asked` means; null leaves it to the HTTP status. Never throws. */
export function readKlines(answer: Answer, asked: KlinesQuery, grid: Grid): Reading {
  if (answer.status < 200 || answer.status >= 300) return refusal(answer);
  if (!answer.isJson) return null;
  if (Array.isArray(answer.json)) return readRows(answer.json, asked, grid);
  return byCode(answer) ?? failure("transient", `HTTP ${answer.status} without a list of candles: ${textOf(answer)}`);
}

/**
 * A page that is as long as it may be is followed by the next one, from after its last bar; a shorter one is the last.
 * No bar can open between the end of the last bar and the end of what was asked when they are the same instant.
 */
function readRows(records: readonly unknown[], asked: KlinesQuery, grid: Grid): Reading {
  const last = lastOpen(records, asked);
  const through = last === null ? null : slotAt(grid, last).end;
  const isFull = records.length >= asked.limit;
  if (isFull && last === null) {
    return failure("bad-request", "a full page without a bar that was asked for: the pages would never end");
  }
  const goesOn = isFull && last !== null && through !== null && through <= asked.endMs;
  return {
    kind: "rows",
    rows: records.length,
    next: goesOn ? nextPage(asked, last) : null,
    through,
    provisional: false,
  };
}

/** The status says the class where it has a meaning of its own; else the code in the body does. */
function refusal(answer: Answer): Reading {
  const by = (of: FailureClass, waitMs: number | null = null): Reading => ({
    ...failure(of, `HTTP ${answer.status}: ${textOf(answer)}`),
    waitMs,
  });
  switch (answer.status) {
    case 403:
      // The firewall's refusal, of the address and not of a plan: whatever the body is.
      return by("ban");
    case 418:
      return by("ban", banMs(answer));
    case 429:
      return by("rate-untold");
    case 451:
      return by("plan-endpoint");
    default:
      return byCode(answer) ?? (answer.status === 400 ? by("bad-request") : null);
  }
}

// https://github.com/binance/binance-spot-api-docs/blob/master/errors.md
const CODES: Readonly<Record<number, FailureClass>> = {
  [-1001]: "transient",
  [-1003]: "rate-untold",
  [-1007]: "transient",
  [-1008]: "transient",
  [-1121]: "bad-request",
};

function byCode(answer: Answer): Extract<Reading, { kind: "failure" }> | null {
  const code = bodyOf(answer).code;
  const of = typeof code === "number" ? CODES[code] : undefined;
  return of === undefined ? null : failure(of, `HTTP ${answer.status}: ${textOf(answer)}`);
}

/**
 * Milliseconds until a ban ends by the instant in its message, or null where `Retry-After` says it better or nothing
 * does. It is measured against the answer's own `Date`: this function has no clock.
 */
function banMs(answer: Answer): number | null {
  if (answer.headers["retry-after"] !== undefined) return null;
  const until = Number(/banned until (\d{13})\b/i.exec(textOf(answer))?.[1] ?? Number.NaN);
  const date = answer.headers.date ?? "";
  const now = / GMT$/.test(date) ? Date.parse(date) : Number.NaN;
  return Number.isNaN(until - now) ? null : Math.max(0, until - now);
}

/** `{"code":-1121,"msg":"Invalid symbol."}` as one line; the beginning of any other body. */
function textOf(answer: Answer): string {
  const { code, msg } = bodyOf(answer);
  if (typeof msg === "string") return typeof code === "number" ? `${code} ${msg}` : msg;
  return answer.text.trim() === "" ? "no reason given" : answer.text.slice(0, 160);
}

function bodyOf({ json }: Answer): Body {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Body) : {};
}

function failure(of: FailureClass, message: string): Extract<Reading, { kind: "failure" }> {
  return { kind: "failure", class: of, message, waitMs: null };
}

import type { Answer, FailureClass, Reading, SourceRequest } from "../../engine/ports.ts";

/** What the contract's error codes mean. Codes without a meaning of their own are the status's. */
const CLASS: Readonly<Record<string, FailureClass>> = {
  BAD_RANGE: "bad-request",
  WINDOW_TOO_LARGE: "slow-window",
  UNAUTHENTICATED: "auth",
  STORE_FORBIDDEN: "plan-value",
  STORE_NOT_FOUND: "plan-value",
  NOT_FOUND: "bad-request",
  CURSOR_EXPIRED: "stale-cursor",
  RETENTION: "plan-value",
  RATE_LIMITED: "rate-untold",
  INTERNAL: "transient",
  MAINTENANCE: "transient",
  GATEWAY_TIMEOUT: "slow-window",
};

/** What an answer means: an error by its code, also inside a 200; a page of lines that says whose they are. */
export function readAnswer(answer: Answer, store: string, pageAt: (cursor: string) => SourceRequest): Reading {
  const { status, isJson, json } = answer;
  const body = (isJson && typeof json === "object" && json !== null ? json : {}) as Body;
  if (typeof body.error === "object" && body.error !== null) {
    const { code, message } = body.error as Readonly<Record<string, unknown>>;
    const of = CLASS[String(code)] ?? (status === 504 ? "slow-window" : status < 300 ? "transient" : null);
    return of && failure(of, `HTTP ${status}: ${String(code)}: ${String(message)}`);
  }
  if (status === 504) return failure("slow-window", "HTTP 504: the window takes too long");
  if (status < 200 || status >= 300 || !isJson) return null;
  if (!Array.isArray(body.lines)) return failure("transient", "the answer has no `lines`");
  const lines: readonly unknown[] = body.lines;
  // Lines of another store are judged one by one; none of another store says nothing of the one that was asked.
  if (typeof body.store_id !== "string" || (lines.length === 0 && body.store_id !== store))
    return failure("bad-request", `asked ${store}, answered ${lines.length} lines for ${body.store_id}: not stored`);
  const { count, cursor } = (body.page ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof count === "number" && count !== lines.length) {
    return failure("transient", `${count} lines are announced and ${lines.length} sent`);
  }
  const next = typeof cursor === "string" && cursor !== "" ? pageAt(cursor) : null;
  return {
    kind: "rows",
    rows: lines.length,
    next,
    through: null,
    place: placeOf(lines),
    provisional: body.complete === false,
  };
}

interface Body {
  readonly error?: unknown;
  readonly store_id?: unknown;
  readonly lines?: unknown;
  readonly page?: unknown;
  readonly complete?: unknown;
}

/** The furthest line's place in the contract's order: time, ticket, line. */
function placeOf(lines: readonly unknown[]): string {
  const places = lines.map((line) => {
    const { closed_at, ticket_number, line_number } = (line ?? {}) as Readonly<Record<string, unknown>>;
    const at = Date.parse(String(closed_at));
    return `${Number.isNaN(at) ? 0 : at} ${String(ticket_number)} ${String(line_number).padStart(6, "0")}`;
  });
  return places.sort().at(-1) ?? "";
}

function failure(of: FailureClass, message: string): Reading {
  return { kind: "failure", class: of, message, waitMs: null };
}

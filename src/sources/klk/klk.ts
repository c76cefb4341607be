import { parseLimits } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { coverWithin } from "../../core/time/cover.ts";
import { addSlots } from "../../core/time/grid.ts";
import type { Interval } from "../../core/time/interval.ts";
import { daysTouched } from "../../core/time/local-days.ts";
import type { Answer, FailureClass, Reading, Source, SourceRequest } from "../../engine/ports.ts";
import { KLK_RECORDS } from "./records.ts";

/** Nobody has written down what the endpoint bears; the load is a shop's server. */
export const KLK_LIMITS = parseLimits("5/s");

export interface KlkSettings {
  /** Days asked for at once where nobody says otherwise: ranges of more than 2 to 5 are known to time out. Default 2. */
  readonly days?: number;
}

/**
 * Sale lines of a branch from `POST /ventas`: a range of whole local days comes in one answer.
 *
 * What the endpoint's hours mean is not known: they may hold for each day or cut the first and last one, and whether
 * `23:59` takes in that minute is open too. Without hours a question is about whole days in every reading.
 * The warehouse is not sent either: a wrong code is answered with silence. Each line tells its own.
 */
export function klkSource({ days = 2 }: KlkSettings = {}): Source {
  return {
    name: "klk",
    system: "klk",
    serves: ({ ask }) => Boolean(ask.branch),
    records: KLK_RECORDS,
    silentCaps: [],
    splitsOnTimeout: true,
    windows: ({ axis }, gaps, most = days) => coverWithin(gaps, (start) => addSlots(axis.grid, start, most)),
    request: (series, window) => requestOf(series, window),
    classify: (series, _request, answer) => readAnswer(series, answer),
  };
}

function requestOf({ ask, axis }: Series, window: Interval): SourceRequest {
  const { first, last } = daysTouched(axis.grid.zone, window);
  return {
    method: "POST",
    target: "/ventas",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sucursal: ask.branch, fecha_desde: first, fecha_hasta: last }),
  };
}

/** Errors come inside a 200, too; a range that is too long ends in a gateway's time-out or in none. */
function readAnswer(series: Series, { status, isJson, json }: Answer): Reading {
  const body = isJson && typeof json === "object" && json !== null ? json : null;
  const error = body !== null && "error" in body ? errorText(body.error) : null;
  if (error !== null) return failure(classOf(error), `HTTP ${status}: ${error}`);
  if (status === 504 || status === 408) return failure("slow-window", `HTTP ${status}: the range takes too long`);
  if (status < 200 || status >= 300 || body === null) return null;
  if (Array.isArray(body)) return rowsOf(body);
  const { meta, ventas } = body as { readonly meta?: unknown; readonly ventas?: unknown };
  if (!Array.isArray(ventas)) return failure("transient", "neither an array nor an object with `ventas`");
  const { sucursal, total_registros: total } = (meta ?? {}) as Readonly<Record<string, unknown>>;
  // Lines of another branch are judged one by one; none of another branch says nothing of the one that was asked.
  if (ventas.length === 0 && typeof sucursal === "string" && sucursal !== series.ask.branch) {
    return failure("bad-request", `asked ${series.ask.branch}, answered without lines for ${sucursal}`);
  }
  if (typeof total === "number" && total !== ventas.length) {
    return failure("transient", `${total} lines are announced and ${ventas.length} sent`);
  }
  return rowsOf(ventas);
}

function rowsOf(lines: readonly unknown[]): Reading {
  return { kind: "rows", rows: lines.length, next: null, through: null, provisional: false };
}

function failure(of: FailureClass, message: string): Reading {
  return { kind: "failure", class: of, message, waitMs: null };
}

function errorText(error: unknown): string | null {
  if (error === null || error === undefined || error === false || error === "") return null;
  return typeof error === "string" ? error : JSON.stringify(error);
}

/** What a message says, in the endpoint's language; others are the server's trouble and pass. */
function classOf(error: string): FailureClass {
  if (/tiempo de espera|time.?out|agotad/i.test(error)) return "slow-window";
  if (/no autorizad|unauthorized/i.test(error)) return "auth";
  if (/demasiadas solicitudes|too many/i.test(error)) return "rate-untold";
  // A branch that is not there: no other question about it will do.
  if (/no existe|no encontrad|not found/i.test(error)) return "plan-value";
  if (/falta |debe|posterior|cuerpo/i.test(error)) return "bad-request";
  return "transient";
}

import type { Answer } from "../provider.ts";
import { sum, withDigits } from "./decimal-text.ts";
import type { SaleDay } from "./sale-book.ts";
import type { SaleLine } from "./sale-line.ts";
import { zonedText } from "./zoned-text.ts";

/** Codes of the contract's error bodies, with their status. */
const STATUS = {
  BAD_RANGE: 400,
  WINDOW_TOO_LARGE: 400,
  UNAUTHENTICATED: 401,
  STORE_FORBIDDEN: 403,
  STORE_NOT_FOUND: 404,
  NOT_FOUND: 404,
  CURSOR_EXPIRED: 410,
  RETENTION: 422,
  RATE_LIMITED: 429,
  GATEWAY_TIMEOUT: 504,
} as const;
export type SalesErrorCode = keyof typeof STATUS;

export function salesError(code: SalesErrorCode, message: string, requestId: string, extra: object = {}): Answer {
  return json(STATUS[code], { error: { code, message, ...extra, request_id: requestId } });
}

/** An error body that a 200 carries. */
export function salesErrorInside200(requestId: string): Answer {
  return json(200, {
    error: { code: "INTERNAL", message: "The request could not be completed", request_id: requestId },
  });
}

/** A 200 with what was asked. */
export function salesAnswer(body: object): Answer {
  return { ...json(200, body), isData: true };
}

/** A line in the contract's words and order. */
export function wireLine(line: SaleLine, { zone, currency }: { zone: string; currency: string }): object {
  const isReturn = line.quantity.startsWith("-");
  const original = isReturn && line.originalInvoice !== null;
  return {
    ticket_number: line.invoice,
    line_number: line.line,
    type: isReturn ? "RETURN" : "SALE",
    status: line.type === "VOID" ? "VOIDED" : "CLOSED",
    ...(original ? { original_ticket: line.originalInvoice, original_line: line.originalLine } : {}),
    closed_at: zonedText(zone, line.at, "second"),
    business_date: line.soldAt.slice(0, 10),
    sku: line.product,
    description: line.description,
    quantity: line.quantity,
    unit: line.unit,
    unit_price: withDigits(line.unitPrice, 2),
    discount: withDigits(line.discount, 2),
    tax: withDigits(line.tax, 2),
    line_total: withDigits(line.total, 2),
    currency,
    version: line.version,
    updated_at: zonedText(zone, line.updatedAt, "second"),
  };
}

/** Sums of a window in all and by day. */
export function wireSums(days: readonly SaleDay[]): object {
  const count = (field: "tickets" | "lines" | "voidedLines") => days.reduce((total, day) => total + day[field], 0);
  return {
    tickets: count("tickets"),
    lines: count("lines"),
    voided_lines: count("voidedLines"),
    total: withDigits(sum(days.map(({ total }) => total)), 2),
    days: days.map((day) => ({
      business_date: day.date,
      tickets: day.tickets,
      lines: day.lines,
      voided_lines: day.voidedLines,
      total: withDigits(day.total, 2),
    })),
  };
}

function json(status: number, body: object): Answer {
  return { status, contentType: "application/json", body: JSON.stringify(body), isData: false };
}

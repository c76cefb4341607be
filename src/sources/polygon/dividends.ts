import type { RecordShape, Source } from "../../engine/ports.ts";
import { type ReferenceSettings, referenceSource } from "./reference.ts";

const RECORDS: RecordShape = {
  path: "results",
  fields: {
    ticker: { type: "string", required: true },
    ex_dividend_date: { type: "date", required: true },
    cash_amount: { type: "number", required: true },
    // Older records lack an id, a currency or the dates of the company's own calendar.
    id: { type: "string", required: false },
    currency: { type: "string", required: false },
    declaration_date: { type: "string", required: false, nullable: true },
    record_date: { type: "string", required: false, nullable: true },
    pay_date: { type: "string", required: false, nullable: true },
    frequency: { type: "integer", required: false, nullable: true },
    dividend_type: { type: "string", required: false },
  },
  stamp: "ex_dividend_date",
};

/** Cash dividends of shares and funds by ex-date. One ex-date can have two, a regular and a special one. */
export function polygonDividends(settings: ReferenceSettings = {}): Source {
  return referenceSource({ name: "polygon-dividends", path: "/v3/reference/dividends", records: RECORDS }, settings);
}

import type { Axis } from "../../core/dataset/axis.ts";
import { slotAt } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import { fromLocalMs, toLocalMs } from "../../core/time/zone.ts";
import type { Answer, Reading, SourceRequest } from "../../engine/ports.ts";
import { type Body, failure, readEnvelope, recordsIn } from "./envelope.ts";
import { lastBar, nextPage, type PageQuery } from "./pages.ts";

/** What an answer has to agree with. */
export interface Asked {
  readonly request: SourceRequest;
  readonly ticker: string;
  readonly axis: Axis;
  readonly query: PageQuery;
}

/** What an answer to a request for aggregates means; null leaves it to the HTTP status. Never throws. */
export function readAggregates(answer: Answer, asked: Asked): Reading {
  return readEnvelope(answer, asked.request, (body) => readRows(body, asked));
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

/** The next page, null on the last, or why the paging cannot be followed. */
function nextIn(
  body: Body,
  page: { request: SourceRequest; lastStart: Instant | null; query: PageQuery },
): SourceRequest | string | null {
  return typeof body.next_url === "string" && body.next_url !== "" ? nextPage(body.next_url, page) : null;
}

/** The end of the slot that a stamp stands for: days and weeks are read on the provider's clocks, as in `Stamp`. */
export function slotEnd({ grid, stamp }: Axis, at: Instant): Instant {
  const civil = grid.grain === "1d" || grid.grain === "1w";
  const ours = civil && stamp.zone !== grid.zone ? fromLocalMs(grid.zone, toLocalMs(stamp.zone, at)) : at;
  return slotAt(grid, ours).end;
}

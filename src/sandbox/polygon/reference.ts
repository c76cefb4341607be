import { type Dividend, eventId, isAnnounced, type Split } from "../events.ts";
import type { Answer, ProviderRequest } from "../provider.ts";
import { badRequest, referenceAnswer } from "./bodies.ts";
import type { PolygonWorld } from "./world.ts";

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 1_000;

type Row = Readonly<Record<string, string | number>> & { readonly id: string };

/** A list that can be asked for: how its rows are sorted unless told, and which fields filter and sort. */
interface Listing {
  readonly sort: string;
  readonly fields: Readonly<Record<string, "text" | "number">>;
  /** Filters that are no field. */
  readonly flags: readonly string[];
}

const DIVIDENDS: Listing = {
  sort: "ex_dividend_date",
  fields: {
    ticker: "text",
    ex_dividend_date: "text",
    record_date: "text",
    declaration_date: "text",
    pay_date: "text",
    frequency: "number",
    cash_amount: "number",
    dividend_type: "text",
  },
  flags: [],
};

const SPLITS: Listing = {
  sort: "execution_date",
  fields: { ticker: "text", execution_date: "text" },
  flags: ["reverse_split"],
};

/** `GET /v3/reference/dividends`. */
export function answerDividends(world: PolygonWorld, request: ProviderRequest): Answer {
  const rows = [...world.directory.events].flatMap(([ticker, { dividends }]) =>
    dividends.filter((one) => isAnnounced(one, world.nowMs)).map((one) => dividendRow(ticker, one)),
  );
  return answerList(DIVIDENDS, rows, request);
}

/** `GET /v3/reference/splits`. */
export function answerSplits(world: PolygonWorld, request: ProviderRequest): Answer {
  const rows = [...world.directory.events].flatMap(([ticker, { splits = [] }]) =>
    splits.filter((one) => isAnnounced(one, world.nowMs)).map((one) => splitRow(ticker, one)),
  );
  return answerList(SPLITS, rows, request);
}

/** Keys in the alphabetical order of recorded answers; dates that are not known are left out. */
function dividendRow(ticker: string, dividend: Dividend): Row {
  const { cashAmount, currency, declarationDate, type, exDate, frequency, payDate, recordDate } = dividend;
  return {
    cash_amount: cashAmount,
    currency,
    ...(declarationDate === undefined ? {} : { declaration_date: declarationDate }),
    dividend_type: type,
    ex_dividend_date: exDate,
    ...(frequency === undefined ? {} : { frequency }),
    id: eventId("dividend", ticker, dividend),
    ...(payDate === undefined ? {} : { pay_date: payDate }),
    ...(recordDate === undefined ? {} : { record_date: recordDate }),
    ticker,
  };
}

function splitRow(ticker: string, split: Split): Row {
  const id = eventId("split", ticker, split);
  return { execution_date: split.executionDate, id, split_from: split.from, split_to: split.to, ticker };
}

interface Question {
  readonly filters: readonly ((row: Row) => boolean)[];
  readonly sort: string;
  readonly order: "asc" | "desc";
  readonly limit: number;
  /** The row after which the page starts, or null on the first. */
  readonly after: { readonly value: string; readonly id: string } | null;
  /** What is asked, without the page. */
  readonly query: URLSearchParams;
}

function answerList(listing: Listing, rows: readonly Row[], request: ProviderRequest): Answer {
  const question = readQuestion(listing, request.query);
  if (typeof question === "string") return badRequest(request.requestId, question);
  const { filters, sort, order, limit, after } = question;
  const compare = (a: Row, b: Row): number =>
    (order === "asc" ? 1 : -1) * (compareValues(a[sort] ?? "", b[sort] ?? "") || compareValues(a.id, b.id));
  const wanted = rows.filter((row) => filters.every((passes) => passes(row))).sort(compare);
  const last = after && { id: after.id, [sort]: listing.fields[sort] === "number" ? Number(after.value) : after.value };
  const rest = last === null ? wanted : wanted.filter((row) => compare(row, last) > 0);
  const page = rest.slice(0, limit);
  const end = page[page.length - 1];
  const nextUrl = end === undefined || rest.length <= limit ? null : pageAfter(request, question, end);
  return referenceAnswer(page, request.requestId, nextUrl);
}

/** The address of the page after `row`: the whole question and that row are in its cursor, the key is not. */
function pageAfter(request: ProviderRequest, { query, sort }: Question, row: Row): string {
  const cursor = new URLSearchParams({ ap: String(row[sort] ?? ""), as: row.id });
  for (const [name, value] of query) cursor.append(name, value);
  return `${request.origin}${request.path}?cursor=${Buffer.from(cursor.toString()).toString("base64url")}`;
}

function readQuestion(listing: Listing, sent: URLSearchParams): Question | string {
  const cursor = sent.get("cursor");
  // A cursor holds all that was asked; what stands beside it is not looked at.
  const asked = cursor === null ? sent : new URLSearchParams(Buffer.from(cursor, "base64url").toString("utf8"));
  const ap = asked.get("ap");
  const as = asked.get("as");
  if (cursor !== null && (ap === null || as === null)) return "cursor is not valid";
  const query = new URLSearchParams(
    [...asked].filter(([name]) => !["apiKey", "apikey", "cursor", "ap", "as"].includes(name)),
  );
  const sort = query.get("sort") ?? listing.sort;
  const order = query.get("order") ?? "desc";
  const limit = Number(query.get("limit") ?? DEFAULT_LIMIT);
  if (!(sort in listing.fields)) return `sort must be one of ${Object.keys(listing.fields).join(", ")}`;
  if (order !== "asc" && order !== "desc") return "order must be asc or desc";
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) return `limit must be 1 to ${MAX_LIMIT}`;
  const filters: ((row: Row) => boolean)[] = [];
  for (const [name, value] of query) {
    if (name === "sort" || name === "order" || name === "limit") continue;
    const filter = listing.flags.includes(name) ? reverseFilter(value) : fieldFilter(listing, name, value);
    if (typeof filter === "string") return filter;
    filters.push(filter);
  }
  const after = ap === null || as === null ? null : { value: ap, id: as };
  return { filters, sort, order, limit, after, query };
}

function reverseFilter(value: string): ((row: Row) => boolean) | string {
  if (value !== "true" && value !== "false") return "reverse_split must be true or false";
  return (row) => Number(row.split_from) > Number(row.split_to) === (value === "true");
}

/** A filter by a field itself or with one of the suffixes for ranges. Names that are no field are refused. */
function fieldFilter(listing: Listing, name: string, value: string): ((row: Row) => boolean) | string {
  const [field = "", suffix, ...more] = name.split(".");
  const type = Object.hasOwn(listing.fields, field) ? listing.fields[field] : undefined;
  const passes = PASSES[suffix ?? "eq"];
  if (type === undefined || passes === undefined || more.length > 0) return `'${name}' is not a parameter of this path`;
  const limit = type === "number" ? Number(value) : value;
  if (value === "" || Number.isNaN(limit)) return `'${name}' has no usable value`;
  if (field.endsWith("_date") && !/^\d{4}-\d{2}-\d{2}$/.test(value)) return `'${name}' must be a date YYYY-MM-DD`;
  return (row) => row[field] !== undefined && passes(compareValues(row[field], limit));
}

const PASSES: Readonly<Record<string, (compared: number) => boolean>> = {
  eq: (compared) => compared === 0,
  gt: (compared) => compared > 0,
  gte: (compared) => compared >= 0,
  lt: (compared) => compared < 0,
  lte: (compared) => compared <= 0,
};

function compareValues(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

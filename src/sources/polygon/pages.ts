import type { Stamp } from "../../core/dataset/axis.ts";
import type { Grain } from "../../core/time/grid.ts";
import { type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import type { SourceRequest } from "../../engine/ports.ts";

/** Our timeframes as the provider names them: multiplier and timespan. */
export const TIMEFRAMES = {
  "1m": [1, "minute"],
  "5m": [5, "minute"],
  "15m": [15, "minute"],
  "30m": [30, "minute"],
  "1h": [1, "hour"],
  "4h": [4, "hour"],
  "1d": [1, "day"],
  "1w": [1, "week"],
} as const satisfies Partial<Record<Grain, readonly [number, string]>>;

export type Timeframe = keyof typeof TIMEFRAMES;

/** What a request for aggregates asks, apart from its series. */
export interface PageQuery {
  /** Null where the provider has no such choice (indices). */
  readonly adjusted: boolean | null;
  readonly limit: number;
}

/** One request for aggregates, read back from its target. */
export interface Page {
  /** `{ticker}/range/{multiplier}/{timespan}`, the part that names the series. */
  readonly series: string;
  /** Epoch milliseconds. */
  readonly fromMs: number;
  /** Epoch milliseconds in our own requests; a provider's next page may have a date. */
  readonly to: string;
  readonly cursor: string | null;
}

const ROOT = "/v2/aggs/ticker/";

/** The request for the bars of `ticker` that start in `[start, end)`; `end` itself is not asked. */
export function firstPage(
  ticker: string,
  timeframe: Timeframe,
  { start, end }: { start: Instant; end: Instant },
  query: PageQuery,
): SourceRequest {
  const [multiplier, timespan] = TIMEFRAMES[timeframe];
  const series = `${encodeTicker(ticker)}/range/${multiplier}/${timespan}`;
  return pageRequest({ series, fromMs: start, to: String(end - 1), cursor: null }, query);
}

/**
 * The request that `nextUrl` stands for, on our own host and with what it leaves out; or why it is not followed.
 * The address carries neither key nor `adjusted`, so both are sent again; its host is not looked at, since the request
 * goes to the configured one. It must name the same series, and start after all that this page has answered: else the
 * pages repeat or never end.
 */
export function nextPage(
  nextUrl: string,
  { request, lastStart, query }: { request: SourceRequest; lastStart: Instant | null; query: PageQuery },
): SourceRequest | string {
  const asked = readPage(request.target);
  const next = URL.canParse(nextUrl) ? readPage(pathOf(new URL(nextUrl))) : null;
  if (asked === null || next === null || next.series !== asked.series) {
    return "the next page is not one of the asked series";
  }
  if (next.fromMs > Number(asked.to)) return "the next page starts after the range that was asked";
  const progress = Math.max(asked.fromMs + MINUTE, lastStart === null ? 0 : lastStart + 1);
  if (next.fromMs < progress) return "the next page repeats this one: the pages would never end";
  return pageRequest({ ...next, to: asked.to }, query);
}

/** The page that `target` asks for, or null when it is no request for aggregates. */
export function readPage(target: string): Page | null {
  const [path = "", search = ""] = target.split("?", 2);
  if (!path.startsWith(ROOT)) return null;
  const [ticker = "", range, multiplier, timespan, from = "", to = "", ...more] = path.slice(ROOT.length).split("/");
  if (range !== "range" || more.length > 0 || to === "" || !/^\d{1,15}$/.test(from)) return null;
  const series = `${normalTicker(ticker)}/range/${multiplier}/${timespan}`;
  return { series, fromMs: Number(from), to, cursor: new URLSearchParams(search).get("cursor") };
}

/**
 * An instant within the last bar that starts in what `request` asked, or null when no record has a stamp there. Bars
 * beyond the range claim nothing; records may come in any order.
 */
export function lastBar(records: readonly unknown[], request: SourceRequest, stampAt: Stamp["at"]): Instant | null {
  const toMs = Number(readPage(request.target)?.to ?? Number.NaN);
  // A stamp at the end of a window belongs to the next slot by itself.
  const shift = stampAt === "end" ? 1 : 0;
  let last = -1;
  for (const record of records) {
    const t = (record as { readonly t?: unknown } | null)?.t;
    if (typeof t === "number" && Number.isSafeInteger(t) && t - shift > last && t - shift <= toMs) last = t - shift;
  }
  return last < 0 ? null : instant(last);
}

function pageRequest(page: Page, query: PageQuery): SourceRequest {
  const params: string[] = [];
  if (query.adjusted !== null) params.push(`adjusted=${query.adjusted}`);
  // A cursor carries limit and sort as base64; one that does not say so gets them again.
  if (page.cursor === null || !carriesPaging(page.cursor)) params.push("sort=asc", `limit=${query.limit}`);
  if (page.cursor !== null) params.push(`cursor=${encodeURIComponent(page.cursor)}`);
  return { method: "GET", target: `${ROOT}${page.series}/${page.fromMs}/${page.to}?${params.join("&")}` };
}

function carriesPaging(cursor: string): boolean {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  return /(^|&)limit=/.test(text) && /(^|&)sort=/.test(text);
}

function pathOf(url: URL): string {
  return url.pathname + url.search;
}

function encodeTicker(ticker: string): string {
  return encodeURIComponent(ticker).replaceAll("%3A", ":");
}

function normalTicker(segment: string): string {
  try {
    return encodeTicker(decodeURIComponent(segment));
  } catch {
    // A stray percent sign: equal to no ticker of ours.
    return segment;
  }
}

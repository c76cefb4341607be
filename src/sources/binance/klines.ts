import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { SourceRequest } from "../../engine/ports.ts";

/** What one request for candles asks. Both ends are epoch milliseconds and belong to the range. */
export interface KlinesQuery {
  readonly pair: string;
  /** The exchange names bars as we do; `1M` is a month, so case matters. */
  readonly interval: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly limit: number;
}

const ROOT = "/api/v3/klines";

/** The request for the bars of `window`: those that open in it. */
export function firstPage(asked: Pick<KlinesQuery, "pair" | "interval" | "limit">, window: Interval): SourceRequest {
  return pageRequest({ ...asked, startMs: window.start, endMs: window.end - 1 });
}

/** The request for what is left of `query` after a bar that opens at `last`. */
export function nextPage(query: KlinesQuery, last: Instant): SourceRequest {
  return pageRequest({ ...query, startMs: last + 1 });
}

/** What `target` asks, or null when it is no request for candles. */
export function readPage(target: string): KlinesQuery | null {
  const [path = "", search = ""] = target.split("?", 2);
  const query = new URLSearchParams(search);
  const [startMs, endMs, limit] = ["startTime", "endTime", "limit"].map((name) =>
    Number(query.get(name) ?? Number.NaN),
  );
  if (path !== ROOT || startMs === undefined || endMs === undefined || limit === undefined) return null;
  if (![startMs, endMs, limit].every(Number.isSafeInteger)) return null;
  return { pair: query.get("symbol") ?? "", interval: query.get("interval") ?? "", startMs, endMs, limit };
}

/** When the last bar that opens in what was asked opens, or null when none does; records may come in any order. */
export function lastOpen(records: readonly unknown[], { startMs, endMs }: KlinesQuery): Instant | null {
  let last = -1;
  for (const record of records) {
    const at: unknown = Array.isArray(record) ? record[0] : null;
    if (typeof at === "number" && Number.isSafeInteger(at) && at > last && at >= startMs && at <= endMs) last = at;
  }
  return last < 0 ? null : instant(last);
}

function pageRequest({ pair, interval, startMs, endMs, limit }: KlinesQuery): SourceRequest {
  const query = `symbol=${pair}&interval=${interval}&startTime=${startMs}&endTime=${endMs}&limit=${limit}`;
  return { method: "GET", target: `${ROOT}?${query}` };
}

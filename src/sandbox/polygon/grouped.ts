import { DAY, instant } from "../../core/time/instant.ts";
import { isDate, parseDate, startOfLocalDate } from "../../core/time/zone.ts";
import type { Bar } from "../candle-series.ts";
import { chooseSeries } from "../choose-series.ts";
import { newYorkClose } from "../closing-time.ts";
import { type AssetClass, type SeriesEntry, zoneOf } from "../data-directory.ts";
import type { Answer, ProviderRequest } from "../provider.ts";
import { badRequest, groupedAnswer, timeframeNotIncluded } from "./bodies.ts";
import { readPage } from "./read-page.ts";
import { servedSeries } from "./served-series.ts";
import type { PolygonWorld } from "./world.ts";

export const GROUPED_PATH =
  /^\/v2\/aggs\/grouped\/locale\/(us\/market\/stocks|global\/market\/(?:crypto|fx))\/([^/]+)$/;

interface Market {
  readonly classes: readonly AssetClass[];
  /** Where its dates start. */
  readonly zone: string;
  /** The stamp of its bars: the end of the window. */
  readonly endOf: (date: string) => number;
}

const UTC_DAY = { zone: "UTC", endOf: (date: string) => parseDate(date) + DAY - 1 } as const;

const MARKETS: Readonly<Record<string, Market>> = {
  "us/market/stocks": { classes: ["stock", "etf"], zone: "America/New_York", endOf: newYorkClose },
  "global/market/crypto": { classes: ["crypto"], ...UTC_DAY },
  "global/market/fx": { classes: ["forex"], ...UTC_DAY },
};

/** `GET /v2/aggs/grouped/locale/{us|global}/market/{stocks|crypto|fx}/{date}`: the day's bar of every ticker. */
export async function answerGrouped(world: PolygonWorld, request: ProviderRequest): Promise<Answer> {
  const { requestId, path, query } = request;
  const [, name = "", date = ""] = GROUPED_PATH.exec(path) ?? [];
  const market = MARKETS[name];
  if (market === undefined) throw new Error(`unreachable: no market ${name}`);
  const adjustedText = query.get("adjusted") ?? "true";
  if (!isDate(date)) return badRequest(requestId, "'date' must be a date YYYY-MM-DD");
  if (adjustedText !== "true" && adjustedText !== "false") {
    return badRequest(requestId, "adjusted must be true or false");
  }

  const entries = dailyEntries(world, market);
  const start = startOfLocalDate(market.zone, date);
  const earliest = Math.min(...entries.map(({ first }) => Date.parse(first)));
  const isBefore = entries.length > 0 && start + DAY <= earliest;
  if (isBefore || (world.nowMs !== null && start > world.nowMs)) return timeframeNotIncluded(requestId);

  const adjusted = adjustedText === "true";
  const endMs = market.endOf(date);
  const bars: { ticker: string; endMs: number; bar: Bar }[] = [];
  // A day that has not ended has no bar here yet.
  if (world.nowMs === null || endMs <= world.nowMs) {
    for (const entry of entries) {
      const bar = await barOf(world, entry, date, adjusted);
      if (bar !== null) bars.push({ ticker: entry.symbol, endMs, bar });
    }
  }
  return groupedAnswer({
    adjusted,
    bars,
    status: world.settings.isDelayed ? "DELAYED" : "OK",
    requestId,
    sendsEmptyResults: world.settings.sendsEmptyResults ?? false,
  });
}

/** The series that answers each ticker's days. */
function dailyEntries({ directory }: PolygonWorld, { classes }: Market): readonly SeriesEntry[] {
  const symbols = new Set(directory.manifest.series.map(({ symbol }) => symbol));
  return [...symbols].flatMap((symbol) => {
    const entry = chooseSeries(directory.entriesOf(symbol), 1, "day");
    return entry !== null && classes.includes(entry.assetClass) ? [entry] : [];
  });
}

async function barOf(world: PolygonWorld, entry: SeriesEntry, date: string, adjusted: boolean): Promise<Bar | null> {
  const series = servedSeries(world, entry, adjusted);
  if (series === null) return null;
  const zone = zoneOf(entry);
  const next = new Date(parseDate(date) + DAY).toISOString().slice(0, 10);
  const page = readPage(await series, {
    size: { multiplier: 1, timespan: "day", zone, fourHourAnchor: "local-midnight" },
    timeframe: entry.timeframe,
    isOwn: entry.timeframe === "1d",
    window: { start: instant(startOfLocalDate(zone, date)), end: startOfLocalDate(zone, next) },
    limit: 1,
    sort: "asc",
    nowMs: world.nowMs,
  });
  return page.bars[0] ?? null;
}

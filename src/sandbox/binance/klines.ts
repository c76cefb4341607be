import { spoilBars } from "../bar-faults.ts";
import type { Answer, ProviderRequest } from "../provider.ts";
import {
  illegalCharacters,
  invalidInterval,
  invalidParameter,
  invalidSymbol,
  klinesAnswer,
  missingParameter,
  unreadParameters,
} from "./bodies.ts";
import { isInterval, seriesFor } from "./intervals.ts";
import { readBars } from "./read-bars.ts";
import { entriesOfPair } from "./symbols.ts";
import type { BinanceWorld } from "./world.ts";

export const KLINES_PATH = "/api/v3/klines";

const DEFAULT_LIMIT = 500;

/** A larger limit is taken for this one. */
const MAX_LIMIT = 1_000;

const PARAMETERS = ["symbol", "interval", "startTime", "endTime", "limit"] as const;
const SYMBOL = /^[A-Z0-9-_.]{1,20}$/;
const WHOLE = /^[0-9]{1,20}$/;

interface Question {
  readonly symbol: string;
  readonly interval: string;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly limit: number;
}

/** `GET /api/v3/klines`. */
export async function answerKlines(world: BinanceWorld, request: ProviderRequest): Promise<Answer> {
  const question = readQuestion(request.query);
  if ("status" in question) return question;
  const { symbol, interval, startMs, endMs, limit } = question;
  const entries = entriesOfPair(world.directory, symbol);
  if (entries.length === 0) return invalidSymbol();
  const entry = seriesFor(interval, entries);
  if (entry === null) return invalidInterval();

  const { nowMs } = world;
  const isOwn = entry.timeframe === interval;
  const page = readBars(await world.directory.load(entry), { interval, isOwn, startMs, endMs, limit, nowMs });
  const spanMs = (page.bars[page.bars.length - 1]?.t ?? 0) - (page.bars[0]?.t ?? 0);
  const { bars, applied } = spoilBars({ ...page, spanMs }, request.dataFaults, request.faultSettings);
  const rows = Math.min(limit, world.silentCapRows ?? limit);
  return { ...klinesAnswer(bars.slice(0, rows), interval), faults: applied };
}

function readQuestion(query: URLSearchParams): Question | Answer {
  for (const name of ["symbol", "interval"]) if (!query.get(name)) return missingParameter(name);
  const { symbol = "", interval = "", ...rest } = Object.fromEntries(query);
  const unread = Object.keys(rest).filter((name) => !(PARAMETERS as readonly string[]).includes(name));
  if (unread.length > 0) return unreadParameters(query.size - unread.length, query.size);
  if (!SYMBOL.test(symbol)) return illegalCharacters("symbol", SYMBOL);
  const strange = Object.keys(rest).find((name) => !WHOLE.test(rest[name] ?? ""));
  if (strange !== undefined) return illegalCharacters(strange, WHOLE);
  if (!isInterval(interval)) return invalidInterval();
  const limit = Number(rest.limit ?? DEFAULT_LIMIT);
  if (limit < 1) return invalidParameter("limit");
  const timeOf = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
  return {
    symbol,
    interval,
    startMs: timeOf(rest.startTime),
    endMs: timeOf(rest.endTime),
    limit: Math.min(limit, MAX_LIMIT),
  };
}

import { DAY } from "../../core/time/instant.ts";
import { parseDate } from "../../core/time/zone.ts";
import { type Earnings, isAnnounced, reportedAt } from "../events.ts";
import type { Answer, ProviderRequest } from "../provider.ts";
import { badRequest, listAnswer } from "./bodies.ts";
import type { FmpWorld } from "./world.ts";

const MAX_ROWS = 1_000;
const MAX_CALENDAR_ROWS = 4_000;
const MAX_CALENDAR_DAYS = 90;

/** `GET /stable/earnings?symbol=&limit=`: one symbol's reports, newest first, those to come included. */
export function answerEarnings(world: FmpWorld, { query }: ProviderRequest): Answer {
  const symbol = query.get("symbol") ?? "";
  const limit = Number(query.get("limit") ?? MAX_ROWS);
  if (symbol === "") return badRequest("Invalid or missing query parameter - symbol");
  if (!Number.isInteger(limit) || limit < 1) return badRequest("Invalid or missing query parameter - limit");
  return listAnswer(rowsOf(world, symbol).slice(0, Math.min(limit, MAX_ROWS)));
}

/** `GET /stable/earnings-calendar?from=&to=`: every symbol's reports of at most 90 days, newest first. */
export function answerCalendar(world: FmpWorld, { query }: ProviderRequest): Answer {
  const [from, to] = [query.get("from") ?? "", query.get("to") ?? ""];
  for (const [name, text] of [
    ["from", from],
    ["to", to],
  ]) {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text ?? "")) return badRequest(`Invalid or missing query parameter - ${name}`);
  }
  const days = (Date.parse(to) - Date.parse(from)) / DAY + 1;
  if (!(days >= 1 && days <= MAX_CALENDAR_DAYS)) {
    return badRequest(`from and to must span 1 to ${MAX_CALENDAR_DAYS} days`);
  }
  const rows = [...world.directory.events.keys()]
    .flatMap((symbol) => rowsOf(world, symbol))
    .filter(({ date }) => date >= from && date <= to)
    .sort((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : 0));
  return listAnswer(rows.slice(0, MAX_CALENDAR_ROWS));
}

type EarningsRow = ReturnType<typeof earningsRow>;

function rowsOf({ directory, nowMs }: FmpWorld, symbol: string): readonly EarningsRow[] {
  return (directory.events.get(symbol)?.earnings ?? [])
    .filter((one) => isAnnounced(one, nowMs))
    .map((one) => earningsRow(symbol, one, nowMs))
    .sort((a, b) => (a.date < b.date ? 1 : -1));
}

/** What the present knows of a report: actual figures are null before it. Keys in the order of recorded answers. */
function earningsRow(symbol: string, earnings: Earnings, nowMs: number | null) {
  const reported = reportedAt(earnings);
  const isReported = nowMs === null || reported <= nowMs;
  const announced = earnings.announcedMs ?? parseDate(earnings.date);
  const changed = isReported ? reported : nowMs === null ? announced : Math.min(announced, nowMs);
  return {
    symbol,
    date: earnings.date,
    epsActual: isReported ? earnings.epsActual : null,
    epsEstimated: earnings.epsEstimated,
    revenueActual: isReported ? earnings.revenueActual : null,
    revenueEstimated: earnings.revenueEstimated,
    lastUpdated: new Date(changed).toISOString().slice(0, 10),
  };
}

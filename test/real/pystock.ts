import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Reply, Script } from "../e2e/kit.ts";
import { newYorkDate, newYorkToUtc } from "./new-york.ts";

// Daily prices of a thousand shares as they were collected, day by day, with what was collected later for the same day.

export interface Prices {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

/** One row that was collected twice with different values. */
export interface Revision {
  readonly symbol: string;
  readonly date: string;
  /** The day on which the new values were collected. */
  readonly collectedOn: string;
  readonly before: Prices;
  readonly after: Prices;
  /** What the adjusted close moved by, apart from the close itself: a split or a dividend that took effect. */
  readonly adjustment: number;
}

/** All revisions, in the order of their collection. */
export async function readRevisions(root: string): Promise<readonly Revision[]> {
  return (await readCsv(join(root, "equities/pystock-daily/revisions.csv.gz"))).map((row) => {
    const adjusted = (when: string): number => Number(row[`${when}_adj_close`]) / Number(row[`${when}_close`]);
    return {
      symbol: row.old_symbol ?? "",
      date: row.old_date ?? "",
      collectedOn: (row.collected_on ?? "").replace(/(\d{4})(\d\d)(\d\d)/, "$1-$2-$3"),
      before: pricesOf(row, "old_"),
      after: pricesOf(row, "new_"),
      adjustment: adjusted("new") / adjusted("old"),
    };
  });
}

/** The last values collected, by symbol and date. */
export async function readPrices(
  root: string,
  years: readonly number[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, Prices>>> {
  const bySymbol = new Map<string, Map<string, Prices>>();
  for (const year of years) {
    for (const row of await readCsv(join(root, `equities/pystock-daily/prices_${year}.csv.gz`))) {
      const days = bySymbol.get(row.symbol ?? "") ?? new Map<string, Prices>();
      bySymbol.set(row.symbol ?? "", days.set(row.date ?? "", pricesOf(row, "")));
    }
  }
  return bySymbol;
}

/** What a provider serves of a symbol's day; undefined where it has nothing. */
export type Serves = (symbol: string, date: string) => Prices | undefined;

/** A provider of daily bars under Polygon's contract, single symbols and all symbols of a date. */
export function dailyProvider(
  symbols: readonly string[],
  { serves, adjusted }: { readonly serves: Serves; readonly adjusted: boolean },
): Script {
  const bar = (symbol: string, date: string, t: number): object | null => {
    const prices = serves(symbol, date);
    if (!prices) return null;
    return { t, o: prices.open, h: prices.high, l: prices.low, c: prices.close, v: prices.volume };
  };
  return ({ url }): Reply => {
    const path = url.split("?")[0] ?? "";
    const grouped = /\/v2\/aggs\/grouped\/locale\/us\/market\/stocks\/(\d{4}-\d\d-\d\d)$/.exec(path)?.[1];
    const single = /\/v2\/aggs\/ticker\/([^/]+)\/range\/1\/day\/(\d+)\/(\d+)$/.exec(path);
    const results: object[] = [];
    if (grouped !== undefined) {
      for (const symbol of symbols) {
        const found = bar(symbol, grouped, newYorkToUtc(grouped, "16:00"));
        if (found) results.push({ T: symbol, ...found });
      }
    } else if (single) {
      const [, symbol = "", from = "", to = ""] = single;
      for (const date of datesBetween(Number(from), Number(to))) {
        const found = bar(decodeURIComponent(symbol), date, newYorkToUtc(date, "00:00"));
        if (found) results.push(found);
      }
    } else return { status: 404, body: { status: "NOT_FOUND", request_id: "r", message: "not found" } };
    const ticker = grouped === undefined ? { ticker: single?.[1] } : {};
    const count = results.length;
    return { status: 200, body: { ...ticker, adjusted, results, resultsCount: count, status: "OK", request_id: "r" } };
  };
}

/** Dates whose midnight in New York lies in [from, to]. */
function datesBetween(from: number, to: number): readonly string[] {
  const dates: string[] = [];
  const noon = 12 * 3_600_000;
  for (let at = Date.parse(newYorkDate(from)); ; at += 86_400_000) {
    const date = new Date(at + noon).toISOString().slice(0, 10);
    const midnight = newYorkToUtc(date, "00:00");
    if (midnight > to) return dates;
    if (midnight >= from) dates.push(date);
  }
}

function pricesOf(row: Readonly<Record<string, string>>, prefix: string): Prices {
  const number = (name: string): number => Number(row[`${prefix}${name}`]);
  return {
    open: number("open"),
    high: number("high"),
    low: number("low"),
    close: number("close"),
    volume: number("volume"),
  };
}

async function readCsv(path: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const [header = "", ...lines] = gunzipSync(await readFile(path))
    .toString("utf8")
    .trim()
    .split("\n");
  const names = header.trim().split(",");
  return lines.map((line) => {
    const cells = line.trim().split(",");
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
  });
}

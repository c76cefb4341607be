import { newYorkDate, newYorkToUtc } from "../real/new-york.ts";
import { adjust, type Bar, type MarketSeries, rollUp } from "./market.ts";
import { placeOf } from "./provider.ts";
import { COIN, type Simulation } from "./simulation.ts";

/** A row as it has to be stored. */
export interface TrueRow extends Bar {
  readonly symbol: string;
  readonly timeframe: string;
}

const DAY = 86_400_000;
const FIVE_MINUTES = 5 * 60_000;

/** Every row that the store must hold after the last night: what the provider serves then, of what is complete. */
export function trueRows({ scenario, series, oddities, days }: Simulation): readonly TrueRow[] {
  const last = days.length - 1;
  const now = Date.parse(`${days[last]?.date}T00:00:00Z`) + DAY + 6 * 3_600_000;
  const rows: TrueRow[] = [];
  for (const one of series) {
    const own = oddities.get(placeOf(one.symbol, one.timeframe));
    const symbol = one.isCoin ? COIN : one.symbol;
    const bars = adjust(
      one.bars,
      scenario.splits.filter((split) => split.symbol === one.symbol),
    ).filter((bar) => bar.t + LENGTH[one.timeframe] + SETTLE_MS <= now);
    const served = bars.flatMap((bar): readonly Bar[] => {
      const oddity = own?.get(bar.t);
      if (oddity?.kind === "vanished" && last >= oddity.from) return [];
      if (oddity?.kind === "late" && last < oddity.until) return [];
      if (oddity?.kind === "preliminary" && last < oddity.until)
        return [{ ...bar, c: (bar.o + bar.c) / 2, v: Math.floor(bar.v * 0.9) }];
      return [bar];
    });
    const add = (timeframe: string, list: readonly Bar[]): void => {
      for (const bar of list) rows.push({ symbol, timeframe, ...bar });
    };
    add(one.timeframe, served);
    // Weeks are the provider's own and of all its days; five minutes are made here, of the minutes that came.
    if (one.timeframe === "1d") add("1w", weeksOf(one, bars, now));
    if (one.timeframe === "1m")
      add(
        "5m",
        grouped(served, ({ t }) => Math.floor(t / FIVE_MINUTES) * FIVE_MINUTES),
      );
  }
  return rows;
}

/** Starts of days that the provider no longer has, or not yet, by symbol: nobody can have a row of them. */
export function absentDays({ series, oddities, days }: Simulation): ReadonlySet<string> {
  const last = days.length - 1;
  const absent = new Set<string>();
  for (const { symbol, timeframe, isCoin, bars } of series) {
    if (timeframe !== "1d") continue;
    for (const { t } of bars) {
      const oddity = oddities.get(placeOf(symbol, timeframe))?.get(t);
      const isGone = oddity?.kind === "vanished" && last >= oddity.from;
      const isToCome = oddity?.kind === "late" && last < oddity.until;
      if (isGone || isToCome) absent.add(`${isCoin ? COIN : symbol}/1d ${t}`);
    }
  }
  return absent;
}

/** Nobody asks for a bar before it has settled. */
const SETTLE_MS = 15 * 60_000;

// A day that changes its clocks ends an hour off; nights come six hours later.
const LENGTH = { "1m": 60_000, "1h": 3_600_000, "1d": DAY } as const;

/** Weeks begin on Sunday, in New York or for coins in UTC; one that has not ended is not stored. */
function weeksOf({ isCoin }: MarketSeries, days: readonly Bar[], now: number): readonly Bar[] {
  const start = (t: number): number => {
    const date = isCoin ? new Date(t).toISOString().slice(0, 10) : newYorkDate(t);
    const sunday = Date.parse(date) - new Date(date).getUTCDay() * DAY;
    return isCoin ? sunday : newYorkToUtc(new Date(sunday).toISOString().slice(0, 10), "00:00");
  };
  return grouped(days, ({ t }) => start(t)).filter(({ t }) => t + 7 * DAY + 3_600_000 <= now);
}

function grouped(bars: readonly Bar[], slotOf: (bar: Bar) => number): readonly Bar[] {
  const groups = new Map<number, Bar[]>();
  for (const bar of bars) {
    const slot = slotOf(bar);
    const own = groups.get(slot) ?? [];
    groups.set(slot, own);
    own.push(bar);
  }
  return [...groups].map(([slot, own]) => rollUp(slot, own));
}

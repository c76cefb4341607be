import { randomNumbers } from "../../src/sandbox/random.ts";
import type { Asked, Reply, Script } from "../e2e/kit.ts";
import type { Bar, MarketSeries } from "./market.ts";

/*
 * What is wrong with the provider, night by night: a script before the sandbox, drawn once from a seed. The sandbox itself
 * sees to splits, paging, limits and faults of transport; what happens to single bars is kept here, since the truth has
 * to know it.
 */

/** What happens to one bar; nights are counted from 0. */
export type Oddity =
  /** It is not there before this night. */
  | { readonly kind: "late"; readonly until: number }
  /** Before this night it has another close and less volume. */
  | { readonly kind: "preliminary"; readonly until: number }
  /** From this night on it is not there any more. */
  | { readonly kind: "vanished"; readonly from: number }
  /** The first answer of this night lacks it. */
  | { readonly kind: "left out"; readonly on: number };

export interface Trouble {
  /** Nights on which nobody is answered. */
  readonly outage: readonly number[];
  /** Nights on which one series is refused an answer, as `AAA 1/hour`. */
  readonly broken: ReadonlyMap<number, string>;
  /** How often each oddity befalls a bar. */
  readonly rates: Readonly<Record<Oddity["kind"], number>>;
}

/** Timeframes as the provider writes them. */
const SIZES = { "1m": "1/minute", "1h": "1/hour", "1d": "1/day" } as const;

/** How many nights a bar may change after it was first asked for, less than each timeframe's lookback. */
const NIGHTS = { "1m": 1, "1h": 1, "1d": 3 } as const;

/** The pipeline's own lookback, as its documents state it, less a bar. */
const LOOKBACK_MS = { "1m": 23 * 3_600_000, "1h": 23 * 3_600_000, "1d": 6 * 86_400_000 } as const;

/**
 * Draws the oddities of every bar: `nightOf` tells on which night a bar is first asked for, or null where it is too old
 * by then to change. What changes after nobody looks any more is nobody's to find.
 */
export function drawOddities(
  series: readonly MarketSeries[],
  {
    seed,
    rates,
    nightOf,
  }: Pick<Trouble, "rates"> & { readonly seed: number; readonly nightOf: (bar: Bar, reachMs: number) => number | null },
): ReadonlyMap<string, ReadonlyMap<number, Oddity>> {
  const uniform = randomNumbers(seed);
  const oddities = new Map<string, Map<number, Oddity>>();
  for (const { symbol, timeframe, bars } of series) {
    const own = new Map<number, Oddity>();
    oddities.set(placeOf(symbol, timeframe), own);
    for (const bar of bars) {
      const night = nightOf(bar, LOOKBACK_MS[timeframe]);
      if (night === null) continue;
      const after = night + 1 + Math.floor(uniform() * NIGHTS[timeframe]);
      let at = uniform();
      const struck = (kind: Oddity["kind"]): boolean => {
        at -= rates[kind];
        return at < 0 && at >= -rates[kind];
      };
      if (struck("late")) own.set(bar.t, { kind: "late", until: after });
      else if (struck("preliminary")) own.set(bar.t, { kind: "preliminary", until: after });
      else if (struck("vanished")) own.set(bar.t, { kind: "vanished", from: after });
      else if (struck("left out")) own.set(bar.t, { kind: "left out", on: night });
    }
  }
  return oddities;
}

export function placeOf(symbol: string, timeframe: keyof typeof SIZES): string {
  return `${symbol} ${SIZES[timeframe]}`;
}

/** The provider's door on the night that `present` tells. */
export function troubledProvider(
  oddities: ReturnType<typeof drawOddities>,
  { outage, broken }: Pick<Trouble, "outage" | "broken">,
  present: { readonly night: number },
): Script {
  const answered = new Set<string>();
  return (asked: Asked): Reply | null => {
    const { night } = present;
    if (outage.includes(night)) return { status: 500, body: "" };
    const place = `${decodeURIComponent(asked.ticker)} ${asked.size}`;
    if (broken.get(night) === place) return { status: 503, body: "" };
    const own = oddities.get(place);
    if (!own) return null;
    return {
      edit: (body) => {
        if (!Array.isArray(body.results)) return body;
        const id = `${night} ${place}`;
        const isFirst = !answered.has(id);
        answered.add(id);
        const results = (body.results as WireBar[]).flatMap((bar) => asServed(bar, own.get(bar.t), night, isFirst));
        const { results: _, ...rest } = body;
        const count = results.length;
        return {
          ...rest,
          resultsCount: count,
          ...("count" in body ? { count } : {}),
          ...(count > 0 ? { results } : {}),
        };
      },
    };
  };
}

/** A bar as aggregates write it. */
interface WireBar extends Bar {
  readonly vw?: number;
}

function asServed(bar: WireBar, oddity: Oddity | undefined, night: number, isFirst: boolean): readonly WireBar[] {
  switch (oddity?.kind) {
    case "late":
      return night < oddity.until ? [] : [bar];
    case "vanished":
      return night >= oddity.from ? [] : [bar];
    case "left out":
      return night === oddity.on && isFirst ? [] : [bar];
    case "preliminary":
      return night < oddity.until ? [{ ...bar, c: (bar.o + bar.c) / 2, v: Math.floor(bar.v * 0.9) }] : [bar];
    case undefined:
      return [bar];
    default:
      return oddity satisfies never;
  }
}

import { DAY, HOUR, MINUTE } from "../../../core/time/instant.ts";
import type { Arrivals } from "../../../engine/prove/arrivals.ts";
import { plural } from "../output.ts";

/** How late rows came, a line for each dataset and grain, and whether the declared lookback is long enough. */
export function arrivalLines(arrivals: readonly Arrivals[]): readonly string[] {
  return arrivals.map(({ dataset, grain, slots, slowestMs, lookbackMs, missed, suggestedMs }) => {
    const seen = `${dataset} ${grain}: ${plural(slots, "row")} up to ${delayText(slowestMs)} after ${slots === 1 ? "its slot" : "their slots"}`;
    const lookback = `lookback ${lengthText(lookbackMs)}`;
    if (missed > 0) return `${seen}; ${lookback} would have missed ${missed}; suggested ${lengthText(suggestedMs)}`;
    return suggestedMs > lookbackMs
      ? `${seen}; ${lookback} held them, with little to spare; suggested ${lengthText(suggestedMs)}`
      : `${seen}; ${lookback} is enough`;
  });
}

/** `40 min`, `26 h`, `5 d`: whole units, rounded up. */
function delayText(ms: number): string {
  if (ms < HOUR) return `${Math.ceil(ms / MINUTE)} min`;
  return ms < 3 * DAY ? `${Math.ceil(ms / HOUR)} h` : `${Math.ceil(ms / DAY)} d`;
}

/** A lookback as the configuration takes it, `6h` or `3d`, spaced. */
function lengthText(ms: number): string {
  return ms % DAY === 0 ? `${ms / DAY} d` : `${ms / HOUR} h`;
}

import { coverWithin } from "../../core/time/cover.ts";
import { addSlots, type Grid, slotAt } from "../../core/time/grid.ts";
import { DAY, type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { IntervalSet } from "../../core/time/interval-set.ts";

/** What bounds one request: the provider reads at most `limit` base bars, which are minutes or days, never our slots. */
export interface WindowBounds {
  readonly limit: number;
  /** Base minute bars of the longest day; 1,440 for a market that never closes. */
  readonly minutesPerDay: number;
}

/** The fewest windows that cover `gaps`, each of at most `limit` base bars: in order, disjoint, whole slots when the gaps are. */
export function coverGaps(grid: Grid, gaps: IntervalSet, bounds: WindowBounds): readonly Interval[] {
  return coverWithin(gaps, (start) => reachFrom(grid, start, bounds));
}

/** Where a window from `start` has to end: a slot's start, at least one slot on. */
export function reachFrom(grid: Grid, start: Instant, bounds: WindowBounds): Instant {
  if (grid.grain === "1d") return addSlots(grid, start, bounds.limit);
  if (grid.grain === "1w") return addSlots(grid, start, Math.max(1, Math.floor(bounds.limit / 7)));
  const furthest = slotAt(grid, instant(start + minuteReachMs(bounds))).start;
  return furthest > start ? furthest : slotAt(grid, start).end;
}

/** The longest stretch that holds at most `limit` minute bars wherever it starts: whole days, if it has one. */
function minuteReachMs({ limit, minutesPerDay }: WindowBounds): number {
  // When clocks jump forward inside it, a stretch of whole days holds an hour more of a market that closes at night.
  const spare = minutesPerDay < 1_440 ? 60 : 0;
  const days = Math.floor((limit - spare) / minutesPerDay);
  return days >= 1 ? days * DAY : limit * MINUTE;
}

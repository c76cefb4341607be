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

/**
 * The fewest windows that cover `gaps`, each of at most `limit` base bars: in order, disjoint, whole slots when the gaps
 * are. A window starts at a gap's start and takes in all that follows within its reach, the stretches between gaps
 * too; it ends at a gap's end, or where its reach does. Earliest start, longest reach is optimal for covering a line.
 */
export function coverGaps(grid: Grid, gaps: IntervalSet, bounds: WindowBounds): readonly Interval[] {
  const windows: Interval[] = [];
  let start: Instant | null = null;
  let end = instant(0);
  let reach = instant(0);
  for (const gap of gaps) {
    let at = gap.start;
    while (at < gap.end) {
      if (start === null || at >= reach) {
        if (start !== null) windows.push({ start, end });
        start = at;
        reach = reachFrom(grid, at, bounds);
      }
      end = instant(Math.min(gap.end, reach));
      at = end;
    }
  }
  if (start !== null) windows.push({ start, end });
  return windows;
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

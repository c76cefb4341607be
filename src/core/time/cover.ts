import { type Instant, instant } from "./instant.ts";
import type { Interval } from "./interval.ts";
import type { IntervalSet } from "./interval-set.ts";

/**
 * The fewest windows that cover `gaps`, none longer than `reachFrom` its start: in order, disjoint, whole slots when
 * gaps and reaches are. A window starts at a gap's start and takes in all that follows within its reach, the stretches
 * between gaps too; it ends at a gap's end, or where its reach does. Earliest start, longest reach is optimal for
 * covering a line. `reachFrom` returns a later instant than it is given, and never an earlier one for a later start.
 */
export function coverWithin(gaps: IntervalSet, reachFrom: (start: Instant) => Instant): readonly Interval[] {
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
        reach = reachFrom(at);
      }
      end = instant(Math.min(gap.end, reach));
      at = end;
    }
  }
  if (start !== null) windows.push({ start, end });
  return windows;
}

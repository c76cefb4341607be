import type { Axis, Stamp } from "../../core/dataset/axis.ts";
import { type Grain, slotAt } from "../../core/time/grid.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { fromLocalMs, toLocalMs } from "../../core/time/zone.ts";

/** Grains whose stamps are instants, whatever the zone; all longer ones are stamped with a date. */
const TIMED: ReadonlySet<Grain> = new Set(["1m", "5m", "15m", "30m", "1h", "4h"]);

/** The slot that a record with this stamp is of, as far as its stamp tells: one off the grid is inside it. */
export function slotOfStamp({ grid }: Pick<Axis, "grid">, stamp: Instant, { zone, at }: Stamp): Interval {
  const isDated = !TIMED.has(grid.grain) && zone !== grid.zone;
  const edge = isDated ? fromLocalMs(grid.zone, toLocalMs(zone, stamp)) : stamp;
  return slotAt(grid, at === "start" ? edge : instant(edge - 1));
}

import type { Axis } from "../../core/dataset/axis.ts";
import { fixedStep } from "../../core/dataset/slot-numbers.ts";
import { type Grid, slotsIn } from "../../core/time/grid.ts";
import { HOUR, type Instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { fromLocalMs, toLocalMs } from "../../core/time/zone.ts";
import type { PublishedSeries } from "../../engine/store-port.ts";

/** Series that share a grid, a calendar and a stamp share the tables that SQL joins to them. */
export interface AxisGroup {
  readonly no: number;
  readonly axis: Axis;
  /** Milliseconds of every slot, or null where slots are civil and vary; then they are listed. */
  readonly stepMs: number | null;
}

const FIXED: Partial<Record<Grid["grain"], number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
};

/** Groups `series` by axis; the group of each, in order. */
export function groupByAxis(series: readonly Pick<PublishedSeries, "series">[]): {
  readonly groups: readonly AxisGroup[];
  readonly groupOf: readonly AxisGroup[];
} {
  const groups = new Map<string, AxisGroup>();
  const groupOf = series.map(({ series: { axis } }) => {
    const id = JSON.stringify([axis.grid, axis.calendar.name, axis.stamp]);
    const group = groups.get(id) ?? { no: groups.size, axis, stepMs: fixedStep(axis.grid) };
    groups.set(id, group);
    return group;
  });
  return { groups: [...groups.values()], groupOf };
}

/** Slots of a civil grid in `span` by the stamp that the provider gives each. */
export function stampsOf(axis: Axis, span: Interval): ReadonlyMap<number, Interval> {
  const stamps = new Map<number, Interval>();
  for (const slot of slotsIn(axis.grid, span)) {
    stamps.set(stampOf(axis, axis.stamp.at === "start" ? slot.start : slot.end), slot);
  }
  return stamps;
}

/** Bars of a day and longer are stamped with a date: the same clock time in the stamp's zone as in the grid's. */
function stampOf({ grid, stamp }: Axis, edge: Instant): number {
  const dated = FIXED[grid.grain] === undefined && grid.grain !== "4h";
  return dated && stamp.zone !== grid.zone ? fromLocalMs(stamp.zone, toLocalMs(grid.zone, edge)) : edge;
}

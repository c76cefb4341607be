import type { Axis } from "../../core/dataset/axis.ts";
import { type Grid, slotsIn } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, union } from "../../core/time/interval-set.ts";
import { fromLocalMs, offsetSpans, toLocalMs } from "../../core/time/zone.ts";
import type { PublishedSeries } from "../../engine/store-port.ts";

/** Series that share a grid, a calendar and a stamp share the tables that SQL joins to them. */
export interface AxisGroup {
  readonly no: number;
  readonly axis: Axis;
  /** Milliseconds of every slot, or null where slots are civil and vary; then they are listed. */
  readonly stepMs: number | null;
  readonly due: IntervalSet;
  /** Due slots of the calendar's longest session. */
  readonly sessionSlots: number;
}

const FIXED: Partial<Record<Grid["grain"], number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "30m": 1_800_000,
  "1h": 3_600_000,
};

/** Groups `series` by axis; the group of each, in order. */
export function groupByAxis(series: readonly PublishedSeries[]): {
  readonly groups: readonly AxisGroup[];
  readonly groupOf: readonly number[];
} {
  const byId = new Map<string, { no: number; axis: Axis; due: IntervalSet[] }>();
  const groupOf: number[] = [];
  for (const { series: one, due } of series) {
    const { grid, calendar, stamp } = one.axis;
    const id = JSON.stringify([grid, calendar.name, stamp]);
    const group = byId.get(id) ?? { no: byId.size, axis: one.axis, due: [] };
    byId.set(id, group);
    group.due.push(due);
    groupOf.push(group.no);
  }
  const groups = [...byId.values()].map(({ no, axis, due }): AxisGroup => {
    const stepMs = fixedStep(axis);
    const all = union(...due);
    return { no, axis, stepMs, due: all, sessionSlots: sessionSlots(axis, all, stepMs) };
  });
  return { groups, groupOf };
}

/** Due slots as rows for SQL: `start`, `end`, milliseconds of a slot, and the ordinal of the first. */
export function dueRows(group: AxisGroup): readonly (readonly [number, number, number, number])[] {
  const rows: [number, number, number, number][] = [];
  let ordinal = 0;
  for (const span of group.due) {
    if (group.stepMs !== null) {
      rows.push([span.start, span.end, group.stepMs, ordinal]);
      ordinal += Math.round((span.end - span.start) / group.stepMs);
    } else {
      for (const slot of slotsIn(group.axis.grid, span)) {
        rows.push([slot.start, slot.end, slot.end - slot.start, ordinal]);
        ordinal++;
      }
    }
  }
  return rows;
}

/** Slots of a civil grid in `span`, each with the stamp that the provider gives it. */
export function stampRows(axis: Axis, span: Interval): readonly (readonly [number, number, number])[] {
  const rows: [number, number, number][] = [];
  for (const slot of slotsIn(axis.grid, span)) {
    const edge = axis.stamp.at === "start" ? slot.start : slot.end;
    rows.push([stampOf(axis, edge), slot.start, slot.end]);
  }
  return rows;
}

/** The same clock time in the stamp's zone as `edge` is in the grid's. */
function stampOf(axis: Axis, edge: Instant): number {
  if (axis.stamp.zone === axis.grid.zone) return edge;
  return fromLocalMs(axis.stamp.zone, toLocalMs(axis.grid.zone, edge));
}

/** The step of a grid whose slots all have one length and start at its multiples in UTC, else null. */
function fixedStep(axis: Axis): number | null {
  const step = axis.grid.grain === "4h" && axis.grid.anchor === "utc" ? 4 * 3_600_000 : FIXED[axis.grid.grain];
  if (step === undefined || axis.stamp.zone !== axis.grid.zone) return null;
  return offsetSpans(axis.grid.zone).every((span) => span.offsetMs % step === 0) || axis.grid.grain === "4h"
    ? step
    : null;
}

function sessionSlots(axis: Axis, due: IntervalSet, stepMs: number | null): number {
  let longest = 1;
  const last = due[due.length - 1];
  if (!last || stepMs === null) return longest;
  for (const session of axis.calendar.sessions({ start: (last.end - 14 * 86_400_000) as Instant, end: last.end })) {
    longest = Math.max(longest, Math.ceil((session.close - session.open) / stepMs));
  }
  return longest;
}

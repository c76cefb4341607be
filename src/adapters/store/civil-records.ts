import { type Grid, slotAt } from "../../core/time/grid.ts";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { containsAll, type IntervalSet, normalize, union } from "../../core/time/interval-set.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { RecordShape } from "../../engine/ports.ts";
import { stampsOf } from "./axes.ts";
import type { Context } from "./context.ts";
import { fillTable, hasRows, rowsOf } from "./rows.ts";

/** Stamps outside these years cannot belong to a slot and are not looked up: 1970 to 2100. */
export const STAMP_LIMITS = { min: 0, max: 4_102_444_800_000 };

/** Records of series whose slots follow the calendar of a zone, and so have to be listed to be found. */
interface CivilRecords {
  readonly objects: readonly ObjectRecord[];
  readonly shape: RecordShape;
  /** SQL of records with `axis_no` and `stamp_ms`. */
  readonly queries: readonly string[];
  /** Stages what a query of records gives, `slot_ms` and `slot_end` among it. */
  readonly insert: (placed: string) => Promise<void>;
}

/**
 * Stages civil records. The slots around what was asked are listed first, so that bodies are read once; where a record
 * finds none among them, all up to the farthest stamps, and the bodies are read again.
 */
export async function stageCivil(context: Context, civil: CivilRecords): Promise<void> {
  const { connection } = context;
  const asked = askedSpans(context, civil.objects);
  await insertAmong(context, civil, asked);
  const staged = `object_no in (${civil.objects.map(({ ordinal }) => ordinal).join(", ")})`;
  if (!(await hasRows(connection, `select 1 from staged_t where ${staged} and reason = 'off_grid'`))) return;
  const all = new Map(asked);
  let isFar = false;
  for (const [axisNo, span] of await stampSpans(context, civil.queries)) {
    const around = [widened(gridOf(context, axisNo), span)];
    const known = asked.get(axisNo) ?? [];
    isFar ||= !containsAll(known, around);
    all.set(axisNo, union(known, around));
  }
  if (!isFar) return;
  await connection.run(`delete from staged_t where ${staged}`);
  await insertAmong(context, civil, all);
}

/** What the objects answer and some slots around it, by axis. */
function askedSpans({ claims, groupOf }: Context, objects: readonly ObjectRecord[]): ReadonlyMap<number, IntervalSet> {
  const asked = new Set(objects);
  const spans = new Map<number, Interval[]>();
  for (const { object, seriesNo } of claims) {
    const group = groupOf[seriesNo];
    if (group === undefined || !asked.has(object)) continue;
    const own = spans.get(group.no) ?? [];
    if (own.length === 0) spans.set(group.no, own);
    own.push(widened(group.axis.grid, object.answered));
  }
  return new Map([...spans].map(([axisNo, own]) => [axisNo, normalize(own)]));
}

/** First and last stamp of the records, by axis. */
async function stampSpans({ connection }: Context, queries: readonly string[]): Promise<ReadonlyMap<number, Interval>> {
  const rows = await rowsOf(
    connection,
    `select axis_no, min(stamp_ms) as low, max(stamp_ms) + 1 as high from (${queries.join(" union all by name ")})
     where stamp_ms between ${STAMP_LIMITS.min} and ${STAMP_LIMITS.max} group by axis_no`,
  );
  return new Map(
    rows.map(({ axis_no, low, high }) => [
      Number(axis_no),
      { start: instant(Number(low)), end: instant(Number(high)) },
    ]),
  );
}

/** Two slots more on each side: a stamp may be a slot's end, on clocks of another zone. */
function widened(grid: Grid, { start, end }: Interval): Interval {
  const before = (at: Instant): Instant => slotAt(grid, instant(slotAt(grid, at).start - 1)).start;
  const after = slotAt(grid, slotAt(grid, end).end);
  return { start: before(before(start)), end: slotAt(grid, after.end).end };
}

async function insertAmong(
  context: Context,
  { shape, queries, insert }: CivilRecords,
  spans: ReadonlyMap<number, IntervalSet>,
): Promise<void> {
  const isWithin = shape.stampWithin !== undefined;
  const slots = [...spans].flatMap(([axisNo, set]) => {
    const { axis } = context.groups[axisNo] ?? unknown(axisNo);
    const stamped = shape.stamped === undefined ? axis : { ...axis, stamp: shape.stamped };
    return set
      .flatMap((span) => [...stampsOf(stamped, span)])
      .flatMap(([at, { start, end }]) => {
        const days = isWithin ? daysTouched(start, end) : [null];
        return days.map((day) => [axisNo, at, day, start, end]);
      });
  });
  await fillTable(
    context.connection,
    "stamp_t",
    "axis_no integer, stamp_ms bigint, day_no bigint, slot_ms bigint, slot_end bigint",
    slots,
  );
  // By equality first: a range alone would hold every record against every slot.
  const isIn =
    shape.stampWithin === "(start, end]" ? ["> s.slot_ms", "<= s.slot_end"] : [">= s.slot_ms", "< s.slot_end"];
  const isItsSlot = isWithin
    ? `s.day_no = r.stamp_ms // ${DAY} and r.stamp_ms ${isIn[0]} and r.stamp_ms ${isIn[1]}`
    : "s.stamp_ms = r.stamp_ms";
  for (const records of queries) {
    await insert(`select r.*, s.slot_ms, s.slot_end from (${records}) r
      left join stamp_t s on s.axis_no = r.axis_no and ${isItsSlot}`);
  }
}

/** Numbers of the UTC days that a slot touches, its end included: days since 1970. */
function daysTouched(start: Instant, end: Instant): readonly number[] {
  const first = Math.floor(start / DAY);
  return Array.from({ length: Math.floor(end / DAY) - first + 1 }, (_, i) => first + i);
}

function gridOf({ groups }: Context, axisNo: number): Grid {
  return (groups[axisNo] ?? unknown(axisNo)).axis.grid;
}

function unknown(axisNo: number): never {
  throw new Error(`unreachable: axis ${axisNo} is not in this publication`);
}

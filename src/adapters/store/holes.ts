import type { DuckDBConnection } from "@duckdb/node-api";
import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import { countSlotsOf, slotAt } from "../../core/time/grid.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, type IntervalSet, normalize, spanOf } from "../../core/time/interval-set.ts";
import type { PublishedSeries, PublishRequest } from "../../engine/store-port.ts";
import type { AxisGroup } from "./axes.ts";
import { rowsOf } from "./rows.ts";
import { tableName } from "./tables.ts";

/**
 * For each series of a publication: the answered, due stretches without a row that are holes (dense axis) or suspect
 * (sparse axis). All that was ever answered is judged anew from the stored rows, so that the verdict depends on what
 * is there and not on how publications were grouped.
 */
export async function findHoles(
  connection: DuckDBConnection,
  request: PublishRequest,
  groups: readonly AxisGroup[],
  groupOf: readonly number[],
): Promise<readonly IntervalSet[]> {
  const { dataset, suspects } = request;
  const onKey = dataset.key.map((k) => `c.${k} = s.${k}`).join(" and ");
  await connection.run(`create or replace temp table present_t as
    select p.series_no, p.dense, p.slot_ms, d.end_ms, d.step_ms, d.first_ord + (p.slot_ms - d.start_ms) // d.step_ms as ord
    from (select s.series_no, s.axis_no, s.dense, epoch_ms(c.${dataset.time}) as slot_ms
          from ${tableName(dataset)} c join series_t s on ${onKey}) p
    asof join due_t d on p.axis_no = d.axis_no and p.slot_ms >= d.start_ms
    where p.slot_ms < d.end_ms`);
  await connection.run(`create or replace temp table step_t as
    select series_no, slot_ms, ord - lag(ord) over w - 1 as quiet, lag(slot_ms) over w as previous_ms
    from present_t window w as (partition by series_no order by ord)`);
  // The usual silence is taken from stretches within a session only, and as the lower quantile: otherwise one hole
  // among fewer than 1,000 bars would be its own yardstick.
  const sessionSlots = groups.map((group) => `when ${group.no} then ${group.sessionSlots}`).join(" ");
  await connection.run(`create or replace temp table usual_t as
    select series_no, min(quiet) filter (where upto > floor(${suspects.quantile} * (total - 1))) as usual
    from (select series_no, quiet, sum(n) over (partition by series_no order by quiet) as upto,
            sum(n) over (partition by series_no) as total
          from (select t.series_no, t.quiet, count(*) as n from step_t t join series_t s on s.series_no = t.series_no
                where t.quiet < case s.axis_no ${sessionSlots} end group by t.series_no, t.quiet))
    group by series_no`);
  const statistics = await rowsOf(
    connection,
    `select s.series_no, min(p.slot_ms) as first_ms, max(p.slot_ms) as last_ms,
       count(distinct p.slot_ms // 86400000) as sessions, any_value(u.usual) as usual
     from series_t s left join present_t p on p.series_no = s.series_no
     left join usual_t u on u.series_no = s.series_no
     group by s.series_no order by s.series_no`,
  );
  const limits = statistics.map((row) => {
    const no = Number(row.series_no);
    const group = groups[groupOf[no] ?? 0];
    if (!group) throw new Error(`unreachable: series ${no} has no axis`);
    return { no, limit: quietLimit(request.series[no], group, suspects, row) };
  });
  const cases = limits.map(({ no, limit }) => `when ${no} then ${limit}`).join(" ");
  const stretches = await rowsOf(
    connection,
    `select series_no, previous_ms, slot_ms from step_t
     where quiet > case series_no ${cases} else 0 end order by series_no, slot_ms`,
  );
  return request.series.map((one, no) => {
    const row = statistics[no];
    const limit = limits[no]?.limit ?? 0;
    const candidates = stretches
      .filter((stretch) => Number(stretch.series_no) === no)
      .map((stretch) => between(one, instant(Number(stretch.previous_ms)), instant(Number(stretch.slot_ms))));
    const whole = spanOf(one.answered);
    if (whole !== null) {
      if (row?.first_ms === null || row?.first_ms === undefined) candidates.push(whole);
      else {
        candidates.push({ start: whole.start, end: instant(Number(row.first_ms)) });
        candidates.push(between(one, instant(Number(row.last_ms)), whole.end));
      }
    }
    return holesIn(
      one,
      candidates.filter((span) => span.start < span.end),
      limit,
    );
  });
}

/** Due slots in a row without a bar that are still ordinary for this series. */
function quietLimit(
  one: PublishedSeries | undefined,
  group: AxisGroup,
  rule: SuspectRule,
  row: Readonly<Record<string, unknown>>,
): number {
  if (!one || one.series.axis.density === "dense") return 0;
  if (Number(row.sessions) >= rule.minSessions && row.usual !== null)
    return Math.floor(rule.factor * Number(row.usual));
  return group.sessionSlots - 1;
}

/** Of `candidates`: the parts that were answered, cut where something due was never asked, longer than `limit`. */
function holesIn(one: PublishedSeries, candidates: readonly Interval[], limit: number): IntervalSet {
  const holes: Interval[] = [];
  for (const candidate of candidates) {
    for (const part of clip(one.answered, candidate)) {
      const due = clip(one.due, part);
      const span = spanOf(due);
      if (span !== null && countSlotsOf(one.series.axis.grid, due) > limit) holes.push(span);
    }
  }
  return normalize(holes);
}

/** From the end of the slot at `previous` to the start of the one at `next`. */
function between(one: PublishedSeries, previous: Instant, next: Instant): Interval {
  return { start: slotAt(one.series.axis.grid, previous).end, end: next };
}

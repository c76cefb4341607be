import type { DuckDBConnection } from "@duckdb/node-api";
import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import { slotAt } from "../../core/time/grid.ts";
import { HOUR, instant } from "../../core/time/instant.ts";
import { type IntervalSet, normalize } from "../../core/time/interval-set.ts";
import type { PublishedSeries } from "../../engine/store-port.ts";
import { rowsOf } from "./rows.ts";

/**
 * For each series: the slots among `filled` (of `filledSlots`) that hold far fewer rows than its slots on the same
 * weekday usually do, all judged anew. A weekday without enough slots or rows judges nothing.
 */
export async function findThin(
  connection: DuckDBConnection,
  {
    filled,
    series,
    suspects,
  }: { readonly filled: string; readonly series: readonly PublishedSeries[]; readonly suspects: SuspectRule },
): Promise<readonly IntervalSet[]> {
  const { thin } = suspects;
  if (thin === undefined) return series.map(() => []);
  const { share, minSlots, minRows } = thin;
  // Half a day on, a day's start lies on its own date in nearly every zone.
  const found = await rowsOf(
    connection,
    `with counted as (
       select *, dayofweek(epoch_ms(slot_ms + ${12 * HOUR})) as weekday from ${filled}),
     usual as (
       select series_no, weekday, median(n) as n from counted group by series_no, weekday
       having count(*) >= ${minSlots} and median(n) >= ${minRows})
     select c.series_no, c.slot_ms from counted c join usual u using (series_no, weekday)
     where c.n < ${share} * u.n order by c.series_no, c.slot_ms`,
  );
  return series.map(({ series: { axis } }, i) =>
    normalize(found.filter((row) => row.series_no === i).map((row) => slotAt(axis.grid, instant(Number(row.slot_ms))))),
  );
}

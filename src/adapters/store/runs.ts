import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { Series } from "../../core/dataset/series.ts";
import { fixedStep } from "../../core/dataset/slot-numbers.ts";
import { fillTable, hasRows } from "./rows.ts";
import { rowKeyOf, storedRows } from "./tables.ts";

/**
 * The slots of the series in `series_t` that hold rows, as a subquery: `series_no`, `slot_ms` and how many, `n`. Where a
 * slot may hold many they are counted here, into `slot_t`, which then tells of this moment.
 */
export async function filledSlots(connection: DuckDBConnection, dataset: Dataset): Promise<string> {
  if (rowKeyOf(dataset).length === 0) return `(select series_no, slot_ms, 1 as n from ${storedRows(dataset)})`;
  await connection.run(`create or replace temp table slot_t as
    select series_no, slot_ms, count(*) as n from ${storedRows(dataset)} group by series_no, slot_ms`);
  return "slot_t";
}

/**
 * Fills `run_t` with runs of neighbouring slots among `filled` (of `filledSlots`): `series_no` and the slots `low` and
 * `high` that a run starts and ends with. Runs are not the longest possible: two may touch.
 */
export async function findRuns(connection: DuckDBConnection, filled: string, series: readonly Series[]): Promise<void> {
  await fillTable(
    connection,
    "step_t",
    "series_no integer, step_ms bigint",
    series.map(({ axis }, i) => [i, fixedStep(axis.grid)]),
  );
  const rows = `(select c.series_no, c.slot_ms, t.step_ms from ${filled} c join step_t t on t.series_no = c.series_no)`;
  // Counting them per block of 64 slots tells which blocks are one run; only the others are sorted row by row. On
  // gapless series this is five times faster than comparing each row with the one before.
  await connection.run(`create or replace temp table block_t as
    select series_no, step_ms, slot_ms // (64 * step_ms) as block, min(slot_ms) as low, max(slot_ms) as high,
      (max(slot_ms) - min(slot_ms)) // step_ms + 1 = count(*) as solid
    from ${rows} where step_ms is not null group by series_no, step_ms, slot_ms // (64 * step_ms)`);
  await connection.run(`create or replace temp table run_t as
    select series_no, low, high from block_t where solid
    union all select series_no, slot_ms, slot_ms from ${rows} where step_ms is null`);
  if (!(await hasRows(connection, "select block from block_t where not solid"))) return;
  await connection.run(`insert into run_t
    select series_no, min(slot_ms), max(slot_ms) from (
      select series_no, slot_ms, sum(fresh) over (partition by series_no order by slot_ms) as run from (
        select r.series_no, r.slot_ms,
          case when r.slot_ms - lag(r.slot_ms) over (partition by r.series_no order by r.slot_ms) = r.step_ms
            then 0 else 1 end as fresh
        from ${rows} r semi join (select series_no, block from block_t where not solid) b
          on b.series_no = r.series_no and b.block = r.slot_ms // (64 * r.step_ms)))
    group by series_no, run`);
}

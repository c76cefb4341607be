import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { fixedStep } from "../../core/dataset/slot-numbers.ts";
import { slotAt, slotsIn } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { ArrivalsRequest, LateSlots } from "../../engine/store-port.ts";
import { folderOf, insertedFolder } from "./before-image.ts";
import { fillTable, hasRows, rowsOf } from "./rows.ts";
import { rowKeyOf, sameRow, tableName, text } from "./tables.ts";

/** The share of late slots that a lookback should hold. */
const HIGH = 0.999;

/**
 * Slots whose rows came, changed or went with the given answers although they had been answered before, by group.
 * What a publication filled for the first time and what it replaced stands in its files under `history`.
 */
export async function arrivalsIn(
  connection: DuckDBConnection,
  request: ArrivalsRequest,
  history: string,
): Promise<readonly LateSlots[]> {
  const { dataset } = request;
  await fillSeries(connection, request);
  if (!(await findEvents(connection, request, history))) return [];
  await leaveOutRestated(connection, dataset);
  await findLate(connection, dataset);
  await fillSlotEnds(connection, request);
  const rows = await rowsOf(
    connection,
    `select group_no, count(*) as slots, max(delay_ms) as slowest_ms,
       list(delay_ms order by delay_ms)[greatest(1, ceil(${HIGH} * count(*)))::bigint] as high_ms,
       count(*) filter (where delay_ms > lookback_ms) as beyond
     from (
       select s.group_no, s.lookback_ms, greatest(0, l.seen_ms - coalesce(e.end_ms, l.slot_ms + s.step_ms)) as delay_ms
       from late_t l join tracked_t s on s.series_no = l.series_no
       left join slot_end_t e on e.axis_no = s.axis_no and e.start_ms = l.slot_ms)
     group by group_no order by group_no`,
  );
  return rows.map((row) => ({
    group: Number(row.group_no),
    slots: Number(row.slots),
    slowestMs: Number(row.slowest_ms),
    highMs: Number(row.high_ms),
    beyondLookback: Number(row.beyond),
  }));
}

/** `tracked_t`: the series; `step_ms` where all its slots have one length. */
async function fillSeries(connection: DuckDBConnection, { dataset, series }: ArrivalsRequest): Promise<void> {
  const axes = axesOf(series);
  await fillTable(
    connection,
    "tracked_t",
    `series_no integer, group_no integer, axis_no integer, step_ms bigint, lookback_ms bigint, series_key varchar, ${dataset.key.map((name) => `${name} varchar`).join(", ")}`,
    series.map(({ series: one, group }, i) => [
      i,
      group,
      axes.noOf(i),
      fixedStep(one.axis.grid),
      one.lookbackMs,
      one.key,
      ...dataset.key.map((name) => one.parts[name] ?? ""),
    ]),
  );
}

/**
 * `event_t`: every slot that one of the publications filled (`is_new`) or changed, and what the dataset measures by of
 * a row that it replaced. False when there is none.
 */
async function findEvents(
  connection: DuckDBConnection,
  { dataset, answers }: ArrivalsRequest,
  history: string,
): Promise<boolean> {
  const publications = new Set(answers.map(({ publication }) => publication));
  const filled = await filesOf(insertedFolder(dataset, history), publications);
  const changed = await filesOf(folderOf(dataset, history), publications);
  if (filled.length + changed.length === 0) return false;
  await fillTable(
    connection,
    "said_by_t",
    "publication varchar, object_no bigint, seen_ms bigint",
    answers.map(({ publication, object, seenAt }) => [publication, object, seenAt]),
  );
  const key = dataset.key.map((name) => `f.${name} = s.${name}`).join(" and ");
  const own = rowKeyOf(dataset).map((name) => `f.${name}, `);
  const measured = dataset.measure === undefined ? "null" : `if(f.change = 'updated', f.${dataset.measure}, null)`;
  const events = (files: readonly string[], isNew: boolean): string => `
    select s.series_no, epoch_ms(f.${dataset.time}) as slot_ms, ${own.join("")}${isNew} as is_new,
      (${isNew ? "null" : measured})::double as old,
      regexp_extract(f.filename, '([^/]+)-[0-9]+[.]parquet$', 1) as publication
    from read_parquet([${files.map(text).join(", ")}], filename = true) f join tracked_t s on ${key}`;
  const parts = [
    ...(filled.length > 0 ? [events(filled, true)] : []),
    ...(changed.length > 0 ? [events(changed, false)] : []),
  ];
  await connection.run(`create or replace temp table event_t as ${parts.join(" union all ")}`);
  return hasRows(connection, "select slot_ms from event_t");
}

/** Rows alike in one publication that make a restated past; so many of all that it changed, since some are corrected. */
const MIN_ALIKE = 3;
const MIN_ALIKE_SHARE = 0.5;
/** A factor nearer to 1 is a correction. */
const MIN_CHANGE = 0.02;
/** How far a row may lie from the factor: prices in cents are that coarse. */
const ALIKE = 0.005;

/**
 * Takes rows out of `event_t` that came back multiplied by one and the same factor: they were not late, their source
 * has restated its past, as after a split. A row that was replaced again since is not recognized.
 */
async function leaveOutRestated(connection: DuckDBConnection, dataset: Dataset): Promise<void> {
  const { measure } = dataset;
  if (measure === undefined || !(await hasRows(connection, "select old from event_t where old > 0"))) return;
  const stored = `(select s.series_no, epoch_ms(c.${dataset.time}) as slot_ms, c.${measure}::double as fresh
      ${rowKeyOf(dataset)
        .map((name) => `, c.${name}`)
        .join("")}
    from ${tableName(dataset)} c join tracked_t s on ${dataset.key.map((name) => `c.${name} = s.${name}`).join(" and ")})`;
  await connection.run(`delete from event_t where rowid in (
    select unnest(ids) from (
      select list(id) filter (where is_alike) as ids, count(*) as changed
      from (select *, abs(fresh - ratio * old) <= ${ALIKE} * abs(fresh) as is_alike
        from (select e.rowid as id, e.series_no, e.publication, e.old, c.fresh,
            median(c.fresh / e.old) over (partition by e.series_no, e.publication) as ratio
          from event_t e join ${stored} c on ${sameRow(dataset, "c", "e")}
          where e.old > 0 and c.fresh <> e.old)
        where abs(ratio - 1) > ${MIN_CHANGE})
      group by series_no, publication)
    where len(ids) >= greatest(${MIN_ALIKE}, ${MIN_ALIKE_SHARE} * changed))`);
}

/** `late_t`: the events whose slot an earlier answer spoke for, and when the answer that brought them was there. */
async function findLate(connection: DuckDBConnection, { name, version }: Dataset): Promise<void> {
  const own = `dataset = ${text(name)} and version = ${version}`;
  // How far earlier answers reach leaves few events whose earlier answers have to be looked at one by one.
  await connection.run(`create or replace temp table said_t as
    select s.series_no, o.publication, o.object_no, o.seen_ms, a.start_ms, a.end_ms, a.through_ms
    from (select series, object_no, start_ms, end_ms, max(case when complete then end_ms end) over (
        partition by series order by object_no rows between unbounded preceding and 1 preceding) as through_ms
      from answer where ${own}) a
    join tracked_t s on s.series_key = a.series
    join said_by_t o on o.object_no = a.object_no`);
  await connection.run(`create or replace temp table late_t as
    select e.series_no, e.slot_ms, e.is_new, min(a.object_no) as object_no, arg_min(a.seen_ms, a.object_no) as seen_ms
    from event_t e join said_t a on a.series_no = e.series_no and a.publication = e.publication
      and e.slot_ms >= a.start_ms and e.slot_ms < a.end_ms
    where not e.is_new or a.through_ms > e.slot_ms
    group by e.series_no, e.slot_ms, e.is_new, e.publication`);
  await connection.run(`delete from late_t where is_new and not exists (
    select 1 from answer b join tracked_t s on s.series_key = b.series
    where ${own} and b.complete and s.series_no = late_t.series_no and b.object_no < late_t.object_no
      and b.start_ms <= late_t.slot_ms and b.end_ms > late_t.slot_ms)`);
}

/** `slot_end_t`: where the late slots of civil grids end. */
async function fillSlotEnds(connection: DuckDBConnection, { series }: ArrivalsRequest): Promise<void> {
  const spans = await rowsOf(
    connection,
    `select s.axis_no, min(l.slot_ms) as low, max(l.slot_ms) as high from late_t l
     join tracked_t s on s.series_no = l.series_no where s.step_ms is null group by s.axis_no`,
  );
  const { grids } = axesOf(series);
  await fillTable(
    connection,
    "slot_end_t",
    "axis_no integer, start_ms bigint, end_ms bigint",
    spans.flatMap(({ axis_no, low, high }) => {
      const grid = grids[Number(axis_no)];
      if (!grid) throw new Error(`unreachable: axis ${axis_no} is not among the series`);
      const span = { start: instant(Number(low)), end: slotAt(grid, instant(Number(high))).end };
      return [...slotsIn(grid, span)].map(({ start, end }) => [Number(axis_no), start, end]);
    }),
  );
}

function axesOf(series: ArrivalsRequest["series"]) {
  const ids = series.map(({ series: { axis } }) => JSON.stringify(axis.grid));
  const distinct = [...new Set(ids)];
  const grids = distinct.map((id) => series[ids.indexOf(id)]?.series.axis.grid);
  return { grids, noOf: (place: number): number => distinct.indexOf(ids[place] ?? "") };
}

/** The files of a folder that belong to `publications`. */
async function filesOf(folder: string, publications: ReadonlySet<string>): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => publications.has(/^(.+)-\d+\.parquet$/.exec(name)?.[1] ?? ""))
    .map((name) => join(folder, name));
}

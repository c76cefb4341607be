import type { DuckDBConnection } from "@duckdb/node-api";
import type { Series } from "../../core/dataset/series.ts";
import { type Grid, nominalMs, slotsIn } from "../../core/time/grid.ts";
import { DAY, HOUR, instant, plus, WEEK } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { toLocalMs } from "../../core/time/zone.ts";
import type { VolumeObservation, VolumeRequest } from "../../engine/store-port.ts";
import { fillTable, hasRows, rowsOf } from "./rows.ts";
import { tableName, text } from "./tables.ts";

/** A weekday comes again after 7 days, give or take a change of the clocks. */
const CLOCK_CHANGE_MS = 12 * HOUR;

/**
 * What the slots that some publications changed add up to, and what the same weekday had before. Rows of shorter
 * slots are added up over local days: nobody wants to be told minute by minute.
 */
export async function volumesIn(
  connection: DuckDBConnection,
  request: VolumeRequest,
): Promise<readonly VolumeObservation[]> {
  const { dataset, recent, weeks } = request;
  const { volume } = dataset;
  if (volume === undefined || request.publications.length === 0) return [];
  const history = { start: plus(recent.start, -(weeks + 2) * WEEK), end: plus(recent.end, DAY) };
  await fillBins(connection, request, history);
  await findJudged(connection, request);
  if (!(await hasRows(connection, "select series_no from judged_t"))) return [];
  const key = dataset.key.map((name) => `c.${name} = v.${name}`).join(" and ");
  await connection.run(`create or replace temp table amount_t as
    select v.series_no, b.weekday, b.start_ms, b.end_ms, sum(c.amount) as amount
    from (select ${dataset.key.join(", ")}, epoch_ms(${dataset.time}) as slot_ms, (${volume.sql})::double as amount
      from ${tableName(dataset)}
      where ${dataset.time} >= epoch_ms(${history.start}) and ${dataset.time} < epoch_ms(${history.end})) c
    join (select * from volume_t where series_no in (select series_no from judged_t)) v on ${key}
    asof join bin_t b on b.axis_no = v.axis_no and b.start_ms <= c.slot_ms
    where c.slot_ms < b.end_ms and c.amount is not null
    group by all`);
  const rows = await rowsOf(
    connection,
    `select series_no, start_ms, end_ms, amount as value, list_reverse(history) as history
     from (select series_no, start_ms, amount, list(amount) over (partition by series_no, weekday order by start_ms
         range between ${weeks * WEEK + CLOCK_CHANGE_MS} preceding and 1 preceding) as history
       from amount_t) join judged_t using (series_no, start_ms) order by series_no, start_ms`,
  );
  return rows.map((row) => ({
    key: (request.series[Number(row.series_no)] as Series).key,
    start: instant(Number(row.start_ms)),
    end: instant(Number(row.end_ms)),
    value: Number(row.value),
    history: (row.history ?? []) as readonly number[],
  }));
}

/** `volume_t`: the series; `bin_t`: of each axis, what its rows are added up over. */
async function fillBins(
  connection: DuckDBConnection,
  { dataset, series }: VolumeRequest,
  history: Interval,
): Promise<void> {
  const grids = new Map<string, { readonly no: number; readonly grid: Grid }>();
  const axisOf = ({ axis }: Series): number => {
    const grid: Grid = nominalMs(axis.grid.grain) < DAY ? { grain: "1d", zone: axis.grid.zone } : axis.grid;
    const id = `${grid.grain} ${grid.zone}`;
    const known = grids.get(id) ?? { no: grids.size, grid };
    grids.set(id, known);
    return known.no;
  };
  await fillTable(
    connection,
    "volume_t",
    `series_no integer, axis_no integer, series_key varchar, ${dataset.key.map((name) => `${name} varchar`).join(", ")}`,
    series.map((one, i) => [i, axisOf(one), one.key, ...dataset.key.map((name) => one.parts[name] ?? "")]),
  );
  await fillTable(
    connection,
    "bin_t",
    "axis_no integer, start_ms bigint, end_ms bigint, weekday integer",
    [...grids.values()].flatMap(({ no, grid }) =>
      [...slotsIn(grid, history)].map(({ start, end }) => [
        no,
        start,
        end,
        new Date(toLocalMs(grid.zone, start)).getUTCDay(),
      ]),
    ),
  );
}

/** `judged_t`: recent slots or days of each series that the publications changed, as their receipts say, and `again`. */
async function findJudged(connection: DuckDBConnection, { publications, recent, again }: VolumeRequest): Promise<void> {
  await connection.run(`create or replace temp table judged_t as
    select distinct v.series_no, b.start_ms, b.end_ms
    from (select unnest(json_extract(body, '$.changes[*]')) as change
      from receipt where chunk in (${publications.map(text).join(", ")})) c
    join volume_t v on v.series_key = json_extract_string(c.change, 'key')
    join bin_t b on b.axis_no = v.axis_no
      and b.start_ms < json_extract(c.change, 'end')::bigint and b.end_ms > json_extract(c.change, 'start')::bigint
    where b.end_ms > ${recent.start} and b.start_ms < ${recent.end}
    union
    select v.series_no, b.start_ms, b.end_ms from volume_t v join bin_t b on b.axis_no = v.axis_no
    where b.start_ms in (${again.length === 0 ? "null" : again.join(", ")})`);
}

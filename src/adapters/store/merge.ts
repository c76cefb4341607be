import { slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { PublishRequest } from "../../engine/store-port.ts";
import { type Context, seriesAt, shapeOf, type Writing } from "./context.ts";
import { extentOf, isOvertaken, type JudgedObject, SUPERSEDED } from "./judge.ts";
import { fillTable, hasRows, type Row, rowsOf } from "./rows.ts";
import { OBJECT_COLUMN, rowKeyOf, sameRow, storedRows, tableName, text, valueColumns } from "./tables.ts";

/** What a publication or a part of it changes in one series. */
export interface SeriesChange {
  readonly seriesNo: number;
  readonly inserted: number;
  readonly updated: number;
  readonly retracted: number;
  readonly span: Interval;
}

/** What is to be written, with its before-images in `image_t` and `inserted_t` already. */
export interface Changes {
  readonly bySeries: readonly SeriesChange[];
  /** SQL of relations whose rows are to be inserted. */
  readonly rows: readonly string[];
}

/**
 * Prepares the tables that collect what a publication changes: `image_t`, rows that it replaces or takes back as they
 * were, and `inserted_t`, the slots that it fills for the first time.
 */
export async function openImages({ connection, request }: Writing): Promise<void> {
  const columns = request.dataset.columns.map((column) => `${column.name} ${column.type}`).join(", ");
  await connection.run(`create or replace temp table image_t (change varchar, replaced_by varchar, ${columns})`);
  const types = new Map(request.dataset.columns.map(({ name, type }) => [name, type]));
  const own = rowKeyOf(request.dataset).map((name) => `, ${name} ${types.get(name)}`);
  await connection.run(`create or replace temp table inserted_t (series_no integer, slot_ms bigint${own.join("")})`);
}

/**
 * Compares the sound records of one layer with what is stored: rows that are new or differ are to be written, and stored
 * rows that a complete answer for their slot lacks taken back. Best outside a transaction: tables that its own
 * transaction filled are read by DuckDB in one thread.
 */
export async function compareLayer(
  context: Context,
  layer: readonly JudgedObject[],
  options: { readonly isOnly: boolean },
): Promise<Changes> {
  const { connection, request } = context;
  const { dataset } = request;
  await fillTable(
    connection,
    "layer_t",
    `object_no bigint, series_no integer, start_ms bigint, end_ms bigint, low_ms bigint, high_ms bigint,
      complete boolean, is_file boolean, fills_only boolean`,
    layer.map((one) => [
      one.object.ordinal,
      one.seriesNo,
      one.object.answered.start,
      one.object.answered.end,
      one.extent.start,
      one.extent.end,
      one.complete,
      isFile(request, one),
      fillsOnly(request, one),
    ]),
  );
  const stored = await seriesWithRows(context, extentOf(layer));
  const sound = `select * exclude (reason, record) from staged_t where reason is null
    ${options.isOnly ? "" : "and (object_no, series_no) in (select (object_no, series_no) from layer_t)"}`;
  const [known, fresh] = [
    layer.filter((one) => stored.has(one.seriesNo)),
    layer.filter((one) => !stored.has(one.seriesNo)),
  ];
  if (known.length === 0) return collectNew(context, `(${sound})`);
  // Rows of series that have none here are all new, and need no copy to be compared.
  const numbers = [...stored].join(", ");
  const added = fresh.length === 0 ? null : await collectNew(context, `(${sound} and series_no not in (${numbers}))`);
  const within = extentOf(known);
  await findDifferences(context, added === null ? sound : `${sound} and series_no in (${numbers})`, {
    columns: valueColumns(dataset),
    within,
  });
  if (known.some((one) => isFile(request, one))) await leaveUnasked(context);
  if (known.some((one) => fillsOnly(request, one))) await leaveFilled(context, within);
  await findLost(context, within);
  const changed = await collectChanges(context);
  if (added === null) return changed;
  return { bySeries: [...added.bySeries, ...changed.bySeries], rows: [...added.rows, ...changed.rows] };
}

/** The series with a stored row between the first and the last slot that `layer_t` touches of them. */
async function seriesWithRows({ connection, request }: Context, within: Interval): Promise<ReadonlySet<number>> {
  const rows = await rowsOf(
    connection,
    `select distinct c.series_no from ${storedRows(request.dataset, { within })} c
     join (select series_no, min(low_ms) as low_ms, max(high_ms) as high_ms from layer_t group by series_no) l
       on l.series_no = c.series_no and c.slot_ms >= l.low_ms and c.slot_ms < l.high_ms`,
  );
  return new Set(rows.map((row) => Number(row.series_no)));
}

function isFile(request: PublishRequest, { object }: JudgedObject): boolean {
  return shapeOf(request, object).records.reader !== undefined;
}

function fillsOnly(request: PublishRequest, { object }: JudgedObject): boolean {
  return shapeOf(request, object).fillsOnly === true;
}

/** What was there before anybody asked fills slots without a row, and adds none to those that have some. */
async function leaveFilled({ connection, request }: Context, within: Interval): Promise<void> {
  await connection.run(`delete from diff_t where (series_no, slot_ms) in (select (series_no, slot_ms) from
      ${storedRows(request.dataset, { within })})
    and (object_no, series_no) in (select (object_no, series_no) from layer_t where fills_only)`);
}

/** A file comes as a whole, whatever was asked of it: what nobody asked for fills slots without a row, and replaces none. */
async function leaveUnasked({ connection }: Context): Promise<void> {
  await connection.run(`delete from diff_t where old_row is not null and exists (select 1 from layer_t o
    where o.is_file and o.object_no = diff_t.object_no and o.series_no = diff_t.series_no
      and not (diff_t.slot_ms >= o.start_ms and diff_t.slot_ms < o.end_ms))`);
}

/**
 * Compares all rows that were made for a stretch with all that are stored there, both relations: what is new or differs
 * is to be written, and what is stored and was not made is taken back.
 */
export async function compareWhole(
  context: Writing,
  made: string,
  {
    stored,
    columns,
    within,
  }: { readonly stored: string; readonly columns: readonly string[]; readonly within?: Interval },
): Promise<Changes> {
  const { connection, request } = context;
  if (!(await hasRows(connection, `select row_id from ${stored}`))) return collectNew(context, made);
  await findDifferences(context, `select * from ${made}`, within === undefined ? { columns } : { columns, within });
  await connection.run(`create or replace temp table lost_t as
    select c.series_no, c.slot_ms, c.row_id, c.${OBJECT_COLUMN} from ${stored} c
    anti join ${made} g on ${sameRow(request.dataset, "g", "c")}`);
  return collectChanges(context);
}

/** The changes that `rows` are where none are stored. */
async function collectNew(context: Writing, rows: string): Promise<Changes> {
  await context.connection.run(`insert into inserted_t select ${insertedColumns(context)} from ${rows}`);
  const all = `(select series_no, slot_ms, ${OBJECT_COLUMN}, null::bigint as old_row from ${rows})`;
  return { bySeries: await changesOf(context, all), rows: [rows] };
}

/** `diff_t`: the rows of `sound` that are new or differ from the stored row of their slot, which is `old_row`. */
async function findDifferences(
  { connection, request }: Writing,
  sound: string,
  { columns, within }: { readonly columns: readonly string[]; readonly within?: Interval },
): Promise<void> {
  const differs = columns.map((name) => `g.${name} is distinct from c.${name}`).join(" or ");
  await connection.run(`create or replace temp table diff_t as
    select g.*, c.row_id as old_row from (${sound}) g
    left join ${storedRows(request.dataset, within === undefined ? { columns } : { columns, within })} c
      on ${sameRow(request.dataset, "c", "g")}
    where c.row_id is null or ${differs}`);
}

/** The changes that `diff_t` and `lost_t` hold: inserts, replaces, takes back; keeps what is there. */
export async function collectChanges(context: Writing): Promise<Changes> {
  const { connection } = context;
  const bySeries = [...(await changesOf(context, "diff_t")), ...(await retractions(context))];
  if (bySeries.some(isOverStored)) await keepImages(context);
  await connection.run(`insert into inserted_t select ${insertedColumns(context)} from diff_t where old_row is null`);
  return { bySeries, rows: ["diff_t"] };
}

/** Writes changes: what is replaced or taken back goes, what is new comes. */
export async function writeChanges(context: Writing, { bySeries, rows }: Changes): Promise<readonly SeriesChange[]> {
  if (bySeries.some(isOverStored)) {
    await context.connection.run(`delete from ${tableName(context.request.dataset)} where rowid in (
      select old_row from diff_t where old_row is not null union all select row_id from lost_t)`);
  }
  for (const some of rows) await insertRows(context, some);
  return bySeries;
}

function isOverStored({ updated, retracted }: SeriesChange): boolean {
  return updated + retracted > 0;
}

function insertedColumns({ request }: Writing): string {
  return ["series_no", "slot_ms", ...rowKeyOf(request.dataset)].join(", ");
}

/** `lost_t`: stored rows in the window of a complete answer that has no record for their slot, not even a bad one. */
async function findLost({ connection, request }: Context, within: Interval): Promise<void> {
  await connection.run(`create or replace temp table lost_t as
    select lost.* from (
      select c.series_no, c.slot_ms, c.row_id, c.object_no as stored_object, o.object_no
      from ${storedRows(request.dataset, { columns: [OBJECT_COLUMN], within })} c
      anti join (select * from staged_t where reason is null
        and (object_no, series_no) in (select (object_no, series_no) from layer_t)) g on ${sameRow(request.dataset, "g", "c")}
      join layer_t o on o.series_no = c.series_no and o.complete and c.slot_ms >= o.start_ms and c.slot_ms < o.end_ms
    ) lost
    where stored_object < object_no and not ${isOvertaken("lost")}
      and not exists (select 1 from staged_t j
        join object_t jo on jo.object_no = j.object_no and jo.series_no = j.series_no
        join object_t lo on lo.question_no = jo.question_no and lo.series_no = jo.series_no
        where j.reason is not null and j.reason <> ${text(SUPERSEDED)} and lo.object_no = lost.object_no
          and j.series_no = lost.series_no and j.slot_ms = lost.slot_ms)`);
}

async function keepImages({ connection, request }: Writing): Promise<void> {
  const columns = request.dataset.columns.map((column) => `c.${column.name}`).join(", ");
  const image = (change: string, rows: string): string =>
    `insert into image_t select ${text(change)}, ${text(request.chunkId)}, ${columns}
     from ${tableName(request.dataset)} c semi join (${rows}) r on r.id = c.rowid`;
  await connection.run(image("updated", "select old_row as id from diff_t where old_row is not null"));
  await connection.run(image("retracted", "select row_id as id from lost_t"));
}

async function insertRows({ connection, request }: Writing, rows: string): Promise<void> {
  const { dataset } = request;
  const names = dataset.columns.map((column) => column.name);
  const values = names.map((name) => {
    if (dataset.key.includes(name)) return `s.${name}`;
    return name === dataset.time ? "epoch_ms(g.slot_ms)" : `g.${name}`;
  });
  await connection.run(`insert into ${tableName(dataset)} (${names.join(", ")})
    select ${values.join(", ")} from ${rows} g join series_t s on s.series_no = g.series_no`);
}

async function changesOf(context: Writing, diff: string): Promise<readonly SeriesChange[]> {
  const rows = await rowsOf(
    context.connection,
    `select series_no, object_no, count(*) - count(old_row) as inserted, count(old_row) as updated, 0 as retracted,
       min(slot_ms) as low, max(slot_ms) as high from ${diff} group by series_no, object_no order by series_no, low`,
  );
  return rows.map((row) => changeOf(context, row));
}

async function retractions(context: Writing): Promise<readonly SeriesChange[]> {
  const rows = await rowsOf(
    context.connection,
    `select series_no, object_no, 0 as inserted, 0 as updated, count(*) as retracted,
       min(slot_ms) as low, max(slot_ms) as high from lost_t group by series_no, object_no order by series_no, low`,
  );
  return rows.map((row) => changeOf(context, row));
}

function changeOf(context: Writing, row: Row): SeriesChange {
  const { grid } = seriesAt(context, row.series_no).axis;
  return {
    seriesNo: Number(row.series_no),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    retracted: Number(row.retracted),
    span: { start: instant(Number(row.low)), end: slotAt(grid, instant(Number(row.high))).end },
  };
}

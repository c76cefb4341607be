import type { DuckDBConnection } from "@duckdb/node-api";
import { type Dataset, tableOf } from "../../core/dataset/dataset.ts";
import type { Interval } from "../../core/time/interval.ts";

/** Every row names the bronze object it came from, by its place in ingest order. */
export const OBJECT_COLUMN = "object_no";
/** The provider's own stamp of a row. */
const STAMP_COLUMN = "source_ts";

type Versioned = Pick<Dataset, "name" | "version">;

/** The physical table of a dataset version: `v1.market_data`. */
export function tableName(dataset: Versioned): string {
  return `v${dataset.version}.${tableOf(dataset.name)}`;
}

/** The view over a dataset's before-images. */
export function historyView(dataset: Versioned): string {
  return `main.${tableOf(dataset.name)}__history`;
}

/** Creates what a dataset needs in the data file, in one transaction; running it again does no harm. */
export async function createTables(connection: DuckDBConnection, dataset: Dataset): Promise<void> {
  await connection.run("begin transaction");
  for (const statement of tableStatements(dataset)) await connection.run(statement);
  await connection.run("commit");
}

function tableStatements(dataset: Dataset): readonly string[] {
  const columns = dataset.columns.map((column) => `${column.name} ${column.type}`).join(", ");
  const table = tableName(dataset);
  return [
    `create schema if not exists v${dataset.version}`,
    `create table if not exists ${table} (${columns})`,
    `create table if not exists receipt (chunk varchar, fence bigint, body json, seq bigint)`,
    // What was answered by which object: a later answer wins, whichever is published first.
    `create table if not exists answer (dataset varchar, version integer, series varchar, object_no bigint,
       start_ms bigint, end_ms bigint, complete boolean, received_ms bigint,
       business_now bigint)`,
    `create table if not exists quarantine (dataset varchar, version integer, series varchar, object_no bigint,
       row_no bigint, slot timestamp, reason varchar, record json)`,
    `create or replace view main.${tableOf(dataset.name)} as select * from ${table}`,
    `create view if not exists ${historyView(dataset)} as
       select null::varchar as change, null::varchar as replaced_by, * from ${table} where false`,
  ];
}

/** The columns that a record fills: all but the key, the time and the object. */
export function payloadColumns(dataset: Dataset): readonly string[] {
  const own = new Set([...dataset.key, dataset.time, OBJECT_COLUMN]);
  return dataset.columns.map((column) => column.name).filter((name) => !own.has(name));
}

/**
 * The columns in which a record says something new: not the provider's stamp, which may lie elsewhere in the same slot
 * where the same row is asked for in another way.
 */
export function valueColumns(dataset: Dataset): readonly string[] {
  return payloadColumns(dataset).filter((name) => name !== STAMP_COLUMN);
}

/**
 * The stored rows of the series in `series_t`, as a subquery: `series_no`, `slot_ms`, `row_id` and the columns named;
 * only those with a slot inside `within`, if given. `row_id` holds until the file is written to.
 */
export function storedRows(dataset: Dataset, options: { columns?: readonly string[]; within?: Interval } = {}): string {
  const { within } = options;
  const columns = [...new Set([...(options.columns ?? []), ...rowKeyOf(dataset)])];
  const { time } = dataset;
  const inside = within ? ` where c.${time} >= epoch_ms(${within.start}) and c.${time} < epoch_ms(${within.end})` : "";
  return `(select s.series_no, epoch_ms(c.${time}) as slot_ms, c.rowid as row_id${columns.map((name) => `, c.${name}`).join("")}
    from ${tableName(dataset)} c join series_t s on ${dataset.key.map((k) => `c.${k} = s.${k}`).join(" and ")}${inside})`;
}

/** Columns that tell rows of one slot apart. */
export function rowKeyOf({ rowKey = [] }: Pick<Dataset, "rowKey">): readonly string[] {
  return rowKey;
}

/** SQL: whether two relations with `series_no`, `slot_ms` and the row key mean the same row. */
export function sameRow(dataset: Pick<Dataset, "rowKey">, a: string, b: string): string {
  const own = rowKeyOf(dataset).map((name) => ` and ${a}.${name} is not distinct from ${b}.${name}`);
  return `${a}.series_no = ${b}.series_no and ${a}.slot_ms = ${b}.slot_ms${own.join("")}`;
}

/** A SQL text literal. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A path as DuckDB's file functions take it: characters that would be a pattern stand for themselves. */
export function literalPath(path: string): string {
  return text(path.replaceAll(/[*?[]/g, "[$&]"));
}

import type { DuckDBConnection, DuckDBType, DuckDBValue, DuckDBValueConverter, Json } from "@duckdb/node-api";

type Cell = string | number | boolean | null;

/** A row of a small result, by column name. */
export type Row = Readonly<Record<string, unknown>>;

/** Replaces the temporary table `name` by `rows`: small context tables only, never data. */
export async function fillTable(
  connection: DuckDBConnection,
  name: string,
  columns: string,
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  await connection.run(`create or replace temp table ${name} (${columns})`);
  if (rows.length === 0) return;
  const types = columns.split(",").map((column) => column.trim().split(/\s+/).at(-1));
  // Named with its catalog: without it, a connection to a read-only file refuses to append.
  const appender = await connection.createAppender(name, null, "temp");
  for (const row of rows) {
    for (const [i, value] of row.entries()) {
      if (value === null) appender.appendNull();
      else if (types[i] === "bigint") appender.appendBigInt(BigInt(value as number));
      else if (types[i] === "integer") appender.appendInteger(value as number);
      else if (types[i] === "double") appender.appendDouble(value as number);
      else if (types[i] === "boolean") appender.appendBoolean(value as boolean);
      else appender.appendVarchar(String(value));
    }
    appender.endRow();
  }
  appender.closeSync();
}

/** The rows of a small result; integers as numbers, those beyond 2^53 and decimals as text. */
export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<readonly Row[]> {
  const reader = await connection.runAndReadAll(sql);
  return reader.convertRowObjects(await jsonValues()) as readonly Row[];
}

/** Whether `sql` has any row. */
export async function hasRows(connection: DuckDBConnection, sql: string): Promise<boolean> {
  return (await connection.runAndReadAll(`select 1 from (${sql}) limit 1`)).currentRowCount > 0;
}

/** DuckDB's values as JSON would show them; every integer would be text there, here only those beyond 2^53 are. */
export async function jsonValues(): Promise<DuckDBValueConverter<Json>> {
  const { JsonDuckDBValueConverter } = await import("@duckdb/node-api");
  return (value: DuckDBValue, type: DuckDBType, converter: DuckDBValueConverter<Json>): Json | null =>
    typeof value === "bigint" && Number.isSafeInteger(Number(value))
      ? Number(value)
      : JsonDuckDBValueConverter(value, type, converter);
}

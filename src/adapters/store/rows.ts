import type { DuckDBConnection } from "@duckdb/node-api";

type Cell = string | number | boolean | null;

/** Replaces the temporary table `name` by `rows`, in chunks of columns: small context tables only. */
export async function fillTable(
  connection: DuckDBConnection,
  name: string,
  columns: string,
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  await connection.run(`create or replace temp table ${name} (${columns})`);
  if (rows.length === 0) return;
  const types = columns.split(",").map((column) => column.trim().split(/\s+/)[1] ?? "varchar");
  const appender = await connection.createAppender(name);
  for (const row of rows) {
    for (const [i, value] of row.entries()) {
      if (value === null) appender.appendNull();
      else if (types[i] === "bigint") appender.appendBigInt(BigInt(value as number));
      else if (types[i] === "integer") appender.appendInteger(value as number);
      else if (types[i] === "boolean") appender.appendBoolean(value as boolean);
      else appender.appendVarchar(String(value));
    }
    appender.endRow();
  }
  appender.closeSync();
}

/** The rows of a small result, by column name; integers beyond 2^53 and decimals as text. */
export async function rowsOf(
  connection: DuckDBConnection,
  sql: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRowObjectsJson();
}

import type { DuckDBConnection } from "@duckdb/node-api";
import { text } from "../store/tables.ts";

/** Runs work on DuckDB in memory, for reading files. */
export async function withDuckDb<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  // Loaded on first use: opening DuckDB costs 200 ms that a project whose files are known does not pay.
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: "500MB",
    threads: "2",
    autoinstall_known_extensions: "false",
    asof_loop_join_threshold: "0",
  });
  try {
    const connection = await instance.connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

/** Rows of a Parquet file, by its own footer. */
export function countRows(path: string): Promise<number> {
  return withDuckDb(async (connection) => {
    const reader = await connection.runAndReadAll(`select num_rows from parquet_file_metadata(${text(path)})`);
    return Number(reader.getRows()[0]?.[0]);
  });
}

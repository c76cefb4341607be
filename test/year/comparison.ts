import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { TrueRow } from "./truth.ts";

/** Rows of one side that the other lacks, a few of them as text. */
export interface Differences {
  readonly rows: number;
  readonly differing: readonly string[];
}

const SHOWN = 5;

/** Stored candles against the truth, both ways. */
export async function againstTruth(dir: string, truth: readonly TrueRow[]): Promise<Differences> {
  return reading({ store: dir }, async (connection) => {
    await connection.run(
      "create table truth (symbol varchar, timeframe varchar, t bigint, open double, high double, low double, close double, volume double)",
    );
    const appender = await connection.createAppender("truth");
    for (const { symbol, timeframe, t, o, h, l, c, v } of truth) {
      appender.appendVarchar(symbol);
      appender.appendVarchar(timeframe);
      appender.appendBigInt(BigInt(t));
      for (const value of [o, h, l, c, v]) appender.appendDouble(value);
      appender.endRow();
    }
    appender.closeSync();
    const stored = "select symbol, timeframe, epoch_ms(ts), open, high, low, close, volume from store.v1.market_data";
    return bothWays(connection, stored, "select * from truth");
  });
}

/** Two stores' tables of the same name, all columns, both ways. */
export async function againstEachOther(dirs: readonly [string, string], table: string): Promise<Differences> {
  return reading({ store: dirs[0], other: dirs[1] }, (connection) =>
    bothWays(connection, `select * from store.v1.${table}`, `select * from other.v1.${table}`),
  );
}

async function bothWays(connection: DuckDBConnection, left: string, right: string): Promise<Differences> {
  // `except all` counts rows that stand twice, which `except` would not see.
  const differing = `select 'stored: ' || to_json(r)::varchar from ((${left}) except all (${right})) r
    union all select 'expected: ' || to_json(r)::varchar from ((${right}) except all (${left})) r`;
  const count = await connection.runAndReadAll(`select count(*)::integer from (${right})`);
  const rows = await connection.runAndReadAll(`select * from (${differing}) order by 1 desc`);
  const lines = rows.getRows().map(([line]) => String(line));
  return {
    rows: Number(count.getRows()[0]?.[0]),
    differing: lines.length > SHOWN ? [...lines.slice(0, SHOWN), `and ${lines.length - SHOWN} more`] : lines,
  };
}

async function reading<T>(
  stores: Readonly<Record<string, string>>,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
  const connection = await instance.connect();
  try {
    for (const [name, dir] of Object.entries(stores)) {
      await connection.run(`attach '${join(dir, ".retrofill", "data.duckdb")}' as ${name} (read_only)`);
    }
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

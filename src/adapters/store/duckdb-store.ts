import { access, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type Dataset, tableOf } from "../../core/dataset/dataset.ts";
import { seriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { nominalMs, slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize } from "../../core/time/interval-set.ts";
import type { Receipt, Store } from "../../engine/store-port.ts";
import type { Lock } from "../ledger/leases.ts";
import { publishIn } from "./publish.ts";
import { rowsOf } from "./rows.ts";
import { tableName, text } from "./tables.ts";

/** A reader tells who holds the file after this long. */
const READER_WAIT_MS = 10_000;
/** A writer waits longer: publications of other processes take seconds, and its own work is already paid for. */
const WRITER_WAIT_MS = 10 * 60_000;

export interface StoreSettings {
  /** DuckDB's `memory_limit`; the process itself takes about 500 MB more. */
  readonly memoryLimit: string;
  readonly threads: number;
}

export const STORE_DEFAULTS: StoreSettings = { memoryLimit: "700MB", threads: 2 };

/**
 * The typed tables in one DuckDB file. DuckDB refuses every second process while a writer has the file open, so it is
 * opened for the length of one call only, writers in turn under a ledger lease.
 */
export function duckdbStore(options: {
  readonly path: string;
  readonly bronze: string;
  readonly history: string;
  readonly lock: Lock;
  readonly settings?: StoreSettings;
}): Store {
  const { path, lock, bronze, history } = options;
  const settings = options.settings ?? STORE_DEFAULTS;

  const withWriter = <T>(purpose: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> =>
    lock.hold(purpose, WRITER_WAIT_MS, async () => {
      await mkdir(dirname(path), { recursive: true });
      return withFile(path, "READ_WRITE", settings, WRITER_WAIT_MS, () => lock.holder(), work);
    });

  const withReader = async <T>(absent: T, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    if (!(await exists(path))) return absent;
    return withFile(path, "READ_ONLY", settings, READER_WAIT_MS, () => lock.holder(), work);
  };

  return {
    path,

    publish(request) {
      return withWriter(`publishing ${request.chunkId}`, async (connection) => {
        const receipt = await publishIn(connection, request, { bronze, history });
        await refreshHistoryView(connection, request.dataset, history);
        return receipt;
      });
    },

    receipt(chunkId) {
      return withReader<Receipt | null>(null, async (connection) => {
        if (!(await hasTable(connection, "receipt"))) return null;
        const [row] = await rowsOf(connection, `select body from receipt where chunk = ${text(chunkId)}`);
        return row ? (JSON.parse(String(row.body)) as Receipt) : null;
      });
    },

    query(sql) {
      return withReader({ columns: [], rows: [] }, async (connection) => {
        try {
          const reader = await connection.runAndReadAll(sql);
          const types = reader.columnTypes();
          return {
            columns: reader.columnNames().map((name, i) => ({ name, type: String(types[i]) })),
            rows: reader.getRowsJson(),
          };
        } catch (cause) {
          throw new RetrofillError("SQL_INVALID", (cause as Error).message, {
            hint: 'retrofill sql "show tables" lists what can be read',
            cause,
          });
        }
      });
    },

    totals(dataset) {
      return withReader(new Map(), async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return new Map();
        const rows = await rowsOf(
          connection,
          `select ${dataset.key.join(", ")}, count(*) as n, epoch_ms(min(${dataset.time})) as first_ms,
             epoch_ms(max(${dataset.time})) as last_ms from ${tableName(dataset)} group by ${dataset.key.join(", ")}`,
        );
        return new Map(
          rows.map((row) => [
            seriesKey(dataset.key.map((k) => String(row[k]))),
            { rows: Number(row.n), first: instant(Number(row.first_ms)), last: instant(Number(row.last_ms)) },
          ]),
        );
      });
    },

    doubledKeys(dataset) {
      return withReader(0, async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return 0;
        const columns = [...dataset.key, dataset.time].join(", ");
        const [row] = await rowsOf(
          connection,
          `select count(*) as n from (select 1 from ${tableName(dataset)} group by ${columns} having count(*) > 1)`,
        );
        return Number(row?.n ?? 0);
      });
    },

    storedSlots(dataset, series) {
      return withReader(new Map(), async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return new Map();
        if (series.length === 0) return new Map();
        // A read-only connection cannot append, not even to a temporary table.
        const listed = series.map((one, i) => {
          const parts = dataset.key.map((k) => text(one.parts[k] ?? ""));
          return `(${i}, ${Math.ceil(nominalMs(one.axis.grid.grain))}, ${parts.join(", ")})`;
        });
        const seriesTable = `(values ${listed.join(", ")}) s(series_no, step_ms, ${dataset.key.join(", ")})`;
        // Neighbouring rows become one island: a row starts a new one when it is more than a slot after the last.
        const islands = await rowsOf(
          connection,
          `select series_no, min(ms) as low, max(ms) as high from (
             select series_no, ms, sum(fresh) over (partition by series_no order by ms) as island from (
               select s.series_no, epoch_ms(c.${dataset.time}) as ms,
                 case when epoch_ms(c.${dataset.time}) - lag(epoch_ms(c.${dataset.time}))
                   over (partition by s.series_no order by c.${dataset.time}) <= s.step_ms then 0 else 1 end as fresh
               from ${tableName(dataset)} c join ${seriesTable} on ${dataset.key.map((k) => `c.${k} = s.${k}`).join(" and ")}))
           group by series_no, island order by series_no, low`,
        );
        const bySeries = new Map<number, Interval[]>();
        for (const row of islands) {
          const no = Number(row.series_no);
          const grid = series[no]?.axis.grid;
          if (!grid) continue;
          const list = bySeries.get(no) ?? [];
          bySeries.set(no, list);
          list.push({
            start: slotAt(grid, instant(Number(row.low))).start,
            end: slotAt(grid, instant(Number(row.high))).end,
          });
        }
        return new Map(series.map((one, i) => [one.key, normalize(bySeries.get(i) ?? [])]));
      });
    },
  };
}

async function withFile<T>(
  path: string,
  mode: "READ_ONLY" | "READ_WRITE",
  settings: StoreSettings,
  waitMs: number,
  holder: () => Promise<string | null>,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  // Loaded on first use: opening DuckDB costs 200 ms that commands on the ledger alone do not pay.
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const deadline = Date.now() + waitMs;
  for (;;) {
    try {
      const instance = await DuckDBInstance.create(path, {
        access_mode: mode,
        memory_limit: settings.memoryLimit,
        threads: String(settings.threads),
        autoinstall_known_extensions: "false",
        preserve_insertion_order: "false",
      });
      const connection = await instance.connect();
      try {
        return await work(connection);
      } finally {
        connection.closeSync();
        instance.closeSync();
      }
    } catch (error) {
      if (!isLocked(error)) throw asDiskFull(error, path);
      if (Date.now() >= deadline) {
        const who = (await holder()) ?? (error as Error).message.match(/PID \d+/)?.[0] ?? "another process";
        throw new RetrofillError("STORE_BUSY", `the data file is held by ${who}`, {
          hint: "run the command again when it has finished; coverage, gaps and runs read only the ledger",
          cause: error,
        });
      }
      await delay(5 + Math.random() * 45);
    }
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /Could not set lock on file|Conflicting lock/.test(error.message);
}

function asDiskFull(error: unknown, path: string): unknown {
  if (error instanceof Error && /No space left on device|disk is full/i.test(error.message)) {
    return new RetrofillError("DISK_FULL", `the disk is full: ${path} could not be written`, {
      hint: "free some space and resume the run; nothing that was committed is lost",
      cause: error,
    });
  }
  return error;
}

async function refreshHistoryView(connection: DuckDBConnection, dataset: Dataset, history: string): Promise<void> {
  const pattern = `${history}/dataset=${dataset.name}/version=${dataset.version}/*.parquet`;
  const [found] = await rowsOf(connection, `select count(*) as n from glob(${text(pattern)})`);
  if (Number(found?.n ?? 0) === 0) return;
  // An image whose publication never committed has no receipt and does not count.
  await connection.run(`create or replace view main.${tableOf(dataset.name)}__history as
    select h.* from read_parquet(${text(pattern)}) h semi join receipt r on r.chunk = h.replaced_by`);
}

async function hasTable(connection: DuckDBConnection, name: string): Promise<boolean> {
  const [schema, table] = name.includes(".") ? name.split(".") : ["main", name];
  const rows = await rowsOf(
    connection,
    `select 1 from duckdb_tables() where schema_name = ${text(schema ?? "")} and table_name = ${text(table ?? "")}`,
  );
  return rows.length > 0;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

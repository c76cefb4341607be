import { access, constants, copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type Dataset, tableOf } from "../../core/dataset/dataset.ts";
import { seriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { nominalMs, slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize } from "../../core/time/interval-set.ts";
import type {
  AsOf,
  LateSlots,
  QuarantineCount,
  QuarantinedRecord,
  QueryResult,
  Receipt,
  RowsWithin,
  SlotHistory,
  SlotRows,
  Store,
  TableRows,
  VolumeObservation,
} from "../../engine/store-port.ts";
import type { Lock } from "../ledger/leases.ts";
import { arrivalsIn } from "./arrivals.ts";
import { buildIn, compareIn } from "./build.ts";
import { fillSeries } from "./context.ts";
import { dataFile, type StoreSettings } from "./data-file.ts";
import { exportIn, nothingStored } from "./export.ts";
import { asOf, placeOf } from "./history.ts";
import { publishIn } from "./publish.ts";
import { countQuarantined, readQuarantined } from "./quarantine.ts";
import { rebuildIn } from "./rebuild.ts";
import { laterTouches, revertIn } from "./revert.ts";
import { fillTable, jsonValues, rowsOf } from "./rows.ts";
import { rowsInSlots } from "./rows-in-slots.ts";
import { filledSlots, findRuns } from "./runs.ts";
import { NO_ROWS, readRowsWithin, readSlotHistory } from "./slot-history.ts";
import { createTables, rowKeyOf, tableName, text } from "./tables.ts";
import { volumesIn } from "./volumes.ts";

export const STORE_DEFAULTS: StoreSettings = { memoryLimit: "700MB", threads: 2 };

/** Milliseconds after which a reader or a writer tells who holds the file. */
export interface StoreWaits {
  readonly readerMs: number;
  readonly writerMs: number;
}

/** A writer waits longer: publications of other processes take seconds, and its own work is already paid for. */
export const STORE_WAITS: StoreWaits = { readerMs: 10_000, writerMs: 10 * 60_000 };

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
  readonly waits?: StoreWaits;
}): Store {
  const { path, lock, bronze, history, settings = STORE_DEFAULTS, waits = STORE_WAITS } = options;
  const use = dataFile(path, settings, () => lock.holder());

  const writing = <T>(dataset: Dataset, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> =>
    use({ mode: "READ_WRITE", waitMs: waits.writerMs }, async (connection) => {
      await createTables(connection, dataset);
      return work(connection);
    });

  const write = <T>(
    purpose: string,
    dataset: Dataset,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> =>
    lock.hold(purpose, waits.writerMs, async () => {
      await mkdir(dirname(path), { recursive: true });
      return writing(dataset, work);
    });

  const read = async <T>(
    absent: T,
    work: (connection: DuckDBConnection) => Promise<T>,
    waitMs = waits.readerMs,
  ): Promise<T> => ((await exists(path)) ? use({ mode: "READ_ONLY", waitMs }, work) : absent);

  return {
    path,

    publish(request) {
      return write(`publishing ${request.chunkId}`, request.dataset, (connection) =>
        publishIn(connection, request, { bronze, history }),
      );
    },

    build(request) {
      return write(`building ${request.chunkId}`, request.dataset, (connection) =>
        buildIn(connection, request, { history }),
      );
    },

    rebuild(request) {
      const scratch = dataFile(`${path}.rebuild`, settings, () => lock.holder());
      const opening = { mode: "READ_WRITE", waitMs: waits.writerMs } as const;
      return lock.hold(`making ${request.dataset.name} anew`, waits.writerMs, async () => {
        await mkdir(dirname(path), { recursive: true });
        return rebuildIn(request, {
          scratch: { path: `${path}.rebuild`, use: (work) => scratch(opening, work) },
          main: (work) => writing(request.dataset, work),
          bronze,
          history,
        });
      });
    },

    revert(request) {
      return write(`reverting ${request.dataset.name}`, request.dataset, (connection) =>
        revertIn(connection, request, { history }),
      );
    },

    laterTouches(footprint) {
      return read([], async (connection) =>
        (await hasTable(connection, "main.receipt")) ? laterTouches(connection, footprint, history) : [],
      );
    },

    compare(dataset, windows) {
      return read([], async (connection) =>
        windows.length > 0 && (await hasTable(connection, tableName(dataset)))
          ? compareIn(connection, dataset, windows)
          : [],
      );
    },

    receipt(chunkId) {
      return read<Receipt | null>(null, async (connection) => {
        if (!(await hasTable(connection, "main.receipt"))) return null;
        const [row] = await rowsOf(connection, `select body from receipt where chunk = ${text(chunkId)}`);
        return row ? (JSON.parse(String(row.body)) as Receipt) : null;
      });
    },

    query(sql, past) {
      return read<QueryResult>({ columns: [], rows: [] }, async (connection) => {
        try {
          await refuseWrites(connection, sql);
          if (past) await showPast(connection, past, history);
          const reader = await connection.runAndReadAll(sql);
          const types = reader.columnTypes();
          return {
            columns: reader.columnNames().map((name, i) => ({ name, type: String(types[i]) })),
            rows: reader.convertRows(await jsonValues()),
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
      return read(new Map(), async (connection) => {
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
      return read(0, async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return 0;
        const columns = [...dataset.key, dataset.time, ...rowKeyOf(dataset)].join(", ");
        const [row] = await rowsOf(
          connection,
          `select count(*) as n from (select 1 from ${tableName(dataset)} group by ${columns} having count(*) > 1)`,
        );
        return Number(row?.n ?? 0);
      });
    },

    rowsInSlots(request) {
      return read<readonly SlotRows[]>(
        [],
        async (connection) =>
          (await hasTable(connection, tableName(request.dataset))) ? rowsInSlots(connection, request) : [],
        request.waitMs,
      );
    },

    volumes(request) {
      return read<readonly VolumeObservation[]>(
        [],
        async (connection) =>
          (await hasTable(connection, tableName(request.dataset))) ? volumesIn(connection, request) : [],
        request.waitMs,
      );
    },

    arrivals(request) {
      return read<readonly LateSlots[]>(
        [],
        async (connection) =>
          (await hasTable(connection, "main.answer")) ? arrivalsIn(connection, request, history) : [],
        request.waitMs,
      );
    },

    storedSlots(dataset, series) {
      return read(new Map(), async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return new Map();
        await fillSeries(connection, dataset.key, series);
        await findRuns(connection, await filledSlots(connection, dataset), series);
        await fillTable(
          connection,
          "usual_t",
          "series_no integer, slot_length bigint",
          series.map(({ axis }, i) => [i, Math.ceil(nominalMs(axis.grid.grain))]),
        );
        // Runs a usual slot apart touch; those across a longer slot (a clock change, a long month) meet below.
        const islands = await rowsOf(
          connection,
          `select series_no, min(low) as low, max(high) as high from (
             select *, sum(fresh) over (partition by series_no order by low) as island from (
               select r.*, case when r.low - lag(r.high) over (partition by r.series_no order by r.low) <= u.slot_length
                 then 0 else 1 end as fresh
               from run_t r join usual_t u on u.series_no = r.series_no))
           group by series_no, island order by series_no, low`,
        );
        const bySeries = series.map((): Interval[] => []);
        for (const row of islands) {
          const no = Number(row.series_no);
          const grid = series[no]?.axis.grid;
          if (!grid) throw new Error(`unreachable: series ${no} is not asked`);
          const start = slotAt(grid, instant(Number(row.low))).start;
          bySeries[no]?.push({ start, end: slotAt(grid, instant(Number(row.high))).end });
        }
        return new Map(series.map((one, i) => [one.key, normalize(bySeries[i] ?? [])]));
      });
    },

    quarantineCounts(dataset) {
      return read<readonly QuarantineCount[]>([], async (connection) =>
        (await hasTable(connection, "main.quarantine")) ? countQuarantined(connection, dataset) : [],
      );
    },

    quarantined(dataset, filter) {
      return read<readonly QuarantinedRecord[]>([], async (connection) =>
        (await hasTable(connection, "main.quarantine")) ? readQuarantined(connection, dataset, filter) : [],
      );
    },

    async exportTo(request) {
      const written = await read<{ readonly rows: number; readonly bytes: number } | null>(null, async (connection) =>
        (await hasTable(connection, tableName(request.dataset))) ? exportIn(connection, request) : null,
      );
      if (written === null) throw nothingStored(request.dataset);
      return written;
    },

    tableRows() {
      return read<TableRows>({}, countRows);
    },

    copyTo(to, alongside) {
      return lock.hold("copying the data file", waits.writerMs, async () => {
        let rows: TableRows = {};
        if (await exists(path)) {
          rows = await use({ mode: "READ_WRITE", waitMs: waits.writerMs }, async (connection) => {
            await connection.run("checkpoint");
            return countRows(connection);
          });
          await copyFile(path, to, constants.COPYFILE_FICLONE);
        }
        await alongside();
        return rows;
      });
    },

    slotHistory(dataset, series, slot) {
      return read<SlotHistory>({ row: null, changes: [] }, async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return { row: null, changes: [] };
        return readSlotHistory(connection, { dataset, parts: series.parts, slot, history });
      });
    },

    rowsWithin(dataset, series, span) {
      return read<RowsWithin>(NO_ROWS, async (connection) => {
        if (!(await hasTable(connection, tableName(dataset)))) return NO_ROWS;
        return readRowsWithin(connection, { dataset, parts: series.parts, span });
      });
    },
  };
}

/** Puts views of the past before the tables of the same names, for this connection. */
async function showPast(connection: DuckDBConnection, past: AsOf, history: string): Promise<void> {
  const seq = past.publication === null ? 0 : await placeOf(connection, past.publication);
  if (seq === null) throw new Error(`publication ${past.publication} is not in the data file`);
  for (const dataset of past.datasets) {
    if (!(await hasTable(connection, tableName(dataset)))) continue;
    const rows = await asOf(dataset, { seq, history });
    await connection.run(`create or replace temp view ${tableOf(dataset.name)} as ${rows}`);
  }
}

/** The file is open read-only, yet COPY, ATTACH and SET would write elsewhere. */
async function refuseWrites(connection: DuckDBConnection, sql: string): Promise<void> {
  if (sql.trim() === "") throw new Error("there is no query");
  const { StatementType } = await import("@duckdb/node-api");
  const statements = await connection.extractStatements(sql);
  for (let i = 0; i < statements.count; i++) {
    const { statementType } = await statements.prepare(i);
    if (statementType !== StatementType.SELECT && statementType !== StatementType.EXPLAIN) {
      throw new Error(`only queries are answered here, not ${StatementType[statementType]}`);
    }
  }
}

async function hasTable(connection: DuckDBConnection, name: string): Promise<boolean> {
  const [schema = "", table = ""] = name.split(".");
  const rows = await rowsOf(
    connection,
    `select 1 from duckdb_tables() where schema_name = ${text(schema)} and table_name = ${text(table)}`,
  );
  return rows.length > 0;
}

async function countRows(connection: DuckDBConnection): Promise<TableRows> {
  const tables = await rowsOf(
    connection,
    `select schema_name as "schema", table_name as "table" from duckdb_tables()
     where not temporary and not internal and database_name = current_database() order by all`,
  );
  const rows: Record<string, number> = {};
  for (const { schema, table } of tables) {
    const [counted] = await rowsOf(connection, `select count(*) as n from "${schema}"."${table}"`);
    rows[`${schema}.${table}`] = Number(counted?.n ?? 0);
  }
  return rows;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

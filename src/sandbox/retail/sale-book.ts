import { join } from "node:path";
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from "@duckdb/node-api";
import { offsetSpans } from "../../core/time/zone.ts";
import { DataDirectoryError } from "../data-directory.ts";
import type { Window } from "../windows.ts";
import { SALE_COLUMNS, type SaleColumn, type SaleLine } from "./sale-line.ts";

/** What the books are read from: a part of the manifest. */
export interface SaleFiles {
  readonly zone: string;
  readonly stores: readonly { readonly id: string }[];
  readonly files: readonly { readonly file: string; readonly rows: number }[];
}

/** Lines of a store by its wall clock, both ends included as they are written. */
export interface ClockQuestion {
  readonly store: string;
  /** `YYYY-MM-DD`. */
  readonly fromDate: string;
  readonly toDate: string;
  /** `HH:MM:SS`, compared with the digits of the line's time. */
  readonly fromTime: string;
  readonly toTime: string;
  /** Whether the times hold for each day, or the first for the first day and the last for the last. */
  readonly hours: "per-day" | "span";
  /** Null = any. */
  readonly warehouse: string | null;
  readonly product: string | null;
  readonly withVoids: boolean;
}

/** Sums of one local day; voided lines are counted and not summed. */
export interface SaleDay {
  readonly date: string;
  readonly tickets: number;
  readonly lines: number;
  readonly voidedLines: number;
  readonly total: string;
}

/** All lines as they were known at one instant: of each line the newest version. */
export interface SaleBook {
  /** The instant, epoch milliseconds. */
  readonly knownAt: number;
  /** Lines sold in `window`, ordered by time, invoice and line, from the one numbered `offset`. */
  linesIn(store: string, window: Window, offset: number, limit: number): Promise<readonly SaleLine[]>;
  /** The same order. */
  linesByClock(question: ClockQuestion): Promise<readonly SaleLine[]>;
  /** Lines whose version is above `version`, oldest change first; more than `limit` when versions are shared. */
  changesSince(store: string, version: number, limit: number): Promise<readonly SaleLine[]>;
  daysIn(store: string, window: Window): Promise<readonly SaleDay[]>;
  /** When the newest line of the store was sold, epoch milliseconds; null when it has none. */
  newestAt(store: string): Promise<number | null>;
}

/** All versions of all lines. */
export interface SaleHistory {
  /** What was known at `nowMs`, epoch milliseconds; null = after all changes. */
  bookAt(nowMs: number | null): SaleBook;
}

const MONEY = "DECIMAL(18,4)";

const COLUMN_TYPES: Readonly<Record<SaleColumn, string>> = {
  store: "VARCHAR",
  invoice: "VARCHAR",
  line: "INTEGER",
  type: "VARCHAR",
  original_invoice: "VARCHAR",
  original_line: "INTEGER",
  sold_at: "VARCHAR",
  product: "VARCHAR",
  description: "VARCHAR",
  product_group: "VARCHAR",
  warehouse: "VARCHAR",
  quantity: "DECIMAL(18,3)",
  unit_weight: MONEY,
  unit: "VARCHAR",
  unit_factor: MONEY,
  unit_price: MONEY,
  unit_cost: MONEY,
  discount: MONEY,
  total: MONEY,
  cost_total: MONEY,
  tasa: MONEY,
  tax_percent: MONEY,
  tax_bs: MONEY,
  version: "BIGINT",
  updated_at: "VARCHAR",
};

const MAY_BE_EMPTY: readonly SaleColumn[] = ["original_invoice", "original_line"];

/** The wall clock is compared as text, so it has one form. */
const CLOCK_PATTERN = String.raw`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,9})?$`;

/**
 * Reads all files into `database`.
 * @throws DataDirectoryError naming the file, or the rows that contradict each other
 */
export async function readSaleHistory(
  database: DuckDBInstance,
  dir: string,
  { zone, stores, files }: SaleFiles,
): Promise<SaleHistory> {
  const connection = await database.connect();
  const columns = SALE_COLUMNS.map((name) => `${name} ${COLUMN_TYPES[name]}`).join(", ");
  await connection.run(`create table line (${columns}, sold_ms bigint, updated_ms bigint,
    until_ms bigint, tax ${MONEY})`);
  const problems: string[] = [];
  let newestMs = 0;
  for (const { file, rows } of files) {
    try {
      // One file at a time: all versions of a line are in one.
      await readVersions(connection, join(dir, file), rows, zone);
      problems.push(...(await contradictions(connection, stores)).map((problem) => `${file}: ${problem}`));
      newestMs = Math.max(newestMs, await keepVersions(connection));
    } catch (cause) {
      problems.push(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  await connection.run("drop table if exists version");
  const twice = `select store, invoice, line, max(version) as version from line where until_ms is null
    group by all having count(*) > 1`;
  problems.push(...(await examples(connection, [["the line is in two files", twice]])));
  if (problems.length > 0) throw new DataDirectoryError(dir, problems);
  return { bookAt: (nowMs) => saleBook(connection, nowMs, nowMs ?? newestMs) };
}

/**
 * Moves all versions to the table `line`, each with the instant until which it is its line's newest (null = for ever);
 * returns the newest change.
 */
async function keepVersions(connection: DuckDBConnection): Promise<number> {
  await connection.run(`
    insert into line
    select *,
      min(updated_ms) over (partition by store, invoice, line order by version
        rows between 1 following and unbounded following) as until_ms,
      (total - round(quantity * unit_price, 2) + discount)::${MONEY}
    from version order by store, sold_ms, invoice, line`);
  const newest = await connection.runAndReadAll("select max(updated_ms)::double from version");
  return Number(newest.getRows()[0]?.[0] ?? 0);
}

function saleBook(connection: DuckDBConnection, nowMs: number | null, knownAt: number): SaleBook {
  const isKnown =
    nowMs === null ? "until_ms is null" : `updated_ms <= ${nowMs} and (until_ms is null or until_ms > ${nowMs})`;
  const known = `(select * from line where ${isKnown})`;
  const select = async (where: string, values: DuckDBValue[], order: string): Promise<SaleLine[]> => {
    const reader = await connection.runAndReadAll(`select ${LINE_SQL} from ${known} where ${where} ${order}`, values);
    return reader.getRowObjects() as unknown as SaleLine[];
  };
  const inOrder = "order by sold_ms, invoice, line";
  const inWindow = ({ start, end }: Window) => `store = $1 and sold_ms >= ${start} and sold_ms < ${end}`;
  return {
    knownAt,
    linesIn: (store, window, offset, limit) =>
      select(inWindow(window), [store], `${inOrder} limit ${limit} offset ${offset}`),
    linesByClock(question) {
      const { store, fromDate, toDate, fromTime, toTime, hours, warehouse, product, withVoids } = question;
      const clock =
        hours === "span"
          ? "sold_at >= $2 || ' ' || $3 and sold_at <= $4 || ' ' || $5"
          : "left(sold_at, 10) between $2 and $4 and substr(sold_at, 12) between $3 and $5";
      const where = `store = $1 and ${clock} and ($6 is null or warehouse = $6) and ($7 is null or product = $7)
        and (${withVoids} or type <> 'VOID')`;
      return select(where, [store, fromDate, fromTime, toDate, toTime, warehouse, product], inOrder);
    },
    changesSince: (store, version, limit) =>
      select(
        `store = $1 and version > ${version} and version <= (select max(version) from
          (select version from ${known} where store = $1 and version > ${version} order by version limit ${limit}))`,
        [store],
        "order by version, sold_ms, invoice, line",
      ),
    async daysIn(store, window) {
      const reader = await connection.runAndReadAll(
        `select left(sold_at, 10) as date, (count(distinct invoice) filter (type <> 'VOID'))::int as tickets,
           (count(*) filter (type <> 'VOID'))::int as lines, (count(*) filter (type = 'VOID'))::int as "voidedLines",
           coalesce(sum(total) filter (type <> 'VOID'), 0)::${MONEY}::varchar as total
         from ${known} where ${inWindow(window)} group by 1 order by 1`,
        [store],
      );
      return reader.getRowObjects() as unknown as SaleDay[];
    },
    async newestAt(store) {
      const newest = `select max(sold_ms)::double from ${known} where store = $1`;
      const reader = await connection.runAndReadAll(newest, [store]);
      return reader.getRows()[0]?.[0] as number | null;
    },
  };
}

/** Columns of `line` under the names of `SaleLine`; integers below 2^53 as doubles, decimals as text. */
const LINE_SQL = `
  store, invoice, line, type, original_invoice as "originalInvoice", original_line as "originalLine",
  sold_at as "soldAt", sold_ms::double as "at", product, description, product_group as "group", warehouse,
  quantity::varchar as quantity, unit_weight::varchar as "unitWeight", unit, unit_factor::varchar as "unitFactor",
  unit_price::varchar as "unitPrice", unit_cost::varchar as "unitCost", discount::varchar as discount,
  total::varchar as total, cost_total::varchar as "costTotal", tax::varchar as tax,
  tax_percent::varchar as "taxPercent", tax_bs::varchar as "taxBs", tasa::varchar as tasa,
  version::double as version, updated_ms::double as "updatedAt"`;

/** Puts the rows of one file into the table `version`. */
async function readVersions(connection: DuckDBConnection, file: string, rows: number, zone: string): Promise<void> {
  const path = file.replaceAll("'", "''");
  const from = file.endsWith(".parquet")
    ? `read_parquet('${path}')`
    : `read_csv('${path}', header = true, all_varchar = true, delim = ',', quote = '"')`;
  const names = (await connection.run(`select * from ${from} limit 0`)).columnNames();
  const missing = SALE_COLUMNS.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new Error(`column ${missing.join(", ")} missing (header is ${names.join(",")})`);
  const typed = SALE_COLUMNS.map((name) => `"${name}"::${COLUMN_TYPES[name]} as "${name}"`).join(", ");
  await connection.run(`
    create or replace table version as
    select *, ${instantSql(zone, "sold_at")} as sold_ms, ${instantSql(zone, "updated_at")} as updated_ms
    from (select ${typed} from ${from})`);
  const counted = await connection.runAndReadAll("select count(*)::double from version");
  const count = counted.getRows()[0]?.[0];
  if (count !== rows) throw new Error(`holds ${count} rows, the manifest says ${rows}`);
}

/** Epoch milliseconds of a wall clock, as `fromLocalMs` has it: of a time shown twice the first, of a skipped one the jump. */
function instantSql(zone: string, column: string): string {
  const local = `epoch_ms(${column}::timestamp)`;
  const spans = offsetSpans(zone);
  const cases = spans.map(({ start, end, offsetMs }) => {
    const at = Number.isFinite(start) ? `greatest(${start}, ${local} - ${offsetMs})` : `${local} - ${offsetMs}`;
    return Number.isFinite(end) ? `when ${local} < ${end + offsetMs} then ${at}` : `else ${at}`;
  });
  return spans.length === 1 ? `${local} - ${spans[0]?.offsetMs}` : `case ${cases.join(" ")} end`;
}

/** Every kind of row in `version` that cannot be served, with one example of each. */
async function contradictions(
  connection: DuckDBConnection,
  stores: readonly { readonly id: string }[],
): Promise<readonly string[]> {
  const known = stores.map(({ id }) => `'${id}'`).join(", ");
  const empty = SALE_COLUMNS.filter((name) => !MAY_BE_EMPTY.includes(name)).map((name) => `${name} is null`);
  return await examples(connection, [
    ["a column is empty", `select * from version where ${empty.join(" or ")}`],
    ["the store is not in the manifest", `select * from version where store not in (${known})`],
    ["type is not SALE, RETURN or VOID", "select * from version where type not in ('SALE', 'RETURN', 'VOID')"],
    [
      "a time is not like 2026-01-31 09:05:00",
      `select * from version where not regexp_matches(sold_at, '${CLOCK_PATTERN}')
        or not regexp_matches(updated_at, '${CLOCK_PATTERN}')`,
    ],
    [
      "the version is there twice",
      "select store, invoice, line, version from version group by all having count(*) > 1",
    ],
    [
      "versions differ in sold_at",
      `select store, invoice, line, max(version) as version from version group by all
       having min(sold_at) <> max(sold_at)`,
    ],
  ]);
}

async function examples(
  connection: DuckDBConnection,
  checks: readonly (readonly [problem: string, sql: string])[],
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [problem, sql] of checks) {
    const reader = await connection.runAndReadAll(
      `select concat_ws(' ', store, invoice, line, 'version', version) from (${sql}) limit 1`,
    );
    const example = reader.getRows()[0]?.[0];
    if (example !== undefined) problems.push(`${problem}, for example ${example}`);
  }
  return problems;
}

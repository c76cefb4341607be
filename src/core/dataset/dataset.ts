/** `pipeline.table`, such as `ohlcv.market_data`. */
export type DatasetName = `${string}.${string}`;

export type Layer = "bronze" | "silver" | "gold";

export type ColumnType =
  | "VARCHAR"
  | "DOUBLE"
  | "BIGINT"
  | "INTEGER"
  | "TIMESTAMP"
  | "BOOLEAN"
  | "DATE"
  | `DECIMAL(${number},${number})`;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Unit, zone or meaning, when the name does not say it. */
  readonly note?: string;
}

/** A rule over a staged row. `bad` is SQL that is true for a row that must not be stored; null counts as bad. */
export interface RowCheck {
  readonly reason: string;
  readonly bad: string;
}

/**
 * How rows are made from a source's records. SQL sees the record's fields as `raw.<field>`, the row's slot start as
 * `slot.ts`, the series' own parts as `series.<part>` and what its source is told of it as `series.ask_<name>`.
 */
export interface Extract {
  /** What several expressions need, by name: SQL over `raw` that cannot fail, computed once and found in `raw`. */
  readonly terms?: Readonly<Record<string, string>>;
  /** Column to SQL expression, for every column but the engine's own (`ts`, `source`, `source_ts`, `object_no`). */
  readonly select: Readonly<Record<string, string>>;
  readonly checks: readonly RowCheck[];
  /** Share of bad rows of one object above which its cells are blocked instead of published, 0..1. */
  readonly errorThreshold: number;
  /** Rows may be known before their slot is over, such as a dividend that was declared for a day to come. */
  readonly isAnnounced?: boolean;
}

/**
 * How far the rows of an input reach into rows that are made from it.
 *
 * - `slots`: a row is made from its own slot and the `count` slots of the calendar before it.
 * - `within`: a row is made from the input rows inside its own slot.
 * - `later`: a row is made from input rows of its own slot and of all time after it (corporate events).
 */
export type Reach =
  | { readonly kind: "slots"; readonly count: number }
  | { readonly kind: "within" }
  | { readonly kind: "later" };

/** SQL in which other datasets stand as references (core/dataset/sql.ts makes it). */
export interface Sql {
  readonly parts: readonly (string | { readonly dataset: DatasetName })[];
}

/** One dataset that a transform reads, and which of its series. */
export interface TransformInput {
  readonly dataset: DatasetName;
  readonly reach: Reach;
  /** Key columns in which the input's series differs from the one that is made, such as `{ timeframe: "1m" }`. */
  readonly with?: Readonly<Record<string, string>>;
  /**
   * Whether the made series can have rows only where this input was answered. Without it, the input may be empty or
   * not there at all, and rows are made all the same.
   */
  readonly required: boolean;
}

/**
 * Rows made from other datasets by one query. Each interpolated dataset is a relation with that dataset's columns and
 * `series_no` (the series that is made), `slot_ms` (the made series' slot that holds the row, epoch milliseconds),
 * `slot_no` (that slot's number in the calendar; null outside sessions), `in_session` (whether the row's own start lies
 * in a session) and the series' parameters by name. The query yields `series_no`, `slot_ms`, `object_no` and every
 * column but the key and the time. It must read no row outside its reach and sum no floats in an order that is not
 * fixed: made anywhere, a row has the same bits. Joins run as written: the smaller side stands on the right.
 */
export interface Transform {
  readonly kind: "transform";
  readonly query: Sql;
  readonly inputs: readonly TransformInput[];
  /** Columns in which a source's own rows are held against made ones, where a series has both. */
  readonly compared?: readonly string[];
}

/** A named table with declared columns, keys and a logic version. */
export interface Dataset {
  readonly name: DatasetName;
  readonly layer: Layer;
  readonly version: number;
  readonly description: string;
  /** All columns in table order, the engine's own included. */
  readonly columns: readonly Column[];
  /** Columns that name a series, in order; with the time column they are the row's key. */
  readonly key: readonly string[];
  readonly time: string;
  /** Columns that tell rows of one slot apart, such as an invoice's line; without any, a slot has one row. */
  readonly rowKey?: readonly string[];
  /** How rows are read from a source's records; null where all rows are made from other datasets. */
  readonly extract: Extract | null;
  /** How rows are made from other datasets; null where all come from a source. */
  readonly transform: Transform | null;
  /**
   * An amount of each row that says how much happened, such as shares traded: SQL over the row's columns, never
   * negative, added up over slots. What is unusual about it is worth an alert.
   */
  readonly volume?: { readonly sql: string; readonly unit: string };
  /** The column whose old and new value tell what a restatement did to a row, such as a close. */
  readonly measure?: string;
}

/** The table's name without its pipeline: `market_data` of `ohlcv.market_data`. */
export function tableOf(name: DatasetName): string {
  return name.slice(name.indexOf(".") + 1);
}

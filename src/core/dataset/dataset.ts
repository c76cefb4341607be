/** `pipeline.table`, such as `ohlcv.market_data`. */
export type DatasetName = `${string}.${string}`;

export type Layer = "bronze" | "silver" | "gold";

export type ColumnType = "VARCHAR" | "DOUBLE" | "BIGINT" | "INTEGER" | "TIMESTAMP" | "BOOLEAN" | "DATE";

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
 * `slot.ts` and the series' own parts as `series.<part>`.
 */
export interface Extract {
  readonly kind: "extract";
  /** Column to SQL expression, for every column but the engine's own (`ts`, `source`, `source_ts`, `object_no`). */
  readonly select: Readonly<Record<string, string>>;
  readonly checks: readonly RowCheck[];
  /** Share of bad rows of one object above which its cells are blocked instead of published, 0..1. */
  readonly errorThreshold: number;
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
  readonly production: Extract;
}

/** The table's name without its pipeline: `market_data` of `ohlcv.market_data`. */
export function tableOf(name: DatasetName): string {
  return name.slice(name.indexOf(".") + 1);
}

import type { Column, Dataset } from "../dataset/dataset.ts";

/** What a plan brings to one dataset. */
export interface Arrival {
  readonly dataset: Pick<Dataset, "columns" | "key" | "extract">;
  /** Rows that are received, at most as far as anybody knows. */
  readonly received: number;
  /** Rows that are made from other datasets. */
  readonly made: number;
  /** Answers that the received rows come in. */
  readonly answers: number;
}

/*
 * The figures are measured on what `init` brings, run once and whole: 236,000 candles of three symbols, the features
 * of each, and 69,000 sale lines. A column's bytes are those of a DuckDB file that holds it ten times over and nothing
 * else; candles then came to 22 bytes a row in the store, features to 95, sale lines to 57. The real runs took 12.5 MB
 * without features (estimated 14.6), 37.2 MB with them (41.6), and 9.8 MB of sales (9.9).
 */

/** Bytes of a value in the store, packed: a figure as sent has few digits, a text repeats itself. */
const VALUE_BYTES: Readonly<Record<string, number>> = {
  VARCHAR: 1,
  BOOLEAN: 0.5,
  DATE: 2,
  INTEGER: 1,
  BIGINT: 1,
  DECIMAL: 2.5,
  DOUBLE: 2.5,
  TIMESTAMP: 4.5,
};

/** A computed figure uses all its digits and takes 7.5 bytes; of the figures of features, a third are copies. */
const MADE_DOUBLE_BYTES = 5.5;

/** Of a received record in compressed bronze: 22 bytes a candle of 7 fields, 103 a sale line of 30. */
const FIELD_BYTES = 3.5;

/** A row's place in the history beside the store, which names every insertion. */
const HISTORY_BYTES = 3;

/** An answer beside its rows: body and sidecar begin a block of their own (6 KB), the ledger tells of it (4 KB). */
const ANSWER_BYTES = 10_240;

/** The store writes blocks of 256 KB: a few rows take one, and the one that they replace is free only afterwards. */
const TABLE_BYTES = 2 * 262_144;

/** Bytes that arrivals take on disk, estimated: bronze, store, history and ledger. */
export function diskSpace(arrivals: readonly Arrival[]): number {
  return arrivals.reduce((sum, { dataset, received, made, answers }) => {
    if (received + made + answers === 0) return sum;
    const stored = (received + made) * (rowBytes(dataset) + HISTORY_BYTES);
    return sum + stored + received * recordBytes(dataset) + answers * ANSWER_BYTES + TABLE_BYTES;
  }, 0);
}

function rowBytes({ columns, extract }: Arrival["dataset"]): number {
  return columns.reduce((sum, column) => sum + valueBytes(column, extract === null), 0);
}

function valueBytes({ type }: Column, isMade: boolean): number {
  if (type === "DOUBLE" && isMade) return MADE_DOUBLE_BYTES;
  const bytes = VALUE_BYTES[type.replace(/\(.*/, "")];
  if (bytes === undefined) throw new Error(`unreachable: nobody measured ${type}`);
  return bytes;
}

function recordBytes({ key, extract }: Arrival["dataset"]): number {
  return Object.keys(extract?.select ?? {}).filter((name) => !key.includes(name)).length * FIELD_BYTES;
}

import { type Dataset, tableOf } from "../../core/dataset/dataset.ts";

/** The physical table of a dataset version: `v1.market_data`. */
export function tableName(dataset: Pick<Dataset, "name" | "version">): string {
  return `v${dataset.version}.${tableOf(dataset.name)}`;
}

/** Creates what a dataset needs in the data file; running it again does no harm. */
export function tableStatements(dataset: Dataset): readonly string[] {
  const columns = dataset.columns.map((column) => `${column.name} ${column.type}`).join(", ");
  return [
    `create schema if not exists v${dataset.version}`,
    `create table if not exists ${tableName(dataset)} (${columns})`,
    `create table if not exists receipt (chunk varchar, fence bigint, body json)`,
    `create table if not exists quarantine (dataset varchar, version integer, series varchar, object_no bigint,
       row_no bigint, slot timestamp, reason varchar, record json)`,
    `create or replace view main.${tableOf(dataset.name)} as select * from ${tableName(dataset)}`,
  ];
}

/** A SQL text literal. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

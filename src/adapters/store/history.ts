import { readdir } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { folderOf, insertedFolder } from "./before-image.ts";
import { rowsOf } from "./rows.ts";
import { literalPath, rowKeyOf, tableName, text } from "./tables.ts";

/**
 * Every time a publication touched a slot, as a query: key columns, time, `seq` (the publication's place), `chunk`,
 * `change` (inserted, updated, retracted) and `before`, the row as it was (null for an insertion).
 */
export async function touches(dataset: Dataset, history: string): Promise<string> {
  const key = [...dataset.key, dataset.time, ...rowKeyOf(dataset)];
  const types = new Map(dataset.columns.map(({ name, type }) => [name, type]));
  const row = `struct(${dataset.columns.map(({ name, type }) => `${name} ${type}`).join(", ")})`;
  const parts = [
    `select ${key.map((name) => `null::${types.get(name)} as ${name}`).join(", ")}, null::bigint as seq,
      null::varchar as chunk, null::varchar as change, null::${row} as before where false`,
  ];
  if (await hasParquet(insertedFolder(dataset, history))) {
    const file = `parse_filename(i.filename, true)`;
    parts.push(`select ${key.map((name) => `i.${name}`).join(", ")}, r.seq, r.chunk, 'inserted' as change, null::${row} as before
      from read_parquet(${pattern(insertedFolder(dataset, history))}, filename = true) i
      join receipt r on r.chunk || '-' || r.fence = ${file}`);
  }
  if (await hasParquet(folderOf(dataset, history))) {
    parts.push(`select ${key.map((name) => `h.${name}`).join(", ")}, r.seq, r.chunk, h.change,
        struct_pack(${dataset.columns.map(({ name }) => `${name} := h.${name}`).join(", ")}) as before
      from read_parquet(${pattern(folderOf(dataset, history))}) h join receipt r on r.chunk = h.replaced_by`);
  }
  return parts.join("\n    union all by name ");
}

/** The rows of a dataset as they stood once the publication at `seq` was committed, as a query over all columns. */
export async function asOf(dataset: Dataset, at: { readonly seq: number; readonly history: string }): Promise<string> {
  const key = [...dataset.key, dataset.time, ...rowKeyOf(dataset)];
  const columns = dataset.columns.map(({ name }) => name);
  const later = `select * from (${await touches(dataset, at.history)}) where seq > ${at.seq}
    qualify row_number() over (partition by ${key.join(", ")} order by seq) = 1`;
  const same = key.map((name) => `c.${name} is not distinct from l.${name}`).join(" and ");
  return `select ${columns.map((name) => `l.before.${name} as ${name}`).join(", ")} from (${later}) l where l.change <> 'inserted'
    union all select ${columns.map((name) => `c.${name}`).join(", ")} from ${tableName(dataset)} c
    anti join (${later}) l on ${same}`;
}

/** The place of a publication among all of the data file, or null when it has none. */
export async function placeOf(connection: DuckDBConnection, chunkId: string): Promise<number | null> {
  const [row] = await rowsOf(connection, `select seq from receipt where chunk = ${text(chunkId)}`);
  return row ? Number(row.seq) : null;
}

function pattern(folder: string): string {
  return `${literalPath(folder).slice(0, -1)}/*.parquet'`;
}

async function hasParquet(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => name.endsWith(".parquet"));
}

import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { RowsWithin, SlotChange, SlotHistory } from "../../engine/store-port.ts";
import { folderOf, insertedFolder } from "./before-image.ts";
import { type Row, rowsOf } from "./rows.ts";
import { literalPath, OBJECT_COLUMN, tableName, text } from "./tables.ts";

interface Place {
  readonly dataset: Dataset;
  /** Values of the key columns. */
  readonly parts: Readonly<Record<string, string>>;
}

export const NO_ROWS: RowsWithin = { rows: 0, first: null, last: null, objects: [] };

/**
 * The stored row of a slot and what publications did to it. Read from the before-images themselves, not through the
 * view over them: the view names the folder in which they lay when it was made.
 */
export async function readSlotHistory(
  connection: DuckDBConnection,
  { history, ...place }: Place & { readonly slot: Instant; readonly history: string },
): Promise<SlotHistory> {
  const { dataset } = place;
  const isHere = `${ofSeries(place)} and ${dataset.time} = epoch_ms(${place.slot})`;
  const [row] = await rowsOf(connection, `select * from ${tableName(dataset)} where ${isHere}`);
  const order = await publicationOrder(connection);
  const inserted = await readImages(connection, insertedFolder(dataset, history), isHere);
  const replaced = await readImages(connection, folderOf(dataset, history), isHere);
  const changes = [
    ...inserted.map(
      ({ file }): Placed => ({ change: "inserted", chunkId: chunkOf(file), before: null, file, kind: 1 }),
    ),
    ...replaced.map(({ file, row: { change, replaced_by, ...before } }): Placed => {
      return { change: change as SlotChange["change"], chunkId: String(replaced_by), before, file, kind: 0 };
    }),
  ];
  // An image whose publication never committed does not count; one publication may retract a row and insert another.
  return {
    row: row ?? null,
    changes: changes
      .filter(({ file }) => order.has(nameOf(file)))
      .sort((a, b) => (order.get(nameOf(a.file)) ?? 0) - (order.get(nameOf(b.file)) ?? 0) || a.kind - b.kind)
      .map(({ change, chunkId, before }) => ({ change, chunkId, before })),
  };
}

/** How many rows of a series lie in a stretch, and which bronze objects they came from. */
export async function readRowsWithin(
  connection: DuckDBConnection,
  { span, ...place }: Place & { readonly span: Interval },
): Promise<RowsWithin> {
  const { dataset } = place;
  const [found] = await rowsOf(
    connection,
    `select count(*) as n, epoch_ms(min(${dataset.time})) as first_ms, epoch_ms(max(${dataset.time})) as last_ms,
       list_sort(list(distinct ${OBJECT_COLUMN})) as objects
     from ${tableName(dataset)}
     where ${ofSeries(place)} and ${dataset.time} >= epoch_ms(${span.start}) and ${dataset.time} < epoch_ms(${span.end})`,
  );
  if (!found || Number(found.n) === 0) return NO_ROWS;
  return {
    rows: Number(found.n),
    first: instant(Number(found.first_ms)),
    last: instant(Number(found.last_ms)),
    objects: (found.objects as readonly unknown[]).map(Number),
  };
}

interface Placed extends SlotChange {
  readonly file: string;
  readonly kind: number;
}

interface Image {
  readonly file: string;
  readonly row: Row;
}

async function readImages(connection: DuckDBConnection, folder: string, condition: string): Promise<readonly Image[]> {
  const names = await readdir(folder).catch(() => []);
  if (!names.some((name) => name.endsWith(".parquet"))) return [];
  const files = `${literalPath(folder).slice(0, -1)}/*.parquet'`;
  const rows = await rowsOf(
    connection,
    `select * from read_parquet(${files}, filename = 'image_file', hive_partitioning = false) where ${condition}`,
  );
  return rows.map(({ image_file, ...row }) => ({ file: String(image_file), row }));
}

/** The place of each committed publication, by the name of its image: its receipt's number. */
async function publicationOrder(connection: DuckDBConnection): Promise<ReadonlyMap<string, number>> {
  const rows = await rowsOf(connection, "select chunk, fence, seq from receipt");
  return new Map(rows.map(({ chunk, fence, seq }) => [`${chunk}-${fence}`, Number(seq)]));
}

function nameOf(file: string): string {
  return basename(file, ".parquet");
}

/** `run-….7` of `run-….7-1.parquet`, whose tail is the fence. */
function chunkOf(file: string): string {
  const name = nameOf(file);
  return name.slice(0, name.lastIndexOf("-"));
}

function ofSeries({ dataset, parts }: Place): string {
  return dataset.key.map((column) => `${column} = ${text(parts[column] ?? "")}`).join(" and ");
}

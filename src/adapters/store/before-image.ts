import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { runOf } from "../../engine/ids.ts";
import { syncPath } from "../sync.ts";
import type { Writing } from "./context.ts";
import { hasRows, rowsOf } from "./rows.ts";
import { historyView, literalPath, rowKeyOf, text } from "./tables.ts";

const TEMPORARY = ".part";

/** Where the rows that a publication replaces are kept, as they were. */
export function imagePath({ dataset, chunkId, fence }: Written, history: string): string {
  return join(folderOf(dataset, history), `${chunkId}-${fence}.parquet`);
}

/** Where the slots that a publication filled for the first time are kept. */
function insertedPath({ dataset, chunkId, fence }: Written, history: string): string {
  return join(insertedFolder(dataset, history), `${chunkId}-${fence}.parquet`);
}

type Written = Writing["request"];

/**
 * Writes `image_t` durably to an immutable Parquet file and shows it in the history view; nothing when it is empty.
 * It comes before the commit, so that no change is ever without its before-image.
 */
export async function writeImage({ connection, request }: Writing, history: string): Promise<void> {
  const { dataset } = request;
  if (await hasRows(connection, "select series_no from inserted_t")) {
    await writeParquet(connection, insertedSlots(request), insertedPath(request, history));
  }
  if (!(await hasRows(connection, "select change from image_t"))) return;
  const order = [...dataset.key, dataset.time, "object_no"].join(", ");
  await writeParquet(connection, `select * from image_t order by ${order}`, imagePath(request, history));
  // An image whose publication never committed has no receipt and does not count.
  await connection.run(`create or replace view ${historyView(dataset)} as
    select h.* from read_parquet(${literalPath(folderOf(dataset, history)).slice(0, -1)}/*.parquet') h
    semi join receipt r on r.chunk = h.replaced_by`);
}

/** The slots in `inserted_t` by key. As texts, the few names that there are would be looked up anew in each row. */
function insertedSlots({ dataset, series }: Written): string {
  const names = dataset.key.map((name) => {
    const all = new Set(series.map((one) => text(one.series.parts[name] ?? "")));
    return `${name}::enum(${[...all].join(", ")}) as ${name}`;
  });
  const own = rowKeyOf(dataset).map((name) => `, i.${name}`);
  return `select s.* exclude (series_no), epoch_ms(i.slot_ms) as ${dataset.time}${own.join("")}
    from inserted_t i join (select series_no, ${names.join(", ")} from series_t) s on s.series_no = i.series_no`;
}

/**
 * Removes images of publications that never committed: their processes were killed before the commit. Only for the
 * holder of the data file, since another writer's image comes before its receipt. Of runs that the data file knows
 * nothing of nothing is removed: theirs may be all that a lost file has left behind.
 */
export async function sweepImages({ connection, request }: Writing, history: string): Promise<void> {
  for (const folder of [folderOf(request.dataset, history), insertedFolder(request.dataset, history)]) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name !== INSERTED);
    if (names.length === 0) continue;
    const rows = await rowsOf(connection, "select chunk, fence from receipt");
    const committed = new Set(rows.map((row) => `${row.chunk}-${row.fence}.parquet`));
    const runs = new Set([request.chunkId, ...rows.map((row) => String(row.chunk))].map(runOf));
    const stray = names.filter((name) => !committed.has(name) && runs.has(runOf(name)));
    for (const name of stray) await rm(join(folder, name), { force: true });
  }
}

/** Removes the image of a publication that did not commit. */
export async function dropImage(request: Written, history: string): Promise<void> {
  for (const path of [imagePath(request, history), insertedPath(request, history)]) {
    await rm(path, { force: true });
    await rm(`${path}${TEMPORARY}`, { force: true });
  }
}

/** Folder of a dataset version's before-images; below it lie the slots that were filled for the first time. */
export function folderOf(dataset: Pick<Dataset, "name" | "version">, history: string): string {
  return join(history, `dataset=${dataset.name}`, `version=${dataset.version}`);
}

const INSERTED = "inserted";

export function insertedFolder(dataset: Pick<Dataset, "name" | "version">, history: string): string {
  return join(folderOf(dataset, history), INSERTED);
}

/**
 * Writes a query's rows to an immutable file: temporary, sync, rename, sync. The second version of the format keeps
 * times that follow one another as differences: a million slots take 50 kB.
 */
async function writeParquet(connection: DuckDBConnection, query: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await connection.run(
    `copy (${query}) to ${text(`${path}${TEMPORARY}`)} (format parquet, parquet_version v2, compression zstd)`,
  );
  await syncPath(`${path}${TEMPORARY}`);
  await rename(`${path}${TEMPORARY}`, path);
  await syncPath(dirname(path));
}

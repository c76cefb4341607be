import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { PublishRequest } from "../../engine/store-port.ts";
import type { Context } from "./context.ts";
import { hasRows, rowsOf } from "./rows.ts";
import { historyView, literalPath, text } from "./tables.ts";

const TEMPORARY = ".part";

/** Where the rows that a publication replaces are kept, as they were. */
export function imagePath({ dataset, chunkId, fence }: PublishRequest, history: string): string {
  return join(folderOf(dataset, history), `${chunkId}-${fence}.parquet`);
}

/**
 * Writes `image_t` durably to an immutable Parquet file and shows it in the history view; nothing when it is empty.
 * It comes before the commit, so that no change is ever without its before-image.
 */
export async function writeImage({ connection, request }: Context, history: string): Promise<void> {
  if (!(await hasRows(connection, "select change from image_t"))) return;
  const { dataset } = request;
  const path = imagePath(request, history);
  await mkdir(dirname(path), { recursive: true });
  await connection.run(`copy (select * from image_t order by ${[...dataset.key, dataset.time, "object_no"].join(", ")})
    to ${text(`${path}${TEMPORARY}`)} (format parquet, compression zstd)`);
  await sync(`${path}${TEMPORARY}`);
  await rename(`${path}${TEMPORARY}`, path);
  await sync(dirname(path));
  // An image whose publication never committed has no receipt and does not count.
  await connection.run(`create or replace view ${historyView(dataset)} as
    select h.* from read_parquet(${literalPath(folderOf(dataset, history)).slice(0, -1)}/*.parquet') h
    semi join receipt r on r.chunk = h.replaced_by`);
}

/**
 * Removes images of publications that never committed: their processes were killed before the commit. Only for the
 * holder of the data file, since another writer's image comes before its receipt.
 */
export async function sweepImages({ connection, request }: Context, history: string): Promise<void> {
  const folder = folderOf(request.dataset, history);
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) return;
  const rows = await rowsOf(connection, "select chunk, fence from receipt");
  const committed = new Set(rows.map((row) => `${row.chunk}-${row.fence}.parquet`));
  for (const name of names) if (!committed.has(name)) await rm(join(folder, name), { force: true });
}

/** Removes the image of a publication that did not commit. */
export async function dropImage(request: PublishRequest, history: string): Promise<void> {
  const path = imagePath(request, history);
  await rm(path, { force: true });
  await rm(`${path}${TEMPORARY}`, { force: true });
}

function folderOf(dataset: Dataset, history: string): string {
  return join(history, `dataset=${dataset.name}`, `version=${dataset.version}`);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

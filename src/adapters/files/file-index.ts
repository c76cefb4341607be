import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { nearestNames } from "../../core/errors.ts";
import type { FileHolding, FileReader, RecordShape } from "../../engine/ports.ts";
import { writeDurably } from "../bronze/bronze.ts";
import { columnNames, columnsOf, fileQueries } from "../store/file-records.ts";
import { rowsOf } from "../store/rows.ts";
import { withDuckDb } from "./file-rows.ts";

/** Files of one kind, as the index looks at them. */
export interface IndexedLayout {
  readonly name: string;
  /** From the project's folder. */
  readonly folder: string;
  /** What the name of a file tells, from its path below the folder; null for files of another kind. */
  readonly readName: (path: string) => FileHolding["named"] | null;
  readonly records: RecordShape & { readonly reader: FileReader };
  /** Records of a key that lie further apart, in milliseconds, are told as holdings of their own. Default: never. */
  readonly apartMs?: number;
}

/** What was found in one file when it had this size and age. */
interface Known {
  readonly bytes: number;
  readonly changedAt: number;
  readonly problem: string | null;
  /** Key, first and last stamp, rows. */
  readonly holds: readonly (readonly [string | null, number, number, number])[];
}

type Cache = Readonly<Record<string, Readonly<Record<string, Known>>>>;

/**
 * What the files of each layout hold, by layout and in the order of their names. Files that were looked at before are
 * not opened again unless their size or age changed; `note` is told of those that cannot be read, which hold nothing.
 */
export async function indexFiles(
  layouts: readonly IndexedLayout[],
  options: { readonly root: string; readonly cachePath: string; readonly note: (line: string) => void },
): Promise<ReadonlyMap<string, readonly FileHolding[]>> {
  const { root, cachePath, note } = options;
  const cache = await readCache(cachePath);
  const next: Record<string, Record<string, Known>> = {};
  const holdings = new Map<string, readonly FileHolding[]>();
  const unknown: { readonly layout: IndexedLayout; readonly path: string; readonly place: Record<string, Known> }[] =
    [];
  const files = new Map<string, readonly Found[]>();
  for (const layout of layouts) {
    const found = await filesOf(layout, root);
    files.set(layout.name, found);
    if (found.length === 0) note(`files: nothing in ${layout.folder} is named as ${layout.name} says`);
    const id = idOf(layout);
    const place: Record<string, Known> = {};
    next[id] = place;
    for (const { path, bytes, changedAt } of found) {
      const before = cache[id]?.[path];
      if (before?.bytes === bytes && before.changedAt === changedAt) place[path] = before;
      else {
        place[path] = { bytes, changedAt, problem: null, holds: [] };
        unknown.push({ layout, path, place });
      }
    }
  }
  if (unknown.length > 0) {
    await withDuckDb(async (connection) => {
      for (const { layout, path, place } of unknown) {
        const found = await lookInto(connection, layout, resolve(root, path));
        place[path] = { ...(place[path] as Known), ...found };
      }
    });
  }
  for (const layout of layouts) {
    const place = next[idOf(layout)] ?? {};
    const own: FileHolding[] = [];
    for (const { path, named } of files.get(layout.name) ?? []) {
      const { problem, holds } = place[path] as Known;
      if (problem !== null) note(`files: ${path} ${problem}`);
      own.push(...holds.map(([key, first, last, rows]) => ({ path, named, key, first, last, rows })));
    }
    holdings.set(layout.name, own);
  }
  if (JSON.stringify(next) !== JSON.stringify(cache)) await writeDurably(cachePath, Buffer.from(JSON.stringify(next)));
  return holdings;
}

interface Found {
  readonly path: string;
  readonly named: FileHolding["named"];
  readonly bytes: number;
  readonly changedAt: number;
}

async function filesOf({ folder, readName }: IndexedLayout, root: string): Promise<readonly Found[]> {
  const at = resolve(root, folder);
  let names: readonly string[];
  try {
    names = await readdir(at, { recursive: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
  const found: Found[] = [];
  for (const name of [...names].map((one) => one.replaceAll("\\", "/")).sort()) {
    const named = readName(name);
    if (named === null) continue;
    const file = await stat(join(at, name));
    if (!file.isFile()) continue;
    found.push({ path: relative(root, join(at, name)), named, bytes: file.size, changedAt: file.mtimeMs });
  }
  return found;
}

/** Stamps outside these years are mistakes: 1970 to 2100. */
const STAMPS = "between 0 and 4102444800000";

async function lookInto(
  connection: DuckDBConnection,
  { records, apartMs }: IndexedLayout,
  path: string,
): Promise<Pick<Known, "problem" | "holds">> {
  try {
    const absent = await absentColumn(path, records);
    const [query = ""] = await fileQueries([{ no: 0, path, rows: 0 }], records);
    const key = records.key === undefined ? "null::varchar" : records.key;
    // A window over rows with equal stamps would visit each of them for each.
    const stamps = `select ${key} as key, ${records.stamp} as stamp, count(*) as n from (${query})
      where not unreadable and ${records.stamp} ${STAMPS} group by all`;
    const parts =
      apartMs === undefined
        ? `select *, 0 as part from (${stamps})`
        : `select *, count(*) filter (stamp - previous > ${apartMs}) over (partition by key order by stamp) as part
           from (select *, lag(stamp) over (partition by key order by stamp) as previous from (${stamps}))`;
    const rows = await rowsOf(
      connection,
      `select key, min(stamp) as first, max(stamp) as last, sum(n)::bigint as n from (${parts})
       group by key, part order by key, first`,
    );
    const problem = absent ?? (rows.length === 0 ? "has no record that can be read as declared" : null);
    return {
      problem,
      holds: rows.map((row) => [row.key as string | null, Number(row.first), Number(row.last), Number(row.n)]),
    };
  } catch (error) {
    const [line = ""] = (error as Error).message.split("\n");
    return { problem: `cannot be read: ${line}`, holds: [] };
  }
}

async function absentColumn(path: string, { reader }: IndexedLayout["records"]): Promise<string | null> {
  const names = reader.format === "csv" ? await columnNames(path, reader) : null;
  if (names === null) return null;
  const lower = names.map((name) => name.toLowerCase());
  const absent = columnsOf(reader).find(
    (column) => typeof column === "string" && !lower.includes(column.toLowerCase()),
  );
  if (absent === undefined) return null;
  const [near] = nearestNames(String(absent), names);
  const hint = near === undefined ? `its columns: ${names.join(", ")}` : `did you mean "${near}"?`;
  return `has no column "${absent}" (${hint})`;
}

/** A layout by what it says: another reading of the same files is another index. */
function idOf({ name, records, apartMs }: IndexedLayout): string {
  return `${name} ${createHash("sha256")
    .update(JSON.stringify([records, apartMs ?? null]))
    .digest("hex")
    .slice(0, 12)}`;
}

async function readCache(path: string): Promise<Cache> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Cache;
  } catch {
    // Absent, or damaged: it is only a memory, and made anew.
    return {};
  }
}

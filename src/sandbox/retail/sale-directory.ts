import { createWriteStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { z } from "zod";
import { isDate } from "../../core/time/zone.ts";
import { DataDirectoryError, isInside, isZone } from "../data-directory.ts";
import { readSaleHistory, type SaleBook, type SaleHistory } from "./sale-book.ts";
import { SALE_COLUMNS, type SaleRow } from "./sale-line.ts";

/** Name of the manifest in a directory of sale lines. */
export const SALES_MANIFEST = "sales.json";

const civilDate = z.string().refine(isDate, "expected a date like 2026-01-31");

const storeSchema = z.strictObject({
  /** `tienda_08`; the column `store` of the lines. */
  id: z.string().regex(/^[a-z][a-z0-9_]*$/, "expected an id like tienda_08"),
  name: z.string().min(1),
  /** The store's code under the KLK contract. */
  branch: z.string().regex(/^SUC\d{3}$/, "expected a branch like SUC002"),
  /** Code of its sales floor. */
  warehouse: z.string().min(1),
  region: z.string().min(1),
  /** First day of business, and first day after the last; absent = not known. */
  opened: civilDate.optional(),
  closed: civilDate.optional(),
});

const fileSchema = z.strictObject({
  /** Path inside the directory, with forward slashes. */
  file: z
    .string()
    .regex(/\.(csv|csv\.gz|parquet)$/, "expected a .csv, .csv.gz or .parquet file")
    .refine(isInside, "must stay inside the data directory"),
  rows: z.int().nonnegative(),
});

const manifestSchema = z
  .strictObject({
    note: z.string(),
    /** Where the lines come from, in words. */
    source: z.string().min(1),
    simulated: z.boolean(),
    /** ISO 4217 code of prices, costs, discounts and totals. */
    currency: z.string().regex(/^[A-Z]{3}$/, "expected a currency like USD"),
    /** Zone of the stores' wall clocks. */
    zone: z.string().refine(isZone, "not a time zone of this Node.js"),
    stores: z.array(storeSchema).min(1),
    files: z.array(fileSchema).min(1),
  })
  .superRefine(({ stores }, context) => {
    for (const field of ["id", "branch"] as const) {
      stores.forEach((store, i) => {
        const earlier = stores.findIndex((other) => other[field] === store[field]);
        if (earlier === i) return;
        const message = `${store[field]} is already stores[${earlier}]`;
        context.addIssue({ code: "custom", path: ["stores", i, field], message });
      });
    }
  });

export type SalesManifest = z.infer<typeof manifestSchema>;
export type StoreEntry = SalesManifest["stores"][number];

/** A directory whose manifest has been read; its lines are read when first asked for. */
export interface SaleDirectory {
  readonly manifest: SalesManifest;
  storeOf(id: string): StoreEntry | undefined;
  storeOfBranch(branch: string): StoreEntry | undefined;
  /**
   * The lines as they were known at `nowMs` (null = after all changes).
   * @throws DataDirectoryError when a file does not hold what the manifest says
   */
  book(nowMs: number | null): Promise<SaleBook>;
  close(): Promise<void>;
}

/**
 * Opens `dir` after checking the whole manifest and that its files are there.
 * @throws DataDirectoryError with every problem found
 */
export async function openSaleDirectory(dir: string): Promise<SaleDirectory> {
  const manifest = await readManifest(dir);
  let reading: Promise<SaleHistory> | undefined;
  let database: DuckDBInstance | undefined;
  return {
    manifest,
    storeOf: (id) => manifest.stores.find((store) => store.id === id),
    storeOfBranch: (branch) => manifest.stores.find((store) => store.branch === branch),
    async book(nowMs) {
      reading ??= (async () => {
        database = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
        return await readSaleHistory(database, dir, manifest);
      })();
      return (await reading).bookAt(nowMs);
    },
    async close() {
      await reading?.catch(() => undefined);
      database?.closeSync();
    },
  };
}

/** Writes `dir/sales.json`. */
export async function writeSalesManifest(dir: string, manifest: SalesManifest): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, SALES_MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Rows held as text at a time while a file is written. */
const ROWS_A_PART = 2_000;

/** Writes `rows` as gzipped CSV to `file` under `dir` and returns the manifest's entry of it. */
export async function writeSaleCsv(
  dir: string,
  file: string,
  rows: readonly SaleRow[],
): Promise<SalesManifest["files"][number]> {
  const path = join(dir, file);
  await mkdir(dirname(path), { recursive: true });
  await pipeline(Readable.from(csvParts(rows)), createGzip(), createWriteStream(path));
  return { file, rows: rows.length };
}

function* csvParts(rows: readonly SaleRow[]): Generator<string> {
  yield `${SALE_COLUMNS.join(",")}\n`;
  for (let i = 0; i < rows.length; i += ROWS_A_PART) {
    const lines = rows.slice(i, i + ROWS_A_PART).map((row) => SALE_COLUMNS.map((name) => csvText(row[name])).join(","));
    yield `${lines.join("\n")}\n`;
  }
}

function csvText(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function readManifest(dir: string): Promise<SalesManifest> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(join(dir, SALES_MANIFEST), "utf8"));
  } catch (cause) {
    throw new DataDirectoryError(dir, [`${SALES_MANIFEST}: ${cause instanceof Error ? cause.message : String(cause)}`]);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${SALES_MANIFEST} ${path.join(".")}: ${message}`);
    throw new DataDirectoryError(dir, problems);
  }
  const checks = parsed.data.files.map(async ({ file }, i) => {
    const found = await stat(join(dir, file)).catch(() => null);
    return found?.isFile() ? [] : [`${SALES_MANIFEST} files.${i}.file: ${file} is not there`];
  });
  const problems = (await Promise.all(checks)).flat();
  if (problems.length > 0) throw new DataDirectoryError(dir, problems);
  return parsed.data;
}

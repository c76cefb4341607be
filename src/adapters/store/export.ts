import { randomBytes } from "node:crypto";
import { access, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { ExportRequest } from "../../engine/store-port.ts";
import { syncPath } from "../sync.ts";
import { fillTable, rowsOf } from "./rows.ts";
import { tableName, text } from "./tables.ts";

/** How COPY writes each format; stamps are UTC and say so where the format has no type for them. */
const FORMATS = {
  parquet: "format parquet, compression zstd",
  csv: "format csv, header true, timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'",
} as const satisfies Readonly<Record<ExportRequest["format"], string>>;

/** Writes the rows that are asked for beside the file's place, then renames. */
export async function exportIn(
  connection: DuckDBConnection,
  request: ExportRequest,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const path = resolve(request.path);
  await refusePlace(path, request);
  const query = await queryOf(connection, request);
  const temporary = `${path}.${randomBytes(4).toString("hex")}.part`;
  try {
    const [copied] = await rowsOf(connection, `copy (${query}) to ${text(temporary)} (${FORMATS[request.format]})`);
    await syncPath(temporary);
    const { size } = await stat(temporary);
    await rename(temporary, path);
    return { rows: Number(copied?.Count ?? 0), bytes: size };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Why there is nothing to export. */
export function nothingStored({ name }: Dataset): RetrofillError {
  return new RetrofillError("INPUT_ABSENT", `${name} holds nothing yet`, { hint: `retrofill run ${name}` });
}

/** @throws RetrofillError USAGE where the file exists or its folder does not */
async function refusePlace(path: string, { overwrites }: ExportRequest): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere && !overwrites) {
    throw new RetrofillError("USAGE", `${path} exists already`, { hint: "--force overwrites it" });
  }
  const folder = await stat(dirname(path)).catch(() => null);
  if (!folder?.isDirectory()) throw new RetrofillError("USAGE", `--out: there is no folder ${dirname(path)}`);
}

async function queryOf(connection: DuckDBConnection, request: ExportRequest): Promise<string> {
  const { dataset, series, from, to } = request;
  const { key, time } = dataset;
  const conditions: string[] = [];
  if (series !== null) {
    await fillTable(
      connection,
      "exported_t",
      key.map((name) => `${name} varchar`).join(", "),
      series.map(({ parts }) => key.map((name) => parts[name] ?? "")),
    );
    conditions.push(`(${key.join(", ")}) in (select (${key.join(", ")}) from exported_t)`);
  }
  if (from !== null) conditions.push(`${time} >= epoch_ms(${from})`);
  if (to !== null) conditions.push(`${time} < epoch_ms(${to})`);
  const where = conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`;
  return `select * from ${tableName(dataset)} ${where} order by ${[...key, time].join(", ")}`;
}

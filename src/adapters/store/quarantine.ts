import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { asSeriesKey } from "../../core/dataset/series.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { QuarantineCount, QuarantinedRecord, QuarantineFilter } from "../../engine/store-port.ts";
import { rowsOf } from "./rows.ts";
import { text } from "./tables.ts";

/** The quarantined records of a dataset version, counted by series and reason. */
export async function countQuarantined(
  connection: DuckDBConnection,
  dataset: Dataset,
): Promise<readonly QuarantineCount[]> {
  const rows = await rowsOf(
    connection,
    `select series, reason, count(*) as n, epoch_ms(min(slot)) as first_ms, epoch_ms(max(slot)) as last_ms
     from quarantine where ${ofDataset(dataset)} group by series, reason order by series, reason`,
  );
  return rows.map((row) => ({
    key: asSeriesKey(String(row.series)),
    reason: String(row.reason),
    records: Number(row.n),
    first: instantOf(row.first_ms),
    last: instantOf(row.last_ms),
  }));
}

/** The first quarantined records of a dataset version that `filter` keeps. */
export async function readQuarantined(
  connection: DuckDBConnection,
  dataset: Dataset,
  filter: QuarantineFilter,
): Promise<readonly QuarantinedRecord[]> {
  const conditions = [ofDataset(dataset)];
  if (filter.keys !== undefined)
    conditions.push(`list_contains([${filter.keys.map(text).join(", ")}]::varchar[], series)`);
  if (filter.objectNo !== undefined) conditions.push(`object_no = ${filter.objectNo}`);
  if (filter.slot !== undefined) conditions.push(`slot = epoch_ms(${filter.slot})`);
  const rows = await rowsOf(
    connection,
    `select series, object_no, row_no, epoch_ms(slot) as slot_ms, reason, record from quarantine
     where ${conditions.join(" and ")} order by object_no, row_no, series limit ${filter.limit}`,
  );
  return rows.map((row) => ({
    dataset: dataset.name,
    version: dataset.version,
    key: asSeriesKey(String(row.series)),
    objectNo: Number(row.object_no),
    rowNo: Number(row.row_no),
    slot: instantOf(row.slot_ms),
    reason: String(row.reason),
    record: row.record === null ? null : JSON.parse(String(row.record)),
  }));
}

function ofDataset({ name, version }: Dataset): string {
  return `dataset = ${text(name)} and version = ${version}`;
}

function instantOf(ms: unknown): Instant | null {
  return ms === null ? null : instant(Number(ms));
}

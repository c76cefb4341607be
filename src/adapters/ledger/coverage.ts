import { type Kysely, sql } from "kysely";
import type { Segment, SegmentState, Segments } from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Tables } from "./schema.ts";

/**
 * The segments of a dataset's series, or of `keys` only. Rows that say the same come as one, their ends in a text:
 * a hundred thousand rows cost more to hand over one by one than to find.
 */
export async function readSegments(
  db: Kysely<Tables>,
  dataset: string,
  version: number,
  keys?: readonly SeriesKey[],
): Promise<Map<SeriesKey, Segments>> {
  const said = ["key", "state", "asked", "reason", "chunk_id", "seq"] as const;
  let query = db
    .selectFrom("coverage")
    .select(said)
    .select(sql<string>`string_agg(start_ms || ' ' || end_ms, ' ')`.as("ends"))
    .where("dataset", "=", dataset)
    .where("version", "=", version)
    .groupBy(said);
  // Long lists read everything: an `in` with thousands of members is slower than the scan.
  if (keys && keys.length <= 500) query = query.where("key", "in", keys);
  const byKey = new Map<SeriesKey, Segment[]>();
  for (const row of await query.execute()) {
    const key = asSeriesKey(row.key);
    const list = byKey.get(key) ?? [];
    if (list.length === 0) byKey.set(key, list);
    const ends = row.ends.split(" ");
    for (let i = 0; i < ends.length; i += 2) {
      list.push({
        start: instant(Number(ends[i])),
        end: instant(Number(ends[i + 1])),
        state: row.state as SegmentState,
        asked: row.asked,
        reason: row.reason,
        chunk: row.chunk_id,
        ...(row.seq === null ? {} : { seq: row.seq }),
      });
    }
  }
  for (const list of byKey.values()) list.sort((a, b) => a.start - b.start);
  return byKey;
}

/** Writes the difference between two lists of segments of one series; equal rows are left alone. */
export async function writeSegments(
  db: Kysely<Tables>,
  place: { readonly dataset: string; readonly version: number; readonly key: string },
  before: Segments,
  after: Segments,
): Promise<void> {
  const same = new Set(before.map(rowText));
  const keep = new Set(after.map(rowText));
  const gone = before.filter((segment) => !keep.has(rowText(segment)));
  const fresh = after.filter((segment) => !same.has(rowText(segment)));
  for (let i = 0; i < gone.length; i += 500) {
    await db
      .deleteFrom("coverage")
      .where("dataset", "=", place.dataset)
      .where("version", "=", place.version)
      .where("key", "=", place.key)
      .where(
        "start_ms",
        "in",
        gone.slice(i, i + 500).map((segment) => segment.start as number),
      )
      .execute();
  }
  const rows = fresh.map((segment) => ({
    dataset: place.dataset,
    version: place.version,
    key: place.key,
    start_ms: segment.start,
    end_ms: segment.end,
    state: segment.state,
    asked: segment.asked,
    reason: segment.reason,
    chunk_id: segment.chunk,
    seq: segment.seq ?? null,
  }));
  for (let i = 0; i < rows.length; i += 2_000) {
    await db
      .insertInto("coverage")
      .values(rows.slice(i, i + 2_000))
      .execute();
  }
}

function rowText(segment: Segment): string {
  return `${segment.start} ${segment.end} ${segment.state} ${segment.asked} ${segment.chunk} ${segment.reason} ${segment.seq}`;
}

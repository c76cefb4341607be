import type { TakenBack } from "../../core/coverage/gaps.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import type { ChunkProgress, ChunkRecord, Ledger, ObjectRecord } from "../../engine/ledger-port.ts";
import { toObject } from "./chunk-rows.ts";
import { companyOf } from "./company.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import { keysColumn } from "./settlements.ts";

type PageLedger = Pick<
  Ledger,
  | "commitPage"
  | "adoptPage"
  | "objectsOf"
  | "objectsByNo"
  | "objectIds"
  | "answeredTargets"
  | "wasAnsweredMeanwhile"
  | "objectsOfDataset"
  | "takenBack"
>;

/** Answers that reached bronze: a page's object and its chunk's progress become true together. */
export function pageLedger(ledger: LedgerDatabase): PageLedger {
  const { db } = ledger;
  return {
    commitPage(chunk, object, progress) {
      return ledger.write(async (tx) => {
        const updated = await tx.db
          .updateTable("chunk")
          .set({ progress: JSON.stringify(progress), updated_at: object.receivedAt })
          .where("id", "=", chunk.id)
          .where("fence", "=", chunk.fence)
          .where("status", "=", "running")
          .executeTakeFirst();
        if (updated.numUpdatedRows === 0n) return false;
        await insertObject(tx, chunk, object);
        return true;
      });
    },

    adoptPage(chunk, object, progress) {
      return ledger.write(async (tx) => {
        const row = await tx.db
          .selectFrom("chunk")
          .select(["status", "progress"])
          .where("id", "=", chunk.id)
          .executeTakeFirst();
        // Only the page that the chunk still waits for: another process may have adopted or asked for it meanwhile.
        const asked = row?.progress ? (JSON.parse(row.progress) as ChunkProgress).page : 0;
        if (row?.status !== "pending" || asked !== object.page) return false;
        await tx.db
          .updateTable("chunk")
          .set({
            progress: JSON.stringify(progress),
            status: progress.complete ? "fetched" : "pending",
            updated_at: object.receivedAt,
          })
          .where("id", "=", chunk.id)
          .execute();
        await insertObject(tx, chunk, object);
        return true;
      });
    },

    async objectsOf(chunkIds) {
      const objects = [];
      for (let i = 0; i < chunkIds.length; i += 1_000) {
        const rows = await db
          .selectFrom("object")
          .selectAll()
          .where("chunk_id", "in", chunkIds.slice(i, i + 1_000))
          .execute();
        objects.push(...rows.map(toObject));
      }
      return objects.sort((a, b) => a.ordinal - b.ordinal);
    },

    async objectsByNo(ordinals) {
      if (ordinals.length === 0) return [];
      const rows = await db
        .selectFrom("object")
        .selectAll()
        .where("ordinal", "in", ordinals)
        .orderBy("ordinal")
        .execute();
      return rows.map(toObject);
    },

    async objectIds(runId) {
      const rows = await db.selectFrom("object").select("id").where("run_id", "=", runId).execute();
      return new Set(rows.map((row) => row.id));
    },

    async answeredTargets(runId) {
      const rows = await db.selectFrom("object").select("target").where("run_id", "=", runId).execute();
      return new Set(rows.map((row) => row.target));
    },

    async wasAnsweredMeanwhile(run, target) {
      const answer = await db
        .selectFrom("object")
        .innerJoin("chunk", "chunk.id", "object.chunk_id")
        .select("object.id")
        .where("object.run_id", "in", companyOf(db, run))
        .where("object.target", "=", target)
        .where("chunk.status", "=", "published")
        .limit(1)
        .executeTakeFirst();
      return answer !== undefined;
    },

    async objectsOfDataset(dataset, version) {
      const rows = await db
        .selectFrom("object")
        .selectAll()
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .where("excluded_by", "is", null)
        .orderBy("ordinal")
        .execute();
      return rows.map(toObject);
    },

    async takenBack(dataset, version) {
      const rows = await db
        .selectFrom("object")
        .innerJoin("chunk", "chunk.id", "object.excluded_by")
        .selectAll("object")
        .select("chunk.run_id as taken_by")
        .where("object.dataset", "=", dataset)
        .where("object.version", "=", version)
        .orderBy("object.ordinal")
        .execute();
      const spans = new Map<SeriesKey, TakenBack[]>();
      for (const row of rows) {
        const { keys, answered } = toObject(row);
        for (const key of keys) {
          const known = spans.get(key) ?? [];
          if (known.length === 0) spans.set(key, known);
          known.push({ ...answered, by: row.taken_by });
        }
      }
      return spans;
    },
  };
}

async function insertObject(tx: LedgerTx, chunk: ChunkRecord, object: Omit<ObjectRecord, "ordinal">): Promise<void> {
  await tx.db
    .insertInto("object")
    .values({
      id: object.id,
      chunk_id: chunk.id,
      run_id: chunk.runId,
      dataset: object.dataset,
      version: object.version,
      key: object.key,
      keys: keysColumn(object),
      source: object.source,
      page: object.page,
      target: object.target,
      path: object.path,
      sha256: object.sha256,
      bytes: object.bytes,
      one_line: object.oneLine ? 1 : 0,
      start_ms: object.answered.start,
      end_ms: object.answered.end,
      rows: object.rows,
      strict: object.strict ? 1 : 0,
      layout: object.layout,
      business_now: object.businessNow,
      received_at: object.receivedAt,
      excluded_by: null,
    })
    .execute();
  tx.emit(chunk.runId, "object.committed", {
    chunk: chunk.id,
    object: object.id,
    path: object.path,
    sha256: object.sha256,
    target: object.target,
    rows: object.rows,
  });
}

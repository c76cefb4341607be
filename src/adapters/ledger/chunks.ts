import { statusesBefore } from "../../core/run/chunk-state.ts";
import type { ChunkRecord, ChunkTally, Ledger, NewChunk } from "../../engine/ledger-port.ts";
import { toChunk } from "./chunk-rows.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import { requireOwner } from "./ownership.ts";

type ChunkLedger = Pick<Ledger, "addChunks" | "chunks" | "chunksById" | "tally" | "unpublished" | "cancelOpenChunks">;

/** The chunks of runs: what there is to do and how far it is. */
export function chunkLedger(ledger: LedgerDatabase): ChunkLedger {
  const { db } = ledger;
  return {
    addChunks(runId, chunks, fence) {
      return ledger.write(async (tx) => {
        if (fence !== undefined) await requireOwner(tx, runId, fence);
        const ids = await insertChunks(tx, runId, chunks);
        tx.emit(runId, "chunks.added", { chunks: chunks.length, round: chunks[0]?.round ?? 0 });
        return readChunks(tx.db, ids);
      });
    },

    async chunks(runId, filter = {}) {
      let query = db.selectFrom("chunk").selectAll().where("run_id", "=", runId).orderBy("seq").orderBy("id");
      if (filter.kind) query = query.where("kind", "=", filter.kind);
      if (filter.status) query = query.where("status", "in", filter.status);
      return (await query.execute()).map(toChunk);
    },

    chunksById(ids) {
      return readChunks(db, ids);
    },

    async tally(runId) {
      const rows = await db
        .selectFrom("chunk")
        .select((e) => [
          "kind",
          "round",
          "status",
          e.fn.countAll().as("chunks"),
          e.fn.count("key").distinct().as("keys"),
        ])
        .where("run_id", "=", runId)
        .groupBy(["kind", "round", "status"])
        .execute();
      return rows.map((row) => ({ ...row, chunks: Number(row.chunks), keys: Number(row.keys) }) as ChunkTally);
    },

    async unpublished(dataset, version) {
      const rows = await db
        .selectFrom("chunk")
        .selectAll()
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .where("kind", "=", "fetch")
        .where("status", "=", "fetched")
        .orderBy("updated_at")
        .orderBy("id")
        .execute();
      return rows.map(toChunk);
    },

    cancelOpenChunks(runId, reason) {
      return ledger.write((tx) => cancelOpen(tx, runId, reason));
    },
  };
}

/**
 * Cancels the fetch chunks of a run that nobody will work on any more; returns how many. A publication that was begun
 * is left: whether it happened is for the store's receipt to say.
 */
export async function cancelOpen(tx: LedgerTx, runId: string, reason: string): Promise<number> {
  const result = await tx.db
    .updateTable("chunk")
    .set({ status: "cancelled", error: reason })
    .where("run_id", "=", runId)
    .where("kind", "=", "fetch")
    .where("status", "in", statusesBefore("cancel"))
    .executeTakeFirst();
  const count = Number(result.numUpdatedRows);
  if (count > 0) tx.emit(runId, "chunks.cancelled", { chunks: count, reason });
  return count;
}

/** Inserts chunks as pending, numbered on from the run's last; returns their ids in order. */
export async function insertChunks(
  tx: LedgerTx,
  runId: string,
  chunks: readonly NewChunk[],
  recheck = false,
): Promise<readonly string[]> {
  const last = await tx.db
    .selectFrom("chunk")
    .select((e) => e.fn.max("seq").as("seq"))
    .where("run_id", "=", runId)
    .executeTakeFirst();
  const first = Number(last?.seq ?? 0) + 1;
  const rows = chunks.map((chunk, i) => ({
    id: `${runId}.${first + i}`,
    run_id: runId,
    seq: first + i,
    kind: chunk.kind,
    round: chunk.round,
    dataset: chunk.dataset,
    version: chunk.version,
    key: chunk.key,
    keys: chunk.keys === undefined ? null : JSON.stringify(chunk.keys),
    source: chunk.source,
    start_ms: chunk.window.start,
    end_ms: chunk.window.end,
    status: "pending",
    attempt: 0,
    fence: 0,
    not_before: 0,
    recheck: recheck ? 1 : 0,
    progress: null,
    result: null,
    error: null,
    published_by: null,
    updated_at: 0,
  }));
  for (let i = 0; i < rows.length; i += 1_000) {
    await tx.db
      .insertInto("chunk")
      .values(rows.slice(i, i + 1_000))
      .execute();
  }
  return rows.map((row) => row.id);
}

/** The chunks with these ids, in the order of their numbers. */
export async function readChunks(
  db: LedgerTx["db"] | LedgerDatabase["db"],
  ids: readonly string[],
): Promise<readonly ChunkRecord[]> {
  const rows = [];
  for (let i = 0; i < ids.length; i += 1_000) {
    rows.push(
      ...(await db
        .selectFrom("chunk")
        .selectAll()
        .where("id", "in", ids.slice(i, i + 1_000))
        .execute()),
    );
  }
  return rows.map(toChunk).sort((a, b) => a.seq - b.seq);
}

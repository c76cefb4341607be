import { applyUnanswered } from "../../core/coverage/segment.ts";
import { type ChunkStatus, nextChunkStatus, statusesBefore } from "../../core/run/chunk-state.ts";
import { instant } from "../../core/time/instant.ts";
import type { ChunkRecord, ChunkSettlement, ChunkTally, Ledger, NewChunk, Owner } from "../../engine/ledger-port.ts";
import { toChunk, toObject } from "./chunk-rows.ts";
import { readSegments, writeSegments } from "./coverage.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";

type ChunkLedger = Pick<
  Ledger,
  | "addChunks"
  | "claimFetches"
  | "chunks"
  | "chunksById"
  | "tally"
  | "unpublished"
  | "commitPage"
  | "adoptPage"
  | "settleChunk"
  | "unansweredCalls"
  | "cancelOpenChunks"
  | "objectsOf"
  | "objectIds"
  | "answeredTargets"
  | "objectsOfDataset"
>;

const RESERVING: readonly ChunkStatus[] = ["pending", "running", "deferred", "fetched"];

/** The work of runs: claims, pages, and how each chunk ended. */
export function chunkLedger(ledger: LedgerDatabase): ChunkLedger {
  const { db } = ledger;
  return {
    addChunks(runId, chunks) {
      return ledger.write(async (tx) => {
        const last = await tx.db
          .selectFrom("chunk")
          .select((e) => e.fn.max("seq").as("seq"))
          .where("run_id", "=", runId)
          .executeTakeFirst();
        const ids = await insertChunks(tx, runId, chunks, Number(last?.seq ?? 0) + 1);
        tx.emit(runId, "chunks.added", { chunks: chunks.length, round: chunks[0]?.round ?? 0 });
        return readChunks(tx.db, ids);
      });
    },

    claimFetches(run, limit, now, isAlive) {
      return ledger.write(async (tx) => {
        const open = await tx.db
          .selectFrom("chunk")
          .selectAll()
          .where("run_id", "=", run.id)
          .where("kind", "=", "fetch")
          .where("status", "in", ["pending", "deferred"])
          .where("not_before", "<=", now)
          .orderBy("seq")
          .limit(Math.max(limit * 4, 64))
          .execute();
        const rivals = await rivalChunks(
          tx,
          run.ordinal,
          open.map((row) => row.key),
          isAlive,
        );
        const blockedBy = new Set<string>();
        const free: string[] = [];
        const held: string[] = [];
        for (const row of open) {
          const rival = rivals.find(
            (other) =>
              other.dataset === row.dataset &&
              other.key === row.key &&
              other.start_ms < row.end_ms &&
              row.start_ms < other.end_ms,
          );
          if (rival) {
            blockedBy.add(rival.run_id);
            held.push(row.id);
          } else if (free.length < limit) free.push(row.id);
        }
        if (held.length > 0) await tx.db.updateTable("chunk").set({ recheck: 1 }).where("id", "in", held).execute();
        if (free.length > 0) {
          await tx.db
            .updateTable("chunk")
            .set((e) => ({ status: "running", attempt: e("attempt", "+", 1), fence: run.fence, updated_at: now }))
            .where("id", "in", free)
            .execute();
          tx.emit(run.id, "chunks.claimed", { chunks: free });
        }
        const rest = await tx.db
          .selectFrom("chunk")
          .select((e) => [e.fn.countAll().as("n"), e.fn.min("not_before").as("next")])
          .where("run_id", "=", run.id)
          .where("kind", "=", "fetch")
          .where("status", "in", ["pending", "deferred"])
          .executeTakeFirstOrThrow();
        return {
          chunks: await readChunks(tx.db, free),
          waiting: Number(rest.n),
          nextAt: rest.next === null ? null : instant(Number(rest.next)),
          blockedBy: [...blockedBy],
        };
      });
    },

    async chunks(runId, filter = {}) {
      let query = db.selectFrom("chunk").selectAll().where("run_id", "=", runId).orderBy("seq");
      if (filter.kind) query = query.where("kind", "=", filter.kind);
      if (filter.status) query = query.where("status", "in", filter.status as readonly string[]);
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
        .execute();
      return rows.map(toChunk);
    },

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
        const updated = await tx.db
          .updateTable("chunk")
          .set({
            progress: JSON.stringify(progress),
            status: progress.complete ? "fetched" : "pending",
            updated_at: object.receivedAt,
          })
          .where("id", "=", chunk.id)
          .where("status", "=", "pending")
          .executeTakeFirst();
        if (updated.numUpdatedRows === 0n) return false;
        await insertObject(tx, chunk, object);
        return true;
      });
    },

    settleChunk(chunk, settlement, now) {
      return ledger.write((tx) => settle(tx, chunk, settlement, now));
    },

    async unansweredCalls(runId) {
      const rows = await db
        .selectFrom("event")
        .select(["type", "payload"])
        .where("stream", "=", runId)
        .where("type", "in", ["chunk.defer", "chunk.failed", "chunk.refused"])
        .execute();
      const called = rows.filter((row) => (JSON.parse(row.payload) as { called?: boolean }).called !== false);
      return { unanswered: called.length, deferred: rows.filter((row) => row.type === "chunk.defer").length };
    },

    cancelOpenChunks(runId, reason) {
      return ledger.write(async (tx) => {
        const result = await tx.db
          .updateTable("chunk")
          .set({ status: "cancelled", error: reason })
          .where("run_id", "=", runId)
          .where("status", "in", statusesBefore("cancel"))
          .executeTakeFirst();
        const count = Number(result.numUpdatedRows);
        if (count > 0) tx.emit(runId, "chunks.cancelled", { chunks: count, reason });
        return count;
      });
    },

    async objectsOf(chunkIds) {
      const objects = [];
      for (let i = 0; i < chunkIds.length; i += 1_000) {
        const rows = await db
          .selectFrom("object")
          .selectAll()
          .where("chunk_id", "in", chunkIds.slice(i, i + 1_000))
          .orderBy("ordinal")
          .execute();
        objects.push(...rows.map(toObject));
      }
      return objects.sort((a, b) => a.ordinal - b.ordinal);
    },

    async objectIds(runId) {
      const rows = await db.selectFrom("object").select("id").where("run_id", "=", runId).execute();
      return new Set(rows.map((row) => row.id));
    },

    async answeredTargets(runId) {
      const rows = await db.selectFrom("object").select("target").where("run_id", "=", runId).execute();
      return new Set(rows.map((row) => row.target));
    },

    async objectsOfDataset(dataset, version) {
      const rows = await db
        .selectFrom("object")
        .selectAll()
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .orderBy("ordinal")
        .execute();
      return rows.map(toObject);
    },
  };
}

async function insertObject(
  tx: LedgerTx,
  chunk: ChunkRecord,
  object: Parameters<Ledger["commitPage"]>[1],
): Promise<void> {
  await tx.db
    .insertInto("object")
    .values({
      id: object.id,
      chunk_id: chunk.id,
      run_id: chunk.runId,
      dataset: object.dataset,
      version: object.version,
      key: object.key,
      page: object.page,
      target: object.target,
      path: object.path,
      sha256: object.sha256,
      bytes: object.bytes,
      start_ms: object.answered.start,
      end_ms: object.answered.end,
      rows: object.rows,
      strict: object.strict ? 1 : 0,
      business_now: object.businessNow,
      received_at: object.receivedAt,
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

/** Inserts chunks as pending, numbered from `firstSeq`; returns their ids in order. */
export async function insertChunks(
  tx: LedgerTx,
  runId: string,
  chunks: readonly NewChunk[],
  firstSeq: number,
): Promise<readonly string[]> {
  const rows = chunks.map((chunk, i) => ({
    id: `${runId}.${firstSeq + i}`,
    run_id: runId,
    seq: firstSeq + i,
    kind: chunk.kind,
    round: chunk.round,
    dataset: chunk.dataset,
    version: chunk.version,
    key: chunk.key,
    start_ms: chunk.window.start,
    end_ms: chunk.window.end,
    status: "pending",
    attempt: 0,
    fence: 0,
    not_before: 0,
    recheck: 0,
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

/** Chunks of other live runs that reserved intervals of `keys` before this run was opened. */
async function rivalChunks(
  tx: LedgerTx,
  ordinal: number,
  keys: readonly string[],
  isAlive: (owner: Owner) => boolean,
): Promise<readonly { run_id: string; dataset: string; key: string; start_ms: number; end_ms: number }[]> {
  const runs = await tx.db
    .selectFrom("run")
    .select(["id", "host", "pid", "process_started"])
    .where("status", "=", "running")
    .where("ordinal", "<", ordinal)
    .execute();
  const alive = runs.filter((run) => isAlive({ host: run.host, pid: run.pid, processStarted: run.process_started }));
  if (alive.length === 0 || keys.length === 0) return [];
  return tx.db
    .selectFrom("chunk")
    .select(["run_id", "dataset", "key", "start_ms", "end_ms"])
    .where(
      "run_id",
      "in",
      alive.map((run) => run.id),
    )
    .where("kind", "=", "fetch")
    .where("status", "in", RESERVING)
    .where("key", "in", [...new Set(keys)])
    .execute();
}

async function settle(tx: LedgerTx, chunk: ChunkRecord, settlement: ChunkSettlement, now: number): Promise<void> {
  const status = nextChunkStatus("running", settlement.event);
  if (status === null) throw new Error(`unreachable: a running chunk cannot be ${settlement.event}`);
  const unanswered = settlement.event === "failed" || settlement.event === "refused";
  const answeredUntil = chunk.progress?.from ?? chunk.window.start;
  const partly = unanswered && answeredUntil > chunk.window.start;
  const updated = await tx.db
    .updateTable("chunk")
    .set((e) => ({
      // What was answered before the failure is published; only the rest is given up, as a chunk of its own.
      status: partly ? "fetched" : status,
      end_ms: partly ? answeredUntil : chunk.window.end,
      error: "reason" in settlement ? settlement.reason : null,
      not_before: settlement.event === "defer" ? settlement.until : 0,
      attempt:
        (settlement.event === "defer" && !settlement.countsAttempt) || settlement.event === "release"
          ? e("attempt", "-", 1)
          : e.ref("attempt"),
      updated_at: now,
    }))
    .where("id", "=", chunk.id)
    .where("fence", "=", chunk.fence)
    .where("status", "=", "running")
    .executeTakeFirst();
  if (updated.numUpdatedRows === 0n) return;
  tx.emit(chunk.runId, `chunk.${settlement.event}`, {
    chunk: chunk.id,
    key: chunk.key,
    start: partly ? answeredUntil : chunk.window.start,
    end: chunk.window.end,
    attempt: chunk.attempt,
    ...("reason" in settlement ? { reason: settlement.reason } : {}),
    ...(settlement.event === "defer" ? { until: settlement.until } : {}),
    ...("called" in settlement ? { called: settlement.called } : {}),
    ...(unanswered
      ? { dataset: chunk.dataset, version: chunk.version, chunkOf: partly ? `${chunk.id}b` : chunk.id }
      : {}),
  });
  if (!unanswered) return;
  const rest = { start: answeredUntil, end: chunk.window.end };
  if (partly) await splitRest(tx, chunk, rest.start, status, settlement.reason, now);
  const segments = await readSegments(tx.db, chunk.dataset, chunk.version, [chunk.key]);
  const before = segments.get(chunk.key) ?? [];
  const claim = {
    ...rest,
    state: settlement.event as "failed" | "refused",
    reason: settlement.reason,
    chunk: partly ? `${chunk.id}b` : chunk.id,
  };
  await writeSegments(tx.db, { ...place(chunk), now }, before, applyUnanswered(before, claim));
}

async function splitRest(
  tx: LedgerTx,
  chunk: ChunkRecord,
  start: number,
  status: ChunkStatus,
  reason: string,
  now: number,
): Promise<void> {
  await tx.db
    .insertInto("chunk")
    .values({
      id: `${chunk.id}b`,
      run_id: chunk.runId,
      seq: chunk.seq,
      kind: "fetch",
      round: chunk.round,
      ...place(chunk),
      start_ms: start,
      end_ms: chunk.window.end,
      status,
      attempt: chunk.attempt,
      fence: chunk.fence,
      not_before: 0,
      recheck: 0,
      progress: null,
      result: null,
      error: reason,
      published_by: null,
      updated_at: now,
    })
    .execute();
}

function place(chunk: ChunkRecord): { dataset: string; version: number; key: string } {
  return { dataset: chunk.dataset, version: chunk.version, key: chunk.key };
}

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

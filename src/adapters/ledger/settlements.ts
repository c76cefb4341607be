import { applyUnanswered } from "../../core/coverage/segment.ts";
import { nextChunkStatus } from "../../core/run/chunk-state.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { ChunkRecord, ChunkSettlement, Ledger } from "../../engine/ledger-port.ts";
import { readSegments, writeSegments } from "./coverage.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";

type GivenUp = Extract<ChunkSettlement, { readonly event: "failed" | "refused" }>;

/** How fetch chunks end, or why they go back. */
export function settlementLedger(
  ledger: LedgerDatabase,
): Pick<Ledger, "callRepeated" | "settleChunk" | "unansweredCalls"> {
  const { db } = ledger;
  return {
    async callRepeated(chunk, reason) {
      await ledger.write(async (tx) => tx.emit(chunk.runId, "chunk.asked-again", { chunk: chunk.id, reason }));
    },

    settleChunk(chunk, settlement, now) {
      return ledger.write((tx) =>
        isGivenUp(settlement) ? giveUp(tx, chunk, settlement, now) : settle(tx, chunk, settlement, now),
      );
    },

    async unansweredCalls(runId) {
      const rows = await db
        .selectFrom("event")
        .select(["type", "payload"])
        .where("stream", "=", runId)
        .where("type", "in", ["chunk.defer", "chunk.failed", "chunk.refused", "chunk.asked-again"])
        .execute();
      const called = rows.filter((row) => (JSON.parse(row.payload) as { called?: boolean }).called !== false);
      return { unanswered: called.length, deferred: rows.filter((row) => row.type === "chunk.defer").length };
    },
  };
}

async function settle(
  tx: LedgerTx,
  chunk: ChunkRecord,
  settlement: Exclude<ChunkSettlement, GivenUp>,
  now: Instant,
): Promise<void> {
  const isTried = settlement.event !== "release" && !(settlement.event === "defer" && !settlement.countsAttempt);
  const reason = "reason" in settlement ? settlement.reason : null;
  const moved = await leaveRunning(tx, chunk, {
    status: statusAfter(settlement.event),
    error: reason,
    not_before: settlement.event === "defer" ? settlement.until : 0,
    attempt: isTried ? chunk.attempt : chunk.attempt - 1,
    updated_at: now,
  });
  if (!moved) return;
  tx.emit(chunk.runId, `chunk.${settlement.event}`, {
    ...whatOf(chunk, chunk.window),
    ...(reason === null ? {} : { reason }),
    ...(settlement.event === "defer" ? { until: settlement.until } : {}),
  });
}

/** What was answered before is published; only the rest is given up, as a chunk of its own. */
async function giveUp(tx: LedgerTx, chunk: ChunkRecord, settlement: GivenUp, now: Instant): Promise<void> {
  const { event, reason } = settlement;
  const from = chunk.progress?.from ?? chunk.window.start;
  const isPartly = from > chunk.window.start;
  const rest = { start: from, end: chunk.window.end };
  const restId = isPartly ? `${chunk.id}b` : chunk.id;
  const moved = await leaveRunning(tx, chunk, {
    status: isPartly ? "fetched" : statusAfter(event),
    error: reason,
    ...(isPartly ? { end_ms: from } : {}),
    updated_at: now,
  });
  if (!moved) return;
  tx.emit(chunk.runId, `chunk.${event}`, {
    ...whatOf(chunk, rest),
    reason,
    ...("called" in settlement ? { called: settlement.called } : {}),
    dataset: chunk.dataset,
    version: chunk.version,
    chunkOf: restId,
    keys: chunk.keys,
  });
  if (isPartly) await splitRest(tx, chunk, rest, { id: restId, status: statusAfter(event), reason, now });
  const { dataset, version, keys } = chunk;
  const segments = await readSegments(tx.db, dataset, version, keys);
  for (const key of keys) {
    const before = segments.get(key) ?? [];
    const after = applyUnanswered(before, { ...rest, state: event, reason, chunk: restId });
    await writeSegments(tx.db, { dataset, version, key }, before, after);
  }
}

/** The `keys` column of a chunk or object: null for one series. */
export function keysColumn({ key, keys }: Pick<ChunkRecord, "key" | "keys">): string | null {
  return keys.length === 1 && keys[0] === key ? null : JSON.stringify(keys);
}

function isGivenUp(settlement: ChunkSettlement): settlement is GivenUp {
  return settlement.event === "failed" || settlement.event === "refused";
}

function statusAfter(event: ChunkSettlement["event"]): string {
  const status = nextChunkStatus("running", event);
  if (status === null) throw new Error(`unreachable: a running chunk cannot be ${event}`);
  return status;
}

/** Writes how a running chunk goes on; false when this worker does not hold it any more. */
async function leaveRunning(
  tx: LedgerTx,
  chunk: ChunkRecord,
  values: {
    readonly status: string;
    readonly error: string | null;
    readonly updated_at: number;
    readonly not_before?: number;
    readonly attempt?: number;
    readonly end_ms?: number;
  },
): Promise<boolean> {
  const updated = await tx.db
    .updateTable("chunk")
    .set(values)
    .where("id", "=", chunk.id)
    .where("fence", "=", chunk.fence)
    .where("status", "=", "running")
    .executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

function whatOf(chunk: ChunkRecord, span: Interval): object {
  return { chunk: chunk.id, key: chunk.key, start: span.start, end: span.end, attempt: chunk.attempt };
}

async function splitRest(
  tx: LedgerTx,
  chunk: ChunkRecord,
  rest: Interval,
  as: { readonly id: string; readonly status: string; readonly reason: string; readonly now: Instant },
): Promise<void> {
  await tx.db
    .insertInto("chunk")
    .values({
      id: as.id,
      run_id: chunk.runId,
      seq: chunk.seq,
      kind: "fetch",
      round: chunk.round,
      dataset: chunk.dataset,
      version: chunk.version,
      key: chunk.key,
      keys: keysColumn(chunk),
      source: chunk.source,
      start_ms: rest.start,
      end_ms: rest.end,
      status: as.status,
      attempt: chunk.attempt,
      fence: chunk.fence,
      not_before: 0,
      recheck: 0,
      progress: null,
      result: null,
      error: as.reason,
      published_by: null,
      updated_at: as.now,
    })
    .execute();
}

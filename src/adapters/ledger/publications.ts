import { applyDispute, applyFindings, type Findings } from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Ledger, SeriesRows } from "../../engine/ledger-port.ts";
import { insertChunks, readChunks } from "./chunks.ts";
import { readSegments, writeSegments } from "./coverage.ts";
import type { LedgerDatabase } from "./database.ts";
import { LEDGER_STREAM } from "./events.ts";

type PublicationLedger = Pick<
  Ledger,
  | "beginPublication"
  | "commitPublication"
  | "abandonPublication"
  | "segments"
  | "refusedAt"
  | "dispute"
  | "expectedRows"
>;

/** The ledger's half of a publication: announced before the store's transaction, completed after it. */
export function publicationLedger(ledger: LedgerDatabase): PublicationLedger {
  const { db } = ledger;
  return {
    beginPublication(runId, fence, publication, members) {
      return ledger.write(async (tx) => {
        const last = await tx.db
          .selectFrom("chunk")
          .select((e) => e.fn.max("seq").as("seq"))
          .where("run_id", "=", runId)
          .executeTakeFirst();
        const [id] = await insertChunks(tx, runId, [publication], Number(last?.seq ?? 0) + 1);
        await tx.db
          .updateTable("chunk")
          .set({ status: "running", attempt: 1, fence, progress: JSON.stringify({ members }) })
          .where("id", "=", id ?? "")
          .execute();
        tx.emit(runId, "publication.begun", { chunk: id, fence, members });
        const [chunk] = await readChunks(tx.db, [id ?? ""]);
        if (!chunk) throw new Error("unreachable: the chunk was inserted in this transaction");
        return chunk;
      });
    },

    commitPublication(publication, now) {
      return ledger.write(async (tx) => {
        const updated = await tx.db
          .updateTable("chunk")
          .set({
            status: "published",
            result: JSON.stringify({
              ...publication.counts,
              quarantinedBy: publication.quarantinedBy,
              rowsBySeries: publication.rowsBySeries,
              restored: [...publication.findings].filter(([, found]) => found.restored).map(([key]) => key),
            }),
            updated_at: now,
          })
          .where("id", "=", publication.chunkId)
          .where("status", "=", "running")
          .executeTakeFirst();
        // A resume may find the receipt of a publication whose commit did happen.
        if (updated.numUpdatedRows === 0n) return;
        const { dataset, version } = publication;
        const keys = [...publication.findings.keys()];
        const segments = await readSegments(tx.db, dataset, version, keys);
        for (const [key, findings] of publication.findings) {
          const before = segments.get(key) ?? [];
          await writeSegments(tx.db, { dataset, version, key, now }, before, applyFindings(before, findings));
        }
        for (let i = 0; i < publication.members.length; i += 1_000) {
          await tx.db
            .updateTable("chunk")
            .set({ status: "published", published_by: publication.chunkId, updated_at: now })
            .where("id", "in", publication.members.slice(i, i + 1_000))
            .where("status", "=", "fetched")
            .execute();
        }
        const changes = publication.changes.map((change) => ({
          dataset,
          version,
          key: change.key as string,
          start_ms: change.start,
          end_ms: change.end,
          chunk_id: publication.chunkId,
        }));
        for (let i = 0; i < changes.length; i += 2_000) {
          await tx.db
            .insertInto("change")
            .values(changes.slice(i, i + 2_000))
            .execute();
        }
        const run = publication.chunkId.slice(0, publication.chunkId.indexOf("."));
        tx.emit(run, "publication.committed", {
          chunk: publication.chunkId,
          dataset,
          version,
          counts: publication.counts,
          members: publication.members,
          findings: Object.fromEntries(publication.findings),
        });
      });
    },

    abandonPublication(chunk, reason) {
      return ledger.write(async (tx) => {
        const updated = await tx.db
          .updateTable("chunk")
          .set({ status: "failed", error: reason })
          .where("id", "=", chunk.id)
          .where("status", "=", "running")
          .executeTakeFirst();
        if (updated.numUpdatedRows > 0n) tx.emit(chunk.runId, "publication.abandoned", { chunk: chunk.id, reason });
      });
    },

    segments(dataset, version, keys) {
      return readSegments(db, dataset, version, keys);
    },

    dispute(dataset, version, key, dispute) {
      return ledger.write(async (tx) => {
        const before = (await readSegments(tx.db, dataset, version, [key])).get(key) ?? [];
        await writeSegments(tx.db, { dataset, version, key, now: 0 }, before, applyDispute(before, dispute));
        tx.emit(LEDGER_STREAM, "coverage.disputed", { dataset, version, key, ...dispute });
      });
    },

    async expectedRows(dataset, version) {
      const chunks = await db
        .selectFrom("chunk")
        .select("result")
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .where("kind", "=", "build")
        .where("status", "=", "published")
        .execute();
      const rows = new Map<SeriesKey, number>();
      for (const chunk of chunks) {
        const { rowsBySeries = {}, restored = [] } = JSON.parse(chunk.result ?? "{}") as {
          readonly rowsBySeries?: Readonly<Record<string, SeriesRows>>;
          readonly restored?: readonly string[];
        };
        for (const [name, n] of Object.entries(rowsBySeries)) {
          // What was restored had been recorded when it was first published.
          if (restored.includes(name)) continue;
          const key = asSeriesKey(name);
          rows.set(key, (rows.get(key) ?? 0) + n.inserted - n.retracted);
        }
      }
      return rows;
    },

    async refusedAt(dataset, version) {
      const rows = await db
        .selectFrom("coverage")
        .select(["chunk_id", "claimed_at"])
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .where("state", "=", "refused")
        .execute();
      return new Map(rows.map((row) => [row.chunk_id ?? "", instant(row.claimed_at)]));
    },
  };
}

/** Findings read back from an event's payload, as `audit verify` replays them. */
export function findingsOfPayload(
  payload: Readonly<Record<string, unknown>>,
): Map<ReturnType<typeof asSeriesKey>, Findings> {
  const byKey = payload.findings as Record<string, Findings>;
  return new Map(Object.entries(byKey).map(([key, findings]) => [asSeriesKey(key), findings]));
}

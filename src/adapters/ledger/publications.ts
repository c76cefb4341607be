import type { Change } from "../../core/coverage/lineage.ts";
import { applyBuilt, applyDispute, applyFindings } from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { statusesBefore } from "../../core/run/chunk-state.ts";
import { instant } from "../../core/time/instant.ts";
import type { Ledger, SeriesRows } from "../../engine/ledger-port.ts";
import { toChunk } from "./chunk-rows.ts";
import { insertChunks, readChunks } from "./chunks.ts";
import { readSegments, writeSegments } from "./coverage.ts";
import type { LedgerDatabase } from "./database.ts";
import { LEDGER_STREAM } from "./events.ts";
import { requireOwner } from "./ownership.ts";
import { coverageWithout, takeBack } from "./reverts.ts";

type PublicationLedger = Pick<
  Ledger,
  | "beginPublication"
  | "commitPublication"
  | "abandonPublication"
  | "halfway"
  | "segments"
  | "refusedAt"
  | "dispute"
  | "expectedRows"
  | "publications"
  | "coverageWithout"
  | "lastPublicationAt"
  | "lastChange"
  | "changesAfter"
>;

/** The ledger's half of a publication: announced before the store's transaction, completed after it. */
export function publicationLedger(ledger: LedgerDatabase): PublicationLedger {
  const { db } = ledger;
  return {
    beginPublication(runId, fence, publication, holds) {
      return ledger.write(async (tx) => {
        await requireOwner(tx, runId, fence);
        const [id] = await insertChunks(tx, runId, [publication]);
        await tx.db
          .updateTable("chunk")
          .set({ status: "running", attempt: 1, fence, progress: JSON.stringify(holds) })
          .where("id", "=", id ?? "")
          .execute();
        tx.emit(runId, "publication.begun", { chunk: id, fence, ...holds });
        const [chunk] = await readChunks(tx.db, [id ?? ""]);
        if (!chunk) throw new Error("unreachable: the chunk was inserted in this transaction");
        return chunk;
      });
    },

    commitPublication(publication, now) {
      return ledger.write(async (tx) => {
        const { dataset, version, counts, quarantinedBy, rowsBySeries } = publication;
        const restored = [...publication.findings].filter(([, found]) => found.restored).map(([key]) => key);
        const { totals, reverts } = publication;
        const result = { ...counts, quarantinedBy, rowsBySeries, restored, ...(totals ? { totals } : {}) };
        // Whoever holds the receipt may commit it, also for a worker that died: the store's transaction did happen.
        const done = await tx.db
          .updateTable("chunk")
          .set({ status: "published", result: JSON.stringify(result), updated_at: now })
          .where("id", "=", publication.chunkId)
          .where("fence", "=", publication.fence)
          .where("status", "in", statusesBefore("published"))
          .returning("run_id")
          .executeTakeFirst();
        // A resume may find the receipt of a publication whose commit did happen.
        if (!done) return;
        if (reverts) await takeBack(tx, publication, reverts);
        const keys = [...publication.findings.keys(), ...publication.built.keys()];
        const segments = await readSegments(tx.db, dataset, version, keys);
        for (const [key, findings] of publication.findings) {
          const before = segments.get(key) ?? [];
          await writeSegments(tx.db, { dataset, version, key }, before, applyFindings(before, findings));
        }
        for (const [key, built] of publication.built) {
          const before = segments.get(key) ?? [];
          await writeSegments(tx.db, { dataset, version, key }, before, applyBuilt(before, built));
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
        if (reverts) {
          const series = reverts.keys.map((key) => ({ key, segments: segments.get(key) ?? [] }));
          tx.emit(done.run_id, "coverage.reset", { dataset, version, reverted: reverts.run, series });
        }
        tx.emit(done.run_id, "publication.committed", {
          chunk: publication.chunkId,
          dataset,
          version,
          result,
          members: publication.members,
          ...(publication.rejudges ? { rejudges: publication.rejudges } : {}),
          findings: Object.fromEntries(publication.findings),
          built: Object.fromEntries(publication.built),
        });
      });
    },

    async lastPublicationAt(runId) {
      const end = await db
        .selectFrom("event")
        .select((e) => e.fn.max("ordinal").as("ordinal"))
        .where("stream", "=", runId)
        .executeTakeFirst();
      const row = await db
        .selectFrom("event")
        .select("payload")
        .where("type", "=", "publication.committed")
        .where("ordinal", "<=", Number(end?.ordinal ?? 0))
        .orderBy("ordinal", "desc")
        .limit(1)
        .executeTakeFirst();
      return row ? (JSON.parse(row.payload) as { readonly chunk: string }).chunk : null;
    },

    async publications() {
      const events = await db
        .selectFrom("event")
        .select("payload")
        .where("type", "=", "publication.committed")
        .orderBy("ordinal")
        .execute();
      const chunks = await db
        .selectFrom("chunk")
        .select(["id", "fence", "progress"])
        .where("kind", "=", "build")
        .where("status", "=", "published")
        .execute();
      const committed = new Map(chunks.map((chunk) => [chunk.id, chunk]));
      const ids = events.map(({ payload }) => (JSON.parse(payload) as { readonly chunk: string }).chunk);
      return ids.flatMap((chunkId) => {
        const chunk = committed.get(chunkId);
        if (!chunk) return [];
        const { rejudges = [] } = JSON.parse(chunk.progress ?? "{}") as { readonly rejudges?: readonly string[] };
        return [{ chunkId, fence: chunk.fence, rejudges }];
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
        await writeSegments(tx.db, { dataset, version, key }, before, applyDispute(before, dispute));
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
        .orderBy("updated_at")
        .orderBy("seq")
        .execute();
      const rows = new Map<SeriesKey, number>();
      for (const chunk of chunks) {
        const {
          rowsBySeries = {},
          restored = [],
          totals,
        } = JSON.parse(chunk.result ?? "{}") as {
          readonly rowsBySeries?: Readonly<Record<string, SeriesRows>>;
          readonly restored?: readonly string[];
          readonly totals?: Readonly<Record<string, number>>;
        };
        if (totals) {
          for (const [name, n] of Object.entries(totals)) rows.set(asSeriesKey(name), n);
          continue;
        }
        for (const [name, n] of Object.entries(rowsBySeries)) {
          // What was restored had been recorded when it was first published.
          if (restored.includes(name)) continue;
          const key = asSeriesKey(name);
          rows.set(key, (rows.get(key) ?? 0) + n.inserted - n.retracted);
        }
      }
      return rows;
    },

    coverageWithout(dataset, version, keys, runId) {
      return coverageWithout(db, { dataset, version, keys, runId });
    },

    async lastChange() {
      const row = await db
        .selectFrom("change")
        .select((e) => e.fn.max("seq").as("seq"))
        .executeTakeFirst();
      return Number(row?.seq ?? 0);
    },

    async changesAfter(dataset, version, after) {
      const changes = new Map<SeriesKey, Change[]>();
      if (after.size === 0) return changes;
      const keys = [...after.keys()];
      let query = db
        .selectFrom("change")
        .select(["seq", "key", "start_ms", "end_ms"])
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .where("seq", ">", Math.min(...after.values()))
        .orderBy("seq");
      if (keys.length <= 500) query = query.where("key", "in", keys);
      for (const row of await query.execute()) {
        const key = asSeriesKey(row.key);
        const seen = after.get(key);
        if (seen === undefined || row.seq <= seen) continue;
        const list = changes.get(key) ?? [];
        if (list.length === 0) changes.set(key, list);
        list.push({ seq: row.seq, start: instant(row.start_ms), end: instant(row.end_ms) });
      }
      return changes;
    },

    async refusedAt(dataset, version) {
      const rows = await db
        .selectFrom("coverage")
        .innerJoin("chunk", "chunk.id", "coverage.chunk_id")
        .select(["chunk.id", "chunk.updated_at"])
        .where("coverage.dataset", "=", dataset)
        .where("coverage.version", "=", version)
        .where("coverage.state", "=", "refused")
        .where("chunk.status", "=", "refused")
        .execute();
      return new Map(rows.map((row) => [row.id, instant(row.updated_at)]));
    },

    async halfway(dataset, version, isAlive) {
      const rows = await db
        .selectFrom("chunk")
        .innerJoin("run", "run.id", "chunk.run_id")
        .selectAll("chunk")
        .select(["run.status as run_status", "run.host", "run.pid", "run.process_started"])
        .where("chunk.dataset", "=", dataset)
        .where("chunk.version", "=", version)
        .where("chunk.kind", "=", "build")
        .where("chunk.status", "=", "running")
        .orderBy("run.ordinal")
        .orderBy("chunk.seq")
        .execute();
      return rows
        .filter((row) => {
          const owner = { host: row.host, pid: row.pid, processStarted: row.process_started };
          return row.run_status !== "running" || !isAlive(owner);
        })
        .map(toChunk);
    },
  };
}

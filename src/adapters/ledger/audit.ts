import {
  applyDispute,
  applyFindings,
  applyUnanswered,
  type Findings,
  type Segments,
} from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { IntervalSet } from "../../core/time/interval-set.ts";
import type { Audit, Replay } from "../../engine/prove/ports.ts";
import { readSegments } from "./coverage.ts";
import type { LedgerDatabase } from "./database.ts";
import { chainFaults, eventHash, headOf, LEDGER_STREAM } from "./events.ts";

type CoverageByDataset = Map<string, Map<SeriesKey, Segments>>;

/** The ledger's history read back: chains checked, coverage and totals rebuilt from events alone. */
export function ledgerAudit(ledger: LedgerDatabase): Audit {
  const { db } = ledger;

  const streams = async (): Promise<readonly string[]> => {
    const rows = await db.selectFrom("event").select("stream").distinct().execute();
    return rows.map((row) => row.stream);
  };

  return {
    async replay() {
      const faults: string[] = [];
      for (const stream of await streams()) faults.push(...(await chainFaults(db, stream)));
      faults.push(...(await sealFaults(ledger)));
      const coverage: CoverageByDataset = new Map();
      const objects: { path: string; sha256: string; run: string }[] = [];
      // The order of recording, over all chains: a publication sees what was claimed before it.
      const events = await db
        .selectFrom("event")
        .select(["stream", "type", "payload"])
        .where("type", "in", [
          "publication.committed",
          "chunk.failed",
          "chunk.refused",
          "coverage.disputed",
          "object.committed",
        ])
        .orderBy("recorded_at")
        .orderBy("stream")
        .orderBy("seq")
        .execute();
      for (const event of events) {
        const payload = JSON.parse(event.payload) as Record<string, unknown>;
        if (event.type === "object.committed") {
          objects.push({ path: String(payload.path), sha256: String(payload.sha256), run: event.stream });
        } else replayClaim(coverage, event.type, payload);
      }
      const head = await headOf(db, LEDGER_STREAM);
      const counts = await db
        .selectFrom("event")
        .select((e) => [e.fn.countAll().as("events"), e.fn.count("stream").distinct().as("streams")])
        .executeTakeFirstOrThrow();
      return {
        faults,
        coverage,
        objects,
        head: { hash: head.hash, length: head.seq },
        runs: Math.max(0, Number(counts.streams) - 1),
        events: Number(counts.events),
      } satisfies Replay;
    },

    async coverage() {
      const datasets = await db.selectFrom("coverage").select(["dataset", "version"]).distinct().execute();
      const result: CoverageByDataset = new Map();
      for (const { dataset, version } of datasets) {
        result.set(`${dataset}@${version}`, await readSegments(db, dataset, version));
      }
      return result;
    },

    async manifestFaults(manifest) {
      const faults: string[] = [];
      const links = [
        { stream: String(manifest.run_id), seq: Number(manifest.length), hash: String(manifest.head) },
        { stream: LEDGER_STREAM, seq: Number(manifest.ledger_length), hash: String(manifest.ledger_head) },
      ];
      for (const { stream, seq, hash } of links) {
        const event = await db
          .selectFrom("event")
          .select("hash")
          .where("stream", "=", stream)
          .where("seq", "=", seq)
          .executeTakeFirst();
        if (event?.hash !== hash) {
          faults.push(
            `${stream}: the manifest of ${String(manifest.run_id)} pins event ${seq}, which is ${event ? "another" : "gone"}`,
          );
        }
      }
      return faults;
    },

    async totals() {
      const chunks = await db
        .selectFrom("chunk")
        .select(["id", "result"])
        .where("kind", "=", "build")
        .where("status", "=", "published")
        .execute();
      const events = await db
        .selectFrom("event")
        .select("payload")
        .where("type", "=", "publication.committed")
        .execute();
      const recorded = new Map(
        events.map((event) => {
          const payload = JSON.parse(event.payload) as { chunk: string; counts: Record<string, number> };
          return [payload.chunk, countsText(payload.counts)];
        }),
      );
      return chunks.map((chunk) => ({
        chunk: chunk.id,
        table: countsText(JSON.parse(chunk.result ?? "{}") as Record<string, number>),
        event: recorded.get(chunk.id) ?? null,
      }));
    },
  };
}

const COUNTS = ["received", "inserted", "updated", "unchanged", "duplicate", "quarantined", "retracted"];

function countsText(counts: Readonly<Record<string, number>>): string {
  return COUNTS.map((name) => `${name} ${counts[name] ?? 0}`).join(", ");
}

function replayClaim(coverage: CoverageByDataset, type: string, payload: Readonly<Record<string, unknown>>): void {
  const id = `${payload.dataset}@${payload.version}`;
  const byKey = coverage.get(id) ?? new Map<SeriesKey, Segments>();
  coverage.set(id, byKey);
  if (type === "publication.committed") {
    for (const [name, findings] of Object.entries(payload.findings as Record<string, Findings>)) {
      const key = asSeriesKey(name);
      byKey.set(key, applyFindings(byKey.get(key) ?? [], findings));
    }
    return;
  }
  const key = asSeriesKey(String(payload.key));
  const before = byKey.get(key) ?? [];
  if (type === "coverage.disputed") {
    const { spans, reason } = payload as unknown as { readonly spans: IntervalSet; readonly reason: string };
    byKey.set(key, applyDispute(before, { spans, reason }));
    return;
  }
  byKey.set(
    key,
    applyUnanswered(before, {
      start: instant(Number(payload.start)),
      end: instant(Number(payload.end)),
      state: type === "chunk.failed" ? "failed" : "refused",
      reason: String(payload.reason),
      chunk: String(payload.chunkOf),
    }),
  );
}

/** Runs and seals that do not agree: a run without its opening, a seal without its run, a chain shorter than sealed. */
async function sealFaults(ledger: LedgerDatabase): Promise<readonly string[]> {
  const { db } = ledger;
  const faults: string[] = [];
  const marks = await db
    .selectFrom("event")
    .select(["seq", "type", "payload"])
    .where("stream", "=", LEDGER_STREAM)
    .where("type", "in", ["run.opened", "run.closed"])
    .orderBy("seq")
    .execute();
  const opened = new Set<string>();
  const sealed = new Map<string, { length: number; head: string }>();
  for (const mark of marks) {
    const payload = JSON.parse(mark.payload) as { run: string; length?: number; head?: string };
    if (mark.type === "run.opened") opened.add(payload.run);
    else sealed.set(payload.run, { length: payload.length ?? 0, head: payload.head ?? "" });
  }
  const runs = await db.selectFrom("run").select(["id", "status"]).execute();
  const present = new Set(runs.map((run) => run.id));
  for (const run of opened) if (!present.has(run)) faults.push(`run ${run} is gone: the ledger's chain opened it`);
  for (const run of runs) {
    if (!opened.has(run.id)) faults.push(`run ${run.id} was never opened in the ledger's chain`);
    const closed = run.status === "succeeded" || run.status === "partial" || run.status === "failed";
    if (closed && !sealed.has(run.id))
      faults.push(`run ${run.id} is ${run.status}, but its closing is not in the chain`);
  }
  for (const [run, seal] of sealed) {
    const event = await db
      .selectFrom("event")
      .selectAll()
      .where("stream", "=", run)
      .where("seq", "=", seal.length)
      .executeTakeFirst();
    if (!event) faults.push(`run ${run}: its chain was sealed with ${seal.length} events and is shorter now`);
    else if (eventHash(event) !== seal.head)
      faults.push(`run ${run}: event ${seal.length} differs from the one sealed`);
  }
  return faults;
}

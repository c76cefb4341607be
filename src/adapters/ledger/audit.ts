import { createHash } from "node:crypto";
import type { Segments } from "../../core/coverage/segment.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { isTerminal, type RunStatus } from "../../core/run/run-state.ts";
import type { Audit, Replay } from "../../engine/prove/ports.ts";
import { CLAIM_EVENTS, replayClaims } from "./claim-events.ts";
import { readSegments } from "./coverage.ts";
import type { LedgerDatabase } from "./database.ts";
import { chainFaults, eventHash, headOf, LEDGER_STREAM } from "./events.ts";

type CoverageByDataset = Map<string, Map<SeriesKey, Segments>>;

/** The ledger's history read back: chains checked, coverage and totals rebuilt from events alone. */
export function ledgerAudit(ledger: LedgerDatabase): Audit {
  const { db } = ledger;

  const streams = async (): Promise<readonly string[]> => {
    const written = await db.selectFrom("event").select("stream").distinct().execute();
    const known = await db.selectFrom("chain").select("stream").execute();
    return [...new Set([...written, ...known].map((row) => row.stream))].sort();
  };

  return {
    async replay() {
      const faults: string[] = [];
      for (const stream of await streams()) faults.push(...(await chainFaults(db, stream)));
      faults.push(...(await sealFaults(ledger)));
      const objects: { path: string; sha256: string; run: string }[] = [];
      // In the order of recording over all chains, which clocks do not tell: they jump, and commits share an instant.
      const events = await db
        .selectFrom("event")
        .select(["stream", "type", "payload"])
        .where("type", "in", [...CLAIM_EVENTS, "coverage.reset", "object.committed"])
        .orderBy("ordinal")
        .execute();
      for (const { type, stream, payload } of events) {
        if (type !== "object.committed") continue;
        const { path, sha256 } = JSON.parse(payload) as { readonly path: string; readonly sha256: string };
        objects.push({ path, sha256, run: stream });
      }
      const coverage = replayClaims(events.filter(({ type }) => type !== "object.committed"));
      const head = await headOf(db, LEDGER_STREAM);
      const counts = await db
        .selectFrom("event")
        .select((e) => e.fn.countAll().as("events"))
        .executeTakeFirstOrThrow();
      const runs = await db
        .selectFrom("run")
        .select((e) => e.fn.countAll().as("runs"))
        .executeTakeFirstOrThrow();
      return {
        faults,
        coverage,
        objects,
        head: { hash: head.hash, length: head.seq },
        runs: Number(runs.runs),
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
      const table = new Map(chunks.map(({ id, result }) => [id, resultText(JSON.parse(result ?? "{}") as Result)]));
      const recorded = new Map(
        events.map(({ payload }) => {
          const { chunk, result } = JSON.parse(payload) as { chunk: string; result: Result };
          return [chunk, resultText(result)];
        }),
      );
      return [...new Set([...table.keys(), ...recorded.keys()])].map((chunk) => ({
        chunk,
        table: table.get(chunk) ?? "nothing",
        event: recorded.get(chunk) ?? null,
      }));
    },
  };
}

type Result = Readonly<Record<string, unknown>>;

const COUNTS = ["received", "inserted", "updated", "unchanged", "duplicate", "quarantined", "retracted"];

/** The counts in words; what else a result holds only as a hash, so that a change shows. */
function resultText(result: Result): string {
  const counts = COUNTS.map((name) => `${name} ${result[name] ?? 0}`).join(", ");
  const rest = createHash("sha256")
    .update(JSON.stringify([result.quarantinedBy, result.rowsBySeries, result.restored]))
    .digest("hex");
  return `${counts}, by series and reason ${rest.slice(0, 12)}`;
}

interface Seal {
  readonly run: string;
  readonly length: number;
  readonly head: string;
}

/** Runs and seals that do not agree: a run without its opening, a seal without its run, a chain shorter than sealed. */
async function sealFaults(ledger: LedgerDatabase): Promise<readonly string[]> {
  const { db } = ledger;
  const faults: string[] = [];
  const marks = await db
    .selectFrom("event")
    .select(["type", "payload"])
    .where("stream", "=", LEDGER_STREAM)
    .where("type", "in", ["run.opened", "run.closed"])
    .orderBy("seq")
    .execute();
  const marksOf = (type: string): Seal[] =>
    marks.filter((mark) => mark.type === type).map((mark) => JSON.parse(mark.payload) as Seal);
  const opened = new Set(marksOf("run.opened").map((mark) => mark.run));
  const seals = marksOf("run.closed");
  const sealed = new Set(seals.map((seal) => seal.run));
  const runs = await db.selectFrom("run").select(["id", "status"]).execute();
  const present = new Set(runs.map((run) => run.id));
  for (const run of opened) if (!present.has(run)) faults.push(`run ${run} is gone: the ledger's chain opened it`);
  for (const { id, status } of runs) {
    if (!opened.has(id)) faults.push(`run ${id} was never opened in the ledger's chain`);
    if (isTerminal(status as RunStatus) && !sealed.has(id)) {
      faults.push(`run ${id} is ${status}, but its closing is not in the chain`);
    }
  }
  for (const { run, length, head } of seals) {
    const event = await db
      .selectFrom("event")
      .selectAll()
      .where("stream", "=", run)
      .where("seq", "=", length)
      .executeTakeFirst();
    if (!event) faults.push(`run ${run}: its chain was sealed with ${length} events and is shorter now`);
    else if (eventHash(event) !== head) faults.push(`run ${run}: event ${length} differs from the one sealed`);
  }
  return faults;
}

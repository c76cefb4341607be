import type { Kysely } from "kysely";
import type { Segments } from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { runOf } from "../../engine/ids.ts";
import type { Publication, Reverts } from "../../engine/ledger-port.ts";
import { CLAIM_EVENTS, replayClaims } from "./claim-events.ts";
import { readSegments, writeSegments } from "./coverage.ts";
import type { LedgerTx } from "./database.ts";
import type { Tables } from "./schema.ts";

/** The segments of series from all events but those of a run, and of runs that were reverted before. */
export async function coverageWithout(
  db: Kysely<Tables>,
  asked: {
    readonly dataset: string;
    readonly version: number;
    readonly keys: readonly SeriesKey[];
    readonly runId: string;
  },
): Promise<ReadonlyMap<SeriesKey, Segments>> {
  const { dataset, version, keys, runId } = asked;
  const excluded = await db
    .selectFrom("object")
    .select("run_id")
    .where("excluded_by", "is not", null)
    .distinct()
    .execute();
  const gone = new Set([runId, ...excluded.map((row) => row.run_id)]);
  const events = await db
    .selectFrom("event")
    .select(["stream", "type", "payload"])
    .where("type", "in", CLAIM_EVENTS)
    .orderBy("ordinal")
    .execute();
  // A revert restores what stood without its run; without that run from the first there is nothing to restore.
  const kept = events.filter(({ stream, type, payload }) => {
    if (gone.has(stream)) return false;
    if (type === "publication.committed")
      return !isAbout(gone, JSON.parse(payload) as { rejudges?: readonly string[] });
    return type !== "coverage.reset" || !gone.has(String((JSON.parse(payload) as { reverted?: string }).reverted));
  });
  const all = replayClaims(kept).get(`${dataset}@${version}`) ?? new Map<SeriesKey, Segments>();
  return new Map(keys.map((key) => [key, all.get(asSeriesKey(key)) ?? []]));
}

/** Whether a publication only judged answers of these runs again. */
function isAbout(runs: ReadonlySet<string>, { rejudges = [] }: { readonly rejudges?: readonly string[] }): boolean {
  return rejudges.length > 0 && rejudges.every((chunk) => runs.has(runOf(chunk)));
}

/** The run's objects count no more, and its series stand as if it had never happened. */
export async function takeBack(tx: LedgerTx, publication: Publication, { run, keys }: Reverts): Promise<void> {
  const { dataset, version, chunkId } = publication;
  const without = await coverageWithout(tx.db, { dataset, version, keys, runId: run });
  await tx.db
    .updateTable("object")
    .set({ excluded_by: chunkId })
    .where("run_id", "=", run)
    .where("dataset", "=", dataset)
    .where("version", "=", version)
    .execute();
  const before = await readSegments(tx.db, dataset, version, keys);
  for (const key of keys) {
    await writeSegments(tx.db, { dataset, version, key }, before.get(key) ?? [], without.get(key) ?? []);
  }
}

import type { ChunkStatus } from "../../core/run/chunk-state.ts";
import { statusesBefore } from "../../core/run/chunk-state.ts";
import { instant } from "../../core/time/instant.ts";
import { type Interval, overlaps } from "../../core/time/interval.ts";
import type { Claimed, Ledger, Owner, RunRecord } from "../../engine/ledger-port.ts";
import { toChunk } from "./chunk-rows.ts";
import { companyOf } from "./company.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import { requireOwner } from "./ownership.ts";

/** A chunk in one of these holds its interval against younger runs. */
const RESERVING: readonly ChunkStatus[] = ["pending", "running", "deferred", "fetched"];
/** A chunk in one of these holds its interval against every run: its answer is under way or not published yet. */
const UNDER_WAY: readonly ChunkStatus[] = ["running", "fetched"];
const CLAIMABLE = statusesBefore("claim");
/** How many chunks a claim looks at when older runs may hold some of them. */
const LOOK_AHEAD = 1_000;
/** Chunks that wait are counted up to here: nobody needs to know more, and a claim must not read them all. */
const MOST_COUNTED = 1_000;

/** Handing out fetch chunks: in order, one owner each, never what an older live run has reserved. */
export function claimLedger(ledger: LedgerDatabase): Pick<Ledger, "claimFetches"> {
  return {
    claimFetches(run, { limit, sources, now, isAlive }) {
      return ledger.write(async (tx): Promise<Claimed> => {
        const { control } = await requireOwner(tx, run.id, run.fence);
        const others = control === "none" ? await otherRuns(tx, run, isAlive) : [];
        const open =
          control === "none"
            ? await claimable(tx, run, { limit: others.length > 0 ? LOOK_AHEAD : limit, sources, now })
            : [];
        const rivalOf = await rivals(tx, others, open);
        const blockedBy = new Set<string>();
        const held: string[] = [];
        const free: string[] = [];
        for (const row of open) {
          const rival = rivalOf(row);
          if (rival !== null) {
            blockedBy.add(rival);
            held.push(row.id);
          } else if (free.length < limit) free.push(row.id);
        }
        const hadCompany = free.length > 0 && (await companyOf(tx.db, run).limit(1).executeTakeFirst()) !== undefined;
        const doubtful = hadCompany ? [...held, ...free] : held;
        if (doubtful.length > 0)
          await tx.db.updateTable("chunk").set({ recheck: 1 }).where("id", "in", doubtful).execute();
        const claimed = await take(tx, run, free, now);
        if (claimed.length > 0) tx.emit(run.id, "chunks.claimed", { chunks: free });
        return {
          chunks: claimed,
          waiting: await countWaiting(tx, run.id, sources),
          nextAt: claimed.length < limit ? await nextDeferred(tx, run.id, { sources, now }) : null,
          blockedBy: [...blockedBy],
        };
      });
    },
  };
}

interface OpenRow {
  readonly id: string;
  readonly seq: number;
  readonly dataset: string;
  readonly version: number;
  readonly key: string;
  readonly keys: string | null;
  readonly start_ms: number;
  readonly end_ms: number;
}

/** The run's first chunks that may be claimed at `now`, in order. */
async function claimable(
  tx: LedgerTx,
  run: RunRecord,
  { limit, sources, now }: { readonly limit: number; readonly sources: readonly string[]; readonly now: number },
): Promise<readonly OpenRow[]> {
  const rows: OpenRow[] = [];
  // One status at a time: the index then gives them in order, and a long run is not read and sorted at each claim.
  for (const status of CLAIMABLE) {
    const some = await tx.db
      .selectFrom("chunk")
      .select(["id", "seq", "dataset", "version", "key", "keys", "start_ms", "end_ms"])
      .where("run_id", "=", run.id)
      .where("kind", "=", "fetch")
      .where("status", "=", status)
      .where("source", "in", sources)
      // A clock that jumped back must not make a chunk wait for hours: it was settled "in the future" then.
      .where((e) => e.or([e("not_before", "<=", now), e("updated_at", ">", now)]))
      .orderBy("seq")
      .limit(limit)
      .execute();
    rows.push(...some);
  }
  return rows.sort((a, b) => a.seq - b.seq).slice(0, limit);
}

interface OtherRun {
  readonly id: string;
  /** Opened before: all its chunks go first. Of a younger run only those under way do. */
  readonly isOlder: boolean;
}

/**
 * Other live runs. An incremental run does not wait for a backfill that will come to the same cells some time: it
 * asks for its few itself.
 */
async function otherRuns(
  tx: LedgerTx,
  run: RunRecord,
  isAlive: (owner: Owner) => boolean,
): Promise<readonly OtherRun[]> {
  const runs = await tx.db
    .selectFrom("run")
    .select(["id", "ordinal", "host", "pid", "process_started"])
    .where("status", "=", "running")
    .where("id", "!=", run.id)
    .where("mode", "in", run.mode === "incremental" ? ["incremental"] : ["incremental", "backfill"])
    .execute();
  return runs
    .filter((other) => isAlive({ host: other.host, pid: other.pid, processStarted: other.process_started }))
    .map((other) => ({ id: other.id, isOlder: other.ordinal < run.ordinal }));
}

/** Tells the other run that holds a part of a chunk's window, or null. */
async function rivals(
  tx: LedgerTx,
  others: readonly OtherRun[],
  open: readonly OpenRow[],
): Promise<(row: OpenRow) => string | null> {
  if (others.length === 0 || open.length === 0) return () => null;
  const younger = others.filter((other) => !other.isOlder).map(({ id }) => id);
  const reserved = await tx.db
    .selectFrom("chunk")
    .select(["run_id", "dataset", "version", "key", "keys", "start_ms", "end_ms"])
    .where(
      "run_id",
      "in",
      others.map(({ id }) => id),
    )
    .where("kind", "=", "fetch")
    .where("status", "in", RESERVING)
    .where((e) =>
      younger.length === 0 ? e.lit(true) : e.or([e("run_id", "not in", younger), e("status", "in", UNDER_WAY)]),
    )
    .where("key", "in", [...new Set(["*", ...open.flatMap(keysOf)])])
    .execute();
  const bySeries = new Map<string, (Interval & { readonly run: string })[]>();
  for (const row of reserved) {
    for (const key of keysOf(row)) {
      const id = `${row.dataset}@${row.version} ${key}`;
      const list = bySeries.get(id) ?? [];
      if (list.length === 0) bySeries.set(id, list);
      list.push({ run: row.run_id, ...windowOf(row) });
    }
  }
  return (row) => {
    for (const key of keysOf(row)) {
      const list = bySeries.get(`${row.dataset}@${row.version} ${key}`);
      const rival = list?.find((other) => overlaps(other, windowOf(row)));
      if (rival) return rival.run;
    }
    return null;
  };
}

function keysOf(row: Pick<OpenRow, "key" | "keys">): readonly string[] {
  return row.keys === null ? [row.key] : (JSON.parse(row.keys) as string[]);
}

function windowOf(row: Pick<OpenRow, "start_ms" | "end_ms">): Interval {
  return { start: instant(row.start_ms), end: instant(row.end_ms) };
}

async function take(tx: LedgerTx, run: RunRecord, ids: readonly string[], now: number): Promise<Claimed["chunks"]> {
  if (ids.length === 0) return [];
  const rows = await tx.db
    .updateTable("chunk")
    .set((e) => ({ status: "running", attempt: e("attempt", "+", 1), fence: run.fence, updated_at: now }))
    .where("id", "in", ids)
    .returningAll()
    .execute();
  return rows.map(toChunk).sort((a, b) => a.seq - b.seq);
}

async function countWaiting(tx: LedgerTx, runId: string, sources: readonly string[]): Promise<number> {
  const some = tx.db
    .selectFrom("chunk")
    .select("id")
    .where("run_id", "=", runId)
    .where("kind", "=", "fetch")
    .where("status", "in", CLAIMABLE)
    .where("source", "in", sources)
    .limit(MOST_COUNTED)
    .as("some");
  const row = await tx.db
    .selectFrom(some)
    .select((e) => e.fn.countAll().as("n"))
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

async function nextDeferred(
  tx: LedgerTx,
  runId: string,
  { sources, now }: { readonly sources: readonly string[]; readonly now: number },
): Promise<Claimed["nextAt"]> {
  const row = await tx.db
    .selectFrom("chunk")
    .select((e) => e.fn.min("not_before").as("next"))
    .where("run_id", "=", runId)
    .where("kind", "=", "fetch")
    .where("status", "=", "deferred")
    .where("source", "in", sources)
    .where("not_before", ">", now)
    .executeTakeFirstOrThrow();
  return row.next === null ? null : instant(Number(row.next));
}

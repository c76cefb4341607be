import type { Series } from "../../core/dataset/series.ts";
import type { Control } from "../../core/run/run-state.ts";
import type { FetchEnd } from "../fetch/fetch-chunk.ts";
import type { ChunkRecord, Ledger, RunRecord } from "../ledger-port.ts";
import type { Clock } from "../ports.ts";
import type { RunObserver } from "./observer.ts";

export interface FetchStageOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly run: RunRecord;
  /** The sources whose chunks are worked off here: those of one provider. */
  readonly sources: readonly string[];
  readonly concurrency: number;
  readonly isAlive: (owner: RunRecord["owner"]) => boolean;
  /** The series that a chunk asks for, the first of many; null where it is not declared any more. */
  readonly seriesOf: (chunk: ChunkRecord) => Series | null;
  /** Whether something inside the chunk's window is still owed; asked where another run may have answered it. */
  readonly isOwed: (chunk: ChunkRecord) => Promise<boolean>;
  readonly fetch: (
    chunk: ChunkRecord,
    series: Series,
    signal: AbortSignal,
  ) => Promise<{ readonly chunk: ChunkRecord; readonly end: FetchEnd }>;
  /** Called with each chunk whose answer is committed. */
  readonly onFetched: (chunk: ChunkRecord) => void;
  /** Called where nothing is under way and what is left has to wait, maybe for a run that waits for these answers. */
  readonly onIdle: () => void;
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
}

/** Why a stage ended before its chunks did. */
export type StageEnd =
  | { readonly kind: "done" }
  | { readonly kind: "control"; readonly control: Exclude<Control, "none"> }
  | { readonly kind: "interrupted" }
  | { readonly kind: "provider"; readonly reason: string };

/** How often a run's lease is renewed and its control read while requests are slow. */
const HEARTBEAT_MS = 1_000;
/** A chunk that another run has reserved is looked at again after this, plus jitter. */
const RIVAL_POLL_MS = 200;

/**
 * Works off the run's open fetch chunks, `concurrency` at a time, until none is left or something stops it. Control
 * is read at every claim; deferred chunks are waited for, never spun on.
 */
export async function fetchStage(options: FetchStageOptions): Promise<StageEnd> {
  const { ledger, clock, run, sources, concurrency, isAlive, observe, signal } = options;
  const active = new Set<Promise<void>>();
  const refusedKinds = new Map<string, string>();
  // Ends the asking, also of chunks that have pages left; answers under way may still arrive.
  const stopping = new AbortController();
  let stop: StageEnd | null = null;
  let lastHeartbeat = 0;

  const work = async (chunk: ChunkRecord): Promise<void> => {
    const { settled, end } = await attempt(options, chunk, refusedKinds, stopping.signal);
    await ledger.settleChunk(settled, end.settlement, clock.now());
    observe({
      type: "chunk-settled",
      key: chunk.key,
      window: chunk.window,
      round: chunk.round,
      event: end.settlement.event,
      reason: "reason" in end.settlement ? end.settlement.reason : null,
    });
    if (end.settlement.event === "fetched" || (settled.progress !== null && settled.progress.page > 0)) {
      options.onFetched(settled);
    }
    if (end.stops === "provider" && "reason" in end.settlement)
      stop ??= { kind: "provider", reason: end.settlement.reason };
  };

  for (;;) {
    // The wall clock may jump back: hours without a heartbeat would be hours without a pause.
    if (Math.abs(clock.now() - lastHeartbeat) >= HEARTBEAT_MS) {
      lastHeartbeat = clock.now();
      const control = await ledger.heartbeat(run.id, run.fence, clock.now());
      if (control !== "none") stop ??= { kind: "control", control };
    }
    if (signal.aborted) stop ??= { kind: "interrupted" };
    if (stop !== null) {
      stopping.abort(new Error("stopped"));
      await Promise.all(active);
      return stop;
    }
    let waiting = 0;
    let pause = HEARTBEAT_MS;
    if (active.size < concurrency) {
      const limit = concurrency - active.size;
      const claimed = await ledger.claimFetches(run, { limit, sources, now: clock.now(), isAlive });
      for (const chunk of claimed.chunks) {
        const task: Promise<void> = work(chunk).finally(() => active.delete(task));
        // A failure here is a bug or a lost ledger: it surfaces where the stage awaits its tasks.
        task.catch(() => undefined);
        active.add(task);
      }
      waiting = claimed.waiting;
      if (claimed.blockedBy.length > 0) {
        pause = RIVAL_POLL_MS * (0.5 + Math.random());
        observe({ type: "waiting", waitMs: pause, why: `for the same cells in ${claimed.blockedBy.join(", ")}` });
      } else if (claimed.nextAt !== null) {
        pause = Math.max(1, Math.min(pause, claimed.nextAt - clock.now()));
      }
    }
    if (active.size === 0 && waiting === 0) return { kind: "done" };
    if (active.size === 0) options.onIdle();
    const full = active.size >= concurrency;
    await nextThing([...active], full ? HEARTBEAT_MS : waiting > 0 ? pause : HEARTBEAT_MS, clock, signal);
  }
}

async function attempt(
  options: FetchStageOptions,
  chunk: ChunkRecord,
  refusedKinds: Map<string, string>,
  stopping: AbortSignal,
): Promise<{ readonly settled: ChunkRecord; readonly end: FetchEnd }> {
  const end = (settlement: FetchEnd["settlement"]): { settled: ChunkRecord; end: FetchEnd } => ({
    settled: chunk,
    end: { settlement, stops: "nothing", class: null },
  });
  const series = options.seriesOf(chunk);
  if (!series) return end({ event: "skipped", reason: `${chunk.key} is not declared any more` });
  if (chunk.recheck && !(await options.isOwed(chunk))) {
    return end({ event: "skipped", reason: "answered meanwhile" });
  }
  const kind = JSON.stringify([chunk.dataset, chunk.source, series.ask]);
  const refused = refusedKinds.get(kind);
  if (refused !== undefined) return end({ event: "refused", reason: refused, called: false });
  options.observe({ type: "chunk-started", key: chunk.key, window: chunk.window, round: chunk.round });
  const result = await options.fetch(chunk, series, stopping);
  if (result.end.stops === "endpoint" && "reason" in result.end.settlement) {
    refusedKinds.set(kind, result.end.settlement.reason);
  }
  return { settled: result.chunk, end: result.end };
}

/** Resolves when a task ends, the time is up or the run is interrupted; rejects when a task did. */
async function nextThing(
  tasks: readonly Promise<void>[],
  ms: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const timer = new AbortController();
  const stop = (): void => timer.abort();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([...tasks, clock.sleep(ms, timer.signal).catch(() => undefined)]);
  } finally {
    signal.removeEventListener("abort", stop);
    timer.abort();
  }
}

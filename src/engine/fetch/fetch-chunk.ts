import { longestWindowMs, type RateLimit } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { slotAt } from "../../core/time/grid.ts";
import { formatUtcDate, type Instant, instant, SECOND } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Bronze } from "../bronze-port.ts";
import type { Budget } from "../budget-port.ts";
import type { ChunkProgress, ChunkRecord, ChunkSettlement, Ledger, ObjectRecord } from "../ledger-port.ts";
import {
  type Clock,
  type FailureClass,
  type Outcome,
  requestIdentity,
  type Source,
  type SourceRequest,
} from "../ports.ts";
import { classifyAnswer } from "./classify.ts";
import { type Http, isTransportFailure, type RawAnswer, type TransportFailure } from "./http.ts";
import { type Permits, QuotaExhausted } from "./permits.ts";
import { POLICY, SPLIT_FLOOR_MS } from "./policy.ts";

export interface FetchContext {
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly bronze: Bronze;
  readonly clock: Clock;
  readonly http: Http;
  readonly permits: Permits;
  readonly reach: Reach;
  readonly source: Source;
  readonly credential: string;
  readonly limits: readonly RateLimit[];
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  readonly businessNow: Instant;
  readonly random: () => number;
  readonly notice: (text: string) => void;
  readonly onCall: (call: {
    readonly ok: boolean;
    readonly class: FailureClass | null;
    readonly message: string;
  }) => void;
}

/** The longest window, in milliseconds, that a provider has not been too slow for in this run. */
export interface Reach {
  mostMs: number;
}

/** How a chunk ended, and whether that ends more than the chunk. */
export interface FetchEnd {
  readonly settlement: ChunkSettlement;
  /** `provider`: nothing more is asked in this run; `endpoint`: nothing more of this kind of series. */
  readonly stops: "nothing" | "endpoint" | "provider";
  readonly class: FailureClass | null;
}

/** A request under way when the run is told to stop is paid for: its answer has this long to arrive. */
const FINISH_MS = 5 * SECOND;

/** A slice whose pages go stale starts over this often before it is given up. */
const MAX_RESTARTS = 3;

/**
 * Asks for a chunk's window, page by page, and commits each answer to bronze and ledger before the next request, so
 * that nothing answered is ever asked again. An answer that a silent cap may have cut claims only up to its last bar.
 */
export async function fetchChunk(
  context: FetchContext,
  chunk: ChunkRecord,
  series: Series,
  signal: AbortSignal,
): Promise<{ readonly chunk: ChunkRecord; readonly end: FetchEnd }> {
  let progress: ChunkProgress = chunk.progress ?? { page: 0, from: chunk.window.start, next: null, complete: false };
  let restarts = 0;
  const { reach } = context;
  const done = (
    settlement: ChunkSettlement,
    stops: FetchEnd["stops"] = "nothing",
    kind: FailureClass | null = null,
  ) => ({
    chunk: { ...chunk, progress },
    end: { settlement, stops, class: kind },
  });

  while (!progress.complete) {
    // Further pages belong to the question that their first page asked, also after a resume.
    const until = progress.next === null ? null : (progress.until ?? chunk.window.end);
    const asked = {
      start: progress.from,
      end: until ?? reachFrom(series, progress.from, reach.mostMs, chunk.window.end),
    };
    const request = progress.next ?? context.source.request(series, asked);
    let answer: RawAnswer | TransportFailure;
    try {
      answer = await send(context, request, signal);
    } catch (error) {
      if (error instanceof QuotaExhausted) {
        return done({ event: "release", reason: error.message }, "provider", "quota");
      }
      if (signal.aborted) return done({ event: "release", reason: "interrupted" });
      throw error;
    }
    const outcome = classifyAnswer(context.source, series, request, answer);
    if (outcome.kind === "failure") {
      context.onCall({ ok: false, class: outcome.class, message: outcome.message });
      if (outcome.class === "stale-cursor" && progress.next !== null && restarts < MAX_RESTARTS) {
        restarts++;
        progress = fromFirstPage(progress);
        await context.ledger.callRepeated(chunk, outcome.message);
        continue;
      }
      const policy = POLICY[outcome.class];
      if (policy.splits && canSplit(series, asked)) {
        const half = Math.max(SPLIT_FLOOR_MS, Math.floor((asked.end - asked.start) / 2));
        // What another chunk has learned meanwhile counts too.
        reach.mostMs = Math.min(reach.mostMs, half);
        progress = fromFirstPage(progress);
        await context.ledger.callRepeated(chunk, outcome.message);
        await context.clock.sleep(waitOf(context, chunk, outcome), signal).catch(() => undefined);
        if (signal.aborted) return done({ event: "release", reason: "interrupted" });
        continue;
      }
      return { chunk: { ...chunk, progress }, end: await failureEnd(context, chunk, outcome) };
    }
    context.onCall({ ok: true, class: null, message: "" });
    const step = nextProgress(context.source, { asked: asked.end, window: chunk.window.end }, progress, outcome);
    // Pages that belong together and do not advance have lost their place: from the first one on they may find it.
    if (step === null && context.source.pagesTogether === true && restarts < MAX_RESTARTS) {
      restarts++;
      progress = fromFirstPage(progress);
      await context.ledger.callRepeated(chunk, "its pages lost their place");
      continue;
    }
    if (step === null) {
      const reason = "the answer does not advance: its page repeats or its rows lie outside what was asked";
      return done({ event: "failed", reason }, "nothing", "bad-request");
    }
    if (isTransportFailure(answer)) throw new Error("unreachable: a transport failure is never rows");
    const committed = await commit(context, chunk, { request, answer, outcome, before: progress, after: step });
    if (!committed) return done({ event: "release", reason: "the chunk was taken over" });
    progress = step;
  }
  return done({ event: "fetched" });
}

async function send(
  context: FetchContext,
  request: SourceRequest,
  signal: AbortSignal,
): Promise<RawAnswer | TransportFailure> {
  const permit = await context.permits.acquire(signal);
  const abandoned = new AbortController();
  const ended = new AbortController();
  const onStop = (): void => {
    context.clock.sleep(FINISH_MS, ended.signal).then(
      () => abandoned.abort(signal.reason),
      () => undefined,
    );
  };
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", onStop, { once: true });
    return await context.http.send(request, abandoned.signal);
  } finally {
    signal.removeEventListener("abort", onStop);
    ended.abort();
    await context.permits.release(permit);
  }
}

type Rows = Extract<Outcome, { kind: "rows" }>;

/** Where the chunk stands after an answer, or null when the answer leads nowhere. */
function nextProgress(
  source: Source,
  ends: { readonly asked: Instant; readonly window: Instant },
  before: ChunkProgress,
  rows: Rows,
): ChunkProgress | null {
  const page = before.page + 1;
  const end = ends.asked;
  if (source.pagesTogether === true && rows.next !== null) {
    const isBehind = rows.place !== undefined && rows.place > (before.next === null ? "" : (before.place ?? ""));
    return isBehind
      ? { page, from: before.from, next: rows.next, until: end, place: rows.place, complete: false }
      : null;
  }
  const through = rows.through === null ? before.from : instant(Math.min(Math.max(rows.through, before.from), end));
  if (rows.next !== null) {
    return through > before.from
      ? { page, from: through, next: rows.next, until: end, complete: through >= ends.window }
      : null;
  }
  if (source.silentCaps.includes(rows.rows) && through < end) {
    return through > before.from ? { page, from: through, next: null, complete: false } : null;
  }
  return { page, from: end, next: null, complete: end >= ends.window };
}

/** Whether half of a window can be asked for: not below the floor, and never a part of a slot. */
function canSplit(series: Series, asked: Interval): boolean {
  return asked.end - asked.start > SPLIT_FLOOR_MS && slotAt(series.axis.grid, asked.start).end < asked.end;
}

/** The same question from its first page on. */
function fromFirstPage({ page, from, complete }: ChunkProgress): ChunkProgress {
  return { page, from, next: null, complete };
}

/** The end of a request from `from`: whole slots, at least one, `reachMs` at most, never past `end`. */
function reachFrom(series: Series, from: Instant, reachMs: number, end: Instant): Instant {
  if (from + reachMs >= end) return end;
  const { grid } = series.axis;
  const cut = slotAt(grid, instant(from + reachMs)).start;
  return cut > from ? cut : slotAt(grid, from).end;
}

async function commit(
  context: FetchContext,
  chunk: ChunkRecord,
  page: {
    readonly request: SourceRequest;
    readonly answer: RawAnswer;
    readonly outcome: Rows;
    readonly before: ChunkProgress;
    readonly after: ChunkProgress;
  },
): Promise<boolean> {
  const { answer, outcome, before, after } = page;
  const sidecar = await context.bronze.put(
    {
      source: context.source.system,
      dataset: chunk.dataset,
      ingestDate: formatUtcDate(answer.receivedAt),
      runId: chunk.runId,
      chunkId: chunk.id,
      page: before.page,
      format: context.source.records.reader?.format ?? "json",
    },
    answer.body,
    (file) => ({
      object: {
        ...file,
        chunkId: chunk.id,
        runId: chunk.runId,
        dataset: chunk.dataset,
        version: chunk.version,
        key: chunk.key,
        keys: chunk.keys,
        source: context.source.name,
        page: before.page,
        target: requestIdentity(page.request),
        answered: { start: before.from, end: after.from },
        rows: outcome.rows,
        strict: outcome.strict,
        layout: outcome.layout,
        businessNow: context.businessNow,
        receivedAt: answer.receivedAt,
      } satisfies Omit<ObjectRecord, "ordinal">,
      progress: after,
    }),
  );
  return context.ledger.commitPage(chunk, sidecar.object, after);
}

function waitOf(context: FetchContext, chunk: ChunkRecord, failure: Extract<Outcome, { kind: "failure" }>): number {
  return POLICY[failure.class].wait({
    attempt: chunk.attempt,
    toldMs: failure.waitMs,
    random: context.random,
    longestWindowMs: longestWindowMs(context.limits),
    ...context.backoff,
  });
}

async function failureEnd(
  context: FetchContext,
  chunk: ChunkRecord,
  failure: Extract<Outcome, { kind: "failure" }>,
): Promise<FetchEnd> {
  const policy = POLICY[failure.class];
  const reason = `${failure.class}: ${failure.message}`;
  const waitMs = waitOf(context, chunk, failure);
  if (policy.hold === "credential" && policy.retry === "after-wait") {
    const halved = await context.budget.throttled(context.credential, waitMs);
    if (halved) {
      context.notice(
        `${context.source.system} answered 429 under the limit in force: the rate for this credential is halved until the setting changes`,
      );
    }
  }
  const exhausted = policy.countsAttempt && chunk.attempt >= policy.attempts;
  if (policy.retry !== "no" && !exhausted) {
    const until = instant(Math.ceil(context.clock.now() + waitMs));
    const settlement = { event: "defer", until, reason, countsAttempt: policy.countsAttempt } as const;
    return { settlement, stops: "nothing", class: failure.class };
  }
  const kind = failure.class;
  switch (policy.stops) {
    case "provider":
      return { settlement: { event: "failed", reason }, stops: "provider", class: kind };
    case "endpoint":
      return { settlement: { event: "refused", reason }, stops: "endpoint", class: kind };
    case "value":
      return { settlement: { event: "refused", reason }, stops: "nothing", class: kind };
    case "chunk": {
      const tried = chunk.attempt > 1 ? ` (given up after ${chunk.attempt} attempts)` : "";
      return { settlement: { event: "failed", reason: `${reason}${tried}` }, stops: "nothing", class: kind };
    }
    default:
      return policy.stops satisfies never;
  }
}

import type { TakenBack } from "../core/coverage/gaps.ts";
import type { Change } from "../core/coverage/lineage.ts";
import type { Built, Findings, Segments } from "../core/coverage/segment.ts";
import type { DatasetName } from "../core/dataset/dataset.ts";
import type { RegistryEntry } from "../core/dataset/pipeline.ts";
import { asSeriesKey, type SeriesKey } from "../core/dataset/series.ts";
import type { Plan, RunKind, RunMode } from "../core/plan/plan.ts";
import type { ChunkKind, ChunkStatus } from "../core/run/chunk-state.ts";
import type { Control, RunEvent, RunStatus } from "../core/run/run-state.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import type { IntervalSet } from "../core/time/interval-set.ts";
import type { SourceRequest } from "./ports.ts";

/** The process that works on something: a lease names it, so that a dead one can be told from a slow one. */
export interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's own ticks: tells it from a later one with the same pid; 0 unknown. */
  readonly processStarted: number;
}

export interface RunRecord {
  readonly id: string;
  readonly ordinal: number;
  readonly planId: string;
  readonly status: RunStatus;
  readonly control: Control;
  readonly mode: RunMode;
  readonly kind: RunKind;
  readonly overrideState: boolean;
  readonly selector: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly businessNow: Instant;
  readonly openedAt: Instant;
  readonly closedAt: Instant | null;
  readonly owner: Owner;
  readonly heartbeatAt: Instant;
  readonly fence: number;
  readonly summary: Readonly<Record<string, unknown>> | null;
}

/** Where a chunk's request sequence stands: what it asks next and how far it is answered. */
export interface ChunkProgress {
  /** Pages answered so far. */
  readonly page: number;
  /** Everything before this is answered. */
  readonly from: Instant;
  /** The source's own next page, or null: ask the rest of the window from `from`. */
  readonly next: SourceRequest | null;
  /** With a next page: the end of what the whole question asks. */
  readonly until?: Instant;
  /** With a next page of a source whose pages belong together: where the last record stood. */
  readonly place?: string;
  readonly complete: boolean;
}

export interface ChunkRecord {
  readonly id: string;
  readonly runId: string;
  readonly seq: number;
  readonly kind: ChunkKind;
  /** 0 for the plan's own chunks, then the repair round. */
  readonly round: number;
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  /** The series it answers: its own, or all of a question that many series share. */
  readonly keys: readonly SeriesKey[];
  /** The source that is asked; null for a build. */
  readonly source: string | null;
  readonly window: Interval;
  readonly status: ChunkStatus;
  readonly attempt: number;
  readonly fence: number;
  readonly notBefore: Instant;
  /** Whether another run may have covered it meanwhile. */
  readonly recheck: boolean;
  readonly progress: ChunkProgress | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: string | null;
}

/** A chunk to be done. */
export interface NewChunk {
  readonly kind: ChunkKind;
  readonly round: number;
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  /** When one question answers many series: all of them; `key` is then `*`. */
  readonly keys?: readonly SeriesKey[];
  readonly source: string | null;
  readonly window: Interval;
}

/** The key of a chunk or object that belongs to many series. */
export const MANY = asSeriesKey("*");

/** One response body in bronze. */
export interface ObjectRecord {
  /** Place in ingest order over the whole ledger. */
  readonly ordinal: number;
  readonly id: string;
  readonly chunkId: string;
  readonly runId: string;
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  /** The series it answers. */
  readonly keys: readonly SeriesKey[];
  readonly source: string;
  readonly page: number;
  /** The request it answers, without host and credential. */
  readonly target: string;
  /** Path below the project's bronze folder. */
  readonly path: string;
  /** Of the decoded body. */
  readonly sha256: string;
  readonly bytes: number;
  /** The body is one line. */
  readonly oneLine: boolean;
  /** The stretch that this page answered completely. */
  readonly answered: Interval;
  readonly rows: number;
  readonly strict: boolean;
  /** How its strict records can be read at once, where the source's shape leaves something open. */
  readonly layout: string | null;
  readonly businessNow: Instant;
  readonly receivedAt: Instant;
}

/** What a publication changed in one series. */
export interface SeriesRows {
  /** Rows made anew, whether or not they differ from what was stored; only of a build. */
  readonly processed?: number;
  readonly inserted: number;
  readonly updated: number;
  readonly retracted: number;
}

/** Counts of a publication; `received` is the sum of all others but `retracted`. */
export interface RowCounts {
  readonly received: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly duplicate: number;
  readonly quarantined: number;
  readonly retracted: number;
}

export interface Publication {
  readonly chunkId: string;
  readonly fence: number;
  readonly dataset: DatasetName;
  readonly version: number;
  readonly counts: RowCounts;
  readonly quarantinedBy: Readonly<Record<string, number>>;
  /** Rows inserted and updated, by series. */
  readonly rowsBySeries: Readonly<Record<string, SeriesRows>>;
  readonly findings: ReadonlyMap<SeriesKey, Findings>;
  /** What was made, for series whose rows come from other datasets. */
  readonly built: ReadonlyMap<SeriesKey, Built>;
  readonly reverts?: Reverts | undefined;
  /** After everything was made anew: how many rows each series has. */
  readonly totals?: Readonly<Record<string, number>> | undefined;
  /** Fetch chunks whose objects it holds. */
  readonly members: readonly string[];
  /** Fetch chunks whose objects were published before and are judged again, because decisions changed. */
  readonly rejudges?: readonly string[] | undefined;
  /** Where rows really changed. */
  readonly changes: readonly (Interval & { readonly key: SeriesKey })[];
}

export interface Claimed {
  readonly chunks: readonly ChunkRecord[];
  /** Chunks of the run that are neither finished nor claimed, counted up to 1,000. */
  readonly waiting: number;
  /** When the earliest deferred chunk may be claimed; null when none waits, or when the claim was filled. */
  readonly nextAt: Instant | null;
  /** Live runs whose reserved intervals hold some back. */
  readonly blockedBy: readonly string[];
}

/** How a fetch chunk ended, or why it goes back. */
export type ChunkSettlement =
  | { readonly event: "fetched" }
  | { readonly event: "skipped"; readonly reason: string }
  | { readonly event: "release"; readonly reason: string }
  | { readonly event: "defer"; readonly until: Instant; readonly reason: string; readonly countsAttempt: boolean }
  /** `called` false: given up without asking, because the source said so for its like. */
  | { readonly event: "failed" | "refused"; readonly reason: string; readonly called?: boolean };

export interface ChunkTally {
  readonly kind: ChunkKind;
  readonly round: number;
  readonly status: ChunkStatus;
  readonly chunks: number;
  readonly keys: number;
}

/** What a person decided; decisions are an input of every rebuild. */
export interface Decision {
  readonly ordinal: number;
  readonly kind: "waive" | "unwaive" | "exclude" | "release" | "override-state";
  readonly at: Instant;
  readonly actor: string;
  readonly reason: string;
  readonly dataset: DatasetName | null;
  readonly version: number | null;
  readonly key: SeriesKey | null;
  readonly span: Interval | null;
  /** When it ends by itself; null: never. */
  readonly until: Instant | null;
  /** What else it is about: a run, an object's record. */
  readonly subject: string | null;
}

/** Where a dataset's incremental runs have got to. */
export interface Watermark {
  readonly dataset: DatasetName;
  readonly version: number;
  readonly at: Instant;
  readonly runId: string;
  readonly movedAt: Instant;
  readonly why: "incremental run succeeded" | "override";
}

/** A publication that the ledger has. */
export interface CommittedPublication {
  readonly chunkId: string;
  readonly fence: number;
  /** The chunks whose answers it judged again; an id begins with the run that asked. */
  readonly rejudges: readonly string[];
}

/** The run that a publication takes back, and the series whose coverage is worked out anew without it. */
export interface Reverts {
  readonly run: string;
  readonly keys: readonly SeriesKey[];
}

/** How a run stands, without what it did. */
export interface RunStanding {
  readonly id: string;
  readonly selector: string;
  readonly status: RunStatus;
  readonly owner: Owner;
}

/** One object of an incremental run and the publication that holds it. */
export interface PublishedAnswer {
  readonly publication: string;
  /** Its place in ingest order. */
  readonly object: number;
  /** When it was there, on the business clock: its receipt, or the run's business now where that is pinned elsewhere. */
  readonly seenAt: Instant;
}

/** The durable truth about plans, runs, chunks and coverage. Every method that writes is one transaction. */
export interface Ledger {
  entries(pipeline: string): Promise<readonly RegistryEntry[]>;
  putEntries(pipeline: string, entries: readonly RegistryEntry[], now: Instant): Promise<void>;
  /** When each entry was first declared, on the real clock. */
  declaredAt(pipeline: string): Promise<ReadonlyMap<string, Instant>>;

  /** Records a version's logic at its first use and returns what is recorded. */
  versionFingerprint(dataset: DatasetName, version: number, fingerprint: string, now: Instant): Promise<string>;

  savePlan(plan: Plan): Promise<void>;
  plan(id: string): Promise<Plan | null>;
  plans(limit: number): Promise<readonly (Plan & { readonly runId: string | null })[]>;

  /** Opens a run on a plan that was not applied yet; null when it was. */
  openRun(
    plan: Plan,
    runId: string,
    owner: Owner,
    chunks: readonly NewChunk[],
    now: Instant,
  ): Promise<RunRecord | null>;
  run(id: string): Promise<RunRecord | null>;
  runs(limit: number): Promise<readonly RunRecord[]>;
  /** A run and those of the same selector before it, newest first. */
  runsUpTo(run: Pick<RunRecord, "selector" | "ordinal">, limit: number): Promise<readonly RunStanding[]>;
  /** Runs that somebody works on, or did until he died. */
  runningRuns(): Promise<readonly RunStanding[]>;
  /** @throws RetrofillError RUN_STATE when the run was taken over or is not running any more */
  heartbeat(runId: string, fence: number, now: Instant): Promise<Control>;
  /** @throws RetrofillError RUN_STATE when the run is not running */
  setControl(runId: string, control: Control, actor: string): Promise<void>;
  /** Moves the run; null where the event is not allowed from its present status. */
  moveRun(runId: string, event: RunEvent, details: object, fence?: number): Promise<RunRecord | null>;
  /**
   * Makes `owner` the run's worker: raises the fence and releases what the last one had claimed. Null where the event
   * is not allowed, or where somebody else has taken it over since its fence was `fence`.
   */
  takeOver(
    runId: string,
    owner: Owner,
    now: Instant,
    event: "resume" | "reopen",
    fence?: number,
  ): Promise<RunRecord | null>;
  closeRun(
    runId: string,
    fence: number,
    outcome: "succeeded" | "partial" | "failed" | "cancelled",
    summary: object,
    now: Instant,
  ): Promise<RunRecord>;

  addChunks(runId: string, chunks: readonly NewChunk[], fence?: number): Promise<readonly ChunkRecord[]>;
  /** Chunks for this worker, none while somebody asked it to stop. @throws RetrofillError RUN_STATE as `heartbeat` */
  claimFetches(
    run: RunRecord,
    options: {
      readonly limit: number;
      /** Only chunks that ask one of these. */
      readonly sources: readonly string[];
      readonly now: Instant;
      readonly isAlive: (owner: Owner) => boolean;
    },
  ): Promise<Claimed>;
  chunks(
    runId: string,
    filter?: { readonly kind?: ChunkKind; readonly status?: readonly ChunkStatus[] },
  ): Promise<readonly ChunkRecord[]>;
  chunksById(ids: readonly string[]): Promise<readonly ChunkRecord[]>;
  tally(runId: string): Promise<readonly ChunkTally[]>;
  /** Fetched chunks of any run whose objects no publication holds yet. */
  unpublished(dataset: DatasetName, version: number): Promise<readonly ChunkRecord[]>;
  /** Commits one page: its object and where the chunk stands. False when the fence is not valid any more. */
  commitPage(chunk: ChunkRecord, object: Omit<ObjectRecord, "ordinal">, progress: ChunkProgress): Promise<boolean>;
  /** Commits a page that was found in bronze for a chunk that nobody works on; a complete one becomes fetched. */
  adoptPage(chunk: ChunkRecord, object: Omit<ObjectRecord, "ordinal">, progress: ChunkProgress): Promise<boolean>;
  /** Records a call that brought no page although its chunk goes on: it is asked again within the same try. */
  callRepeated(chunk: ChunkRecord, reason: string): Promise<void>;
  settleChunk(chunk: ChunkRecord, settlement: ChunkSettlement, now: Instant): Promise<void>;
  /** Calls of a run that brought no page, and how many of them only made a chunk wait. */
  unansweredCalls(runId: string): Promise<{ readonly unanswered: number; readonly deferred: number }>;
  /** Marks stretches whose stored rows disagree with the ledger. */
  dispute(
    dataset: DatasetName,
    version: number,
    key: SeriesKey,
    dispute: { readonly spans: IntervalSet; readonly reason: string },
  ): Promise<void>;
  /** Cancels the fetch chunks that are not finished; closing a run does so too. */
  cancelOpenChunks(runId: string, reason: string): Promise<number>;

  objectsOf(chunkIds: readonly string[]): Promise<readonly ObjectRecord[]>;
  /** Objects by their places in ingest order; unknown ones are left out. */
  objectsByNo(ordinals: readonly number[]): Promise<readonly ObjectRecord[]>;
  objectIds(runId: string): Promise<ReadonlySet<string>>;
  answeredTargets(runId: string): Promise<ReadonlySet<string>>;
  /**
   * Whether another run, at work since `run` was planned, has published the answer to exactly this request. One that a
   * killed run left unpublished is no answer to anybody.
   */
  wasAnsweredMeanwhile(run: RunRecord, target: string): Promise<boolean>;
  objectsOfDataset(dataset: DatasetName, version: number): Promise<readonly ObjectRecord[]>;
  /** What answers that count no more had answered, by series in ingest order, each with the run that took it back. */
  takenBack(dataset: DatasetName, version: number): Promise<ReadonlyMap<SeriesKey, readonly TakenBack[]>>;
  /** The last objects of a dataset, newest first. */
  newestObjects(dataset: DatasetName, version: number, limit: number): Promise<readonly ObjectRecord[]>;
  /** Business now of the first run that asked for each key; `*` for what many series share. */
  firstAsked(dataset: DatasetName, version: number): Promise<ReadonlyMap<SeriesKey, Instant>>;
  /** What incremental runs published: the last `runs` of them, or one run. */
  incrementalAnswers(
    dataset: DatasetName,
    version: number,
    of: { readonly runs: number } | { readonly runId: string },
  ): Promise<readonly PublishedAnswer[]>;

  beginPublication(
    runId: string,
    fence: number,
    publication: NewChunk,
    /** The fetch chunks whose objects it holds, or what it makes of series whose rows come from other datasets. */
    holds: {
      readonly members: readonly string[];
      readonly rejudges?: readonly string[];
      readonly built?: Readonly<Record<string, Built>>;
      readonly reverts?: Reverts;
    },
  ): Promise<ChunkRecord>;
  commitPublication(publication: Publication, now: Instant): Promise<void>;
  /** The last publication that had been committed when a run ended, of whichever run; null: none had. */
  lastPublicationAt(runId: string): Promise<string | null>;
  /** Every committed publication, in the order of their commits. */
  publications(): Promise<readonly CommittedPublication[]>;
  abandonPublication(chunk: ChunkRecord, reason: string): Promise<void>;
  /** Publications that were begun by runs that nobody works on and neither committed nor abandoned. */
  halfway(dataset: DatasetName, version: number, isAlive: (owner: Owner) => boolean): Promise<readonly ChunkRecord[]>;

  segments(
    dataset: DatasetName,
    version: number,
    keys?: readonly SeriesKey[],
  ): Promise<ReadonlyMap<SeriesKey, Segments>>;
  /**
   * The segments of series as they would be had a run never happened, nor its answers been judged again later; runs
   * that were reverted before count neither.
   */
  coverageWithout(
    dataset: DatasetName,
    version: number,
    keys: readonly SeriesKey[],
    runId: string,
  ): Promise<ReadonlyMap<SeriesKey, Segments>>;
  /** The last place in the change log; 0 while nothing has changed. */
  lastChange(): Promise<number>;
  /** Changes of a dataset after each key's place, in order; keys that are not asked have none. */
  changesAfter(
    dataset: DatasetName,
    version: number,
    after: ReadonlyMap<SeriesKey, number>,
  ): Promise<ReadonlyMap<SeriesKey, readonly Change[]>>;
  /** When each refusal was received, by chunk id. */
  refusedAt(dataset: DatasetName, version: number): Promise<ReadonlyMap<string, Instant>>;

  /** Head and length of a run's chain and of the ledger's own, for pinning outside. */
  chainHead(runId: string): Promise<{
    readonly head: string;
    readonly length: number;
    readonly ledger_head: string;
    readonly ledger_length: number;
  }>;
  /** Rows that publications recorded for each series: inserted less retracted. */
  expectedRows(dataset: DatasetName, version: number): Promise<ReadonlyMap<SeriesKey, number>>;
  record(stream: string, type: string, payload: object): Promise<void>;

  /** Writes a consistent copy of the ledger to a new file. Nobody holds a lease in it. */
  copyTo(path: string): Promise<void>;

  decide(decision: Omit<Decision, "ordinal">): Promise<Decision>;
  decisions(filter: { readonly kinds: readonly Decision["kind"][] }): Promise<readonly Decision[]>;
  /** Where a dataset's incremental runs have got to, or null. */
  watermark(dataset: DatasetName, version: number): Promise<Watermark | null>;
  /** The one way a watermark moves. */
  moveWatermark(watermark: Watermark): Promise<void>;
}

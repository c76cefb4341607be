import type { GapCause, GapPlace } from "../coverage/gaps.ts";
import type { DatasetName } from "../dataset/dataset.ts";
import type { SeriesKey } from "../dataset/series.ts";
import type { Instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import type { Choice } from "./access-paths.ts";

export type RunMode = "incremental" | "backfill";
export type RunKind = "repair" | "temporal" | "dataset" | "logical" | "forced";

/** What somebody asked for, before the calendar, the lifetimes and the source's depth had a say. */
export interface Request {
  /** The selector or job as typed. */
  readonly selector: string;
  /** The job's name, when the selector was one; it chooses how the run is printed. */
  readonly job: string | null;
  readonly entries: readonly string[] | null;
  /** Pipeline flags that narrow the series, such as timeframes. */
  readonly narrow: Readonly<Record<string, readonly string[]>>;
  /** Start of the requested span; null: each series' own `since`. */
  readonly from: Instant | null;
  /** End of the requested span, exclusive; null: business now. */
  readonly to: Instant | null;
  /** Without a start: where an incremental run goes on, each series its lookback earlier; null: from `since`. */
  readonly watermark: Instant | null;
  /** There is no watermark yet: business now stands for it, because a live backfill is on its way through the rest. */
  readonly edgeOnly?: true;
  /** Only the first N registry entries, or null. */
  readonly limit: number | null;
  readonly maxConcurrent: number;
  /** Slots asked for at once at most, where the source has a choice; absent: the source's own size. */
  readonly chunkSlots?: number;
  /** Also plans what the selected datasets are made from, where it is absent or stale. */
  readonly withInputs: boolean;
  /**
   * `gaps`: what is missing. `again`: everything in the range, also what is covered: changed answers land as
   * restatements. `held`: what is missing, of files only: no call is made. `bronze`: nothing is asked; all rows are made
   * anew from stored answers.
   */
  readonly ask: "gaps" | "again" | "held" | "bronze";
  /** A run whose doings are taken back; nothing is asked then. */
  readonly revert: string | null;
  /** With `bronze`: only these published chunks are judged again, because decisions changed; not everything. */
  readonly rejudge?: readonly string[];
}

/** The request that a selector without flags means: everything that is missing, of all active entries. */
export function requestFor(selector: string, part: Partial<Request> = {}): Request {
  return {
    selector,
    job: null,
    entries: null,
    narrow: {},
    from: null,
    to: null,
    watermark: null,
    limit: null,
    maxConcurrent: 1,
    withInputs: false,
    ask: "gaps",
    revert: null,
    ...part,
  };
}

/** What a plan says of one series. */
export interface SeriesPlan {
  readonly dataset: DatasetName;
  readonly key: SeriesKey;
  readonly entry: string;
  /** Whether its rows are made from other datasets. */
  readonly made: boolean;
  /** What was asked for. */
  readonly requested: Interval;
  /** What could be due of it: clipped by lifetime, the source's depth, settled slots; null when nothing is left. */
  readonly effective: Interval | null;
  readonly dueSlots: number;
  readonly coveredSlots: number;
  readonly emptySlots: number;
  readonly gapSlots: number;
  readonly gapCount: number;
  /** Of a made series, at most: slots never made that can be, and made ones that changed inputs reach. */
  readonly making: { readonly fresh: number; readonly halo: number };
  /** Covered slots that are asked again: an incremental run's tail, or everything with `again`. */
  readonly againSlots: number;
  /** Refused less than a day ago and therefore left out. */
  readonly leftOut: readonly (Interval & { readonly reason: string })[];
  /** Gap slots by cause and place, largest first. */
  readonly reasons: readonly { readonly cause: GapCause; readonly place: GapPlace; readonly slots: number }[];
  readonly calls: number;
}

export interface FetchChunk {
  readonly key: SeriesKey;
  /** All series that the question answers, where there are several. */
  readonly keys?: readonly SeriesKey[];
  readonly start: Instant;
  readonly end: Instant;
}

export interface FetchStep {
  readonly kind: "fetch";
  readonly dataset: DatasetName;
  readonly version: number;
  readonly source: string;
  /** Whose limits it counts against. */
  readonly provider: string;
  readonly chunks: readonly FetchChunk[];
}

export interface BuildStep {
  readonly kind: "build";
  readonly dataset: DatasetName;
  readonly version: number;
  /** Fetch chunks of earlier runs whose objects were committed and never published: 0 calls. */
  readonly pendingChunks: readonly string[];
  /** Published chunks whose answers are judged again: 0 calls. */
  readonly rejudged?: readonly string[];
  /** Whether everything is made anew from all stored answers. */
  readonly rebuild: boolean;
  /** For made series: at most these stretches; what turns out unchanged upstream is not touched. */
  readonly windows: readonly (Interval & { readonly key: SeriesKey })[];
  /** Of a rebuild: stored answers that are read again. */
  readonly objects: number;
  /** The run that is taken back, or null. */
  readonly reverts: string | null;
}

export type Step = FetchStep | BuildStep;

/** What a plan rests on, part by part, so that drift can be named. Values are hashes or plain text. */
export interface Fingerprint {
  readonly declarations: string;
  readonly registry: Readonly<Record<string, string>>;
  readonly coverage: Readonly<Record<string, string>>;
}

export interface Cost {
  readonly calls: number;
  /** Minutes at the declared limits when every answer is instant; providers work side by side. */
  readonly minutes: number;
  /** Due slots in what is asked: rows at most on the regular session. */
  readonly rows: number;
  /** Slots have many rows: `rows` is what slots brought in the last answers times the slots, and no bound. */
  readonly rowsMeasured?: boolean;
  /** Bronze, store, history and ledger on disk, estimated. */
  readonly bytes: number;
  readonly providers: readonly {
    readonly provider: string;
    readonly calls: number;
    readonly minutes: number;
    readonly limits: string;
  }[];
  /** Where there were two ways to ask: which was taken, and what the other would have cost. */
  readonly choices: readonly Choice[];
  /** Calls that are not made because rows are made from finer ones. */
  readonly savedCalls: number;
  /** Of an incremental plan: bytes that a year of such runs adds to bronze, as far as it can be measured. */
  readonly yearlyBytes?: number;
}

/** The ordered steps that close gaps, made before anything runs; plain data. */
export interface Plan {
  readonly id: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  readonly actor: string;
  readonly reason: string | null;
  readonly businessNow: Instant;
  readonly mode: RunMode;
  readonly kind: RunKind;
  readonly overrideState: boolean;
  readonly request: Request;
  readonly series: readonly SeriesPlan[];
  readonly steps: readonly Step[];
  readonly repair: { readonly rounds: number; readonly calls: number };
  /** Chunk, batch and page sizes in force, as printed. */
  readonly settings: Readonly<Record<string, string>>;
  readonly limits: string;
  readonly cost: Cost;
  readonly fingerprint: Fingerprint;
  /** Hash over scope and steps: names this plan's content. */
  readonly hash: string;
}

/** Calls of all fetch steps; reading a file is not a call. */
export function plannedCalls(plan: Pick<Plan, "cost">): number {
  return plan.cost.calls;
}

/** Whether applying the plan would change anything. */
export function isEmptyPlan(plan: Pick<Plan, "steps">): boolean {
  return plan.steps.every((step) =>
    step.kind === "fetch"
      ? step.chunks.length === 0
      : step.pendingChunks.length === 0 &&
        (step.rejudged ?? []).length === 0 &&
        step.windows.length === 0 &&
        !step.rebuild &&
        step.reverts === null,
  );
}

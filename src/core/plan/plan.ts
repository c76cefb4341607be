import type { GapCause, GapPlace } from "../coverage/gaps.ts";
import type { DatasetName } from "../dataset/dataset.ts";
import type { SeriesKey } from "../dataset/series.ts";
import type { Instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";

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
  /** Only the first N registry entries, or null. */
  readonly limit: number | null;
  readonly maxConcurrent: number;
}

/** What a plan says of one series. */
export interface SeriesPlan {
  readonly key: SeriesKey;
  readonly entry: string;
  /** What was asked for. */
  readonly requested: Interval;
  /** What could be due of it: clipped by lifetime, the source's depth, settled slots; null when nothing is left. */
  readonly effective: Interval | null;
  readonly dueSlots: number;
  readonly coveredSlots: number;
  readonly emptySlots: number;
  readonly gapSlots: number;
  readonly gapCount: number;
  /** Refused less than a day ago and therefore left out. */
  readonly leftOut: readonly (Interval & { readonly reason: string })[];
  /** Gap slots by cause and place, largest first. */
  readonly reasons: readonly { readonly cause: GapCause; readonly place: GapPlace; readonly slots: number }[];
  readonly calls: number;
}

export interface FetchStep {
  readonly kind: "fetch";
  readonly dataset: DatasetName;
  readonly version: number;
  readonly source: string;
  readonly chunks: readonly { readonly key: SeriesKey; readonly start: Instant; readonly end: Instant }[];
}

export interface BuildStep {
  readonly kind: "build";
  readonly dataset: DatasetName;
  readonly version: number;
  /** Fetch chunks of earlier runs whose objects were committed and never published: 0 calls. */
  readonly pendingChunks: readonly string[];
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
  /** Minutes at the declared limits when every answer is instant. */
  readonly minutes: number;
  /** Due slots in what is asked: rows at most on the regular session. */
  readonly rows: number;
  /** Compressed bronze plus store, estimated. */
  readonly bytes: number;
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

/** Calls of all fetch steps. */
export function plannedCalls(plan: Pick<Plan, "steps">): number {
  return plan.steps.reduce((sum, step) => sum + (step.kind === "fetch" ? step.chunks.length : 0), 0);
}

/** Whether applying the plan would change anything. */
export function isEmptyPlan(plan: Pick<Plan, "steps">): boolean {
  return plan.steps.every((step) =>
    step.kind === "fetch" ? step.chunks.length === 0 : step.pendingChunks.length === 0,
  );
}

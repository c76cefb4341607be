import type { RunMode } from "../plan/plan.ts";
import type { Instant } from "../time/instant.ts";
import type { Dataset, DatasetName } from "./dataset.ts";
import type { Series } from "./series.ts";

/** Something that a registry lists: a symbol, a store. */
export interface RegistryEntry {
  readonly key: string;
  readonly active: boolean;
  /** The pipeline's own fields, as it declared them. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** When a silence on a sparse axis is suspect. */
export interface SuspectRule {
  /** Quantile of the key's own quiet stretches, 0..1. */
  readonly quantile: number;
  /** How many times that quantile a stretch must exceed. */
  readonly factor: number;
  /** Sessions with rows before the quantile means anything; until then a session without any row is suspect. */
  readonly minSessions: number;
}

/**
 * A query that finds stretches which a source has restated since they were answered. It yields `entry`, `narrow` (the
 * narrowing part's value), `start_ms`, `end_ms` and `why`; `:now` stands for business now in epoch milliseconds.
 */
export interface RestatementRule {
  readonly title: string;
  /** Tables that must be there for the question to make sense. */
  readonly reads: readonly string[];
  readonly sql: string;
}

/** A named selector with defaults; it makes a plan like any other. */
export interface Job {
  readonly name: string;
  readonly description: string;
  readonly selector: string;
  readonly occasion: "initial" | "periodic" | "ad-hoc";
  readonly tier: "critical" | "high" | "optional";
  readonly cadence: string;
  readonly mode: RunMode;
  /** Days before business now, from 00:00 UTC, when no range is given; null: each series' own start. */
  readonly days: number | null;
  /** What the narrowing flag stands for when it is not given; null: everything. */
  readonly narrow: readonly string[] | null;
  /** What is worked on at once when `--max-concurrent` is not given; else as the project sets it. */
  readonly maxConcurrent?: number;
  /** How its run is printed: the engine's own way, or the form of the scripts that the job replaces. */
  readonly print: "standard" | "master" | "features";
  /** Where its results are written besides the run's folder, or null. */
  readonly resultsFile: string | null;
}

/** A command that no longer exists, and the one that does its work. */
export interface RetiredJob {
  readonly name: string;
  readonly replacedBy: string;
}

/** Datasets with what they share: a registry of keys, a source, settings. A pipeline is declarations only. */
export interface Pipeline {
  readonly name: string;
  readonly description: string;
  /** Inputs come before what is made from them. */
  readonly datasets: readonly Dataset[];
  /** What the pipeline's name alone selects. */
  readonly main: DatasetName;
  /** What a registry entry is called, as in `--symbols` and `no active symbols`. */
  readonly noun: { readonly one: string; readonly many: string };
  /** Series parts that a flag can narrow, such as `--timeframes`. */
  readonly narrowing: { readonly flag: string; readonly part: string; readonly values: readonly string[] };
  /** Checks an entry's fields and fills in defaults. @throws RetrofillError CONFIG_INVALID with every problem */
  entry(key: string, attributes: Readonly<Record<string, unknown>>): RegistryEntry;
  /** Every series that an entry owes, in display order. */
  series(dataset: DatasetName, entry: RegistryEntry, now: Instant): readonly Series[];
  /** When a silence on a sparse axis is suspect; null where silence is ordinary (events). */
  suspects(dataset: DatasetName): SuspectRule | null;
  /** What the stored data show to be on an old basis, to be asked again. */
  readonly restatements: readonly RestatementRule[];
  readonly jobs: readonly Job[];
  readonly retired: readonly RetiredJob[];
  /** Queries that people check results with, by title. */
  readonly verification: readonly { readonly title: string; readonly sql: string }[];
}

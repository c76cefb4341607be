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
  /**
   * For slots of many rows: one is suspect that has fewer than `share` of the median of the key's slots on the same
   * weekday, where there are `minSlots` of them and the median is `minRows` at least.
   */
  readonly thin?: { readonly share: number; readonly minSlots: number; readonly minRows: number };
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

/** What a pipeline's own flags say of a request; null leaves a part to others. */
export interface OwnRequest {
  readonly entries: readonly string[] | null;
  readonly from: Instant | null;
  /** Exclusive. */
  readonly to: Instant | null;
  /** Slots asked for at once at most. */
  readonly chunkSlots: number | null;
}

/** A field of registry entries, as a flag of `add` and `set`. */
export interface RegistryField {
  /** Such as `asset-class <class>`. */
  readonly flag: string;
  readonly attribute: string;
  readonly description: string;
  /** Its value from what was typed and what the entry has; as typed where there is nothing to read. @throws RetrofillError */
  read?(text: string, before: unknown): unknown;
  /** A value as `list` shows it, where its own form is no text. */
  show?(value: unknown): string;
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
  /** How one is added, for hints: `AAPL --asset-class stock`. */
  readonly example: string;
  /** What `add` and `set` take of an entry. */
  readonly fields: readonly RegistryField[];
  /** Keys that people type are put in capitals, or taken as they are. Default: capitals. */
  readonly keyCase?: "upper" | "as-typed";
  /** Whose clocks dates and times are read on that are typed without a zone. Default UTC. */
  readonly zone?: string;
  /** Each run's log is also `logs/<log>_<date>_<run>.log`, where the scripts that the pipeline replaces have theirs. */
  readonly log?: string;
  /** Reads flags in the form of the scripts that the pipeline replaces; null where none is given. @throws RetrofillError */
  flags?(given: Readonly<Record<string, unknown>>): OwnRequest | null;
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

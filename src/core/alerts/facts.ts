import type { RunStatus } from "../run/run-state.ts";
import type { Instant } from "../time/instant.ts";

/** What rules judge: plain data about a finished run and how things stand after it. */
export interface AlertFacts {
  /** Real time at which they were taken. */
  readonly at: Instant;
  readonly businessNow: Instant;
  /** Null when nothing ran and only the standing is judged. */
  readonly run: RunFacts | null;
  readonly datasets: readonly DatasetFacts[];
  readonly budgets: readonly BudgetFacts[];
  readonly volumes: readonly VolumeFacts[];
  /** Plans proposed because the source has restated its past; null when nobody looked. */
  readonly proposals: readonly ProposalFacts[] | null;
}

export interface RunFacts {
  readonly id: string;
  readonly selector: string;
  readonly mode: string;
  readonly status: RunStatus;
  /** Statuses of the last runs of the same selector, newest first; the first is this run's. */
  readonly recent: readonly RunStatus[];
  readonly calls: { readonly planned: number; readonly made: number };
  /** Rows inserted, updated or retracted. */
  readonly rowsChanged: number;
  /** Slots of its scope that are still missing. */
  readonly gapSlots: number;
  /** Whether it only read what files hold, and stumbled over nothing: what is missing still was not its to ask for. */
  readonly onlyRead?: boolean;
  /** What ended it before its work was done, in words; null when nothing did. */
  readonly error: string | null;
}

export interface DatasetFacts {
  readonly dataset: string;
  /** Up to where it is complete; null when it never was. */
  readonly watermark: Instant | null;
  /** End of its last slot that is due at business now; null: business now itself, for datasets that never pause. */
  readonly dueThrough: Instant | null;
  readonly gaps: readonly GapFacts[];
  /** Whether `gaps` are all there are. Else one that is not listed may still be open, and none counts as closed. */
  readonly isWhole: boolean;
}

export interface GapFacts {
  readonly series: string;
  readonly start: Instant;
  readonly end: Instant;
  readonly slots: number;
  /** Since when it is owed: when its first slot became due, or the series was declared, if that was later. */
  readonly openSince: Instant;
}

/** One budget of one credential: a calendar quota, or what a run may cost. */
export interface BudgetFacts {
  /** Names the credential; never the credential itself. */
  readonly credential: string;
  /** Such as `day 2026-03-20` or `a run of ohlcv`. */
  readonly period: string;
  readonly used: number;
  readonly limit: number;
}

/** A plan that waits for a person: it asks again for what is on an old basis. */
export interface ProposalFacts {
  readonly dataset: string;
  readonly entry: string;
  readonly plan: string;
  readonly reason: string;
  /** Covered slots that it asks for again, and what that costs. */
  readonly slots: number;
  readonly calls: number;
}

/** How much one series had in one slot, beside earlier values of the same weekday and slot. */
export interface VolumeFacts {
  readonly dataset: string;
  readonly series: string;
  readonly start: Instant;
  /** Any amount that is never negative. */
  readonly value: number;
  /** What is counted: rows, tickets, shares. */
  readonly unit: string;
  readonly history: readonly number[];
}

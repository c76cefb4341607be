import { DAY } from "../time/instant.ts";
import type { Severity } from "./severity.ts";

/** What every rule says about its messages. */
interface Repeats {
  /** A condition that still holds is said again after so long; null: never again. */
  readonly repeatAfterMs: number | null;
  /** Whether a message says that the condition ended. */
  readonly tellsEnd: boolean;
}

/** The run failed. */
interface FailedRule extends Repeats {
  readonly kind: "failed";
  readonly severity: Severity;
}

/** The last `runs` runs of one selector failed, this one included. */
interface StreakRule extends Repeats {
  readonly kind: "streak";
  readonly severity: Severity;
  readonly runs: number;
}

/** The run ended with something left undone. */
interface PartialRule extends Repeats {
  readonly kind: "partial";
  readonly severity: Severity;
}

/** Something due has been missing for long; the worst level that it reached counts. */
interface GapRule extends Repeats {
  readonly kind: "gap";
  readonly levels: readonly { readonly olderThanMs: number; readonly severity: Severity }[];
}

/** A dataset's watermark lies more than `behindMs` before what is due. */
interface StaleRule extends Repeats {
  readonly kind: "stale";
  readonly severity: Severity;
  readonly behindMs: number;
}

/** A quota is used up to `share` of it: 1 is all, 0.8 warns earlier. */
interface BudgetRule extends Repeats {
  readonly kind: "budget";
  readonly severity: Severity;
  readonly share: number;
}

/** A slot has far less or far more in it than the same weekday and slot usually has (see volume.ts). */
interface VolumeRule extends Repeats {
  readonly kind: "volume";
  readonly drop: Severity;
  readonly peak: Severity;
  /** Fewer values of the same weekday and slot are no measure. */
  readonly minHistory: number;
  /** Robust z-scores beyond this, either way, are unusual. */
  readonly threshold: number;
  /** A drop is also at least this share of the median; in a history that never varies a peak is, too. */
  readonly minShare: number;
}

/** The source has restated its past, and a plan that asks for it again waits for a person. */
interface RestatedRule extends Repeats {
  readonly kind: "restated";
  readonly severity: Severity;
}

/** When to say what: a closed set, each with its settings. A list has at most one rule of a kind. */
export type AlertRule =
  | FailedRule
  | StreakRule
  | PartialRule
  | GapRule
  | StaleRule
  | BudgetRule
  | VolumeRule
  | RestatedRule;

export type RuleKind = AlertRule["kind"];

const lasting: Repeats = { repeatAfterMs: DAY, tellsEnd: true };
const passing: Repeats = { repeatAfterMs: DAY, tellsEnd: false };

/** What holds unless a project says otherwise (docs/alerts.md). */
export const DEFAULT_RULES: { readonly [K in RuleKind]: Extract<AlertRule, { readonly kind: K }> } = {
  failed: { kind: "failed", severity: "high", ...lasting },
  streak: { kind: "streak", severity: "critical", runs: 3, ...passing },
  partial: { kind: "partial", severity: "medium", ...passing },
  gap: {
    kind: "gap",
    levels: [
      { olderThanMs: DAY, severity: "medium" },
      { olderThanMs: 7 * DAY, severity: "critical" },
    ],
    ...lasting,
    repeatAfterMs: 7 * DAY,
  },
  stale: { kind: "stale", severity: "high", behindMs: DAY, ...lasting },
  budget: { kind: "budget", severity: "medium", share: 1, ...passing },
  // What happened in a slot does not go on: once is enough.
  volume: {
    kind: "volume",
    drop: "high",
    peak: "medium",
    minHistory: 8,
    threshold: 6,
    minShare: 0.4,
    repeatAfterMs: null,
    tellsEnd: false,
  },
  restated: { kind: "restated", severity: "medium", ...lasting },
};

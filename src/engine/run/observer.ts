import type { Gap } from "../../core/coverage/gaps.ts";
import type { Days } from "../../core/dataset/axis.ts";
import type { DatasetName } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { RunRecord } from "../ledger-port.ts";
import type { FailureClass } from "../ports.ts";
import type { Receipt } from "../store-port.ts";
import type { RunSummary } from "./summary.ts";

/** What happens while a run is performed, for people and logs. */
export type RunProgress =
  | { readonly type: "opened"; readonly run: RunRecord; readonly plan: Plan; readonly resumed: boolean }
  | { readonly type: "notice"; readonly text: string }
  | {
      readonly type: "stage";
      readonly stage: "fetch" | "gaps" | "repair";
      readonly round: number;
      readonly chunks: number;
    }
  | { readonly type: "chunk-started"; readonly key: SeriesKey; readonly window: Interval; readonly round: number }
  | {
      readonly type: "call";
      readonly key: SeriesKey;
      readonly ok: boolean;
      readonly class: FailureClass | null;
      readonly message: string;
    }
  | {
      readonly type: "chunk-settled";
      readonly key: SeriesKey;
      readonly window: Interval;
      readonly round: number;
      readonly event: string;
      readonly reason: string | null;
    }
  | { readonly type: "waiting"; readonly waitMs: number; readonly why: string }
  | { readonly type: "published"; readonly dataset: DatasetName; readonly receipt: Receipt }
  | {
      readonly type: "making";
      readonly dataset: DatasetName;
      readonly series: number;
      /** Publications that it takes. */
      readonly parts: number;
    }
  | {
      readonly type: "gaps";
      /** Every series of the plan, also those without a gap. */
      readonly series: readonly { readonly key: SeriesKey; readonly gaps: readonly Gap[] }[];
    }
  | {
      readonly type: "repaired";
      readonly key: SeriesKey;
      /** The gaps that were asked again, from the first to the last. */
      readonly window: Interval;
      readonly days: Days;
      readonly round: number;
      readonly rows: number;
      readonly filled: boolean;
      readonly reason: string;
    }
  | {
      /** Plans that ask again for what the source has restated; a person applies them. */
      readonly type: "proposed";
      readonly plans: readonly Plan[];
    }
  | { readonly type: "closed"; readonly run: RunRecord; readonly summary: RunSummary };

export type RunObserver = (progress: RunProgress) => void;

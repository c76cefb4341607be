import type { Plan } from "../../core/plan/plan.ts";
import type { StageEnd } from "./fetch-stage.ts";
import type { RunSummary } from "./summary.ts";

/** Stages ended side by side: what stops everything counts before what stops one provider. */
export function worstOf(ends: readonly StageEnd[]): StageEnd {
  for (const kind of ["interrupted", "control", "provider"] as const) {
    const found = ends.find((end) => end.kind === kind);
    if (found) return found;
  }
  return { kind: "done" };
}

/** What a run comes to that was worked off as far as it goes. */
export function outcomeOf(
  summary: RunSummary,
  end: StageEnd,
  { request: { ask, revert } }: Plan,
): "succeeded" | "partial" | "failed" | "cancelled" {
  if (end.kind === "control") return "cancelled";
  const answered = summary.rows.received > 0 || summary.bytes > 0;
  if (end.kind === "provider") return answered ? "partial" : "failed";
  // Made anew or taken back, a run is complete when all of it was: what was never asked is not its matter.
  if (ask === "bronze" || revert !== null) return "succeeded";
  // Covered slots that were to be asked again and got no answer are no gap, and yet undone: a correction may be there.
  const unanswered = summary.errors.filter((error) => !error.answered);
  if (summary.gaps.after === 0 && unanswered.length === 0) return "succeeded";
  // Only where all was tried and given up has the run failed.
  const gaveUp = summary.cells.failed > 0 || unanswered.some((error) => !error.refused);
  return answered || !gaveUp ? "partial" : "failed";
}

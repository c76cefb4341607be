import type { RunStatus } from "../run/run-state.ts";
import type { Finding } from "./alert.ts";
import type { AlertFacts, RunFacts } from "./facts.ts";
import type { AlertRule } from "./rule.ts";
import { amount, plural } from "./wording.ts";

type Rule<K extends AlertRule["kind"]> = Extract<AlertRule, { readonly kind: K }>;

/** Whether a run of this status tells how its work went; a cancelled or paused one does not. */
export function hasOutcome(status: RunStatus): boolean {
  return status === "succeeded" || status === "partial" || status === "failed";
}

export function failedRun({ severity }: Rule<"failed">, { run }: AlertFacts): readonly Finding[] {
  if (run?.status !== "failed") return [];
  return [{ severity, subject: subjectOf(run), title: `${run.selector}: the run failed`, body: storyOf(run) }];
}

export function partialRun({ severity }: Rule<"partial">, { run }: AlertFacts): readonly Finding[] {
  if (run?.status !== "partial" || run.onlyRead === true) return [];
  const title = `${run.selector}: the run left something undone`;
  return [{ severity, subject: subjectOf(run), title, body: storyOf(run) }];
}

export function streak({ severity, runs }: Rule<"streak">, { run }: AlertFacts): readonly Finding[] {
  if (run?.status !== "failed") return [];
  const outcomes = run.recent.filter(hasOutcome);
  const firstOther = outcomes.findIndex((status) => status !== "failed");
  const failed = firstOther < 0 ? outcomes.length : firstOther;
  if (failed < runs) return [];
  const title = `${run.selector}: ${amount(failed)} runs in a row failed`;
  return [{ severity, subject: subjectOf(run), title, body: storyOf(run) }];
}

function subjectOf(run: RunFacts): Finding["subject"] {
  return { kind: "selector", selector: run.selector };
}

function storyOf({ id, mode, calls, rowsChanged, gapSlots, error }: RunFacts): string {
  return [
    ...(error === null ? [] : [`It ended with: ${error}`]),
    `${id} (${mode}) made ${plural(calls.made, "call")} of ${amount(calls.planned)} planned and changed ${plural(rowsChanged, "row")}.`,
    `${plural(gapSlots, "slot")} of its scope ${gapSlots === 1 ? "is" : "are"} still missing.`,
    `More: retrofill runs show ${id}`,
  ].join("\n");
}

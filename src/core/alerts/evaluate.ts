import { type Alert, type AlertSubject, dedupeKeyOf, type Finding } from "./alert.ts";
import type { AlertFacts } from "./facts.ts";
import type { AlertRule } from "./rule.ts";
import { failedRun, hasOutcome, partialRun, streak } from "./run-rules.ts";
import { bySeverity } from "./severity.ts";
import { longGaps, restatedPasts, staleDatasets, usedBudgets } from "./standing-rules.ts";
import { RECENT_MS } from "./volume.ts";
import { unusualVolumes } from "./volume-rule.ts";

/** The conditions that hold, worst first. */
export function evaluate(rules: readonly AlertRule[], facts: AlertFacts): readonly Alert[] {
  const alerts = rules.flatMap((rule) =>
    findingsOf(rule, facts).map(
      (finding): Alert => ({
        ...finding,
        rule: rule.kind,
        dedupeKey: dedupeKeyOf(rule.kind, finding.subject),
        runId: facts.run?.id ?? null,
        at: facts.at,
      }),
    ),
  );
  return alerts.sort((a, b) => bySeverity(a.severity, b.severity));
}

function findingsOf(rule: AlertRule, facts: AlertFacts): readonly Finding[] {
  switch (rule.kind) {
    case "failed":
      return failedRun(rule, facts);
    case "streak":
      return streak(rule, facts);
    case "partial":
      return partialRun(rule, facts);
    case "gap":
      return longGaps(rule, facts);
    case "stale":
      return staleDatasets(rule, facts);
    case "budget":
      return usedBudgets(rule, facts);
    case "volume":
      return unusualVolumes(rule, facts);
    case "restated":
      return restatedPasts(rule, facts);
    default:
      return rule satisfies never;
  }
}

/** Whether the facts speak about `subject` at all: only then does no alert mean that its condition ended. */
export function isJudged(subject: AlertSubject, facts: AlertFacts): boolean {
  switch (subject.kind) {
    case "selector":
      return facts.run?.selector === subject.selector && hasOutcome(facts.run.status);
    case "dataset":
      return facts.datasets.some((one) => one.dataset === subject.dataset && one.watermark !== null);
    case "gap":
      return facts.datasets.some((one) => one.dataset === subject.dataset && one.isWhole);
    case "entry":
      return facts.proposals !== null && facts.datasets.some((one) => pipelineOf(one) === pipelineOf(subject));
    case "budget":
      return facts.budgets.some(
        (one) => one.credential === subject.credential && kindOfPeriod(one.period) === kindOfPeriod(subject.period),
      );
    case "slot":
      return (
        facts.businessNow - subject.start > 2 * RECENT_MS ||
        facts.volumes.some((one) => one.dataset === subject.dataset && one.start === subject.start)
      );
    default:
      return subject satisfies never;
  }
}

/** `ohlcv` of `ohlcv.market_data`: proposals are looked for in a whole pipeline. */
function pipelineOf({ dataset }: { readonly dataset: string }): string {
  return dataset.slice(0, dataset.indexOf("."));
}

/** `day` of `day 2026-03-20`: a quota of a later day says that the earlier one is over. */
function kindOfPeriod(period: string): string {
  return period.replace(/ [\d-]+$/, "");
}

import { formatShort, type Instant } from "../time/instant.ts";
import { formatInterval } from "../time/interval.ts";
import type { Finding } from "./alert.ts";
import type { AlertFacts, DatasetFacts, GapFacts } from "./facts.ts";
import type { AlertRule } from "./rule.ts";
import { ageText, amount, listed, plural } from "./wording.ts";

type Rule<K extends AlertRule["kind"]> = Extract<AlertRule, { readonly kind: K }>;

/** Gaps of one dataset that start together are one condition: an outage hits a thousand series, and is one message. */
export function longGaps(rule: Rule<"gap">, { datasets, businessNow }: AlertFacts): readonly Finding[] {
  return datasets.flatMap((one) =>
    [...byStart(one.gaps)].flatMap(([start, gaps]) => {
      const age = businessNow - Math.min(...gaps.map((gap) => gap.openSince));
      const severity = levelOf(rule, age);
      return severity === null ? [] : [{ severity, ...gapFinding(one, start, gaps, age) }];
    }),
  );
}

/** The level of the greatest age that `ageMs` exceeds, or null. */
function levelOf({ levels }: Rule<"gap">, ageMs: number): Finding["severity"] | null {
  const reached = levels.filter((level) => ageMs > level.olderThanMs);
  return reached.sort((a, b) => b.olderThanMs - a.olderThanMs)[0]?.severity ?? null;
}

function byStart(gaps: readonly GapFacts[]): ReadonlyMap<Instant, readonly GapFacts[]> {
  const groups = new Map<Instant, GapFacts[]>();
  for (const gap of gaps) {
    const group = groups.get(gap.start);
    if (group) group.push(gap);
    else groups.set(gap.start, [gap]);
  }
  return groups;
}

function gapFinding(
  { dataset }: DatasetFacts,
  start: Instant,
  gaps: readonly GapFacts[],
  ageMs: number,
): Omit<Finding, "severity"> {
  return {
    subject: { kind: "gap", dataset, start },
    title: `${dataset}: a gap at ${formatShort(start)} is ${ageText(ageMs)} old`,
    body: [
      `Missing in ${plural(gaps.length, "series")}:`,
      listed(gaps.map((gap) => `${gap.series} ${formatInterval(gap)}, ${plural(gap.slots, "slot")}`)),
      `More: retrofill gaps ${dataset}`,
    ].join("\n"),
  };
}

/** A dataset that was never complete up to anywhere is not stale: its gaps speak for it. */
export function staleDatasets(rule: Rule<"stale">, { datasets, businessNow }: AlertFacts): readonly Finding[] {
  return datasets.flatMap(({ dataset, watermark, dueThrough }) => {
    if (watermark === null) return [];
    const due = dueThrough ?? businessNow;
    if (due - watermark <= rule.behindMs) return [];
    return [
      {
        severity: rule.severity,
        subject: { kind: "dataset" as const, dataset },
        title: `${dataset} is ${ageText(due - watermark)} behind`,
        body: `Complete up to ${formatShort(watermark)}, due up to ${formatShort(due)}.\nMore: retrofill coverage ${dataset}`,
      },
    ];
  });
}

export function usedBudgets(rule: Rule<"budget">, { budgets }: AlertFacts): readonly Finding[] {
  return budgets
    .filter(({ used, limit }) => limit > 0 && used >= rule.share * limit)
    .map(({ credential, period, used, limit }) => ({
      severity: rule.severity,
      subject: { kind: "budget" as const, credential, period },
      title: `${credential}: ${used >= limit ? "the budget" : `${amount((100 * used) / limit)} % of the budget`} of ${period} is used up`,
      body: `${amount(used)} of ${amount(limit)} calls.`,
    }));
}

/** One entry is one condition, whatever was restated of it. */
export function restatedPasts({ severity }: Rule<"restated">, { proposals }: AlertFacts): readonly Finding[] {
  return (proposals ?? []).map(({ dataset, entry, plan, reason, slots, calls }) => ({
    severity,
    subject: { kind: "entry" as const, dataset, entry },
    title: `${dataset}: the past of ${entry} was restated at the source`,
    body: `${reason}.\nAsking again for ${plural(slots, "slot")} takes ${plural(calls, "call")}: retrofill apply ${plan}`,
  }));
}

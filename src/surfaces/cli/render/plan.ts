import type { GapCause, GapPlace } from "../../../core/coverage/gaps.ts";
import { isEmptyPlan, type Plan, type SeriesPlan } from "../../../core/plan/plan.ts";
import { formatInstant, formatShort, type Instant } from "../../../core/time/instant.ts";
import { formatInterval } from "../../../core/time/interval.ts";
import { bytes, count, duration, type Output, plural, table } from "../output.ts";

/** Prints a plan: what is missing and why, and what it costs. */
export function printPlan(output: Output, plan: Plan, pinned: boolean): void {
  const { request } = plan;
  const title = `Plan ${plan.id}`;
  output.line(output.paint("bold", title));
  output.line(
    `  selector      ${request.selector}${request.job ? ` (job, ${plan.mode})` : ` (${plan.mode}, ${plan.kind})`}`,
  );
  output.line(`  business now  ${formatInstant(plan.businessNow)}${pinned ? " (pinned)" : ""}`);
  output.line(`  asked for     ${rangeText(request.from, request.to)}${scopeText(plan)}`);
  output.line(`  effective     ${effectiveText(plan)}`);
  if (request.limit !== null) {
    output.line(
      `  ${output.paint("yellow", `reduced scope: only the first ${request.limit} (--limit); state never moves`)}`,
    );
  }
  output.line();
  for (const line of seriesTable(plan)) output.line(line);
  for (const { key, leftOut } of plan.series) {
    for (const one of leftOut)
      output.line(`  left out: ${key} ${formatInterval(one)} (asked again after a day): ${one.reason}`);
  }
  output.line();
  if (isEmptyPlan(plan)) {
    const leftOut = plan.series.filter((one) => one.leftOut.length > 0).length;
    const complete = plural(plan.series.length - leftOut, "series", "series");
    output.line(`Nothing to do: ${complete} complete${leftOut === 0 ? "" : `, ${leftOut} left out`}, 0 calls.`);
    return;
  }
  const pending = plan.steps.reduce((sum, step) => sum + (step.kind === "build" ? step.pendingChunks.length : 0), 0);
  if (pending > 0) output.line(`  build    ${plural(pending, "answer")} already in bronze, 0 calls`);
  output.line(
    `  calls    ${count(plan.cost.calls)} + up to ${plan.repair.calls} to repair (${plan.repair.rounds} rounds)`,
  );
  output.line(`  time     ${duration(plan.cost.minutes * 60_000)} at the limit of ${plan.limits}`);
  output.line(`  rows     up to ${count(plan.cost.rows)} on regular sessions, about ${bytes(plan.cost.bytes)} on disk`);
  const { yearlyBytes } = plan.cost;
  if (yearlyBytes !== undefined) output.line(`  growth   bronze by about ${bytes(yearlyBytes)} a year`);
  output.line(
    `  settings ${Object.entries(plan.settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(" · ")}`,
  );
  output.line(`  expires  ${formatInstant(plan.expiresAt)}`);
}

/** One line a registry entry: each timeframe's missing slots, the reasons, the calls. */
function seriesTable(plan: Plan): readonly string[] {
  const entries = new Map<string, SeriesPlan[]>();
  for (const one of plan.series) entries.set(one.entry, [...(entries.get(one.entry) ?? []), one]);
  const rows = [...entries].map(([entry, series]) => {
    const missing = series.filter((one) => one.gapSlots > 0);
    const what = missing.map((one) => `${one.key.slice(entry.length + 1)} ${count(one.gapSlots)}`).join(" ");
    return [
      entry,
      missing.length === 0 ? "nothing" : what,
      missing.length === 0 && series.some((one) => one.leftOut.length > 0)
        ? "refused, left out for a day"
        : reasonText(missing),
      count(series.reduce((sum, one) => sum + one.calls, 0)),
      count(series.reduce((sum, one) => sum + one.gapSlots, 0)),
    ];
  });
  return table(["KEY", "MISSING SLOTS", "WHY", "CALLS", "ROWS ≤"], rows, [3, 4]);
}

const CAUSES: Readonly<Record<GapCause, string>> = {
  "never-asked": "never asked",
  "asked-once": "empty, asked once",
  blocked: "blocked by a check",
  disputed: "disputed, restored from bronze",
  failed: "failed before",
  refused: "refused",
  "not-made": "never made",
  stale: "stale",
  "input-missing": "its input is missing",
};

const PLACES: Readonly<Record<GapPlace, string>> = {
  whole: "",
  leading: "before the history",
  trailing: "since the last run",
  inner: "inside the history",
};

function reasonText(series: readonly SeriesPlan[]): string {
  const sums = new Map<string, number>();
  for (const one of series) {
    for (const { cause, place, slots } of one.reasons) {
      const text = PLACES[place] === "" ? CAUSES[cause] : `${CAUSES[cause]}, ${PLACES[place]}`;
      sums.set(text, (sums.get(text) ?? 0) + slots);
    }
  }
  const sorted = [...sums].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  if (sorted.length === 0) return "complete";
  return sorted.length > 2 ? `${sorted.slice(0, 2).join("; ")}; …` : sorted.join("; ");
}

function scopeText(plan: Plan): string {
  const { entries, narrow } = plan.request;
  const parts = [entries === null ? "all active" : entries.join(",")];
  for (const [flag, values] of Object.entries(narrow)) parts.push(`${flag} ${values.join(",")}`);
  return ` · ${parts.join(" · ")}`;
}

function rangeText(from: Instant | null, to: Instant | null): string {
  const start = from === null ? "each series' own start" : formatShort(from);
  return `${start} to ${to === null ? "now" : formatShort(to)} (UTC, end exclusive)`;
}

function effectiveText(plan: Plan): string {
  const scopes = plan.series.flatMap((one) => (one.effective === null ? [] : [one.effective]));
  if (scopes.length === 0) return "nothing: no slot is due in that range";
  const start = Math.min(...scopes.map((one) => one.start)) as Instant;
  const end = Math.max(...scopes.map((one) => one.end)) as Instant;
  const due = plan.series.reduce((sum, one) => sum + one.dueSlots, 0);
  return `${formatShort(start)} to ${formatShort(end)} after calendar, lifetimes and depth; ${count(due)} due slots`;
}

import type { GapCause, GapPlace } from "../../../core/coverage/gaps.ts";
import { type BuildStep, isEmptyPlan, type Plan, type SeriesPlan } from "../../../core/plan/plan.ts";
import { formatInstant, formatShort, type Instant } from "../../../core/time/instant.ts";
import { formatInterval } from "../../../core/time/interval.ts";
import { bytes, count, duration, type Output, plural, table } from "../output.ts";
import { entryName } from "./entry-name.ts";

/** Prints a plan: what is missing and why, and what it costs. */
export function printPlan(output: Output, plan: Plan, pinned: boolean): void {
  const { request } = plan;
  output.line(output.paint("bold", `Plan ${plan.id}`));
  output.line(
    `  selector      ${request.selector}${request.job ? ` (job, ${plan.mode})` : ` (${plan.mode}, ${plan.kind})`}`,
  );
  output.line(`  business now  ${formatInstant(plan.businessNow)}${pinned ? " (pinned)" : ""}`);
  output.line(`  asked for     ${rangeText(plan)}${scopeText(plan)}`);
  output.line(`  effective     ${effectiveText(plan)}`);
  if (request.limit !== null) {
    output.line(
      `  ${output.paint("yellow", `reduced scope: only the first ${request.limit} (--limit); state never moves`)}`,
    );
  }
  output.line();
  for (const step of buildSteps(plan)) printDataset(output, plan, step);
  for (const { key, leftOut } of plan.series) {
    for (const one of leftOut)
      output.line(`  left out: ${key} ${formatInterval(one)} (asked again after a day): ${one.reason}`);
  }
  if (isEmptyPlan(plan)) printNothing(output, plan);
  else printCost(output, plan);
}

function printNothing(output: Output, { series, request }: Plan): void {
  const leftOut = series.filter((one) => one.leftOut.length > 0).length;
  const open = series.filter((one) => one.leftOut.length === 0 && one.gapSlots > 0);
  const made = open.filter((one) => one.made);
  const lacking = open.length - made.length;
  const complete = series.length - leftOut - open.length;
  const rest = [
    leftOut === 0 ? "" : `, ${leftOut} left out`,
    lacking === 0 ? "" : `, ${plural(lacking, "series", "series")} that nobody can be asked for`,
    made.length === 0 ? "" : `, ${plural(made.length, "series", "series")} without what they are made from`,
  ];
  output.line(`Nothing to do: ${plural(complete, "series", "series")} complete${rest.join("")}, 0 calls.`);
  if (made.length > 0)
    output.line(`  what they are made from comes with: retrofill run ${request.selector} --with-inputs`);
}

function printCost(output: Output, plan: Plan): void {
  const { cost } = plan;
  const pending = buildSteps(plan).reduce((sum, step) => sum + step.pendingChunks.length, 0);
  if (pending > 0) output.line(`  build    ${plural(pending, "answer")} already in bronze, 0 calls`);
  for (const step of buildSteps(plan)) {
    if (step.rebuild && step.objects > 0)
      output.line(`  rebuild  ${step.dataset} from ${plural(step.objects, "stored answer")}, 0 API calls`);
  }
  if (plan.request.revert !== null)
    output.line(`  revert   takes back what ${plan.request.revert} did; what is made from it follows`);
  if (plan.request.ask === "bronze" || plan.request.revert !== null) output.line("  calls    0: nobody is asked");
  else output.line(`  calls    ${count(cost.calls)}${repairText(plan)}`);
  for (const line of filesText(plan)) output.line(`  files    ${line}`);
  for (const { source, series, calls, instead } of mergedChoices(plan)) {
    const asked = `${plural(calls, "request")} for ${plural(series, "series", "series")}`;
    output.line(`           ${source}: ${asked}; ${instead.source} would take ${count(instead.calls)}`);
  }
  if (cost.savedCalls > 0)
    output.line(`           ${plural(cost.savedCalls, "call")} saved: candles made from 1m instead of asked`);
  if (cost.providers.length > 1) {
    for (const one of cost.providers) {
      output.line(
        `           ${one.provider}: ${plural(one.calls, "call")}, ${duration(one.minutes * 60_000)} at ${one.limits}`,
      );
    }
  }
  if (cost.calls > 0) output.line(`  time     ${duration(cost.minutes * 60_000)} at the limit of ${plan.limits}`);
  const rows = cost.rowsMeasured ? `about ${count(cost.rows)}` : `up to ${count(cost.rows)} on regular sessions`;
  output.line(`  rows     ${rows}, about ${bytes(cost.bytes)} on disk`);
  if (cost.yearlyBytes !== undefined) output.line(`  growth   bronze by about ${bytes(cost.yearlyBytes)} a year`);
  output.line(
    `  settings ${Object.entries(plan.settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(" · ")}`,
  );
  output.line(`  expires  ${formatInstant(plan.expiresAt)}`);
}

function repairText({ repair, cost }: Plan): string {
  return cost.calls === 0 ? "" : ` + up to ${repair.calls} to repair (${repair.rounds} rounds)`;
}

/** One line a source and its alternative. */
function mergedChoices({ cost, steps }: Plan): Plan["cost"]["choices"] {
  const asking = new Set(
    steps.flatMap((step) => (step.kind === "fetch" && step.provider !== "files" ? [step.source] : [])),
  );
  const merged = new Map<string, Plan["cost"]["choices"][number]>();
  for (const one of cost.choices.filter(({ source }) => asking.has(source))) {
    const id = `${one.source} ${one.instead.source}`;
    const before = merged.get(id);
    merged.set(id, {
      source: one.source,
      series: one.series + (before?.series ?? 0),
      calls: one.calls + (before?.calls ?? 0),
      instead: { source: one.instead.source, calls: one.instead.calls + (before?.instead.calls ?? 0) },
    });
  }
  return [...merged.values()];
}

function buildSteps(plan: Plan): readonly BuildStep[] {
  return plan.steps.filter((step): step is BuildStep => step.kind === "build");
}

/** What one dataset lacks: the series that are asked, then those that are made. */
function printDataset(output: Output, plan: Plan, { dataset }: BuildStep): void {
  const own = plan.series.filter((one) => one.dataset === dataset);
  const asked = own.filter((one) => !one.made);
  const made = own.filter((one) => one.made);
  const isAlone = buildSteps(plan).length === 1;
  if (asked.length > 0) {
    if (!isAlone) output.line(output.paint("bold", dataset));
    for (const line of askedTable(plan, asked)) output.line(line);
    output.line();
  }
  if (made.length > 0) {
    output.line(output.paint("bold", `${dataset}${asked.length > 0 ? ", made from finer series" : ""}`));
    for (const line of madeTable(plan, made)) output.line(line);
    output.line();
  }
}

/** What is read from files instead of asked for, and what asking would cost; a line for each who would be asked. */
function filesText({ steps, cost }: Plan): readonly string[] {
  const layouts = new Set(
    steps.flatMap((step) => (step.kind === "fetch" && step.provider === "files" ? [step.source] : [])),
  );
  const byOther = new Map<string, { series: number; questions: number; calls: number }>();
  for (const { source, series, calls, instead } of cost.choices) {
    if (!layouts.has(source)) continue;
    const sum = byOther.get(instead.source) ?? { series: 0, questions: 0, calls: 0 };
    byOther.set(instead.source, {
      series: sum.series + series,
      questions: sum.questions + calls,
      calls: sum.calls + instead.calls,
    });
  }
  return [...byOther].map(([other, { series, questions, calls }]) => {
    const what = `${plural(series, "series", "series")} in ${plural(questions, "stretch", "stretches")}, 0 calls`;
    return other === "nothing"
      ? `${what}; nobody else has them`
      : `${what}; ${other} would take ${plural(calls, "call")}`;
  });
}

/** One line a registry entry: each timeframe's missing slots, the reasons, the calls. */
function askedTable(plan: Plan, asked: readonly SeriesPlan[]): readonly string[] {
  const isAgain = asked.some((one) => one.againSlots > 0);
  const rows = [...byEntry(asked)].map(([entry, series]) => {
    const missing = series.filter((one) => one.gapSlots > 0);
    const again = series.reduce((sum, one) => sum + one.againSlots, 0);
    return [
      entryName(plan, entry),
      missing.length === 0 ? "nothing" : missing.map((one) => `${nameIn(entry, one)} ${count(one.gapSlots)}`).join(" "),
      missing.length === 0 && series.some((one) => one.leftOut.length > 0)
        ? "refused, left out for a day"
        : reasonText(missing),
      ...(isAgain ? [again === 0 ? "" : count(again)] : []),
      count(series.reduce((sum, one) => sum + one.calls, 0)),
      // Where a slot has many rows, slots bound nothing.
      ...(plan.cost.rowsMeasured ? [] : [count(series.reduce((sum, one) => sum + one.gapSlots, 0))]),
    ];
  });
  const bound = plan.cost.rowsMeasured ? [] : ["ROWS ≤"];
  const header = ["KEY", "MISSING SLOTS", "WHY", ...(isAgain ? ["ASKED AGAIN"] : []), "CALLS", ...bound];
  return table(header, rows, isAgain ? [3, 4, 5] : [3, 4]);
}

/** One line a registry entry: what is made of each timeframe at most, and the halo that changed inputs reach. */
function madeTable(plan: Plan, made: readonly SeriesPlan[]): readonly string[] {
  const rows = [...byEntry(made)].map(([entry, series]) => {
    const fresh = series.filter((one) => one.making.fresh > 0);
    const halo = series.reduce((sum, one) => sum + one.making.halo, 0);
    const lacking = series.reduce((sum, one) => sum + one.gapSlots, 0);
    const sum = fresh.reduce((total, one) => total + one.making.fresh, 0);
    const open = Math.max(0, lacking - sum - halo);
    return [
      entryName(plan, entry),
      fresh.length === 0 ? "nothing" : fresh.map((one) => `${nameIn(entry, one)} ${count(one.making.fresh)}`).join(" "),
      halo === 0 ? "" : count(halo),
      open === 0 ? "" : `${count(open)} lack their input`,
    ];
  });
  return table(["KEY", "TO MAKE ≤", "HALO ≤", ""], rows, [2]);
}

function byEntry(series: readonly SeriesPlan[]): ReadonlyMap<string, readonly SeriesPlan[]> {
  const entries = new Map<string, SeriesPlan[]>();
  for (const one of series) entries.set(one.entry, [...(entries.get(one.entry) ?? []), one]);
  return entries;
}

/** A series' name without its entry's; the entry itself where there is nothing more. */
function nameIn(entry: string, { key }: SeriesPlan): string {
  return key === entry ? "slots" : key.slice(entry.length + 1);
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

function rangeText({ request: { from, to, watermark, edgeOnly, ask, revert } }: Plan): string {
  if (revert !== null) return `what ${revert} touched`;
  if (ask === "bronze") return "everything in bronze";
  const start = from === null ? ownStartText(watermark, edgeOnly === true) : formatShort(from);
  const again = ask === "again" ? ", covered or not" : "";
  return `${start} to ${to === null ? "now" : formatShort(to)} (UTC, end exclusive)${again}`;
}

function ownStartText(watermark: Instant | null, edgeOnly: boolean): string {
  if (watermark === null) return "each series' own start";
  if (!edgeOnly) return `the watermark ${formatShort(watermark)} less each lookback`;
  return "each lookback before now (no watermark yet, and a backfill is on its way through the rest)";
}

function effectiveText(plan: Plan): string {
  const scopes = plan.series.flatMap((one) => (one.effective === null ? [] : [one.effective]));
  if (scopes.length === 0) return "nothing: no slot is due in that range";
  const start = Math.min(...scopes.map((one) => one.start)) as Instant;
  const end = Math.max(...scopes.map((one) => one.end)) as Instant;
  const due = plan.series.filter((one) => !one.made).reduce((sum, one) => sum + one.dueSlots, 0);
  const text = due === 0 ? "" : `; ${count(due)} due slots`;
  return `${formatShort(start)} to ${formatShort(end)} after calendar, lifetimes and depth${text}`;
}

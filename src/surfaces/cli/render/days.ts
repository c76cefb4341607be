import type { DayReport } from "../../../core/coverage/day-report.ts";
import type { DayPlan } from "../../../engine/plan/day-plan.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { daysOf } from "../../html/coverage-document.ts";
import type { DayState } from "../../html/document.ts";
import { type Output, plural, table } from "../output.ts";
import { titled } from "./entry-name.ts";

const MARKS: Readonly<Record<DayState, string>> = {
  covered: "█",
  empty: "○",
  gap: "░",
  failed: "✗",
  refused: "⊘",
  waived: "w",
  closed: "·",
};

const LEGEND: Readonly<Record<DayState, string>> = {
  covered: "data",
  empty: "empty at source",
  gap: "missing",
  failed: "failed",
  refused: "refused by the source",
  waived: "waived",
  closed: "closed",
};

/** Which of several days speaks for them all: the worst. */
const WORST: readonly DayState[] = ["failed", "gap", "refused", "empty", "waived", "covered", "closed"];

/** Longer rows are drawn by week. */
const MOST_DAYS = 100;

const DAYS_A_WEEK = 7;

/** Prints keys against days, a character a day or a week, with both meanings of coverage under their names. */
export function printDays(output: Output, scoped: readonly ScopedSeries[], plan: DayPlan | null): void {
  const rows = scoped.map((one) => ({ one, days: daysOf(one) }));
  const first = rows
    .map(({ days }) => days[0]?.date ?? "")
    .reduce((a, b) => (b !== "" && (a === "" || b < a) ? b : a), "");
  const longest = Math.max(0, ...rows.map(({ days }) => days.length));
  const size = longest > MOST_DAYS ? DAYS_A_WEEK : 1;
  const used = new Set<DayState>();
  const drawn = rows.map(({ one, days }) => {
    const lead = days[0] === undefined ? 0 : Math.round((Date.parse(days[0].date) - Date.parse(first)) / 86_400_000);
    const states = days.map(({ state }) => state);
    const groups: DayState[] = [];
    for (let n = 0; n < states.length; n += size) {
      const group = states.slice(n, n + size);
      groups.push(WORST.find((state) => group.includes(state)) ?? "closed");
    }
    for (const state of groups) used.add(state);
    return { one, text: " ".repeat(Math.floor(lead / size)) + groups.map((state) => MARKS[state]).join("") };
  });
  const header = [
    "KEY",
    "NAME",
    "MISSING",
    "OF WINDOW",
    "FIRST TO LAST",
    size === 1 ? `DAYS from ${first}` : `WEEKS from ${first}`,
  ];
  const lines = drawn.map(({ one, text }) => [
    one.entry.key,
    plan?.names.get(one.entry.key) ?? "",
    ...figuresOf(plan?.report ?? null, one.entry.key),
    text,
  ]);
  for (const line of table(header, lines, [2, 3, 4])) output.line(line);
  const legend = (Object.keys(MARKS) as DayState[]).filter((state) => used.has(state));
  output.line();
  output.line(legend.map((state) => `${MARKS[state]} ${LEGEND[state]}`).join("   "));
  const dark = plan?.report.rows.filter(({ start }) => start?.kind === "dark") ?? [];
  if (dark.length > 0) {
    output.line(
      `No data at all: ${dark.map(({ key, open }) => `${titled(key, plan?.names.get(key))}${askedText(open.length)}`).join("; ")}`,
    );
  }
  output.line(
    "OF WINDOW counts every day that was asked about and in the key's life; FIRST TO LAST only between its own first and last data.",
  );
}

function askedText(openDays: number): string {
  return openDays === 0 ? ", every day asked twice" : `, ${plural(openDays, "day")} still open`;
}

function figuresOf(report: DayReport | null, key: string): readonly string[] {
  const row = report?.rows.find((one) => one.key === key);
  if (row === undefined) return ["", "", ""];
  const { missing, percent } = row.requestedWindow;
  const { firstToLast } = row;
  return [
    String(missing),
    percent === null ? "-" : `${percent}%`,
    firstToLast === null ? "-" : `${firstToLast.percent.toFixed(1)}%`,
  ];
}

import type { DayReportRow } from "../../../core/coverage/day-report.ts";
import type { DayPlan } from "../../../engine/plan/day-plan.ts";

/** What documents say of one key's days: both meanings of coverage under their names. */
export function dayFigures({ requestedWindow, firstToLast }: DayReportRow): Readonly<Record<string, unknown>> {
  return {
    missing_days: requestedWindow.missing,
    coverage_of_requested_window_pct: requestedWindow.percent,
    coverage_first_to_last_pct: firstToLast?.percent ?? null,
    first_day: firstToLast?.first ?? null,
    last_day: firstToLast?.last ?? null,
  };
}

/** Keys with both meanings of coverage as a Markdown table, in the order of `keys`. */
export function dayTable({ report, names }: DayPlan, keys: readonly string[]): readonly string[] {
  const header = ["key", "name", "missing days", "of requested window", "first to last day", "first", "last"];
  const percent = (value: number | null | undefined, decimals: number): string =>
    value === null || value === undefined ? "-" : `${value.toFixed(decimals)}%`;
  const rows = keys.flatMap((key) => {
    const row = report.rows.find((one) => one.key === key);
    if (row === undefined) return [];
    const { requestedWindow, firstToLast } = row;
    return [
      [
        key,
        (names.get(key) ?? "").replaceAll("|", "\\|"),
        String(requestedWindow.missing),
        percent(requestedWindow.percent, 0),
        percent(firstToLast?.percent, 1),
        firstToLast?.first ?? "-",
        firstToLast?.last ?? "-",
      ],
    ];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(header),
    "|---|---|---:|---:|---:|---|---|",
    ...rows.map(line),
    "",
    `Requested window: ${report.window.first} to ${report.window.last}, ${report.days} days; of them those in the key's declared life count, closed ones too.`,
  ];
}

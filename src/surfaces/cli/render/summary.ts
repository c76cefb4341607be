import type { Plan } from "../../../core/plan/plan.ts";
import type { RunRecord } from "../../../engine/ledger-port.ts";
import type { RunSummary } from "../../../engine/run/summary.ts";
import { bytes, count, duration, type Output } from "../output.ts";
import { arrivalLines } from "./arrivals.ts";
import { entryName } from "./entry-name.ts";

/** Prints what a finished run did and left. */
export function printSummary(output: Output, run: RunRecord, summary: RunSummary, plan: Plan): void {
  const reducedTo = plan.request.limit;
  const color = { succeeded: "green", partial: "yellow", failed: "red", cancelled: "yellow" } as const;
  const style = color[run.status as keyof typeof color] ?? "bold";
  const reduced = reducedTo === null ? "" : ` (reduced scope: the first ${reducedTo})`;
  output.line(`${output.paint(style, run.status)}${reduced}  ${run.id}  in ${duration(summary.duration_ms)}`);
  const { calls, rows, cells, gaps } = summary;
  output.line(
    `  calls  ${count(calls.made)} made = ${calls.planned} planned + ${calls.retried} retried + ${calls.repaired} repaired` +
      `${calls.paged > 0 ? ` + ${calls.paged} pages` : ""}; ${calls.deferred} deferred`,
  );
  output.line(
    `  rows   ${count(rows.received)} received = ${count(rows.inserted)} inserted + ${count(rows.updated)} updated + ` +
      `${count(rows.unchanged)} unchanged + ${count(rows.duplicate)} duplicate + ${count(rows.quarantined)} quarantined; ` +
      `${count(rows.retracted)} retracted`,
  );
  const reasons = Object.entries(summary.quarantined_by).map(([reason, n]) => `${reason} ${count(n)}`);
  if (reasons.length > 0) output.line(`         quarantined: ${reasons.join(", ")}`);
  output.line(
    `  cells  ${count(cells.due)} due, ${count(cells.covered_before)} covered before, ${count(cells.covered_after)} after, ` +
      `${count(cells.verified_empty)} empty at source, ${count(cells.failed)} failed, ${count(cells.refused)} refused`,
  );
  if (summary.stages.length > 1) {
    for (const stage of summary.stages) {
      output.line(
        `         ${stage.dataset}: ${count(stage.rows.inserted)} inserted, ${count(stage.rows.updated)} updated, ` +
          `${count(stage.rows.unchanged)} unchanged, ${count(stage.rows.retracted)} retracted; ${count(stage.gaps.after)} gap cells left`,
      );
    }
  }
  output.line(`  gaps   ${count(gaps.before)} cells before, ${count(gaps.after)} after`);
  output.line(`  bronze ${bytes(summary.bytes)} received`);
  for (const line of arrivalLines(summary.late)) output.line(`  late   ${line}`);
  for (const { dataset, key, reason, answered } of summary.errors.slice(0, 10)) {
    const after = answered ? " (answered when asked again)" : "";
    output.line(
      `  ${output.paint(answered ? "dim" : "red", "error")}  ${dataset} ${entryName(plan, key)}: ${reason}${after}`,
    );
  }
  if (summary.errors.length > 10)
    output.line(`  … and ${summary.errors.length - 10} more: retrofill runs show ${run.id}`);
}

import { formatInstant } from "../../../core/time/instant.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { matrixOf, printMatrix } from "../render/matrix.ts";
import type { RequestFlags } from "../request.ts";
import { columnsOf } from "../run-session.ts";
import { readScope } from "./reading.ts";

/** The completeness matrix as of business now. */
export function coverage(
  selector: string | null,
  flags: RequestFlags & { readonly format?: string; readonly check?: boolean },
) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { scoped, request, now } = await readScope(opened, selector, flags);
      const columns = columnsOf(opened, request);
      const { output } = context;
      const document = {
        business_now: formatInstant(now),
        series: scoped.map((one) => ({ ...cellOf(one) })),
      };
      if (flags.format === "md") printMarkdown(output.line, scoped, columns);
      else if (flags.format === "json" && !output.json) output.line(JSON.stringify(document, null, 2));
      else {
        output.line(`As of ${formatInstant(now)}${opened.pinnedNow === null ? "" : " (pinned)"}, UTC`);
        output.line();
        printMatrix(output, scoped, columns);
      }
      output.document(document);
      const open = scoped.some((one) => one.standing.gaps.length > 0);
      return flags.check === true && open ? EXIT.incomplete : EXIT.done;
    });
}

function cellOf({ series, standing }: ScopedSeries): object {
  const { scope, slots } = standing;
  return {
    key: series.key,
    from: scope === null ? null : formatInstant(scope.start),
    to: scope === null ? null : formatInstant(scope.end),
    due: slots.due,
    covered: slots.covered,
    verified_empty: slots.empty,
    gap: slots.gap,
    failed: slots.failed,
    refused: slots.refused,
    complete: slots.gap === 0,
  };
}

function printMarkdown(
  line: (text: string) => void,
  scoped: readonly ScopedSeries[],
  columns: readonly string[],
): void {
  line(`| key | ${columns.join(" | ")} |`);
  line(`|---|${columns.map(() => "---").join("|")}|`);
  for (const row of matrixOf(scoped, columns)) line(`| ${row.entry} | ${row.marks.join(" | ")} |`);
}

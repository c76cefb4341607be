import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { RetrofillError } from "../../../core/errors.ts";
import { formatInstant } from "../../../core/time/instant.ts";
import type { DayPlan } from "../../../engine/plan/day-plan.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import type { OpenProject } from "../host.ts";
import { bytes } from "../output.ts";
import { dayFigures, dayTable } from "../render/day-figures.ts";
import { printDays } from "../render/days.ts";
import { matrixOf, printMatrix } from "../render/matrix.ts";
import { printUnfound, unfoundIn } from "../render/unfound.ts";
import type { RequestFlags } from "../request.ts";
import { columnsOf } from "../run-session.ts";
import { CLOSED_DAYS_UNSEEN, type Reading, readDayPlan, readScope } from "./reading.ts";

/** The completeness matrix as of business now. */
export function coverage(
  selector: string | null,
  flags: RequestFlags & { readonly format?: string; readonly out?: string; readonly check?: boolean },
) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const reading = await readScope(opened, selector, flags);
      const { scoped, request, now } = reading;
      const columns = columnsOf(opened, request);
      const { output } = context;
      const isPageOnly = flags.format === "html" && !output.json;
      const days = isPageOnly ? null : await readDayPlan(reading, opened.project);
      if (days?.plan.closedDayRows === null) output.note(CLOSED_DAYS_UNSEEN);
      const document = {
        business_now: formatInstant(now),
        ...(days === null ? {} : { window: { ...days.plan.report.window, days: days.plan.report.days } }),
        series: scoped.map((one) => ({ ...cellOf(one), ...(days === null ? {} : daysOf(one, days.plan)) })),
        no_data: unfoundIn(scoped).map(({ entry }) => entry),
      };
      if (flags.format === "md" && days !== null) {
        const keys = scoped.map(({ entry }) => entry.key);
        for (const line of dayTable(days.plan, keys)) output.line(line);
      } else if (flags.format === "md") printMarkdown(output.line, scoped, columns);
      else if (flags.format === "html") await writePage(context, opened, reading, flags.out ?? "coverage.html");
      else if (flags.format === "json" && !output.json) output.line(JSON.stringify(document, null, 2));
      else {
        output.line(`As of ${formatInstant(now)}${opened.pinnedNow === null ? "" : " (pinned)"}, UTC`);
        output.line();
        if (days === null) {
          printMatrix(output, scoped, columns);
          printUnfound(output, scoped);
        } else printDays(output, scoped, days.plan);
      }
      output.document(document);
      const open = scoped.some((one) => one.standing.gaps.length > 0);
      return flags.check === true && open ? EXIT.incomplete : EXIT.done;
    });
}

function cellOf({ series, standing }: ScopedSeries): object {
  const { scope, slots } = standing;
  return {
    dataset: series.dataset,
    key: series.key,
    from: scope === null ? null : formatInstant(scope.start),
    to: scope === null ? null : formatInstant(scope.end),
    due: slots.due,
    covered: slots.covered,
    verified_empty: slots.empty,
    waived: slots.waived,
    gap: slots.gap,
    failed: slots.failed,
    refused: slots.refused,
    complete: slots.gap === 0,
  };
}

/** The name of a key of days, and both meanings of its coverage. */
function daysOf({ entry }: ScopedSeries, { report, names }: DayPlan): object {
  const row = report.rows.find(({ key }) => key === entry.key);
  return { name: names.get(entry.key) ?? null, ...(row === undefined ? {} : dayFigures(row)) };
}

/** Writes the page, and says where it is. @throws RetrofillError USAGE when the file cannot be written */
async function writePage(context: Context, opened: OpenProject, reading: Reading, file: string): Promise<void> {
  const { bound, datasets, request, scoped, now } = reading;
  const names = datasets.map(({ name }) => name).join(", ");
  const { project } = opened;
  // Loaded when used: the page's parts would slow every other form of the command.
  const { coverageDocument, layoutFor } = await import("../../html/coverage-document.ts");
  const { coverageHtml } = await import("../../html/coverage-html.ts");
  const page = coverageHtml(
    coverageDocument(scoped, {
      title: `Coverage of ${names}`,
      project: basename(project.dir),
      now,
      pinned: opened.pinnedNow !== null,
      generatedAt: project.clock.now(),
      columns: columnsOf(opened, request),
      pipeline: bound.pipeline,
      selector: request.selector,
      layout: layoutFor(bound.pipeline, scoped),
    }),
  );
  try {
    await writeFile(file, page);
  } catch (cause) {
    throw new RetrofillError("USAGE", `--out ${file}: cannot be written (${(cause as Error).message})`, { cause });
  }
  const written = `${file}  ${bytes(Buffer.byteLength(page))}`;
  if (context.output.json) context.output.note(written);
  else context.output.line(written);
}

function printMarkdown(
  line: (text: string) => void,
  scoped: readonly ScopedSeries[],
  columns: readonly string[],
): void {
  const datasets = [...new Set(scoped.map(({ dataset }) => dataset))];
  const isNamed = datasets.length > 1;
  line(`| key |${isNamed ? " dataset |" : ""} ${columns.join(" | ")} |`);
  line(`|---|${isNamed ? "---|" : ""}${columns.map(() => "---").join("|")}|`);
  for (const dataset of datasets) {
    const own = scoped.filter((one) => one.dataset === dataset);
    for (const { entry, marks } of matrixOf(own, columns)) {
      line(`| ${entry} |${isNamed ? ` ${dataset.name} |` : ""} ${marks.join(" | ")} |`);
    }
  }
}

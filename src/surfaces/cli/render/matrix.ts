import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import type { Output } from "../output.ts";

/** How one cell of the completeness matrix stands. */
export type Mark = "✓" | "○" | "◇" | "✗" | "⊘" | "·";

/** `✓` complete, `○` some slots empty at the source, `◇` some waived, `✗` gaps, `⊘` refused, `·` nothing due. */
export function markOf(one: ScopedSeries): Mark {
  const { standing } = one;
  if (standing.gaps.length > 0) return "✗";
  if (standing.refused.length > 0) return "⊘";
  if (standing.slots.due === 0) return "·";
  if (standing.waived.length > 0) return "◇";
  return standing.empty.length > 0 ? "○" : "✓";
}

/** What each mark means. */
export const LEGEND: Readonly<Record<Mark, string>> = {
  "✓": "complete",
  "○": "complete, some slots empty at source",
  "◇": "complete but for waived slots",
  "✗": "gaps",
  "⊘": "refused by the source",
  "·": "nothing due",
};

/** Prints keys against timeframes with a mark each, and what the marks mean. */
export function printMatrix(output: Output, scoped: readonly ScopedSeries[], columns: readonly string[]): void {
  const datasets = [...new Set(scoped.map(({ dataset }) => dataset))];
  for (const dataset of datasets) {
    if (datasets.length > 1) output.line(`${dataset === datasets[0] ? "" : "\n"}${output.paint("bold", dataset.name)}`);
    const own = scoped.filter((one) => one.dataset === dataset);
    const grains = new Set<string>(own.map(({ series }) => series.axis.grid.grain));
    printGrid(
      output,
      own,
      columns.filter((column) => grains.has(column)),
    );
  }
  const used = new Set(scoped.map(markOf));
  const legend = (Object.keys(LEGEND) as Mark[]).filter((mark) => used.has(mark));
  output.line();
  output.line(legend.map((mark) => `${paint(output, mark)} ${LEGEND[mark]}`).join("   "));
}

function printGrid(output: Output, scoped: readonly ScopedSeries[], columns: readonly string[]): void {
  const rows = matrixOf(scoped, columns);
  const width = Math.max(6, ...rows.map((row) => row.entry.length)) + 2;
  output.line(`${"KEY".padEnd(width)}${columns.map((name) => name.padStart(5)).join("")}`);
  output.line("─".repeat(width + columns.length * 5));
  for (const row of rows) {
    const cells = row.marks.map((mark) => `    ${paint(output, mark)}`).join("");
    output.line(`${row.entry.padEnd(width)}${cells}`);
  }
}

/** Marks by entry and column; `·` where the entry has no such series. */
export function matrixOf(
  scoped: readonly ScopedSeries[],
  columns: readonly string[],
): readonly { readonly entry: string; readonly marks: readonly Mark[] }[] {
  const entries = [...new Set(scoped.map((one) => one.series.entry))];
  return entries.map((entry) => ({
    entry,
    marks: columns.map((column): Mark => {
      const found = scoped.find((one) => one.series.entry === entry && one.series.axis.grid.grain === column);
      return found ? markOf(found) : "·";
    }),
  }));
}

function paint(output: Output, mark: Mark): string {
  const styles = { "✓": "green", "○": "cyan", "◇": "magenta", "✗": "red", "⊘": "yellow", "·": "dim" } as const;
  return output.paint(styles[mark], mark);
}

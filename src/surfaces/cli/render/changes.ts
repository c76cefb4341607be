import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import type { RunRecord } from "../../../engine/ledger-port.ts";
import type { SeriesChanges } from "../../../engine/prove/changes.ts";
import { count, type Output, plural, table } from "../output.ts";

/** Prints what a run did to rows that were there: one line a series, then its oldest examples. */
export function printChanges(output: Output, run: RunRecord, changes: readonly SeriesChanges[]): void {
  const rows = changes.reduce((sum, { updated, retracted }) => sum + updated + retracted, 0);
  output.line(
    `${output.paint("bold", run.id)}  restated ${plural(rows, "row")} of ${plural(changes.length, "series", "series")}`,
  );
  if (changes.length === 0) return;
  output.line();
  const header = ["DATASET", "SERIES", "FIRST SLOT", "LAST SLOT", "UPDATED", "GONE", "NEW / OLD", "FROM", "TO"];
  const lines = changes.map((one) => [
    one.dataset,
    one.key,
    formatShort(one.first),
    formatShort(one.last),
    count(one.updated),
    count(one.retracted),
    one.ratio === null ? "" : `${one.measure} x ${figure(one.ratio.median)}`,
    one.ratio === null ? "" : figure(one.ratio.min),
    one.ratio === null ? "" : figure(one.ratio.max),
  ]);
  for (const line of table(header, lines, [4, 5, 7, 8])) output.line(line);
  for (const { key, measure, examples } of changes.filter((one) => one.measure !== null)) {
    output.line();
    for (const { slot, before, after } of examples)
      output.line(`  ${key} ${formatShort(slot)}  ${measure} ${before ?? "none"} → ${after ?? "gone"}`);
  }
}

/** The same as data. */
export function changesDocument(one: SeriesChanges): Readonly<Record<string, unknown>> {
  return {
    ...one,
    first: formatInstant(one.first),
    last: formatInstant(one.last),
    examples: one.examples.map((example) => ({ ...example, slot: formatInstant(example.slot) })),
  };
}

/** Six significant digits. */
function figure(value: number): string {
  return String(Number(value.toPrecision(6)));
}

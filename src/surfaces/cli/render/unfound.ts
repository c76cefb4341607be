import { type Unfound, unfoundEntries } from "../../../core/coverage/unfound.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { type Output, plural } from "../output.ts";

/** Entries of which there is nothing, among the series that are asked from a source. */
export function unfoundIn(scoped: readonly ScopedSeries[]): readonly Unfound[] {
  const asked = scoped.filter(({ making }) => making === null);
  return unfoundEntries(
    asked.map(({ dataset, entry, series, segments, standing }) => ({
      dataset: dataset.name,
      entry: entry.key,
      axis: series.axis,
      segments,
      standing,
    })),
  );
}

/** Prints a line for the entries of which there is nothing, if there are any. */
export function printUnfound(output: Output, scoped: readonly ScopedSeries[]): void {
  const unfound = unfoundIn(scoped);
  if (unfound.length > 0) output.line(unfoundText(unfound));
}

/** `No data at all: NOPE, every slot asked twice; is the name right?` */
export function unfoundText(unfound: readonly Unfound[]): string {
  const told = unfound.map(({ entry, askedOnce }) => `${entry}, ${askedText(askedOnce)}`);
  return `No data at all: ${[...told, unfound.length === 1 ? "is the name right?" : "are the names right?"].join("; ")}`;
}

function askedText(askedOnce: number): string {
  return askedOnce === 0 ? "every slot asked twice" : `${plural(askedOnce, "slot")} asked only once`;
}

import { type Axis, dueSet } from "../dataset/axis.ts";
import { plus } from "../time/instant.ts";
import { intersect } from "../time/interval-set.ts";
import type { Standing } from "./gaps.ts";
import { type Segments, setOf } from "./segment.ts";

/** An entry that was asked about in full and of which there is no row: most often its name is wrong. */
export interface Unfound {
  readonly entry: string;
  /** Due slots, and those of them that were asked once only. */
  readonly slots: number;
  readonly askedOnce: number;
}

/** One series that is asked from a source, with all that was ever answered and how it stands in what is looked at. */
export interface AskedSeries {
  readonly dataset: string;
  readonly entry: string;
  readonly axis: Axis;
  readonly segments: Segments;
  readonly standing: Pick<Standing, "gaps" | "slots">;
}

/**
 * The entries of which there is nothing in some dataset, in any of its series, although every due slot was asked; in the
 * order given. An answer that owes no row, such as one about dividends, is no evidence.
 */
export function unfoundEntries(all: readonly AskedSeries[]): readonly Unfound[] {
  const together = new Map<string, AskedSeries[]>();
  for (const one of all) {
    const place = JSON.stringify([one.entry, one.dataset]);
    together.set(place, [...(together.get(place) ?? []), one]);
  }
  const found = new Map<string, Unfound>();
  for (const own of together.values()) {
    const { entry } = own[0] as AskedSeries;
    const slots = own.reduce((sum, { standing }) => sum + standing.slots.due, 0);
    if (slots === 0 || found.has(entry) || !own.every(isSilent)) continue;
    found.set(entry, { entry, slots, askedOnce: own.reduce((sum, { standing }) => sum + standing.slots.gap, 0) });
  }
  return [...found.values()];
}

/** Whether a series was asked for all it owes and has no row. */
function isSilent({ axis, segments, standing }: AskedSeries): boolean {
  const isAsked = standing.gaps.every(({ cause }) => cause === "asked-once");
  if (!isAsked || standing.slots.covered > 0) return false;
  const covered = setOf(segments, "covered");
  const [first, last] = [covered[0], covered[covered.length - 1]];
  if (setOf(segments, "blocked", "disputed", "failed").length > 0) return false;
  if (!first || !last) return true;
  // Answered nights and weekends are covered too, and tell nothing.
  const due = dueSet(axis, { start: first.start, end: last.end }, plus(last.end, axis.settleMs));
  return intersect(covered, due).length === 0;
}

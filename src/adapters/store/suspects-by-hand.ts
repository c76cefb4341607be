import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import type { Interval } from "../../core/time/interval.ts";

/** A due slot as the test lists it. */
export interface ListedSlot extends Interval {
  readonly session: number;
}

/**
 * The suspect silences of a sparse series, slot by slot over arrays: what tests compare the store's sets with.
 * `slots` are all due slots, answered without a break; `rows` the starts of those that have a row.
 */
export function suspectsByHand(
  slots: readonly ListedSlot[],
  rows: ReadonlySet<number>,
  rule: SuspectRule,
): readonly { readonly start: number; readonly end: number; readonly quiet: number }[] {
  const silences: { from: number; quiet: number; edge: boolean }[] = [];
  let quiet = 0;
  let steps = 0;
  let seen = false;
  for (const [i, slot] of slots.entries()) {
    if (!rows.has(slot.start)) {
      quiet++;
      continue;
    }
    if (quiet > 0) silences.push({ from: i - quiet, quiet, edge: !seen });
    else if (seen) steps++;
    quiet = 0;
    seen = true;
  }
  if (quiet > 0) silences.push({ from: slots.length - quiet, quiet, edge: true });

  const sessionSize = new Map<number, number>();
  for (const { session } of slots) sessionSize.set(session, (sessionSize.get(session) ?? 0) + 1);
  const longest = Math.max(...sessionSize.values());
  const visited = new Set(slots.filter((slot) => rows.has(slot.start)).map((slot) => slot.session)).size;
  const yearOf = (one: { from: number }): number => new Date(slots[one.from - 1]?.start ?? 0).getUTCFullYear();
  const ordinary = silences.filter((one) => !one.edge && one.quiet < longest);
  const lengths = ordinary.map((one) => one.quiet).sort((a, b) => a - b);
  const enough = (n: number): boolean => n * (1 - rule.quantile) >= 10;
  const lower = (sorted: readonly number[]): number => sorted[Math.floor(rule.quantile * (sorted.length - 1))] ?? 0;
  const usual = enough(lengths.length) ? lower(lengths) : lower([...Array<number>(steps).fill(0), ...lengths]);

  const usualOf = new Map<number, number>();
  for (const year of new Set(ordinary.map(yearOf))) {
    const own = ordinary.filter((one) => yearOf(one) === year).map((one) => one.quiet);
    if (enough(own.length)) usualOf.set(year, lower(own.sort((a, b) => a - b)));
  }

  const suspect = silences.filter((one) => {
    if (visited < rule.minSessions) {
      const inside = new Map<number, number>();
      for (let i = one.from; i < one.from + one.quiet; i++) {
        const session = slots[i]?.session ?? -1;
        inside.set(session, (inside.get(session) ?? 0) + 1);
      }
      return [...inside].some(([session, n]) => n === sessionSize.get(session));
    }
    const year = one.edge ? 0 : (usualOf.get(yearOf(one)) ?? 0);
    return one.quiet > rule.factor * Math.max(1, usual, year);
  });
  return suspect.map(({ from, quiet: n }) => ({
    start: slots[from]?.start ?? Number.NaN,
    end: slots[from + n - 1]?.end ?? Number.NaN,
    quiet: n,
  }));
}

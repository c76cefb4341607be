import type { CoverageDocument } from "./document.ts";

/** What the page says first. */
export interface Totals {
  /** Series, and those of them that have no gap; a series that owes nothing has none. */
  readonly series: number;
  readonly complete: number;
  readonly gaps: number;
  /** Slots: due = covered + empty + gap, and what is waived. */
  readonly due: number;
  readonly covered: number;
  readonly empty: number;
  readonly gap: number;
}

/** Sums over all series of a document. */
export function totalsOf({ series }: Pick<CoverageDocument, "series">): Totals {
  const sum = (of: (one: CoverageDocument["series"][number]) => number): number =>
    series.reduce((total, one) => total + of(one), 0);
  return {
    series: series.length,
    complete: series.filter((one) => one.gaps.length === 0).length,
    gaps: sum((one) => one.gaps.length),
    due: sum((one) => one.slots.due),
    covered: sum((one) => one.slots.covered),
    empty: sum((one) => one.slots.empty),
    gap: sum((one) => one.slots.gap),
  };
}

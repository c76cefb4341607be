import type { Compared, Features } from "./features-by-hand.ts";

/** Features of one bar by name, from whatever program. */
export type FeatureRow = Readonly<Record<string, number | string | boolean | null>>;

/** How one feature compares over a series. */
export interface Agreement {
  readonly feature: string;
  /** Rows in which both programs have a value. */
  readonly values: number;
  readonly nulls: number;
  readonly worstAbsolute: number;
  /** Of the larger of the two. */
  readonly worstRelative: number;
  /** Rows in which the two regimes differ, but what they compare meets to the last digits. */
  readonly knifeEdges: number;
  /** The first few rows that differ by more than rounding can explain. */
  readonly differences: readonly string[];
}

export interface AgreementOptions {
  /** Relative. Default 1e-9. */
  readonly tolerance?: number;
  /** A feature's name in the other program's rows, where it is another. */
  readonly nameThere?: (feature: string) => string;
  /** Rows without a value there are passed over: it says less, on purpose. */
  readonly skipNullsThere?: boolean;
}

/** Below this a figure is 0 with rounding: two times the deviation of closes that are all the same, for one. */
const NOTHING = 1e-12;
/** How near what a regime compares must be for its side to be a matter of rounding; relative. */
const EDGE = 1e-12;
const SHOWN = 5;

/**
 * Compares `features` of rows by hand with another program's rows of the same bars, in the same order.
 * @throws Error when the rows are not of the same slots
 */
export function agreementOf(
  byHand: readonly (Features & Compared)[],
  theirs: readonly FeatureRow[],
  features: readonly (keyof (Features & Compared))[],
  { tolerance = 1e-9, nameThere = (feature) => feature, skipNullsThere = false }: AgreementOptions = {},
): readonly Agreement[] {
  if (byHand.length !== theirs.length) throw new Error(`${byHand.length} rows by hand, ${theirs.length} of the other`);
  for (const [i, row] of byHand.entries()) {
    if (theirs[i]?.slot !== row.slot) throw new Error(`row ${i}: slot ${row.slot} by hand, ${theirs[i]?.slot}`);
  }
  return features.map((feature) => {
    const seen = { values: 0, nulls: 0, worstAbsolute: 0, worstRelative: 0, knifeEdges: 0 };
    const differences: string[] = [];
    for (const [i, row] of byHand.entries()) {
      const mine = row[feature];
      const other = theirs[i]?.[nameThere(feature)] ?? null;
      if (skipNullsThere && other === null) continue;
      if (mine === null && other === null) {
        seen.nulls++;
        continue;
      }
      if (mine !== null && other !== null) seen.values++;
      if (typeof mine === "number" && typeof other === "number") {
        const absolute = Math.abs(mine - other);
        const relative = absolute === 0 ? 0 : absolute / Math.max(Math.abs(mine), Math.abs(other));
        seen.worstAbsolute = Math.max(seen.worstAbsolute, absolute);
        if (absolute <= NOTHING && relative > tolerance) continue;
        seen.worstRelative = Math.max(seen.worstRelative, relative);
        if (relative <= tolerance) continue;
      } else if (mine === other) continue;
      else if (mine !== null && other !== null && isKnifeEdge(row, feature)) {
        seen.knifeEdges++;
        continue;
      }
      if (differences.length < SHOWN) differences.push(`slot ${row.slot}: ${mine} by hand, ${other}`);
    }
    return { feature, ...seen, differences };
  });
}

/** Whether rounding decides the regime of this row. */
export function isKnifeEdge(row: Features & Compared, feature: string): boolean {
  const { volatility_50: volatility, volatility_median, ema_20, ema_50, band, band_median } = row;
  switch (feature) {
    case "volatility_regime":
      return meets(volatility, volatility_median, 0.7) || meets(volatility, volatility_median, 1.3);
    case "trend_regime":
      return meets(ema_20, ema_50, 1);
    case "compression_regime":
      return meets(band, band_median, 0.7);
    default:
      return false;
  }
}

function meets(value: number | null, other: number | null, factor: number): boolean {
  if (value === null || other === null) return false;
  const gap = Math.abs(value - factor * other);
  return gap <= EDGE * Math.max(Math.abs(value), Math.abs(other)) || Math.max(value, other) <= NOTHING;
}

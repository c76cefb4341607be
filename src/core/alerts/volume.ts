import { DAY } from "../time/instant.ts";

/** Slots that ended longer ago are history: a backfill over years must not tell what was unusual in each of them. */
export const RECENT_MS = 7 * DAY;

/** What is unusual about an amount, with the figures that say so. */
export interface VolumeJudgement {
  readonly direction: "drop" | "peak";
  readonly median: number;
  /** Median absolute deviation from the median; 0 when more than half of the history is the same. */
  readonly mad: number;
  /** Robust z-score; null where the history does not vary and the share alone decides. */
  readonly z: number | null;
  /** Deviation from the median as a share of it: -0.5 is half of the usual. */
  readonly share: number;
}

// Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): 0.6745 is the 75th percentile of the standard normal
// distribution, so that MAD / 0.6745 estimates a standard deviation.
const MAD_PER_SIGMA = 0.6745;

/**
 * Judges `value` by earlier values of the same weekday and slot; null when it is usual or cannot be judged: too little
 * history, or a median of 0, of which no share can be told.
 */
export function judgeVolume(
  value: number,
  history: readonly number[],
  limits: { readonly minHistory: number; readonly threshold: number; readonly minShare: number },
): VolumeJudgement | null {
  if (history.length < limits.minHistory) return null;
  const middle = median(history);
  if (middle === 0) return null;
  const mad = median(history.map((one) => Math.abs(one - middle)));
  const share = (value - middle) / middle;
  const z = mad === 0 ? null : (MAD_PER_SIGMA * (value - middle)) / mad;
  const figures = { median: middle, mad, z, share };
  if (z === null) {
    if (Math.abs(share) <= limits.minShare) return null;
    return { direction: share < 0 ? "drop" : "peak", ...figures };
  }
  if (z > limits.threshold) return { direction: "peak", ...figures };
  // In a calm history a small dip has a large score, and nobody wants to be told.
  if (z < -limits.threshold && share < -limits.minShare) return { direction: "drop", ...figures };
  return null;
}

/** The middle value, or the mean of the two in the middle; of at least one value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half];
  if (upper === undefined) throw new RangeError("no median of no values");
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

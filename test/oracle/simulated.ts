import { normalNumbers, randomNumbers } from "../../src/sandbox/random.ts";
import type { Bar } from "./feature-store.ts";

/** A market that never was: the same bars for the same `seed`. */
export interface Simulated {
  readonly seed: number;
  /** Start of the first slot. */
  readonly from: number;
  readonly stepMs: number;
  readonly slots: number;
  /** Share of the slots that hold a bar; a slot is more often empty beside an empty one. */
  readonly filled: number;
  /** Share of the bars that have a volume. */
  readonly withVolume?: number;
  readonly price?: number;
}

/**
 * A random walk with calm and wild weeks, holes, and now and then what quality scores look for: a gap at the open, a
 * range of many times the price, a volume far above or below the usual.
 */
export function simulated({
  seed,
  from,
  stepMs,
  slots,
  filled,
  withVolume = 1,
  price = 100,
}: Simulated): readonly Bar[] {
  const uniform = randomNumbers(seed);
  const normal = normalNumbers(uniform);
  const bars: Bar[] = [];
  let close = price;
  let isQuiet = false;
  for (let i = 0; i < slots; i++) {
    const mood = Math.floor(i / 60) % 3 === 2 ? 4 : 1;
    const event = uniform() < 0.02 ? Math.floor(4 * uniform()) : -1;
    const o = close * Math.exp(0.001 * mood * normal() + (event === 0 ? 0.15 : 0));
    close = o * Math.exp(0.004 * mood * normal() + 0.05 * Math.log(price / o));
    const h = Math.max(o, close) * (1 + 0.003 * uniform()) * (event === 1 ? 8 : 1);
    const l = Math.min(o, close) * (1 - 0.003 * uniform());
    const usual = Math.exp(5 + 0.4 * normal());
    const v = event === 2 ? 40 * usual : event === 3 ? usual / 40 : usual;
    isQuiet = uniform() < (isQuiet ? 1 - filled / 2 : (1 - filled) / 2);
    const hasVolume = uniform() < withVolume;
    if (!isQuiet) bars.push({ t: from + i * stepMs, o, h, l, c: close, v: hasVolume ? v : null });
  }
  return bars;
}

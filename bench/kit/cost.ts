/** Time on the clock, and of all threads together, which a busy machine changes less. */
export interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

export async function timed(work: () => Promise<unknown>): Promise<Cost> {
  const [began, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - began, cpuMs: (user + system) / 1_000 };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** A figure from 0 to 1 that looks random and is the same each time. */
export function wave(i: number): number {
  return Math.abs(Math.sin(i * 12.9898) * 43_758.5453) % 1;
}

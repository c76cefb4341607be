import type { RunObserver, RunProgress } from "../../../engine/run/observer.ts";
import { type Output, plural } from "../output.ts";

interface KeyProgress {
  readonly total: number;
  done: number;
  failed: number;
}

/** A line for each key when all that was asked of it has ended, with what failed; for pipelines with few, large keys. */
export function keyProgress(output: Output, nameOf: (key: string) => string): RunObserver {
  const keys = new Map<string, KeyProgress>();
  return (progress: RunProgress): void => {
    if (progress.type === "opened") {
      for (const { key, calls } of progress.plan.series) {
        if (calls > 0) keys.set(key, { total: calls, done: 0, failed: 0 });
      }
    }
    if (progress.type !== "chunk-settled" || progress.round > 0) return;
    const own = keys.get(progress.key);
    if (own === undefined || progress.event === "defer" || progress.event === "release") return;
    own.done++;
    if (progress.event === "failed" || progress.event === "refused") own.failed++;
    if (own.done < own.total) return;
    const ended = [...keys.values()].filter(({ done, total }) => done >= total).length;
    const outcome = own.failed === 0 ? "all answered" : `${own.failed} of ${own.total} not answered`;
    output.note(`${ended}/${keys.size} ${nameOf(progress.key)}: ${plural(own.total, "request")}, ${outcome}`);
  };
}

import type { Plan } from "../../../core/plan/plan.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import type { Execution } from "../../../engine/run/execute.ts";
import type { RunObserver } from "../../../engine/run/observer.ts";

/** Prints a run in the form of the script that its job replaces: the lines are an interface. */
export interface ScriptPrinter {
  /** Before anything is done. */
  start(plan: Plan): void;
  readonly observe: RunObserver;
  /** After the run, from the state it left; `execution` is null when there was nothing to do. */
  finish(scoped: readonly ScopedSeries[], execution: Execution | null, durationMs: number): void;
}

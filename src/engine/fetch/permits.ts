import type { RateLimit } from "../../core/budget/limits.ts";
import { formatInstant, instant } from "../../core/time/instant.ts";
import type { Budget, Lane, Permit } from "../budget-port.ts";
import type { Clock } from "../ports.ts";

/** The budget of the current calendar period is used up. */
export class QuotaExhausted extends Error {
  readonly untilMs: number;

  constructor(limit: string, untilMs: number) {
    super(`the quota of ${limit} is used up until ${formatInstant(instant(untilMs))}`);
    this.untilMs = untilMs;
  }
}

export interface Permits {
  /** Waits for the next permit, in the order of the calls. @throws QuotaExhausted, or the signal's reason */
  acquire(signal: AbortSignal): Promise<Permit>;
  release(permit: Permit): Promise<void>;
  /** Milliseconds spent waiting for the rate so far. */
  readonly waitedMs: () => number;
}

/** Permits of one credential for this process: one caller at a time asks the budget, the others queue here. */
export function permitsOf(options: {
  readonly budget: Budget;
  readonly credential: string;
  readonly limits: readonly RateLimit[];
  readonly lane: Lane;
  readonly holdMs: number;
  readonly clock: Clock;
  readonly onWait?: (waitMs: number, why: "rate" | "told" | "live-lane") => void;
}): Permits {
  const { budget, credential, limits, lane, holdMs, clock } = options;
  let tail: Promise<unknown> = Promise.resolve();
  let waitedMs = 0;

  const next = async (signal: AbortSignal): Promise<Permit> => {
    for (;;) {
      signal.throwIfAborted();
      const grant = await budget.acquire(credential, limits, lane, holdMs);
      switch (grant.kind) {
        case "granted":
          return grant.permit;
        case "exhausted":
          throw new QuotaExhausted(grant.limit, grant.untilMs);
        case "wait":
          options.onWait?.(grant.waitMs, grant.why);
          // Never longer than a second at once: a changed setting or a lifted hold is seen in time.
          await clock.sleep(Math.max(1, Math.min(grant.waitMs, 1_000)), signal);
          waitedMs += Math.min(grant.waitMs, 1_000);
          break;
        default:
          grant satisfies never;
      }
    }
  };

  return {
    acquire(signal) {
      const turn = tail.then(() => next(signal));
      tail = turn.catch(() => undefined);
      return turn;
    },
    release: (permit) => budget.release(permit, limits),
    waitedMs: () => waitedMs,
  };
}

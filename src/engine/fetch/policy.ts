import { DAY, MINUTE, SECOND } from "../../core/time/instant.ts";
import type { FailureClass } from "../ports.ts";

/** What a wait is worked out from. */
export interface WaitInput {
  /** Failed tries so far, this one included: 1 after the first. */
  readonly attempt: number;
  /** The wait that the source told, in milliseconds, or null. */
  readonly toldMs: number | null;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Longest rolling window among the limits declared for the credential. */
  readonly longestWindowMs: number;
  readonly baseMs: number;
  readonly capMs: number;
}

/** What follows from one class of failure. */
export interface Policy {
  /** `yes`: the same worker tries again after a short wait. `after-wait`: the chunk is deferred until the wait is over. */
  readonly retry: "no" | "yes" | "after-wait";
  /** Whether this failure uses up one of the chunk's attempts; a throttled chunk is deferred, however often. */
  readonly countsAttempt: boolean;
  /** Tries of a chunk that ends like this, the first included. */
  readonly attempts: number;
  /** Milliseconds until the next try; 0 where there is none. */
  readonly wait: (input: WaitInput) => number;
  /** How much is given up once it is not tried again: this chunk, this key's range, the endpoint or all of the provider. */
  readonly stops: "chunk" | "value" | "endpoint" | "provider";
  /** Who waits meanwhile: this request, or every worker that shares its credential. */
  readonly hold: "request" | "credential";
  /** Whether the next try asks for half of the window, down to `SPLIT_FLOOR_MS`. */
  readonly splits: boolean;
}

/** Tries of one chunk, the first included. */
export const MAX_ATTEMPTS = 5;

/** A window that cannot be cut any more and is too much for the source again is not asked a third time. */
const SLOW_ATTEMPTS = 2;

/** A window is not halved below this; at the floor it is asked again as it is. */
export const SPLIT_FLOOR_MS = 15 * MINUTE;

/** Back-off of transient failures unless the source declares another (bulk files: 15 s). */
export const BACKOFF = { baseMs: SECOND, capMs: MINUTE } as const;

/** Spread added to a told wait, so that the workers it held do not all come back in the same instant. */
const TOLD_SPREAD_MS = SECOND;

const UNTOLD_BAN_MS = 10 * MINUTE;
const SLOW_WINDOW_MS = 5 * SECOND;

/** A told wait is believed up to this; the longest ban that a provider documents is 3 days. */
const MAX_WAIT_MS = 30 * DAY;

const none = (): number => 0;

const told = (ms: number, random: () => number): number => Math.min(MAX_WAIT_MS, ms) + random() * TOLD_SPREAD_MS;

// Full jitter: uniform over the whole back-off, which spreads workers that failed together the most.
const backoff = ({ attempt, toldMs, random, baseMs, capMs }: WaitInput): number =>
  toldMs !== null ? told(toldMs, random) : random() * Math.min(capMs, baseMs * 2 ** Math.max(0, attempt - 1));

const untilWindowTurns = ({ toldMs, random, longestWindowMs }: WaitInput): number =>
  told(toldMs ?? longestWindowMs, random);

const untilBanEnds = ({ toldMs, random }: WaitInput): number => told(toldMs ?? UNTOLD_BAN_MS, random);

const final = {
  retry: "no",
  countsAttempt: true,
  attempts: MAX_ATTEMPTS,
  wait: none,
  hold: "request",
  splits: false,
} as const;
const deferred = {
  retry: "after-wait",
  countsAttempt: false,
  attempts: MAX_ATTEMPTS,
  stops: "chunk",
  hold: "credential",
  splits: false,
} as const;

const retried = {
  retry: "yes",
  countsAttempt: true,
  attempts: MAX_ATTEMPTS,
  stops: "chunk",
  hold: "request",
  splits: false,
} as const;

/** What each class of failure leads to. */
export const POLICY: Readonly<Record<FailureClass, Policy>> = {
  transient: { ...retried, wait: backoff },
  "rate-told": { ...deferred, wait: untilWindowTurns },
  "rate-untold": { ...deferred, wait: untilWindowTurns },
  ban: { ...deferred, countsAttempt: true, wait: untilBanEnds },
  // Until the cycle turns: nothing more is asked of this provider in this run.
  quota: { ...final, stops: "provider", hold: "credential" },
  auth: { ...final, stops: "provider", hold: "credential" },
  "plan-endpoint": { ...final, stops: "endpoint" },
  "plan-value": { ...final, stops: "value" },
  "bad-request": { ...final, stops: "chunk" },
  "not-found": { ...final, stops: "chunk" },
  // The slice starts over at once with a fresh first page; counted, so that a source that refuses each page ends.
  "stale-cursor": { ...retried, wait: none },
  // What came is kept; what did not come stays a gap.
  partial: { ...final, stops: "chunk" },
  "slow-window": { ...retried, attempts: SLOW_ATTEMPTS, wait: () => SLOW_WINDOW_MS, splits: true },
};

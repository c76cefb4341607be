import type { RateLimit } from "../core/budget/limits.ts";

/** `live` work goes before `backfill` work of the same credential. */
export type Lane = "live" | "backfill";

export interface Permit {
  readonly credential: string;
  /** The ring slots it occupies, one a rolling limit. */
  readonly slots: readonly number[];
  /** When each frees itself, on the budget's clock: tells a late release from a slot that somebody else has by now. */
  readonly freeAt: readonly number[];
}

/** A permit, or how long to wait before asking again, and for what. */
export type Grant =
  | { readonly kind: "granted"; readonly permit: Permit }
  | { readonly kind: "wait"; readonly waitMs: number; readonly why: "rate" | "told" | "live-lane" }
  | { readonly kind: "exhausted"; readonly untilMs: number; readonly limit: string };

/** What is left of a credential's budget, for people. */
export interface BudgetUsage {
  readonly credential: string;
  readonly setting: string;
  /** 1, or less after the provider contradicted the setting. */
  readonly factor: number;
  /** Milliseconds that everybody still waits because the provider said so. */
  readonly heldMs: number;
  readonly quotas: readonly { readonly period: string; readonly used: number; readonly limit: number }[];
}

/**
 * The request budget of credentials, shared by every process on the ledger. A rolling limit of N a window is a ring
 * of N slots, each reusable one window after the response of its last use: seen at the provider's door, no window
 * can hold more than N.
 */
export interface Budget {
  /** One request's permit. `holdMs` bounds how long its answer may take: a slot of a dead process frees itself. */
  acquire(credential: string, limits: readonly RateLimit[], lane: Lane, holdMs: number): Promise<Grant>;
  /** The answer arrived (or will not): its slots are reusable one window from now. */
  release(permit: Permit, limits: readonly RateLimit[]): Promise<void>;
  /**
   * The provider throttled: everybody on this credential waits `waitMs`. The first time under a setting the rate is
   * halved; true when this call did that.
   */
  throttled(credential: string, waitMs: number): Promise<boolean>;
  usage(credential: string, limits: readonly RateLimit[]): Promise<BudgetUsage>;
}

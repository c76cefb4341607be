import type { DataDirectory } from "../data-directory.ts";

export type FmpPathKind = "earnings" | "earnings-calendar";

/**
 * How an endpoint is refused: 402 of the plan (`restricted` as plain text, `exclusive` as JSON, `premium-value` for this
 * symbol only), 403 (`legacy`, `suspended`), 404, 429 of the transfer quota, or a 429's text inside a 200.
 */
export type FmpRefusal =
  | "restricted"
  | "exclusive"
  | "premium-value"
  | "legacy"
  | "suspended"
  | "not-found"
  | "bandwidth"
  | "limit-inside-200";

export interface FmpSettings {
  /** How every endpoint is refused, or some of them. */
  readonly refuses?: FmpRefusal | { readonly [K in FmpPathKind]?: FmpRefusal };
}

/** What a sandboxed FMP answers from. */
export interface FmpWorld {
  readonly directory: DataDirectory;
  readonly settings: FmpSettings;
  /** The sandbox's present, milliseconds UTC, which can move. Null = after all events. */
  readonly nowMs: number | null;
}

import type { SaleDirectory } from "./sale-directory.ts";

/** What a sandboxed retail source answers from. */
export interface RetailWorld {
  readonly directory: SaleDirectory;
  /** The sandbox's present, milliseconds UTC, which can move; what happened later is not known yet. Null = after all data. */
  readonly nowMs: number | null;
  /** Rows after which an answer is cut without saying so. */
  readonly silentCapRows: number | null;
}

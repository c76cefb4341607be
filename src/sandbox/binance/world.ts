import type { Limit } from "../arrival-windows.ts";
import type { DataDirectory } from "../data-directory.ts";

/** What the contract leaves open, or what a test wants smaller. */
export interface BinanceSettings {
  /** Weight that one address may spend in each window. Default 6,000 a minute. */
  readonly weight?: Limit;
  /** Requests in a row that are refused with 429; the next one is banned with 418. Default 10: not documented. */
  readonly refusalsBeforeBan?: number;
  /** Length of the first ban; each further one is twice as long, up to 3 days. Default 2 minutes. */
  readonly banMs?: number;
}

/** What a sandboxed Binance answers from. */
export interface BinanceWorld {
  readonly directory: DataDirectory;
  readonly settings: BinanceSettings;
  /** The sandbox's present, milliseconds UTC; bars that start later do not exist yet. Null = after all data. */
  readonly nowMs: number | null;
  /** Rows after which an answer is cut without saying so. */
  readonly silentCapRows: number | null;
}

import type { DataDirectory } from "../data-directory.ts";

/** What the contract leaves open, or differs by plan. */
export interface PolygonSettings {
  /** Answers say DELAYED instead of OK, as on a delayed plan. */
  readonly isDelayed?: boolean;
  /** The plan lacks the endpoint: a 403, or the same refusal inside a 200. */
  readonly refuses?: "not-entitled" | "inside-200";
  /** Send `"results":[]` where the service usually leaves the key out. */
  readonly sendsEmptyResults?: boolean;
  /** Where 4 hour bars count from; default local midnight of the series' zone. */
  readonly fourHourAnchor?: "local-midnight" | "utc";
}

/** What a sandboxed Polygon answers from. */
export interface PolygonWorld {
  readonly directory: DataDirectory;
  readonly settings: PolygonSettings;
  /** The sandbox's present, milliseconds UTC; bars that start later do not exist yet. Null = after all data. */
  readonly nowMs: number | null;
  /** Rows after which an answer is cut without saying so. */
  readonly silentCapRows: number | null;
}

import type { DataDirectory } from "../data-directory.ts";

/** Paths that can be refused apart from each other. */
export const POLYGON_PATH_KINDS = ["aggregates", "grouped", "dividends", "splits"] as const;
export type PolygonPathKind = (typeof POLYGON_PATH_KINDS)[number];

/** The plan lacks the endpoint (403), the same refusal inside a 200, or there is no such endpoint (404). */
export type PolygonRefusal = "not-entitled" | "inside-200" | "not-found";

/** What the contract leaves open, or differs by plan. */
export interface PolygonSettings {
  /** Answers say DELAYED instead of OK, as on a delayed plan. */
  readonly isDelayed?: boolean;
  /** How every endpoint is refused, or some of them. */
  readonly refuses?: PolygonRefusal | { readonly [K in PolygonPathKind]?: PolygonRefusal };
  /** Send `"results":[]` where the service usually leaves the key out. */
  readonly sendsEmptyResults?: boolean;
  /** Where 4 hour bars count from; default local midnight of the series' zone. */
  readonly fourHourAnchor?: "local-midnight" | "utc";
}

/** What a sandboxed Polygon answers from. */
export interface PolygonWorld {
  readonly directory: DataDirectory;
  readonly settings: PolygonSettings;
  /** The sandbox's present, milliseconds UTC, which can move; what lies later does not exist yet. Null = after all data. */
  readonly nowMs: number | null;
  /** Rows after which an answer is cut without saying so. */
  readonly silentCapRows: number | null;
}

import type { DataDirectory } from "../data-directory.ts";
import type { Provider } from "../provider.ts";
import { AGGREGATES_PATH, answerAggregates } from "./aggregates.ts";
import { notFound, refusalInside200, tooManyRequests, unknownKey } from "./bodies.ts";

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

export interface PolygonWorld {
  readonly directory: DataDirectory;
  readonly settings: PolygonSettings;
  /** The sandbox's present, milliseconds UTC; bars that start later do not exist yet. Null = after all data. */
  readonly nowMs: number | null;
  /** Rows after which an answer is cut without saying so. */
  readonly silentCapRows: number | null;
}

/** Polygon's contract over a data directory. An endpoint is a line here and a file beside. */
export function polygonProvider(world: PolygonWorld): Provider {
  return {
    keyParameters: ["apiKey", "apikey"],
    pathKind: (path) => (AGGREGATES_PATH.test(path) ? "aggregates" : /^\/(v\d|vX)\//.test(path) ? "other" : null),
    keyOf: (headers, query) =>
      /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? query.get("apiKey") ?? query.get("apikey"),
    answer: async (request) =>
      AGGREGATES_PATH.test(request.path) ? await answerAggregates(world, request) : notFound(request.requestId),
    refuseKey: unknownKey,
    refuseRate: tooManyRequests,
    failInside200: refusalInside200,
  };
}

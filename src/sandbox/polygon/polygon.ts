import type { Provider } from "../provider.ts";
import { AGGREGATES_PATH, answerAggregates } from "./aggregates.ts";
import { notFound, refusalInside200, tooManyRequests, unknownKey } from "./bodies.ts";
import type { PolygonWorld } from "./world.ts";

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

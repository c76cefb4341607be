import type { Answer, Provider } from "../provider.ts";
import { AGGREGATES_PATH, answerAggregates } from "./aggregates.ts";
import { notEntitled, notFound, refusalInside200, tooManyRequests, unknownKey } from "./bodies.ts";
import { answerGrouped, GROUPED_PATH } from "./grouped.ts";
import { answerDividends, answerSplits } from "./reference.ts";
import type { PolygonPathKind, PolygonRefusal, PolygonWorld } from "./world.ts";

/** Polygon's contract over a data directory. An endpoint is a line here and a file beside. */
export function polygonProvider(world: PolygonWorld): Provider {
  return {
    name: "polygon",
    keyParameters: ["apiKey", "apikey"],
    pathKind: (path) => kindOf(path) ?? (/^\/(v\d|vX)\//.test(path) ? "other" : null),
    keyOf: (headers, query) =>
      /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? query.get("apiKey") ?? query.get("apikey"),
    answer: async (request) => {
      const kind = kindOf(request.path);
      if (kind === null) return notFound(request.requestId);
      const { refuses } = world.settings;
      const refusal = typeof refuses === "object" ? refuses[kind] : refuses;
      if (refusal !== undefined) return refuse(refusal, request.requestId);
      switch (kind) {
        case "aggregates":
          return await answerAggregates(world, request);
        case "grouped":
          return await answerGrouped(world, request);
        case "dividends":
          return answerDividends(world, request);
        case "splits":
          return answerSplits(world, request);
        default:
          return kind satisfies never;
      }
    },
    refuseKey: unknownKey,
    refuseRate: tooManyRequests,
    failInside200: refusalInside200,
  };
}

function kindOf(path: string): PolygonPathKind | null {
  if (AGGREGATES_PATH.test(path)) return "aggregates";
  if (GROUPED_PATH.test(path)) return "grouped";
  if (path === "/v3/reference/dividends") return "dividends";
  return path === "/v3/reference/splits" ? "splits" : null;
}

function refuse(refusal: PolygonRefusal, requestId: string): Answer {
  switch (refusal) {
    case "not-entitled":
      return notEntitled(requestId);
    case "inside-200":
      return refusalInside200(requestId);
    case "not-found":
      return notFound(requestId);
    default:
      return refusal satisfies never;
  }
}

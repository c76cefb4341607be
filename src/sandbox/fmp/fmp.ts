import type { Provider } from "../provider.ts";
import { legacyEndpoint, limitReached, notFound, refuse, unknownKey } from "./bodies.ts";
import { answerCalendar, answerEarnings } from "./earnings.ts";
import type { FmpPathKind, FmpWorld } from "./world.ts";

const LEGACY_PATH = /^\/api\/v[34]\//;

/** Financial Modeling Prep's contract over a data directory. An endpoint is a line here and a file beside. */
export function fmpProvider(world: FmpWorld): Provider {
  return {
    name: "fmp",
    keyParameters: ["apikey"],
    pathKind: (path) =>
      kindOf(path) ?? (path.startsWith("/stable/") ? "fmp-other" : LEGACY_PATH.test(path) ? "fmp-legacy" : null),
    keyOf: (headers, query) => [headers.apikey].flat()[0] ?? query.get("apikey"),
    answer: async (request) => {
      if (LEGACY_PATH.test(request.path)) return legacyEndpoint();
      const kind = kindOf(request.path);
      if (kind === null) return notFound();
      const { refuses } = world.settings;
      const refusal = typeof refuses === "object" ? refuses[kind] : refuses;
      if (refusal !== undefined) return refuse(refusal);
      return kind === "earnings" ? answerEarnings(world, request) : answerCalendar(world, request);
    },
    refuseKey: unknownKey,
    refuseRate: () => limitReached(429),
    failInside200: () => limitReached(200),
  };
}

function kindOf(path: string): FmpPathKind | null {
  if (path === "/stable/earnings") return "earnings";
  return path === "/stable/earnings-calendar" ? "earnings-calendar" : null;
}

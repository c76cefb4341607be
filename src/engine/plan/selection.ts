import { downstreamOf, upstreamOf } from "../../core/dataset/lineage.ts";
import type { Request } from "../../core/plan/plan.ts";
import { type Project, type Selection, select } from "../project.ts";
import { isAsking } from "./scope.ts";

/** What a request selects, with what that is made from where it asks for it. */
export function selection(project: Pick<Project, "pipelines">, request: Request): Selection {
  const chosen = select(project, request.selector);
  const all = chosen.bound.pipeline.datasets;
  // What a decision changes is made anew where it stands; what is made from it is stale then.
  if (request.rejudge !== undefined) return chosen;
  if (!isAsking(request)) return withDownstream(chosen, request);
  if (!request.withInputs) return chosen;
  const names = new Set(chosen.datasets.flatMap(({ name }) => [name, ...upstreamOf(all, name)]));
  return { ...chosen, datasets: all.filter((one) => names.has(one.name)) };
}

/** Whether everything is made anew, not only what decisions changed. */
export function isRemaking({ ask, rejudge }: Request): boolean {
  return ask === "bronze" && rejudge === undefined;
}

/** Without asking: the datasets and what is made from them, or all of a pipeline by its name. */
function withDownstream({ bound, datasets, named, job }: Selection, { selector }: Request): Selection {
  const all = bound.pipeline.datasets;
  const names = new Set(datasets.flatMap(({ name }) => [name, ...downstreamOf(all, name)]));
  const isWhole = selector === bound.pipeline.name;
  return { bound, datasets: isWhole ? all : all.filter((one) => names.has(one.name)), named, job };
}

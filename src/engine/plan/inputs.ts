import { setOf } from "../../core/coverage/segment.ts";
import type { Dataset, DatasetName } from "../../core/dataset/dataset.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { Request } from "../../core/plan/plan.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { BoundPipeline, Project } from "../project.ts";
import { type ScopedSeries, scopeOf } from "./scope.ts";

/** @throws RetrofillError INPUT_ABSENT, INPUT_STALE naming what to run first */
export async function refuseAbsentInputs(
  project: Project,
  plan: {
    readonly bound: BoundPipeline;
    readonly datasets: readonly Dataset[];
    readonly named: ReadonlySet<DatasetName>;
    readonly scoped: readonly ScopedSeries[];
    readonly request: Request;
    readonly now: Instant;
  },
): Promise<void> {
  const { bound, datasets, named, scoped, request, now } = plan;
  const planned = new Set(datasets.map(({ name }) => name));
  for (const dataset of datasets.filter(({ name }) => named.has(name))) {
    const inputs = (dataset.transform?.inputs ?? []).filter((input) => !planned.has(input.dataset));
    const made = scoped.filter((one) => one.dataset === dataset && one.making !== null);
    if (inputs.length === 0 || made.length === 0) continue;
    const isAbsent = inputs.some((input) => input.required) && made.every(isWithout);
    const stale = isAbsent
      ? null
      : await staleInput(
          project,
          plan,
          inputs.map((input) => input.dataset),
          now,
        );
    const input = isAbsent ? inputs.find((one) => one.required)?.dataset : stale;
    if (!input) continue;
    throw new RetrofillError(
      isAbsent ? "INPUT_ABSENT" : "INPUT_STALE",
      `${dataset.name} is made from ${input}, which ${isAbsent ? "holds nothing of this scope" : "is out of date itself"}`,
      {
        hint: `run it first: retrofill run ${selectorOf(bound, input)}; or plan both: retrofill run ${request.selector} --with-inputs`,
        context: { dataset: dataset.name, input },
      },
    );
  }
}

/** What people run to fill a dataset: the first job that is about it, else its shortest selector. */
function selectorOf({ pipeline }: BoundPipeline, dataset: DatasetName): string {
  const job = pipeline.jobs.find(({ selector }) => selector === dataset);
  return job?.name ?? (dataset === pipeline.main ? pipeline.name : dataset);
}

function isWithout({ making, segments }: ScopedSeries): boolean {
  return making !== null && making.ready.length === 0 && setOf(segments, "covered").length === 0;
}

/** A dataset among `names` that is made itself and out of date in the request's scope, or null. */
async function staleInput(
  project: Project,
  { bound, request }: { readonly bound: BoundPipeline; readonly request: Request },
  names: readonly DatasetName[],
  now: Instant,
): Promise<DatasetName | null> {
  const inputs = bound.pipeline.datasets.filter((one) => names.includes(one.name) && one.transform !== null);
  if (inputs.length === 0) return null;
  const scoped = await scopeOf(project, bound, inputs, request, { now, leaveOut: "fresh" });
  return scoped.find(({ making }) => making !== null && making.stale.length > 0)?.dataset.name ?? null;
}

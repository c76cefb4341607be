import { type Dataset, tableOf } from "../core/dataset/dataset.ts";
import type { RegistryEntry } from "../core/dataset/pipeline.ts";
import type { Series } from "../core/dataset/series.ts";
import { nearestNames, RetrofillError } from "../core/errors.ts";
import { type Request, requestFor } from "../core/plan/plan.ts";
import type { Instant } from "../core/time/instant.ts";
import { requestedSeries } from "./plan/scope.ts";
import type { BoundPipeline, Project } from "./project.ts";

/** One dataset as somebody named it. */
export interface DatasetPlace {
  readonly bound: BoundPipeline;
  readonly dataset: Dataset;
}

/** One series as somebody named it. */
export interface SeriesPlace extends DatasetPlace {
  readonly series: Series;
  readonly entry: RegistryEntry;
}

/** Every dataset of the project. */
export function allDatasets(project: Pick<Project, "pipelines">): readonly DatasetPlace[] {
  return project.pipelines.flatMap((bound) => bound.pipeline.datasets.map((dataset) => ({ bound, dataset })));
}

/**
 * The dataset called `name`: its whole name, its table's, or its pipeline's for the main one.
 * @throws RetrofillError SELECTOR_UNKNOWN with the nearest names
 */
export function findDataset(project: Pick<Project, "pipelines">, name: string): DatasetPlace {
  const all = allDatasets(project);
  const isCalled = ({ bound, dataset }: DatasetPlace): boolean =>
    dataset.name === name || (bound.pipeline.name === name && bound.pipeline.main === dataset.name);
  const found = all.find(isCalled) ?? all.find(({ dataset }) => tableOf(dataset.name) === name);
  if (found) return found;
  const known = all.flatMap(({ dataset }) => [dataset.name, tableOf(dataset.name)]);
  const near = nearestNames(name, known);
  throw new RetrofillError("SELECTOR_UNKNOWN", `no dataset is called ${name}`, {
    hint:
      near.length > 0
        ? `did you mean ${near.join(", ")}?`
        : `known: ${all.map(({ dataset }) => dataset.name).join(", ")}`,
  });
}

/**
 * The series `key` of a dataset, also one whose entry is not active any more: its history stays.
 * @throws RetrofillError KEY_UNKNOWN with the nearest names
 */
export async function findSeries(project: Project, place: DatasetPlace, key: string): Promise<SeriesPlace> {
  const { bound, dataset } = place;
  const now = project.businessNow();
  const known: SeriesPlace[] = [];
  for (const entry of await project.ledger.entries(bound.pipeline.name)) {
    for (const series of bound.pipeline.series(dataset.name, entry, now)) known.push({ ...place, series, entry });
  }
  const found = known.find(({ series }) => series.key === key);
  if (found) return found;
  const own = known.filter(({ entry }) => entry.key === key).map(({ series }) => series.key);
  const near =
    own.length > 0
      ? own
      : nearestNames(
          key,
          known.map(({ series }) => series.key),
        );
  throw new RetrofillError("KEY_UNKNOWN", `${dataset.name} has no series ${key}`, {
    hint:
      near.length > 0
        ? `did you mean ${near.join(", ")}?`
        : `a series is ${dataset.key.join("/")}; retrofill ${bound.pipeline.noun.many} list shows the ${bound.pipeline.noun.many}`,
  });
}

/** The request that means a dataset, whole or a part of it, as a selector without flags would. */
export function requestOf({ bound, dataset }: DatasetPlace, part: Partial<Request> = {}): Request {
  return requestFor(dataset.name, { maxConcurrent: bound.concurrency, ...part });
}

/** The request that means one series between two instants. */
export function requestOfSeries(
  place: SeriesPlace,
  span: { readonly start: Instant | null; readonly end: Instant | null },
): Request {
  const { flag, part } = place.bound.pipeline.narrowing;
  const value = place.series.parts[part];
  return requestOf(place, {
    entries: [place.entry.key],
    narrow: value === undefined ? {} : { [flag]: [value] },
    from: span.start,
    to: span.end,
  });
}

/**
 * The series of a dataset that lists of entries and of the narrowing part's values keep, active or not; null when
 * neither is given: all of them. @throws RetrofillError KEY_UNKNOWN with the nearest names
 */
export async function narrowedSeries(
  project: Project,
  { bound, dataset }: DatasetPlace,
  { entries, values }: { readonly entries: readonly string[] | null; readonly values: readonly string[] | null },
): Promise<readonly Series[] | null> {
  if (entries === null && values === null) return null;
  const { pipeline } = bound;
  const all = await project.ledger.entries(pipeline.name);
  const problems = (entries ?? [])
    .filter((name) => !all.some(({ key }) => key === name))
    .map((name) => {
      const near = nearestNames(
        name,
        all.map(({ key }) => key),
      );
      return `${name} is unknown${near.length > 0 ? ` (did you mean ${near.join(", ")}?)` : ""}`;
    });
  if (problems.length > 0) {
    throw new RetrofillError("KEY_UNKNOWN", `${pipeline.noun.one}: ${problems.join("; ")}`, {
      hint: `retrofill ${pipeline.noun.many} list shows them`,
    });
  }
  const chosen = entries === null ? all : all.filter(({ key }) => entries.includes(key));
  const narrow = values === null ? {} : { [pipeline.narrowing.flag]: values };
  return requestedSeries(bound, [dataset], chosen, { narrow }, project.businessNow()).map(({ series }) => series);
}

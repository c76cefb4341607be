import type { SeriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import { type DatasetPlace, requestOf } from "../place.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import type { Project } from "../project.ts";

/** How much of a dataset is out of date because an input has changed since. */
export interface Staleness {
  /** Active series. */
  readonly series: number;
  readonly stale: readonly { readonly key: SeriesKey; readonly slots: number }[];
  /** Stale slots of all of them. */
  readonly slots: number;
}

/** The staleness of a dataset over all active keys; nothing is stale of what is asked from a source. */
export async function stalenessOf(project: Project, place: DatasetPlace): Promise<Staleness> {
  const scoped = await wholeScope(project, place);
  const stale = scoped.flatMap(({ series, making }) =>
    making === null || making.stale.length === 0
      ? []
      : [{ key: series.key, slots: countSlotsOf(series.axis.grid, making.stale) }],
  );
  return { series: scoped.length, stale, slots: stale.reduce((sum, { slots }) => sum + slots, 0) };
}

async function wholeScope(project: Project, place: DatasetPlace): Promise<readonly ScopedSeries[]> {
  try {
    return await scopeOf(project, place.bound, [place.dataset], requestOf(place), {
      now: project.businessNow(),
      leaveOut: "fresh",
    });
  } catch (error) {
    if (error instanceof RetrofillError && error.code === "NO_ACTIVE_KEYS") return [];
    throw error;
  }
}

import { type Standing, standingOf } from "../../core/coverage/gaps.ts";
import type { Segments } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { RegistryEntry } from "../../core/dataset/pipeline.ts";
import type { Series, SeriesKey } from "../../core/dataset/series.ts";
import { nearestNames, RetrofillError } from "../../core/errors.ts";
import type { Plan, Request } from "../../core/plan/plan.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { EMPTY, normalize } from "../../core/time/interval-set.ts";
import type { BoundPipeline, Project } from "../project.ts";

/** One series of a request, with its truth. */
export interface ScopedSeries {
  readonly series: Series;
  readonly entry: RegistryEntry;
  readonly requested: Interval;
  readonly segments: Segments;
  readonly standing: Standing;
}

/**
 * The registry entries that a request means, in registry order.
 * @throws RetrofillError KEY_UNKNOWN naming every unknown one with its nearest names, NO_ACTIVE_KEYS
 */
export async function requestedEntries(
  project: Project,
  bound: BoundPipeline,
  request: Pick<Request, "entries" | "limit">,
): Promise<readonly RegistryEntry[]> {
  const { pipeline } = bound;
  const { one, many } = pipeline.noun;
  const all = await project.ledger.entries(pipeline.name);
  const active = all.filter((entry) => entry.active);
  let chosen: readonly RegistryEntry[] = active;
  if (request.entries !== null) {
    const known = new Map(all.map((entry) => [entry.key, entry]));
    const problems: string[] = [];
    const wanted: RegistryEntry[] = [];
    for (const name of request.entries) {
      const entry = known.get(name);
      if (entry) {
        if (entry.active) wanted.push(entry);
        else problems.push(`${name} is not active (retrofill ${many} set ${name} --active)`);
        continue;
      }
      const near = nearestNames(name, [...known.keys()]);
      problems.push(`${name} is unknown${near.length > 0 ? ` (did you mean ${near.join(", ")}?)` : ""}`);
    }
    if (problems.length > 0) {
      throw new RetrofillError("KEY_UNKNOWN", `${one}: ${problems.join("; ")}`, {
        hint: `retrofill ${many} list shows them; retrofill ${many} add ${request.entries[0] ?? "NAME"} adds one`,
      });
    }
    chosen = wanted;
  }
  if (chosen.length === 0) {
    throw new RetrofillError("NO_ACTIVE_KEYS", `No ${many} to backfill: no active ${many} in this project`, {
      hint: `add one: retrofill ${many} add AAPL --asset-class stock`,
    });
  }
  return request.limit === null ? chosen : chosen.slice(0, request.limit);
}

/** The series of `entries` that the request keeps after its narrowing flags. @throws RetrofillError KEY_UNKNOWN */
export function requestedSeries(
  bound: BoundPipeline,
  dataset: Dataset,
  entries: readonly RegistryEntry[],
  request: Pick<Request, "narrow">,
  now: Instant,
): readonly { readonly series: Series; readonly entry: RegistryEntry }[] {
  const { part, values, flag } = bound.pipeline.narrowing;
  const wanted = request.narrow[flag] ?? null;
  const unknown = (wanted ?? []).filter((value) => !values.includes(value));
  if (unknown.length > 0) {
    throw new RetrofillError("KEY_UNKNOWN", `--${flag}: ${unknown.join(", ")} is not one of ${values.join(", ")}`);
  }
  return entries.flatMap((entry) =>
    bound.pipeline
      .series(dataset.name, entry, now)
      .filter((series) => wanted === null || wanted.includes(series.parts[part] ?? ""))
      .map((series) => ({ series, entry })),
  );
}

/** What a request asks of one series: its own range, or the series' `since` up to business now. */
export function requestedSpan(series: Series, request: Pick<Request, "from" | "to">, now: Instant): Interval | null {
  const start = request.from ?? series.since;
  const end = request.to === null || request.to > now ? now : request.to;
  return start < end ? { start, end } : null;
}

/** Every series of a request with its truth at `now`. */
export async function scopeOf(
  project: Project,
  bound: BoundPipeline,
  dataset: Dataset,
  request: Request,
  options: {
    readonly now: Instant;
    /** Refused stretches outside the effective scope: those received within a day, or what a plan left out. */
    readonly leaveOut: "fresh" | Pick<Plan, "series">;
  },
): Promise<readonly ScopedSeries[]> {
  const entries = await requestedEntries(project, bound, request);
  const wanted = requestedSeries(bound, dataset, entries, request, options.now);
  const keys = wanted.map(({ series }): SeriesKey => series.key);
  const [segments, refusedAt] = await Promise.all([
    project.ledger.segments(dataset.name, dataset.version, keys),
    project.ledger.refusedAt(dataset.name, dataset.version),
  ]);
  const realNow = project.clock.now();
  const leaveOut =
    options.leaveOut === "fresh"
      ? options.leaveOut
      : new Map(options.leaveOut.series.map((one) => [one.key, normalize(one.leftOut)]));
  const scoped: ScopedSeries[] = [];
  for (const { series, entry } of wanted) {
    const requested = requestedSpan(series, request, options.now);
    if (requested === null) continue;
    const own = segments.get(series.key) ?? [];
    const standing = standingOf(series, own, {
      span: requested,
      now: options.now,
      realNow,
      refusedAt: (segment) => refusedAt.get(segment.chunk ?? "") ?? null,
      leaveOut: leaveOut === "fresh" ? leaveOut : (leaveOut.get(series.key) ?? EMPTY),
    });
    scoped.push({ series, entry, requested, segments: own, standing });
  }
  return scoped;
}

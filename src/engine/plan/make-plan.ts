import { formatLimits, isRolling, type RateLimit } from "../../core/budget/limits.ts";
import { setOf } from "../../core/coverage/segment.ts";
import { withClosedHours } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { buildSteps, repairAllowance } from "../../core/plan/build-plan.ts";
import type { Fingerprint, Plan, Request, RunKind, RunMode } from "../../core/plan/plan.ts";
import { HOUR, type Instant, MINUTE, plus } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, intersects, normalize, subtract } from "../../core/time/interval-set.ts";
import { newId } from "../ids.ts";
import type { ChunkRecord } from "../ledger-port.ts";
import { type BoundPipeline, type Project, select } from "../project.ts";
import { type ScopedSeries, scopeOf } from "./scope.ts";

/** A plan that nobody applied within this has met a changed world too often to be worth checking. */
const PLAN_LIFE_MS = 24 * HOUR;

export interface PlanOptions {
  readonly mode: RunMode | null;
  readonly overrideState: boolean;
  readonly reason: string | null;
  readonly actor: string;
  /** Frozen business now; a re-plan of the same request keeps it. */
  readonly businessNow: Instant;
}

/** Makes the plan that closes every gap of a request. Writes nothing. */
export async function makePlan(project: Project, request: Request, options: PlanOptions): Promise<Plan> {
  const { bound, dataset, job } = select(project, request.selector);
  await checkLogic(project, dataset);
  const now = options.businessNow;
  const scoped = await scopeOf(project, bound, dataset, request, { now, leaveOut: "fresh" });
  const { factor } = await project.budget.usage(bound.credential, bound.limits);
  const pending = await pendingChunks(project, dataset);
  const disputed = await disputedChunks(project, dataset, scoped);
  const build = [...pending.chunks.map((chunk) => chunk.id), ...disputed.chunks];
  const { series, steps, cost } = buildSteps(
    scoped.map((one) => ({
      ...one,
      unpublished: normalize([
        ...(pending.byKey.get(one.series.key) ?? []),
        ...(disputed.byKey.get(one.series.key) ?? []),
      ]),
      windows: (gaps) => bound.source.windows(one.series, askedFor(one, gaps)),
    })),
    {
      source: bound.source.name,
      pendingChunks: build,
      minutesFor: (calls) => minutesFor(bound.limits, calls) / factor,
    },
  );
  const mode = options.mode ?? job?.mode ?? "backfill";
  const calls = cost.calls;
  const body = {
    businessNow: now,
    mode,
    kind: kindOf(request, scoped),
    overrideState: options.overrideState,
    request,
    series,
    steps,
    repair: { rounds: bound.repairRounds, calls: repairAllowance(calls) },
    settings: { ...bound.shown, "fetched at once": String(request.maxConcurrent) },
    limits: formatLimits(bound.limits) + (factor < 1 ? " (halved: the provider answered 429 under it)" : ""),
    cost,
    fingerprint: fingerprintOf(project, bound, dataset, scoped),
  };
  const createdAt = project.clock.now();
  return {
    id: newId("plan", createdAt, project.random),
    createdAt,
    expiresAt: plus(createdAt, PLAN_LIFE_MS),
    actor: options.actor,
    reason: options.reason,
    ...body,
    hash: project.hash(JSON.stringify(body)),
  };
}

/** `gaps` with the closed hours around them, where a row may stand although none is owed. */
function askedFor({ series, standing }: ScopedSeries, gaps: IntervalSet): IntervalSet {
  if (series.axis.density === "dense" || standing.scope === null) return gaps;
  return withClosedHours(series.axis, gaps, standing.scope);
}

/**
 * What has changed in the plan's scope since it was made, in words; empty when nothing has.
 * @throws RetrofillError LOGIC_CHANGED
 */
export async function driftOf(project: Project, plan: Plan): Promise<readonly string[]> {
  const { bound, dataset } = select(project, plan.request.selector);
  await checkLogic(project, dataset);
  let now: Fingerprint;
  try {
    const scoped = await scopeOf(project, bound, dataset, plan.request, {
      now: plan.businessNow,
      leaveOut: "fresh",
    });
    now = fingerprintOf(project, bound, dataset, scoped);
  } catch (error) {
    if (error instanceof RetrofillError) return [error.message];
    throw error;
  }
  const then = plan.fingerprint;
  const differences: string[] = [];
  if (then.declarations !== now.declarations)
    differences.push("declarations: the dataset's or source's settings changed");
  for (const key of new Set([...Object.keys(then.registry), ...Object.keys(now.registry)])) {
    const before = then.registry[key];
    const after = now.registry[key];
    if (before === after) continue;
    differences.push(`registry ${key}: ${fieldDifferences(before, after)}`);
  }
  const moved = [...new Set([...Object.keys(then.coverage), ...Object.keys(now.coverage)])].filter(
    (key) => then.coverage[key] !== now.coverage[key],
  );
  for (const key of moved.slice(0, 10)) {
    differences.push(
      `coverage ${key}: ${then.coverage[key] ?? "none"} when planned, ${now.coverage[key] ?? "none"} now`,
    );
  }
  if (moved.length > 10) differences.push(`coverage of ${moved.length - 10} more series changed`);
  return differences;
}

/** Minutes that `calls` take at the declared limits when every answer is instant. */
export function minutesFor(limits: readonly RateLimit[], calls: number): number {
  const rolling = limits.filter(isRolling).map((limit) => (Math.max(0, calls - 1) * limit.windowMs) / limit.count);
  return Math.max(0, ...rolling) / MINUTE;
}

async function checkLogic(project: Project, dataset: Dataset): Promise<void> {
  const logic = project.hash(JSON.stringify([dataset.columns, dataset.key, dataset.production]));
  const known = await project.ledger.versionFingerprint(dataset.name, dataset.version, logic, project.clock.now());
  if (known !== logic) {
    throw new RetrofillError(
      "LOGIC_CHANGED",
      `${dataset.name}: its logic changed while its version is still ${dataset.version}`,
      { hint: "raise the dataset's version, or take the change back: one version never has two meanings" },
    );
  }
}

/** Fetched and unpublished chunks that no live run works on: their objects are paid for. */
async function pendingChunks(
  project: Project,
  dataset: Dataset,
): Promise<{ readonly chunks: readonly ChunkRecord[]; readonly byKey: ReadonlyMap<SeriesKey, readonly Interval[]> }> {
  const all = await project.ledger.unpublished(dataset.name, dataset.version);
  const busy = new Set<string>();
  for (const id of new Set(all.map((chunk) => chunk.runId))) {
    const run = await project.ledger.run(id);
    if (run?.status === "running" && project.isAlive(run.owner)) busy.add(id);
  }
  const chunks = all.filter((chunk) => !busy.has(chunk.runId));
  const byKey = new Map<SeriesKey, Interval[]>();
  for (const chunk of chunks) byKey.set(chunk.key, [...(byKey.get(chunk.key) ?? []), chunk.window]);
  return { chunks, byKey };
}

/** Chunks whose objects restore what the stored data lost, and the stretches they restore. */
async function disputedChunks(
  project: Project,
  dataset: Dataset,
  scoped: readonly ScopedSeries[],
): Promise<{ readonly chunks: readonly string[]; readonly byKey: ReadonlyMap<SeriesKey, IntervalSet> }> {
  const byKey = new Map<SeriesKey, IntervalSet>();
  for (const { series, segments } of scoped) {
    const disputed = setOf(segments, "disputed");
    if (disputed.length > 0) byKey.set(series.key, disputed);
  }
  if (byKey.size === 0) return { chunks: [], byKey };
  const objects = await project.ledger.objectsOfDataset(dataset.name, dataset.version);
  const chunks = new Set<string>();
  for (const object of objects) {
    const disputed = byKey.get(object.key);
    if (disputed && intersects(disputed, [object.answered])) chunks.add(object.chunkId);
  }
  return { chunks: [...chunks], byKey };
}

function kindOf(request: Request, scoped: readonly ScopedSeries[]): RunKind {
  const repairs = scoped.every(({ standing }) => standing.gaps.every((gap) => gap.cause !== "never-asked"));
  if (repairs && scoped.some(({ standing }) => standing.gaps.length > 0)) return "repair";
  return request.from !== null || request.to !== null ? "temporal" : "dataset";
}

function fingerprintOf(
  project: Project,
  bound: BoundPipeline,
  dataset: Dataset,
  scoped: readonly ScopedSeries[],
): Fingerprint {
  const registry: Record<string, string> = {};
  const coverage: Record<string, string> = {};
  for (const { series, entry, standing } of scoped) {
    registry[entry.key] = JSON.stringify({ active: entry.active, ...entry.attributes });
    const gaps = standing.gaps.map((gap) => [gap.start, gap.end]);
    const hash = project.hash(
      JSON.stringify([series.axis.grid, series.axis.earliest, series.ask, standing.scope, gaps]),
    );
    coverage[series.key] = `${standing.gaps.length} gaps (${hash.slice(0, 12)})`;
  }
  const declared = [dataset.name, dataset.version, dataset.columns, dataset.production, bound.source.name, bound.shown];
  return { declarations: project.hash(JSON.stringify(declared)), registry, coverage };
}

function fieldDifferences(before: string | undefined, after: string | undefined): string {
  if (before === undefined) return "added";
  if (after === undefined) return "gone";
  const old = JSON.parse(before) as Record<string, unknown>;
  const fresh = JSON.parse(after) as Record<string, unknown>;
  const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])];
  return names
    .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(fresh[name]))
    .map((name) => `${name} was ${JSON.stringify(old[name] ?? null)}, is ${JSON.stringify(fresh[name] ?? null)}`)
    .join("; ");
}

/** The disputed stretches of the scope that a build of `chunks` restores. */
export function restoredBy(
  scoped: readonly ScopedSeries[],
  answered: ReadonlyMap<SeriesKey, IntervalSet>,
): ReadonlyMap<SeriesKey, IntervalSet> {
  const restored = new Map<SeriesKey, IntervalSet>();
  for (const { series, segments } of scoped) {
    const disputed = setOf(segments, "disputed");
    const healed = subtract(disputed, subtract(disputed, answered.get(series.key) ?? []));
    if (healed.length > 0) restored.set(series.key, healed);
  }
  return restored;
}

import { gapSet } from "../../core/coverage/gaps.ts";
import { affected, readyBy } from "../../core/coverage/lineage.ts";
import { setOf, spansOf } from "../../core/coverage/segment.ts";
import { type Axis, dueSet, withClosedHours } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { cellKey, type SeriesKey } from "../../core/dataset/series.ts";
import type { AccessPath, Choice } from "../../core/plan/access-paths.ts";
import { fetchSteps, repairAllowance, type SeriesState, seriesPlan } from "../../core/plan/build-plan.ts";
import { type Arrival, diskSpace } from "../../core/plan/disk-space.ts";
import type { BuildStep, FetchStep, Plan, Request, RunKind, RunMode, SeriesPlan, Step } from "../../core/plan/plan.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import { HOUR, type Instant, instant, plus } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import {
  clip,
  EMPTY,
  type IntervalSet,
  intersect,
  intersects,
  normalize,
  spanOf,
  subtract,
  union,
} from "../../core/time/interval-set.ts";
import { newId } from "../ids.ts";
import type { ChunkRecord } from "../ledger-port.ts";
import type { BoundPipeline, Project } from "../project.ts";
import { newestAnswers, rowsPerSlot } from "./answers.ts";
import { callsBySeries, costOf, limitsText, savedCalls } from "./cost.ts";
import { dayPlanOf } from "./day-plan.ts";
import { checkLogic, fingerprintOf } from "./drift.ts";
import { bronzeGrowth } from "./growth.ts";
import { refuseAbsentInputs } from "./inputs.ts";
import { placesIn } from "./phase-order.ts";
import { isAsking, placeOf, type ScopedSeries, scopeOf } from "./scope.ts";
import { isRemaking, selection } from "./selection.ts";

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
export async function makePlan(project: Project, asked: Request, options: PlanOptions): Promise<Plan> {
  const { bound, datasets: selected, named, job } = selection(project, asked);
  for (const dataset of selected) await checkLogic(project, dataset);
  await bound.prepare();
  const now = options.businessNow;
  const mode = options.mode ?? job?.mode ?? "backfill";
  const request = mode === "incremental" ? await fromWatermark(project, selected, asked, now) : asked;
  const scoped = await scopeOf(project, bound, selected, request, { now, leaveOut: "fresh" });
  await refuseAbsentInputs(project, { bound, datasets: selected, named, scoped, request, now });
  const datasets = selected.filter(
    (one) => (one.extract !== null && isAsking(request)) || scoped.some(({ dataset }) => dataset === one),
  );

  const states = new Map<string, SeriesState>();
  const making = new Map<string, SeriesPlan["making"]>();
  const steps: Step[] = [];
  const choices: Choice[] = [];
  const arrivals: Arrival[] = [];
  let rows = 0;
  let rowsMeasured = false;
  for (const dataset of datasets) {
    const own = scoped.filter((one) => one.dataset === dataset);
    const asking = own.filter(({ series }) => series.source !== null);
    const pending = await pendingChunks(project, dataset);
    const disputed = await disputedChunks(project, dataset, asking);
    const planned: SeriesState[] = [];
    for (const one of own) {
      const state = stateOf(one, request, mode, union(pending.of(one.series.key), disputed.of(one.series.key)));
      states.set(cellKey(one.series), state);
      if (one.series.source !== null) planned.push(state);
    }
    const fetches = fetchSteps(planned, pathsOf(bound, dataset, request));
    steps.push(...(await inPhases(bound, own, fetches.steps, { ...request, now })));
    choices.push(...fetches.choices);
    const arrival = await arrivalOf(project, dataset, asking, { ...fetches, now });
    const hasLines = (dataset.rowKey ?? []).length > 0;
    rows += hasLines ? Math.round(arrival.received) : fetches.rows;
    rowsMeasured ||= hasLines;
    const { windows, slots } = windowsToMake(bound, dataset, own, {
      before: steps,
      all: isRemaking(request),
      now,
    });
    for (const [id, made] of slots) making.set(id, made);
    const made = [...slots.values()].reduce((sum, { fresh }) => sum + fresh, 0);
    rows += made;
    arrivals.push({ ...arrival, made });
    steps.push({
      kind: "build",
      dataset: dataset.name,
      version: dataset.version,
      pendingChunks: [...pending.chunks.map((chunk) => chunk.id), ...disputed.chunks],
      windows,
      ...(request.rejudge === undefined || dataset.extract === null ? {} : { rejudged: request.rejudge }),
      ...(await rebuilding(project, dataset, request)),
      reverts: dataset.extract === null ? null : request.revert,
    });
  }
  const growth =
    mode === "incremental"
      ? await bronzeGrowth(project, { selector: request.selector, datasets, scoped, steps, now })
      : null;
  const cost = await costOf(project, bound, steps, {
    rows,
    ...(rowsMeasured ? { rowsMeasured } : {}),
    bytes: diskSpace(arrivals),
    choices,
    savedCalls: savedCalls(bound, scoped),
    ...(growth === null ? {} : { yearlyBytes: growth }),
  });
  const calls = callsBySeries(steps, bound);
  const body = {
    businessNow: now,
    mode,
    kind: kindOf(request, scoped),
    overrideState: options.overrideState,
    request,
    series: [...states.values()].map((state) => {
      const id = cellKey(state.series);
      return seriesPlan(state, calls.get(id) ?? 0, making.get(id) ?? { fresh: 0, halo: 0 });
    }),
    steps,
    repair: { rounds: bound.repairRounds, calls: repairAllowance(cost.calls) },
    settings: { ...bound.shown, ...bound.shownFor?.(request), "fetched at once": String(request.maxConcurrent) },
    limits: cost.providers.map(({ limits }) => limits).join(" · ") || (await limitsText(project, bound)),
    cost,
    fingerprint: fingerprintOf(project, bound, selected, scoped),
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

/**
 * An incremental run without a range goes on from the oldest watermark of what it fills. Without one it looks at all
 * of the history, or only at its newest edge where a live backfill is on its way through the rest.
 */
async function fromWatermark(
  project: Project,
  datasets: readonly Dataset[],
  request: Request,
  now: Instant,
): Promise<Request> {
  const { edgeOnly: _, ...asked } = request;
  if (asked.from !== null) return asked;
  const marks: Instant[] = [];
  for (const { name, version, extract } of datasets) {
    if (extract === null) continue;
    const mark = await project.ledger.watermark(name, version);
    if (mark !== null) marks.push(mark.at);
    else if (await isBackfilling(project)) return { ...asked, watermark: now, edgeOnly: true };
    else return { ...asked, watermark: null };
  }
  return { ...asked, watermark: marks.length === 0 ? null : instant(Math.min(...marks)) };
}

async function isBackfilling(project: Project): Promise<boolean> {
  const runs = await project.ledger.runs(100);
  return runs.some((run) => run.status === "running" && run.mode === "backfill" && project.isAlive(run.owner));
}

/** What one series wants: its gaps and what is asked again, less what bronze already has. */
function stateOf(one: ScopedSeries, request: Request, mode: RunMode, paidFor: IntervalSet): SeriesState {
  const { series, standing } = one;
  const again = series.source === null ? EMPTY : askedAgain(one, request, mode);
  // A file says the same twice: what was answered once is for who can be asked by calls.
  const silent = request.ask === "held" ? spansOf(standing.gaps.filter(({ cause }) => cause === "asked-once")) : EMPTY;
  const missing = isAsking(request) ? subtract(gapSet(standing), silent) : EMPTY;
  const wanted = subtract(union(missing, again), paidFor);
  const scope = standing.scope;
  const ranges =
    series.axis.density === "dense" || scope === null ? wanted : withClosedHours(series.axis, wanted, scope);
  return { ...one, wanted, ranges, again: subtract(again, paidFor) };
}

/** Covered slots that are asked again: all of the range with `again`, the lookback of an incremental run. */
function askedAgain({ series, standing, segments }: ScopedSeries, request: Request, mode: RunMode): IntervalSet {
  const { due, scope } = standing;
  if (scope === null || !isAsking(request)) return EMPTY;
  const covered = intersect(due, setOf(segments, "covered", "empty"));
  if (request.ask === "again") return covered;
  if (mode !== "incremental") return EMPTY;
  const start = plus(request.watermark ?? scope.end, -series.lookbackMs);
  return start < scope.end ? clip(covered, { start, end: scope.end }) : EMPTY;
}

/** The ways to ask for a dataset, with whom each asks. */
export function pathsOf(
  bound: BoundPipeline,
  dataset: Dataset,
  { chunkSlots, ask }: Pick<Request, "chunkSlots" | "ask">,
): readonly (AccessPath & { readonly provider: string })[] {
  return bound.sources
    .filter((one) => one.dataset === dataset.name && (ask !== "held" || one.source.held !== undefined))
    .map(({ source, provider }) => ({
      name: source.name,
      provider: provider.name,
      kind: source.held !== undefined ? "held" : source.group !== undefined ? "all" : "key",
      serves: (series) => source.serves(series) && (source.held !== undefined || source.system === series.source),
      windows: (series, gaps) => source.windows(series, gaps, chunkSlots),
      ...(source.group === undefined ? {} : { group: source.group.bind(source) }),
      ...(source.held === undefined ? {} : { held: source.held.bind(source) }),
      fillsOnly: source.fillsOnly === true,
      ...(source.held === undefined || source.match === undefined
        ? {}
        : { target: (series, window) => source.request(series, window).target }),
    }));
}

/** The questions in the order in which the pipeline heals its gaps: common ones first, then the worst keys, then the rest. */
async function inPhases(
  bound: BoundPipeline,
  own: readonly ScopedSeries[],
  steps: readonly FetchStep[],
  asked: Pick<Request, "from" | "to"> & { readonly now: Instant },
): Promise<readonly FetchStep[]> {
  if (bound.dayReporting === undefined || steps.every(({ chunks }) => chunks.length < 2)) return steps;
  const plan = dayPlanOf(own, await bound.dayReporting(), asked);
  const zone = own[0]?.series.axis.grid.zone;
  if (plan === null || zone === undefined) return steps;
  const placeAt = placesIn(plan, zone);
  return steps.map((step) => ({
    ...step,
    chunks: [...step.chunks].sort((a, b) => placeAt(a) - placeAt(b)),
  }));
}

/** What steps bring of one dataset, where its slots hold as many rows as they did in its last answers. */
async function arrivalOf(
  project: Project,
  dataset: Dataset,
  asking: readonly ScopedSeries[],
  { steps, rows, now }: { readonly steps: readonly FetchStep[]; readonly rows: number; readonly now: Instant },
): Promise<Omit<Arrival, "made">> {
  const answers = steps.reduce((sum, { chunks }) => sum + chunks.length, 0);
  if (answers === 0) return { dataset, received: 0, answers };
  return { dataset, received: rows * rowsPerSlot(await newestAnswers(project, dataset, asking, now)), answers };
}

/** Whether a dataset is made anew from stored answers, and from how many. */
async function rebuilding(
  project: Project,
  { name, version, extract, transform }: Dataset,
  request: Request,
): Promise<Pick<BuildStep, "rebuild" | "objects">> {
  if (!isRemaking(request)) return { rebuild: false, objects: 0 };
  const objects = extract === null ? 0 : (await project.ledger.objectsOfDataset(name, version)).length;
  return { rebuild: objects > 0 || transform !== null, objects };
}

/**
 * What is made of one dataset at most: what lacks and can be made once the steps before are done, what is stale, and
 * the halo of what those steps may change; or all of it.
 */
function windowsToMake(
  bound: BoundPipeline,
  dataset: Dataset,
  own: readonly ScopedSeries[],
  { before, all, now }: { readonly before: readonly Step[]; readonly all: boolean; readonly now: Instant },
): {
  readonly windows: readonly (Interval & { readonly key: SeriesKey })[];
  readonly slots: ReadonlyMap<string, SeriesPlan["making"]>;
} {
  const windows: (Interval & { readonly key: SeriesKey })[] = [];
  const slots = new Map<string, SeriesPlan["making"]>();
  const coming = comingBy(before);
  for (const { series, standing, segments, making } of own) {
    if (making === null) continue;
    const covered = setOf(segments, "covered");
    let ready = making.ready;
    let reached: IntervalSet = EMPTY;
    for (const input of dataset.transform?.inputs ?? []) {
      const place = placeOf(bound, series, input);
      const changing = coming.get(`${place.dataset} ${place.key}`) ?? EMPTY;
      if (input.required) ready = union(ready, readyBy(input.reach, changing, series.axis.lifetime.end));
      reached = union(reached, normalize(changing.map((span) => affected(series.axis, input.reach, span))));
    }
    const requested = intersect(standing.due, standing.scope === null ? EMPTY : [standing.scope]);
    const lacking = subtract(intersect(ready, requested), covered);
    const stale = intersect(covered, union(making.stale, reached));
    const old = all ? covered : stale;
    for (const { start, end } of union(lacking, old)) windows.push({ key: series.key, start, end });
    slots.set(cellKey(series), {
      fresh: countSlotsOf(series.axis.grid, lacking),
      halo: countSlotsOf(series.axis.grid, dueOf(series.axis, old, now)),
    });
  }
  return { windows, slots };
}

function dueOf(axis: Axis, set: IntervalSet, now: Instant): IntervalSet {
  const span = spanOf(set);
  return span === null ? EMPTY : intersect(set, dueSet(axis, span, now));
}

/** Where steps may bring or change rows, by dataset and key. */
function comingBy(steps: readonly Step[]): ReadonlyMap<string, IntervalSet> {
  const spans = new Map<string, Interval[]>();
  const add = ({ dataset }: Step, key: SeriesKey, { start, end }: Interval): void => {
    const id = `${dataset} ${key}`;
    const known = spans.get(id);
    if (known) known.push({ start, end });
    else spans.set(id, [{ start, end }]);
  };
  for (const step of steps) {
    if (step.kind === "build") for (const window of step.windows) add(step, window.key, window);
    else for (const chunk of step.chunks) for (const key of chunk.keys ?? [chunk.key]) add(step, key, chunk);
  }
  return new Map([...spans].map(([id, list]) => [id, normalize(list)]));
}

interface PaidFor {
  readonly chunks: readonly ChunkRecord[];
  of(key: SeriesKey): IntervalSet;
}

/** Fetched and unpublished chunks that no live run works on: their objects are paid for. */
async function pendingChunks(project: Project, dataset: Dataset): Promise<PaidFor> {
  const all = await project.ledger.unpublished(dataset.name, dataset.version);
  const busy = new Set<string>();
  for (const id of new Set(all.map((chunk) => chunk.runId))) {
    const run = await project.ledger.run(id);
    if (run?.status === "running" && project.isAlive(run.owner)) busy.add(id);
  }
  const chunks = all.filter((chunk) => !busy.has(chunk.runId));
  const byKey = new Map<SeriesKey, Interval[]>();
  for (const chunk of chunks) {
    for (const key of chunk.keys) byKey.set(key, [...(byKey.get(key) ?? []), chunk.window]);
  }
  return { chunks, of: (key) => normalize(byKey.get(key) ?? []) };
}

/** Chunks whose objects restore what the stored data lost, and the stretches they restore. */
async function disputedChunks(
  project: Project,
  dataset: Dataset,
  scoped: readonly ScopedSeries[],
): Promise<{ readonly chunks: readonly string[]; of(key: SeriesKey): IntervalSet }> {
  const byKey = new Map<SeriesKey, IntervalSet>();
  for (const { series, segments } of scoped) {
    const disputed = setOf(segments, "disputed");
    if (disputed.length > 0) byKey.set(series.key, disputed);
  }
  const of = (key: SeriesKey): IntervalSet => byKey.get(key) ?? EMPTY;
  if (byKey.size === 0) return { chunks: [], of };
  const objects = await project.ledger.objectsOfDataset(dataset.name, dataset.version);
  const chunks = new Set<string>();
  for (const object of objects) {
    if (object.keys.some((key) => intersects(of(key), [object.answered]))) chunks.add(object.chunkId);
  }
  return { chunks: [...chunks], of };
}

function kindOf(request: Request, scoped: readonly ScopedSeries[]): RunKind {
  if (request.rejudge !== undefined) return "forced";
  if (!isAsking(request)) return "dataset";
  const asking = scoped.filter(({ series }) => series.source !== null);
  const repairs = asking.every(({ standing }) => standing.gaps.every((gap) => gap.cause !== "never-asked"));
  if (repairs && asking.some(({ standing }) => standing.gaps.length > 0)) return "repair";
  return request.from !== null || request.to !== null ? "temporal" : "dataset";
}

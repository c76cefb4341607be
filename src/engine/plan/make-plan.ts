import { formatLimits, isRolling, type RateLimit } from "../../core/budget/limits.ts";
import { gapSet } from "../../core/coverage/gaps.ts";
import { affected } from "../../core/coverage/lineage.ts";
import { setOf, spansOf } from "../../core/coverage/segment.ts";
import { type Axis, dueSet, withClosedHours } from "../../core/dataset/axis.ts";
import type { Dataset, DatasetName } from "../../core/dataset/dataset.ts";
import { downstreamOf, upstreamOf } from "../../core/dataset/lineage.ts";
import { cellKey, type SeriesKey } from "../../core/dataset/series.ts";
import { logicOf } from "../../core/dataset/sql.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { AccessPath, Choice } from "../../core/plan/access-paths.ts";
import {
  BYTES_PER_ROW,
  fetchSteps,
  repairAllowance,
  type SeriesState,
  seriesPlan,
} from "../../core/plan/build-plan.ts";
import type {
  BuildStep,
  Cost,
  FetchStep,
  Fingerprint,
  Plan,
  Request,
  RunKind,
  RunMode,
  SeriesPlan,
  Step,
} from "../../core/plan/plan.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import { HOUR, type Instant, instant, MINUTE, plus } from "../../core/time/instant.ts";
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
import { intervalOfDays } from "../../core/time/local-days.ts";
import { newId } from "../ids.ts";
import type { ChunkRecord } from "../ledger-port.ts";
import { type BoundPipeline, type Project, type Provider, type Selection, select } from "../project.ts";
import { dayPlanOf } from "./day-plan.ts";
import { bronzeGrowth } from "./growth.ts";
import { isAsking, placeOf, type ScopedSeries, scopeOf } from "./scope.ts";

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
  const datasets = selected.filter((one) => one.extract !== null || scoped.some(({ dataset }) => dataset === one));

  const states = new Map<string, SeriesState>();
  const making = new Map<string, SeriesPlan["making"]>();
  const steps: Step[] = [];
  const choices: Choice[] = [];
  let rows = 0;
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
    rows += fetches.rows;
    const { windows, slots } = windowsToMake(bound, dataset, own, {
      before: steps,
      all: isRemaking(request),
      now,
    });
    for (const [id, made] of slots) {
      making.set(id, made);
      rows += made.fresh;
    }
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
  const growth = mode === "incremental" ? await bronzeGrowth(project, datasets, scoped, now) : null;
  const cost = await costOf(project, bound, steps, {
    rows,
    choices,
    savedCalls: savedCalls(bound, scoped),
    ...(growth === null ? {} : { yearlyBytes: growth.bytesPerYear }),
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
    settings: { ...bound.shown, "fetched at once": String(request.maxConcurrent) },
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
function isRemaking({ ask, rejudge }: Request): boolean {
  return ask === "bronze" && rejudge === undefined;
}

/** Without asking: the datasets and what is made from them, or all of a pipeline by its name. */
function withDownstream({ bound, datasets, named, job }: Selection, { selector }: Request): Selection {
  const all = bound.pipeline.datasets;
  const names = new Set(datasets.flatMap(({ name }) => [name, ...downstreamOf(all, name)]));
  const isWhole = selector === bound.pipeline.name;
  return { bound, datasets: isWhole ? all : all.filter((one) => names.has(one.name)), named, job };
}

/**
 * What has changed in the plan's scope since it was made, in words; empty when nothing has.
 * @throws RetrofillError LOGIC_CHANGED
 */
export async function driftOf(project: Project, plan: Plan): Promise<readonly string[]> {
  const { bound, datasets } = selection(project, plan.request);
  for (const dataset of datasets) await checkLogic(project, dataset);
  let now: Fingerprint;
  try {
    const scoped = await scopeOf(project, bound, datasets, plan.request, {
      now: plan.businessNow,
      leaveOut: "fresh",
    });
    now = fingerprintOf(project, bound, datasets, scoped);
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
  if (request.from !== null) return request;
  const marks: Instant[] = [];
  for (const { name, version, extract } of datasets) {
    if (extract === null) continue;
    const mark = await project.ledger.watermark(name, version);
    if (mark !== null) marks.push(mark.at);
    else return { ...request, watermark: (await isBackfilling(project)) ? now : null };
  }
  return { ...request, watermark: marks.length === 0 ? null : instant(Math.min(...marks)) };
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
  const inOrder = plan.phases
    .flatMap((phase) => phase.steps)
    .map(({ keys, first, last }) => ({ keys, days: intervalOfDays(zone, { first, last }) }));
  const placeOfChunk = ({ key, start, end }: FetchStep["chunks"][number]): number => {
    const place = inOrder.findIndex(
      ({ keys, days }) => (keys?.includes(key) ?? true) && days.start < end && start < days.end,
    );
    return place < 0 ? inOrder.length : place;
  };
  return steps.map((step) => ({
    ...step,
    chunks: [...step.chunks].sort((a, b) => placeOfChunk(a) - placeOfChunk(b)),
  }));
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
      if (input.required) ready = union(ready, changing);
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

/** @throws RetrofillError INPUT_ABSENT, INPUT_STALE naming what to run first */
async function refuseAbsentInputs(
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

async function costOf(
  project: Project,
  bound: BoundPipeline,
  steps: readonly Step[],
  known: Pick<Cost, "rows" | "choices" | "savedCalls" | "yearlyBytes">,
): Promise<Cost> {
  const providers: Cost["providers"][number][] = [];
  for (const provider of providersOf(bound)) {
    if (provider.isFree) continue;
    const calls = steps
      .filter((step): step is FetchStep => step.kind === "fetch" && step.provider === provider.name)
      .reduce((sum, step) => sum + step.chunks.length, 0);
    if (calls === 0) continue;
    const { factor } = await project.budget.usage(provider.credential, provider.limits);
    providers.push({
      provider: provider.name,
      calls,
      minutes: minutesFor(provider.limits, calls) / factor,
      limits: limitText(provider, factor),
    });
  }
  return {
    calls: providers.reduce((sum, { calls }) => sum + calls, 0),
    minutes: Math.max(0, ...providers.map(({ minutes }) => minutes)),
    bytes: known.rows * BYTES_PER_ROW,
    providers,
    ...known,
  };
}

async function limitsText(project: Project, bound: BoundPipeline): Promise<string> {
  const texts: string[] = [];
  for (const provider of providersOf(bound)) {
    if (provider.isFree) continue;
    const { factor } = await project.budget.usage(provider.credential, provider.limits);
    texts.push(limitText(provider, factor));
  }
  return [...new Set(texts)].join(" · ");
}

function limitText({ limits }: Provider, factor: number): string {
  return formatLimits(limits) + (factor < 1 ? " (halved: the provider answered 429 under it)" : "");
}

/** Everybody a pipeline may ask. */
export function providersOf(bound: BoundPipeline): readonly Provider[] {
  return [...new Map(bound.sources.map(({ provider }) => [provider.name, provider])).values()];
}

/** Calls for each series; a question that many share counts for the first of them. */
function callsBySeries(steps: readonly Step[], bound: BoundPipeline): ReadonlyMap<string, number> {
  const free = new Set(providersOf(bound).flatMap((provider) => (provider.isFree ? [provider.name] : [])));
  const calls = new Map<string, number>();
  for (const step of steps) {
    if (step.kind !== "fetch" || free.has(step.provider)) continue;
    for (const chunk of step.chunks) {
      const id = cellKey({ ...step, key: chunk.keys?.[0] ?? chunk.key });
      calls.set(id, (calls.get(id) ?? 0) + 1);
    }
  }
  return calls;
}

/** Calls that series would cost whose bars are made from finer ones. */
function savedCalls(bound: BoundPipeline, scoped: readonly ScopedSeries[]): number {
  let calls = 0;
  for (const { series, standing, dataset } of scoped) {
    if (series.source !== null || dataset.extract === null) continue;
    const asked = bound.sources.find(
      ({ dataset: name, source }) =>
        name === dataset.name && source.group === undefined && source.held === undefined && source.serves(series),
    );
    calls += asked?.source.windows(series, gapSet(standing)).length ?? 0;
  }
  return calls;
}

async function checkLogic(project: Project, dataset: Dataset): Promise<void> {
  const logic = project.hash(logicOf(dataset));
  const known = await project.ledger.versionFingerprint(dataset.name, dataset.version, logic, project.clock.now());
  if (known !== logic) {
    throw new RetrofillError(
      "LOGIC_CHANGED",
      `${dataset.name}: its logic changed while its version is still ${dataset.version}`,
      { hint: "raise the dataset's version, or take the change back: one version never has two meanings" },
    );
  }
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

function fingerprintOf(
  project: Project,
  bound: BoundPipeline,
  datasets: readonly Dataset[],
  scoped: readonly ScopedSeries[],
): Fingerprint {
  const registry: Record<string, string> = {};
  const coverage: Record<string, string> = {};
  for (const { series, entry, standing } of scoped) {
    registry[entry.key] = JSON.stringify({ active: entry.active, ...entry.attributes });
    const gaps = standing.gaps.map((gap) => [gap.start, gap.end, gap.cause]);
    const hash = project.hash(
      JSON.stringify([series.axis.grid, series.axis.earliest, series.source, series.ask, standing.scope, gaps]),
    );
    const name = datasets.length === 1 ? series.key : `${series.dataset} ${series.key}`;
    coverage[name] = `${standing.gaps.length} gaps (${hash.slice(0, 12)})`;
  }
  const declared = datasets.map((dataset) => [
    dataset.name,
    dataset.version,
    logicOf(dataset),
    bound.sources.filter((one) => one.dataset === dataset.name).map(({ source }) => source.name),
  ]);
  return { declarations: project.hash(JSON.stringify([declared, bound.shown])), registry, coverage };
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

import { type Making, type Standing, standingOf, type TakenBack, type Waiver } from "../../core/coverage/gaps.ts";
import { type Change, oldestSeen, readyBy, readySet, staleSet } from "../../core/coverage/lineage.ts";
import { type Segments, setOf } from "../../core/coverage/segment.ts";
import type { Dataset, DatasetName, TransformInput } from "../../core/dataset/dataset.ts";
import type { RegistryEntry } from "../../core/dataset/pipeline.ts";
import { cellKey, inputKeyOf, type Series, type SeriesKey } from "../../core/dataset/series.ts";
import { nearestNames, RetrofillError } from "../../core/errors.ts";
import type { Plan, Request } from "../../core/plan/plan.ts";
import { snapIn, snapOut } from "../../core/time/grid.ts";
import { type Instant, later, plus } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { EMPTY, type IntervalSet, normalize, subtract, union } from "../../core/time/interval-set.ts";
import { waiversAt } from "../decide/waivers.ts";
import { type BoundPipeline, datasetNamed, type Project } from "../project.ts";

/** Whether anybody may be asked: not where rows are made anew from bronze, nor where a run is taken back. */
export function isAsking({ ask, revert }: Request): boolean {
  return ask !== "bronze" && revert === null;
}

/** One series of a request, with its truth. */
export interface ScopedSeries {
  readonly dataset: Dataset;
  readonly series: Series;
  readonly entry: RegistryEntry;
  readonly requested: Interval;
  readonly segments: Segments;
  readonly standing: Standing;
  /** For series whose rows are made from other datasets. */
  readonly making: Making | null;
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
      hint: `add one: retrofill ${many} add ${pipeline.example}`,
    });
  }
  return request.limit === null ? chosen : chosen.slice(0, request.limit);
}

/** A series with its registry entry. */
export interface RequestedSeries {
  readonly dataset: Dataset;
  readonly series: Series;
  readonly entry: RegistryEntry;
}

/**
 * The series of `entries` that the request keeps after its narrowing flags, those asked from a source before those
 * made from them. @throws RetrofillError KEY_UNKNOWN
 */
export function requestedSeries(
  bound: BoundPipeline,
  datasets: readonly Dataset[],
  entries: readonly RegistryEntry[],
  request: Pick<Request, "narrow">,
  now: Instant,
): readonly RequestedSeries[] {
  const { part, values, flag } = bound.pipeline.narrowing;
  const wanted = request.narrow[flag] ?? null;
  const unknown = (wanted ?? []).filter((value) => !values.includes(value));
  if (unknown.length > 0) {
    throw new RetrofillError("KEY_UNKNOWN", `--${flag}: ${unknown.join(", ")} is not one of ${values.join(", ")}`);
  }
  return datasets.flatMap((dataset) =>
    entries.flatMap((entry) =>
      bound.pipeline
        .series(dataset.name, entry, now)
        .filter(({ parts }) => wanted === null || parts[part] === undefined || wanted.includes(parts[part]))
        .map((series) => ({ dataset, series, entry })),
    ),
  );
}

/** What a request asks of one series: its own range, or the series' `since` up to business now. */
export function requestedSpan(
  series: Series,
  request: Pick<Request, "from" | "to" | "watermark">,
  now: Instant,
): Interval | null {
  const { watermark } = request;
  const goesOn = watermark === null ? series.since : later(series.since, plus(watermark, -series.lookbackMs));
  const start = request.from ?? goesOn;
  const end = request.to === null || request.to > now ? now : request.to;
  return start < end ? { start, end } : null;
}

/** Every series of a request with its truth at `now`, inputs before what is made from them. */
export async function scopeOf(
  project: Project,
  bound: BoundPipeline,
  datasets: readonly Dataset[],
  request: Request,
  options: {
    readonly now: Instant;
    /** Refused stretches outside the effective scope: those received within a day, or what a plan left out. */
    readonly leaveOut: "fresh" | Pick<Plan, "series">;
  },
): Promise<readonly ScopedSeries[]> {
  const entries = await requestedEntries(project, bound, request);
  const wanted = requestedSeries(bound, datasets, entries, request, options.now);
  const truth = await readTruth(project, bound, wanted, options.now);
  const idle = idleOf(bound, datasets, wanted, { truth, isAsking: isAsking(request) });
  const realNow = project.clock.now();
  const leaveOut =
    options.leaveOut === "fresh"
      ? options.leaveOut
      : new Map(options.leaveOut.series.map((one) => [`${one.dataset} ${one.key}`, normalize(one.leftOut)]));
  const scoped: ScopedSeries[] = [];
  for (const { dataset, series, entry } of wanted) {
    if (idle.has(cellKey(series))) continue;
    const requested = requestedSpan(series, request, options.now);
    if (requested === null) continue;
    const segments = truth.segmentsOf(series);
    const making = truth.makingOf(series);
    const standing = standingOf(series, segments, {
      span: requested,
      now: options.now,
      realNow,
      refusedAt: (segment) => truth.refusedAt(series, segment.chunk ?? ""),
      leaveOut: leaveOut === "fresh" ? leaveOut : (leaveOut.get(`${series.dataset} ${series.key}`) ?? EMPTY),
      waivers: truth.waiversOf(series),
      takenBack: truth.takenBackOf(series),
      making,
    });
    scoped.push({ dataset, series, entry, requested, segments, standing, making });
  }
  return scoped;
}

/**
 * By cell, the series of datasets that follow others of the request, yet need one besides that nobody has begun with
 * and that is not of the request: nothing of them is owed so far.
 */
function idleOf(
  bound: BoundPipeline,
  datasets: readonly Dataset[],
  wanted: readonly RequestedSeries[],
  { truth, isAsking }: { readonly truth: Truth; readonly isAsking: boolean },
): ReadonlySet<string> {
  const idle = new Set<string>();
  const names = new Set(datasets.map(({ name }) => name));
  const coming = new Set(datasets.filter(({ extract }) => isAsking || extract === null).map(({ name }) => name));
  const isBegun = (series: Pick<Series, "dataset" | "version" | "key">): boolean => truth.segmentsOf(series).length > 0;
  for (const dataset of datasets) {
    const all = wanted.filter((one) => one.dataset === dataset).map(({ series }) => series);
    // Nobody is asked, and nobody has been.
    if (!isAsking && dataset.extract !== null && !all.some(isBegun))
      for (const series of all) idle.add(cellKey(series));
    const inputs = dataset.transform?.inputs ?? [];
    if (!inputs.some((input) => input.dataset !== dataset.name && names.has(input.dataset))) continue;
    for (const series of all.filter((one) => one.source === null && !isBegun(one))) {
      const isLacking = inputs.some((input) => {
        const place = placeOf(bound, series, input);
        return input.required && (idle.has(cellKey(place)) || (!coming.has(input.dataset) && !isBegun(place)));
      });
      if (isLacking) idle.add(cellKey(series));
    }
  }
  return idle;
}

/** What the ledger says of the series asked for and of all they are made from. */
interface Truth {
  segmentsOf(series: Pick<Series, "dataset" | "version" | "key">): Segments;
  makingOf(series: Series): Making | null;
  waiversOf(series: Series): readonly Waiver[];
  takenBackOf(series: Series): readonly TakenBack[];
  refusedAt(series: Series, chunk: string): Instant | null;
}

async function readTruth(
  project: Project,
  bound: BoundPipeline,
  wanted: readonly RequestedSeries[],
  now: Instant,
): Promise<Truth> {
  const made = wanted.filter(({ series }) => series.source === null);
  const names = new Set(wanted.map(({ dataset }) => dataset.name));
  const withInputs = [
    ...names,
    ...made.flatMap(({ dataset }) => dataset.transform?.inputs ?? []).map((one) => one.dataset),
  ];
  const segments = new Map<string, Segments>();
  const refused = new Map<DatasetName, ReadonlyMap<string, Instant>>();
  for (const name of new Set(withInputs)) {
    const { version } = datasetNamed(bound, name);
    const keys = keysOf(name, wanted, bound);
    for (const [key, list] of await project.ledger.segments(name, version, keys)) {
      segments.set(cellKey({ dataset: name, version, key }), list);
    }
    if (names.has(name)) refused.set(name, await project.ledger.refusedAt(name, version));
  }
  const segmentsOf = (series: Pick<Series, "dataset" | "version" | "key">): Segments =>
    segments.get(cellKey(series)) ?? [];
  const making = await readMaking(project, bound, made, segmentsOf);
  const decided = await project.ledger.decisions({ kinds: ["waive", "unwaive"] });
  const waivers = waiversAt(decided, now);
  const takenBack = await readTakenBack(project, bound, names);
  return {
    segmentsOf,
    makingOf: (series) => making.get(cellKey(series)) ?? null,
    takenBackOf: (series) => takenBack.get(cellKey(series)) ?? [],
    waiversOf: (series) => waivers.get(cellKey(series)) ?? [],
    refusedAt: (series, chunk) => refused.get(series.dataset)?.get(chunk) ?? null,
  };
}

/** What reverts took back of `names`, by cell. */
async function readTakenBack(
  { ledger }: Project,
  bound: BoundPipeline,
  names: ReadonlySet<DatasetName>,
): Promise<ReadonlyMap<string, readonly TakenBack[]>> {
  const found = new Map<string, readonly TakenBack[]>();
  if ((await ledger.decisions({ kinds: ["exclude"] })).length === 0) return found;
  for (const dataset of names) {
    const { version } = datasetNamed(bound, dataset);
    for (const [key, spans] of await ledger.takenBack(dataset, version)) {
      found.set(cellKey({ dataset, version, key }), spans);
    }
  }
  return found;
}

/** The keys of `name` among the series asked for and their inputs; undefined where that would be a long list. */
function keysOf(name: DatasetName, wanted: readonly RequestedSeries[], bound: BoundPipeline): readonly SeriesKey[] {
  const { key } = datasetNamed(bound, name);
  const keys = new Set<SeriesKey>();
  for (const { dataset, series } of wanted) {
    if (dataset.name === name) keys.add(series.key);
    if (series.source !== null) continue;
    for (const input of dataset.transform?.inputs ?? []) {
      if (input.dataset === name) keys.add(inputKeyOf(series, input, key));
    }
  }
  return [...keys];
}

/** What can be made of each made series and what of it is stale, inputs before what is made from them. */
async function readMaking(
  project: Project,
  bound: BoundPipeline,
  made: readonly RequestedSeries[],
  segmentsOf: (series: Pick<Series, "dataset" | "version" | "key">) => Segments,
): Promise<ReadonlyMap<string, Making>> {
  const making = new Map<string, Making>();
  const changes = await readChanges(project, bound, made, segmentsOf);
  for (const { dataset, series } of made) {
    const inputs = dataset.transform?.inputs ?? [];
    const own = segmentsOf(series);
    const answered: IntervalSet[] = [];
    let stale: IntervalSet = EMPTY;
    for (const input of inputs) {
      const place = placeOf(bound, series, input);
      if (input.required) {
        const known = setOf(segmentsOf(place), "covered", "empty");
        // A stale stretch must not break what is known of all of later time: it is made anew before anything reads it.
        const isWhole = input.reach.kind === "later";
        const there = isWhole ? known : subtract(known, making.get(cellKey(place))?.stale ?? EMPTY);
        answered.push(wholeSlots(series, readyBy(input.reach, there, series.axis.lifetime.end)));
      }
      stale = union(stale, staleSet(series.axis, input.reach, own, changes.get(cellKey(place)) ?? []));
    }
    const ready = readySet([snapOut(series.axis.grid, series.axis.lifetime)], answered);
    making.set(cellKey(series), { ready, stale });
  }
  return making;
}

/** The changes of every input that some made series has not seen. */
async function readChanges(
  project: Project,
  bound: BoundPipeline,
  made: readonly RequestedSeries[],
  segmentsOf: (series: Pick<Series, "dataset" | "version" | "key">) => Segments,
): Promise<ReadonlyMap<string, readonly Change[]>> {
  const after = new Map<DatasetName, Map<SeriesKey, number>>();
  for (const { dataset, series } of made) {
    const seen = oldestSeen(segmentsOf(series));
    if (seen === null) continue;
    for (const input of dataset.transform?.inputs ?? []) {
      const place = placeOf(bound, series, input);
      const ofInput = after.get(input.dataset) ?? new Map<SeriesKey, number>();
      after.set(input.dataset, ofInput);
      ofInput.set(place.key, Math.min(ofInput.get(place.key) ?? seen, seen));
    }
  }
  const changes = new Map<string, readonly Change[]>();
  for (const [name, keys] of after) {
    const { version } = datasetNamed(bound, name);
    for (const [key, list] of await project.ledger.changesAfter(name, version, keys)) {
      changes.set(cellKey({ dataset: name, version, key }), list);
    }
  }
  return changes;
}

/** The series that an input of a made series is. */
export function placeOf(
  bound: BoundPipeline,
  series: Series,
  input: TransformInput,
): Pick<Series, "dataset" | "version" | "key"> {
  const { name, version, key } = datasetNamed(bound, input.dataset);
  return { dataset: name, version, key: inputKeyOf(series, input, key) };
}

/** The whole slots inside each member of `set`. */
function wholeSlots(series: Series, set: IntervalSet): IntervalSet {
  return set.map((span) => snapIn(series.axis.grid, span)).filter((span) => span !== null);
}

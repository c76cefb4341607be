import { standingOf } from "../../core/coverage/gaps.ts";
import { unmadeSet, withdrawnSet } from "../../core/coverage/lineage.ts";
import { setOf } from "../../core/coverage/segment.ts";
import { daysOf } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { cellKey, type Series, type SeriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { planRepair, type RepairRequest } from "../../core/plan/build-plan.ts";
import type { BuildStep, Plan } from "../../core/plan/plan.ts";
import { addSlots } from "../../core/time/grid.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, EMPTY, type IntervalSet, normalize, spanOf, subtract, union } from "../../core/time/interval-set.ts";
import type { Lane } from "../budget-port.ts";
import { groupsOf as buildGroups, buildWindows, type MakeContext, type Unmade } from "../build/build-windows.ts";
import { type DoneAlready, doneAlready } from "../build/done-already.ts";
import { type BuildContext, publishChunks, recoverPublications, rejudgeChunks } from "../build/publish-chunks.ts";
import { rebuildDataset } from "../build/rebuild.ts";
import { footprintOf, revertDataset } from "../build/revert.ts";
import { recordRevert } from "../decide/revert-run.ts";
import { type FetchContext, fetchChunk, type Reach } from "../fetch/fetch-chunk.ts";
import { permitsOf } from "../fetch/permits.ts";
import type { ChunkRecord, RunRecord } from "../ledger-port.ts";
import { restoredBy } from "../plan/make-plan.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import { selection } from "../plan/selection.ts";
import { requestIdentity } from "../ports.ts";
import { type BoundPipeline, datasetNamed, ownSourceOf, type Project, type Provider, sourceNamed } from "../project.ts";
import { type Arrivals, lateArrivals } from "../prove/arrivals.ts";
import type { Receipt } from "../store-port.ts";
import type { Connections } from "./connections.ts";
import { fetchStage, owes, type StageEnd } from "./fetch-stage.ts";
import type { RunObserver } from "./observer.ts";
import { adoptOrphans } from "./recover.ts";
import { moveWatermarks } from "./state.ts";
import { type RunSummary, summarize } from "./summary.ts";

export interface Execution {
  readonly run: RunRecord;
  /** Null when the run was paused or interrupted: it goes on with `resume`. */
  readonly summary: RunSummary | null;
  readonly end: StageEnd;
}

interface ExecuteOptions {
  readonly connections: Connections;
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
  /** When this process began with the run; its duration counts from here. */
  readonly startedAt: number;
}

/**
 * Performs an open run: finishes what a dead process left, fetches, publishes, looks for holes, asks again for them
 * within the plan's allowance, makes what depends on what changed, and closes the run with a status that agrees with
 * the data.
 */
export async function executeRun(
  project: Project,
  run: RunRecord,
  plan: Plan,
  options: ExecuteOptions,
): Promise<Execution> {
  return new RunWorker(project, run, plan, options).perform();
}

/** A figure for people is not worth a longer wait for another writer. */
const LATE_WAIT_MS = 1_000;

class RunWorker {
  readonly #project: Project;
  readonly #run: RunRecord;
  readonly #plan: Plan;
  readonly #connections: Connections;
  readonly #observe: RunObserver;
  readonly #signal: AbortSignal;
  readonly #lane: Lane;
  readonly #startedAt: number;
  readonly #bound: BoundPipeline;
  /** Inputs before what is made from them. */
  readonly #datasets: readonly Dataset[];
  /** By dataset and key. */
  readonly #series = new Map<string, Series>();
  /** By provider. */
  readonly #reach = new Map<string, Reach>();
  #fetched: ChunkRecord[] = [];
  #fetchedRows = 0;
  #building: Promise<void> | null = null;
  #repairs = { detected: 0, retried: 0, filled: 0 };
  /** Rows that each repair chunk inserted or updated. */
  readonly #repairedRows = new Map<string, number>();

  constructor(project: Project, run: RunRecord, plan: Plan, options: ExecuteOptions) {
    this.#project = project;
    this.#run = run;
    this.#plan = plan;
    this.#connections = options.connections;
    this.#observe = options.observe;
    this.#signal = options.signal;
    this.#lane = plan.mode === "incremental" ? "live" : "backfill";
    this.#startedAt = options.startedAt;
    const { bound, datasets } = selection(project, plan.request);
    this.#bound = bound;
    this.#datasets = datasets;
  }

  async perform(): Promise<Execution> {
    await this.#learnSeries();
    for (const dataset of this.#datasets) {
      await recoverPublications(this.#build(dataset), this.#run, this.#project.isAlive);
    }
    const adopted = await adoptOrphans(this.#project, this.#run);
    if (adopted > 0) this.#observe({ type: "notice", text: `${adopted} answers found in bronze were adopted` });
    for (const dataset of this.#datasets) {
      await this.#publishLeftovers(dataset);
      await this.#rejudge(dataset);
    }

    let end = await this.#fill();
    if (end.kind === "done" || end.kind === "provider") {
      const made = await this.#makeAll();
      if (made.kind !== "done") end = made;
    }
    return this.#close(end);
  }

  /** Everything that asks: the plan's questions, then repairs of what they left open. */
  async #fill(): Promise<StageEnd> {
    const open = await this.#project.ledger.tally(this.#run.id);
    const chunks = open.filter((one) => one.kind === "fetch").reduce((sum, one) => sum + one.chunks, 0);
    if (chunks === 0) return { kind: "done" };
    this.#observe({ type: "stage", stage: "fetch", round: 0, chunks });
    const end = await this.#fetch();
    if (end.kind !== "done" && end.kind !== "provider") return end;
    const scoped = await this.#asked();
    this.#observe({
      type: "gaps",
      series: scoped.map(({ series, standing }) => ({ key: series.key, gaps: standing.gaps })),
    });
    this.#repairs.detected = scoped.reduce((sum, { standing }) => sum + standing.gaps.length, 0);
    return end.kind === "done" ? this.#repair(scoped) : end;
  }

  /** Publishes what earlier runs paid for, and what is disputed, before anything is asked. */
  async #publishLeftovers(dataset: Dataset): Promise<void> {
    const { ledger } = this.#project;
    const step = this.#buildStep(dataset);
    const pending = await ledger.chunksById(step?.pendingChunks ?? []);
    const all = await ledger.chunks(this.#run.id, { kind: "fetch", status: ["fetched"] });
    const own = all.filter((chunk) => chunk.dataset === dataset.name);
    const fetched = [...pending.filter((chunk) => chunk.status === "fetched"), ...own];
    await this.#publish(fetched);
    const published = pending.filter((chunk) => chunk.status === "published");
    if (published.length === 0) return;
    const answered = new Map<SeriesKey, IntervalSet>();
    for (const { keys, window } of published) {
      for (const key of keys) answered.set(key, normalize([...(answered.get(key) ?? []), window]));
    }
    const restored = restoredBy(await this.#scope([dataset]), answered);
    // What a dead process had published and a recovery has completed is not disputed: it is done.
    const lost = published.filter((chunk) => chunk.keys.some((key) => restored.has(key)));
    if (lost.length === 0) return;
    const receipt = await publishChunks(this.#build(dataset), this.#run, lost, { restore: restored });
    if (receipt) this.#published(dataset, receipt);
  }

  /** Judges answers again that decisions let in. Done twice, by a resume, it changes nothing the second time. */
  async #rejudge(dataset: Dataset): Promise<void> {
    const chunks = await this.#project.ledger.chunksById(this.#buildStep(dataset)?.rejudged ?? []);
    if (chunks.length === 0) return;
    const receipt = await rejudgeChunks(this.#build(dataset), this.#run, chunks);
    if (receipt) this.#published(dataset, receipt);
  }

  /** One stage a provider, side by side: who is slow holds up nobody else. */
  async #fetch(): Promise<StageEnd> {
    const providers = new Map<string, { readonly provider: Provider; readonly sources: Set<string> }>();
    for (const { source, provider } of this.#bound.sources) {
      const known = providers.get(provider.name) ?? { provider, sources: new Set<string>() };
      providers.set(provider.name, known);
      known.sources.add(source.name);
    }
    const stages = [...providers.values()]
      .filter(({ provider }) => this.#connections.has(provider.name))
      .map(({ provider, sources }) => this.#fetchFrom(provider, [...sources]));
    const ends = await Promise.all(stages);
    await this.#building;
    const end = worstOf(ends);
    // An interrupted run leaves its answers in bronze: the resume publishes them.
    if (end.kind !== "interrupted") await this.#publishFetched();
    return end;
  }

  #fetchFrom(provider: Provider, sources: readonly string[]): Promise<StageEnd> {
    const { ledger, budget, bronze, clock, random } = this.#project;
    const http = this.#connections.get(provider.name);
    if (!http) throw new Error(`unreachable: ${provider.name} is not connected`);
    const { credential, limits, backoff, answerMs } = provider;
    const reach = this.#reach.get(provider.name) ?? { mostMs: Number.POSITIVE_INFINITY };
    this.#reach.set(provider.name, reach);
    const permits = permitsOf({
      budget,
      credential,
      limits,
      lane: this.#lane,
      holdMs: answerMs,
      clock,
      onWait: (waitMs, why) => this.#observe({ type: "waiting", waitMs, why }),
    });
    const context = (chunk: ChunkRecord): FetchContext => ({
      ledger,
      budget,
      bronze,
      clock,
      http,
      permits,
      reach,
      source: sourceNamed(this.#bound, chunk.dataset, chunk.source ?? "").source,
      credential,
      limits,
      backoff,
      businessNow: this.#run.businessNow,
      random,
      notice: (text) => this.#observe({ type: "notice", text }),
      onCall: (call) => this.#observe({ type: "call", key: chunk.key, ...call }),
    });
    return fetchStage({
      ledger,
      clock,
      run: this.#run,
      sources,
      concurrency: this.#plan.request.maxConcurrent,
      isAlive: this.#project.isAlive,
      seriesOf: (chunk) => this.#seriesOf(chunk),
      isOwed: (chunk) => this.#isOwed(chunk),
      fetch: (chunk, series, signal) => fetchChunk(context(chunk), chunk, series, signal),
      onFetched: (chunk) => this.#collect(chunk),
      onIdle: () => this.#startPublishing(),
      observe: this.#observe,
      signal: this.#signal,
    });
  }

  #collect(chunk: ChunkRecord): void {
    this.#fetched.push(chunk);
    this.#fetchedRows += expectedRows(chunk, this.#seriesOf(chunk));
    if (this.#fetchedRows >= this.#bound.publishRows) this.#startPublishing();
  }

  /** Publishes what was fetched while the asking goes on. */
  #startPublishing(): void {
    if (this.#fetched.length === 0 || this.#building !== null) return;
    this.#building = this.#publishFetched().finally(() => {
      this.#building = null;
    });
    this.#building.catch(() => undefined);
  }

  async #publishFetched(): Promise<void> {
    const group = this.#fetched;
    this.#fetched = [];
    this.#fetchedRows = 0;
    const chunks = await this.#project.ledger.chunksById(group.map((chunk) => chunk.id));
    // A chunk that waits for its next page is published once it has all of them: twice would count its rows twice and
    // take one answer for two.
    await this.#publish(chunks.filter((chunk) => chunk.status === "fetched"));
  }

  async #publish(chunks: readonly ChunkRecord[]): Promise<void> {
    for (const dataset of this.#datasets) {
      const own = chunks.filter((chunk) => chunk.dataset === dataset.name);
      for (const group of groupsOf(own, this.#bound.publishRows, (chunk) => this.#seriesOf(chunk))) {
        const receipt = await publishChunks(this.#build(dataset), this.#run, group);
        if (!receipt) continue;
        this.#published(dataset, receipt);
        for (const { id, key, round } of group) {
          const rows = receipt.rowsBySeries[key];
          if (round > 0 && rows) this.#repairedRows.set(id, rows.inserted + rows.updated);
        }
      }
    }
  }

  #published(dataset: Dataset, receipt: Receipt): void {
    this.#observe({ type: "published", dataset: dataset.name, receipt });
  }

  /** Asks again for holes, suspects and failed stretches, in at most the plan's rounds and calls. */
  async #repair(first: readonly ScopedSeries[]): Promise<StageEnd> {
    const { ledger } = this.#project;
    let scoped = first;
    const earlier = await ledger.chunks(this.#run.id, { kind: "fetch" });
    let round = Math.max(0, ...earlier.map((chunk) => chunk.round));
    let spent = earlier.filter((chunk) => chunk.round > 0).length;
    while (round < this.#plan.repair.rounds && spent < this.#plan.repair.calls) {
      round++;
      const answered = await ledger.answeredTargets(this.#run.id);
      const { requests } = planRepair(
        scoped.flatMap((one) => {
          const own = ownSourceOf(this.#bound, one.series);
          if (own === null || !this.#connections.has(own.provider.name)) return [];
          return [
            {
              ...one,
              windows: (gaps: IntervalSet) => own.source.windows(one.series, gaps, this.#plan.request.chunkSlots),
            },
          ];
        }),
        {
          allowance: this.#plan.repair.calls - spent,
          wasAnswered: (series, window) => {
            const request = ownSourceOf(this.#bound, series)?.source.request(series, window);
            return request !== undefined && answered.has(requestIdentity(request));
          },
          widen: (series, window) => widened(series, window, this.#run.businessNow),
        },
      );
      if (requests.length === 0) break;
      spent += requests.length;
      this.#repairs.retried += requests.reduce((sum, request) => sum + request.gaps.length, 0);
      this.#observe({ type: "stage", stage: "repair", round, chunks: requests.length });
      const asked = await ledger.addChunks(
        this.#run.id,
        requests.map(({ series, window }) => ({
          kind: "fetch",
          round,
          dataset: series.dataset,
          version: series.version,
          key: series.key,
          source: ownSourceOf(this.#bound, series)?.source.name ?? null,
          window,
        })),
        this.#run.fence,
      );
      const end = await this.#fetch();
      scoped = await this.#asked();
      const places = scoped.map(({ series }) => cellKey(series));
      const outcomes = requests
        .map((request, i) => ({ ...request, chunk: asked[i]?.id ?? "" }))
        .sort(
          (a, b) =>
            places.indexOf(cellKey(a.series)) - places.indexOf(cellKey(b.series)) || a.window.start - b.window.start,
        );
      for (const request of outcomes) this.#reportRepair(request, round, scoped);
      if (end.kind !== "done") return end;
    }
    return { kind: "done" };
  }

  /** What one repair request brought, gap by gap. */
  #reportRepair(
    { series, window, gaps, chunk }: RepairRequest & { readonly chunk: string },
    round: number,
    scoped: readonly ScopedSeries[],
  ): void {
    const standing = scoped.find((one) => cellKey(one.series) === cellKey(series))?.standing;
    const meets = (gap: Interval) => (other: Interval) => other.start < gap.end && other.end > gap.start;
    const asked = spanOf(clip(normalize(gaps.map(({ start, end }) => ({ start, end }))), window)) ?? window;
    const still = standing?.gaps.find(meets(asked));
    const rows = this.#repairedRows.get(chunk) ?? 0;
    const closed = gaps.filter(
      (gap) => !standing?.gaps.some(meets(gap)) && !standing?.empty.some((one) => meets(gap)(one)),
    );
    this.#repairs.filled += rows > 0 ? closed.length : 0;
    const filled = rows > 0 && still === undefined;
    this.#observe({
      type: "repaired",
      key: series.key,
      window: asked,
      days: daysOf(series.axis, asked),
      round,
      rows,
      filled,
      reason: still?.reason ?? (filled ? "" : "empty at source, asked at least twice"),
    });
  }

  /** Makes anew what the plan rebuilds, and everything that depends on what changed, inputs first. */
  async #makeAll(): Promise<StageEnd> {
    for (const dataset of this.#datasets) {
      const done = await doneAlready(this.#project.ledger, this.#run, dataset);
      await this.#takeBack(dataset, done);
      if (this.#buildStep(dataset)?.rebuild && dataset.extract !== null && !done.isRebuilt) {
        this.#observe({ type: "notice", text: `${dataset.name}: made anew from bronze, 0 calls` });
        const receipt = await rebuildDataset(this.#build(dataset), this.#run);
        if (receipt) this.#published(dataset, receipt);
      }
      if (dataset.transform === null) continue;
      const end = await this.#make(dataset, done);
      if (end.kind !== "done") return end;
    }
    return { kind: "done" };
  }

  /** Takes back what the run named in the plan did to a dataset. */
  async #takeBack(dataset: Dataset, done: DoneAlready): Promise<void> {
    const { revert } = this.#plan.request;
    if (revert === null || dataset.extract === null) return;
    const [footprint] = await footprintOf(this.#project.ledger, [dataset], revert);
    if (!footprint) return;
    if (!done.isTakenBack) {
      const receipt = await revertDataset(this.#build(dataset), this.#run, revert, footprint);
      if (receipt) this.#published(dataset, receipt);
    }
    await recordRevert(this.#project, revert, this.#run.reason ?? "");
  }

  async #make(dataset: Dataset, done: DoneAlready): Promise<StageEnd> {
    const scoped = await this.#scope([dataset]);
    const all = this.#buildStep(dataset)?.rebuild === true;
    const unmade = scoped.flatMap((one): readonly Unmade[] => unmadeOf(one, { all, done }));
    const groups = buildGroups(unmade, this.#bound.publishRows);
    if (groups.length > 0)
      this.#observe({ type: "making", dataset: dataset.name, series: unmade.length, parts: groups.length });
    for (const group of groups) {
      const control = await this.#project.ledger.heartbeat(this.#run.id, this.#run.fence, this.#project.clock.now());
      if (control !== "none") return { kind: "control", control };
      if (this.#signal.aborted) return { kind: "interrupted" };
      const receipt = await buildWindows(this.#making(dataset), this.#run, group, {
        isWhole: all,
      });
      if (receipt) this.#published(dataset, receipt);
    }
    return { kind: "done" };
  }

  async #close(end: StageEnd): Promise<Execution> {
    const { ledger, bronze, clock } = this.#project;
    if (end.kind === "interrupted" || (end.kind === "control" && end.control === "pause")) {
      const event = end.kind === "interrupted" ? "interrupt" : "pause";
      const run = await ledger.moveRun(this.#run.id, { type: event }, { pid: this.#run.owner.pid }, this.#run.fence);
      return { run: run ?? this.#run, summary: null, end };
    }
    const stopped = end.kind === "provider" ? end.reason : "cancelled";
    if (end.kind !== "done") await ledger.cancelOpenChunks(this.#run.id, stopped);
    const scoped = await this.#scope(this.#datasets);
    const freeSources = new Set(
      this.#bound.sources.filter(({ provider }) => provider.isFree).map(({ source }) => source.name),
    );
    const summary = await summarize(
      ledger,
      this.#run,
      this.#plan,
      scoped.map((one) => one.standing),
      { repairs: this.#repairs, durationMs: clock.now() - this.#startedAt, freeSources, late: await this.#late() },
    );
    // Made anew or taken back, a run is complete when all of it was: what was never asked is not its matter.
    const { ask, revert } = this.#plan.request;
    const isRemade = (ask === "bronze" || revert !== null) && end.kind === "done";
    const outcome = end.kind === "control" ? "cancelled" : isRemade ? "succeeded" : outcomeOf(summary, end);
    const run = await ledger.closeRun(this.#run.id, this.#run.fence, outcome, { ...summary }, clock.now());
    await this.#afterwards("its watermark was not moved", () =>
      moveWatermarks(this.#project, run, this.#plan, this.#datasets),
    );
    await this.#afterwards("its bronze has no manifest", async () => {
      const head = await ledger.chainHead(run.id);
      await bronze.seal(run.id, {
        run_id: run.id,
        plan_id: run.planId,
        status: run.status,
        ...head,
        rows: summary.rows,
      });
    });
    this.#observe({ type: "closed", run, summary });
    return { run, summary, end };
  }

  /** What follows a run that is closed: on a full disk it stays undone, and the run is what it is. */
  async #afterwards(undone: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof RetrofillError) || error.code !== "DISK_FULL") throw error;
      this.#observe({ type: "notice", text: `the run is closed, but ${undone}: ${error.message}` });
    }
  }

  /** How late rows came to an incremental run. A file that others write to is no reason to fail. */
  async #late(): Promise<readonly Arrivals[]> {
    if (this.#plan.mode !== "incremental") return [];
    const options = { runId: this.#run.id, waitMs: LATE_WAIT_MS };
    try {
      return await lateArrivals(this.#project, { bound: this.#bound, datasets: this.#datasets }, options);
    } catch (error) {
      this.#observe({ type: "notice", text: `late rows were not counted: ${(error as Error).message}` });
      return [];
    }
  }

  async #isOwed(chunk: ChunkRecord): Promise<boolean> {
    // What is asked again although it is covered is owed whatever the ledger says.
    if (this.#plan.request.ask === "again" || this.#plan.mode === "incremental") return true;
    const segments = await this.#project.ledger.segments(chunk.dataset, chunk.version, chunk.keys);
    return chunk.keys.some((key) => {
      const series = this.#series.get(cellKey({ ...chunk, key }));
      if (!series) return false;
      const standing = standingOf(series, segments.get(key) ?? [], {
        span: chunk.window,
        now: this.#run.businessNow,
        realNow: this.#project.clock.now(),
        refusedAt: () => null,
        leaveOut: [],
      });
      return owes(standing, chunk);
    });
  }

  #buildStep(dataset: Dataset): BuildStep | undefined {
    return this.#plan.steps.find((step): step is BuildStep => step.kind === "build" && step.dataset === dataset.name);
  }

  #seriesOf(chunk: Pick<ChunkRecord, "dataset" | "version" | "keys">): Series | null {
    const key = chunk.keys[0];
    return key === undefined ? null : (this.#series.get(cellKey({ ...chunk, key })) ?? null);
  }

  /** The plan's scope as it stands; what the run itself was refused counts as a gap. */
  #scope(datasets: readonly Dataset[]): Promise<readonly ScopedSeries[]> {
    return scopeOf(this.#project, this.#bound, datasets, this.#plan.request, {
      now: this.#run.businessNow,
      leaveOut: this.#plan,
    });
  }

  /** The scope's series that are asked from a source. */
  async #asked(): Promise<readonly ScopedSeries[]> {
    const scoped = await this.#scope(this.#datasets.filter(({ extract }) => extract !== null));
    return scoped.filter(({ series }) => series.source !== null);
  }

  async #learnSeries(): Promise<void> {
    const { ledger } = this.#project;
    for (const { series } of await this.#scope(this.#datasets)) this.#series.set(cellKey(series), series);
    const pending = this.#plan.steps.flatMap((step) => (step.kind === "build" ? step.pendingChunks : []));
    const foreign = (await ledger.chunksById(pending)).some((chunk) => this.#seriesOf(chunk) === null);
    const { ask, revert } = this.#plan.request;
    if (!foreign && ask !== "bronze" && revert === null) return;
    for (const entry of await ledger.entries(this.#bound.pipeline.name)) {
      for (const { name } of this.#datasets) {
        for (const series of this.#bound.pipeline.series(name, entry, this.#run.businessNow)) {
          this.#series.set(cellKey(series), series);
        }
      }
    }
  }

  #build(dataset: Dataset): BuildContext {
    const sources = this.#bound.sources.filter((one) => one.dataset === dataset.name);
    return {
      ledger: this.#project.ledger,
      store: this.#project.store,
      clock: this.#project.clock,
      dataset,
      sources: new Map(
        sources.map(({ source }) => [
          source.name,
          { system: source.system, records: source.records, match: source.match?.bind(source) ?? null },
        ]),
      ),
      suspects: this.#bound.pipeline.suspects(dataset.name),
      seriesOf: (key) => this.#series.get(cellKey({ dataset: dataset.name, version: dataset.version, key })) ?? null,
    };
  }

  #making(dataset: Dataset): MakeContext {
    return {
      ledger: this.#project.ledger,
      store: this.#project.store,
      clock: this.#project.clock,
      dataset,
      datasetNamed: (name) => datasetNamed(this.#bound, name),
    };
  }
}

/** What has to be made of a series: what lacks in the requested range and can be made, what is stale; or all of it. */
function unmadeOf(
  { series, making, standing, segments }: ScopedSeries,
  { all, done }: { readonly all: boolean; readonly done: DoneAlready },
): readonly Unmade[] {
  if (making === null) return [];
  const scope = standing.scope === null ? EMPTY : [standing.scope];
  const unmade = unmadeSet(segments, { ...making, scope });
  const withdrawn = withdrawnSet(segments, making.ready);
  const settled = union(withdrawn, done.made.get(series.key) ?? EMPTY);
  const windows = all ? union(unmade, subtract(setOf(segments, "covered"), settled)) : unmade;
  return windows.length + withdrawn.length === 0 ? [] : [{ series, windows, withdrawn }];
}

/** Stages ended side by side: what stops everything counts before what stops one provider. */
function worstOf(ends: readonly StageEnd[]): StageEnd {
  for (const kind of ["interrupted", "control", "provider"] as const) {
    const found = ends.find((end) => end.kind === kind);
    if (found) return found;
  }
  return { kind: "done" };
}

function outcomeOf(summary: RunSummary, end: StageEnd): "succeeded" | "partial" | "failed" {
  const answered = summary.rows.received > 0 || summary.bytes > 0;
  if (end.kind === "provider") return answered ? "partial" : "failed";
  // Covered slots that were to be asked again and got no answer are no gap, and yet undone: a correction may be there.
  const unanswered = summary.errors.filter((error) => !error.answered);
  if (summary.gaps.after === 0 && unanswered.length === 0) return "succeeded";
  // Only where all was tried and given up has the run failed.
  const gaveUp = summary.cells.failed > 0 || unanswered.some((error) => !error.refused);
  return answered || !gaveUp ? "partial" : "failed";
}

/** One slot more on each side, inside the key's life and what has settled. */
function widened(series: Series, window: Interval, now: Instant): Interval {
  const { axis } = series;
  const start = addSlots(axis.grid, window.start, -1);
  const end = addSlots(axis.grid, window.end, 1);
  return {
    start: axis.earliest !== null && start < axis.earliest ? window.start : start,
    end: end > now ? window.end : end,
  };
}

/**
 * Chunks in groups of about `rows` rows. Repair chunks of one series go into different groups, so that what each of
 * them brought can be told.
 */
function groupsOf(
  chunks: readonly ChunkRecord[],
  rows: number,
  seriesOf: (chunk: ChunkRecord) => Series | null,
): readonly (readonly ChunkRecord[])[] {
  const groups: { readonly chunks: ChunkRecord[]; size: number }[] = [];
  for (const chunk of chunks) {
    const own = expectedRows(chunk, seriesOf(chunk));
    const fits = (group: (typeof groups)[number]): boolean =>
      group.size + own <= rows && (chunk.round === 0 || !group.chunks.some(({ key }) => key === chunk.key));
    let group = chunk.round === 0 ? groups.slice(-1).find(fits) : groups.find(fits);
    if (!group) {
      group = { chunks: [], size: 0 };
      groups.push(group);
    }
    group.chunks.push(chunk);
    group.size += own;
  }
  return groups.map((group) => group.chunks);
}

/** Rows that a chunk's answer may hold: the slots of its sessions. */
function expectedRows(chunk: ChunkRecord, series: Series | null): number {
  if (!series) return 1;
  const slotMs = instant(addSlots(series.axis.grid, chunk.window.start, 1)) - chunk.window.start;
  const openShare = series.axis.calendar.name === "24x7" ? 1 : 0.45;
  return Math.ceil(((chunk.window.end - chunk.window.start) / slotMs) * openShare) * chunk.keys.length;
}

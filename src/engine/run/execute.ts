import { standingOf } from "../../core/coverage/gaps.ts";
import { daysOf } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { Series, SeriesKey } from "../../core/dataset/series.ts";
import { planRepair, type RepairRequest } from "../../core/plan/build-plan.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { addSlots } from "../../core/time/grid.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, type IntervalSet, normalize, spanOf } from "../../core/time/interval-set.ts";
import type { Lane } from "../budget-port.ts";
import { type BuildContext, publishChunks, recoverPublications } from "../build/publish-chunks.ts";
import { fetchChunk } from "../fetch/fetch-chunk.ts";
import type { Http } from "../fetch/http.ts";
import { permitsOf } from "../fetch/permits.ts";
import type { ChunkRecord, RunRecord } from "../ledger-port.ts";
import { restoredBy } from "../plan/make-plan.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import { type BoundPipeline, type Project, select } from "../project.ts";
import { fetchStage, owes, type StageEnd } from "./fetch-stage.ts";
import type { RunObserver } from "./observer.ts";
import { adoptOrphans } from "./recover.ts";
import { type RunSummary, summarize } from "./summary.ts";

export interface Execution {
  readonly run: RunRecord;
  /** Null when the run was paused or interrupted: it goes on with `resume`. */
  readonly summary: RunSummary | null;
  readonly end: StageEnd;
}

interface ExecuteOptions {
  readonly http: Http;
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
  /** When this process began with the run; its duration counts from here. */
  readonly startedAt: number;
}

/**
 * Performs an open run: finishes what a dead process left, fetches, publishes, looks for holes, asks again for them
 * within the plan's allowance, and closes the run with a status that agrees with the data.
 */
export async function executeRun(
  project: Project,
  run: RunRecord,
  plan: Plan,
  options: ExecuteOptions,
): Promise<Execution> {
  return new RunWorker(project, run, plan, options).perform();
}

class RunWorker {
  readonly #project: Project;
  readonly #run: RunRecord;
  readonly #plan: Plan;
  readonly #http: Http;
  readonly #observe: RunObserver;
  readonly #signal: AbortSignal;
  readonly #lane: Lane;
  readonly #startedAt: number;
  readonly #bound: BoundPipeline;
  readonly #dataset: Dataset;
  readonly #series = new Map<SeriesKey, Series>();
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
    this.#http = options.http;
    this.#observe = options.observe;
    this.#signal = options.signal;
    this.#lane = plan.mode === "incremental" ? "live" : "backfill";
    this.#startedAt = options.startedAt;
    const { bound, dataset } = select(project, plan.request.selector);
    this.#bound = bound;
    this.#dataset = dataset;
  }

  async perform(): Promise<Execution> {
    await this.#learnSeries();
    await recoverPublications(this.#build(), this.#run, this.#project.isAlive);
    const adopted = await adoptOrphans(this.#project, this.#run);
    if (adopted > 0) this.#observe({ type: "notice", text: `${adopted} answers found in bronze were adopted` });
    await this.#publishLeftovers();

    const open = await this.#project.ledger.tally(this.#run.id);
    const chunks = open.filter((one) => one.kind === "fetch").reduce((sum, one) => sum + one.chunks, 0);
    this.#observe({ type: "stage", stage: "fetch", round: 0, chunks });
    let end = await this.#fetch();
    if (end.kind === "done" || end.kind === "provider") {
      const scoped = await this.#scope();
      this.#observe({
        type: "gaps",
        series: scoped.map(({ series, standing }) => ({ key: series.key, gaps: standing.gaps })),
      });
      this.#repairs.detected = scoped.reduce((sum, { standing }) => sum + standing.gaps.length, 0);
      if (end.kind === "done") end = await this.#repair(scoped);
    }
    return this.#close(end);
  }

  /** Publishes what earlier runs paid for, and what is disputed, before anything is asked. */
  async #publishLeftovers(): Promise<void> {
    const { ledger } = this.#project;
    const pendingIds = this.#plan.steps.flatMap((step) => (step.kind === "build" ? step.pendingChunks : []));
    const pending = await ledger.chunksById(pendingIds);
    const own = await ledger.chunks(this.#run.id, { kind: "fetch", status: ["fetched"] });
    const fetched = [...pending.filter((chunk) => chunk.status === "fetched"), ...own];
    await this.#publish(fetched);
    const published = pending.filter((chunk) => chunk.status === "published");
    if (published.length === 0) return;
    const answered = new Map<SeriesKey, IntervalSet>();
    for (const chunk of published) {
      answered.set(chunk.key, normalize([...(answered.get(chunk.key) ?? []), chunk.window]));
    }
    const restored = restoredBy(await this.#scope(), answered);
    // What a dead process had published and a recovery has completed is not disputed: it is done.
    const lost = published.filter((chunk) => restored.has(chunk.key));
    if (lost.length === 0) return;
    const receipt = await publishChunks(this.#build(), this.#run, lost, restored);
    if (receipt) this.#observe({ type: "published", receipt });
  }

  async #fetch(): Promise<StageEnd> {
    const { ledger, budget, bronze, clock, random } = this.#project;
    const { source, credential, limits, backoff } = this.#bound;
    const permits = permitsOf({
      budget,
      credential,
      limits,
      lane: this.#lane,
      holdMs: this.#bound.answerMs,
      clock,
      onWait: (waitMs, why) => this.#observe({ type: "waiting", waitMs, why }),
    });
    const end = await fetchStage({
      ledger,
      clock,
      run: this.#run,
      concurrency: this.#plan.request.maxConcurrent,
      isAlive: this.#project.isAlive,
      seriesOf: (key) => this.#series.get(key) ?? null,
      isOwed: (chunk) => this.#isOwed(chunk),
      fetch: (chunk, series, signal) =>
        fetchChunk(
          {
            ledger,
            budget,
            bronze,
            clock,
            http: this.#http,
            permits,
            source,
            credential,
            limits,
            backoff,
            businessNow: this.#run.businessNow,
            random,
            notice: (text) => this.#observe({ type: "notice", text }),
            onCall: (call) => this.#observe({ type: "call", key: chunk.key, ...call }),
          },
          chunk,
          series,
          signal,
        ),
      onFetched: (chunk) => this.#collect(chunk),
      observe: this.#observe,
      signal: this.#signal,
    });
    await this.#building;
    // An interrupted run leaves its answers in bronze: the resume publishes them.
    if (end.kind !== "interrupted") await this.#publishFetched();
    return end;
  }

  #collect(chunk: ChunkRecord): void {
    this.#fetched.push(chunk);
    this.#fetchedRows += expectedRows(chunk, this.#series.get(chunk.key));
    if (this.#fetchedRows < this.#bound.publishRows || this.#building !== null) return;
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
    for (const group of groupsOf(chunks, this.#bound.publishRows, (chunk) => this.#series.get(chunk.key))) {
      const receipt = await publishChunks(this.#build(), this.#run, group);
      if (!receipt) continue;
      this.#observe({ type: "published", receipt });
      for (const { id, key, round } of group) {
        const rows = receipt.rowsBySeries[key];
        if (round > 0 && rows) this.#repairedRows.set(id, rows.inserted + rows.updated);
      }
    }
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
      const target = (series: Series, window: Interval): string => this.#bound.source.request(series, window).target;
      const { requests } = planRepair(
        scoped.map((one) => ({ ...one, windows: (gaps) => this.#bound.source.windows(one.series, gaps) })),
        {
          allowance: this.#plan.repair.calls - spent,
          wasAnswered: (series, window) => answered.has(target(series, window)),
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
          dataset: this.#dataset.name,
          version: this.#dataset.version,
          key: series.key,
          window,
        })),
        this.#run.fence,
      );
      const end = await this.#fetch();
      scoped = await this.#scope();
      const places = scoped.map(({ series }) => series.key);
      const outcomes = requests
        .map((request, i) => ({ ...request, chunk: asked[i]?.id ?? "" }))
        .sort((a, b) => places.indexOf(a.series.key) - places.indexOf(b.series.key) || a.window.start - b.window.start);
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
    const standing = scoped.find((one) => one.series.key === series.key)?.standing;
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

  async #close(end: StageEnd): Promise<Execution> {
    const { ledger, bronze, clock } = this.#project;
    if (end.kind === "interrupted" || (end.kind === "control" && end.control === "pause")) {
      const event = end.kind === "interrupted" ? "interrupt" : "pause";
      const run = await ledger.moveRun(this.#run.id, { type: event }, { pid: this.#run.owner.pid }, this.#run.fence);
      return { run: run ?? this.#run, summary: null, end };
    }
    const stopped = end.kind === "provider" ? end.reason : "cancelled";
    if (end.kind !== "done") await ledger.cancelOpenChunks(this.#run.id, stopped);
    const scoped = await this.#scope();
    const standings = scoped.map((one) => one.standing);
    const summary = await summarize(ledger, this.#run, this.#plan, standings, {
      repairs: this.#repairs,
      durationMs: clock.now() - this.#startedAt,
    });
    const outcome = end.kind === "control" ? "cancelled" : outcomeOf(summary, end);
    const run = await ledger.closeRun(this.#run.id, this.#run.fence, outcome, { ...summary }, clock.now());
    const head = await ledger.chainHead(run.id);
    await bronze.seal(run.id, { run_id: run.id, plan_id: run.planId, status: run.status, ...head, rows: summary.rows });
    this.#observe({ type: "closed", run, summary });
    return { run, summary, end };
  }

  async #isOwed(chunk: ChunkRecord): Promise<boolean> {
    const series = this.#series.get(chunk.key);
    if (!series) return false;
    const segments = await this.#project.ledger.segments(chunk.dataset, chunk.version, [chunk.key]);
    const standing = standingOf(series, segments.get(chunk.key) ?? [], {
      span: chunk.window,
      now: this.#run.businessNow,
      realNow: this.#project.clock.now(),
      refusedAt: () => null,
      leaveOut: [],
    });
    return owes(standing, chunk);
  }

  /** The plan's scope as it stands; what the run itself was refused counts as a gap. */
  #scope(): Promise<readonly ScopedSeries[]> {
    return scopeOf(this.#project, this.#bound, this.#dataset, this.#plan.request, {
      now: this.#run.businessNow,
      leaveOut: this.#plan,
    });
  }

  async #learnSeries(): Promise<void> {
    for (const { series } of await this.#scope()) this.#series.set(series.key, series);
    const pending = this.#plan.steps.flatMap((step) => (step.kind === "build" ? step.pendingChunks : []));
    const foreign = (await this.#project.ledger.chunksById(pending)).filter((chunk) => !this.#series.has(chunk.key));
    if (foreign.length === 0) return;
    for (const entry of await this.#project.ledger.entries(this.#bound.pipeline.name)) {
      for (const series of this.#bound.pipeline.series(this.#dataset.name, entry, this.#run.businessNow)) {
        this.#series.set(series.key, series);
      }
    }
  }

  #build(): BuildContext {
    return {
      ledger: this.#project.ledger,
      store: this.#project.store,
      clock: this.#project.clock,
      dataset: this.#dataset,
      source: this.#bound.source,
      suspects: this.#bound.pipeline.suspects,
      seriesOf: (key) => this.#series.get(key) ?? null,
    };
  }
}

function outcomeOf(summary: RunSummary, end: StageEnd): "succeeded" | "partial" | "failed" {
  const answered = summary.rows.received > 0 || summary.bytes > 0;
  if (end.kind === "provider") return answered ? "partial" : "failed";
  if (summary.gaps.after === 0) return "succeeded";
  // A refusal is the source's answer; only where all was tried and given up has the run failed.
  return answered || summary.cells.failed === 0 ? "partial" : "failed";
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
  seriesOf: (chunk: ChunkRecord) => Series | undefined,
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
function expectedRows(chunk: ChunkRecord, series: Series | undefined): number {
  if (!series) return 1;
  const slotMs = instant(addSlots(series.axis.grid, chunk.window.start, 1)) - chunk.window.start;
  const openShare = series.axis.calendar.name === "24x7" ? 1 : 0.45;
  return Math.ceil(((chunk.window.end - chunk.window.start) / slotMs) * openShare);
}

import { daysOf } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { cellKey, type Series, type SeriesKey } from "../../core/dataset/series.ts";
import { planRepair, type RepairRequest } from "../../core/plan/build-plan.ts";
import { addSlots } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, type IntervalSet, normalize, spanOf } from "../../core/time/interval-set.ts";
import { publishChunks } from "../build/publish-chunks.ts";
import { type FetchContext, fetchChunk, type Reach } from "../fetch/fetch-chunk.ts";
import { permitsOf } from "../fetch/permits.ts";
import type { ChunkRecord } from "../ledger-port.ts";
import { restoredBy } from "../plan/make-plan.ts";
import type { ScopedSeries } from "../plan/scope.ts";
import { requestIdentity } from "../ports.ts";
import { ownSourceOf, type Provider, sourceNamed } from "../project.ts";
import type { Receipt } from "../store-port.ts";
import type { Connections } from "./connections.ts";
import { fetchStage, type StageEnd } from "./fetch-stage.ts";
import type { RunObserver } from "./observer.ts";
import { worstOf } from "./outcome.ts";
import { expectedRows, groupsOf } from "./publication-groups.ts";
import type { RunScope } from "./run-scope.ts";

export interface FillOptions {
  readonly connections: Connections;
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
}

/** Asks for what a run's plan lacks, publishes the answers, and asks again for what they left open. */
export class Filling {
  readonly #scope: RunScope;
  readonly #connections: Connections;
  readonly #observe: RunObserver;
  readonly #signal: AbortSignal;
  /** By provider. */
  readonly #reach = new Map<string, Reach>();
  #fetched: ChunkRecord[] = [];
  #fetchedRows = 0;
  #building: Promise<void> | null = null;
  #repairs = { detected: 0, retried: 0, filled: 0 };
  /** Rows that each repair chunk inserted or updated. */
  readonly #repairedRows = new Map<string, number>();

  constructor(scope: RunScope, options: FillOptions) {
    this.#scope = scope;
    this.#connections = options.connections;
    this.#observe = options.observe;
    this.#signal = options.signal;
  }

  /** Stretches that lacked rows after the first fetch, those asked again, and those of them that got rows. */
  get repairs(): { readonly detected: number; readonly retried: number; readonly filled: number } {
    return this.#repairs;
  }

  /** Everything that asks: the plan's questions, then repairs of what they left open. */
  async fill(): Promise<StageEnd> {
    const open = await this.#scope.project.ledger.tally(this.#scope.run.id);
    const chunks = open.filter((one) => one.kind === "fetch").reduce((sum, one) => sum + one.chunks, 0);
    if (chunks === 0) return { kind: "done" };
    this.#observe({ type: "stage", stage: "fetch", round: 0, chunks });
    const end = await this.#fetch();
    if (end.kind !== "done" && end.kind !== "provider") return end;
    const scoped = await this.#scope.asked();
    this.#observe({
      type: "gaps",
      series: scoped.map(({ series, standing }) => ({ key: series.key, gaps: standing.gaps })),
    });
    this.#repairs.detected = scoped.reduce((sum, { standing }) => sum + standing.gaps.length, 0);
    return end.kind === "done" ? this.#repair(scoped) : end;
  }

  /** Publishes what earlier runs paid for, and what is disputed, before anything is asked. */
  async publishLeftovers(dataset: Dataset): Promise<void> {
    const { ledger } = this.#scope.project;
    const step = this.#scope.buildStep(dataset);
    const pending = await ledger.chunksById(step?.pendingChunks ?? []);
    const all = await ledger.chunks(this.#scope.run.id, { kind: "fetch", status: ["fetched"] });
    const own = all.filter((chunk) => chunk.dataset === dataset.name);
    const fetched = [...pending.filter((chunk) => chunk.status === "fetched"), ...own];
    await this.#publish(fetched);
    const published = pending.filter((chunk) => chunk.status === "published");
    if (published.length === 0) return;
    const answered = new Map<SeriesKey, IntervalSet>();
    for (const { keys, window } of published) {
      for (const key of keys) answered.set(key, normalize([...(answered.get(key) ?? []), window]));
    }
    const restored = restoredBy(await this.#scope.standing([dataset]), answered);
    // What a dead process had published and a recovery has completed is not disputed: it is done.
    const lost = published.filter((chunk) => chunk.keys.some((key) => restored.has(key)));
    if (lost.length === 0) return;
    const receipt = await publishChunks(this.#scope.build(dataset), this.#scope.run, lost, { restore: restored });
    if (receipt) this.#published(dataset, receipt);
  }

  /** One stage a provider, side by side: who is slow holds up nobody else. */
  async #fetch(): Promise<StageEnd> {
    const providers = new Map<string, { readonly provider: Provider; readonly sources: Set<string> }>();
    for (const { source, provider } of this.#scope.bound.sources) {
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
    const { ledger, budget, bronze, clock, random } = this.#scope.project;
    const http = this.#connections.get(provider.name);
    if (!http) throw new Error(`unreachable: ${provider.name} is not connected`);
    const { credential, limits, backoff, answerMs } = provider;
    const reach = this.#reach.get(provider.name) ?? { mostMs: Number.POSITIVE_INFINITY };
    this.#reach.set(provider.name, reach);
    const permits = permitsOf({
      budget,
      credential,
      limits,
      lane: this.#scope.plan.mode === "incremental" ? "live" : "backfill",
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
      source: sourceNamed(this.#scope.bound, chunk.dataset, chunk.source ?? "").source,
      credential,
      limits,
      backoff,
      businessNow: this.#scope.run.businessNow,
      random,
      notice: (text) => this.#observe({ type: "notice", text }),
      onCall: (call) => this.#observe({ type: "call", key: chunk.key, ...call }),
    });
    return fetchStage({
      ledger,
      clock,
      run: this.#scope.run,
      sources,
      concurrency: this.#scope.plan.request.maxConcurrent,
      isAlive: this.#scope.project.isAlive,
      seriesOf: (chunk) => this.#scope.seriesOf(chunk),
      isOwed: (chunk) => this.#scope.isOwed(chunk),
      fetch: (chunk, series, signal) => fetchChunk(context(chunk), chunk, series, signal),
      onFetched: (chunk) => this.#collect(chunk),
      onIdle: () => this.#startPublishing(),
      observe: this.#observe,
      signal: this.#signal,
    });
  }

  #collect(chunk: ChunkRecord): void {
    this.#fetched.push(chunk);
    this.#fetchedRows += expectedRows(chunk, this.#scope.seriesOf(chunk));
    if (this.#fetchedRows >= this.#scope.bound.publishRows) this.#startPublishing();
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
    const chunks = await this.#scope.project.ledger.chunksById(group.map((chunk) => chunk.id));
    // A chunk that waits for its next page is published once it has all of them: twice would count its rows twice and
    // take one answer for two.
    await this.#publish(chunks.filter((chunk) => chunk.status === "fetched"));
  }

  async #publish(chunks: readonly ChunkRecord[]): Promise<void> {
    for (const dataset of this.#scope.datasets) {
      const own = chunks.filter((chunk) => chunk.dataset === dataset.name);
      for (const group of groupsOf(own, this.#scope.bound.publishRows, (chunk) => this.#scope.seriesOf(chunk))) {
        const receipt = await publishChunks(this.#scope.build(dataset), this.#scope.run, group);
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
    const { ledger } = this.#scope.project;
    let scoped = first;
    const earlier = await ledger.chunks(this.#scope.run.id, { kind: "fetch" });
    let round = Math.max(0, ...earlier.map((chunk) => chunk.round));
    let spent = earlier.filter((chunk) => chunk.round > 0).length;
    while (round < this.#scope.plan.repair.rounds && spent < this.#scope.plan.repair.calls) {
      round++;
      const answered = await ledger.answeredTargets(this.#scope.run.id);
      const { requests } = planRepair(
        scoped.flatMap((one) => {
          const own = ownSourceOf(this.#scope.bound, one.series);
          if (own === null || !this.#connections.has(own.provider.name)) return [];
          return [
            {
              ...one,
              windows: (gaps: IntervalSet) => own.source.windows(one.series, gaps, this.#scope.plan.request.chunkSlots),
            },
          ];
        }),
        {
          allowance: this.#scope.plan.repair.calls - spent,
          wasAnswered: (series, window) => {
            const request = ownSourceOf(this.#scope.bound, series)?.source.request(series, window);
            return request !== undefined && answered.has(requestIdentity(request));
          },
          widen: (series, window) => widened(series, window, this.#scope.run.businessNow),
        },
      );
      if (requests.length === 0) break;
      spent += requests.length;
      this.#repairs.retried += requests.reduce((sum, request) => sum + request.gaps.length, 0);
      this.#observe({ type: "stage", stage: "repair", round, chunks: requests.length });
      const asked = await ledger.addChunks(
        this.#scope.run.id,
        requests.map(({ series, window }) => ({
          kind: "fetch",
          round,
          dataset: series.dataset,
          version: series.version,
          key: series.key,
          source: ownSourceOf(this.#scope.bound, series)?.source.name ?? null,
          window,
        })),
        this.#scope.run.fence,
      );
      const end = await this.#fetch();
      scoped = await this.#scope.asked();
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

import { gapSet, standingOf } from "../../core/coverage/gaps.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { cellKey, type Series } from "../../core/dataset/series.ts";
import type { BuildStep, Plan } from "../../core/plan/plan.ts";
import { intersects } from "../../core/time/interval-set.ts";
import type { MakeContext } from "../build/build-windows.ts";
import type { BuildContext } from "../build/publish-chunks.ts";
import type { ChunkRecord, RunRecord } from "../ledger-port.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import { selection } from "../plan/selection.ts";
import { requestIdentity } from "../ports.ts";
import { type BoundPipeline, datasetNamed, type Project, sourceNamed } from "../project.ts";

/** What a run works on: its datasets, their series, and how these stand. */
export class RunScope {
  readonly project: Project;
  readonly run: RunRecord;
  readonly plan: Plan;
  readonly bound: BoundPipeline;
  /** Inputs before what is made from them. */
  readonly datasets: readonly Dataset[];
  /** By dataset and key. */
  readonly #series = new Map<string, Series>();

  private constructor(project: Project, run: RunRecord, plan: Plan) {
    this.project = project;
    this.run = run;
    this.plan = plan;
    const { bound, datasets } = selection(project, plan.request);
    this.bound = bound;
    this.datasets = datasets;
  }

  static async of(project: Project, run: RunRecord, plan: Plan): Promise<RunScope> {
    const scope = new RunScope(project, run, plan);
    await scope.#learnSeries();
    return scope;
  }

  /** What the plan says of publishing or making a dataset. */
  buildStep(dataset: Dataset): BuildStep | undefined {
    return this.plan.steps.find((step): step is BuildStep => step.kind === "build" && step.dataset === dataset.name);
  }

  /** The series that a chunk asks for, the first of many; null where it is not declared any more. */
  seriesOf(chunk: Pick<ChunkRecord, "dataset" | "version" | "keys">): Series | null {
    const key = chunk.keys[0];
    return key === undefined ? null : (this.#series.get(cellKey({ ...chunk, key })) ?? null);
  }

  /** The plan's scope as it stands; what the run itself was refused counts as a gap. */
  standing(datasets: readonly Dataset[] = this.datasets): Promise<readonly ScopedSeries[]> {
    return scopeOf(this.project, this.bound, datasets, this.plan.request, {
      now: this.run.businessNow,
      leaveOut: this.plan,
    });
  }

  /** The scope's series that are asked from a source. */
  async asked(): Promise<readonly ScopedSeries[]> {
    const scoped = await this.standing(this.datasets.filter(({ extract }) => extract !== null));
    return scoped.filter(({ series }) => series.source !== null);
  }

  /**
   * Whether a chunk is still to be asked: something inside its window is owed, and nobody was answered the same
   * meanwhile. What that answer left open is asked again as a repair, and not as a whole.
   */
  async isOwed(chunk: ChunkRecord): Promise<boolean> {
    // What is asked again although it is covered is owed whatever the ledger says.
    if (this.plan.request.ask === "again" || this.plan.mode === "incremental") return true;
    const asked = this.seriesOf(chunk);
    if (asked !== null && chunk.round === 0 && chunk.progress === null) {
      const { source } = sourceNamed(this.bound, chunk.dataset, chunk.source ?? "");
      const target = requestIdentity(source.request(asked, chunk.window));
      if (await this.project.ledger.wasAnsweredMeanwhile(this.run, target)) return false;
    }
    const segments = await this.project.ledger.segments(chunk.dataset, chunk.version, chunk.keys);
    return chunk.keys.some((key) => {
      const series = this.#series.get(cellKey({ ...chunk, key }));
      if (!series) return false;
      const standing = standingOf(series, segments.get(key) ?? [], {
        span: chunk.window,
        now: this.run.businessNow,
        realNow: this.project.clock.now(),
        refusedAt: () => null,
        leaveOut: [],
      });
      return intersects(gapSet(standing), [chunk.window]);
    });
  }

  /** What publishing answers of a dataset needs. */
  build(dataset: Dataset): BuildContext {
    const sources = this.bound.sources.filter((one) => one.dataset === dataset.name);
    return {
      ledger: this.project.ledger,
      store: this.project.store,
      clock: this.project.clock,
      dataset,
      sources: new Map(
        sources.map(({ source }) => [
          source.name,
          {
            system: source.system,
            records: source.records,
            match: source.match?.bind(source) ?? null,
            fillsOnly: source.fillsOnly === true,
          },
        ]),
      ),
      suspects: this.bound.pipeline.suspects(dataset.name),
      seriesOf: (key) => this.#series.get(cellKey({ dataset: dataset.name, version: dataset.version, key })) ?? null,
    };
  }

  /** What making a dataset from others needs. */
  making(dataset: Dataset): MakeContext {
    return {
      ledger: this.project.ledger,
      store: this.project.store,
      clock: this.project.clock,
      dataset,
      datasetNamed: (name) => datasetNamed(this.bound, name),
    };
  }

  async #learnSeries(): Promise<void> {
    const { ledger } = this.project;
    for (const { series } of await this.standing()) this.#series.set(cellKey(series), series);
    const pending = this.plan.steps.flatMap((step) => (step.kind === "build" ? step.pendingChunks : []));
    const foreign = (await ledger.chunksById(pending)).some((chunk) => this.seriesOf(chunk) === null);
    const { ask, revert } = this.plan.request;
    if (!foreign && ask !== "bronze" && revert === null) return;
    for (const entry of await ledger.entries(this.bound.pipeline.name)) {
      for (const { name } of this.datasets) {
        for (const series of this.bound.pipeline.series(name, entry, this.run.businessNow)) {
          this.#series.set(cellKey(series), series);
        }
      }
    }
  }
}

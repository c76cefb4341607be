import type { Dataset, DatasetName, Reach, TransformInput } from "../../core/dataset/dataset.ts";
import { downstreamOf, inputsOf, upstreamOf } from "../../core/dataset/lineage.ts";
import type { Watermark } from "../ledger-port.ts";
import { allDatasets, type DatasetPlace } from "../place.ts";
import type { Project } from "../project.ts";
import { type Staleness, stalenessOf } from "./staleness.ts";

/** A dataset with what it is made from and what is made from it. */
export interface LineageNode {
  readonly dataset: Dataset;
  /** Who is asked for it. */
  readonly sources: readonly string[];
  readonly inputs: readonly TransformInput[];
  /** Datasets made directly from it, itself not among them. */
  readonly children: readonly DatasetName[];
}

/** One dataset's place among the others, and how far it is behind them. */
export interface DatasetLineage extends LineageNode {
  /** Everything that it is made from, directly or not. */
  readonly upstream: readonly DatasetName[];
  /** Everything that is made from it, directly or not. */
  readonly downstream: readonly DatasetName[];
  readonly watermark: Watermark | null;
  readonly staleness: Staleness;
}

/** All datasets of the project, inputs before what is made from them. */
export function lineageOf(project: Pick<Project, "pipelines">): readonly LineageNode[] {
  return allDatasets(project).map(nodeOf);
}

/** One dataset with its upstream, its downstream, its watermark and what of it is stale. */
export async function datasetLineage(project: Project, place: DatasetPlace): Promise<DatasetLineage> {
  const { dataset, bound } = place;
  const all = bound.pipeline.datasets;
  const inOrder = (names: ReadonlySet<DatasetName>): readonly DatasetName[] =>
    all.filter(({ name }) => names.has(name)).map(({ name }) => name);
  return {
    ...nodeOf(place),
    upstream: inOrder(upstreamOf(all, dataset.name)),
    downstream: inOrder(downstreamOf(all, dataset.name)),
    watermark: await project.ledger.watermark(dataset.name, dataset.version),
    staleness: await stalenessOf(project, place),
  };
}

/** How far an input reaches, as people say it. */
export function reachInWords(reach: Reach): string {
  switch (reach.kind) {
    case "slots":
      return reach.count === 0 ? "its own slot" : `its own slot and ${reach.count} before`;
    case "within":
      return "the rows inside its slot";
    case "later":
      return "its own slot and all after";
    default:
      return reach satisfies never;
  }
}

function nodeOf({ bound, dataset }: DatasetPlace): LineageNode {
  const { datasets } = bound.pipeline;
  return {
    dataset,
    sources: bound.sources.filter((one) => one.dataset === dataset.name).map(({ source }) => source.name),
    inputs: dataset.transform?.inputs ?? [],
    children: datasets.filter(({ name }) => inputsOf(datasets, name).includes(dataset.name)).map(({ name }) => name),
  };
}

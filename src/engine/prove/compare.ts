import { setOf } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { inputKeyOf } from "../../core/dataset/series.ts";
import { snapIn } from "../../core/time/grid.ts";
import { intersect } from "../../core/time/interval-set.ts";
import { buildWindow } from "../build/build-windows.ts";
import type { ScopedSeries } from "../plan/scope.ts";
import { type BoundPipeline, datasetNamed, type Project } from "../project.ts";
import type { Comparison } from "../store-port.ts";

/**
 * A source's own rows against those that its finer series make, wherever both were answered: a provider's 5-minute bar
 * against its five minutes. What differs is told, not judged: which of the two is right is not known here.
 */
export async function compareWithMade(
  project: Project,
  bound: BoundPipeline,
  dataset: Dataset,
  scoped: readonly ScopedSeries[],
): Promise<readonly Comparison[]> {
  const [input] = dataset.transform?.inputs ?? [];
  if (!input || dataset.extract === null || dataset.transform?.compared === undefined) return [];
  const source = datasetNamed(bound, input.dataset);
  const asked = scoped.filter((one) => one.dataset === dataset && one.series.source !== null);
  const keys = asked.map(({ series }) => inputKeyOf(series, input, source.key));
  const finer = await project.ledger.segments(source.name, source.version, keys);
  const windows = asked.flatMap(({ series, segments }, i) => {
    const place = keys[i];
    // A series is not made of itself, nor of a coarser one.
    if (place === undefined || place === series.key || !canBeMade(series.axis.grid.grain)) return [];
    const there = setOf(finer.get(place) ?? [], "covered", "empty")
      .map((span) => snapIn(series.axis.grid, span))
      .filter((span) => span !== null);
    const both = intersect(there, setOf(segments, "covered"));
    return both.map((span) =>
      buildWindow({ dataset, datasetNamed: (name) => datasetNamed(bound, name) }, series, span),
    );
  });
  return project.store.compare(dataset, windows);
}

/** Days and weeks of an exchange are not the sum of their minutes: auctions and late prints count otherwise. */
function canBeMade(grain: string): boolean {
  return /^\d+[mh]$/.test(grain);
}

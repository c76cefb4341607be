import type { Dataset } from "../../core/dataset/dataset.ts";
import { logicOf } from "../../core/dataset/sql.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { Fingerprint, Plan } from "../../core/plan/plan.ts";
import type { BoundPipeline, Project } from "../project.ts";
import { type ScopedSeries, scopeOf } from "./scope.ts";

import { selection } from "./selection.ts";

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

export function fingerprintOf(
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

export async function checkLogic(project: Project, dataset: Dataset): Promise<void> {
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

import { formatLimits, isRolling, type RateLimit } from "../../core/budget/limits.ts";
import { gapSet } from "../../core/coverage/gaps.ts";
import { cellKey } from "../../core/dataset/series.ts";
import type { Cost, FetchStep, Step } from "../../core/plan/plan.ts";
import { MINUTE } from "../../core/time/instant.ts";
import type { BoundPipeline, Project, Provider } from "../project.ts";
import type { ScopedSeries } from "./scope.ts";

export async function costOf(
  project: Project,
  bound: BoundPipeline,
  steps: readonly Step[],
  known: Pick<Cost, "rows" | "rowsMeasured" | "bytes" | "choices" | "savedCalls" | "yearlyBytes">,
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
    providers,
    ...known,
  };
}

export async function limitsText(project: Project, bound: BoundPipeline): Promise<string> {
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
export function callsBySeries(steps: readonly Step[], bound: BoundPipeline): ReadonlyMap<string, number> {
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
export function savedCalls(bound: BoundPipeline, scoped: readonly ScopedSeries[]): number {
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

/** Minutes that `calls` take at the declared limits when every answer is instant. */
export function minutesFor(limits: readonly RateLimit[], calls: number): number {
  const rolling = limits.filter(isRolling).map((limit) => (Math.max(0, calls - 1) * limit.windowMs) / limit.count);
  return Math.max(0, ...rolling) / MINUTE;
}

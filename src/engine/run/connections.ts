import { type Plan, plannedCalls } from "../../core/plan/plan.ts";
import type { Http } from "../fetch/http.ts";
import { providersOf } from "../plan/cost.ts";
import { selection } from "../plan/selection.ts";
import type { Project, Provider } from "../project.ts";

/** Connects to one provider. @throws RetrofillError SOURCE_UNCONFIGURED without its key or address */
export type Connect = (provider: Provider) => Promise<Http>;

/** Open connections by the provider's name. */
export type Connections = ReadonlyMap<string, Http>;

/**
 * Connects to everybody whom a plan asks, before anything is opened: without a key nothing starts. A plan that asks
 * nobody connects to nobody.
 */
export async function connectAll(project: Project, plan: Plan, connect: Connect): Promise<Connections> {
  const { bound } = selection(project, plan.request);
  await bound.prepare();
  const asked = new Set(
    plan.steps.flatMap((step) => (step.kind === "fetch" && step.chunks.length > 0 ? [step.provider] : [])),
  );
  const connections = new Map<string, Http>();
  for (const provider of providersOf(bound)) {
    // A repair may ask by another way than the plan did, but only where the plan asks at all.
    const mayRepair = plannedCalls(plan) > 0 && !provider.isFree && plan.repair.calls > 0 && asked.has(provider.name);
    if (asked.has(provider.name) || mayRepair) connections.set(provider.name, await connect(provider));
  }
  return connections;
}

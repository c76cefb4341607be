import type { FetchStep, Plan } from "../../core/plan/plan.ts";
import { datesOf, daysTouched, intervalOfDays } from "../../core/time/local-days.ts";
import type { Project } from "../project.ts";
import { type DayPlan, dayPlanOf } from "./day-plan.ts";
import { scopeOf } from "./scope.ts";
import { selection } from "./selection.ts";

type Question = Pick<FetchStep["chunks"][number], "key" | "start" | "end">;

/** What one run asks for of one phase. */
export interface PhaseShare {
  readonly title: string;
  readonly keys: number;
  /** Days that its keys owe and that are asked for. */
  readonly days: number;
}

/** Tells at which of the phases' steps a question is asked: the first that it touches; after all where it touches none. */
export function placesIn({ phases }: DayPlan, zone: string): (question: Question) => number {
  const inOrder = phases
    .flatMap(({ steps }) => steps)
    .map(({ keys, first, last }) => ({ keys, days: intervalOfDays(zone, { first, last }) }));
  return ({ key, start, end }) => {
    const place = inOrder.findIndex(
      ({ keys, days }) => (keys?.includes(key) ?? true) && days.start < end && start < days.end,
    );
    return place < 0 ? inOrder.length : place;
  };
}

/**
 * The phases in whose order a plan asks for what days lack, each with its share of the plan's questions; none where it
 * asks for something else, or where its pipeline is none of days.
 */
export async function phaseOrder(project: Project, plan: Plan): Promise<readonly PhaseShare[]> {
  const { request, businessNow: now } = plan;
  const { bound, datasets } = selection(project, request);
  if (bound.dayReporting === undefined || request.ask !== "gaps" || request.revert !== null) return [];
  const scoped = await scopeOf(project, bound, datasets, request, { now, leaveOut: plan });
  const reporting = await bound.dayReporting();
  const dayPlan = dayPlanOf(scoped, reporting, { ...request, now });
  const zone = scoped[0]?.series.axis.grid.zone;
  if (dayPlan === null || zone === undefined) return [];
  const placeOf = placesIn(dayPlan, zone);
  const owed = new Map(dayPlan.report.rows.map(({ key, open }) => [key, new Set(open)]));
  const asked = new Map<number, Map<string, Set<string>>>();
  for (const question of questionsOf(plan)) {
    const { key } = question;
    const place = placeOf(question);
    const byKey = asked.get(place) ?? new Map<string, Set<string>>();
    asked.set(place, byKey);
    const days = byKey.get(key) ?? new Set<string>();
    byKey.set(key, days);
    for (const date of datesOf(daysTouched(zone, question))) if (owed.get(key)?.has(date)) days.add(date);
  }
  let place = 0;
  return dayPlan.phases.flatMap((phase) => {
    const shares = phase.steps.flatMap(() => [...(asked.get(place++) ?? [])]);
    const days = shares.reduce((sum, [, dates]) => sum + dates.size, 0);
    const keys = new Set(shares.map(([key]) => key)).size;
    return keys === 0 ? [] : [{ title: reporting.title(dayPlan, phase), keys, days }];
  });
}

/** What is asked of somebody: files are read before. */
function questionsOf({ steps }: Plan): readonly Question[] {
  return steps.flatMap((step) => (step.kind === "fetch" && step.provider !== "files" ? step.chunks : []));
}

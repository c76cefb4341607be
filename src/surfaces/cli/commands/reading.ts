import type { Dataset } from "../../../core/dataset/dataset.ts";
import type { Request } from "../../../core/plan/plan.ts";
import type { Instant } from "../../../core/time/instant.ts";
import { rowsOnClosedDays } from "../../../engine/plan/closed-days.ts";
import { type DayPlan, type DayReporting, dayPlanOf } from "../../../engine/plan/day-plan.ts";
import { type ScopedSeries, scopeOf } from "../../../engine/plan/scope.ts";
import { selection } from "../../../engine/plan/selection.ts";
import type { BoundPipeline, Project } from "../../../engine/project.ts";
import type { OpenProject } from "../host.ts";
import { type RequestFlags, readRequest } from "../request.ts";

/** Said where rows could not be looked at. */
export const CLOSED_DAYS_UNSEEN = "closed days are taken to be without rows: somebody is writing to the data file";

export interface Reading {
  readonly bound: BoundPipeline;
  /** Inputs before what is made from them. */
  readonly datasets: readonly Dataset[];
  readonly request: Request;
  readonly now: Instant;
  readonly scoped: readonly ScopedSeries[];
}

/** What a reading command looks at: a selector (default: the project's first pipeline) and its flags, at business now. */
export async function readScope(opened: OpenProject, selector: string | null, flags: RequestFlags): Promise<Reading> {
  const { project } = opened;
  const now = project.businessNow();
  const name = selector ?? project.pipelines[0]?.pipeline.name ?? "";
  const request = readRequest(project, name, flags, now);
  const { bound, datasets } = selection(project, request);
  const scoped = await scopeOf(project, bound, datasets, request, { now, leaveOut: "fresh" });
  return { bound, datasets, request, now, scoped };
}

/**
 * The plan of days of what was read, with how it is written; null where the pipeline is none of days. With a project,
 * what keys sold on closed days is looked up in the rows.
 */
export async function readDayPlan(
  { bound, scoped, request, now }: Reading,
  project: Project | null = null,
): Promise<{ readonly plan: DayPlan; readonly reporting: DayReporting } | null> {
  const reporting = (await bound.dayReporting?.()) ?? null;
  if (reporting === null) return null;
  const asked = { ...request, now };
  const closed = project === null ? null : await rowsOnClosedDays(project, scoped, reporting, asked);
  const plan = dayPlanOf(scoped, reporting, asked, closed);
  return plan && { plan, reporting };
}

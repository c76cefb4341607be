import type { VolumeFacts } from "../../core/alerts/facts.ts";
import { RECENT_MS } from "../../core/alerts/volume.ts";
import { type Axis, dueSet, dueUntil } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { requestFor } from "../../core/plan/plan.ts";
import { DAY, type Instant, plus, SECOND } from "../../core/time/instant.ts";
import { type Interval, overlaps } from "../../core/time/interval.ts";
import type { RunRecord } from "../ledger-port.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import type { Project } from "../project.ts";
import type { JudgedDataset } from "./dataset-facts.ts";

/** Weeks of usual values that a slot is compared with. */
const WEEKS = 12;

/** Longer than this no other writer is waited for. */
const WAIT_MS = SECOND;

/**
 * How much happened in the recent slots and days that a run changed, beside what is usual there; and in those that
 * were told of as unusual, for a run may have changed what is usual for them. Days that are not over and those with a
 * gap are left out: they hold less for a reason that is known.
 */
export async function volumeFacts(
  project: Project,
  judged: JudgedDataset,
  run: RunRecord,
): Promise<readonly VolumeFacts[]> {
  const { dataset, now } = judged;
  const { volume } = dataset;
  if (volume === undefined) return [];
  const builds = await project.ledger.chunks(run.id, { kind: "build", status: ["published"] });
  const publications = builds.filter((chunk) => chunk.dataset === dataset.name).map((chunk) => chunk.id);
  if (publications.length === 0) return [];
  const again = await unusualSlots(project, dataset);
  // A slot's condition is that of all its series: judged by some of them, it would end for the others.
  const scoped = again.length > 0 && !judged.isWhole ? await wholeDataset(project, judged) : judged.scoped;
  const observed = await project.store.volumes({
    dataset,
    series: scoped.map(({ series }) => series),
    publications,
    recent: { start: plus(now, -RECENT_MS), end: now },
    again,
    weeks: WEEKS,
    waitMs: WAIT_MS,
  });
  const byKey = new Map(scoped.map((one) => [one.series.key, one]));
  return observed.flatMap(({ key, start, end, value, history }): readonly VolumeFacts[] => {
    const one = byKey.get(key);
    if (!one || !isOver(one.series.axis, { start, end }, now)) return [];
    if (one.standing.gaps.some((gap) => overlaps(gap, { start, end }))) return [];
    return [{ dataset: dataset.name, series: key, start, value, unit: volume.unit, history }];
  });
}

/** More messages than that are not looked through. */
const MOST_OPEN = 1_000;

/** Starts of the slots and days of a dataset that are told of as unusual and may still be. */
async function unusualSlots({ alerts }: Project, { name }: Dataset): Promise<readonly Instant[]> {
  const told = await alerts.outbox.list({ all: false, limit: MOST_OPEN });
  const starts = told.flatMap(({ isOpen, subject }) =>
    isOpen && subject.kind === "slot" && subject.dataset === name ? [subject.start] : [],
  );
  return [...new Set(starts)];
}

function wholeDataset(project: Project, { bound, dataset, now }: JudgedDataset): Promise<readonly ScopedSeries[]> {
  return scopeOf(project, bound, [dataset], requestFor(bound.pipeline.name), { now, leaveOut: { series: [] } });
}

/** Whether the last slot of `span` that can be due has settled. */
function isOver(axis: Axis, span: Interval, now: Instant): boolean {
  const last = dueSet(axis, span, plus(span.end, axis.settleMs + DAY)).at(-1);
  return last !== undefined && last.end <= dueUntil(axis, now);
}

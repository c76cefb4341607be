import { type Axis, dueSet } from "../../core/dataset/axis.ts";
import type { Dataset, DatasetName } from "../../core/dataset/dataset.ts";
import type { Step } from "../../core/plan/plan.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import { DAY, type Instant, instant, plus } from "../../core/time/instant.ts";
import type { Project } from "../project.ts";
import type { RunSummary } from "../run/summary.ts";
import { type NewestAnswers, newestAnswers, rowsPerSlot } from "./answers.ts";
import type { ScopedSeries } from "./scope.ts";

/** An incremental plan whose like is run all year. */
export interface GrowthScope {
  readonly selector: string;
  readonly datasets: readonly Dataset[];
  readonly scoped: readonly ScopedSeries[];
  readonly steps: readonly Step[];
  readonly now: Instant;
}

const YEAR = 365 * DAY;

/** How many past runs tell how often such a run is made. */
const MEASURED_RUNS = 50;

/**
 * Bytes that a year of runs like this plan adds to bronze, as the last answers make them, or null while there are
 * none. Each answer costs at least what the smallest one took on disk, which is nearly all of it where days bring few
 * rows; every row beyond costs its share of the rest, as often as it is received: what a lookback asks again is stored
 * again. Such runs are as far apart as the last ones of this selector were, a day while there is but one.
 */
export async function bronzeGrowth(project: Project, scope: GrowthScope): Promise<number | null> {
  const runs = YEAR / (await usualPause(project, scope.selector));
  const sums: number[] = [];
  for (const dataset of scope.datasets) {
    const own = scope.scoped.filter((one) => one.dataset === dataset && one.series.source !== null);
    const answers = await newestAnswers(project, dataset, own, scope.now);
    if (answers.objects.length === 0) continue;
    const price = await priceOf(project, answers);
    const axes = own.map(({ series }) => series.axis);
    const fresh = await freshShare(project, dataset.name, [...new Set(answers.objects.map(({ runId }) => runId))]);
    const rows = (slotsOfYear(axes, scope.now) * rowsPerSlot(answers)) / fresh;
    sums.push(runs * questions(scope.steps, dataset.name) * price.answer + rows * price.row);
  }
  return sums.length === 0 ? null : sums.reduce((total, bytes) => total + bytes, 0);
}

/** The mean time between the last incremental runs of a selector, on the business clock. */
async function usualPause({ ledger }: Project, selector: string): Promise<number> {
  const marks = (await ledger.runs(MEASURED_RUNS))
    .filter((run) => run.mode === "incremental" && run.selector === selector)
    .map((run) => run.businessNow);
  const distinct = new Set(marks).size;
  return distinct < 2 ? DAY : (Math.max(...marks) - Math.min(...marks)) / (distinct - 1);
}

/** Questions that every such run asks; what a long pause asks in several windows is one. */
function questions(steps: readonly Step[], dataset: DatasetName): number {
  const asked = new Set<string>();
  for (const step of steps) {
    if (step.kind !== "fetch" || step.dataset !== dataset) continue;
    for (const { key } of step.chunks) asked.add(`${step.source} ${key}`);
  }
  return asked.size;
}

/** Bytes on disk, body and sidecar, of an answer with hardly a row, and of each row of a longer one. */
async function priceOf(
  { bronze }: Project,
  { objects, rows }: NewestAnswers,
): Promise<{ readonly answer: number; readonly row: number }> {
  const sizes = await Promise.all(objects.map(async ({ path }) => (await bronze.size(path)) ?? 0));
  const answer = Math.min(...sizes);
  const rest = sizes.reduce((sum, size) => sum + size - answer, 0);
  return { answer, row: rows === 0 ? 0 : rest / rows };
}

/** Of the rows that some runs received, the share that was new; 1 where nothing was. */
async function freshShare({ ledger }: Project, dataset: DatasetName, runIds: readonly string[]): Promise<number> {
  let received = 0;
  let inserted = 0;
  for (const id of runIds) {
    const summary = (await ledger.run(id))?.summary as Partial<RunSummary> | null | undefined;
    const rows = summary?.stages?.find((stage) => stage.dataset === dataset)?.rows;
    received += rows?.received ?? 0;
    inserted += rows?.inserted ?? 0;
  }
  return received === 0 || inserted === 0 ? 1 : inserted / received;
}

/** Due slots of all series in the year before `now`, as if they had lived through it. */
function slotsOfYear(axes: readonly Axis[], now: Instant): number {
  const year = { start: plus(now, -YEAR), end: now };
  const counts = new Map<string, number>();
  let slots = 0;
  for (const axis of axes) {
    if (axis.lifetime.end <= now) continue;
    const id = JSON.stringify([axis.grid, axis.calendar.name]);
    const lifelong: Axis = { ...axis, lifetime: { start: instant(0), end: axis.lifetime.end }, earliest: null };
    const count = counts.get(id) ?? countSlotsOf(axis.grid, dueSet(lifelong, year, now));
    counts.set(id, count);
    slots += count;
  }
  return slots;
}

import type { DatasetFacts, GapFacts } from "../../core/alerts/facts.ts";
import { type Gap, type GapCause, placeOf } from "../../core/coverage/gaps.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { addSlots } from "../../core/time/grid.ts";
import { DAY, earlier, type Instant, later, plus } from "../../core/time/instant.ts";
import { MANY } from "../ledger-port.ts";
import type { ScopedSeries } from "../plan/scope.ts";
import type { BoundPipeline, Project } from "../project.ts";

/** A dataset with the truth of its series over their whole history. */
export interface JudgedDataset {
  readonly bound: BoundPipeline;
  readonly dataset: Dataset;
  readonly scoped: readonly ScopedSeries[];
  readonly now: Instant;
  /** Whether `scoped` holds every series. */
  readonly isWhole: boolean;
  /** Whether another run is on its way through the dataset: what it has not reached yet is not forgotten. */
  readonly isBusy: boolean;
}

/** No market is closed for longer; the year's end of a weekly axis lies well inside. */
const LONGEST_PAUSE_MS = 21 * DAY;

/** How far a dataset is complete and what it lacks. */
export async function datasetFacts(project: Project, judged: JudgedDataset): Promise<DatasetFacts> {
  const { name, version } = judged.dataset;
  const watermark = await project.ledger.watermark(name, version);
  return {
    dataset: name,
    watermark: watermark?.at ?? null,
    dueThrough: await dueThrough(project, judged),
    gaps: judged.isBusy ? [] : await gapFacts(project, judged),
    isWhole: judged.isWhole && !judged.isBusy,
  };
}

/** The end of the last due slot of all active series, also of those that are not judged now. */
async function dueThrough(project: Project, { bound, dataset, now }: JudgedDataset): Promise<Instant | null> {
  const seen = new Set<string>();
  let last: Instant | null = null;
  for (const entry of await project.ledger.entries(bound.pipeline.name)) {
    if (!entry.active) continue;
    for (const { axis } of bound.pipeline.series(dataset.name, entry, now)) {
      const id = JSON.stringify([axis.grid, axis.calendar.name, axis.settleMs, axis.lifetime]);
      if (seen.has(id)) continue;
      seen.add(id);
      const end = dueSet(axis, { start: plus(now, -LONGEST_PAUSE_MS), end: now }, now).at(-1)?.end;
      if (end !== undefined) last = last === null ? end : later(last, end);
    }
  }
  return last;
}

/**
 * The gaps that somebody should hear of. History before a series' first row that nobody has asked for, or that the
 * source does not serve, is not among them: how far back to go is a choice, and coverage shows it.
 */
async function gapFacts(project: Project, { bound, dataset, scoped }: JudgedDataset): Promise<readonly GapFacts[]> {
  const open = scoped.flatMap((one) =>
    one.standing.gaps.filter((gap) => !isUnaskedPast(one, gap)).map((gap) => ({ ...one, gap })),
  );
  if (open.length === 0) return [];
  const declared = await project.ledger.declaredAt(bound.pipeline.name);
  const asked = await project.ledger.firstAsked(dataset.name, dataset.version);
  return open.map(({ series, entry, segments, gap }): GapFacts => {
    const { grid, settleMs } = series.axis;
    const dueAt = plus(addSlots(grid, gap.start, 1), settleMs);
    const known = knownSince(declared.get(entry.key), askedAt(asked, series.key, segments.length > 0));
    const openSince = known === null ? dueAt : later(dueAt, known);
    return { series: series.key, start: gap.start, end: gap.end, slots: gap.slots, openSince };
  });
}

const LEFT_IN_THE_PAST: ReadonlySet<GapCause> = new Set(["never-asked", "not-made", "input-missing", "refused"]);

function isUnaskedPast({ standing, segments }: ScopedSeries, gap: Gap): boolean {
  return LEFT_IN_THE_PAST.has(gap.cause) && placeOf(standing, segments, gap) === "leading";
}

/** Since when a series is known to the project. A pinned business clock may lie before the day it was declared. */
function knownSince(declared: Instant | undefined, asked: Instant | undefined): Instant | null {
  if (declared === undefined || asked === undefined) return declared ?? asked ?? null;
  return earlier(declared, asked);
}

/** Business now of the first run about a series; for what is asked or made together, of the first that did so. */
function askedAt(asked: ReadonlyMap<SeriesKey, Instant>, key: SeriesKey, wasAnswered: boolean): Instant | undefined {
  return asked.get(key) ?? (wasAnswered ? asked.get(MANY) : undefined);
}

import { type Axis, dueSet } from "../../core/dataset/axis.ts";
import type { Dataset, DatasetName } from "../../core/dataset/dataset.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import { DAY, type Instant, instant, plus } from "../../core/time/instant.ts";
import type { Project } from "../project.ts";
import type { RunSummary } from "../run/summary.ts";
import type { ScopedSeries } from "./scope.ts";

/** How much disk a year of incremental runs over a scope adds to bronze. */
export interface BronzeGrowth {
  readonly bytesPerYear: number;
  /** Due slots of the last year, which stands for the next one: rows at most. */
  readonly slotsPerYear: number;
  /** Compressed body and sidecar, over the rows that are asked for more than once. */
  readonly bytesPerRow: number;
  /** Objects that were measured. */
  readonly objects: number;
}

/** The newest objects are measured: small answers of daily runs cost far more a row than those of a backfill. */
const MEASURED_OBJECTS = 200;

/**
 * The growth of bronze as the last answers make it, or null while there are none with rows. Every row counts as often
 * as it is received: what a lookback asks again is stored again.
 */
export async function bronzeGrowth(
  project: Project,
  datasets: readonly Dataset[],
  scoped: readonly ScopedSeries[],
  now: Instant,
): Promise<BronzeGrowth | null> {
  const sum = { bytes: 0, slots: 0, objects: 0 };
  for (const dataset of datasets) {
    const asked = scoped.filter((one) => one.dataset === dataset && one.series.source !== null);
    if (asked.length === 0) continue;
    const measured = await measure(project, dataset);
    if (measured === null) continue;
    const slots = slotsOfYear(
      asked.map(({ series }) => series.axis),
      now,
    );
    sum.slots += slots;
    sum.bytes += slots * measured.bytesPerRow;
    sum.objects += measured.objects;
  }
  if (sum.slots === 0) return null;
  return {
    bytesPerYear: sum.bytes,
    slotsPerYear: sum.slots,
    bytesPerRow: sum.bytes / sum.slots,
    objects: sum.objects,
  };
}

async function measure(
  project: Project,
  { name, version }: Dataset,
): Promise<{ readonly bytesPerRow: number; readonly objects: number } | null> {
  const objects = await project.ledger.newestObjects(name, version, MEASURED_OBJECTS);
  const sizes = await Promise.all(objects.map(({ path }) => project.bronze.size(path)));
  const received = objects.reduce((rows, object) => rows + object.rows, 0);
  if (received === 0) return null;
  const fresh = await freshShare(project, name, [...new Set(objects.map(({ runId }) => runId))]);
  const bytes = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
  return { bytesPerRow: bytes / (received * fresh), objects: objects.length };
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
  const year = { start: plus(now, -365 * DAY), end: now };
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

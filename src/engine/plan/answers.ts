import { type Axis, dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { ObjectRecord } from "../ledger-port.ts";
import type { Project } from "../project.ts";
import type { ScopedSeries } from "./scope.ts";

/** The newest answers of a dataset, and how many rows they had for what they were asked. */
export interface NewestAnswers {
  readonly objects: readonly ObjectRecord[];
  readonly rows: number;
  /** Due slots that they answered, over all series. */
  readonly slots: number;
}

/** The newest ones are measured: small answers of daily runs cost far more a row than those of a backfill. */
const MEASURED_OBJECTS = 200;

/** Fewer slots tell nothing about how many rows a slot has. */
const MEASURED_SLOTS = 50;

/** The newest answers of `dataset` to what `own` asks, as the ledger knows them. */
export async function newestAnswers(
  project: Project,
  { name, version }: Dataset,
  own: readonly ScopedSeries[],
  now: Instant,
): Promise<NewestAnswers> {
  const axes = new Map(own.map(({ series }) => [series.key, series.axis]));
  const objects: ObjectRecord[] = [];
  let rows = 0;
  let slots = 0;
  for (const object of await project.ledger.newestObjects(name, version, MEASURED_OBJECTS)) {
    const axis = object.keys.map((key) => axes.get(key)).find((one) => one !== undefined);
    if (axis === undefined) continue;
    objects.push(object);
    rows += object.rows;
    // Series that share an answer share grid and calendar.
    slots += slotsIn(axis, object, now) * object.keys.length;
  }
  return { objects, rows, slots };
}

/** Rows that a due slot brings: below 1 where slots may be empty, above where they hold lines; 1 while nobody knows. */
export function rowsPerSlot({ rows, slots }: Pick<NewestAnswers, "rows" | "slots">): number {
  return slots < MEASURED_SLOTS ? 1 : rows / slots;
}

function slotsIn(axis: Axis, { answered }: ObjectRecord, now: Instant): number {
  return countSlotsOf(axis.grid, dueSet(axis, answered, now));
}

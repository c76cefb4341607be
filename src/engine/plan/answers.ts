import { setOf } from "../../core/coverage/segment.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { countSlotsOf } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import { clip, intersect, spanOf } from "../../core/time/interval-set.ts";
import type { ObjectRecord } from "../ledger-port.ts";
import type { Project } from "../project.ts";
import type { ScopedSeries } from "./scope.ts";

/** The newest answers of a dataset, and how many rows they had for what they were asked. */
export interface NewestAnswers {
  readonly objects: readonly ObjectRecord[];
  /** Those of the series asked, where an answer has more. */
  readonly rows: number;
  /** Due slots that they answered, over all series asked. */
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
  const byKey = new Map(own.map((one) => [one.series.key, one]));
  const objects: ObjectRecord[] = [];
  let rows = 0;
  let slots = 0;
  for (const object of await project.ledger.newestObjects(name, version, MEASURED_OBJECTS)) {
    const asked = object.keys.map((key) => byKey.get(key)).filter((one) => one !== undefined);
    if (asked.length === 0) continue;
    objects.push(object);
    rows += (object.rows * asked.length) / object.keys.length;
    for (const one of asked) slots += slotsIn(one, object, now);
  }
  return { objects, rows, slots };
}

/** Rows that a due slot brings: below 1 where slots may be empty, above where they hold lines; 1 while nobody knows. */
export function rowsPerSlot({ rows, slots }: Pick<NewestAnswers, "rows" | "slots">): number {
  return slots < MEASURED_SLOTS ? 1 : rows / slots;
}

/** Slots of a series that an object holds the truth about: what a file lacks tells nothing of what it has. */
function slotsIn({ series: { axis }, segments }: ScopedSeries, { answered }: ObjectRecord, now: Instant): number {
  const known = clip(setOf(segments, "covered", "empty"), answered);
  const span = spanOf(known);
  return span === null ? 0 : countSlotsOf(axis.grid, intersect(dueSet(axis, span, now), known));
}

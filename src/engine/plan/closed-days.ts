import type { Dataset } from "../../core/dataset/dataset.ts";
import { RetrofillError } from "../../core/errors.ts";
import { SECOND } from "../../core/time/instant.ts";
import { intervalOfDays } from "../../core/time/local-days.ts";
import { localDate } from "../../core/time/zone.ts";
import type { Project } from "../project.ts";
import { type ClosedDayRows, type DayReporting, type DayRequest, dayWindow } from "./day-plan.ts";
import type { ScopedSeries } from "./scope.ts";

/** A report waits no longer for somebody who writes. */
const WAIT_MS = 2 * SECOND;

/**
 * What keys sold on days that their own calendars call closed: no such day is due, so that the ledger says nothing of
 * it and the rows themselves are asked. Null while somebody writes them.
 */
export async function rowsOnClosedDays(
  { store }: Pick<Project, "store">,
  scoped: readonly ScopedSeries[],
  reporting: Pick<DayReporting, "closures">,
  asked: DayRequest,
): Promise<ClosedDayRows | null> {
  const window = dayWindow(scoped, asked);
  if (window === null) return new Map();
  const byDataset = new Map<Dataset, ScopedSeries[]>();
  for (const one of scoped) byDataset.set(one.dataset, [...(byDataset.get(one.dataset) ?? []), one]);
  const found = new Map<string, Map<string, number>>();
  for (const [dataset, all] of byDataset) {
    const entries = new Map(all.map(({ series, entry }) => [series.key, { zone: series.axis.grid.zone, entry }]));
    const slots = all.map(({ series, entry }) => {
      const { zone } = series.axis.grid;
      const closures = reporting.closures(entry, intervalOfDays(zone, window));
      return { series, starts: closures.map(({ date }) => intervalOfDays(zone, { first: date, last: date }).start) };
    });
    if (slots.every(({ starts }) => starts.length === 0)) continue;
    try {
      for (const { key, start, rows } of await store.rowsInSlots({ dataset, slots, waitMs: WAIT_MS })) {
        const of = entries.get(key);
        if (of === undefined) continue;
        const own = found.get(of.entry.key) ?? new Map<string, number>();
        found.set(of.entry.key, own.set(localDate(of.zone, start), rows));
      }
    } catch (error) {
      if (error instanceof RetrofillError && error.code === "STORE_BUSY") return null;
      throw error;
    }
  }
  return found;
}

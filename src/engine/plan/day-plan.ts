import type { Closure } from "../../core/calendar/store-calendar.ts";
import type { KeyDays } from "../../core/coverage/day-coverage.ts";
import { type Pace, type Phase, type PhaseSettings, phasesOf } from "../../core/coverage/day-phases.ts";
import { type DayReport, type DayReportSettings, dayReport, type Holiday } from "../../core/coverage/day-report.ts";
import { setOf, spansOf, thinSegments } from "../../core/coverage/segment.ts";
import { dueSet, dueUntil } from "../../core/dataset/axis.ts";
import type { RegistryEntry } from "../../core/dataset/pipeline.ts";
import type { Request } from "../../core/plan/plan.ts";
import { slotsIn } from "../../core/time/grid.ts";
import { earlier, type Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, intersect, spanOf } from "../../core/time/interval-set.ts";
import { type DaySpan, daysTouched, intervalOfDays } from "../../core/time/local-days.ts";
import { localDate } from "../../core/time/zone.ts";
import type { ScopedSeries } from "./scope.ts";

/** How a pipeline of days reports what its keys lack, and heals it in phases. */
export interface DayReporting {
  readonly report: DayReportSettings;
  readonly phases: PhaseSettings;
  readonly pace: Pace;
  /** Days on which the key's own calendar says closed, days outside its life among them. */
  closures(entry: RegistryEntry, span: Interval): readonly Closure[];
  /** Days to be named, which excuse nothing. */
  holidays(span: DaySpan): readonly Holiday[];
  /** The plan as a document. */
  render(plan: DayPlan): string;
  /** The heading of one of its phases. */
  title(plan: DayPlan, phase: Phase): string;
}

/** Rows on days on which a key's own calendar says closed, by key and local date. */
export type ClosedDayRows = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Which key lacks which days, and the phases that heal it. */
export interface DayPlan {
  readonly report: DayReport;
  readonly phases: readonly Phase[];
  /** Names by key. */
  readonly names: ReadonlyMap<string, string>;
  /** Days that stand with far fewer rows than usual, by key. */
  readonly thin: ReadonlyMap<string, readonly string[]>;
  /** Null where nobody has looked. */
  readonly closedDayRows: ClosedDayRows | null;
  /** Keys of which something was too slow to come, at the size of a day. */
  readonly timedOut: readonly string[];
  /** Local date on which it is made. */
  readonly madeOn: string;
}

/** What is asked about, and when. */
export type DayRequest = Pick<Request, "from" | "to"> & { readonly now: Instant };

/**
 * The plan of days for a scope whose series have one slot a local day, or null when nothing is due in it. The window is
 * what was asked for, else from the earliest `since` on, up to the last day that is due. Days of `closedDayRows` have
 * data, whatever the calendar says.
 */
export function dayPlanOf(
  scoped: readonly ScopedSeries[],
  reporting: DayReporting,
  asked: DayRequest,
  closedDayRows: ClosedDayRows | null = null,
): DayPlan | null {
  const window = dayWindow(scoped, asked);
  if (scoped[0] === undefined || window === null) return null;
  const { zone } = scoped[0].series.axis.grid;
  const span = intervalOfDays(zone, window);
  const report = dayReport(
    scoped.map((one) => {
      const known = keyDaysOf(one, reporting, span, asked.now);
      return { ...known, withData: [...known.withData, ...(closedDayRows?.get(one.entry.key)?.keys() ?? [])] };
    }),
    window,
    { settings: reporting.report, holidays: reporting.holidays(window) },
  );
  const names = scoped.flatMap(({ entry }): [string, string][] => {
    const { name } = entry.attributes;
    return typeof name === "string" ? [[entry.key, name]] : [];
  });
  return {
    report,
    phases: phasesOf(report, reporting.pace, reporting.phases),
    names: new Map(names),
    closedDayRows,
    timedOut: scoped
      .filter(({ standing }) => standing.gaps.some((gap) => gap.cause === "failed" && /^slow-window/.test(gap.reason)))
      .map(({ entry }) => entry.key),
    thin: new Map(
      scoped.flatMap(({ entry, series, segments }): [string, readonly string[]][] => {
        const dates = intersect(spansOf(thinSegments(segments)), [span]).flatMap((days) =>
          [...slotsIn(series.axis.grid, days)].map(({ start }) => localDate(zone, start)),
        );
        return dates.length === 0 ? [] : [[entry.key, dates]];
      }),
    ),
    madeOn: localDate(zone, asked.now),
  };
}

/** The local days that a plan for a scope is about, or null when nothing is due in it. */
export function dayWindow(scoped: readonly ScopedSeries[], { from, to, now }: DayRequest): DaySpan | null {
  const zone = scoped[0]?.series.axis.grid.zone;
  if (zone === undefined) return null;
  const start = from ?? scoped.map(({ series }) => series.since).reduce(earlier);
  const due = scoped.map(({ series }) => dueUntil(series.axis, now)).reduce(earlier);
  const end = to === null ? due : earlier(to, due);
  return start < end ? daysTouched(zone, { start, end }) : null;
}

/** One key's days as the ledger knows them. */
function keyDaysOf(
  { series, segments, entry }: ScopedSeries,
  reporting: DayReporting,
  span: Interval,
  now: Instant,
): KeyDays {
  const { axis } = series;
  const datesIn = (set: IntervalSet): readonly string[] => {
    const within = spanOf(set);
    if (within === null) return [];
    // A day that is closed may lie inside an answer: whether it brought rows the ledger does not say.
    return intersect(dueSet(axis, within, now), set).flatMap((days) =>
      [...slotsIn(axis.grid, days)].map(({ start }) => localDate(axis.grid.zone, start)),
    );
  };
  const closures = reporting.closures(entry, span);
  const closed = new Set(closures.map(({ date }) => date));
  const empty = datesIn(intersect(setOf(segments, "empty"), [span])).filter((date) => !closed.has(date));
  return {
    key: entry.key,
    withData: datesIn(setOf(segments, "covered")),
    closures: [
      ...closures,
      ...empty.map((date): Closure => ({ date, cause: "empty-at-source", reason: "asked twice, no sales there" })),
    ],
  };
}

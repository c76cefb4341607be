import { DAY } from "../../core/time/instant.ts";
import { parseDate } from "../../core/time/zone.ts";
import { draw } from "../faults.ts";

/** The 91 days of the gap report that the fixture reproduces, both ends included. */
export const REPORT_FIRST = "2025-10-28";
export const REPORT_LAST = "2026-01-26";

/** Days on which no store sold anything. */
export const CLOSED_DATES: readonly string[] = ["2025-12-25", "2026-01-01"];

/** What the report says of one store, from which its missing days follow. */
interface ReportedGaps {
  /** Days without data, of 91, the closed ones included. */
  readonly missing: number;
  /** Stretches without data, both ends included. */
  readonly blocks: readonly Stretch[];
  /** Where the days lie that are in no block. */
  readonly scattered: Stretch;
  /** Whether the first and the last day of `scattered` are known to be missing. */
  readonly hasEnds?: boolean;
}

type Stretch = readonly [first: string, last: string];

const COMMON_GAP: Stretch = ["2026-01-10", "2026-01-25"];
const BEFORE_THE_GAP: Stretch = [REPORT_FIRST, "2026-01-09"];

const REPORTED: Readonly<Record<string, ReportedGaps>> = {
  tienda_01: scatteredOnly(18),
  tienda_02: {
    missing: 53,
    blocks: [COMMON_GAP, ["2025-12-11", "2026-01-09"]],
    scattered: [REPORT_FIRST, "2025-11-23"],
    hasEnds: true,
  },
  tienda_03: {
    missing: 48,
    blocks: [COMMON_GAP, ["2025-12-10", "2026-01-09"]],
    // The report names no other stretch, but its count needs one day more.
    scattered: [REPORT_FIRST, "2025-12-09"],
  },
  tienda_04: scatteredOnly(23),
  tienda_05: {
    missing: 48,
    blocks: [COMMON_GAP, ["2025-12-16", "2026-01-09"]],
    scattered: ["2025-10-31", "2025-11-23"],
    hasEnds: true,
  },
  tienda_06: scatteredOnly(31),
  tienda_07: {
    missing: 55,
    blocks: [COMMON_GAP, ["2025-12-04", "2026-01-09"]],
    // Two days more than the block and the common gap have.
    scattered: [REPORT_FIRST, "2025-12-03"],
  },
  tienda_08: scatteredOnly(30),
  tienda_09: scatteredOnly(21),
  tienda_10: scatteredOnly(32),
  tienda_11: { missing: 90, blocks: [[REPORT_FIRST, "2026-01-25"]], scattered: BEFORE_THE_GAP },
  tienda_12: scatteredOnly(29),
  tienda_13: scatteredOnly(33),
  tienda_15: scatteredOnly(36),
  tienda_16: scatteredOnly(40),
  tienda_17: scatteredOnly(29),
  tienda_18: {
    missing: 47,
    // Nothing before December 6 and two closed days leave room for 6 days of the common gap, not for its 16.
    blocks: [
      [REPORT_FIRST, "2025-12-05"],
      ["2026-01-20", "2026-01-25"],
    ],
    scattered: BEFORE_THE_GAP,
  },
  tienda_19: scatteredOnly(26),
  tienda_20: scatteredOnly(28),
};

function scatteredOnly(missing: number): ReportedGaps {
  return { missing, blocks: [COMMON_GAP], scattered: BEFORE_THE_GAP };
}

/**
 * Days of the report without data in the user's table, ascending, the closed days among them. Counts, blocks and ends
 * are the report's; which days inside a scattered stretch are missing it does not say: they are drawn, the same every
 * time, and do not touch each other.
 */
export function missingDays(store: string): readonly string[] {
  const reported = REPORTED[store];
  if (reported === undefined) throw new RangeError(`no gap report of ${store}`);
  const { missing, blocks, scattered, hasEnds = false } = reported;
  const days = new Set([...CLOSED_DATES, ...blocks.flatMap(datesOf), ...(hasEnds ? scattered : [])]);
  const drawn = datesOf(scattered)
    .map((date) => ({ date, at: draw(0, "missing day", `${store} ${date}`) }))
    .sort((a, b) => a.at - b.at);
  for (const { date } of drawn) {
    if (days.size === missing) break;
    if (!days.has(nextDate(date, -1)) && !days.has(nextDate(date, 1))) days.add(date);
  }
  if (days.size !== missing) throw new Error(`unreachable: ${store} has ${days.size} missing days, not ${missing}`);
  return [...days].sort();
}

/** Dates from the first to the last. */
export function datesOf([first, last]: Stretch): string[] {
  const dates: string[] = [];
  for (let date = first; date <= last; date = nextDate(date, 1)) dates.push(date);
  return dates;
}

function nextDate(date: string, days: number): string {
  return new Date(parseDate(date) + days * DAY).toISOString().slice(0, 10);
}

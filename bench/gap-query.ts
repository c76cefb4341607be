import { writeSegments } from "../src/adapters/ledger/coverage.ts";
import { calendarNamed } from "../src/core/calendar/calendars.ts";
import { standingOf } from "../src/core/coverage/gaps.ts";
import type { Segment } from "../src/core/coverage/segment.ts";
import type { Axis } from "../src/core/dataset/axis.ts";
import { type Series, seriesKey } from "../src/core/dataset/series.ts";
import { slotAt } from "../src/core/time/grid.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../src/core/time/instant.ts";
import { openTrialLedger, TRIAL_DATASET, TRIAL_NOW, TRIAL_SOURCE } from "./ledger-trial.ts";

// The gap query: every interval of a dataset is read from the ledger, and core works out what each series owes.
// The first line is the target's; the next have more cells, or more series, to show what costs and what does not.

const rows: Record<string, Record<string, number>> = {};
for (const world of [
  { grain: "1m", years: 1, keys: 40, intervals: 100_000 },
  { grain: "1m", years: 1, keys: 40, intervals: 10_000 },
  { grain: "1m", years: 10, keys: 100, intervals: 100_000 },
  { grain: "1h", years: 10, keys: 2_000, intervals: 100_000 },
] as const) {
  const name = `${world.intervals} intervals, ${world.keys} series of ${world.grain}, ${world.years} years`;
  rows[name] = await measure(world);
}
console.log("gap query, best of 9: read from the ledger, then gaps by core (target: 150 ms for 100,000 intervals)");
console.table(rows);

async function measure(world: {
  readonly grain: "1m" | "1h";
  readonly years: number;
  readonly keys: number;
  readonly intervals: number;
}): Promise<Record<string, number>> {
  const { grain, years, keys, intervals } = world;
  const start = instant(TRIAL_NOW - years * 365 * DAY);
  await using trial = await openTrialLedger();
  const all = Array.from({ length: keys }, (_, i) => seriesOf(i, grain, start));
  const each = intervals / keys;
  const step = ((TRIAL_NOW - start) / each) * 0.98;
  await trial.database.write(async (tx) => {
    for (const { key, axis } of all) {
      const segments = Array.from({ length: each }, (_, i): Segment => {
        const from = slotAt(axis.grid, instant(Math.floor(start + i * step))).start;
        const to = slotAt(axis.grid, instant(Math.floor(start + i * step + step * 0.9))).start;
        return { start: from, end: to, state: "covered", asked: 1, reason: null, chunk: null };
      });
      await writeSegments(tx.db, { dataset: TRIAL_DATASET, version: 1, key }, [], segments);
    }
  });
  const reading: number[] = [];
  const total: number[] = [];
  let cells = 0;
  let gaps = 0;
  for (let round = 0; round < 9; round++) {
    const began = performance.now();
    const segments = await trial.ledger.segments(
      TRIAL_DATASET,
      1,
      all.map((one) => one.key),
    );
    reading.push(performance.now() - began);
    cells = 0;
    gaps = 0;
    for (const series of all) {
      const standing = standingOf(series, segments.get(series.key) ?? [], {
        span: { start, end: TRIAL_NOW },
        now: TRIAL_NOW,
        realNow: TRIAL_NOW,
        refusedAt: () => null,
        leaveOut: "fresh",
      });
      cells += standing.slots.due;
      gaps += standing.gaps.length;
    }
    total.push(performance.now() - began);
  }
  const best = Math.min(...total);
  return {
    "million cells": Number((cells / 1e6).toFixed(1)),
    gaps,
    "reading ms": Math.round(Math.min(...reading)),
    "in all ms": Math.round(best),
    "of the target": Number((best / 150).toFixed(2)),
  };
}

function seriesOf(i: number, grain: "1m" | "1h", start: Instant): Series {
  const stock = i % 2 === 0;
  const axis: Axis = {
    grid: { grain, zone: stock ? "America/New_York" : "UTC" },
    calendar: calendarNamed(stock ? "XNYS" : "24x7"),
    density: "sparse",
    settleMs: 15 * MINUTE,
    stamp: { zone: "UTC", at: "start" },
    lifetime: { start: instant(start - DAY), end: instant(TRIAL_NOW + DAY) },
    earliest: null,
  };
  const key = seriesKey([`S${i}`, grain]);
  return {
    dataset: TRIAL_DATASET,
    version: 1,
    key,
    parts: {},
    entry: `S${i}`,
    axis,
    since: instant(start + HOUR),
    source: TRIAL_SOURCE,
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addSlots, countSlots, type Grid, isSlotStart, slotsIn, snapSetOut } from "../../core/time/grid.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import { type Interval, lengthMs } from "../../core/time/interval.ts";
import { containsAll, type IntervalSet, intersects, normalize } from "../../core/time/interval-set.ts";
import { startOfLocalDate } from "../../core/time/zone.ts";
import { coverGaps, reachFrom, type WindowBounds } from "./windows.ts";

const NEW_YORK = "America/New_York";
const STOCK: WindowBounds = { limit: 50_000, minutesPerDay: 960 };
const CRYPTO: WindowBounds = { limit: 50_000, minutesPerDay: 1_440 };
const ny = (grain: Grid["grain"]): Grid => ({ grain, zone: NEW_YORK });
const utc = (grain: Grid["grain"]): Grid => ({ grain, zone: "UTC" });

const at = (text: string): Instant => instant(Date.parse(`${text}Z`));
const span = (start: string, end: string): Interval => ({ start: at(start), end: at(end) });

const YEAR_2025 = { start: startOfLocalDate(NEW_YORK, "2025-01-01"), end: startOfLocalDate(NEW_YORK, "2026-01-01") };

describe("coverGaps", () => {
  it.each([
    // 365 days in stretches of 52 or 34; days and weeks in one.
    ["1m", "stock", 8],
    ["5m", "stock", 8],
    ["15m", "stock", 8],
    ["30m", "stock", 8],
    ["1h", "stock", 8],
    ["4h", "stock", 8],
    ["1d", "stock", 1],
    ["1m", "crypto", 11],
    ["1h", "crypto", 11],
    ["4h", "crypto", 11],
    ["1d", "crypto", 1],
  ] as const)("asks for a year of %s bars of a %s in %i windows", (grain, kind, calls) => {
    const [grid, bounds] = kind === "stock" ? [ny(grain), STOCK] : [utc(grain), CRYPTO];
    const gaps = snapSetOut(grid, [YEAR_2025]);
    const windows = coverGaps(grid, gaps, bounds);
    expect(windows).toHaveLength(calls);
    expect(normalize(windows)).toEqual(gaps);
  });

  it("asks for 137 years of days in one window, and not for a day more", () => {
    const grid = utc("1d");
    const start = at("1880-01-01");
    const fits = { start, end: addSlots(grid, start, 50_000) };
    expect(coverGaps(grid, [fits], CRYPTO)).toHaveLength(1);
    expect(coverGaps(grid, [{ start, end: addSlots(grid, start, 50_001) }], CRYPTO)).toHaveLength(2);
  });

  it("counts the seven days of a week", () => {
    const grid = utc("1w");
    const start = at("2020-01-05");
    const gap = { start, end: addSlots(grid, start, 10) };
    expect(coverGaps(grid, [gap], { ...CRYPTO, limit: 35 }).map((one) => countSlots(grid, one))).toEqual([5, 5]);
  });

  it("takes neighbouring gaps together when both fit, from the first's start to the last's end", () => {
    const gaps = [
      span("2025-03-03T15:00", "2025-03-03T16:00"),
      span("2025-03-20T15:00", "2025-03-20T16:00"),
      span("2025-04-24T15:00", "2025-04-24T16:00"),
      span("2025-06-02T15:00", "2025-06-02T16:00"),
    ];
    expect(coverGaps(ny("1m"), gaps, STOCK)).toEqual([
      span("2025-03-03T15:00", "2025-03-20T16:00"),
      span("2025-04-24T15:00", "2025-06-02T16:00"),
    ]);
  });

  it("cuts a longer gap at whole slots and lets the next gap share the rest's window", () => {
    const grid = utc("4h");
    const gaps = [span("2025-01-01T04:00", "2025-02-10T08:00"), span("2025-02-20T00:00", "2025-02-20T04:00")];
    expect(coverGaps(grid, gaps, CRYPTO)).toEqual([
      span("2025-01-01T04:00", "2025-02-04T04:00"),
      span("2025-02-04T04:00", "2025-02-20T04:00"),
    ]);
  });

  it("asks for nothing without gaps", () => {
    expect(coverGaps(utc("1m"), [], CRYPTO)).toEqual([]);
  });

  it("moves on by a slot where not even one fits the limit", () => {
    const gap = span("2025-01-01T00:00", "2025-01-01T12:00");
    expect(coverGaps(utc("4h"), [gap], { limit: 100, minutesPerDay: 1_440 })).toHaveLength(3);
  });

  it("asks for no more minutes than a limit below one day's", () => {
    const gap = span("2025-01-01T00:00", "2025-01-01T12:00");
    const windows = coverGaps(utc("5m"), [gap], { limit: 244, minutesPerDay: 1_440 });
    expect(windows.map(lengthMs)).toEqual([240 * MINUTE, 240 * MINUTE, 240 * MINUTE]);
  });

  it("covers all gaps with ordered, disjoint windows of whole slots, each within its reach", () => {
    fc.assert(
      fc.property(anyGrid, anyBounds, anyGaps, (grid, bounds, rough) => {
        const gaps = snapSetOut(grid, rough);
        const windows = coverGaps(grid, gaps, bounds);
        expect(containsAll(normalize(windows), gaps)).toBe(true);
        windows.forEach((window, i) => {
          expect(window.start).toBeLessThan(window.end);
          expect(window.start).toBeGreaterThanOrEqual(windows[i - 1]?.end ?? Number.NEGATIVE_INFINITY);
          expect(window.end).toBeLessThanOrEqual(reachFrom(grid, window.start, bounds));
          expect(isSlotStart(grid, window.start) && isSlotStart(grid, window.end)).toBe(true);
          expect(intersects([window], gaps)).toBe(true);
          expect(gaps.some((gap) => gap.start === window.start) || window.start === windows[i - 1]?.end).toBe(true);
        });
      }),
    );
  });

  it("needs as few windows as any choice of slots to start at", () => {
    const grid = utc("1h");
    const bounds = { limit: 300, minutesPerDay: 1_440 };
    const slots = fc.uniqueArray(fc.integer({ min: 0, max: 14 }), { maxLength: 10 });
    fc.assert(
      fc.property(slots, (hours) => {
        const gaps = normalize(hours.map((h) => ({ start: instant(h * HOUR), end: instant((h + 1) * HOUR) })));
        expect(coverGaps(grid, gaps, bounds)).toHaveLength(
          fewest(
            [...hours].sort((a, b) => a - b),
            5,
          ),
        );
      }),
    );
  });

  it("never reads more than the limit of base bars from a stock that trades every minute", () => {
    const start = fc.integer({ min: 0, max: 3 * 365 * 24 * 60 }).map((m) => instant(Date.UTC(2023, 0, 1) + m * MINUTE));
    const limit = fc.constantFrom(50_000, 49_920, 10_000, 2_880, 1_000);
    fc.assert(
      fc.property(start, limit, (from, most) => {
        const end = reachFrom(ny("1m"), from, { limit: most, minutesPerDay: 960 });
        expect(stockMinutes(from, end)).toBeLessThanOrEqual(most);
      }),
      { numRuns: 500 },
    );
  });
});

/** Minutes between 04:00 and 20:00 New York in `[start, end)`, counted day by day. */
function stockMinutes(start: Instant, end: Instant): number {
  let sum = 0;
  const days = { start: instant(start - DAY), end: instant(end + DAY) };
  for (const { end: midnight } of slotsIn(ny("1d"), days)) {
    // Clocks change at 02:00, so the session is the 16 hours that end four hours before midnight.
    const close = midnight - 4 * HOUR;
    sum += Math.max(0, Math.min(end, close) - Math.max(start, close - 16 * HOUR));
  }
  return sum / MINUTE;
}

/** The least number of stretches of `reach` slots that contain all of `slots`, by trying every choice. */
function fewest(slots: readonly number[], reach: number): number {
  const [first] = slots;
  if (first === undefined) return 0;
  let best = Number.POSITIVE_INFINITY;
  for (let start = first - reach + 1; start <= first; start++) {
    best = Math.min(
      best,
      1 +
        fewest(
          slots.filter((slot) => slot >= start + reach),
          reach,
        ),
    );
  }
  return best;
}

const anyGrid = fc.constantFrom(
  ny("1m"),
  ny("1h"),
  ny("4h"),
  ny("1d"),
  ny("1w"),
  utc("5m"),
  utc("4h"),
  utc("1d"),
  utc("1w"),
);

const anyBounds = fc.record({
  limit: fc.constantFrom(50_000, 5_000, 1_440, 100, 7, 1),
  minutesPerDay: fc.constantFrom(960, 1_440, 390),
});

const anyGaps: fc.Arbitrary<IntervalSet> = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 400 * 1_440 }), fc.integer({ min: 1, max: 3 * 1_440 })), { maxLength: 8 })
  .map((pairs) =>
    normalize(
      pairs.map(([start, minutes]) => {
        const from = Date.UTC(2024, 0, 1) + start * MINUTE;
        return { start: instant(from), end: instant(from + minutes * MINUTE) };
      }),
    ),
  );

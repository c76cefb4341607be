import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Closure, ClosureCause } from "../calendar/store-calendar.ts";
import { type DaySpan, datesOf, shiftDate } from "../time/local-days.ts";
import { dayCoverage } from "./day-coverage.ts";

const WINDOW: DaySpan = { first: "2024-02-26", last: "2024-03-04" };
const closed = (date: string, cause: ClosureCause): Closure => ({ date, cause, reason: cause });
const cover = (withData: readonly string[], closures: readonly Closure[] = [], window = WINDOW) =>
  dayCoverage({ key: "k", withData, closures }, window);
const between = (first: string, last: string): readonly string[] => datesOf({ first, last });

describe("coverage of the requested window", () => {
  it("counts every calendar day, closed ones and 29 February too", () => {
    const one = cover(["2024-02-27", "2024-02-28", "2024-03-01"], [closed("2024-02-29", "yearly")]);
    expect(one.requestedWindow).toEqual({ days: 8, withData: 3, missing: 5, percent: 38 });
    expect(one.closed.map(({ date }) => date)).toEqual(["2024-02-29"]);
    expect(one.open).toEqual(["2024-02-26", "2024-03-02", "2024-03-03", "2024-03-04"]);
  });

  it("begins on the day a key opens and ends before the day without it", () => {
    const unborn = between("2024-02-26", "2024-02-28").map((date) => closed(date, "not-open-yet"));
    const gone = between("2024-03-03", "2024-03-04").map((date) => closed(date, "gone"));
    const one = cover(["2024-02-29"], [...unborn, ...gone]);
    expect(one.requestedWindow).toEqual({ days: 3, withData: 1, missing: 2, percent: 33 });
    expect(one.missing).toEqual(["2024-03-01", "2024-03-02"]);
    expect([one.leading, one.trailing]).toEqual([null, { first: "2024-03-01", last: "2024-03-02" }]);
  });

  it("has no percentage for a key that does not live in it", () => {
    const one = cover(
      [],
      datesOf(WINDOW).map((date) => closed(date, "not-open-yet")),
    );
    expect(one.requestedWindow).toEqual({ days: 0, withData: 0, missing: 0, percent: null });
    expect([one.open, one.leading, one.trailing]).toEqual([[], null, null]);
  });

  it("takes a day with data for a day of its life, and names it when its calendar says closed", () => {
    const closures = [
      closed("2024-02-26", "not-open-yet"),
      closed("2024-02-27", "not-open-yet"),
      closed("2024-03-01", "yearly"),
    ];
    const one = cover(["2024-02-27", "2024-03-01"], closures);
    expect(one.requestedWindow).toMatchObject({ days: 7, withData: 2 });
    expect(one.tradedWhileClosed.map(({ date }) => date)).toEqual(["2024-02-27", "2024-03-01"]);
  });

  it("is none of a key without any data, all of whose days are missing", () => {
    const one = cover([]);
    expect(one.requestedWindow).toEqual({ days: 8, withData: 0, missing: 8, percent: 0 });
    expect([one.leading, one.trailing, one.firstToLast]).toEqual([WINDOW, WINDOW, null]);
  });

  it.each([
    [1, 8, 13],
    [3, 8, 38],
    [1, 200, 1],
    [199, 200, 100],
    [1, 3, 33],
    [2, 3, 67],
  ])("rounds %i of %i days half up to %i percent", (there, days, percent) => {
    const window = { first: "2024-01-01", last: shiftDate("2024-01-01", days - 1) };
    expect(cover(datesOf(window).slice(0, there), [], window).requestedWindow.percent).toBe(percent);
  });
});

describe("coverage between first and last day with data", () => {
  it("does not see days that are missing at the edges, and looks beyond the window", () => {
    const one = cover(["2024-02-28", "2024-03-01"]);
    expect(one.firstToLast).toEqual({ first: "2024-02-28", last: "2024-03-01", days: 3, withData: 2, percent: 66.7 });
    const longer = cover(["2023-12-31", "2024-02-28", "2024-03-01"]);
    expect(longer.firstToLast).toEqual({
      first: "2023-12-31",
      last: "2024-03-01",
      days: 62,
      withData: 3,
      percent: 4.8,
    });
    expect(longer.requestedWindow).toEqual(one.requestedWindow);
  });

  it("is complete for a single day, however much of the window is missing", () => {
    const one = cover(["2024-03-04"]);
    expect([one.firstToLast?.percent, one.requestedWindow.percent]).toEqual([100, 13]);
  });
});

describe("the arithmetic of days", () => {
  const window = { first: "2023-12-20", last: "2024-03-10" };
  const cause = fc.constantFrom<ClosureCause>("not-open-yet", "gone", "weekly", "yearly", "exception");
  const anyDays = fc.uniqueArray(fc.integer({ min: -10, max: 90 }).map((n) => shiftDate(window.first, n)));
  const anyClosures = fc.uniqueArray(
    fc.tuple(fc.nat(81), cause).map(([n, why]) => closed(shiftDate(window.first, n), why)),
    { selector: ({ date }) => date },
  );

  it("adds up", () => {
    fc.assert(
      fc.property(anyDays, anyClosures, (withData, closures) => {
        const one = cover(withData, closures, window);
        const { days, missing, withData: there, percent } = one.requestedWindow;
        expect(there + missing).toBe(days);
        expect(one.closed.length + one.open.length).toBe(missing);
        expect([...one.present, ...one.missing].sort()).toHaveLength(days);
        // Half up: 100 x there / days lies in [percent - 1/2, percent + 1/2).
        if (percent === null) expect(days).toBe(0);
        else {
          expect(200 * there).toBeGreaterThanOrEqual((2 * percent - 1) * days);
          expect(200 * there).toBeLessThan((2 * percent + 1) * days);
        }
      }),
    );
  });

  it("never loses coverage to a day more", () => {
    fc.assert(
      fc.property(anyDays, fc.nat(81), (withData, n) => {
        const more = [...withData, shiftDate(window.first, n)];
        expect(cover(more, [], window).requestedWindow.withData).toBeGreaterThanOrEqual(
          cover(withData, [], window).requestedWindow.withData,
        );
        expect(cover([...more, ...withData], [], window)).toEqual(cover(more, [], window));
      }),
    );
  });

  it("finds edges that hold no data, with data or the life's end right behind them", () => {
    fc.assert(
      fc.property(anyDays, (withData) => {
        const { leading, trailing, present } = cover(withData, [], window);
        expect(present[0] ?? null).toBe(
          leading === null ? window.first : leading.last === window.last ? null : shiftDate(leading.last, 1),
        );
        expect(present[present.length - 1] ?? null).toBe(
          trailing === null ? window.last : trailing.first === window.first ? null : shiftDate(trailing.first, -1),
        );
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import type { Calendar } from "../calendar/calendar.ts";
import { FX } from "../calendar/fx.ts";
import { XNYS } from "../calendar/xnys.ts";
import type { Grain, Grid } from "../time/grid.ts";
import { slotsIn } from "../time/grid.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../time/instant.ts";
import { type Axis, dueSet } from "./axis.ts";
import { fixedStep, slotNumbered, slotNumberFrom, slotPieces, slotsOfSession } from "./slot-numbers.ts";

const NEW_YORK = "America/New_York";
const minutes = { grid: { grain: "1m", zone: NEW_YORK }, calendar: XNYS } as const;

describe("the minutes of New York's exchanges", () => {
  it("go on from the close to the next open: over a night, a weekend, a holiday", () => {
    // Wednesday to Thursday; Friday to Tuesday over Washington's Birthday.
    expect(minuteAfter("2024-02-07T20:59Z")).toBe("2024-02-08T14:30Z");
    expect(minuteAfter("2024-02-16T20:59Z")).toBe("2024-02-20T14:30Z");
    expect(between(minutes, "2024-02-07T14:30Z", "2024-02-08T14:30Z")).toBe(390);
    expect(between(minutes, "2024-02-16T14:30Z", "2024-02-20T14:30Z")).toBe(390);
  });

  it("are 210 on the day after Thanksgiving, which closes at 13:00", () => {
    expect(minuteAfter("2024-11-27T20:59Z")).toBe("2024-11-29T14:30Z");
    expect(minuteAfter("2024-11-29T17:59Z")).toBe("2024-12-02T14:30Z");
    expect(between(minutes, "2024-11-29T14:30Z", "2024-12-02T14:30Z")).toBe(210);
  });

  it("move an hour in UTC with New York's clocks and keep their numbers", () => {
    expect(minuteAfter("2024-03-08T20:59Z")).toBe("2024-03-11T13:30Z");
    expect(minuteAfter("2024-11-01T19:59Z")).toBe("2024-11-04T14:30Z");
    expect(between(minutes, "2024-03-08T14:30Z", "2024-03-11T13:30Z")).toBe(390);
    expect(between(minutes, "2024-11-01T13:30Z", "2024-11-04T14:30Z")).toBe(390);
  });

  it("are 97,740 in 2024: 252 sessions, of which July 3, November 29 and December 24 close three hours early", () => {
    expect(between(minutes, "2024-01-01T05:00Z", "2025-01-01T05:00Z")).toBe(252 * 390 - 3 * 180);
  });

  it("outside sessions have the number of the next one's first", () => {
    const first = slotNumberFrom(minutes, at("2024-02-08T14:30Z"));
    for (const closed of ["2024-02-07T21:00Z", "2024-02-08T03:00Z", "2024-02-08T14:29Z", "2024-02-08T14:29:30Z"]) {
      expect(slotNumberFrom(minutes, at(closed)), closed).toBe(first);
    }
    expect(slotNumberFrom(minutes, at("2024-02-08T14:30:01Z"))).toBe(first + 1);
  });

  function minuteAfter(text: string): string {
    return shortly(slotNumbered(minutes, slotNumberFrom(minutes, at(text)) + 1));
  }
});

describe("other slots", () => {
  it.each([
    { year: 2020, sessions: 253 },
    { year: 2022, sessions: 251 },
    { year: 2023, sessions: 250 },
    { year: 2024, sessions: 252 },
  ])("are $sessions days in $year, as the exchange traded", ({ year, sessions }) => {
    const days = { grid: { grain: "1d", zone: NEW_YORK }, calendar: XNYS } as const;
    expect(between(days, `${year}-01-01T05:00Z`, `${year + 1}-01-01T05:00Z`)).toBe(sessions);
  });

  it("are every week once: one that meets five sessions, and those around Christmas that meet three", () => {
    const weeks = { grid: { grain: "1w", zone: NEW_YORK }, calendar: XNYS } as const;
    expect(between(weeks, "2023-12-03T05:00Z", "2024-02-04T05:00Z")).toBe(9);
  });

  it("leave out days on which the exchange did not open: one from Monday to Monday in September 2001", () => {
    const days = { grid: { grain: "1d", zone: NEW_YORK }, calendar: XNYS } as const;
    // The 10th alone: closed from the 11th to the 14th.
    expect(between(days, "2001-09-10T04:00Z", "2001-09-17T04:00Z")).toBe(1);
  });

  it("that meet two sessions belong to the first and are counted once", () => {
    const fourHours = { grid: { grain: "4h", zone: NEW_YORK }, calendar: FX } as const;
    // The days of a currency pair turn at 17:00 in New York, inside the slot from 16:00 to 20:00.
    expect(between(fourHours, "2024-02-06T01:00Z", "2024-02-07T01:00Z")).toBe(6);
    expect(between(fourHours, "2024-02-04T00:00Z", "2024-02-11T00:00Z")).toBe(31);
  });

  it("of a market that never closes are simply counted", () => {
    const coins = { grid: { grain: "1m", zone: "UTC" }, calendar: ALWAYS } as const;
    expect(slotPieces(coins)).toHaveLength(1);
    expect(slotNumberFrom(coins, at("2024-02-29T00:00Z"))).toBe(Date.UTC(2024, 1, 29) / MINUTE);
    expect(slotNumbered(coins, 60 * 24)).toBe(DAY);
  });

  it("are days of 23 and 25 hours where clocks change, and still one a date", () => {
    const days = { grid: { grain: "1d", zone: NEW_YORK }, calendar: ALWAYS } as const;
    const next = (from: string): readonly string[] => {
      const first = slotNumberFrom(days, at(from));
      return [0, 1, 2].map((n) => shortly(slotNumbered(days, first + n)));
    };
    expect(next("2024-03-09T05:00Z")).toEqual(["2024-03-09T05:00Z", "2024-03-10T05:00Z", "2024-03-11T04:00Z"]);
    expect(next("2024-11-02T04:00Z")).toEqual(["2024-11-02T04:00Z", "2024-11-03T04:00Z", "2024-11-04T05:00Z"]);
    const fourHours = { grid: { grain: "4h", zone: NEW_YORK }, calendar: ALWAYS } as const;
    expect(between(fourHours, "2024-03-10T05:00Z", "2024-03-11T04:00Z")).toBe(6);
  });
});

describe("beyond the calendar", () => {
  it("numbers stop at its first and last slot", () => {
    const last = slotNumberFrom(minutes, instant(XNYS.known.end));
    expect(slotNumberFrom(minutes, instant(XNYS.known.end + 99 * DAY))).toBe(last);
    expect(slotNumberFrom(minutes, instant(XNYS.known.start - 99 * DAY))).toBe(0);
    expect(shortly(slotNumbered(minutes, -5))).toBe("1990-01-02T14:30Z");
    expect(slotNumbered(minutes, last + 5)).toBe(slotNumbered(minutes, last - 1));
  });

  it("a calendar without sessions has no slots", () => {
    const never = { grid: minutes.grid, calendar: { ...ALWAYS, sessions: () => [] } };
    expect(slotNumberFrom(never, at("2024-01-01T00:00Z"))).toBe(0);
    expect(() => slotNumbered(never, 0)).toThrow(RangeError);
  });
});

describe("every axis", () => {
  const grids: readonly Grid[] = (["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"] as const).flatMap((grain: Grain) =>
    [NEW_YORK, "UTC", "Asia/Kolkata"].map((zone): Grid => ({ grain, zone })),
  );
  const axes = [XNYS, ALWAYS, FX]
    .flatMap((calendar) =>
      [...grids, { grain: "4h", zone: NEW_YORK, anchor: "utc" } as const].map((grid) => [calendar, grid] as const),
    )
    // A century of hours off the clock of UTC, told one by one, would only take time.
    .filter(([calendar, { grain, zone }]) => calendar !== ALWAYS || zone === "UTC" || grain === "1w" || grain === "1d");
  const anySpan = fc
    .tuple(fc.integer({ min: Date.UTC(1995, 0, 1), max: Date.UTC(2030, 0, 1) }), fc.integer({ min: 1, max: 9 * DAY }))
    .map(([start, length]) => ({ start: instant(start), end: instant(start + length) }));
  const long = { start: instant(0), end: instant(Date.UTC(2100, 0, 1)) };

  it("numbers the slots that are due one after the other, and finds each by its number", () => {
    fc.assert(
      fc.property(fc.constantFrom(...axes), anySpan, ([calendar, grid], span) => {
        const axis = axisOf(calendar, grid);
        const starts = dueSet(axis, span, long.end).flatMap((due) => [...slotsIn(grid, due)].map((slot) => slot.start));
        const first = starts[0];
        if (first === undefined) return;
        const from = slotNumberFrom(axis, first);
        // A week of minutes has ten thousand: fifty of them and the last tell as much.
        const step = Math.max(1, Math.floor(starts.length / 50));
        for (const [i, start] of starts.entries()) {
          if (i % step !== 0 && i !== starts.length - 1) continue;
          expect(slotNumberFrom(axis, start)).toBe(from + i);
          expect(slotNumbered(axis, from + i)).toBe(start);
        }
        expect(slotNumberFrom(axis, span.end)).toBe(from + starts.length);
      }),
      { numRuns: 300 },
    );
  });

  it("has pieces in order, without overlap, numbered without holes", () => {
    for (const [calendar, grid] of axes) {
      const pieces = slotPieces({ calendar, grid });
      let next = 0;
      let end = Number.NEGATIVE_INFINITY;
      for (const piece of pieces) {
        if (piece.from !== next || piece.start < end)
          expect([piece.from, piece.start], grid.grain).toEqual([next, end]);
        next += (piece.end - piece.start) / piece.stepMs;
        end = piece.end;
      }
      expect(Number.isInteger(next)).toBe(true);
    }
  });

  function axisOf(calendar: Calendar, grid: Grid): Axis {
    return {
      grid,
      calendar,
      density: "dense",
      settleMs: 0,
      stamp: { zone: grid.zone, at: "start" },
      lifetime: long,
      earliest: null,
    };
  }
});

describe("the slots of a session", () => {
  it.each<[string, Grid, Calendar, number]>([
    ["minutes of New York's exchanges", { grain: "1m", zone: NEW_YORK }, XNYS, 390],
    ["their half hours", { grain: "30m", zone: NEW_YORK }, XNYS, 13],
    ["their hours, the first of which is half outside", { grain: "1h", zone: NEW_YORK }, XNYS, 7],
    ["their four hours", { grain: "4h", zone: NEW_YORK }, XNYS, 2],
    // From 13:30 to 20:00 in summer, from 14:30 to 21:00 in winter: two or three.
    ["their four hours of UTC", { grain: "4h", zone: NEW_YORK, anchor: "utc" }, XNYS, 3],
    ["their days", { grain: "1d", zone: NEW_YORK }, XNYS, 1],
    ["weeks", { grain: "1w", zone: NEW_YORK }, XNYS, 1],
    ["hours of a market that never closes", { grain: "1h", zone: "UTC" }, ALWAYS, 24],
    ["hours of currencies", { grain: "1h", zone: NEW_YORK }, FX, 24],
    // Monday's has seven: it begins on Sunday within a slot that no session before it has.
    ["their four hours", { grain: "4h", zone: NEW_YORK }, FX, 6],
  ])("are, for %s, as many as a usual one has", (_, grid, calendar, expected) => {
    expect(slotsOfSession({ grid, calendar })).toBe(expected);
  });
});

describe("a fixed step", () => {
  it.each<[Grid, number | null]>([
    [{ grain: "1m", zone: NEW_YORK }, MINUTE],
    [{ grain: "1h", zone: NEW_YORK }, HOUR],
    [{ grain: "4h", zone: NEW_YORK }, null],
    [{ grain: "4h", zone: NEW_YORK, anchor: "utc" }, 4 * HOUR],
    [{ grain: "4h", zone: "UTC" }, 4 * HOUR],
    [{ grain: "1d", zone: "UTC" }, DAY],
    [{ grain: "1d", zone: NEW_YORK }, null],
    [{ grain: "1w", zone: "UTC" }, null],
    // India's clocks are half an hour off, Nepal's three quarters.
    [{ grain: "30m", zone: "Asia/Kolkata" }, 30 * MINUTE],
    [{ grain: "1h", zone: "Asia/Kolkata" }, null],
    [{ grain: "15m", zone: "Asia/Kathmandu" }, 15 * MINUTE],
    [{ grain: "30m", zone: "Asia/Kathmandu" }, null],
    [{ grain: "month", zone: "UTC" }, null],
  ])("is where slots start at its multiples in UTC: %o", (grid, step) => {
    expect(fixedStep(grid)).toBe(step);
  });
});

function between(axis: { readonly grid: Grid; readonly calendar: Calendar }, from: string, to: string): number {
  return slotNumberFrom(axis, at(to)) - slotNumberFrom(axis, at(from));
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

function shortly(time: Instant): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instant } from "./instant.ts";
import {
  countDays,
  datesOf,
  daysBetween,
  daysTouched,
  endOfLocalMinute,
  intervalOfDays,
  shiftDate,
} from "./local-days.ts";

const utc = (text: string) => instant(Date.parse(text));
const CARACAS = "America/Caracas";

const anyDate = fc
  .date({ min: new Date("1971-01-01"), max: new Date("2044-01-01"), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));

describe("spans of local days", () => {
  it("hold both their ends, over leap days too", () => {
    expect(datesOf({ first: "2024-02-28", last: "2024-03-01" })).toEqual(["2024-02-28", "2024-02-29", "2024-03-01"]);
    expect(datesOf({ first: "2023-02-28", last: "2023-03-01" })).toEqual(["2023-02-28", "2023-03-01"]);
    expect(countDays({ first: "2025-10-28", last: "2026-01-26" })).toBe(91);
    expect(datesOf({ first: "2026-01-02", last: "2026-01-01" })).toEqual([]);
  });

  it("count and shift days consistently", () => {
    fc.assert(
      fc.property(anyDate, fc.integer({ min: -400, max: 400 }), (date, days) => {
        expect(daysBetween(date, shiftDate(date, days))).toBe(days);
        expect(shiftDate(shiftDate(date, days), -days)).toBe(date);
      }),
    );
  });
});

describe("local days and instants", () => {
  it("are 24 hours long in Caracas, but for the two days on which its clocks moved", () => {
    // tz database: back half an hour on 2007-12-09 at 03:00, forward half an hour on 2016-05-01 at 02:30.
    const hours = (date: string): number => {
      const { start, end } = intervalOfDays(CARACAS, { first: date, last: date });
      return (end - start) / 3_600_000;
    };
    expect(["2007-12-08", "2007-12-09", "2016-05-01", "2016-05-02"].map(hours)).toEqual([24, 24.5, 23.5, 24]);
    expect(intervalOfDays(CARACAS, { first: "2010-06-01", last: "2010-06-01" }).start).toBe(utc("2010-06-01T04:30Z"));
  });

  it("come back from the interval that they make", () => {
    fc.assert(
      fc.property(anyDate, fc.nat(40), (first, more) => {
        const span = { first, last: shiftDate(first, more) };
        expect(daysTouched(CARACAS, intervalOfDays(CARACAS, span))).toEqual(span);
      }),
    );
  });

  it("are touched by a single millisecond", () => {
    const midnight = utc("2026-01-26T04:00Z");
    expect(daysTouched(CARACAS, { start: instant(midnight - 1), end: instant(midnight + 1) })).toEqual({
      first: "2026-01-25",
      last: "2026-01-26",
    });
    expect(daysTouched(CARACAS, { start: instant(midnight - 1), end: midnight }).last).toBe("2026-01-25");
  });
});

describe("the end of a local minute", () => {
  const end = (text: string) => endOfLocalMinute(CARACAS, Date.parse(`${text}Z`));

  it("is a minute later, on either side of midnight", () => {
    expect(end("2026-01-25T23:59")).toBe(utc("2026-01-26T04:00Z"));
    expect(end("2026-01-26T00:00")).toBe(utc("2026-01-26T04:01Z"));
  });

  it("is the second one where clocks show the minute twice", () => {
    expect(end("2007-12-09T02:29")).toBe(utc("2007-12-09T06:30Z"));
    expect(end("2007-12-09T02:30")).toBe(utc("2007-12-09T07:01Z"));
    expect(end("2007-12-09T03:00")).toBe(utc("2007-12-09T07:31Z"));
  });

  it("is the jump where clocks skip the minute", () => {
    expect(end("2016-05-01T02:45")).toBe(utc("2016-05-01T07:00Z"));
    expect(end("2016-05-01T03:00")).toBe(utc("2016-05-01T07:01Z"));
  });
});

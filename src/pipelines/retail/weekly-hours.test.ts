import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { everyDay, WEEKDAYS } from "../../core/calendar/store-calendar.ts";
import { hoursText, readHours, weeklyOf } from "./weekly-hours.ts";

const USUAL = { open: "07:00", close: "21:00" };
const SUNDAY = { open: "08:00", close: "14:00" };

describe("declared hours", () => {
  it("are one range for all days, or those of each weekday", () => {
    expect(readHours("07:00-21:00", undefined)).toEqual(USUAL);
    expect(readHours("mon-sat=07:00-21:00,sun=08:00-14:00", undefined)).toEqual({ ...everyDay(USUAL), sunday: SUNDAY });
    expect(readHours("mon-sat=07:00-21:00, sun=closed", undefined)).toEqual({ ...everyDay(USUAL), sunday: null });
  });

  it("are understood in Spanish, and over the end of the week", () => {
    const spanish = readHours("Lun-Vie=07:00-21:00,sábado=08:00-24:00,dom=cerrado", undefined);
    expect(spanish).toEqual({ ...everyDay(USUAL), saturday: { open: "08:00", close: "24:00" }, sunday: null });
    expect(readHours("sat-mon=08:00-14:00,tue-fri=07:00-21:00", undefined)).toEqual({
      ...everyDay(USUAL),
      saturday: SUNDAY,
      sunday: SUNDAY,
      monday: SUNDAY,
    });
  });

  it("keep what the weekdays had that are not named, and are one range again where all are alike", () => {
    const sundayOff = readHours("sun=closed", USUAL);
    expect(sundayOff).toEqual({ ...everyDay(USUAL), sunday: null });
    expect(readHours("sun=07:00-21:00", sundayOff)).toEqual(USUAL);
  });

  it.each([
    [USUAL, "07:00-21:00"],
    [{ ...everyDay(USUAL), sunday: null }, "mon-sat=07:00-21:00,sun=closed"],
    [{ ...everyDay(USUAL), wednesday: SUNDAY }, "mon-tue=07:00-21:00,wed=08:00-14:00,thu-sun=07:00-21:00"],
  ])("are printed with days of the same hours together", (hours, text) => {
    expect(hoursText(hours)).toBe(text);
  });

  it("are read back as they are printed", () => {
    const hours = fc.constantFrom(null, USUAL, SUNDAY, { open: "00:00", close: "24:00" });
    const week = fc.tuple(hours, hours, hours, hours, hours, hours, fc.constantFrom(USUAL, SUNDAY));
    fc.assert(
      fc.property(week, (days) => {
        const weekly = Object.fromEntries(WEEKDAYS.map((day, n) => [day, days[n] ?? null])) as ReturnType<
          typeof weeklyOf
        >;
        expect(weeklyOf(readHours(hoursText(weekly), undefined))).toEqual(weekly);
      }),
    );
  });

  it.each([
    ["7:00-21:00", '"7:00-21:00" are no hours'],
    ["07:00", '"07:00" are no hours'],
    ["21:00-07:00", '"21:00-07:00" closes no later than it opens'],
    ["mon-sat=07:00-21:00", "no hours for sun (a day without trade is sun=closed)"],
    ["mon-sun=07:00-21:00,sun=closed", "sun is named twice"],
    ["mon-sat=07:00-21:00,sunn=closed", '"sunn" is no weekday (mon, tue, wed, thu, fri, sat, sun) or range of them'],
    ["mon-sat=07:00-21:00,sun", "sun without hours"],
    ["mon-sun=closed", "closed on all days"],
  ])("are refused with what is wrong and how they are written: %s", (text, message) => {
    expect(() => readHours(text, undefined)).toThrow(
      expect.objectContaining({
        code: "USAGE",
        message: expect.stringContaining(message),
        hint: expect.stringContaining('--hours "mon-sat=07:00-21:00,sun=closed"'),
      }),
    );
  });

  it("name every problem at once", () => {
    expect(() => readHours("mon=25:00-26:00,lunes=closed,x=closed", USUAL)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/"25:00-26:00" are no hours.*"x" is no weekday/) }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { datesOf, intervalOfDays } from "../time/local-days.ts";
import { openTime } from "./calendar.ts";
import {
  CLOSED_YEARLY,
  everyDay,
  ownClosures,
  type StoreDeclaration,
  type StoreHours,
  storeCalendar,
  WEEKDAYS,
} from "./store-calendar.ts";

const ZONE = "America/Caracas";
const utc = (text: string) => instant(Date.parse(text));
const during = (first: string, last: string): Interval => intervalOfDays(ZONE, { first, last });

const USUAL: StoreHours = { open: "07:00", close: "21:00" };
const ORDINARY: StoreDeclaration = {
  name: "store",
  zone: ZONE,
  weekly: everyDay(USUAL),
  opened: null,
  closed: null,
  closedYearly: CLOSED_YEARLY,
  exceptions: [],
};
const calendarWith = (changes: Partial<StoreDeclaration>) => storeCalendar({ ...ORDINARY, ...changes });
const dates = (changes: Partial<StoreDeclaration>, first: string, last: string): readonly string[] =>
  calendarWith(changes)
    .sessions(during(first, last))
    .map(({ date }) => date);

describe("a store's sessions", () => {
  it("are its local hours, a session a day", () => {
    expect(calendarWith({}).sessions(during("2026-01-30", "2026-01-31"))).toEqual([
      { date: "2026-01-30", open: utc("2026-01-30T11:00Z"), close: utc("2026-01-31T01:00Z"), early: false },
      { date: "2026-01-31", open: utc("2026-01-31T11:00Z"), close: utc("2026-02-01T01:00Z"), early: false },
    ]);
  });

  it("may end at midnight, which belongs to the next day", () => {
    const late = calendarWith({ weekly: everyDay({ open: "08:00", close: "24:00" }) });
    const [first, ...rest] = late.sessions(during("2026-01-30", "2026-01-30"));
    expect([first?.open, first?.close]).toEqual([utc("2026-01-30T12:00Z"), utc("2026-01-31T04:00Z")]);
    expect(rest).toEqual([]);
  });

  it("differ by weekday", () => {
    // 2026-02-01 was a Sunday.
    const weekly = { ...everyDay(USUAL), sunday: null, saturday: { open: "08:00", close: "13:00" } };
    expect(dates({ weekly }, "2026-01-31", "2026-02-02")).toEqual(["2026-01-31", "2026-02-02"]);
    const [saturday] = calendarWith({ weekly }).sessions(during("2026-01-31", "2026-01-31"));
    expect([saturday?.close, saturday?.early]).toEqual([utc("2026-01-31T17:00Z"), false]);
  });

  it("stop on 25 December and 1 January unless something else is declared", () => {
    expect(dates({}, "2025-12-24", "2026-01-02")).toEqual(
      datesOf({ first: "2025-12-24", last: "2026-01-02" }).filter(
        (date) => !["2025-12-25", "2026-01-01"].includes(date),
      ),
    );
    expect(dates({ closedYearly: [] }, "2025-12-25", "2025-12-25")).toEqual(["2025-12-25"]);
  });

  it("follow exceptions, whatever the week and the year say", () => {
    const exceptions = [
      { date: "2025-12-24", hours: { open: "07:00", close: "15:00" }, reason: "Nochebuena" },
      { date: "2025-12-25", hours: { open: "09:00", close: "12:00" }, reason: "opened this year" },
      { date: "2025-12-28", hours: USUAL, reason: "Sunday before New Year" },
      { date: "2025-12-29", hours: null, reason: "stocktaking" },
    ];
    const calendar = calendarWith({ weekly: { ...everyDay(USUAL), sunday: null }, exceptions });
    const sessions = calendar.sessions(during("2025-12-24", "2025-12-30"));
    expect(sessions.map(({ date, early }) => `${date}${early ? " early" : ""}`)).toEqual([
      "2025-12-24 early",
      "2025-12-25 early",
      "2025-12-26",
      "2025-12-27",
      "2025-12-28",
      "2025-12-30",
    ]);
  });

  it("begin on the day it opens and end before the day without it", () => {
    const life = { opened: "2025-12-06", closed: "2025-12-09" };
    expect(dates(life, "2025-12-01", "2025-12-31")).toEqual(["2025-12-06", "2025-12-07", "2025-12-08"]);
  });

  it("keep their wall-clock hours through the changes of 2007 and 2016", () => {
    // Four hours behind UTC until 2007-12-09, four and a half until 2016-05-01, four again since.
    const opens = (first: string, last: string) =>
      calendarWith({})
        .sessions(during(first, last))
        .map(({ open }) => new Date(open).toISOString().slice(11, 16));
    expect(opens("2007-12-08", "2007-12-10")).toEqual(["11:00", "11:30", "11:30"]);
    expect(opens("2016-04-30", "2016-05-02")).toEqual(["11:30", "11:00", "11:00"]);
  });

  it("are half an hour longer or shorter when clocks move in opening hours", () => {
    const always = calendarWith({ weekly: everyDay({ open: "00:00", close: "24:00" }), closedYearly: [] });
    const hours = (date: string) =>
      always.sessions(during(date, date)).map(({ open, close }) => (close - open) / 3_600_000);
    expect([hours("2007-12-09"), hours("2016-05-01")]).toEqual([[24.5], [23.5]]);
    const years = during("2007-01-01", "2016-12-31");
    expect(openTime(always, years)).toEqual([years]);
  });

  it("include 29 February, and a closure declared for it in leap years only", () => {
    expect(dates({}, "2024-02-28", "2024-03-01")).toHaveLength(3);
    const closedYearly = [{ monthDay: "02-29", reason: "leap day" }];
    expect(dates({ closedYearly }, "2024-02-28", "2024-03-01")).toEqual(["2024-02-28", "2024-03-01"]);
    expect(dates({ closedYearly }, "2023-02-28", "2023-03-01")).toEqual(["2023-02-28", "2023-03-01"]);
  });

  it("are those that share an instant with the span, whole", () => {
    const calendar = calendarWith({});
    const [cut, ...rest] = calendar.sessions({ start: utc("2026-01-30T20:00Z"), end: utc("2026-01-31T11:00Z") });
    expect([cut?.open, cut?.close]).toEqual([utc("2026-01-30T11:00Z"), utc("2026-01-31T01:00Z")]);
    expect(rest).toEqual([]);
    expect(calendar.sessions({ start: utc("2026-01-31T01:00Z"), end: utc("2026-01-31T11:00Z") })).toEqual([]);
  });

  it("are not known before 1970 or after 2044", () => {
    expect(calendarWith({}).sessions(during("1969-12-01", "1969-12-31"))).toEqual([]);
    expect(calendarWith({}).sessions({ start: utc("2045-02-01"), end: utc("2045-03-01") })).toEqual([]);
    expect(ownClosures(calendarWith({}), { start: utc("2045-12-01"), end: utc("2046-02-01") })).toEqual([]);
  });
});

describe("a store's own closures", () => {
  it("are its closed dates, each with its reason", () => {
    const calendar = calendarWith({
      weekly: { ...everyDay(USUAL), sunday: null },
      opened: "2025-12-22",
      closed: "2026-01-03",
      exceptions: [{ date: "2025-12-29", hours: null, reason: "stocktaking" }],
    });
    expect(ownClosures(calendar, during("2025-12-21", "2026-01-03"))).toEqual([
      { date: "2025-12-21", cause: "not-open-yet", reason: "opened 2025-12-22" },
      { date: "2025-12-25", cause: "yearly", reason: "Navidad" },
      { date: "2025-12-28", cause: "weekly", reason: "closed on sundays" },
      { date: "2025-12-29", cause: "exception", reason: "stocktaking" },
      { date: "2026-01-01", cause: "yearly", reason: "Año Nuevo" },
      { date: "2026-01-03", cause: "gone", reason: "closed 2026-01-03" },
    ]);
  });

  it("and its sessions divide the days of any span between them", () => {
    const hours = fc.option(
      fc.constantFrom(USUAL, { open: "00:00", close: "24:00" }, { open: "08:00", close: "24:00" }),
    );
    const weekly = fc.record(Object.fromEntries(WEEKDAYS.map((day) => [day, hours])));
    const near = fc.integer({ min: 0, max: 60 });
    const dateFrom = (first: string, days: number) =>
      new Date(Date.parse(first) + days * 86_400_000).toISOString().slice(0, 10);
    fc.assert(
      fc.property(
        weekly,
        fc.uniqueArray(fc.tuple(near, hours), { maxLength: 5, selector: ([day]) => day }),
        fc.option(near),
        fc.constantFrom("2007-11-20", "2016-04-15", "2024-02-01", "2025-12-01"),
        (week, exceptions, opened, first) => {
          const calendar = calendarWith({
            weekly: week as StoreDeclaration["weekly"],
            opened: opened === null ? null : dateFrom(first, opened),
            exceptions: exceptions.map(([day, own]) => ({ date: dateFrom(first, day), hours: own, reason: "own" })),
          });
          const span = during(first, dateFrom(first, 60));
          const open = calendar.sessions(span).map(({ date }) => date);
          const closed = ownClosures(calendar, span).map(({ date }) => date);
          expect([...open, ...closed].sort()).toEqual(datesOf({ first, last: dateFrom(first, 60) }));
        },
      ),
    );
  });
});

describe("the version of a store's calendar", () => {
  const version = (changes: Partial<StoreDeclaration>) => calendarWith(changes).version;
  const holiday = { date: "2026-02-16", hours: null, reason: "Carnaval" };
  const shorter = { date: "2026-02-17", hours: { open: "07:00", close: "13:00" }, reason: "Carnaval" };

  it("is another for every change of what is declared", () => {
    const changes: readonly Partial<StoreDeclaration>[] = [
      {},
      { zone: "America/Bogota" },
      { weekly: everyDay({ open: "07:00", close: "24:00" }) },
      { weekly: { ...everyDay(USUAL), sunday: null } },
      { weekly: { ...everyDay(USUAL), monday: null } },
      { opened: "2025-12-06" },
      { closed: "2025-12-06" },
      { closedYearly: [] },
      { closedYearly: [{ monthDay: "12-25", reason: "Navidad" }] },
      { closedYearly: [{ monthDay: "12-26", reason: "Navidad" }] },
      { exceptions: [holiday] },
      { exceptions: [shorter] },
      { exceptions: [holiday, shorter] },
      { exceptions: [{ ...holiday, reason: "stocktaking" }] },
    ];
    expect(new Set(changes.map(version)).size).toBe(changes.length);
  });

  it("does not depend on the order of the declaration, nor on the name", () => {
    expect(version({ exceptions: [shorter, holiday] })).toBe(version({ exceptions: [holiday, shorter] }));
    expect(version({ closedYearly: [...CLOSED_YEARLY].reverse(), name: "other" })).toBe(version({}));
  });
});

describe("a declaration with mistakes", () => {
  it("is refused with all of them and their paths", () => {
    const attempt = () =>
      storeCalendar({
        name: "tienda_99",
        zone: "America/Valencia",
        weekly: {
          ...everyDay(USUAL),
          monday: { open: "7:00", close: "21:00" },
          friday: { open: "21:00", close: "07:00" },
        },
        opened: "2025-02-29",
        closed: "2025-01-01",
        closedYearly: [
          { monthDay: "12-32", reason: "" },
          { monthDay: "01-01", reason: "" },
          { monthDay: "01-01", reason: "" },
        ],
        exceptions: [
          { date: "2026-01-30", hours: { open: "07:00", close: "24:30" }, reason: "" },
          { date: "2026-01-30", hours: null, reason: "" },
        ],
      });
    expect(attempt).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    for (const problem of [
      "calendar of tienda_99",
      "zone: unknown time zone America/Valencia",
      "weekly.monday: not a time of day: 7:00",
      "weekly.friday: closes at 07:00, not after it opens at 21:00",
      "opened: not a date: 2025-02-29",
      "closed: not after opened 2025-02-29",
      "closedYearly.0: not a month and day: 12-32",
      "closedYearly: 01-01 twice",
      "exceptions.0: not a time of day: 24:30",
      "exceptions: 2026-01-30 twice",
    ]) {
      expect(attempt).toThrow(expect.objectContaining({ message: expect.stringContaining(problem) }));
    }
  });
});

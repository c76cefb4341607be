import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Instant, instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { ALWAYS } from "./always.ts";
import { listedCalendar, openTime, type Session } from "./calendar.ts";
import { CALENDAR_NAMES, calendarNamed } from "./calendars.ts";
import { FX } from "./fx.ts";

describe("a listed calendar", () => {
  const listed = (sessions: readonly [open: number, close: number][], known: Interval = span(0, 100)) =>
    listedCalendar({ name: "test", version: "1", zone: "UTC", known }, () =>
      sessions.map(([open, close]) => ({
        date: "1970-01-01",
        open: instant(open),
        close: instant(close),
        early: false,
      })),
    );

  it("gives the sessions that share an instant with the span, whole", () => {
    const calendar = listed([
      [10, 20],
      [30, 40],
      [50, 60],
    ]);
    expect(opens(calendar.sessions(span(15, 31)))).toEqual([10, 30]);
    expect(opens(calendar.sessions(span(19, 20)))).toEqual([10]);
    expect(opens(calendar.sessions(span(20, 30)))).toEqual([]);
    expect(opens(calendar.sessions(span(0, 100)))).toEqual([10, 30, 50]);
    expect(opens(calendar.sessions(span(60, 100)))).toEqual([]);
  });

  it("agrees with looking at every session", () => {
    const anySessions = fc
      .uniqueArray(fc.nat(100), { maxLength: 12 })
      .map((cuts) => cuts.sort((a, b) => a - b))
      .map((cuts) => cuts.slice(1).map((close, n): [number, number] => [cuts[n] as number, close]))
      .chain((sessions) => fc.subarray(sessions));
    fc.assert(
      fc.property(anySessions, fc.nat(99), fc.integer({ min: 1, max: 50 }), (sessions, start, length) => {
        const asked = span(start, start + length);
        const overlapping = sessions.filter(([open, close]) => open < asked.end && asked.start < close);
        expect(opens(listed(sessions).sessions(asked))).toEqual(overlapping.map(([open]) => open));
      }),
    );
  });

  it("builds its sessions once, on first use", () => {
    let built = 0;
    const calendar = listedCalendar({ name: "test", version: "1", zone: "UTC", known: span(0, 1) }, () => {
      built++;
      return [];
    });
    expect(built).toBe(0);
    calendar.sessions(span(0, 1));
    calendar.sessions(span(0, 1));
    expect(built).toBe(1);
  });

  it("is open during its sessions, cut at the span's ends, touching ones merged", () => {
    const calendar = listed([
      [10, 20],
      [20, 30],
      [50, 60],
    ]);
    expect(openTime(calendar, span(15, 55))).toEqual([span(15, 30), span(50, 55)]);
    expect(openTime(calendar, span(30, 50))).toEqual([]);
  });
});

describe("the 24x7 calendar", () => {
  it("has one session a UTC day, without a gap", () => {
    const [first, second, ...rest] = ALWAYS.sessions(between("2016-02-28T12:00Z", "2016-03-01T00:00Z"));
    expect(first).toEqual({ date: "2016-02-28", open: utc("2016-02-28"), close: utc("2016-02-29"), early: false });
    expect(second).toEqual({ date: "2016-02-29", open: utc("2016-02-29"), close: utc("2016-03-01"), early: false });
    expect(rest).toEqual([]);
    const years = between("2016-01-01T05:00Z", "2020-01-01T07:00Z");
    expect(openTime(ALWAYS, years)).toEqual([years]);
  });

  it("knows nothing before 1970 or from 2100 on", () => {
    expect(ALWAYS.sessions(between("1969-12-30", "1970-01-02")).map(({ date }) => date)).toEqual(["1970-01-01"]);
    expect(ALWAYS.sessions(between("2099-12-31", "2100-01-03")).map(({ date }) => date)).toEqual(["2099-12-31"]);
    expect(ALWAYS.sessions(between("2100-01-01", "2100-01-03"))).toEqual([]);
  });
});

describe("the FX calendar", () => {
  it("trades from Sunday 17:00 to Friday 17:00 in New York, a session a trading day, named for the day it ends", () => {
    expect(FX.sessions(between("2024-01-14T00:00Z", "2024-01-21T00:00Z"))).toEqual([
      { date: "2024-01-15", open: utc("2024-01-14T22:00Z"), close: utc("2024-01-15T22:00Z"), early: false },
      { date: "2024-01-16", open: utc("2024-01-15T22:00Z"), close: utc("2024-01-16T22:00Z"), early: false },
      { date: "2024-01-17", open: utc("2024-01-16T22:00Z"), close: utc("2024-01-17T22:00Z"), early: false },
      { date: "2024-01-18", open: utc("2024-01-17T22:00Z"), close: utc("2024-01-18T22:00Z"), early: false },
      { date: "2024-01-19", open: utc("2024-01-18T22:00Z"), close: utc("2024-01-19T22:00Z"), early: false },
    ]);
  });

  it("is open without a break within a week and closed over the weekend", () => {
    expect(openTime(FX, between("2024-01-10T12:00Z", "2024-01-17T00:00Z"))).toEqual([
      between("2024-01-10T12:00Z", "2024-01-12T22:00Z"),
      between("2024-01-14T22:00Z", "2024-01-17T00:00Z"),
    ]);
  });

  it("opens an hour earlier in UTC while New York has summer time, also when Europe does not yet", () => {
    // New York changed on 2024-03-10, London on 2024-03-31; back on 2024-11-03, London on 2024-10-27.
    const weekOf = (sunday: string) => openTime(FX, { start: utc(sunday), end: instant(utc(sunday) + 7 * 86_400_000) });
    expect(weekOf("2024-03-03")).toEqual([between("2024-03-03T22:00Z", "2024-03-08T22:00Z")]);
    expect(weekOf("2024-03-10")).toEqual([between("2024-03-10T21:00Z", "2024-03-15T21:00Z")]);
    expect(weekOf("2024-10-27")).toEqual([between("2024-10-27T21:00Z", "2024-11-01T21:00Z")]);
    expect(weekOf("2024-11-03")).toEqual([between("2024-11-03T22:00Z", "2024-11-08T22:00Z")]);
  });

  it("has sessions of 24 hours, since New York's clocks change on closed Sunday mornings", () => {
    const lengths = new Set(FX.sessions(FX.known).map(({ open, close }) => close - open));
    expect([...lengths]).toEqual([86_400_000]);
  });

  it("knows whole weeks only, to the end of 2044", () => {
    const all = FX.sessions(FX.known);
    expect(all[0]?.date).toBe("1970-01-05");
    expect(all[0]?.open).toBe(FX.known.start);
    expect(all[all.length - 1]?.date).toBe("2044-12-30");
    expect(all[all.length - 1]?.close).toBe(FX.known.end);
    expect(all).toHaveLength(((FX.known.end - FX.known.start + 2 * 86_400_000) / (7 * 86_400_000)) * 5);
  });
});

describe("calendars by name", () => {
  it("are XNYS, 24x7 and FX", () => {
    expect(CALENDAR_NAMES).toEqual(["XNYS", "24x7", "FX"]);
    for (const name of CALENDAR_NAMES) expect(calendarNamed(name).name).toBe(name);
  });

  it("are refused when unknown, with the names there are", () => {
    expect(() => calendarNamed("NYSE")).toThrow(new RangeError("unknown calendar: NYSE (known: XNYS, 24x7, FX)"));
  });
});

function opens(sessions: readonly Session[]): number[] {
  return sessions.map(({ open }) => open);
}

function span(start: number, end: number): Interval {
  return { start: instant(start), end: instant(end) };
}

function utc(text: string): Instant {
  return instant(Date.parse(text));
}

function between(start: string, end: string): Interval {
  return { start: utc(start), end: utc(end) };
}

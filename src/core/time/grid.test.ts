import { PGlite } from "@electric-sql/pglite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  addSlots,
  countSlots,
  countSlotsOf,
  GRAINS,
  type Grid,
  isOfDays,
  isSlotStart,
  nominalMs,
  slotAt,
  slotsIn,
  snapIn,
  snapOut,
  snapSetOut,
} from "./grid.ts";
import { DAY, formatInstant, HOUR, type Instant, instant, MINUTE } from "./instant.ts";
import { type Interval, lengthMs } from "./interval.ts";
import { normalize } from "./interval-set.ts";
import { offsetSpans } from "./zone.ts";

const NEW_YORK = "America/New_York";
const CARACAS = "America/Caracas";

describe("days in New York", () => {
  const days: Grid = { grain: "1d", zone: NEW_YORK };

  it("have 23 hours when clocks go forward, 25 when they go back, else 24", () => {
    expect(hours(slotAt(days, utc("2024-03-10T12:00Z")))).toBe(23);
    expect(hours(slotAt(days, utc("2024-11-03T12:00Z")))).toBe(25);
    expect(hours(slotAt(days, utc("2024-07-01T12:00Z")))).toBe(24);
  });

  it("start at local midnight", () => {
    expect(slotAt(days, utc("2024-03-10T12:00Z"))).toEqual(between("2024-03-10T05:00Z", "2024-03-11T04:00Z"));
    expect(slotAt(days, utc("2024-07-01T03:59Z"))).toEqual(between("2024-06-30T04:00Z", "2024-07-01T04:00Z"));
  });

  it("number 366 in a leap year and 365 in others", () => {
    const years: Grid = { grain: "year", zone: NEW_YORK };
    expect(countSlots(days, slotAt(years, utc("2024-06-01T00:00Z")))).toBe(366);
    expect(countSlots(days, slotAt(years, utc("2023-06-01T00:00Z")))).toBe(365);
    expect(countSlots(days, slotAt(years, utc("2000-06-01T00:00Z")))).toBe(366);
  });
});

describe("slots of four hours", () => {
  const local: Grid = { grain: "4h", zone: NEW_YORK };

  it("anchored at local midnight have 3 or 5 hours across a clock change", () => {
    const spring = { start: utc("2024-03-10T05:00Z"), end: utc("2024-03-11T04:00Z") };
    const autumn = { start: utc("2024-11-03T04:00Z"), end: utc("2024-11-04T05:00Z") };
    expect([...slotsIn(local, spring)].map(hours)).toEqual([3, 4, 4, 4, 4, 4]);
    expect([...slotsIn(local, autumn)].map(hours)).toEqual([5, 4, 4, 4, 4, 4]);
  });

  it("anchored at midnight UTC always have 4", () => {
    const anchored: Grid = { ...local, anchor: "utc" };
    const slots = [...slotsIn(anchored, between("2024-03-10T00:00Z", "2024-03-11T00:00Z"))];
    expect(slots.map(hours)).toEqual([4, 4, 4, 4, 4, 4]);
    expect(slotAt(anchored, utc("2024-03-10T09:30Z"))).toEqual(between("2024-03-10T08:00Z", "2024-03-10T12:00Z"));
  });
});

describe("slots up to an hour", () => {
  it("keep their length across New York's clock changes", () => {
    const hourly: Grid = { grain: "1h", zone: NEW_YORK };
    const spring = slotAt({ grain: "1d", zone: NEW_YORK }, utc("2024-03-10T12:00Z"));
    const autumn = slotAt({ grain: "1d", zone: NEW_YORK }, utc("2024-11-03T12:00Z"));
    expect([...slotsIn(hourly, spring)].map(hours)).toEqual(Array(23).fill(1));
    expect([...slotsIn(hourly, autumn)].map(hours)).toEqual(Array(25).fill(1));
    expect(countSlots(hourly, autumn)).toBe(25);
  });

  it("start on the wall clock's hour where the offset has half an hour", () => {
    // India is 5:30 ahead of UTC.
    const hourly: Grid = { grain: "1h", zone: "Asia/Kolkata" };
    expect(slotAt(hourly, utc("2024-01-01T00:00Z"))).toEqual(between("2023-12-31T23:30Z", "2024-01-01T00:30Z"));
  });

  it("are cut where the wall clock's hours shift by half an hour", () => {
    // tz database, southamerica: Caracas went from -4:00 to -4:30 on 2007-12-09 and back on 2016-05-01, at 07:00 UTC.
    const hourly: Grid = { grain: "1h", zone: CARACAS };
    expect([...slotsIn(hourly, between("2007-12-09T06:00Z", "2007-12-09T08:30Z"))]).toEqual([
      between("2007-12-09T06:00Z", "2007-12-09T07:00Z"),
      between("2007-12-09T07:00Z", "2007-12-09T07:30Z"),
      between("2007-12-09T07:30Z", "2007-12-09T08:30Z"),
    ]);
    expect([...slotsIn(hourly, between("2016-05-01T05:30Z", "2016-05-01T08:00Z"))]).toEqual([
      between("2016-05-01T05:30Z", "2016-05-01T06:30Z"),
      between("2016-05-01T06:30Z", "2016-05-01T07:00Z"),
      between("2016-05-01T07:00Z", "2016-05-01T08:00Z"),
    ]);
    expect(countSlots(hourly, between("2007-12-09T06:00Z", "2007-12-09T08:30Z"))).toBe(3);
  });

  it("do not notice the same change when it is a whole number of slots", () => {
    const halves: Grid = { grain: "30m", zone: CARACAS };
    expect(countSlots(halves, between("2007-12-09T04:00Z", "2007-12-10T04:30Z"))).toBe(49);
  });
});

describe("days in Caracas", () => {
  it("have half an hour more on 2007-12-09 and less on 2016-05-01", () => {
    const days: Grid = { grain: "1d", zone: CARACAS };
    expect(slotAt(days, utc("2007-12-09T12:00Z"))).toEqual(between("2007-12-09T04:00Z", "2007-12-10T04:30Z"));
    expect(slotAt(days, utc("2016-05-01T12:00Z"))).toEqual(between("2016-05-01T04:30Z", "2016-05-02T04:00Z"));
    expect(countSlots(days, between("2007-12-01T04:00Z", "2008-01-01T04:30Z"))).toBe(31);
  });
});

describe("weeks, months, quarters and years", () => {
  it("start on Sunday for weeks", () => {
    // 2024-01-07 was a Sunday.
    const weeks: Grid = { grain: "1w", zone: "UTC" };
    expect(slotAt(weeks, utc("2024-01-10T15:00Z"))).toEqual(between("2024-01-07T00:00Z", "2024-01-14T00:00Z"));
    expect(isSlotStart(weeks, utc("2024-01-07T00:00Z"))).toBe(true);
    expect(isSlotStart(weeks, utc("2024-01-08T00:00Z"))).toBe(false);
    expect(slotAt(weeks, utc("1969-12-31T00:00Z"))).toEqual(between("1969-12-28T00:00Z", "1970-01-04T00:00Z"));
  });

  it("follow the local calendar", () => {
    const inNewYork = (grain: Grid["grain"]): Grid => ({ grain, zone: NEW_YORK });
    const at = utc("2024-03-01T04:59Z"); // still February 29 in New York
    expect(slotAt(inNewYork("month"), at)).toEqual(between("2024-02-01T05:00Z", "2024-03-01T05:00Z"));
    expect(slotAt(inNewYork("quarter"), at)).toEqual(between("2024-01-01T05:00Z", "2024-04-01T04:00Z"));
    expect(slotAt(inNewYork("year"), at)).toEqual(between("2024-01-01T05:00Z", "2025-01-01T05:00Z"));
    expect(slotAt(inNewYork("1w"), utc("2024-03-12T00:00Z"))).toEqual(
      between("2024-03-10T05:00Z", "2024-03-17T04:00Z"),
    );
  });

  it("hold 29 days in a leap February and 28 in others", () => {
    const months: Grid = { grain: "month", zone: "UTC" };
    const length = (text: string) => lengthMs(slotAt(months, utc(text))) / DAY;
    expect([length("2024-02-29T12:00Z"), length("2023-02-28T12:00Z"), length("1900-02-10T00:00Z")]).toEqual([
      29, 28, 28,
    ]);
  });

  it("are as long as they usually are, nominally", () => {
    expect(GRAINS.filter((grain) => isOfDays({ grain }))).toEqual(["1d", "1w", "month", "quarter", "year"]);
    expect(nominalMs("5m")).toBe(5 * MINUTE);
    expect(nominalMs("4h")).toBe(4 * HOUR);
    expect(nominalMs("1w")).toBe(7 * DAY);
    expect(nominalMs("year")).toBe(365.2425 * DAY);
    expect(nominalMs("quarter") * 4).toBe(nominalMs("year"));
  });
});

describe("unusual days", () => {
  it("start when the clocks jump, if they skip midnight", () => {
    // Brazil, 2018-11-04: 00:00 became 01:00.
    const days: Grid = { grain: "1d", zone: "America/Sao_Paulo" };
    expect(slotAt(days, utc("2018-11-04T02:59Z"))).toEqual(between("2018-11-03T03:00Z", "2018-11-04T03:00Z"));
    expect(slotAt(days, utc("2018-11-04T03:00Z"))).toEqual(between("2018-11-04T03:00Z", "2018-11-05T02:00Z"));
  });

  it("end the first time midnight is shown, if clocks go back across it", () => {
    // Newfoundland, 2006-10-29: 00:01 became 23:01 of the day before.
    const days: Grid = { grain: "1d", zone: "America/St_Johns" };
    const second = utc("2006-10-29T03:00Z"); // 23:30 on the 28th, for the second time
    expect(slotAt(days, second)).toEqual(between("2006-10-29T02:30Z", "2006-10-30T03:30Z"));
  });

  it("are not counted if the clocks jump over them", () => {
    // Samoa had no 2011-12-30 (International Date Line Act 2011).
    const days: Grid = { grain: "1d", zone: "Pacific/Apia" };
    const month: Interval = slotAt({ grain: "month", zone: "Pacific/Apia" }, utc("2011-12-15T00:00Z"));
    expect(countSlots(days, month)).toBe(30);
    expect([...slotsIn(days, month)]).toHaveLength(30);
    expect(formatInstant(addSlots(days, utc("2011-12-29T11:00Z"), 1))).toBe("2011-12-30T10:00:00Z");
    expect(formatInstant(addSlots(days, utc("2011-12-30T11:00Z"), -1))).toBe("2011-12-29T10:00:00Z");
  });
});

describe("snapping", () => {
  const days: Grid = { grain: "1d", zone: "UTC" };
  const ragged = between("2024-01-01T10:00Z", "2024-01-04T10:00Z");

  it("out gives the smallest run of whole slots around a span", () => {
    expect(snapOut(days, ragged)).toEqual(between("2024-01-01T00:00Z", "2024-01-05T00:00Z"));
    const whole = between("2024-01-01T00:00Z", "2024-01-02T00:00Z");
    expect(snapOut(days, whole)).toEqual(whole);
  });

  it("in gives the whole slots inside a span, or null when none fits", () => {
    expect(snapIn(days, ragged)).toEqual(between("2024-01-02T00:00Z", "2024-01-04T00:00Z"));
    expect(snapIn(days, between("2024-01-01T00:00Z", "2024-01-02T00:00Z"))).toEqual(
      between("2024-01-01T00:00Z", "2024-01-02T00:00Z"),
    );
    expect(snapIn(days, between("2024-01-01T10:00Z", "2024-01-02T23:00Z"))).toBeNull();
  });

  it("a set out merges members that then meet, so that no slot is counted twice", () => {
    const set = normalize([
      between("2024-01-01T01:00Z", "2024-01-01T02:00Z"),
      between("2024-01-01T03:00Z", "2024-01-02T04:00Z"),
      between("2024-01-05T05:00Z", "2024-01-05T06:00Z"),
    ]);
    expect(snapSetOut(days, set)).toEqual([
      between("2024-01-01T00:00Z", "2024-01-03T00:00Z"),
      between("2024-01-05T00:00Z", "2024-01-06T00:00Z"),
    ]);
    expect(countSlotsOf(days, snapSetOut(days, set))).toBe(3);
  });
});

describe("any grid", () => {
  const zones = [
    NEW_YORK,
    CARACAS,
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Apia",
    "UTC",
  ];
  /** A grid and an instant: anywhere, within two days of a change of the zone's clocks, or within two hours. */
  const anyPlace = fc
    .record({
      grain: fc.constantFrom(...GRAINS),
      zone: fc.constantFrom(...zones),
      anchor: fc.constantFrom("local-midnight" as const, "utc" as const),
    })
    .chain((grid: Grid) => {
      const anywhere = fc.integer({ min: Date.UTC(1971, 0, 1), max: Date.UTC(2037, 0, 1) });
      const changes = offsetSpans(grid.zone)
        .slice(1)
        .map(({ start }) => start);
      const near = (ms: number) =>
        changes.length === 0
          ? anywhere
          : fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -ms, max: ms })).map(([change, by]) => change + by);
      return fc.record({ grid: fc.constant(grid), at: fc.oneof(anywhere, near(2 * DAY), near(2 * HOUR)).map(instant) });
    });

  it("cuts time into slots that contain what they are asked for and meet without overlap", () => {
    fc.assert(
      fc.property(anyPlace, ({ grid, at }) => {
        const slot = slotAt(grid, at);
        expect(slot.start).toBeLessThanOrEqual(at);
        expect(slot.end).toBeGreaterThan(at);
        expect(slotAt(grid, slot.start)).toEqual(slot);
        expect(slotAt(grid, instant(slot.end - 1))).toEqual(slot);
        expect(slotAt(grid, slot.end).start).toBe(slot.end);
        expect(slotAt(grid, instant(slot.start - 1)).end).toBe(slot.start);
        expect(isSlotStart(grid, at)).toBe(slot.start === at);
      }),
      { numRuns: 3_000 },
    );
  });

  it("splits a span of whole slots into slots that merge to the same span", () => {
    fc.assert(
      fc.property(anyPlace, fc.integer({ min: 1, max: 60 }), ({ grid, at }, n) => {
        const span = snapOut(grid, { start: at, end: instant(at + n * Math.min(nominalMs(grid.grain), 10 * DAY)) });
        const slots = [...slotsIn(grid, span)];
        expect(normalize(slots)).toEqual([span]);
        expect(slots.reduce((sum, slot) => sum + lengthMs(slot), 0)).toBe(lengthMs(span));
      }),
      { numRuns: 1_000 },
    );
  });

  it("counts as many slots as a walk over them meets", () => {
    fc.assert(
      fc.property(anyPlace, fc.integer({ min: 1, max: 100 }), fc.nat(1_000), ({ grid, at }, n, ragged) => {
        const span = { start: at, end: instant(Math.round(at + (n + ragged / 1_000) * nominalMs(grid.grain))) };
        expect(countSlots(grid, span)).toBe([...slotsIn(grid, span)].length);
      }),
      { numRuns: 3_000 },
    );
  });

  it("moves by n slots to where n steps lead, forward and back", () => {
    fc.assert(
      fc.property(anyPlace, fc.integer({ min: -60, max: 60 }), ({ grid, at }, n) => {
        let walked = slotAt(grid, at).start;
        for (let step = 0; step < n; step++) walked = slotAt(grid, walked).end;
        for (let step = 0; step > n; step--) walked = slotAt(grid, instant(walked - 1)).start;
        expect(addSlots(grid, at, n)).toBe(walked);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("PostgreSQL's date_trunc", () => {
  const db = new PGlite();
  beforeAll(() => db.waitReady, 60_000);
  afterAll(() => db.close());

  it("starts hours, days, weeks, months, quarters and years where the grid does", { timeout: 60_000 }, async () => {
    const unit = { "1h": "hour", "1d": "day", "1w": "week", month: "month", quarter: "quarter", year: "year" };
    const asked = fc.sample(
      fc.record({
        grain: fc.constantFrom(...(Object.keys(unit) as (keyof typeof unit)[])),
        zone: fc.constantFrom(NEW_YORK, CARACAS, "Asia/Kolkata", "Australia/Sydney", "Europe/London", "UTC"),
        at: fc.integer({ min: Date.UTC(1971, 0, 1), max: Date.UTC(2030, 0, 1) }),
      }),
      3_000,
    );
    // PostgreSQL's weeks start on Monday: a week from Sunday is the week of the wall clock a day later, less that day.
    const { rows } = await db.query<{ starts: number[] }>(
      `with wall as (
         select n, unit, zone, to_timestamp(at / 1000.0) at time zone zone as wall
         from json_to_recordset($1) as asked (n int, unit text, zone text, at int8)
       ), started as (
         select n, zone, case unit when 'week' then date_trunc(unit, wall + interval '1 day') - interval '1 day'
           else date_trunc(unit, wall) end as wall
         from wall
       )
       select array_agg((extract(epoch from wall) * 1000)::int8 order by n) as starts from started`,
      [JSON.stringify(asked.map(({ grain, zone, at }, n) => ({ n, unit: unit[grain], zone, at })))],
    );
    const ours = asked.map(({ grain, zone, at }) => {
      const { start } = slotAt({ grain, zone }, instant(at));
      const offset = offsetSpans(zone).findLast((span) => span.start <= start)?.offsetMs ?? 0;
      return start + offset;
    });
    expect(ours).toEqual(rows[0]?.starts.map(Number));
  });
});

function utc(text: string): Instant {
  return instant(Date.parse(text));
}

function between(start: string, end: string): Interval {
  return { start: utc(start), end: utc(end) };
}

function hours(span: Interval): number {
  return lengthMs(span) / HOUR;
}

import { PGlite } from "@electric-sql/pglite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DAY, HOUR, type Instant, instant, MINUTE } from "./instant.ts";
import { fromLocalMs, localDate, offsetAt, offsetSpans, parseDate, startOfLocalDate, toLocalMs } from "./zone.ts";

/** Summer time north and south, half hours, a jumped day, changes taken back within two weeks, none at all. */
const ZONES = [
  "America/New_York",
  "America/Caracas",
  "America/Recife",
  "America/Sao_Paulo",
  "America/St_Johns",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Europe/London",
  "Europe/Madrid",
  "Pacific/Apia",
  "UTC",
];
const FROM = Date.UTC(1971, 0, 1);
const UNTIL = Date.UTC(2030, 0, 1);

describe("New York's clocks", () => {
  const zone = "America/New_York";

  it("map a time they skip to the jump", () => {
    // 2024-03-10: 02:00 EST became 03:00 EDT (15 U.S.C. 260a).
    expect(fromLocalMs(zone, local("2024-03-10T02:30"))).toBe(utc("2024-03-10T07:00Z"));
    expect(fromLocalMs(zone, local("2024-03-10T01:59"))).toBe(utc("2024-03-10T06:59Z"));
    expect(fromLocalMs(zone, local("2024-03-10T03:00"))).toBe(utc("2024-03-10T07:00Z"));
  });

  it("map a time they show twice to the first", () => {
    // 2024-11-03: 02:00 EDT became 01:00 EST.
    expect(fromLocalMs(zone, local("2024-11-03T01:30"))).toBe(utc("2024-11-03T05:30Z"));
    expect(fromLocalMs(zone, local("2024-11-03T02:00"))).toBe(utc("2024-11-03T07:00Z"));
    expect(fromLocalMs(zone, local("2024-11-03T00:59"))).toBe(utc("2024-11-03T04:59Z"));
  });

  it("give the date on the wall, not the date in UTC", () => {
    expect(localDate(zone, utc("2024-07-01T03:59Z"))).toBe("2024-06-30");
    expect(localDate(zone, utc("2024-07-01T04:00Z"))).toBe("2024-07-01");
    expect(startOfLocalDate(zone, "2024-07-01")).toBe(utc("2024-07-01T04:00Z"));
    expect(startOfLocalDate(zone, "2024-12-01")).toBe(utc("2024-12-01T05:00Z"));
  });
});

describe("Caracas' clocks", () => {
  it("went back half an hour on 2007-12-09 and forward again on 2016-05-01", () => {
    // tz database, southamerica: -4:00 until 2007 Dec 9 3:00, -4:30 until 2016 May 1 2:30, then -4:00.
    expect(offsetSpans("America/Caracas").slice(-3)).toEqual([
      { start: expect.any(Number), end: utc("2007-12-09T07:00Z"), offsetMs: -4 * HOUR },
      { start: utc("2007-12-09T07:00Z"), end: utc("2016-05-01T07:00Z"), offsetMs: -4 * HOUR - 30 * MINUTE },
      { start: utc("2016-05-01T07:00Z"), end: Number.POSITIVE_INFINITY, offsetMs: -4 * HOUR },
    ]);
  });
});

describe("unusual clocks", () => {
  it("start a day whose midnight is skipped when the clocks jump", () => {
    // Brazil, 2018-11-04: 00:00 became 01:00.
    expect(startOfLocalDate("America/Sao_Paulo", "2018-11-04")).toBe(utc("2018-11-04T03:00Z"));
  });

  it("map a date that never was to the date after it", () => {
    // Samoa had no 2011-12-30 (International Date Line Act 2011).
    expect(startOfLocalDate("Pacific/Apia", "2011-12-30")).toBe(startOfLocalDate("Pacific/Apia", "2011-12-31"));
    expect(startOfLocalDate("Pacific/Apia", "2011-12-31")).toBe(utc("2011-12-30T10:00Z"));
  });

  it("show a change that is taken back a week later", () => {
    // tz database, southamerica: summer time in Recife from 2000-10-08 to 2000-10-15.
    expect(offsetAt("America/Recife", Date.UTC(2000, 9, 7))).toBe(-3 * HOUR);
    expect(offsetAt("America/Recife", Date.UTC(2000, 9, 10))).toBe(-2 * HOUR);
    expect(offsetAt("America/Recife", Date.UTC(2000, 9, 16))).toBe(-3 * HOUR);
  });

  it("of an unknown zone are refused", () => {
    expect(() => offsetAt("America/Gotham", 0)).toThrow(RangeError);
  });
});

describe("any zone", () => {
  const anyZone = fc.constantFrom(...ZONES);
  const anyInstant = fc.integer({ min: FROM, max: UNTIL }).map(instant);

  it("has offsets without holes or overlaps, each different from the one before", () => {
    for (const zone of ZONES) {
      const spans = offsetSpans(zone);
      expect(spans[0]?.start).toBe(Number.NEGATIVE_INFINITY);
      expect(spans[spans.length - 1]?.end).toBe(Number.POSITIVE_INFINITY);
      spans.slice(1).forEach((span, n) => {
        expect(span.start).toBe(spans[n]?.end);
        expect(span.offsetMs).not.toBe(spans[n]?.offsetMs);
      });
    }
  });

  it("leads from an instant to the wall and back to the first time the wall showed it", () => {
    fc.assert(
      fc.property(anyZone, fc.oneof(anyInstant, anyZone.chain(nearChange)), (zone, at) => {
        const wall = toLocalMs(zone, at);
        const back = fromLocalMs(zone, wall);
        expect(toLocalMs(zone, back)).toBe(wall);
        expect(back).toBeLessThanOrEqual(at);
        expect(at - back).toBeLessThanOrEqual(2 * HOUR);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a date", () => {
  it("is a real day of the calendar in the form YYYY-MM-DD", () => {
    expect(parseDate("2024-02-29")).toBe(Date.UTC(2024, 1, 29));
    for (const bad of ["2023-02-29", "2024-13-01", "2024-1-1", "20240101", "2024-01-01T00:00Z", ""]) {
      expect(() => parseDate(bad)).toThrow(RangeError);
    }
  });
});

describe("PostgreSQL's AT TIME ZONE", () => {
  const db = new PGlite();
  beforeAll(() => db.waitReady, 60_000);
  afterAll(() => db.close());

  it("shows the same clocks every three days for 59 years, and around each change", { timeout: 60_000 }, async () => {
    const asked = ZONES.flatMap((zone) => {
      const changes = offsetSpans(zone)
        .map(({ start }) => start)
        .filter((start) => start > FROM && start < UNTIL);
      const instants = changes.flatMap((change) => [change - 1_000, change]);
      for (let at = FROM; at < UNTIL; at += 3 * DAY) instants.push(at);
      return instants.map((at) => ({ zone, at }));
    });
    const { rows } = await db.query<{ walls: number[] }>(
      `select array_agg((extract(epoch from to_timestamp(at / 1000) at time zone zone) * 1000)::int8 order by n) as walls
       from json_to_recordset($1) as asked (n int, zone text, at int8)`,
      [JSON.stringify(asked.map((question, n) => ({ n, ...question })))],
    );
    const walls = rows[0]?.walls.map(Number) ?? [];
    expect(walls).toHaveLength(asked.length);
    const wrong = asked.filter(({ zone, at }, n) => toLocalMs(zone, instant(at)) !== walls[n]);
    expect(wrong).toEqual([]);
  });

  it("reads the same instants off the wall, away from clock changes", { timeout: 60_000 }, async () => {
    const anyWall = fc.record({ zone: fc.constantFrom(...ZONES), wall: fc.integer({ min: FROM, max: UNTIL }) });
    const asked = fc
      .sample(anyWall, 3_000)
      .filter(({ zone, wall }) => offsetAt(zone, wall - 2 * DAY) === offsetAt(zone, wall + 2 * DAY));
    const { rows } = await db.query<{ instants: number[] }>(
      `select array_agg((extract(epoch from (timestamp 'epoch' + wall * interval '1 ms') at time zone zone) * 1000)::int8
         order by n) as instants
       from json_to_recordset($1) as asked (n int, zone text, wall int8)`,
      [JSON.stringify(asked.map((question, n) => ({ n, ...question })))],
    );
    expect(asked.length).toBeGreaterThan(2_500);
    expect(asked.map(({ zone, wall }) => fromLocalMs(zone, wall))).toEqual(rows[0]?.instants.map(Number));
  });
});

function utc(text: string): Instant {
  return instant(Date.parse(text));
}

function local(text: string): number {
  return Date.parse(`${text}Z`);
}

function nearChange(zone: string): fc.Arbitrary<Instant> {
  const changes = offsetSpans(zone)
    .slice(1)
    .map(({ start }) => start);
  return fc
    .tuple(fc.constantFrom(...(changes.length > 0 ? changes : [FROM])), fc.integer({ min: -DAY, max: DAY }))
    .map(([change, ms]) => instant(change + ms));
}

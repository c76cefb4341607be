import { describe, expect, it } from "vitest";
import { DAY, type Instant, instant } from "../time/instant.ts";
import { openTime, type Session } from "./calendar.ts";
import { XNYS } from "./xnys.ts";

// [closings] and [notices] are named in xnys.ts.

const NEW_YORK_TIME = new Intl.DateTimeFormat("en-GB", {
  timeZone: "America/New_York",
  dateStyle: "short",
  timeStyle: "short",
});

describe("an ordinary session", () => {
  it("is 09:30 to 16:00 in New York, in winter and in summer", () => {
    expect(hoursOn("2024-01-16")).toBe("2024-01-16T14:30:00Z 2024-01-16T21:00:00Z");
    expect(hoursOn("2024-07-16")).toBe("2024-07-16T13:30:00Z 2024-07-16T20:00:00Z");
  });

  it("moves with New York's clocks the Monday after they change", () => {
    expect(hoursOn("2024-03-08")).toBe("2024-03-08T14:30:00Z 2024-03-08T21:00:00Z");
    expect(hoursOn("2024-03-11")).toBe("2024-03-11T13:30:00Z 2024-03-11T20:00:00Z");
  });

  it("is not early", () => {
    expect(sessionOn("2024-01-16")?.early).toBe(false);
  });
});

describe("the year as the exchange announced it", () => {
  // [notices]: closed days that fall on weekdays, and 13:00 closes; 2025-01-09 was announced on 2024-12-30.
  it.each([
    {
      year: 2022,
      closed: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26",
      early: "11-25",
    },
    {
      year: 2023,
      closed: "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25",
      early: "07-03 11-24",
    },
    {
      year: 2024,
      closed: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
      early: "07-03 11-29 12-24",
    },
    {
      year: 2025,
      closed: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
      early: "07-03 11-28 12-24",
    },
    {
      year: 2026,
      closed: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
      early: "11-27 12-24",
    },
    {
      year: 2027,
      closed: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
      early: "11-26",
    },
    {
      year: 2028,
      closed: "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
      early: "07-03 11-24",
    },
  ])("holds for $year", ({ year, closed, early }) => {
    expect(closedWeekdays(year).join(" ")).toBe(closed);
    expect(
      sessionsOf(year)
        .filter((session) => session.early)
        .map(({ date }) => date.slice(5))
        .join(" "),
    ).toBe(early);
  });
});

describe("holidays", () => {
  it("on a Saturday close the Friday before, on a Sunday the Monday after", () => {
    // Independence Day: 2020-07-04 was a Saturday, 2021-07-04 a Sunday. Christmas: 2010 a Saturday, 2011 a Sunday.
    for (const date of ["2020-07-03", "2021-07-05", "2010-12-24", "2011-12-26"]) expect(isOpenOn(date)).toBe(false);
    for (const date of ["2020-07-02", "2020-07-06", "2021-07-02", "2010-12-27", "2011-12-23"]) {
      expect(isOpenOn(date)).toBe(true);
    }
  });

  it("leave December 31 open when New Year's Day is a Saturday, since it ends the year's accounts", () => {
    for (const date of ["1993-12-31", "1999-12-31", "2004-12-31", "2010-12-31", "2021-12-31", "2032-12-31"]) {
      expect(isOpenOn(date)).toBe(true);
    }
    expect(isOpenOn("2011-01-03")).toBe(true);
    expect(isOpenOn("2012-01-02")).toBe(false);
  });

  it("include Martin Luther King, Jr. Day since 1998 and Juneteenth since 2022", () => {
    expect([isOpenOn("1997-01-20"), isOpenOn("1998-01-19")]).toEqual([true, false]);
    expect([isOpenOn("2020-06-19"), isOpenOn("2023-06-19")]).toEqual([true, false]);
  });

  it("include Good Friday wherever Easter falls", () => {
    // Easter Sundays: 2008-03-23 and 2011-04-24, near its earliest and latest (U.S. Census Bureau, "Easter Dates").
    for (const date of ["2008-03-21", "2011-04-22", "2000-04-21", "2035-03-23"]) expect(isOpenOn(date)).toBe(false);
    expect(isOpenOn("2008-03-24")).toBe(true);
  });

  it("do not include Columbus Day, Veterans Day or Election Day", () => {
    for (const date of ["2024-10-14", "2024-11-11", "2024-11-05"]) expect(isOpenOn(date)).toBe(true);
  });
});

describe("closures outside the rules", () => {
  it.each([
    ["1994-04-27", "funeral of President Nixon"],
    ["2001-09-11", "attack on the World Trade Center"],
    ["2001-09-14", "its last day"],
    ["2004-06-11", "mourning for President Reagan"],
    ["2007-01-02", "mourning for President Ford"],
    ["2012-10-29", "Hurricane Sandy"],
    ["2012-10-30", "its second day"],
    ["2018-12-05", "mourning for President Bush"],
    ["2025-01-09", "mourning for President Carter"],
  ])("keep %s closed: %s", (date) => {
    expect(isOpenOn(date)).toBe(false);
  });

  it("end when the exchange reopened", () => {
    for (const date of ["1994-04-28", "2001-09-10", "2001-09-17", "2012-10-26", "2012-10-31", "2025-01-10"]) {
      expect(isOpenOn(date)).toBe(true);
    }
  });
});

describe("early closes", () => {
  it.each([
    // [closings]
    ["1990-12-24", "14:00"],
    ["1991-12-24", "14:00"],
    ["1992-11-27", "14:00"],
    ["1992-12-24", "14:00"],
    ["1993-11-26", "13:00"],
    ["1995-07-03", "13:00"],
    ["1996-07-05", "13:00"],
    ["1996-12-24", "13:00"],
    ["1997-12-26", "13:00"],
    ["1998-11-27", "13:00"],
    ["1998-12-24", "13:00"],
    ["1999-11-26", "13:00"],
    ["1999-12-31", "13:00"],
    ["2002-07-05", "13:00"],
    ["2003-12-26", "13:00"],
    ["2008-12-24", "13:00"],
    ["2010-11-26", "13:00"],
    // [notices]
    ["2024-07-03", "13:00"],
    ["2024-12-24", "13:00"],
  ])("end %s at %s", (date, close) => {
    expect(newYorkHours(date)).toBe(`09:30 ${close}`);
    expect(sessionOn(date)?.early).toBe(true);
  });

  it.each([
    ["1991-11-29", "the custom began in 1992"],
    ["1991-07-03", "the custom began in 1995"],
    ["1996-07-03", "the Friday after was short instead"],
    ["2002-07-03", "the Friday after was short instead"],
    ["2013-07-05", "the Wednesday before was short instead"],
    ["2008-12-26", "1997 and 2003 made no rule"],
    ["2025-12-26", "1997 and 2003 made no rule"],
    ["2010-12-23", "the 24th was the holiday"],
    ["1998-12-31", "1999 made no rule"],
  ])("do not shorten %s: %s", (date) => {
    expect(newYorkHours(date)).toBe("09:30 16:00");
  });
});

describe("sessions with unplanned hours", () => {
  // [closings]
  it.each([
    ["1990-12-27", "11:00 16:00", false],
    ["1994-02-11", "09:30 14:30", true],
    ["1995-12-18", "10:30 16:00", false],
    ["1996-01-08", "11:00 14:00", true],
    ["1997-10-27", "09:30 15:30", true],
    ["2002-09-11", "12:00 16:00", false],
    ["2009-07-02", "09:30 16:15", false],
  ])("trade %s from and to %s", (date, hours, early) => {
    expect(newYorkHours(date)).toBe(hours);
    expect(sessionOn(date)?.early).toBe(early);
  });

  it("ignore a minute of silence and a halt inside the session", () => {
    // [closings]: 2001-09-17 opened at 09:33; 2001-06-08 was halted from 10:10 to 11:35.
    expect(newYorkHours("2001-09-17")).toBe("09:30 16:00");
    expect(newYorkHours("2001-06-08")).toBe("09:30 16:00");
  });
});

describe("the whole calendar", () => {
  it("runs from 1990-01-02 to 2035-12-31 in order, on weekdays, without overlap", () => {
    const all = XNYS.sessions(XNYS.known);
    expect(all[0]?.date).toBe("1990-01-02");
    expect(all[all.length - 1]?.date).toBe("2035-12-31");
    all.forEach((session, n) => {
      expect(session.open).toBeLessThan(session.close);
      const next = all[n + 1];
      if (next) expect(session.close).toBeLessThan(next.open);
      expect(new Date(session.date).getUTCDay() % 6).not.toBe(0);
    });
  });

  it("has the usual number of sessions a year", () => {
    // 252 in 2019, 253 in 2020, 248 in 2001 after the attack: 365 or 366 days less weekends and the closures of [closings].
    expect([2001, 2019, 2020, 2023, 2024, 2025].map((year) => sessionsOf(year).length)).toEqual([
      248, 252, 253, 250, 252, 250,
    ]);
  });

  it("knows 1990 to 2035, New York's years, and nothing outside", () => {
    expect(newYork(XNYS.known.start)).toBe("01/01/1990, 00:00");
    expect(newYork(XNYS.known.end)).toBe("01/01/2036, 00:00");
    expect(XNYS.sessions({ start: at("1989-12-01"), end: at("1990-01-02") })).toEqual([]);
    expect(XNYS.sessions({ start: at("2036-01-01"), end: at("2037-01-01") })).toEqual([]);
  });

  it("is open at no time outside its sessions", () => {
    expect(openTime(XNYS, { start: at("2024-07-03"), end: at("2024-07-06") })).toEqual([
      { start: at("2024-07-03T13:30Z"), end: at("2024-07-03T17:00Z") },
      { start: at("2024-07-05T13:30Z"), end: at("2024-07-05T20:00Z") },
    ]);
  });
});

function sessionOn(date: string): Session | undefined {
  return XNYS.sessions({ start: at(date), end: instant(at(date) + DAY) }).find((session) => session.date === date);
}

function isOpenOn(date: string): boolean {
  return sessionOn(date) !== undefined;
}

function hoursOn(date: string): string {
  const session = sessionOn(date);
  return session
    ? [session.open, session.close].map((ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`).join(" ")
    : "";
}

function newYorkHours(date: string): string {
  const session = sessionOn(date);
  return session ? [session.open, session.close].map((ms) => newYork(ms).slice(-5)).join(" ") : "closed";
}

/** What a clock in New York shows, `31/12/2035, 09:30`; from `Intl`, independent of core/time. */
function newYork(at: number): string {
  return NEW_YORK_TIME.format(at);
}

function sessionsOf(year: number): readonly Session[] {
  return XNYS.sessions({ start: at(`${year}-01-01`), end: at(`${year + 1}-01-01`) });
}

function closedWeekdays(year: number): string[] {
  const open = new Set(sessionsOf(year).map(({ date }) => date));
  const closed: string[] = [];
  for (let day = at(`${year}-01-01`); day < at(`${year + 1}-01-01`); day = instant(day + DAY)) {
    const date = new Date(day).toISOString().slice(0, 10);
    if (new Date(day).getUTCDay() % 6 !== 0 && !open.has(date)) closed.push(date.slice(5));
  }
  return closed;
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DAY, formatInstant, HOUR, type Instant, instant } from "../time/instant.ts";
import { containsInstant } from "../time/interval-set.ts";
import { ALWAYS } from "./always.ts";
import { type Calendar, openTime, type Session } from "./calendar.ts";
import { FX } from "./fx.ts";
import { XNYS } from "./xnys.ts";

// Reference data from RETROFILL_DATA, a folder with
//   calendars/exchange_calendars-sessions, nyse-*.csv: github.com/gerrymanoim/exchange_calendars, its test resources
//   calendars/lean-equity-usa.json, ohlcv/lean-*: github.com/QuantConnect/Lean, Data
const DATA = process.env.RETROFILL_DATA;

/** Unplanned hours that the exchange itself lists and exchange_calendars leaves out, date and UTC times. */
const UNPLANNED = [
  "1990-12-27 16:00 21:00",
  "1994-02-11 14:30 19:30",
  "1995-12-18 15:30 21:00",
  "1996-01-08 16:00 19:00",
  "1997-10-27 14:30 20:30",
  "2002-09-11 16:00 20:00",
  "2009-07-02 13:30 20:15",
];

describe.runIf(DATA)("XNYS against exchange_calendars, 1990 to 2023", () => {
  const reference = () => lines("calendars/exchange_calendars-sessions/xnys.csv.gz").slice(1).map(sessionLine);

  it("has the same 8,324 sessions, open and close, but for the seven with unplanned hours", () => {
    const theirs = reference();
    const ours = sessionsBetween(XNYS, "1990-01-01", "2023-01-14").map(
      ({ date, open, close }) => `${date} ${utcTime(open)} ${utcTime(close)}`,
    );
    expect(theirs).toHaveLength(8_324);
    expect(ours).toHaveLength(8_324);
    expect(without(ours, theirs)).toEqual(UNPLANNED);
    expect(without(theirs, ours).map((line) => line.slice(0, 10))).toEqual(UNPLANNED.map((line) => line.slice(0, 10)));
  });

  it("closes on the same 295 weekdays", () => {
    const theirs = lines("calendars/nyse-weekday-closures-1990-2023.csv").slice(1);
    // The list leaves out 1990-01-01, before its first session.
    expect(theirs).toHaveLength(295);
    expect(closedWeekdays("1990-01-02", "2023-01-14")).toEqual(theirs);
  });

  it("has the same 69 short sessions besides", () => {
    const theirs = lines("calendars/nyse-irregular-sessions-1990-2023.csv").slice(1);
    const unplanned = UNPLANNED.map((line) => line.slice(0, 10));
    const ours = sessionsBetween(XNYS, "1990-01-01", "2023-01-14").filter(
      ({ date, close, open }) => close - open !== 6.5 * HOUR && !unplanned.includes(date),
    );
    expect(ours.map(({ date }) => date)).toEqual(theirs.map((line) => line.slice(0, 10)));
    expect(ours.map(({ early }) => early)).toEqual(Array(69).fill(true));
  });
});

describe.runIf(DATA)("XNYS against Lean, 1998 to 2028", () => {
  const lean = () =>
    JSON.parse(text("calendars/lean-equity-usa.json")) as { holidays: string[]; earlyCloses: Record<string, string> };

  it("closes on the same weekdays", () => {
    const theirs = lean().holidays.map(isoDate).filter(isWeekday).sort();
    expect(closedWeekdays("1998-01-01", "2029-01-01")).toEqual(theirs);
  });

  it("closes early on the same days, but for three that Lean lacks and one Sunday of Lean's", () => {
    const theirs = Object.keys(lean().earlyCloses).map(isoDate);
    const ours = sessionsBetween(XNYS, "1998-01-01", "2029-01-01")
      .filter(({ early }) => early)
      .map(({ date }) => date);
    expect(without(ours, theirs)).toEqual(["1998-11-27", "1998-12-24", "1999-12-31"]);
    expect(without(theirs, ours)).toEqual(["2017-12-24"]);
  });
});

describe.runIf(DATA)("XNYS against what traded", () => {
  it("has a session on exactly the days SPY has a daily bar, 1998 to 2021", () => {
    const bars = lines("ohlcv/lean-us-daily/spy.csv.gz").slice(1).map(compactDate);
    expect(bars).toHaveLength(5_849);
    expect(sessionsBetween(XNYS, "1998-01-01", "2021-04-01").map(({ date }) => date)).toEqual(bars);
  });

  it("closes early on each of the 43 days on which SPY's hourly bars end early, the three disputed ones included", () => {
    const lastHour = new Map<string, number>();
    for (const line of lines("ohlcv/lean-us-hour/spy.csv.gz").slice(1)) {
      lastHour.set(compactDate(line), Number(line.slice(9, 11)));
    }
    const short = [...lastHour].filter(([, hour]) => hour < 15).map(([date]) => date);
    // Not the other way round: on some short days Lean kept bars from after the close.
    const early = sessionsBetween(XNYS, "1998-01-01", "2021-04-01").filter((session) => session.early);
    expect(short).toHaveLength(43);
    expect(
      without(
        short,
        early.map(({ date }) => date),
      ),
    ).toEqual([]);
    expect(short).toEqual(expect.arrayContaining(["1998-11-27", "1998-12-24", "1999-12-31"]));
  });
});

describe.runIf(DATA)("24x7 against exchange_calendars, 2016", () => {
  it("has the same 366 sessions", () => {
    const theirs = lines("calendars/exchange_calendars-sessions/24-7.csv.gz").slice(1);
    const ours = sessionsBetween(ALWAYS, "2016-01-01", "2017-01-01").map(
      ({ date, open, close }) => `${date}T00:00:00Z,${formatInstant(open)},${formatInstant(close)},,`,
    );
    expect(ours).toEqual(theirs);
  });
});

describe.runIf(DATA)("FX against what traded", () => {
  it("is open at each of EURUSD's 74,439 hourly bars, 2007 to 2018", () => {
    const bars = lines("ohlcv/lean-forex-hour/oanda_eurusd.csv.gz").map((line) =>
      instant(Date.parse(`${compactDate(line)}T${line.slice(9, 14)}Z`)),
    );
    const open = openTime(FX, FX.known);
    expect(bars).toHaveLength(74_439);
    expect(bars.filter((bar) => !containsInstant(open, bar)).map(formatInstant)).toEqual([]);
  });

  it("has a first and a last hour that trade in nearly every week of those years", () => {
    const bars = new Set(
      lines("ohlcv/lean-forex-hour/oanda_eurusd.csv.gz").map((line) =>
        Date.parse(`${compactDate(line)}T${line.slice(9, 14)}Z`),
      ),
    );
    const weeks = openTime(FX, { start: utcDate("2007-01-07"), end: utcDate("2018-12-29") });
    const both = weeks.filter(({ start, end }) => bars.has(start) && bars.has(end - HOUR));
    expect(weeks.length).toBe(625);
    expect(both.length / weeks.length).toBeGreaterThan(0.95);
  });

  it("has the same trading days as exchange_calendars' 24-5, 2018", () => {
    const theirs = lines("calendars/exchange_calendars-sessions/24-5.csv.gz").slice(1);
    const ours = FX.sessions({ start: utcDate("2018-01-01"), end: utcDate("2018-12-31") }).map(({ date }) => date);
    expect(ours).toEqual(theirs.map((line) => line.slice(0, 10)));
  });
});

function text(path: string): string {
  const bytes = readFileSync(join(DATA ?? "", path));
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

function lines(path: string): string[] {
  return text(path).trim().split(/\r?\n/);
}

/** `1990-01-02T00:00:00Z,1990-01-02T14:30:00Z,1990-01-02T21:00:00Z,,` as `1990-01-02 14:30 21:00`. */
function sessionLine(line: string): string {
  const [date = "", open = "", close = ""] = line.split(",");
  return `${date.slice(0, 10)} ${open.slice(11, 16)} ${close.slice(11, 16)}`;
}

function utcTime(at: Instant): string {
  return new Date(at).toISOString().slice(11, 16);
}

function utcDate(date: string): Instant {
  return instant(Date.parse(`${date}T00:00:00Z`));
}

function sessionsBetween(calendar: Calendar, from: string, until: string): readonly Session[] {
  return calendar.sessions({ start: utcDate(from), end: utcDate(until) });
}

function closedWeekdays(from: string, until: string): string[] {
  const open = new Set(sessionsBetween(XNYS, from, until).map(({ date }) => date));
  const closed: string[] = [];
  for (let day = utcDate(from); day < utcDate(until); day = instant(day + DAY)) {
    const date = new Date(day).toISOString().slice(0, 10);
    if (isWeekday(date) && !open.has(date)) closed.push(date);
  }
  return closed;
}

function isWeekday(date: string): boolean {
  return new Date(date).getUTCDay() % 6 !== 0;
}

/** `12/5/2018` as `2018-12-05`. */
function isoDate(date: string): string {
  const [month = "", day = "", year = ""] = date.split("/");
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

/** `20181205 09:00,...` as `2018-12-05`. */
function compactDate(line: string): string {
  return `${line.slice(0, 4)}-${line.slice(4, 6)}-${line.slice(6, 8)}`;
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

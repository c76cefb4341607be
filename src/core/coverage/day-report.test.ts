import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Closure } from "../calendar/store-calendar.ts";
import { type DaySpan, datesOf, shiftDate } from "../time/local-days.ts";
import type { KeyDays } from "./day-coverage.ts";
import { type Pace, PHASE_SETTINGS, phasesOf } from "./day-phases.ts";
import { type DayReport, dayReport } from "./day-report.ts";

const WINDOW: DaySpan = { first: "2024-01-01", last: "2024-03-31" };
const PACE: Pace = { callsPerChunk: 2, secondsPerCall: { least: 10, most: 20 } };

const between = (first: string, last = first): readonly string[] => datesOf({ first, last });
const yearly = (date: string): Closure => ({ date, cause: "yearly", reason: "holiday" });

/** A key with data on all days of the window but `missing`. */
function lacking(key: string, missing: readonly string[], closures: readonly Closure[] = []): KeyDays {
  return { key, withData: datesOf(WINDOW).filter((date) => !missing.includes(date)), closures };
}

const complete = (count: number): readonly KeyDays[] =>
  Array.from({ length: count }, (_, n) => lacking(`full-${n}`, []));
const shapesOf = (report: DayReport, key: string): readonly string[] =>
  report.rows.find((row) => row.key === key)?.gaps.map(({ shape, first, last }) => `${shape} ${first} ${last}`) ?? [];

describe("the rows of a day report", () => {
  it("are the worst first, then in the order given", () => {
    const keys = [
      lacking("b", between("2024-02-01")),
      lacking("a", between("2024-02-05")),
      lacking("c", between("2024-02-01", "2024-02-02")),
    ];
    expect(dayReport(keys, WINDOW).rows.map(({ key }) => key)).toEqual(["c", "b", "a"]);
  });

  it.each([
    [0, null],
    [1, "low"],
    [29, "low"],
    [30, "medium"],
    [47, "medium"],
    [48, "high"],
  ] as const)("with %i missing days have the priority %s", (days, priority) => {
    const [row] = dayReport([lacking("a", between("2024-01-20", "2024-03-20").slice(0, days))], WINDOW).rows;
    expect(row?.priority).toBe(priority);
  });
});

describe("how a key ends", () => {
  const endOf = (days: KeyDays, others = complete(5)) =>
    dayReport([days, ...others], WINDOW).rows.find(({ key }) => key === days.key)?.end;

  it("is told from a fortnight without data on, whether they are owed or empty at the source", () => {
    expect(endOf(lacking("a", between("2024-03-19", "2024-03-31")))).toBeNull();
    const fortnight = between("2024-03-18", "2024-03-31");
    const end = { since: "2024-03-18", isLifeOpen: true };
    expect(endOf(lacking("a", fortnight))).toEqual(end);
    const empty = fortnight.map((date): Closure => ({ date, cause: "empty-at-source", reason: "asked twice" }));
    expect(endOf(lacking("a", fortnight, empty))).toEqual(end);
  });

  it("is the day after the last data, which may lie before the window", () => {
    expect(endOf({ key: "a", withData: ["2023-12-10"], closures: [] })?.since).toBe("2023-12-11");
    expect(endOf({ key: "a", withData: [], closures: [] })).toBeNull();
    expect(endOf({ key: "a", withData: ["2024-01-05", "2024-04-01"], closures: [] })).toBeNull();
  });

  it("is no end where all keys lack the days", () => {
    const days = between("2024-03-10", "2024-03-31");
    const all = ["b", "c", "d"].map((key) => lacking(key, days));
    expect(endOf(lacking("a", days), all)).toBeNull();
  });

  it("is declared where its life is", () => {
    const gone = between("2024-03-20", "2024-03-31").map(
      (date): Closure => ({ date, cause: "gone", reason: "closed 2024-03-20" }),
    );
    expect(endOf(lacking("a", between("2024-03-01", "2024-03-31"), gone))).toEqual({
      since: "2024-03-01",
      isLifeOpen: false,
    });
    expect(endOf(lacking("a", between("2024-03-20", "2024-03-31"), gone))).toBeNull();
  });
});

describe("how a key begins", () => {
  const startOf = (days: KeyDays, others = complete(5)) =>
    dayReport([days, ...others], WINDOW).rows.find(({ key }) => key === days.key);

  it("is late after a long leading gap, and its priority is that of its days", () => {
    const row = startOf(lacking("a", between("2024-01-01", "2024-01-20")));
    expect([row?.start, row?.priority]).toEqual([{ kind: "late", firstDay: "2024-01-21" }, "low"]);
  });

  it("is nothing to speak of after a short one", () => {
    expect(startOf(lacking("a", between("2024-01-01", "2024-01-13")))?.start).toBeNull();
    expect(startOf(lacking("a", between("2024-01-01", "2024-01-14")))?.start?.kind).toBe("late");
  });

  it("is new, with high priority, when its first data come at the very end", () => {
    const row = startOf(lacking("a", between("2024-01-01", "2024-03-30")));
    expect([row?.start, row?.priority]).toEqual([{ kind: "new", firstDay: "2024-03-31" }, "high"]);
    expect(startOf(lacking("a", between("2024-01-01", "2024-03-24")))?.start?.kind).toBe("new");
    expect(startOf(lacking("a", between("2024-01-01", "2024-03-23")))?.start?.kind).toBe("late");
  });

  it("is dark still once the source has confirmed every day, and not where no day was to have data", () => {
    const all = between(WINDOW.first, WINDOW.last);
    const silent = all.map((date): Closure => ({ date, cause: "empty-at-source", reason: "asked twice" }));
    const row = startOf(lacking("a", all, silent));
    expect([row?.start, row?.priority, row?.open, row?.gaps]).toEqual([{ kind: "dark" }, "high", [], []]);
    expect(startOf(lacking("a", all, all.map(yearly)))?.start).toBeNull();
  });

  it("is dark, with high priority, for a key without any data", () => {
    const row = startOf({ key: "a", withData: [], closures: [] });
    expect([row?.start, row?.priority, row?.requestedWindow.missing]).toEqual([{ kind: "dark" }, "high", 91]);
    expect(row?.gaps.map(({ shape, open }) => [shape, open.length])).toEqual([["leading", 91]]);
  });

  it("is not late when it has data before the window, or when nearly all keys lack the same days", () => {
    const days = lacking("a", between("2024-01-01", "2024-01-20"));
    expect(startOf({ ...days, withData: [...days.withData, "2023-12-31"] })?.start).toBeNull();
    const others = complete(5).map(({ key }) => lacking(key, between("2024-01-01", "2024-01-20")));
    expect(startOf(days, others)?.start).toBeNull();
  });

  it("is on time for a key that opened in the middle, once that is declared", () => {
    const unborn = between("2024-01-01", "2024-02-09").map(
      (date): Closure => ({ date, cause: "not-open-yet", reason: "opened 2024-02-10" }),
    );
    const row = startOf({ ...lacking("a", between("2024-01-01", "2024-02-09")), closures: unborn });
    expect([row?.start, row?.priority, row?.requestedWindow.percent, row?.gaps]).toEqual([null, null, 100, []]);
  });
});

describe("common gaps", () => {
  const most = (dates: readonly string[], count = 8) =>
    Array.from({ length: 10 }, (_, n) => lacking(`k${n}`, n < count ? dates : []));

  it("are the days that at least four of five keys lack", () => {
    expect(dayReport(most(between("2024-03-10", "2024-03-25"), 8), WINDOW).common).toEqual([
      {
        first: "2024-03-10",
        last: "2024-03-25",
        days: 16,
        isRecent: true,
        whole: ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"],
        partly: [],
      },
    ]);
    expect(dayReport(most(between("2024-03-10", "2024-03-25"), 7), WINDOW).common).toEqual([]);
  });

  it("tell keys that lack all of it from those that lack a part", () => {
    const keys = [
      ...complete(1),
      ...most(between("2024-03-10", "2024-03-25"), 10),
      lacking("x", between("2024-03-20", "2024-03-22")),
    ];
    expect(dayReport(keys, WINDOW).common[0]?.partly).toEqual(["x"]);
  });

  it("come newest first, recent when they end within a week of the window's end", () => {
    const keys = most([
      ...between("2024-01-10", "2024-01-16"),
      ...between("2024-02-10", "2024-02-12"),
      ...between("2024-03-20", "2024-03-24"),
    ]);
    expect(dayReport(keys, WINDOW).common.map(({ first, isRecent }) => [first, isRecent])).toEqual([
      ["2024-03-20", true],
      ["2024-02-10", false],
      ["2024-01-10", false],
    ]);
    expect(dayReport(most(between("2024-03-20", "2024-03-23")), WINDOW).common[0]?.isRecent).toBe(false);
  });

  it("last at least three days, and run through days on which all are closed", () => {
    expect(dayReport(most(between("2024-02-10", "2024-02-11")), WINDOW).common).toEqual([]);
    const closures = [yearly("2024-02-12")];
    const keys = most(between("2024-02-10", "2024-02-14"), 10).map((days) => ({ ...days, closures }));
    const [gap, ...rest] = dayReport(keys, WINDOW).common;
    expect([gap?.first, gap?.last, gap?.days, rest]).toEqual(["2024-02-10", "2024-02-14", 4, []]);
  });

  it("are not seen in fewer than three keys", () => {
    const dates = between("2024-03-10", "2024-03-25");
    expect(dayReport([lacking("a", dates), lacking("b", dates)], WINDOW).common).toEqual([]);
    expect(dayReport([lacking("a", dates), lacking("b", dates), lacking("c", dates)], WINDOW).common).toHaveLength(1);
  });

  it("ask only keys that are open: a closed half does not hide what the open half lacks", () => {
    const dates = between("2024-02-10", "2024-02-14");
    const closed = complete(10).map((days) => ({ ...lacking(days.key, dates), closures: dates.map(yearly) }));
    const keys = [...closed, ...["a", "b", "c"].map((key) => lacking(key, dates))];
    expect(dayReport(keys, WINDOW).common.map(({ whole }) => whole)).toEqual([["a", "b", "c"]]);
  });
});

describe("the gaps of a key", () => {
  const report = (missing: readonly string[], closures: readonly Closure[] = []) =>
    dayReport([lacking("a", missing, closures), ...complete(5)], WINDOW);

  it("are blocks from seven days on, else scattered", () => {
    const missing = [...between("2024-02-01", "2024-02-07"), ...between("2024-02-20", "2024-02-25"), "2024-03-05"];
    expect(shapesOf(report(missing), "a")).toEqual([
      "block 2024-02-01 2024-02-07",
      "scattered 2024-02-20 2024-02-25",
      "scattered 2024-03-05 2024-03-05",
    ]);
  });

  it("jump over closed days and over one day with data, not over two", () => {
    const missing = [...between("2024-02-01", "2024-02-04"), ...between("2024-02-06", "2024-02-10")];
    expect(shapesOf(report(missing), "a")).toEqual(["block 2024-02-01 2024-02-10"]);
    const wider = missing.filter((date) => date !== "2024-02-06");
    expect(shapesOf(report(wider), "a")).toHaveLength(2);
    const closures = [yearly("2024-02-05"), yearly("2024-02-06")];
    expect(shapesOf(report([...wider, "2024-02-05", "2024-02-06"], closures), "a")).toEqual([
      "block 2024-02-01 2024-02-10",
    ]);
  });

  it("trail when a key has gone silent", () => {
    expect(shapesOf(report(between("2024-03-10", "2024-03-31")), "a")).toEqual(["trailing 2024-03-10 2024-03-31"]);
    expect(shapesOf(report(between("2024-03-20", "2024-03-31")), "a")).toEqual(["block 2024-03-20 2024-03-31"]);
  });

  it("do not count closed days as owed", () => {
    expect(report(["2024-02-05"], [yearly("2024-02-05")]).rows[0]).toMatchObject({
      priority: "low",
      gaps: [],
      requestedWindow: { missing: 1 },
    });
  });
});

describe("holidays", () => {
  it("are counted and excuse nothing", () => {
    const keys = [
      lacking("open", ["2024-02-12"]),
      lacking("closed", ["2024-02-12"], [yearly("2024-02-12")]),
      lacking("sold", [], [yearly("2024-02-12")]),
      ...complete(2),
    ];
    const holidays = [
      { date: "2023-12-25", name: "before the window" },
      { date: "2024-02-12", name: "Carnaval" },
    ];
    const report = dayReport(keys, WINDOW, { holidays });
    expect(report.holidays).toEqual([{ date: "2024-02-12", name: "Carnaval", withData: 3, closed: 1, open: 1 }]);
    expect(report.rows.find(({ key }) => key === "open")?.open).toEqual(["2024-02-12"]);
    expect(report.closures.map(({ date, keys }) => [date, keys])).toEqual([["2024-02-12", ["closed"]]]);
    expect(report.rows.find(({ key }) => key === "sold")?.tradedWhileClosed).toHaveLength(1);
  });
});

describe("the phases that heal a report", () => {
  it("price what is left to ask: chunks by calls, calls by seconds", () => {
    // 16 days in chunks of two for ten keys, then five scattered days of one key, two of them in one chunk of five.
    const common = between("2024-03-10", "2024-03-25");
    const scattered = ["2024-01-10", "2024-01-14", "2024-01-20", "2024-02-10", "2024-02-20"];
    const keys = Array.from({ length: 10 }, (_, n) => lacking(`k${n}`, n === 0 ? [...common, ...scattered] : common));
    const [first, rest, ...none] = phasesOf(dayReport(keys, WINDOW), PACE);
    expect(first).toMatchObject({ kind: "common", openDays: 160, calls: 160, seconds: { least: 1600, most: 3200 } });
    expect(rest).toMatchObject({ kind: "rest", openDays: 5, calls: 8, seconds: { least: 80, most: 160 } });
    expect(none).toEqual([]);
  });

  it("take a key's blocks from the newest, then what is scattered, in one step between two blocks", () => {
    const blocks = [...between("2024-01-20", "2024-02-08"), ...between("2024-02-20", "2024-03-14")];
    const missing = ["2024-01-05", "2024-01-09", ...blocks, "2024-02-14", "2024-03-20", "2024-03-25"];
    const [phase, ...rest] = phasesOf(dayReport([lacking("a", missing), ...complete(5)], WINDOW), PACE);
    expect(rest).toEqual([]);
    expect(phase?.steps.map(({ first, last, chunkDays }) => [first, last, chunkDays])).toEqual([
      ["2024-02-20", "2024-03-14", 3],
      ["2024-01-20", "2024-02-08", 3],
      ["2024-03-20", "2024-03-25", 5],
      ["2024-02-14", "2024-02-14", 5],
      ["2024-01-05", "2024-01-09", 5],
    ]);
  });

  it("are none for a complete report, and for one that lacks closed days only", () => {
    expect(phasesOf(dayReport(complete(3), WINDOW), PACE)).toEqual([]);
    const closed = [lacking("a", ["2024-02-05"], [yearly("2024-02-05")])];
    expect(phasesOf(dayReport(closed, WINDOW), PACE)).toEqual([]);
  });

  it("batch the rest by three, a last one alone joining the batch before", () => {
    const batches = (count: number) => {
      const keys = Array.from({ length: count }, (_, n) => lacking(`k${n}`, between(shiftDate("2024-02-01", 3 * n))));
      return phasesOf(dayReport(keys, WINDOW), PACE).flatMap(({ steps }) => steps.map((step) => step.keys?.length));
    };
    expect([1, 2, 3, 4, 5, 7, 8].map(batches)).toEqual([[1], [2], [3], [4], [3, 2], [3, 4], [3, 3, 2]]);
  });

  it("ask for every owed day once, for no closed day and for none with data, whatever is missing", () => {
    const anyKey = fc.record({
      missing: fc.array(fc.tuple(fc.nat(90), fc.integer({ min: 1, max: 40 })), { maxLength: 5 }),
      closed: fc.uniqueArray(fc.nat(90), { maxLength: 6 }),
      isDark: fc.boolean(),
    });
    const stepPer = fc.constantFrom<"gap" | "key">("gap", "key");
    const shared = fc.option(fc.tuple(fc.nat(90), fc.integer({ min: 1, max: 20 })));
    const day = (n: number) => shiftDate(WINDOW.first, n);
    fc.assert(
      fc.property(fc.array(anyKey, { maxLength: 8 }), shared, stepPer, (made, common, cut) => {
        const keys = made.map(({ missing, closed, isDark }, n): KeyDays => {
          const runs = [...missing, ...(common ? [common] : [])];
          const lost = runs.flatMap(([from, days]) => between(day(from), day(from + days - 1)));
          const key = `k${n}`;
          const closures = closed.map((at) => yearly(day(at)));
          return isDark && n === 0 ? { key, withData: [], closures } : lacking(key, lost, closures);
        });
        const report = dayReport(keys, WINDOW);
        const phases = phasesOf(report, PACE, { ...PHASE_SETTINGS, stepPer: cut });
        const steps = phases.flatMap((phase) => phase.steps);
        const owed = report.rows.flatMap(({ key, open }) => open.map((date) => `${key} ${date}`));
        const inSteps = (key: string, date: string): boolean =>
          steps.some((step) => (step.keys?.includes(key) ?? true) && step.first <= date && date <= step.last);
        for (const { key, open, gaps } of report.rows) {
          expect(open.every((date) => inSteps(key, date))).toBe(true);
          expect(gaps.flatMap((gap) => gap.open).sort()).toEqual(open);
        }
        expect(phases.reduce((sum, { openDays }) => sum + openDays, 0)).toBe(owed.length);
        const calls = phases.reduce((sum, phase) => sum + phase.calls, 0);
        expect(calls).toBeLessThanOrEqual(owed.length * PACE.callsPerChunk);
        expect(calls * 5).toBeGreaterThanOrEqual(owed.length * PACE.callsPerChunk);
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import { type Series, seriesKey } from "../dataset/series.ts";
import { DAY, instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { containsAll, type IntervalSet, intersect, normalize, subtract } from "../time/interval-set.ts";
import { type AccessPath, choosePaths, type PlannedChunk, type Wanted } from "./access-paths.ts";

const START = Date.parse("2024-03-01T00:00:00Z");

describe("choosing how to ask", () => {
  it("asks a date for all keys where that is fewer calls than a range for each, and says what it saved", () => {
    const wanted = ["A1", "A2", "A3"].map((name) => want(name, [days(0, 2)]));
    const { chunks, choices } = choosePaths(wanted, [byRange(), byDate()]);
    expect(chunks).toEqual([
      { source: "date", key: "*", keys: ["A1", "A2", "A3"], window: days(0, 1) },
      { source: "date", key: "*", keys: ["A1", "A2", "A3"], window: days(1, 2) },
    ]);
    expect(choices).toEqual([{ source: "date", series: 3, calls: 2, instead: { source: "range", calls: 3 } }]);
  });

  it("asks a range for each key where dates would be more calls, or as many, and says how many", () => {
    for (const last of [3, 9]) {
      const wanted = ["A1", "A2", "A3"].map((name) => want(name, [days(0, last)]));
      const { chunks, choices } = choosePaths(wanted, [byRange(), byDate()]);
      expect(chunks.map(told)).toEqual(["A1", "A2", "A3"].map((name) => `range ${name} 0-${last}`));
      expect(choices).toEqual([{ source: "range", series: 3, calls: 3, instead: { source: "date", calls: last } }]);
    }
  });

  it("says of the long series what more dates they would take beside those that are asked anyway", () => {
    const long = ["L1", "L2"].map((name) => want(name, [days(0, 100)]));
    const short = Array.from({ length: 5 }, (_, i) => want(`L${i + 3}`, [days(98, 100)]));
    expect(choosePaths([...long, ...short], [byRange(), byDate()]).choices).toEqual([
      { source: "date", series: 5, calls: 2, instead: { source: "range", calls: 5 } },
      { source: "range", series: 2, calls: 2, instead: { source: "date", calls: 98 } },
    ]);
  });

  it("says nothing of another way where that could answer one series alone, or none", () => {
    const wanted = ["A1", "B1"].map((name) => want(name, [days(0, 9)]));
    expect(choosePaths(wanted, [byRange(), byDate()]).choices).toEqual([]);
    expect(choosePaths(wanted, [byRange(), { ...byDate(), serves: () => false }]).choices).toEqual([]);
  });

  it("asks the one long series by range and the many short ones by date", () => {
    const short = Array.from({ length: 5 }, (_, i) => want(`S${i}`, [days(98, 100)]));
    const { chunks, choices } = choosePaths([short[0], want("S9", [days(0, 100)]), ...short.slice(1)].flatMap(some), [
      byRange(),
      byDate(),
    ]);
    expect(chunks.map(told)).toEqual(["date S0,S1,S2,S3,S4 98-99", "date S0,S1,S2,S3,S4 99-100", "range S9 0-100"]);
    expect(choices).toEqual([{ source: "date", series: 5, calls: 2, instead: { source: "range", calls: 5 } }]);
  });

  it("asks only the series that lack a date for it, one alone by its own key", () => {
    const wanted = [want("A1", [days(0, 1)]), want("A2", [days(0, 2)]), want("A3", [days(0, 1), days(3, 4)])];
    const { chunks } = choosePaths(wanted, [byRange({ perCall: 1 / 4 }), byDate()]);
    expect(chunks).toEqual([
      { source: "date", key: "*", keys: expect.arrayContaining(["A1", "A2", "A3"]), window: days(0, 1) },
      { source: "date", key: "A2", keys: ["A2"], window: days(1, 2) },
      { source: "date", key: "A3", keys: ["A3"], window: days(3, 4) },
    ]);
  });

  it("asks groups apart: no question mixes what one answer cannot hold", () => {
    const wanted = ["A1", "A2", "B1", "B2"].map((name) => want(name, [days(0, 1)]));
    const { chunks } = choosePaths(wanted, [byRange(), byDate()]);
    expect(chunks.map(told)).toEqual(["date A1,A2 0-1", "date B1,B2 0-1"]);
  });

  it("asks by date only what is owed: a closed day inside a gap costs no call", () => {
    const due = [days(0, 1), days(3, 4)];
    const wanted = ["A1", "A2", "A3"].map((name) => want(name, [days(0, 4)], due));
    expect(choosePaths(wanted, [byRange(), byDate()]).chunks.map(told)).toEqual([
      "date A1,A2,A3 0-1",
      "date A1,A2,A3 3-4",
    ]);
  });

  it("asks ranges with the closed hours around them, dates without", () => {
    const wide = { ...want("A", [days(1, 2)]), ranges: [days(0, 3)] };
    expect(choosePaths([wide], [byRange(), byDate()]).chunks.map(told)).toEqual(["range A 0-3"]);
  });

  it("takes from files first what they hold, whatever calls it saves, and asks only for the rest", () => {
    const wanted = [want("A", [days(0, 10)]), want("B", [days(0, 10)])];
    const files = held({ A: [days(0, 4), days(6, 12)] });
    const { chunks, choices } = choosePaths(wanted, [byRange({ perCall: 1 / 2 }), files]);
    expect(chunks.map(told)).toEqual([
      "files A 0-4",
      "files A 6-10",
      "range A 4-6",
      "range B 0-2",
      "range B 2-4",
      "range B 4-6",
      "range B 6-8",
      "range B 8-10",
    ]);
    expect(choices).toEqual([{ source: "files", series: 1, calls: 2, instead: { source: "range", calls: 4 } }]);
  });

  it("asks nobody where files hold everything, also where nobody else could be asked", () => {
    const files = held({ A: [days(0, 10)] });
    const { chunks, choices } = choosePaths([want("A", [days(2, 5)])], [files]);
    expect(chunks.map(told)).toEqual(["files A 2-5"]);
    expect(choices).toEqual([{ source: "files", series: 1, calls: 1, instead: { source: "nothing", calls: 0 } }]);
  });

  it("weighs dates against ranges for what files leave", () => {
    const wanted = ["A1", "A2"].map((name) => want(name, [days(0, 10)]));
    const files = held({ A1: [days(0, 9)], A2: [days(0, 9)] });
    const { chunks } = choosePaths(wanted, [byRange(), byDate(), files]);
    expect(chunks.map(told)).toEqual(["files A1 0-9", "files A2 0-9", "date A1,A2 9-10"]);
  });

  it("asks nothing for closed hours around what files hold", () => {
    const files = held({ A: [days(1, 6)] });
    const wide = { ...want("A", [days(1, 9)]), ranges: [days(0, 10)] };
    expect(choosePaths([wide], [byRange(), files]).chunks.map(told)).toEqual(["files A 1-6", "range A 6-10"]);
  });

  it("asks by date also where many series lack many dates", () => {
    const wanted = Array.from({ length: 1_000 }, (_, i) => want(`A${i}`, [days(0, 60)]));
    const { chunks, choices } = choosePaths(wanted, [byRange(), byDate()]);
    expect(chunks).toHaveLength(60);
    expect(choices).toEqual([{ source: "date", series: 1_000, calls: 60, instead: { source: "range", calls: 1_000 } }]);
  });

  it("asks one series with more slots than anybody would list by range", () => {
    const long = { ...want("A1", [days(0, 9_000)]), due: [days(0, 9_000)] };
    const wanted = [long, want("A2", [days(0, 1)]), want("A3", [days(0, 1)])];
    expect(choosePaths(wanted, [byRange(), byDate()]).chunks.map(told)).toEqual(["date A2,A3 0-1", "range A1 0-9000"]);
  });

  it("asks by date where no path asks by range, however many dates there are", () => {
    expect(choosePaths([want("A", [days(0, 3)])], [byDate()]).chunks.map(told)).toEqual([
      "date A 0-1",
      "date A 1-2",
      "date A 2-3",
    ]);
  });

  it("asks in the order in which series were wanted, and the first path that serves each", () => {
    const wanted = ["C", "A", "B"].map((name) => want(name, [days(0, 5)]));
    const special = byRange({ name: "special", serves: (series) => series.key === "A" });
    expect(choosePaths(wanted, [special, byRange()]).chunks.map(told)).toEqual([
      "range C 0-5",
      "special A 0-5",
      "range B 0-5",
    ]);
  });

  it("plans nothing for what nobody serves or nobody wants", () => {
    const nobody = { ...byRange(), serves: () => false };
    expect(choosePaths([want("A", [days(0, 5)])], [nobody]).chunks).toEqual([]);
    expect(choosePaths([want("A", [])], [byRange(), byDate()])).toEqual({ chunks: [], choices: [] });
  });
});

describe("any choice", () => {
  const shapes = fc.array(
    fc.record({
      group: fc.constantFrom("A", "B"),
      spans: fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 4 }),
      held: fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 12 })), { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 7 },
  );
  const setOf = (spans: readonly (readonly [number, number])[]): IntervalSet =>
    normalize(spans.map(([from, length]) => days(from, from + length)));

  it("answers every owed slot of every series, and asks files for nothing they lack", () => {
    fc.assert(
      fc.property(shapes, (all) => {
        const wanted = all.map(({ group, spans }, i) => want(`${group}${i}`, setOf(spans)));
        const inFiles = Object.fromEntries(all.map((one, i) => [`${one.group}${i}`, setOf(one.held)]));
        const { chunks } = choosePaths(wanted, [byRange(), byDate(), held(inFiles)]);
        for (const { series, gaps } of wanted) {
          const asked = chunks.filter(({ key, keys }) => (keys ?? [key]).includes(series.key));
          expect(containsAll(normalize(asked.map(({ window }) => window)), gaps)).toBe(true);
          const fromFiles = asked.filter(({ source }) => source === "files").map(({ window }) => window);
          expect(fromFiles).toEqual(intersect(gaps, inFiles[series.key] ?? []));
        }
      }),
    );
  });

  it("never costs more than all by range or all by date, nor than any cut by length", () => {
    fc.assert(
      fc.property(shapes, (all) => {
        const wanted = all.map(({ spans }, i) => want(`A${i}`, setOf(spans)));
        const { chunks } = choosePaths(wanted, [byRange(), byDate()]);
        const bySize = [...wanted].sort((a, b) => slots(b.gaps).length - slots(a.gaps).length);
        const costs = bySize.concat(bySize.slice(0, 1)).map((_, cut) => {
          const ranges = bySize.slice(0, cut).reduce((sum, { gaps }) => sum + gaps.length, 0);
          return ranges + new Set(bySize.slice(cut).flatMap(({ gaps }) => slots(gaps))).size;
        });
        expect(chunks.length).toBe(Math.min(...costs));
      }),
    );
  });

  it("never says that the other way would have been cheaper", () => {
    fc.assert(
      fc.property(shapes, (all) => {
        const wanted = all.map(({ spans }, i) => want(`A${i}`, setOf(spans)));
        for (const { calls, instead } of choosePaths(wanted, [byRange(), byDate()]).choices) {
          expect(instead.calls).toBeGreaterThanOrEqual(calls);
        }
      }),
    );
  });

  it("asks no more by range than what files leave", () => {
    fc.assert(
      fc.property(shapes, (all) => {
        const wanted = all.map(({ group, spans }, i) => want(`${group}${i}`, setOf(spans)));
        const inFiles = Object.fromEntries(all.map((one, i) => [`${one.group}${i}`, setOf(one.held)]));
        const { chunks } = choosePaths(wanted, [byRange(), held(inFiles)]);
        for (const { series, gaps } of wanted) {
          const called = chunks.filter(({ key, source }) => key === series.key && source === "range");
          expect(called.map(({ window }) => window)).toEqual(subtract(gaps, inFiles[series.key] ?? []));
        }
      }),
    );
  });
});

/** A series by key; `perCall` calls a day instead of one a gap. */
function byRange(
  given: { readonly name?: string; readonly perCall?: number; readonly serves?: AccessPath["serves"] } = {},
): AccessPath {
  const { name = "range", perCall, serves = () => true } = given;
  return {
    name,
    kind: "key",
    serves,
    windows: (_, gaps) => (perCall === undefined ? gaps : gaps.flatMap((gap) => pieces(gap, DAY / perCall))),
  };
}

/** All series of a group, named by their first letter, for one date. */
function byDate(): AccessPath {
  return {
    name: "date",
    kind: "all",
    serves: () => true,
    windows: (_, gaps) => gaps.flatMap((gap) => pieces(gap, DAY)),
    group: (series) => series.key.slice(0, 1),
  };
}

function held(holds: Readonly<Record<string, IntervalSet>>): AccessPath {
  return {
    name: "files",
    kind: "held",
    serves: () => true,
    windows: (_, gaps) => gaps,
    held: (series) => holds[series.key] ?? [],
  };
}

function want(name: string, gaps: IntervalSet, due: IntervalSet = gaps): Wanted {
  return { series: seriesOf(name), gaps, due, ranges: gaps };
}

function pieces(span: Interval, step: number): readonly Interval[] {
  const found: Interval[] = [];
  for (let start: number = span.start; start < span.end; start += step) {
    found.push({ start: instant(start), end: instant(Math.min(span.end, start + step)) });
  }
  return found;
}

function slots(set: IntervalSet): readonly number[] {
  return set.flatMap((span) => pieces(span, DAY).map(({ start }) => start as number));
}

function told({ source, key, keys, window }: PlannedChunk): string {
  const day = (at: number): number => (at - START) / DAY;
  return `${source} ${(keys ?? [key]).join(",")} ${day(window.start)}-${day(window.end)}`;
}

function seriesOf(name: string): Series {
  return {
    dataset: "trial.days",
    version: 1,
    key: seriesKey([name]),
    parts: { name },
    entry: name,
    axis: {
      grid: { grain: "1d", zone: "UTC" },
      calendar: ALWAYS,
      density: "dense",
      settleMs: 0,
      stamp: { zone: "UTC", at: "start" },
      lifetime: days(-99, 999),
      earliest: null,
    },
    since: instant(START),
    source: "trial",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

function days(from: number, to: number): Interval {
  return { start: instant(START + from * DAY), end: instant(START + to * DAY) };
}

function some<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one];
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import type { Calendar } from "../calendar/calendar.ts";
import { FX } from "../calendar/fx.ts";
import { XNYS } from "../calendar/xnys.ts";
import type { Axis } from "../dataset/axis.ts";
import type { Reach } from "../dataset/dataset.ts";
import { slotNumbered, slotNumberFrom } from "../dataset/slot-numbers.ts";
import { type Grain, slotAt } from "../time/grid.ts";
import { HOUR, type Instant, instant, MINUTE } from "../time/instant.ts";
import { type Interval, overlapOf, overlaps } from "../time/interval.ts";
import { containsInstant, type IntervalSet, normalize } from "../time/interval-set.ts";
import { affected, type Change, readFor, readySet, staleSet, unmadeSet, withdrawnSet } from "./lineage.ts";
import { applyBuilt, type Segment, type Segments, setOf } from "./segment.ts";

const minutes = axisOf(XNYS, "1m", "America/New_York");
const days = axisOf(XNYS, "1d", "America/New_York");
const hours = axisOf(ALWAYS, "1h", "UTC");
const WITHIN: Reach = { kind: "within" };
const LATER: Reach = { kind: "later" };
const lookingBack = (count: number): Reach => ({ kind: "slots", count });

describe("the blast radius of a changed row", () => {
  it.each([
    ["itself and the slots after it", lookingBack(3), "2024-02-07T15:00Z", "2024-02-07T15:04Z"],
    ["over a night", lookingBack(3), "2024-02-07T20:58Z", "2024-02-08T14:32Z"],
    ["over Thanksgiving and the early close after it", lookingBack(211), "2024-11-27T20:59Z", "2024-12-02T14:31Z"],
    ["over a weekend on which clocks change", lookingBack(1), "2024-03-08T20:59Z", "2024-03-11T13:31Z"],
    ["itself alone without a reach", lookingBack(0), "2024-02-07T20:59Z", "2024-02-07T21:00Z"],
  ])("goes by slots of the calendar: %s", (_, reach, start, end) => {
    const change = { start: at(start), end: instant(at(start) + MINUTE) };
    expect(told(affected(minutes, reach, change))).toBe(`${start} ${end}`);
  });

  it("of a row outside sessions starts with it and counts from the next session on", () => {
    const change = { start: at("2024-02-07T22:00Z"), end: at("2024-02-07T22:01Z") };
    expect(told(affected(minutes, lookingBack(2), change))).toBe("2024-02-07T22:00Z 2024-02-08T14:32Z");
    expect(told(affected(minutes, lookingBack(0), change))).toBe("2024-02-07T22:00Z 2024-02-07T22:01Z");
  });

  it("of a stretch is that of its first to that of its last slot", () => {
    const change = { start: at("2024-02-05T05:00Z"), end: at("2024-02-08T05:00Z") };
    expect(told(affected(days, lookingBack(2), change))).toBe("2024-02-05T05:00Z 2024-02-10T05:00Z");
  });

  it("is the made slot that holds it, where rows are made within slots", () => {
    const change = { start: at("2024-02-07T15:10Z"), end: at("2024-02-07T17:01Z") };
    expect(told(affected(hours, WITHIN, change))).toBe("2024-02-07T15:00Z 2024-02-07T18:00Z");
  });

  it("is everything up to it, where rows are made from what comes later", () => {
    const change = { start: at("2024-02-07T15:10Z"), end: at("2024-02-07T15:11Z") };
    const { start, end } = affected(days, LATER, change);
    expect([start, shortly(end)]).toEqual([0, "2024-02-08T05:00Z"]);
  });
});

describe("what is read to make a window", () => {
  it.each([
    ["the slots before it", "2024-02-07T15:00Z", lookingBack(3), "2024-02-07T14:57Z"],
    ["over a night", "2024-02-08T14:31Z", lookingBack(3), "2024-02-07T20:58Z"],
    ["over Thanksgiving and the early close after it", "2024-12-02T14:30Z", lookingBack(211), "2024-11-27T20:59Z"],
    ["nothing before it without a reach", "2024-02-08T14:30Z", lookingBack(0), "2024-02-08T14:30Z"],
    [
      "what is before the next session, from outside sessions",
      "2024-02-08T03:00Z",
      lookingBack(1),
      "2024-02-07T20:59Z",
    ],
  ])("goes by slots of the calendar: %s", (_, start, reach, from) => {
    const window = { start: at(start), end: at("2024-12-03T00:00Z") };
    expect(told(readFor(minutes, reach, window))).toBe(`${from} 2024-12-03T00:00Z`);
  });

  it("is no less than the window where the calendar begins after it", () => {
    const window = { start: at("1980-01-01T00:00Z"), end: at("1991-01-01T00:00Z") };
    expect(readFor(minutes, lookingBack(9), window)).toEqual(window);
  });

  it("is the window itself, or all that comes after its start", () => {
    const window = { start: at("2024-02-07T05:00Z"), end: at("2024-02-08T05:00Z") };
    expect(readFor(days, WITHIN, window)).toEqual(window);
    const { start, end } = readFor(days, LATER, window);
    expect(start).toBe(window.start);
    expect(end).toBeGreaterThan(at("2099-12-31T00:00Z"));
  });
});

describe("what is read and what is reached", () => {
  const anyAxis = fc.constantFrom(
    minutes,
    days,
    hours,
    axisOf(XNYS, "1h", "America/New_York"),
    axisOf(XNYS, "1w", "America/New_York"),
    axisOf(FX, "4h", "America/New_York"),
    axisOf(ALWAYS, "1d", "America/New_York"),
  );
  const anyReach = fc.oneof(
    fc.constantFrom(WITHIN, LATER),
    fc.nat(30).map(lookingBack),
    fc.constantFrom(390, 1_000).map(lookingBack),
  );
  const anyAt = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2027, 0, 1) }).map(instant);
  const slotOf = (axis: Axis, number: number): Interval => slotAt(axis.grid, slotNumbered(axis, number));

  it("are the same thing seen from both ends: a slot is reached by what is read for it, and by nothing else", () => {
    fc.assert(
      fc.property(anyAxis, anyReach, anyAt, fc.integer({ min: -1_100, max: 1_100 }), (axis, reach, from, distance) => {
        const number = slotNumberFrom(axis, from);
        const change = slotOf(axis, number);
        const made = slotOf(axis, number + distance);
        // A thousand weeks on is where the exchange's calendar has ended.
        fc.pre(slotNumberFrom(axis, made.start) === number + distance);
        const isReached = overlaps(affected(axis, reach, change), made);
        expect(isReached).toBe(overlaps(readFor(axis, reach, made), change));
        if (reach.kind === "slots") expect(isReached).toBe(distance >= 0 && distance <= reach.count);
      }),
      { numRuns: 1_000 },
    );
  });

  it("of stretches are those of all their slots together", () => {
    fc.assert(
      fc.property(anyAxis, anyReach, anyAt, fc.integer({ min: 1, max: 40 }), (axis, reach, from, count) => {
        const first = slotNumberFrom(axis, from);
        const slots = Array.from({ length: count }, (_, i) => slotOf(axis, first + i));
        const whole = { start: (slots[0] as Interval).start, end: (slots.at(-1) as Interval).end };
        for (const of of [affected, readFor]) {
          const each = slots.map((slot) => of(axis, reach, slot));
          expect(of(axis, reach, whole)).toEqual({
            start: Math.min(...each.map(({ start }) => start)),
            end: Math.max(...each.map(({ end }) => end)),
          });
        }
      }),
    );
  });
});

describe("what is out of date", () => {
  it("is what a later change reaches, not what was made after it", () => {
    const segments = [made(0, 10, 4), made(10, 20, 8)];
    expect(staleSet(hours, lookingBack(2), segments, [change(8, 9, 6)])).toEqual([span(8, 10)]);
    expect(staleSet(hours, lookingBack(2), segments, [change(8, 9, 4)])).toEqual([]);
    expect(staleSet(hours, lookingBack(2), segments, [change(8, 9, 9)])).toEqual([span(8, 11)]);
  });

  it("is everything that was made before anybody kept count", () => {
    const { seq: _, ...segment } = made(0, 10, 0);
    expect(staleSet(hours, WITHIN, [segment], [change(3, 4, 1)])).toEqual([span(3, 4)]);
  });

  it("is nothing that was never made, failed or is known to be wrong anyway", () => {
    const segments: Segments = [
      { ...made(0, 4, 1), state: "disputed", reason: "rows lost" },
      { ...made(6, 8, 1), state: "failed", reason: "no disk" },
    ];
    expect(staleSet(hours, lookingBack(9), segments, [change(0, 9, 7)])).toEqual([]);
  });

  it("is all before it, where a row depends on what comes later", () => {
    expect(staleSet(hours, LATER, [made(0, 4, 1), made(6, 20, 1)], [change(8, 9, 7)])).toEqual([
      span(0, 4),
      span(6, 9),
    ]);
  });

  const anyInterval = fc
    .tuple(fc.nat(40), fc.integer({ min: 1, max: 9 }))
    .map(([from, length]) => span(from, from + length));
  const anySet = fc.array(anyInterval, { maxLength: 3 }).map(normalize);
  const anyBuilds = fc.array(anySet, { minLength: 1, maxLength: 5 });
  const anyReach = fc.oneof(fc.constantFrom(WITHIN, LATER), fc.nat(6).map(lookingBack));
  const anyChanges = fc.array(
    fc.tuple(anyInterval, fc.integer({ min: 1, max: 9 })).map(([where, seq]): Change => ({ ...where, seq })),
    { maxLength: 6 },
  );
  const built = (builds: readonly IntervalSet[]): Segments =>
    builds.reduce<Segments>(
      (done, windows, i) => applyBuilt(done, { windows, seq: 2 * i, current: [], withdrawn: [] }),
      [],
    );

  it("is, slot by slot, what is covered and reached by a change that its segment has not seen", () => {
    fc.assert(
      fc.property(anyBuilds, anyReach, anyChanges, (builds, reach, changes) => {
        const segments = built(builds);
        const stale = staleSet(hours, reach, segments, changes);
        for (let hour = 0; hour < 60; hour++) {
          const slot = span(hour, hour + 1);
          const seq = segments.find((segment) => overlapOf(segment, slot))?.seq ?? null;
          const isStale = changes.some(
            (one) => seq !== null && one.seq > seq && overlaps(readFor(hours, reach, slot), one),
          );
          expect(containsInstant(stale, slot.start), `hour ${hour}`).toBe(isStale);
        }
      }),
    );
  });

  it("is nothing any more once it was made again, and what it did not reach need not be looked at again", () => {
    fc.assert(
      fc.property(anyBuilds, anyReach, anyChanges, (builds, reach, changes) => {
        const segments = built(builds);
        const stale = staleSet(hours, reach, segments, changes);
        const current = setOf(segments, "covered").flatMap((one) => minus(one, stale));
        const after = applyBuilt(segments, { windows: stale, seq: 9, current, withdrawn: [] });
        expect(staleSet(hours, reach, after, changes)).toEqual([]);
        expect(new Set(after.map(({ seq }) => seq)).size).toBeLessThanOrEqual(1);
        expect(setOf(after, "covered")).toEqual(setOf(segments, "covered"));
      }),
    );
  });

  function minus(from: Interval, set: IntervalSet): readonly Interval[] {
    let left: readonly Interval[] = [from];
    for (const { start, end } of set) {
      left = left.flatMap((one) =>
        [
          { start: one.start, end: instant(Math.min(one.end, start)) },
          { start: instant(Math.max(one.start, end)), end: one.end },
        ].filter((rest) => rest.start < rest.end),
      );
    }
    return left;
  }
});

describe("what has to be made", () => {
  const segments: Segments = [made(0, 5, 1), { ...made(12, 14, 1), state: "disputed", reason: "rows lost" }];
  const all = [span(0, 30)];

  it("is what lacks where all inputs are there, and what is stale", () => {
    const ready = readySet(all, [[span(2, 20)], [span(0, 8), span(10, 25)]]);
    expect(ready).toEqual([span(2, 8), span(10, 20)]);
    const unmade = unmadeSet(segments, { ready, stale: [span(3, 4)], scope: all });
    expect(unmade).toEqual([span(3, 4), span(5, 8), span(10, 20)]);
  });

  it("is stale also outside what was asked for, lacks only inside", () => {
    const unmade = unmadeSet(segments, { ready: all, stale: [span(1, 3)], scope: [span(4, 7)] });
    expect(unmade).toEqual([span(1, 3), span(5, 7)]);
  });

  it("is not what cannot be made any more: that is withdrawn, once", () => {
    const ready = [span(2, 20)];
    expect(unmadeSet(segments, { ready, stale: [span(1, 3)], scope: all })).toEqual([span(2, 3), span(5, 20)]);
    const withdrawn = withdrawnSet(segments, ready);
    expect(withdrawn).toEqual([span(0, 2)]);
    const after = applyBuilt(segments, { windows: [], seq: 1, current: [], withdrawn });
    expect(withdrawnSet(after, ready)).toEqual([]);
    expect(after.map(({ start, end, state }) => ({ start, end, state }))).toEqual([
      { ...span(2, 5), state: "covered" },
      { ...span(12, 14), state: "disputed" },
    ]);
  });

  it("is everything where no input has to be there, and nothing where one is absent", () => {
    expect(readySet(all, [])).toEqual(all);
    expect(readySet(all, [all, []])).toEqual([]);
  });
});

function axisOf(calendar: Calendar, grain: Grain, zone: string): Axis {
  return {
    grid: { grain, zone },
    calendar,
    density: "sparse",
    settleMs: 0,
    stamp: { zone, at: "start" },
    lifetime: { start: instant(0), end: instant(Date.UTC(2100, 0, 1)) },
    earliest: null,
  };
}

/** Hours after 2024 began. */
function span(from: number, to: number): Interval {
  const start = Date.UTC(2024, 0, 1);
  return { start: instant(start + from * HOUR), end: instant(start + to * HOUR) };
}

function made(from: number, to: number, seq: number): Segment {
  return { ...span(from, to), state: "covered", asked: 1, reason: null, chunk: null, seq };
}

function change(from: number, to: number, seq: number): Change {
  return { ...span(from, to), seq };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

function told({ start, end }: Interval): string {
  return `${shortly(start)} ${shortly(end)}`;
}

function shortly(time: Instant): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}

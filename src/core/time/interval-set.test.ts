import { PGlite } from "@electric-sql/pglite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { instant } from "./instant.ts";
import type { Interval } from "./interval.ts";
import {
  clip,
  containsAll,
  containsInstant,
  type IntervalSet,
  intersect,
  intersects,
  normalize,
  spanOf,
  subtract,
  totalMs,
  union,
} from "./interval-set.ts";

/** Few enough instants that intervals often overlap, touch and coincide. */
const LAST = 40;

const anyInterval: fc.Arbitrary<Interval> = fc
  .tuple(fc.nat(LAST - 1), fc.integer({ min: 1, max: 12 }))
  .map(([start, length]) => span(start, Math.min(start + length, LAST)));
const anyIntervals = fc.array(anyInterval, { maxLength: 8 });
const anySet = anyIntervals.map(normalize);

describe("the normal form", () => {
  it("is sorted, disjoint, not touching, and holds exactly the instants of the intervals", () => {
    fc.assert(
      fc.property(anyIntervals, (intervals) => {
        const set = normalize(intervals);
        expectNormal(set);
        expect(instantsOf(set)).toEqual(instantsOf(intervals));
      }),
    );
  });

  it("does not change when taken again, and does not depend on the order", () => {
    fc.assert(
      fc.property(
        anyIntervals.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([intervals, shuffled]) => {
          expect(normalize(normalize(intervals))).toEqual(normalize(intervals));
          expect(normalize(shuffled)).toEqual(normalize(intervals));
        },
      ),
    );
  });

  it("merges intervals that only touch", () => {
    expect(normalize([span(5, 9), span(1, 5)])).toEqual([span(1, 9)]);
  });

  it("keeps an interval that another one contains from shortening it", () => {
    expect(normalize([span(1, 9), span(2, 3)])).toEqual([span(1, 9)]);
  });
});

describe("set algebra", () => {
  it("agrees with counting instants one by one", () => {
    fc.assert(
      fc.property(anySet, anySet, (a, b) => {
        const inA = instantsOf(a);
        const inB = instantsOf(b);
        expect(instantsOf(union(a, b))).toEqual(new Set([...inA, ...inB].sort((x, y) => x - y)));
        expect(instantsOf(subtract(a, b))).toEqual(new Set([...inA].filter((at) => !inB.has(at))));
        expect(instantsOf(intersect(a, b))).toEqual(new Set([...inA].filter((at) => inB.has(at))));
        for (const set of [union(a, b), subtract(a, b), intersect(a, b)]) expectNormal(set);
        expect(intersects(a, b)).toBe([...inA].some((at) => inB.has(at)));
        expect(containsAll(a, b)).toBe([...inB].every((at) => inA.has(at)));
        expect(totalMs(a)).toBe(inA.size);
      }),
    );
  });

  it("finds nothing left once the gaps are filled", () => {
    fc.assert(
      fc.property(anySet, anySet, (wanted, covered) => {
        expect(subtract(wanted, union(covered, subtract(wanted, covered)))).toEqual([]);
      }),
    );
  });

  it("splits a set by another one into two parts that make it up again", () => {
    fc.assert(
      fc.property(anySet, anySet, (a, b) => {
        expect(union(subtract(a, b), intersect(a, b))).toEqual(a);
        expect(intersects(subtract(a, b), b)).toBe(false);
      }),
    );
  });

  it("unites in any order and grouping", () => {
    fc.assert(
      fc.property(anySet, anySet, anySet, (a, b, c) => {
        expect(union(a, b, c)).toEqual(union(c, union(b, a)));
        expect(union(a, a)).toEqual(a);
        expect(union(a)).toEqual(a);
      }),
    );
  });

  it("subtracts a union as one after the other, and an intersection as the union of both rests", () => {
    fc.assert(
      fc.property(anySet, anySet, anySet, (a, b, c) => {
        expect(subtract(a, union(b, c))).toEqual(subtract(subtract(a, b), c));
        expect(subtract(a, intersect(b, c))).toEqual(union(subtract(a, b), subtract(a, c)));
      }),
    );
  });
});

describe("looking into a set", () => {
  it("clips to a span as the intersection with it", () => {
    fc.assert(
      fc.property(anySet, anyInterval, (set, window) => {
        expect(clip(set, window)).toEqual(intersect(set, [window]));
      }),
    );
  });

  it("contains an instant exactly when a member does", () => {
    fc.assert(
      fc.property(anySet, (set) => {
        for (let at = -1; at <= LAST + 1; at++) {
          expect(containsInstant(set, instant(at))).toBe(set.some(({ start, end }) => start <= at && at < end));
        }
      }),
    );
  });

  it("spans from the first start to the last end, and the empty set not at all", () => {
    expect(spanOf([span(1, 2), span(5, 7)])).toEqual(span(1, 7));
    expect(spanOf([])).toBeNull();
  });
});

describe("PostgreSQL's tstzmultirange", () => {
  const db = new PGlite();
  beforeAll(() => db.waitReady, 60_000);
  afterAll(() => db.close());

  it("gives the same union, difference and intersection for 1,000 pairs of sets", { timeout: 60_000 }, async () => {
    const pairs = fc.sample(fc.tuple(anyIntervals, anyIntervals), 1_000);
    const { rows } = await db.query<{ n: number; result: Record<string, [number, number][]> }>(
      `with pair as (
         select n, a::text::tstzmultirange as a, b::text::tstzmultirange as b
         from json_to_recordset($1) as input (n int, a text, b text)
       )
       select n, json_build_object('a', ms(a), 'union', ms(a + b), 'difference', ms(a - b), 'intersection', ms(a * b))
         as result
       from pair order by n`.replaceAll(
        /ms\(([^)]+)\)/g,
        `(select coalesce(json_agg(json_build_array(
            (extract(epoch from lower(r)) * 1000)::int8, (extract(epoch from upper(r)) * 1000)::int8) order by r), '[]')
          from unnest($1) as r)`,
      ),
      [JSON.stringify(pairs.map(([a, b], n) => ({ n, a: multirange(a), b: multirange(b) })))],
    );
    expect(rows).toHaveLength(pairs.length);
    pairs.forEach(([left, right], n) => {
      const a = normalize(left);
      const b = normalize(right);
      expect(rows[n]?.result).toEqual({
        a: pairsOf(a),
        union: pairsOf(union(a, b)),
        difference: pairsOf(subtract(a, b)),
        intersection: pairsOf(intersect(a, b)),
      });
    });
  });
});

function span(start: number, end: number): Interval {
  return { start: instant(start), end: instant(end) };
}

function instantsOf(intervals: readonly Interval[]): ReadonlySet<number> {
  const all = new Set<number>();
  for (let at = 0; at <= LAST; at++) {
    if (intervals.some(({ start, end }) => start <= at && at < end)) all.add(at);
  }
  return all;
}

function expectNormal(set: IntervalSet): void {
  set.forEach(({ start, end }, n) => {
    expect(start).toBeLessThan(end);
    const next = set[n + 1];
    if (next) expect(end).toBeLessThan(next.start);
  });
}

function pairsOf(set: IntervalSet): [number, number][] {
  return set.map(({ start, end }) => [start, end]);
}

function multirange(intervals: readonly Interval[]): string {
  const ranges = intervals.map(({ start, end }) => `[${new Date(start).toISOString()},${new Date(end).toISOString()})`);
  return `{${ranges.join(",")}}`;
}

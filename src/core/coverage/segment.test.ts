import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instant } from "../time/instant.ts";
import { type Interval, overlapOf } from "../time/interval.ts";
import {
  containsAll,
  containsInstant,
  type IntervalSet,
  intersect,
  normalize,
  subtract,
} from "../time/interval-set.ts";
import {
  answeredSet,
  applyBuilt,
  applyDispute,
  applyFindings,
  applyUnanswered,
  type Built,
  cut,
  type Findings,
  inOrder,
  type Segment,
  type SegmentState,
  type Segments,
  setOf,
} from "./segment.ts";

/** Few enough instants that claims often overlap, touch and coincide. */
const LAST = 24;

const anyInterval: fc.Arbitrary<Interval> = fc
  .tuple(fc.nat(LAST - 1), fc.integer({ min: 1, max: 8 }))
  .map(([start, length]) => span(start, Math.min(start + length, LAST)));
const anySet = fc.array(anyInterval, { maxLength: 4 }).map(normalize);
const anyChunk = fc.constantFrom("a", "b", "c", "d");
const anyAnswers = fc.array(
  fc.tuple(anyInterval, anyChunk).map(([at, chunk]) => ({ ...at, chunk })),
  { maxLength: 4 },
);
const anyFindings: fc.Arbitrary<Findings> = fc.record({
  answered: anyAnswers,
  holes: anySet,
  blocked: fc.array(
    fc.tuple(anyInterval, anyChunk).map(([at, chunk]) => ({ ...at, chunk, reason: "price below zero" })),
    { maxLength: 3 },
  ),
  restored: anySet,
  rejudged: anySet,
});

type Claim =
  | { readonly kind: "publication"; readonly findings: Findings }
  | { readonly kind: "failed" | "refused"; readonly span: Interval; readonly chunk: string }
  | { readonly kind: "dispute"; readonly spans: IntervalSet };

const anyClaim: fc.Arbitrary<Claim> = fc.oneof(
  { weight: 3, arbitrary: anyFindings.map((findings): Claim => ({ kind: "publication", findings })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("failed" as const, "refused" as const), anyInterval, anyChunk)
      .map(([kind, at, chunk]): Claim => ({ kind, span: at, chunk })),
  },
  { weight: 1, arbitrary: anySet.map((spans): Claim => ({ kind: "dispute", spans })) },
);
const anyHistory = fc.array(anyClaim, { maxLength: 8 });

describe("the segments of a series", () => {
  it("stay sorted, disjoint and merged whatever is claimed, and carry what their state needs", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const segments = replay(history);
        for (const [i, segment] of segments.entries()) {
          const next = segments[i + 1];
          expect(segment.start).toBeLessThan(segment.end);
          if (next) expect(next.start).toBeGreaterThanOrEqual(segment.end);
          if (next?.start === segment.end) expect(sayings(segment)).not.toEqual(sayings(next));
          const unanswered = segment.state === "failed" || segment.state === "refused";
          expect(segment.asked === 0).toBe(unanswered);
          expect(segment.reason === null).toBe(segment.state === "covered");
          if (segment.state === "empty") expect(segment.asked).toBe(2);
          if (segment.state === "hole") expect(segment.asked).toBe(1);
        }
      }),
    );
  });

  it("never lose what was answered", () => {
    fc.assert(
      fc.property(anyHistory, anyClaim, (history, claim) => {
        const before = replay(history);
        expect(containsAll(answeredSet(applyClaim(before, claim)), answeredSet(before))).toBe(true);
      }),
    );
  });

  it("come out the same when the same history is told again", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        expect(replay(history)).toEqual(replay(history));
      }),
    );
  });

  it("do not depend on how answers are grouped into publications", () => {
    const anyGroups = fc.array(fc.tuple(anyAnswers, anySet), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(anyGroups, anySet, (groups, holes) => {
        const one = applyFindings([], { answered: groups.flatMap(([answered]) => answered), holes, blocked: [] });
        // Between publications the stored rows may call anything a hole; the last one judges what is there.
        const several = groups.reduce<Segments>(
          (segments, [answered, early], i) =>
            applyFindings(segments, { answered, holes: i === groups.length - 1 ? holes : early, blocked: [] }),
          [],
        );
        // Why a silence is verified may differ: one publication cannot see that the row came and went.
        const unexplained = (segments: Segments): Segments =>
          inOrder(segments.map((one) => (one.state === "empty" ? { ...one, reason: "empty" } : one)));
        expect(unexplained(several).map(sayings)).toEqual(unexplained(one).map(sayings));
      }),
    );
  });

  it("say for every instant what its answers and the holes say", () => {
    fc.assert(
      fc.property(anyAnswers, anySet, (answered, holes) => {
        const segments = applyFindings([], { answered, holes, blocked: [] });
        for (let at = 0; at < LAST; at++) {
          const times = answered.filter((one) => one.start <= at && at < one.end).length;
          const isHole = containsInstant(holes, instant(at));
          const expected = times === 0 ? undefined : !isHole ? "covered" : times === 1 ? "hole" : "empty";
          expect(stateAt(segments, at), `at ${at}`).toBe(expected);
        }
      }),
    );
  });
});

describe("a failure or refusal", () => {
  it("never degrades what was answered, and claims all of the rest of its window", () => {
    fc.assert(
      fc.property(
        anyHistory,
        anyInterval,
        fc.constantFrom("failed" as const, "refused" as const),
        (history, at, state) => {
          const before = replay(history);
          const after = applyUnanswered(before, { ...at, state, reason: "http 500", chunk: "x" });
          const answered = answeredSet(before);
          expect(cut(after, answered)).toEqual(cut(before, answered));
          const open = subtract([at], answered);
          expect(intersect(setOf(after, state), [at])).toEqual(open);
          expect(setOf(after, "failed", "refused")).toEqual(
            normalize([...setOf(before, "failed", "refused"), ...open]),
          );
        },
      ),
    );
  });

  it("gives way to an answer, only as far as the answer reaches", () => {
    const failed = applyUnanswered([], { ...span(0, 10), state: "failed", reason: "timed out", chunk: "x" });
    const after = applyFindings(failed, answer("y", span(4, 10)));
    expect(after.map(sayings)).toEqual(["[0, 4) failed 0 timed out", "[4, 10) covered 1"]);
  });

  it("replaces an earlier failure where both lie", () => {
    const failed = applyUnanswered([], { ...span(0, 10), state: "failed", reason: "timed out", chunk: "x" });
    const after = applyUnanswered(failed, { ...span(6, 12), state: "refused", reason: "plan", chunk: "y" });
    expect(after.map(sayings)).toEqual(["[0, 6) failed 0 timed out", "[6, 12) refused 0 plan"]);
  });
});

describe("what other decisions judge again", () => {
  const blocked = applyFindings([], {
    answered: [{ ...span(0, 10), chunk: "a" }],
    holes: [span(6, 8)],
    blocked: [{ ...span(3, 5), chunk: "a", reason: "price below zero" }],
  });

  it("is covered where nothing stops it any more, and was not asked once more", () => {
    const found = { answered: [], holes: [span(6, 8)], blocked: [], rejudged: [span(0, 10)] };
    expect(applyFindings(blocked, found).map(sayings)).toEqual([
      "[0, 6) covered 1",
      "[6, 8) hole 1 answered without a row, asked once",
      "[8, 10) covered 1",
    ]);
  });

  it("stays blocked where a check still stops it, and outside", () => {
    const still = { ...span(3, 4), chunk: "a", reason: "volume below zero" };
    const found = { answered: [], holes: [span(6, 8)], blocked: [still], rejudged: [span(3, 4)] };
    expect(applyFindings(blocked, found).map(sayings)).toEqual([
      "[0, 3) covered 1",
      "[3, 4) blocked 1 volume below zero",
      "[4, 5) blocked 1 price below zero",
      "[5, 6) covered 1",
      "[6, 8) hole 1 answered without a row, asked once",
      "[8, 10) covered 1",
    ]);
  });
});

describe("a hole", () => {
  it("becomes empty when it is asked again and still has no row", () => {
    const once = applyFindings([], { ...answer("a", span(0, 10)), holes: [span(3, 5)] });
    expect(once.map(sayings)).toEqual([
      "[0, 3) covered 1",
      "[3, 5) hole 1 answered without a row, asked once",
      "[5, 10) covered 1",
    ]);
    const twice = applyFindings(once, { ...answer("b", span(2, 6)), holes: [span(3, 5)] });
    expect(twice.find((segment) => segment.state === "empty")).toEqual({
      ...span(3, 5),
      state: "empty",
      asked: 2,
      reason: "empty at source, asked at least twice",
      chunk: "b",
    });
  });

  it("is told apart where it was covered before one new answer, for as long as nothing comes", () => {
    const covered = applyFindings([], answer("a", span(0, 10)));
    const gone = applyFindings(covered, { ...answer("b", span(3, 5)), holes: [span(3, 5)] });
    const again = applyFindings(gone, { ...answer("c", span(0, 10)), holes: [span(3, 5), span(8, 9)] });
    expect([gone, again].map((segments) => segments.filter(({ state }) => state === "empty").map(sayings))).toEqual([
      ["[3, 5) empty 2 empty at source now, covered before"],
      ["[3, 5) empty 2 empty at source now, covered before", "[8, 9) empty 2 empty at source now, covered before"],
    ]);
    const back = applyFindings(again, answer("d", span(0, 10)));
    expect(setOf(back, "covered")).toEqual([span(0, 10)]);
    // Judged by more rows, a silence that was asked twice and passed is one that was asked twice.
    const quiet = applyFindings(covered, answer("b", span(0, 10)));
    const judged = applyFindings(quiet, { ...answer("c", span(10, 12)), holes: [span(3, 5)] });
    expect(judged.filter(({ state }) => state === "empty").map(sayings)).toEqual([
      "[3, 5) empty 2 empty at source, asked at least twice",
    ]);
  });

  it("is covered when the second answer brings its row", () => {
    const once = applyFindings([], { ...answer("a", span(0, 10)), holes: [span(3, 5)] });
    const twice = applyFindings(once, { ...answer("b", span(3, 5)), holes: [] });
    expect(setOf(twice, "covered")).toEqual([span(0, 10)]);
  });

  it("stays a hole when only its neighbours are asked", () => {
    const once = applyFindings([], { ...answer("a", span(0, 10)), holes: [span(3, 5)] });
    const twice = applyFindings(once, { ...answer("b", span(5, 12)), holes: [span(3, 5)] });
    expect(stateAt(twice, 3)).toBe("hole");
  });

  it("is empty at once when two answers of one publication lack it", () => {
    const both = [
      { ...span(0, 10), chunk: "a" },
      { ...span(2, 6), chunk: "b" },
    ];
    const after = applyFindings([], { answered: both, holes: [span(3, 5)], blocked: [] });
    expect(stateAt(after, 3)).toBe("empty");
  });

  it("claims nothing where nothing was ever answered", () => {
    const after = applyFindings([], { ...answer("a", span(0, 4)), holes: [span(2, 9)] });
    expect(answeredSet(after)).toEqual([span(0, 4)]);
  });
});

describe("a blocked stretch", () => {
  const blocked = applyFindings([], {
    ...answer("a", span(0, 10)),
    blocked: [{ ...span(4, 5), chunk: "a", reason: "price below zero" }],
  });

  it("is answered, and not covered", () => {
    expect(blocked.map(sayings)).toEqual([
      "[0, 4) covered 1",
      "[4, 5) blocked 1 price below zero",
      "[5, 10) covered 1",
    ]);
    expect(answeredSet(blocked)).toEqual([span(0, 10)]);
  });

  it("stays blocked through publications that do not ask for it, even when rows are missing there", () => {
    const after = applyFindings(blocked, { ...answer("b", span(6, 12)), holes: [span(4, 5)] });
    expect(stateAt(after, 4)).toBe("blocked");
  });

  it("is covered once a good row comes, and a verified silence once none comes", () => {
    expect(stateAt(applyFindings(blocked, answer("b", span(4, 5))), 4)).toBe("covered");
    const silent = applyFindings(blocked, { ...answer("b", span(4, 5)), holes: [span(4, 5)] });
    expect(stateAt(silent, 4)).toBe("empty");
  });

  it("takes the place of what was covered when it is asked again and a bad row comes", () => {
    const covered = applyFindings([], answer("a", span(0, 10)));
    const after = applyFindings(covered, {
      ...answer("b", span(0, 10)),
      blocked: [{ ...span(4, 5), chunk: "b", reason: "price below zero" }],
    });
    expect(stateAt(after, 4)).toBe("blocked");
  });

  it("is not made by bad rows outside of what was asked", () => {
    const covered = applyFindings([], answer("a", span(0, 10)));
    const after = applyFindings(covered, {
      ...answer("b", span(10, 20)),
      blocked: [
        { ...span(4, 5), chunk: "b", reason: "price below zero" },
        { ...span(22, 23), chunk: "b", reason: "price below zero" },
      ],
    });
    expect(after.map(sayings)).toEqual(["[0, 20) covered 1"]);
  });

  it("is one stretch when two answers bring bad rows for the same slot", () => {
    const stops = ["a", "b"].map((chunk) => ({ ...span(4, 5), chunk, reason: "price below zero" }));
    const both = ["a", "b"].map((chunk) => ({ ...span(0, 10), chunk }));
    const after = applyFindings([], { answered: both, holes: [], blocked: stops });
    expect(after.filter((segment) => segment.state === "blocked")).toHaveLength(1);
  });
});

describe("a disputed stretch", () => {
  const covered = applyFindings([], answer("a", span(0, 10)));
  const disputed = applyDispute(covered, { spans: [span(2, 5)], reason: "3 rows were published, 2 are stored" });

  it("is a part of what was answered", () => {
    const wider = applyDispute(covered, { spans: [span(8, 15)], reason: "lost" });
    expect(setOf(wider, "disputed")).toEqual([span(8, 10)]);
    expect(answeredSet(wider)).toEqual([span(0, 10)]);
  });

  it("stays disputed until it is restored or asked again", () => {
    const elsewhere = applyFindings(disputed, { ...answer("b", span(10, 12)), holes: [span(2, 5)] });
    expect(setOf(elsewhere, "disputed")).toEqual([span(2, 5)]);
    const asked = applyFindings(disputed, answer("b", span(0, 10)));
    expect(setOf(asked, "covered")).toEqual([span(0, 10)]);
  });

  it("is covered again when its rows were published from bronze, without counting as asked", () => {
    const healed = applyFindings(disputed, { answered: [], holes: [], blocked: [], restored: [span(2, 5)] });
    expect(healed).toEqual(covered);
  });

  it("is a hole again where bronze had no row, since nobody asked a second time", () => {
    const healed = applyFindings(disputed, { answered: [], holes: [span(3, 4)], blocked: [], restored: [span(2, 5)] });
    expect(stateAt(healed, 3)).toBe("hole");
  });
});

describe("a build of rows that are made from other datasets", () => {
  type Build = Omit<Built, "seq">;
  const anyBuild: fc.Arbitrary<Build> = fc.record({
    windows: anySet,
    current: anySet,
    withdrawn: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: anySet }),
  });
  const build = (windows: IntervalSet, seq: number, current: IntervalSet = []): Built => ({
    windows,
    seq,
    current,
    withdrawn: [],
  });

  it("leaves every instant with the seq of the last build that made it, or lifted it once it was made", () => {
    fc.assert(
      fc.property(fc.array(anyBuild, { maxLength: 7 }), (builds) => {
        const segments = builds.reduce<Segments>((before, one, i) => applyBuilt(before, { ...one, seq: i + 1 }), []);
        for (let at = 0; at < LAST; at++) {
          const isIn = (set: IntervalSet): boolean => containsInstant(set, instant(at));
          let seq: number | null = null;
          for (const [i, { windows, current, withdrawn }] of builds.entries()) {
            if (isIn(windows)) seq = i + 1;
            else if (isIn(withdrawn)) seq = null;
            else if (isIn(current) && seq !== null) seq = i + 1;
          }
          const found = segments.find((segment) => overlapOf(segment, span(at, at + 1)) !== null) ?? null;
          expect(found?.seq ?? null).toBe(seq);
          if (found) expect([found.state, found.asked, found.reason, found.chunk]).toEqual(["covered", 1, null, null]);
        }
        for (const [i, segment] of segments.entries()) {
          const next = segments[i + 1];
          expect(segment.start).toBeLessThan(segment.end);
          if (next) expect(next.start).toBeGreaterThanOrEqual(segment.end);
          if (next?.start === segment.end) expect(next.seq).not.toBe(segment.seq);
        }
      }),
    );
  });

  it("replaces whatever was claimed where it made rows, claims nothing where it withdrew them, lifts only covered", () => {
    fc.assert(
      fc.property(anyHistory, anyBuild, (history, one) => {
        const before = replay(history);
        const after = applyBuilt(before, { ...one, seq: 9 });
        for (let at = 0; at < LAST; at++) {
          const here = span(at, at + 1);
          const isIn = (set: IntervalSet): boolean => containsInstant(set, here.start);
          const claim = cut(after, [here])[0];
          const earlier = cut(before, [here])[0];
          if (isIn(one.windows)) {
            expect(claim).toEqual({ ...here, state: "covered", asked: 1, reason: null, chunk: null, seq: 9 });
          } else if (isIn(one.withdrawn)) expect(claim).toBeUndefined();
          else if (earlier?.state === "covered" && isIn(one.current)) expect(claim).toEqual({ ...earlier, seq: 9 });
          else expect(claim).toEqual(earlier);
        }
      }),
    );
  });

  it("is one segment with its neighbour where both have seen the same changes, two where not", () => {
    const first = applyBuilt([], build([span(0, 4)], 3));
    expect(applyBuilt(first, build([span(4, 8)], 3))).toEqual([
      { ...span(0, 8), state: "covered", asked: 1, reason: null, chunk: null, seq: 3 },
    ]);
    const apart = applyBuilt(first, build([span(4, 8)], 5));
    expect(apart.map(({ start, end, seq }) => [start, end, seq])).toEqual([
      [0, 4, 3],
      [4, 8, 5],
    ]);
    expect(applyBuilt(first, build([span(4, 8)], 5, [span(0, 4)]))).toHaveLength(1);
  });
});

it("keeps up with a hundred thousand segments", () => {
  const holes = Array.from({ length: 50_000 }, (_, i) => span(i * 10 + 3, i * 10 + 5));
  const whole = span(0, 500_000);
  const once = applyFindings([], { ...answer("a", whole), holes });
  const twice = applyFindings(once, { ...answer("b", whole), holes });
  expect(setOf(twice, "empty").length).toBe(50_000);
  expect(cut(twice, normalize(holes)).length).toBe(50_000);
});

function replay(history: readonly Claim[]): Segments {
  return history.reduce<Segments>(applyClaim, []);
}

function applyClaim(segments: Segments, claim: Claim): Segments {
  switch (claim.kind) {
    case "publication":
      return applyFindings(segments, claim.findings);
    case "dispute":
      return applyDispute(segments, { spans: claim.spans, reason: "lost" });
    case "failed":
    case "refused":
      return applyUnanswered(segments, { ...claim.span, state: claim.kind, reason: "no answer", chunk: claim.chunk });
    default:
      return claim satisfies never;
  }
}

function answer(chunk: string, at: Interval): Findings {
  return { answered: [{ ...at, chunk }], holes: [], blocked: [] };
}

/** What a segment says; its chunk only where neighbours are kept apart by it. */
function sayings(segment: Segment): string {
  const words = [`[${segment.start}, ${segment.end})`, segment.state, segment.asked, segment.reason];
  if (segment.state === "blocked" || segment.state === "failed" || segment.state === "refused") words.push("");
  return words.filter((word) => word !== null && word !== "").join(" ");
}

function stateAt(segments: Segments, at: number): SegmentState | undefined {
  return segments.find((segment) => overlapOf(segment, span(at, at + 1)) !== null)?.state;
}

function span(start: number, end: number): Interval {
  return { start: instant(start), end: instant(end) };
}

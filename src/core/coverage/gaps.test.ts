import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALWAYS } from "../calendar/always.ts";
import { calendarNamed } from "../calendar/calendars.ts";
import type { Axis } from "../dataset/axis.ts";
import { type Series, seriesKey } from "../dataset/series.ts";
import { DAY, HOUR, type Instant, instant, MINUTE } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { type IntervalSet, intersect, normalize, subtract } from "../time/interval-set.ts";
import { type Gap, gapSet, placeOf, type Standing, standingOf, type TakenBack, type Waiver } from "./gaps.ts";
import { applyFindings, applyUnanswered, type Segment, type Segments, setOf } from "./segment.ts";

const hours: Axis = {
  grid: { grain: "1h", zone: "UTC" },
  calendar: ALWAYS,
  density: "dense",
  settleMs: 10 * MINUTE,
  stamp: { zone: "UTC", at: "start" },
  lifetime: { start: at("2024-01-01"), end: at("2026-01-01") },
  earliest: null,
};

const DAY_ONE = span("2024-03-01", "2024-03-02");
const NOW = at("2024-03-10");

describe("gaps", () => {
  it("are what is due less what is covered or empty, each due slot counted once", () => {
    const anySegments = fc
      .array(fc.tuple(fc.nat(23), fc.integer({ min: 1, max: 6 }), fc.constantFrom("failed", "refused", "hole", "ok")), {
        maxLength: 8,
      })
      .map((claims) => claims.reduce(claimed, [] as Segments));
    fc.assert(
      fc.property(anySegments, fc.boolean(), (segments, isFresh) => {
        const standing = standingOf(series(hours), segments, {
          span: DAY_ONE,
          now: NOW,
          realNow: NOW,
          refusedAt: () => instant(NOW - (isFresh ? HOUR : 2 * DAY)),
          leaveOut: "fresh",
        });
        const refused = isFresh ? setOf(segments, "refused") : [];
        const due = subtract([DAY_ONE], refused);
        expect(standing.due).toEqual(due);
        expect(gapSet(standing)).toEqual(subtract(due, setOf(segments, "covered", "empty")));
        const { slots } = standing;
        expect(slots.due).toBe(slots.covered + slots.empty + slots.gap);
        expect(slots.gap).toBe(standing.gaps.reduce((sum, gap) => sum + gap.slots, 0));
        expect(intersect(due, normalize(standing.refused))).toEqual([]);
      }),
    );
  });

  it("say why: never asked, asked once, blocked, disputed, failed, refused", () => {
    const segments: Segments = [
      segment("hole", 1, 2, "answered without a row, asked once"),
      segment("blocked", 3, 4, "price below zero"),
      segment("disputed", 4, 5, "3 rows were published, 2 are stored"),
      segment("failed", 5, 6, "server-error: http 500"),
      segment("refused", 6, 8, "plan does not include it"),
      segment("covered", 8, 24, null),
    ];
    expect(gapsOf(segments).map(words)).toEqual([
      "00-01 never-asked 1: never asked",
      "01-02 asked-once 1: answered without a row, asked once",
      "02-03 never-asked 1: never asked",
      "03-04 blocked 1: price below zero",
      "04-05 disputed 1: 3 rows were published, 2 are stored",
      "05-06 failed 1: server-error: http 500",
      "06-08 refused 2: plan does not include it",
    ]);
  });

  it("name the run that took an answer back, the latest of several, where nobody has asked since", () => {
    const segments: Segments = [segment("failed", 4, 5, "timed out"), segment("covered", 8, 24, null)];
    const takenBack = [
      { ...hoursOf(1, 6), by: "run-1" },
      { ...hoursOf(3, 10), by: "run-2" },
    ];
    expect(stand(hours, segments, { takenBack }).gaps.map(words)).toEqual([
      "00-01 never-asked 1: never asked",
      "01-03 never-asked 2: taken back by run-1",
      "03-04 never-asked 1: taken back by run-2",
      "04-05 failed 1: timed out",
      "05-08 never-asked 3: taken back by run-2",
    ]);
  });

  it("carry nothing but what a gap says", () => {
    const gaps = gapsOf([segment("failed", 5, 6, "timed out")]);
    for (const gap of gaps) {
      expect(Object.keys(gap).sort()).toEqual(["cause", "chunk", "end", "reason", "slots", "start"]);
    }
    expect(gapSet({ gaps } as unknown as Standing)).toEqual([DAY_ONE]);
  });

  it("leave out what no session meets, what has not settled and what lies before the source's depth", () => {
    const daily: Axis = {
      ...hours,
      grid: { grain: "1d", zone: "America/New_York" },
      calendar: calendarNamed("XNYS"),
      settleMs: 0,
      earliest: at("2024-03-05T05:00:00Z"),
    };
    const standing = stand(daily, [], { span: span("2024-03-01", "2024-03-20"), now: at("2024-03-13T12:00:00Z") });
    // Tuesday 5 to Friday 8, then Monday 11 and Tuesday 12: Wednesday 13 is not over.
    expect(standing.slots.due).toBe(6);
    expect(standing.gaps.map((gap) => gap.slots)).toEqual([6]);
  });

  it("reach over time when nothing is due, and never over what was refused a short while ago", () => {
    const refused = [segment("refused", 6, 8, "plan does not include it")];
    const standing = stand(hours, refused, { refusedAt: NOW });
    expect(standing.gaps.map(words)).toEqual(["00-06 never-asked 6: never asked", "08-24 never-asked 16: never asked"]);
  });

  it("are none where nothing could be due", () => {
    const standing = stand(hours, [], { span: span("2027-01-01", "2027-02-01"), now: at("2027-03-01") });
    expect(standing).toMatchObject({ scope: null, due: [], gaps: [], slots: { due: 0, gap: 0 } });
  });
});

describe("a refusal", () => {
  const refused = [segment("refused", 0, 6, "plan does not include it")];
  const ages = [
    { age: 0, isGap: false },
    { age: DAY - 1, isGap: false },
    { age: DAY, isGap: true },
    { age: 400 * DAY, isGap: true },
  ];

  it.each(ages)("received $age ms ago is a gap: $isGap", ({ age, isGap }) => {
    const standing = stand(hours, refused, { refusedAt: instant(NOW - age) });
    expect(standing.gaps.some((gap) => gap.cause === "refused")).toBe(isGap);
    expect(standing.refused.map((one) => one.reason)).toEqual(isGap ? [] : ["plan does not include it"]);
    expect(standing.slots).toMatchObject({ due: isGap ? 24 : 18, refused: 6, gap: isGap ? 24 : 18 });
  });

  it("of unknown age is a gap", () => {
    expect(stand(hours, refused, { refusedAt: null }).slots).toMatchObject({ due: 24, gap: 24 });
  });

  it("is a gap for the run that met it inside its printed scope", () => {
    const standing = stand(hours, refused, { refusedAt: NOW, leaveOut: [] });
    expect(standing.slots).toMatchObject({ due: 24, gap: 24, refused: 6 });
  });
});

describe("a waiver", () => {
  const all = [{ ...DAY_ONE, reason: "closed for works", actor: "ana" }];

  it("hides what is missing, failed, refused or blocked, never what is disputed", () => {
    const segments: Segments = [
      segment("hole", 1, 2, "answered without a row, asked once"),
      segment("blocked", 3, 4, "price below zero"),
      segment("disputed", 4, 5, "3 rows were published, 2 are stored"),
      segment("failed", 5, 6, "server-error: http 500"),
      segment("refused", 6, 8, "plan does not include it"),
      segment("empty", 8, 9, "empty at source, asked at least twice"),
      segment("covered", 9, 24, null),
    ];
    const standing = stand(hours, segments, { waivers: all });
    expect(standing.gaps.map(words)).toEqual(["04-05 disputed 1: 3 rows were published, 2 are stored"]);
    expect(standing.waived).toEqual([
      { ...hoursOf(0, 4), reason: "closed for works", actor: "ana" },
      { ...hoursOf(5, 8), reason: "closed for works", actor: "ana" },
    ]);
    expect(standing.slots).toMatchObject({ due: 24, covered: 15, empty: 1, waived: 7, gap: 1 });
  });

  it("counts once where several overlap: the first names the stretch", () => {
    const waivers = [
      { ...hoursOf(2, 6), reason: "first", actor: "ana" },
      { ...hoursOf(4, 9), reason: "second", actor: "bo" },
    ];
    const standing = stand(hours, [segment("covered", 7, 24, null)], { waivers });
    expect(standing.waived).toEqual([
      { ...hoursOf(2, 6), reason: "first", actor: "ana" },
      { ...hoursOf(6, 7), reason: "second", actor: "bo" },
    ]);
    expect(standing.slots).toMatchObject({ waived: 5, gap: 2 });
  });

  it("leaves every due slot in one place: covered, empty, waived or a gap", () => {
    const states = fc.constantFrom<Segment["state"]>("covered", "empty", "hole", "blocked", "disputed", "failed");
    const anyParts = fc.array(fc.option(states), { minLength: 24, maxLength: 24 });
    const anyWaivers = fc.array(fc.tuple(fc.nat(23), fc.integer({ min: 1, max: 8 })), { maxLength: 4 });
    fc.assert(
      fc.property(anyParts, anyWaivers, (parts, stretches) => {
        const segments = parts.flatMap((state, i) => (state === null ? [] : [segment(state, i, i + 1, state)]));
        const waivers = stretches.map(([from, length], i) => ({
          ...hoursOf(from, Math.min(24, from + length)),
          reason: `no ${i}`,
          actor: "ana",
        }));
        const { slots, gaps } = stand(hours, segments, { waivers });
        expect(slots.due).toBe(slots.covered + slots.empty + slots.waived + slots.gap);
        const disputed = parts.filter((state) => state === "disputed").length;
        expect(gaps.filter(({ cause }) => cause === "disputed").reduce((n, gap) => n + gap.slots, 0)).toBe(disputed);
      }),
    );
  });
});

describe("the place of a gap", () => {
  const cases: readonly { readonly name: string; readonly covered: readonly [number, number][]; places: string[] }[] = [
    { name: "nothing is there", covered: [], places: ["whole"] },
    { name: "the middle is there", covered: [[6, 12]], places: ["leading", "trailing"] },
    {
      name: "both ends are there",
      covered: [
        [0, 3],
        [20, 24],
      ],
      places: ["inner"],
    },
  ];

  it.each(cases)("when $name", ({ covered, places }) => {
    const segments = covered.map(([from, to]) => segment("covered", from, to, null));
    const standing = stand(hours, segments, {});
    expect(standing.gaps.map((gap) => placeOf(standing, segments, gap))).toEqual(places);
  });
});

it("keeps up with fifty thousand holes", () => {
  const minutes: Axis = { ...hours, grid: { grain: "1m", zone: "UTC" }, settleMs: 0 };
  const start = at("2024-03-01");
  const holes = Array.from({ length: 50_000 }, (_, i) => ({
    start: instant(start + i * 10 * MINUTE),
    end: instant(start + (i * 10 + 2) * MINUTE),
  }));
  const whole = { start, end: instant(start + 500_000 * MINUTE) };
  const answer = { answered: [{ ...whole, chunk: "a" }], holes, blocked: [] };
  const segments = applyFindings(applyFindings([], answer), { ...answer, holes });
  const standing = stand(minutes, segments, { span: whole, now: at("2026-01-01") });
  expect(standing.slots).toMatchObject({ due: 500_000, empty: 100_000, covered: 400_000, gap: 0 });
});

type ClaimTuple = [number, number, string];

function claimed(segments: Segments, [from, length, kind]: ClaimTuple): Segments {
  const window = hoursOf(from, Math.min(24, from + length));
  if (kind === "failed" || kind === "refused") {
    return applyUnanswered(segments, { ...window, state: kind, reason: kind, chunk: kind });
  }
  const holes = kind === "hole" ? [window] : [];
  return applyFindings(segments, { answered: [{ ...window, chunk: "a" }], holes, blocked: [] });
}

function gapsOf(segments: Segments): readonly Gap[] {
  return stand(hours, segments, {}).gaps;
}

function stand(
  axis: Axis,
  segments: Segments,
  options: {
    readonly span?: Interval;
    readonly now?: Instant;
    readonly refusedAt?: Instant | null;
    readonly leaveOut?: "fresh" | IntervalSet;
    readonly waivers?: readonly Waiver[];
    readonly takenBack?: readonly TakenBack[];
  },
): Standing {
  const { span: asked = DAY_ONE, now = NOW, refusedAt = null, leaveOut = "fresh", waivers = [] } = options;
  return standingOf(series(axis), segments, {
    span: asked,
    now,
    realNow: NOW,
    refusedAt: () => refusedAt,
    leaveOut,
    waivers,
    takenBack: options.takenBack ?? [],
  });
}

function series(axis: Axis): Series {
  return {
    dataset: "trial.hours",
    version: 1,
    key: seriesKey(["A", axis.grid.grain]),
    parts: { name: "A" },
    entry: "A",
    axis,
    since: axis.lifetime.start,
    source: "trial",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

function segment(state: Segment["state"], from: number, to: number, reason: string | null): Segment {
  const asked = state === "failed" || state === "refused" ? 0 : 1;
  return { ...hoursOf(from, to), state, asked, reason, chunk: reason === null ? null : "run-1.1" };
}

function hoursOf(from: number, to: number): Interval {
  return { start: instant(DAY_ONE.start + from * HOUR), end: instant(DAY_ONE.start + to * HOUR) };
}

function words(gap: Gap): string {
  const hour = (ms: number): string => String((ms - DAY_ONE.start) / HOUR).padStart(2, "0");
  return `${hour(gap.start)}-${hour(gap.end)} ${gap.cause} ${gap.slots}: ${gap.reason}`;
}

function span(from: string, to: string): Interval {
  return { start: at(from), end: at(to) };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

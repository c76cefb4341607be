import type { Instant } from "../time/instant.ts";
import type { Interval } from "../time/interval.ts";
import { clip, EMPTY, type IntervalSet, intersect, normalize, subtract, union } from "../time/interval-set.ts";

/**
 * What was answered for a stretch of one series. What no segment holds was never asked.
 *
 * - `covered`: answered; on a sparse axis quiet slots inside are ordinary.
 * - `empty`: asked at least twice, answered without a row where one was owed (verified-empty); an earlier answer may have
 *   had the row, which the latest lacks.
 * - `hole`: answered once without a row where one was owed, or a suspect silence; a gap until asked again.
 * - `blocked`: a check stopped the rows that came; a gap.
 * - `disputed`: the ledger said covered, the stored rows say otherwise; a gap that bronze can heal without a call.
 * - `failed`: tried and given up; `refused`: the source will not serve it. Both are gaps.
 */
export type SegmentState = "covered" | "empty" | "hole" | "blocked" | "disputed" | "failed" | "refused";

export interface Segment extends Interval {
  readonly state: SegmentState;
  /** How many answered requests covered it, whatever they said: 0 (`failed`, `refused`), 1, or 2 for two and more. */
  readonly asked: number;
  /** Why, for every state but `covered`; there null, but where rows are far fewer than usual. */
  readonly reason: string | null;
  /** The chunk that made the claim; of merged silences the first one's; null for `covered`, `disputed`. */
  readonly chunk: string | null;
  /** For rows made from other datasets: every change of the inputs up to this place in the change log is in them. */
  readonly seq?: number;
}

/** Segments of one series: sorted, disjoint; neighbours that say the same are merged. */
export type Segments = readonly Segment[];

/** What one publication learned about one series. */
export interface Findings {
  /** Stretches that were asked and completely answered now, each with the chunk that did. */
  readonly answered: readonly (Interval & { readonly chunk: string })[];
  /** Of everything ever answered: due stretches without a row that are holes (dense) or suspect (sparse). */
  readonly holes: IntervalSet;
  /** Of everything ever answered: slots with far fewer rows than is usual for the key. */
  readonly thin?: IntervalSet;
  /** Disputed stretches whose rows were published again from bronze: answered long ago, not asked now. */
  readonly restored?: IntervalSet;
  /** Stretches whose stored answers were judged again by other decisions: not asked now; what changed is new. */
  readonly rejudged?: IntervalSet;
  /** Slots whose rows a check stopped now, with the reason. */
  readonly blocked: readonly (Interval & { readonly chunk: string; readonly reason: string })[];
}

/** The members of `segments` in any of `states`, as a set. */
export function setOf(segments: Segments, ...states: readonly SegmentState[]): IntervalSet {
  return spansOf(segments.filter((segment) => states.includes(segment.state)));
}

/** Where `members` lie, as a set of bare intervals, without what else they say. */
export function spansOf(members: readonly Interval[]): IntervalSet {
  return normalize(members.map(({ start, end }) => ({ start, end })));
}

/** Everything that was ever answered. */
export function answeredSet(segments: Segments): IntervalSet {
  return setOf(segments, "covered", "empty", "hole", "blocked", "disputed");
}

/**
 * The segments of a series after a publication. Each instant is judged by itself, from what was known of it, how often
 * it is answered now and what the stored rows say, so that no state depends on how publications are grouped; only the
 * reason of a silence tells whether it was covered between two of them.
 */
export function applyFindings(before: Segments, findings: Findings): Segments {
  const { answered, holes, blocked, thin = EMPTY, restored = EMPTY, rejudged = EMPTY } = findings;
  const known = follow(before);
  const answers = follow(answered);
  const stops = follow(blocked);
  const silences = follow(holes);
  const whispers = follow(thin);
  const returns = follow([...restored, ...rejudged]);
  const after: Segment[] = [];
  // Segments are written out, here and below: spreading objects costs ten times as much, and there may be many.
  for (const { start, end } of elementary(before, answered, blocked, holes, thin, restored, rejudged)) {
    const earlier = known(start)[0] ?? null;
    const now = answers(start);
    const latest = now[now.length - 1] ?? null;
    const settled = latest !== null || returns(start).length > 0;
    const asked = Math.min(MOST_ASKED, (earlier?.asked ?? 0) + now.length);
    if (asked === 0 || (earlier !== null && stands(earlier) && !settled)) {
      if (earlier !== null) after.push(within(earlier, start, end));
      continue;
    }
    // A stop counts where its own answer is the latest: rows outside what was asked claim nothing.
    const stop = stops(start).findLast((one) => settled && (latest === null || latest.chunk === one.chunk));
    if (stop) after.push({ start, end, state: "blocked", asked, reason: stop.reason, chunk: stop.chunk });
    else if (silences(start).length > 0) {
      const { state, reason } = asked < MOST_ASKED ? ONCE : isTakenBack(earlier, now) ? TAKEN_BACK : AGAIN;
      after.push({ start, end, state, asked, reason, chunk: latest?.chunk ?? earlier?.chunk ?? null });
    } else if (whispers(start).length > 0) {
      const { state, reason } = asked < MOST_ASKED ? THIN_ONCE : THIN_AGAIN;
      const chunk = latest?.chunk ?? earlier?.chunk ?? null;
      after.push({ start, end, state, asked, reason, chunk: state === "hole" ? chunk : null });
    } else after.push({ start, end, state: "covered", asked, reason: null, chunk: null });
  }
  return inOrder(after);
}

/** Asked more often is not told apart: covered stretches would fall into pieces that mean the same. */
const MOST_ASKED = 2;

const ONCE = { state: "hole", reason: "answered without a row, asked once" } as const;
const AGAIN = { state: "empty", reason: "empty at source, asked at least twice" } as const;
const TAKEN_BACK = { state: "empty", reason: "empty at source now, covered before" } as const;

const THIN_ONCE = { state: "hole", reason: "far fewer rows than usual, asked once" } as const;
const THIN_AGAIN = { state: "covered", reason: "far fewer rows than usual, asked at least twice" } as const;

/** Stretches that stand with far fewer rows than is usual, because the source said the same twice. */
export function thinSegments(segments: Segments): Segments {
  return segments.filter(({ state, reason }) => state === THIN_AGAIN.state && reason === THIN_AGAIN.reason);
}

/** Whether a verified silence was covered when it was answered before: the source has taken its row back. */
function isTakenBack(earlier: Segment | null, now: readonly Interval[]): boolean {
  if (earlier === null) return false;
  if (earlier.state === "covered") return now.length > 0;
  return earlier.state === TAKEN_BACK.state && earlier.reason === TAKEN_BACK.reason;
}

/** Whether a segment keeps its state until it is answered or restored, whatever rows are stored. */
function stands(segment: Segment): boolean {
  return segment.state === "blocked" || segment.state === "disputed";
}

/**
 * The segments after a request that was given up (`failed`) or turned down (`refused`).
 * It never degrades what was answered before; it replaces an earlier failure or refusal.
 */
export function applyUnanswered(
  before: Segments,
  claim: Interval & { readonly state: "failed" | "refused"; readonly reason: string; readonly chunk: string },
): Segments {
  const open = subtract([claim], answeredSet(before));
  const kept = before.flatMap((segment) =>
    segment.state === "failed" || segment.state === "refused" ? cut([segment], subtract([segment], open)) : [segment],
  );
  return inOrder([
    ...kept,
    ...open.map((span) => ({ ...span, state: claim.state, asked: 0, reason: claim.reason, chunk: claim.chunk })),
  ]);
}

/** The segments after a check found that stored rows and ledger disagree on `spans`, all of them answered before. */
export function applyDispute(
  before: Segments,
  dispute: { readonly spans: IntervalSet; readonly reason: string },
): Segments {
  const spans = intersect(dispute.spans, answeredSet(before));
  const kept = before.flatMap((segment) => cut([segment], subtract([segment], spans)));
  const disputed = cut(before, spans).map(
    (segment): Segment => ({ ...segment, state: "disputed", reason: dispute.reason, chunk: null }),
  );
  return inOrder([...kept, ...disputed]);
}

/** What one build made of a series whose rows come from other datasets. */
export interface Built {
  /** The stretches that were made. */
  readonly windows: IntervalSet;
  /** The last change of any input that the build read. */
  readonly seq: number;
  /** What no change up to `seq` has reached besides: as good as made now. */
  readonly current: IntervalSet;
  /** What cannot be made any more, because its input was taken back: nothing is claimed there. */
  readonly withdrawn: IntervalSet;
}

/** The segments of a made series after a build. */
export function applyBuilt(before: Segments, { windows, seq, current, withdrawn }: Built): Segments {
  const gone = union(windows, withdrawn);
  const others = before.flatMap((segment) => cut([segment], subtract([segment], gone)));
  const lifted = cut(others, current).map((segment): Segment => {
    const { start, end, state, asked, reason, chunk } = segment;
    return segment.state === "covered" ? { start, end, state, asked, reason, chunk, seq } : segment;
  });
  const kept = others.flatMap((segment) => cut([segment], subtract([segment], current)));
  const made = windows.map(
    ({ start, end }): Segment => ({ start, end, state: "covered", asked: 1, reason: null, chunk: null, seq }),
  );
  return inOrder([...kept, ...lifted, ...made]);
}

/** `segments` reduced to `spans`, each keeping what it says. O(n log m). */
export function cut(segments: readonly Segment[], spans: IntervalSet): Segment[] {
  const parts: Segment[] = [];
  for (const segment of segments) {
    for (const { start, end } of clip(spans, segment)) parts.push(within(segment, start, end));
  }
  return parts;
}

/** The part of a segment from `start` to `end`, saying the same. */
function within({ state, asked, reason, chunk, seq }: Segment, start: Instant, end: Instant): Segment {
  return seq === undefined
    ? { start, end, state, asked, reason, chunk }
    : { start, end, state, asked, reason, chunk, seq };
}

/** The canonical list: sorted, neighbours that say the same merged. */
export function inOrder(segments: readonly Segment[]): Segments {
  const sorted = [...segments].sort((a, b) => a.start - b.start);
  const merged: Segment[] = [];
  for (const next of sorted) {
    const last = merged[merged.length - 1];
    if (last && last.end === next.start && saysTheSame(last, next))
      merged[merged.length - 1] = within(last, last.start, next.end);
    else merged.push(next);
  }
  return merged;
}

/** Silences merge whoever heard them, so that where they begin and end does not depend on how requests were cut. */
function saysTheSame(a: Segment, b: Segment): boolean {
  if (a.state !== b.state || a.asked !== b.asked || a.reason !== b.reason || a.seq !== b.seq) return false;
  return a.chunk === b.chunk || a.state === "hole" || a.state === "empty";
}

/** Time cut wherever any of the intervals begins or ends, in order. */
function elementary(...lists: readonly (readonly Interval[])[]): readonly Interval[] {
  const edges = new Set<Instant>();
  for (const list of lists) for (const { start, end } of list) edges.add(start).add(end);
  const cuts = [...edges].sort((a, b) => a - b);
  return cuts.slice(1).map((end, i) => ({ start: cuts[i] as Instant, end }));
}

/** Tells the members that hold an instant, in their order in `list`; it must be asked for rising instants. */
function follow<T extends Interval>(list: readonly T[]): (at: Instant) => readonly T[] {
  const waiting = list.map((member, place) => ({ member, place })).sort((a, b) => a.member.start - b.member.start);
  let next = 0;
  let open: { readonly member: T; readonly place: number }[] = [];
  let members: readonly T[] = [];
  return (at) => {
    const still = open.filter(({ member }) => member.end > at);
    const moved = still.length < open.length || (waiting[next]?.member.start ?? Number.POSITIVE_INFINITY) <= at;
    if (!moved) return members;
    for (; next < waiting.length; next++) {
      const one = waiting[next] as (typeof waiting)[number];
      if (one.member.start > at) break;
      if (one.member.end > at) still.push(one);
    }
    open = still.sort((a, b) => a.place - b.place);
    members = open.map(({ member }) => member);
    return members;
  };
}

import { spansOf } from "../../core/coverage/segment.ts";
import { nearestNames, RetrofillError } from "../../core/errors.ts";
import { countSlotsOf, type Grid, slotAt } from "../../core/time/grid.ts";
import { formatInstant, formatShort, type Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, subtract } from "../../core/time/interval-set.ts";
import type { Decision } from "../ledger-port.ts";
import { allDatasets, type DatasetPlace, findSeries, requestOfSeries, type SeriesPlace } from "../place.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import type { Project } from "../project.ts";
import { type WaiverRecord, waiverRecords } from "./waivers.ts";

/** What a waiver, or its end, changed of one series. */
export interface WaiveEffect {
  readonly decision: Decision;
  /** The waived stretch: whole slots. */
  readonly span: Interval;
  /** What it hides from the gaps, or shows again. */
  readonly moved: IntervalSet;
  readonly slots: number;
  /** Gap slots in the stretch afterwards. */
  readonly gapSlots: number;
}

/**
 * Decides to do without a stretch of one series, once and for all or until an instant: what is missing, failed or
 * refused there is no gap while it holds, nor will be; what is disputed stays one.
 * @throws RetrofillError USAGE, KEY_UNKNOWN
 */
export async function waive(
  project: Project,
  place: SeriesPlace,
  asked: { readonly span: Interval; readonly reason: string; readonly until: Instant | null },
): Promise<WaiveEffect> {
  const { series } = place;
  const now = project.businessNow();
  const reason = requireReason(asked.reason);
  if (asked.until !== null && asked.until <= now) {
    throw new RetrofillError("USAGE", `--until ${formatShort(asked.until)} has passed at ${formatInstant(now)}`);
  }
  const span = slotsStartingIn(series.axis.grid, asked.span);
  if (span === null) {
    const { start, end } = asked.span;
    throw new RetrofillError(
      "USAGE",
      `no ${series.axis.grid.grain} slot of ${series.key} starts from ${formatShort(start)} to ${formatShort(end)}`,
    );
  }
  return effectOf(project, place, span, () =>
    project.ledger.decide({
      kind: "waive",
      at: project.clock.now(),
      actor: project.actor,
      reason,
      dataset: series.dataset,
      version: series.version,
      key: series.key,
      span,
      until: asked.until,
      subject: null,
    }),
  );
}

/** Every waiver ever decided, oldest first. */
export async function listWaivers(project: Project): Promise<readonly WaiverRecord[]> {
  return waiverRecords(await project.ledger.decisions({ kinds: ["waive", "unwaive"] }), project.businessNow());
}

/** Ends a waiver: what it hid is a gap again. @throws RetrofillError USAGE */
export async function endWaiver(project: Project, id: string, reason: string): Promise<WaiveEffect> {
  const records = await listWaivers(project);
  const found = records.find((one) => String(one.id) === id);
  if (!found) {
    const known = records.filter(({ standing }) => standing === "holds").map((one) => String(one.id));
    const near = nearestNames(id, known);
    throw new RetrofillError("USAGE", `no waiver ${id}`, {
      hint:
        near.length > 0
          ? `did you mean ${near.join(", ")}? retrofill waive list shows them`
          : "retrofill waive list shows them",
    });
  }
  if (found.endedBy !== null) {
    throw new RetrofillError(
      "USAGE",
      `waiver ${id} was ended by ${found.endedBy.actor} at ${formatInstant(found.endedBy.at)}`,
    );
  }
  const place = await findSeries(project, placeOf(project, found), found.key);
  return effectOf(project, place, found.span, () =>
    project.ledger.decide({
      kind: "unwaive",
      at: project.clock.now(),
      actor: project.actor,
      reason: requireReason(reason),
      dataset: found.dataset,
      version: found.version,
      key: found.key,
      span: found.span,
      until: null,
      subject: String(found.id),
    }),
  );
}

/** The slots that start inside `span`, as one interval; null when none does. */
export function slotsStartingIn(grid: Grid, span: Interval): Interval | null {
  const from = (at: Instant): Instant => {
    const slot = slotAt(grid, at);
    return slot.start === at ? at : slot.end;
  };
  const start = from(span.start);
  const end = from(span.end);
  return start < end ? { start, end } : null;
}

async function effectOf(
  project: Project,
  place: SeriesPlace,
  span: Interval,
  decide: () => Promise<Decision>,
): Promise<WaiveEffect> {
  const before = spansOf((await standingIn(project, place, span))?.standing.waived ?? []);
  const decision = await decide();
  const standing = (await standingIn(project, place, span))?.standing;
  const after = spansOf(standing?.waived ?? []);
  const moved = decision.kind === "waive" ? subtract(after, before) : subtract(before, after);
  const slots = countSlotsOf(place.series.axis.grid, moved);
  return { decision, span, moved, slots, gapSlots: standing?.slots.gap ?? 0 };
}

/** The series inside the stretch, as it stands now; null where nothing of it has come yet or nobody owes it any more. */
async function standingIn(project: Project, place: SeriesPlace, span: Interval): Promise<ScopedSeries | null> {
  if (!place.entry.active) return null;
  const scoped = await scopeOf(project, place.bound, [place.dataset], requestOfSeries(place, span), {
    now: project.businessNow(),
    leaveOut: "fresh",
  });
  return scoped.find(({ series }) => series.key === place.series.key) ?? null;
}

function placeOf(project: Project, { dataset, version }: WaiverRecord): DatasetPlace {
  const found = allDatasets(project).find((one) => one.dataset.name === dataset && one.dataset.version === version);
  if (found) return found;
  throw new RetrofillError("SELECTOR_UNKNOWN", `${dataset} v${version} is not declared any more`);
}

function requireReason(text: string): string {
  if (text.trim() === "") throw new RetrofillError("USAGE", "--reason: a decision needs one");
  return text.trim();
}

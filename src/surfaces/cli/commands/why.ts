import { placeOf } from "../../../core/coverage/gaps.ts";
import { nearestNames, RetrofillError } from "../../../core/errors.ts";
import type { FetchChunk, FetchStep } from "../../../core/plan/plan.ts";
import { formatInstant } from "../../../core/time/instant.ts";
import { formatInterval, overlaps } from "../../../core/time/interval.ts";
import { clip } from "../../../core/time/interval-set.ts";
import { scopeOf } from "../../../engine/plan/scope.ts";
import { selection } from "../../../engine/plan/selection.ts";
import { requestIdentity } from "../../../engine/ports.ts";
import { sourceNamed } from "../../../engine/project.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { readSlot } from "../request.ts";

/** Follows the reasons for one cell of a plan: `SERIES@TIME`. */
export function why(planId: string, cell: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const plan = await project.ledger.plan(planId);
      if (!plan)
        throw new RetrofillError("PLAN_UNKNOWN", `no plan ${planId}`, { hint: "retrofill plan SELECTOR makes one" });
      const [key = "", time] = cell.split("@");
      const planned = plan.series.find((one) => one.key === key || `${one.dataset}/${one.key}` === key);
      if (!planned || time === undefined) {
        const near = nearestNames(
          key,
          plan.series.map((one) => one.key),
        );
        throw new RetrofillError(
          "KEY_UNKNOWN",
          `${cell}: the plan has no such cell${near.length > 0 ? ` (did you mean ${near.join(", ")}?)` : ""}`,
          {
            hint: "a cell is SERIES@TIME, such as AAPL/1d@2026-01-30",
          },
        );
      }
      const { bound, datasets } = selection(project, plan.request);
      const scoped = await scopeOf(project, bound, datasets, plan.request, {
        now: plan.businessNow,
        leaveOut: "fresh",
      });
      const one = scoped.find(({ series }) => series.key === key && series.dataset === planned.dataset);
      if (!one) throw new RetrofillError("KEY_UNKNOWN", `${key} is not declared any more`);
      const { axis } = one.series;
      const slot = readSlot("CELL", time, axis.grid);
      const sessions = axis.calendar.sessions(slot).filter((s) => overlaps({ start: s.open, end: s.close }, slot));
      const due = clip(one.standing.due, slot).length > 0;
      const gap = one.standing.gaps.find((candidate) => overlaps(candidate, slot));
      const segment = one.segments.find((candidate) => overlaps(candidate, slot));
      const asks = (chunk: FetchChunk): boolean =>
        (chunk.keys ?? [chunk.key]).includes(one.series.key) && overlaps(chunk, slot);
      const step = plan.steps.find(
        (candidate): candidate is FetchStep =>
          candidate.kind === "fetch" && candidate.dataset === planned.dataset && candidate.chunks.some(asks),
      );
      const chunk = step?.chunks.find(asks);
      const target =
        step &&
        chunk &&
        requestIdentity(sourceNamed(bound, step.dataset, step.source).source.request(one.series, chunk));
      const chain = [
        `cell       ${key} ${formatInterval(slot)}, ${axis.density} axis, ${axis.calendar.name} v${axis.calendar.version}`,
        sessions.length === 0
          ? "session    none: the calendar is closed, nothing is due"
          : `session    ${sessions[0]?.date}: ${formatInstant(sessions[0]?.open ?? slot.start)} to ${formatInstant(sessions[0]?.close ?? slot.end)}${sessions[0]?.early ? " (early close)" : ""}`,
        `due        ${due ? "yes" : `no: outside ${planned.effective === null ? "everything" : formatInterval(planned.effective)}, its lifetime, or not settled at ${formatInstant(plan.businessNow)}`}`,
        `truth      ${segment ? `${segment.state}, asked ${segment.asked} times${segment.reason === null ? "" : `: ${segment.reason}`}` : (gap?.reason ?? "never asked")}`,
        `gap        ${gap ? `${formatInterval(gap)}, ${gap.slots} slots, ${placeOf(one.standing, one.segments, gap)}: ${gap.reason}` : "no"}`,
        `request    ${target === undefined ? "none in this plan" : `${step?.source} ${target}`}`,
      ];
      for (const line of chain) context.output.line(line);
      context.output.document({
        plan: plan.id,
        key,
        slot,
        due,
        truth: segment ?? null,
        gap: gap ?? null,
        chunk: chunk ?? null,
      });
      return EXIT.done;
    });
}

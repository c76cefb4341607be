import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import { endWaiver, listWaivers, type WaiveEffect, waive } from "../../../engine/decide/waive.ts";
import type { WaiverRecord } from "../../../engine/decide/waivers.ts";
import { findDataset, findSeries } from "../../../engine/place.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { type Output, plural, table } from "../output.ts";
import { readTime } from "../request.ts";

export interface WaiveFlags {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly until?: string;
}

/** Decides to do without a stretch of one series, and says what that hides. */
export function add(dataset: string, key: string, { from, to, reason, until }: WaiveFlags) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const place = await findSeries(project, findDataset(project, dataset), key);
      const effect = await waive(project, place, {
        span: { start: readTime("--from", from), end: readTime("--to", to) },
        reason,
        until: until === undefined ? null : readTime("--until", until),
      });
      const { decision, slots } = effect;
      const end = decision.until === null ? "" : ` until ${formatShort(decision.until)}`;
      context.output.line(
        `Waiver ${decision.ordinal}: ${place.series.key} ${stretch(effect)}${end}, by ${decision.actor}: ${decision.reason}`,
      );
      context.output.line(slots === 0 ? "  hides nothing now" : `  hides ${plural(slots, "missing slot")}`);
      printLeft(context.output, effect);
      context.output.document(documentOf(effect));
      return EXIT.done;
    });
}

/** Ends a waiver. */
export function end(id: string, { reason }: { readonly reason: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const effect = await endWaiver(project, id, reason);
      const { decision, slots } = effect;
      context.output.line(
        `Waiver ${id} ended: ${decision.key} ${stretch(effect)}, by ${decision.actor}: ${decision.reason}`,
      );
      context.output.line(slots === 0 ? "  it hid nothing" : `  ${plural(slots, "slot")} missing again`);
      context.output.document(documentOf(effect));
      return EXIT.done;
    });
}

/** Every waiver ever decided, oldest first. */
export function list() {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      const waivers = await listWaivers(project);
      if (waivers.length === 0)
        output.line('No waivers: retrofill waive DATASET KEY --from … --to … --reason "…" makes one');
      else {
        const rows = waivers.map((one) => [
          String(one.id),
          one.dataset,
          one.key,
          formatShort(one.span.start),
          formatShort(one.span.end),
          standingText(one),
          one.actor,
          one.reason,
        ]);
        for (const line of table(["ID", "DATASET", "SERIES", "FROM", "TO", "STANDS", "BY", "REASON"], rows, [0]))
          output.line(line);
      }
      output.document(
        waivers.map(({ span, at, until, endedBy, ...rest }) => ({
          ...rest,
          start: formatInstant(span.start),
          end: formatInstant(span.end),
          at: formatInstant(at),
          until: until === null ? null : formatInstant(until),
          ended_by: endedBy === null ? null : { ...endedBy, at: formatInstant(endedBy.at) },
        })),
      );
      return EXIT.done;
    });
}

function standingText({ standing, until, endedBy }: WaiverRecord): string {
  if (standing === "ended") return `ended by ${endedBy?.actor ?? ""}: ${endedBy?.reason ?? ""}`;
  if (until === null) return "holds";
  return standing === "over" ? `over since ${formatShort(until)}` : `holds until ${formatShort(until)}`;
}

function stretch({ span }: WaiveEffect): string {
  return `${formatShort(span.start)} to ${formatShort(span.end)}`;
}

function printLeft(output: Output, { gapSlots }: WaiveEffect): void {
  if (gapSlots > 0)
    output.line(
      `  ${plural(gapSlots, "slot")} there ${gapSlots === 1 ? "stays a gap" : "stay gaps"}: what is disputed is never waived`,
    );
}

function documentOf({ decision, span, moved, slots, gapSlots }: WaiveEffect): object {
  return {
    id: decision.ordinal,
    kind: decision.kind,
    dataset: decision.dataset,
    key: decision.key,
    start: formatInstant(span.start),
    end: formatInstant(span.end),
    until: decision.until === null ? null : formatInstant(decision.until),
    actor: decision.actor,
    reason: decision.reason,
    slots,
    stretches: moved.map((one) => ({ start: formatInstant(one.start), end: formatInstant(one.end) })),
    gap_slots: gapSlots,
  };
}

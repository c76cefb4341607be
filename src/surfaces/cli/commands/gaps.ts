import { type Gap, placeOf } from "../../../core/coverage/gaps.ts";
import { countSlotsOf } from "../../../core/time/grid.ts";
import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import type { Interval } from "../../../core/time/interval.ts";
import { clip } from "../../../core/time/interval-set.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, type Output, plural, table } from "../output.ts";
import type { RequestFlags } from "../request.ts";
import { readScope } from "./reading.ts";

/** Longer lists are cut for people; `--json` has all. */
const SHOWN = 40;

/** What is missing and why, what is empty at the source, what the source refused, what somebody waived. */
export function gaps(selector: string | null, flags: RequestFlags & { readonly check?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { scoped, now } = await readScope(opened, selector, flags);
      const { output } = context;
      const open = scoped.flatMap((one) => one.standing.gaps.map((gap) => ({ one, gap })));
      const empty = scoped.flatMap((one) => one.standing.empty.map((segment) => ({ one, segment })));
      const refused = scoped.flatMap((one) => one.standing.refused.map((segment) => ({ one, segment })));
      const waived = scoped.flatMap((one) => one.standing.waived.map((waiver) => ({ one, waiver })));
      output.line(`As of ${formatInstant(now)}${opened.pinnedNow === null ? "" : " (pinned)"}, UTC, ends exclusive`);
      output.line();
      if (open.length === 0) output.line(`No gaps in ${plural(scoped.length, "series", "series")}.`);
      else {
        const slots = open.reduce((sum, { gap }) => sum + gap.slots, 0);
        output.line(`${plural(open.length, "gap")}, ${plural(slots, "slot")}:`);
        printSpans(
          output,
          open.map(({ one, gap }) => [
            one,
            gap,
            gap.slots,
            `${gap.reason} (${placeOf(one.standing, one.segments, gap)})`,
          ]),
        );
        for (const line of patternsOf(scoped)) output.line(line);
      }
      if (empty.length > 0) {
        output.line();
        output.line("Empty at source (asked again, complete):");
        printSpans(
          output,
          empty.map(({ one, segment }) => [one, segment, slotsIn(one, segment), segment.reason ?? ""]),
        );
      }
      if (refused.length > 0) {
        output.line();
        output.line("Refused by the source (asked again after a day):");
        printSpans(
          output,
          refused.map(({ one, segment }) => [one, segment, null, segment.reason ?? ""]),
        );
      }
      if (waived.length > 0) {
        output.line();
        output.line("Waived (missing, and no gap; retrofill waive list names the decisions):");
        printSpans(
          output,
          waived.map(({ one, waiver }) => [one, waiver, slotsIn(one, waiver), `${waiver.reason} (${waiver.actor})`]),
        );
      }
      output.document({
        business_now: formatInstant(now),
        gaps: open.map(({ one, gap }) => ({
          ...spanOf(one, gap),
          cause: gap.cause,
          slots: gap.slots,
          reason: gap.reason,
        })),
        empty_at_source: empty.map(({ one, segment }) => ({ ...spanOf(one, segment), asked: segment.asked })),
        refused: refused.map(({ one, segment }) => ({ ...spanOf(one, segment), reason: segment.reason })),
        waived: waived.map(({ one, waiver }) => ({
          ...spanOf(one, waiver),
          slots: slotsIn(one, waiver),
          reason: waiver.reason,
          actor: waiver.actor,
        })),
      });
      return flags.check === true && open.length > 0 ? EXIT.incomplete : EXIT.done;
    });
}

function printSpans(
  output: Output,
  spans: readonly (readonly [ScopedSeries, Interval, number | null, string])[],
): void {
  const rows = spans
    .slice(0, SHOWN)
    .map(([one, span, slots, why]) => [
      one.series.key,
      formatShort(span.start),
      formatShort(span.end),
      slots === null ? "" : count(slots),
      why,
    ]);
  for (const line of table(["SERIES", "FROM", "TO", "SLOTS", "WHY"], rows, [3])) output.line(`  ${line}`);
  if (spans.length > SHOWN) output.line(`  … and ${count(spans.length - SHOWN)} more (--json lists all)`);
}

/** Due slots of a stretch. */
function slotsIn({ series, standing }: ScopedSeries, span: Interval): number {
  return countSlotsOf(series.axis.grid, clip(standing.due, span));
}

/** Gaps that many series share, so that one cause is not read as many. */
function patternsOf(scoped: readonly ScopedSeries[]): readonly string[] {
  const byRange = new Map<string, { gap: Gap; keys: string[] }>();
  for (const { series, standing } of scoped) {
    for (const gap of standing.gaps) {
      const id = `${gap.start} ${gap.end}`;
      const found = byRange.get(id) ?? { gap, keys: [] };
      byRange.set(id, found);
      found.keys.push(series.key);
    }
  }
  return [...byRange.values()]
    .filter(({ keys }) => keys.length > 1 && keys.length >= scoped.length / 2)
    .map(
      ({ gap, keys }) =>
        `  common to ${keys.length} of ${scoped.length} series: ${formatShort(gap.start)} to ${formatShort(gap.end)}`,
    );
}

function spanOf(one: ScopedSeries, span: Interval): object {
  return { key: one.series.key, start: formatInstant(span.start), end: formatInstant(span.end) };
}

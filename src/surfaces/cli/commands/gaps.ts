import { writeFile } from "node:fs/promises";
import type { DayReportRow } from "../../../core/coverage/day-report.ts";
import { placeOf } from "../../../core/coverage/gaps.ts";
import { cut, type Segment, thinSegments } from "../../../core/coverage/segment.ts";
import { RetrofillError } from "../../../core/errors.ts";
import { countSlotsOf, isOfDays } from "../../../core/time/grid.ts";
import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import type { Interval } from "../../../core/time/interval.ts";
import { clip } from "../../../core/time/interval-set.ts";
import { daysTouched } from "../../../core/time/local-days.ts";
import type { DayPlan } from "../../../engine/plan/day-plan.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, type Output, plural, table } from "../output.ts";
import { dayFigures } from "../render/day-figures.ts";
import { nameOf, titled } from "../render/entry-name.ts";
import type { RequestFlags } from "../request.ts";
import { CLOSED_DAYS_UNSEEN, readDayPlan, readScope } from "./reading.ts";

/** Longer lists are cut for people; `--json` has all. */
const SHOWN = 40;

/** Characters of a reason that names beside keys must leave room for. */
const LEAST_WHY = 20;

/** What is missing and why, what is empty at the source, what the source refused, what somebody waived. */
export function gaps(
  selector: string | null,
  flags: RequestFlags & { readonly check?: boolean; readonly report?: string },
) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const reading = await readScope(opened, selector, flags);
      const { scoped, now } = reading;
      const { output } = context;
      // The rows are looked at only for who wants the report: the rest is the ledger's.
      const wantsReport = flags.report !== undefined || output.json;
      const planned = await readDayPlan(reading, wantsReport ? opened.project : null);
      if (wantsReport && planned?.plan.closedDayRows === null) output.note(CLOSED_DAYS_UNSEEN);
      if (flags.report !== undefined) await writeReport(context, flags.report, planned);
      const open = scoped.flatMap((one) => one.standing.gaps.map((gap) => ({ one, gap })));
      const empty = scoped.flatMap((one) => one.standing.empty.map((segment) => ({ one, segment })));
      const refused = scoped.flatMap((one) => one.standing.refused.map((segment) => ({ one, segment })));
      const waived = scoped.flatMap((one) => one.standing.waived.map((waiver) => ({ one, waiver })));
      const thin = scoped.flatMap((one) => thinOf(one).map((segment) => ({ one, segment })));
      output.line(
        `As of ${formatInstant(now)}${opened.pinnedNow === null ? "" : " (pinned)"}, UTC; ${readingOf(scoped)}`,
      );
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
        for (const line of planned === null ? patternsOf(scoped) : commonOf(planned.plan)) output.line(line);
      }
      if (empty.length > 0) {
        output.line();
        output.line("Empty at source (asked again, complete):");
        printSpans(
          output,
          empty.map(({ one, segment }) => [one, segment, slotsIn(one, segment), segment.reason ?? ""]),
        );
      }
      if (thin.length > 0) {
        output.line();
        output.line("Far fewer rows than usual (asked again, the source says the same):");
        printSpans(
          output,
          thin.map(({ one, segment }) => [one, segment, slotsIn(one, segment), segment.reason ?? ""]),
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
        far_fewer_rows: thin.map(({ one, segment }) => spanOf(one, segment)),
        refused: refused.map(({ one, segment }) => ({ ...spanOf(one, segment), reason: segment.reason })),
        waived: waived.map(({ one, waiver }) => ({
          ...spanOf(one, waiver),
          slots: slotsIn(one, waiver),
          reason: waiver.reason,
          actor: waiver.actor,
        })),
        ...(planned === null ? {} : { report: reportDocument(planned.plan) }),
      });
      return flags.check === true && open.length > 0 ? EXIT.incomplete : EXIT.done;
    });
}

/** Writes the plan of days as a document. @throws RetrofillError USAGE where there is none, or no place to write it */
async function writeReport(
  { output }: Context,
  file: string,
  planned: Awaited<ReturnType<typeof readDayPlan>>,
): Promise<void> {
  if (planned === null) {
    throw new RetrofillError("USAGE", "--report: a plan document is written for pipelines of days, such as retail", {
      hint: "retrofill gaps retail --report plan.md",
    });
  }
  try {
    await writeFile(file, planned.reporting.render(planned.plan));
  } catch (cause) {
    throw new RetrofillError("USAGE", `--report ${file}: cannot be written (${(cause as Error).message})`, { cause });
  }
  output.note(`wrote ${file}`);
}

/** The report as data: both meanings of coverage under their names. */
function reportDocument({ report, phases, names, closedDayRows }: DayPlan): object {
  return {
    window: { ...report.window, days: report.days },
    keys: report.rows.map((row) => ({
      key: row.key,
      name: names.get(row.key) ?? null,
      ...dayFigures(row),
      priority: row.priority,
      start: startDocument(row),
      // From when on it may have closed; it is owed days for ever unless its life is declared to end.
      end: row.end === null ? null : { since: row.end.since, declared: !row.end.isLifeOpen },
      open_days: row.open.length,
      closed: row.closed,
      gaps: row.gaps.map(({ shape, first, last, open: days }) => ({ shape, first, last, open_days: days.length })),
    })),
    common: report.common,
    closures: report.closures,
    traded_while_closed:
      closedDayRows &&
      report.rows.flatMap(({ key, tradedWhileClosed }) =>
        tradedWhileClosed.map(({ date, cause, reason }) => ({
          key,
          name: names.get(key) ?? null,
          date,
          cause,
          reason,
          rows: closedDayRows.get(key)?.get(date) ?? 0,
        })),
      ),
    holidays: report.holidays,
    phases,
  };
}

function startDocument({ start }: DayReportRow): object | null {
  if (start === null) return null;
  return { kind: start.kind, first_day: start.kind === "dark" ? null : start.firstDay };
}

function printSpans(
  output: Output,
  spans: readonly (readonly [ScopedSeries, Interval, number | null, string])[],
): void {
  const rowsWith = (title: (one: ScopedSeries) => string): readonly (readonly string[])[] =>
    spans
      .slice(0, SHOWN)
      .map(([one, span, slots, why]) => [title(one), ...shown(one, span), slots === null ? "" : count(slots), why]);
  const named = rowsWith((one) => titled(one.series.key, nameOf(one)));
  const isNarrow = named.some((row) => row.slice(0, -1).join("  ").length > output.width - LEAST_WHY);
  const rows = isNarrow ? rowsWith((one) => one.series.key) : named;
  for (const line of table(["SERIES", "FROM", "TO", "SLOTS", "WHY"], rows, [3])) output.line(`  ${line}`);
  if (spans.length > SHOWN) output.line(`  … and ${count(spans.length - SHOWN)} more (--json lists all)`);
}

/** How the stretches are to be read. */
function readingOf(scoped: readonly ScopedSeries[]): string {
  const days = scoped.filter(({ series }) => isOfDays(series.axis.grid)).length;
  if (days === 0) return "ends exclusive";
  const local = "days are local, the last one included";
  return days === scoped.length ? local : `${local}; times are UTC, ends exclusive`;
}

/** First and last of a stretch as people read them: local dates where slots are days, otherwise UTC, the end exclusive. */
function shown({ series: { axis } }: ScopedSeries, span: Interval): readonly [string, string] {
  if (!isOfDays(axis.grid)) return [formatShort(span.start), formatShort(span.end)];
  const { first, last } = daysTouched(axis.grid.zone, span);
  return [first, last];
}

/** Stretches of the scope that stand with far fewer rows than usual. */
function thinOf({ segments, standing }: ScopedSeries): readonly Segment[] {
  return cut(thinSegments(segments), standing.due);
}

/** Due slots of a stretch. */
function slotsIn({ series, standing }: ScopedSeries, span: Interval): number {
  return countSlotsOf(series.axis.grid, clip(standing.due, span));
}

/** Gaps that nearly all keys share, counted as in the plan document: longer gaps of single keys hold them too. */
function commonOf({ report, names }: DayPlan): readonly string[] {
  return report.common.map(({ first, last, whole, partly }) => {
    const some =
      partly.length === 0 ? "" : `; in part to ${partly.map((key) => titled(key, names.get(key))).join(", ")}`;
    return `  common to ${whole.length} of ${report.rows.length} series: ${first} to ${last}${some}`;
  });
}

/** Gaps that many series share, so that one cause is not read as many. */
function patternsOf(scoped: readonly ScopedSeries[]): readonly string[] {
  const byRange = new Map<string, { from: string; to: string; keys: string[] }>();
  for (const one of scoped) {
    for (const gap of one.standing.gaps) {
      const [from, to] = shown(one, gap);
      const id = `${from} ${to}`;
      const found = byRange.get(id) ?? { from, to, keys: [] };
      byRange.set(id, found);
      found.keys.push(one.series.key);
    }
  }
  return [...byRange.values()]
    .filter(({ keys }) => keys.length > 1 && keys.length >= scoped.length / 2)
    .map(({ from, to, keys }) => `  common to ${keys.length} of ${scoped.length} series: ${from} to ${to}`);
}

function spanOf(one: ScopedSeries, span: Interval): object {
  const { key, axis } = one.series;
  const name = nameOf(one);
  const named = { key, ...(name === null ? {} : { name }) };
  const instants = { ...named, start: formatInstant(span.start), end: formatInstant(span.end) };
  if (!isOfDays(axis.grid)) return instants;
  const { first, last } = daysTouched(axis.grid.zone, span);
  return { ...instants, first_day: first, last_day: last };
}

import { type GapCause, placeOf } from "../../core/coverage/gaps.ts";
import { setOf, spansOf } from "../../core/coverage/segment.ts";
import type { Pipeline } from "../../core/dataset/pipeline.ts";
import { countSlotsOf, slotsIn } from "../../core/time/grid.ts";
import { formatInstant, formatUtcDate, type Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, containsInstant, subtract } from "../../core/time/interval-set.ts";
import { localDate } from "../../core/time/zone.ts";
import type { ScopedSeries } from "../../engine/plan/scope.ts";
import { markOf } from "../cli/render/matrix.ts";
import { unfoundIn, unfoundText } from "../cli/render/unfound.ts";
import type {
  CoverageDocument,
  DayState,
  DocumentDay,
  DocumentEntry,
  DocumentGap,
  DocumentSegment,
  DocumentSeries,
  SpanState,
} from "./document.ts";

export interface DocumentOptions {
  readonly title: string;
  readonly project: string;
  readonly now: Instant;
  readonly pinned: boolean;
  readonly generatedAt: Instant;
  readonly columns: readonly string[];
  readonly pipeline: Pick<Pipeline, "noun" | "narrowing">;
  /** What `retrofill run` has to be given to fill a gap: a dataset or a pipeline. */
  readonly selector: string;
  readonly layout?: CoverageDocument["layout"];
}

/** The page's document of what `scoped` owes and has. */
export function coverageDocument(scoped: readonly ScopedSeries[], options: DocumentOptions): CoverageDocument {
  const { title, project, now, pinned, generatedAt, columns, pipeline, layout = "lanes" } = options;
  const datasets = datasetsOf(scoped);
  const unfound = unfoundIn(scoped);
  return {
    title,
    project,
    businessNow: { at: now, text: formatInstant(now), pinned },
    generatedAt: formatInstant(generatedAt),
    layout,
    noun: pipeline.noun,
    datasets,
    columns,
    entries: entriesOf(scoped, layout, new Set(unfound.map(({ entry }) => entry))),
    unfound: unfound.length === 0 ? null : unfoundText(unfound),
    series: scoped.map((one) => seriesOf(one, { ...options, isNamed: datasets.length > 1 })),
  };
}

/** The layout that suits a pipeline: one series an entry, of one slot a day, is read as a calendar. */
export function layoutFor(
  pipeline: Pick<Pipeline, "narrowing">,
  scoped: readonly ScopedSeries[],
): CoverageDocument["layout"] {
  const isDaily = scoped.length > 0 && scoped.every(({ series }) => series.axis.grid.grain === "1d");
  return isDaily && pipeline.narrowing.values.length < 2 && datasetsOf(scoped).length === 1 ? "days" : "lanes";
}

function datasetsOf(scoped: readonly ScopedSeries[]): readonly string[] {
  return [...new Set(scoped.map(({ dataset }) => dataset.name))];
}

function entriesOf(
  scoped: readonly ScopedSeries[],
  layout: CoverageDocument["layout"],
  unfound: ReadonlySet<string>,
): readonly DocumentEntry[] {
  const byKey = new Map<string, DocumentEntry>();
  for (const one of scoped) {
    const { key, attributes } = one.entry;
    if (byKey.has(key)) continue;
    const name = typeof attributes.name === "string" ? attributes.name : null;
    const entry: DocumentEntry = { entry: key, name, isUnfound: unfound.has(key) };
    byKey.set(key, layout === "days" ? { ...entry, days: daysOf(one) } : entry);
  }
  return [...byKey.values()];
}

function seriesOf(one: ScopedSeries, options: DocumentOptions & { readonly isNamed: boolean }): DocumentSeries {
  const { series, standing } = one;
  const dataset = one.dataset.name;
  return {
    name: options.isNamed ? `${dataset} ${series.key}` : series.key,
    dataset,
    key: series.key,
    entry: one.entry.key,
    column: series.parts[options.pipeline.narrowing.part] ?? series.axis.grid.grain,
    zone: series.axis.grid.zone,
    mark: markOf(one),
    slots: standing.slots,
    scope: standing.scope,
    segments: segmentsOf(one),
    gaps: standing.gaps.map(
      (gap): DocumentGap => ({
        start: gap.start,
        end: gap.end,
        cause: gap.cause,
        place: placeOf(standing, one.segments, gap),
        slots: gap.slots,
        reason: gap.reason,
        command: fillCommand(one, gap, options),
      }),
    ),
  };
}

/** Gaps, what is empty, refused and waived as the standing has them; of what is covered, what those leave. */
function segmentsOf({ series, segments, standing }: ScopedSeries): readonly DocumentSegment[] {
  const { scope, due, gaps, empty, refused, waived } = standing;
  if (scope === null) return [];
  const { grid } = series.axis;
  const inDue = (span: Interval): number => countSlotsOf(grid, clip(due, span));
  const told = [
    ...gaps.map(({ start, end, cause, reason, slots }) => ({ start, end, state: stateOf(cause), reason, slots })),
    ...empty.map(({ start, end, reason }) => ({
      start,
      end,
      state: "empty" as const,
      reason,
      slots: inDue({ start, end }),
    })),
    ...refused.map(({ start, end, reason }) => ({
      start,
      end,
      state: "refused" as const,
      reason,
      slots: null,
    })),
    ...waived.map(({ start, end, reason, actor }) => ({
      start,
      end,
      state: "waived" as const,
      reason: `${reason} (${actor})`,
      slots: inDue({ start, end }),
    })),
  ];
  const covered = subtract(clip(setOf(segments, "covered"), scope), spansOf([...gaps, ...empty, ...refused, ...waived]))
    .map(({ start, end }) => ({ start, end, state: "covered" as const, reason: null, slots: inDue({ start, end }) }))
    .filter(({ slots }) => slots > 0);
  return [...told, ...covered].sort((a, b) => a.start - b.start);
}

function stateOf(cause: GapCause): SpanState {
  return cause === "failed" || cause === "refused" ? cause : "gap";
}

/** A series of days, one by one. */
/** The civil days of a series' scope, each with its state. */
export function daysOf(one: ScopedSeries): readonly DocumentDay[] {
  const { series, standing } = one;
  const { grid } = series.axis;
  if (standing.scope === null) return [];
  const segments = segmentsOf(one);
  const days: DocumentDay[] = [];
  let next = 0;
  for (const { start } of slotsIn(grid, standing.scope)) {
    while (next < segments.length && (segments[next] as DocumentSegment).end <= start) next++;
    const segment = segments[next];
    const told = segment !== undefined && segment.start <= start ? segment : null;
    const isOpen = told?.state === "refused" || containsInstant(standing.due, start);
    const state: DayState = isOpen && told !== null ? told.state : "closed";
    days.push({ date: localDate(grid.zone, start), state, note: state === "closed" ? null : (told?.reason ?? null) });
  }
  return days;
}

function fillCommand({ series, entry }: ScopedSeries, gap: Interval, options: DocumentOptions): string {
  const { flag, part } = options.pipeline.narrowing;
  const value = series.parts[part];
  return [
    `retrofill run ${options.selector} --keys ${quoted(entry.key)}`,
    ...(value === undefined ? [] : [`--${flag} ${quoted(value)}`]),
    `--from ${asFlag(gap.start)} --to ${asFlag(gap.end)}`,
  ].join(" ");
}

/** As the command line reads it back: without a zone it is UTC. */
function asFlag(at: Instant): string {
  const text = formatInstant(at);
  return text.endsWith("T00:00:00Z") ? formatUtcDate(at) : text;
}

function quoted(word: string): string {
  return /^[\w./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

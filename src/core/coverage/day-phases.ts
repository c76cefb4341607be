import { type DaySpan, daysBetween } from "../time/local-days.ts";
import { type DayGap, hullOf } from "./day-gaps.ts";
import type { DayReport, DayReportRow } from "./day-report.ts";

export interface PhaseSettings {
  /**
   * Days asked for at once. `common`: where nearly all keys lack the days, so that every chunk is full. `block`: in
   * long gaps of high-priority keys. `scattered`: everywhere else, where chunks are mostly asked for a few days.
   */
  readonly chunkDays: { readonly common: number; readonly block: number; readonly scattered: number };
  /** Keys in a batch of the last phase; a batch of one joins the one before. */
  readonly batchKeys: number;
  /**
   * How a key's own phase is cut. `gap`: a step a gap, the scattered ones between two blocks together; an edge is asked
   * for whole, even where it runs through a common gap. `key`: one step from the first day to the last that no earlier
   * phase asks for.
   */
  readonly stepPer: "gap" | "key";
}

export const PHASE_SETTINGS: PhaseSettings = {
  chunkDays: { common: 2, block: 3, scattered: 5 },
  batchKeys: 3,
  stepPer: "gap",
};

/** What requests are expected to take. */
export interface Pace {
  readonly callsPerChunk: number;
  readonly secondsPerCall: { readonly least: number; readonly most: number };
}

/** One command: some keys over one range. */
export interface PhaseStep extends DaySpan {
  /** In the report's order; null for all. */
  readonly keys: readonly string[] | null;
  readonly chunkDays: number;
  /** Key-days that it asks for: owed, inside its range, and in no earlier step. */
  readonly openDays: number;
  readonly calls: number;
}

/** `common`: all keys, one step a common gap. `key`: one key. `rest`: batches of keys. */
export interface Phase {
  readonly kind: "common" | "key" | "rest";
  /** The key of a `key` phase. */
  readonly key: string | null;
  readonly steps: readonly PhaseStep[];
  readonly openDays: number;
  readonly calls: number;
  readonly seconds: { readonly least: number; readonly most: number };
}

/**
 * The steps that heal a report, in the order to take them: common gaps for all keys, newest first; then the keys of
 * high priority and those that start late, worst first, one phase each; then batches of all others. Together they ask
 * for every open day once. A phase without a step is left out.
 */
export function phasesOf(report: DayReport, pace: Pace, settings: PhaseSettings = PHASE_SETTINGS): readonly Phase[] {
  const ask = asker(report.rows, pace);
  const close = (kind: Phase["kind"], key: string | null, steps: readonly PhaseStep[]): Phase => {
    const openDays = steps.reduce((sum, step) => sum + step.openDays, 0);
    const calls = steps.reduce((sum, step) => sum + step.calls, 0);
    const { least, most } = pace.secondsPerCall;
    return { kind, key, steps, openDays, calls, seconds: { least: calls * least, most: calls * most } };
  };
  const { chunkDays } = settings;
  const common = close(
    "common",
    null,
    report.common.map((gap) => ask(null, gap, chunkDays.common)),
  );
  const isLeft = (row: DayReportRow): boolean => ownGaps(row).length > 0;
  const standsAlone = (row: DayReportRow): boolean => row.priority === "high" || row.start !== null;
  const own = report.rows
    .filter((row) => isLeft(row) && standsAlone(row))
    .map((row) =>
      close(
        "key",
        row.key,
        ownSteps(row, settings).map((step) => ask([row.key], step, step.chunkDays)),
      ),
    );
  const others = report.rows.filter((row) => isLeft(row) && !standsAlone(row));
  const rest = close(
    "rest",
    null,
    batchesOf(others, settings.batchKeys).map((batch) => {
      const dates = batch.flatMap((row) => ownGaps(row).flatMap(({ open }) => open)).sort();
      return ask(
        batch.map(({ key }) => key),
        hullOf(dates),
        chunkDays.scattered,
      );
    }),
  );
  return [common, ...own, rest].filter(({ steps }) => steps.length > 0);
}

/** Makes steps one after the other and remembers what was asked for. */
function asker(
  rows: readonly DayReportRow[],
  pace: Pace,
): (keys: readonly string[] | null, span: DaySpan, chunkDays: number) => PhaseStep {
  const left = new Map(rows.map(({ key, open }) => [key, open]));
  return (keys, { first, last }, chunkDays) => {
    let openDays = 0;
    let chunks = 0;
    for (const key of keys ?? left.keys()) {
      const open = left.get(key) ?? [];
      const asked = open.filter((date) => first <= date && date <= last);
      left.set(
        key,
        open.filter((date) => date < first || last < date),
      );
      openDays += asked.length;
      chunks += countChunks(asked, chunkDays);
    }
    return { keys, first, last, chunkDays, openDays, calls: chunks * pace.callsPerChunk };
  };
}

/** Chunks of at most `chunkDays` calendar days that hold all dates, each starting at the first date left. */
function countChunks(dates: readonly string[], chunkDays: number): number {
  let chunks = 0;
  let start: string | null = null;
  for (const date of dates) {
    if (start !== null && daysBetween(start, date) < chunkDays) continue;
    start = date;
    chunks++;
  }
  return chunks;
}

function ownGaps(row: DayReportRow): readonly DayGap[] {
  return row.gaps.filter(({ shape }) => shape !== "common");
}

/** A key's own steps: edges first, then blocks from the newest, then what is scattered, from the newest too. */
function ownSteps(
  row: DayReportRow,
  { chunkDays, stepPer }: PhaseSettings,
): readonly (DaySpan & { chunkDays: number })[] {
  const dense = row.priority === "high" ? chunkDays.block : chunkDays.scattered;
  const gaps = ownGaps(row);
  if (stepPer === "key") return [{ ...hullOf(gaps.flatMap(({ open }) => open).sort()), chunkDays: dense }];
  const edges = gaps.filter(({ shape }) => shape === "leading" || shape === "trailing");
  const blocks = gaps.filter(({ shape }) => shape === "block").reverse();
  return [
    ...[...edges, ...blocks].map(({ first, last }) => ({ first, last, chunkDays: dense })),
    ...scatteredSpans(gaps, [...edges, ...blocks]).map((span) => ({ ...span, chunkDays: chunkDays.scattered })),
  ];
}

/** Scattered gaps with none of `others` between them as one span, newest first. */
function scatteredSpans(gaps: readonly DayGap[], others: readonly DaySpan[]): readonly DaySpan[] {
  const spans: { first: string; last: string }[] = [];
  for (const { first, last, shape } of gaps) {
    if (shape !== "scattered") continue;
    const before = spans[spans.length - 1];
    const isCut = before !== undefined && others.some((other) => before.last < other.first && other.last < first);
    if (before === undefined || isCut) spans.push({ first, last });
    else before.last = last;
  }
  return spans.reverse();
}

/** Rows in batches of `size`; a last batch of one joins the one before. */
function batchesOf(rows: readonly DayReportRow[], size: number): readonly (readonly DayReportRow[])[] {
  const batches: DayReportRow[][] = [];
  for (let n = 0; n < rows.length; n += size) batches.push(rows.slice(n, n + size));
  const last = batches[batches.length - 1];
  if (batches.length > 1 && last?.length === 1) {
    batches.pop();
    batches[batches.length - 1]?.push(...last);
  }
  return batches;
}

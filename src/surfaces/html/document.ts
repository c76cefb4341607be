import type { GapCause, GapPlace } from "../../core/coverage/gaps.ts";
import type { Mark } from "../cli/render/matrix.ts";

/** How a stretch of a series stands. What no stretch holds is not due. */
export type SpanState = "covered" | "empty" | "gap" | "failed" | "refused" | "waived";

/** How one civil day stands; `closed` owes nothing. */
export type DayState = SpanState | "closed";

/** Everything that a coverage page shows, as plain JSON. Times are epoch milliseconds UTC, intervals half-open. */
export interface CoverageDocument {
  readonly title: string;
  readonly project: string;
  /** The instant at which due slots were judged, and whether it was pinned. */
  readonly businessNow: { readonly at: number; readonly text: string; readonly pinned: boolean };
  /** UTC text. */
  readonly generatedAt: string;
  /** `lanes`: a bar over time a series. `days`: a calendar an entry, from the entries' `days`. */
  readonly layout: "lanes" | "days";
  /** What an entry is called, such as symbol. */
  readonly noun: { readonly one: string; readonly many: string };
  /** Inputs before what is made from them. An entry has a row, and a block of lanes, for each that it has series of. */
  readonly datasets: readonly string[];
  /** What narrows the series of an entry, in display order: timeframes. */
  readonly columns: readonly string[];
  readonly entries: readonly DocumentEntry[];
  /** What is to be said of entries of which there is nothing, or null. */
  readonly unfound: string | null;
  readonly series: readonly DocumentSeries[];
}

/** A row of the matrix. */
export interface DocumentEntry {
  readonly entry: string;
  /** A name for people, or null. */
  readonly name: string | null;
  /** Whether it was asked about in full and there is no row. */
  readonly isUnfound: boolean;
  /** Only drawn by the layout `days`; ascending. */
  readonly days?: readonly DocumentDay[];
}

export interface DocumentDay {
  /** Civil date of the entry's own zone, `2026-01-30`. */
  readonly date: string;
  readonly state: DayState;
  readonly note: string | null;
}

export interface DocumentSeries {
  /** Unlike that of any other series here: its key, after its dataset where there are several. */
  readonly name: string;
  readonly dataset: string;
  readonly key: string;
  readonly entry: string;
  readonly column: string;
  /** Zone of the series' slots. */
  readonly zone: string;
  readonly mark: Mark;
  readonly slots: DocumentSlots;
  /** The slots that could be due; null when none. */
  readonly scope: { readonly start: number; readonly end: number } | null;
  /** Sorted and disjoint. */
  readonly segments: readonly DocumentSegment[];
  readonly gaps: readonly DocumentGap[];
}

/**
 * Slots by state: due = covered + empty + waived + gap; failed are part of the gap or waived; refused may lie outside
 * what is due.
 */
export interface DocumentSlots {
  readonly due: number;
  readonly covered: number;
  readonly empty: number;
  readonly waived: number;
  readonly gap: number;
  readonly failed: number;
  readonly refused: number;
}

export interface DocumentSegment {
  readonly start: number;
  readonly end: number;
  readonly state: SpanState;
  /** Null for what is covered. */
  readonly reason: string | null;
  /** Due slots in it; null for a refused stretch that is left out of what is due. */
  readonly slots: number | null;
}

export interface DocumentGap {
  readonly start: number;
  readonly end: number;
  readonly cause: GapCause;
  readonly place: GapPlace;
  readonly slots: number;
  readonly reason: string;
  /** The command that fills it. */
  readonly command: string;
}

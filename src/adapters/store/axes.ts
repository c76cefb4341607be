import { type Axis, dueSet } from "../../core/dataset/axis.ts";
import { type Grid, slotsIn, snapOut } from "../../core/time/grid.ts";
import { HOUR, type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, type IntervalSet, spanOf } from "../../core/time/interval-set.ts";
import { fromLocalMs, offsetSpans, toLocalMs } from "../../core/time/zone.ts";
import type { PublishedSeries } from "../../engine/store-port.ts";

/** Series that share a grid, a calendar, a stamp and what is due share the tables that SQL joins to them. */
export interface AxisGroup {
  readonly no: number;
  readonly axis: Axis;
  /** Milliseconds of every slot, or null where slots are civil and vary; then they are listed. */
  readonly stepMs: number | null;
  readonly due: DueSlots;
}

/** Due slots numbered through, in pieces that lie in one session each, in order. */
export interface DueSlots {
  readonly pieces: readonly DuePiece[];
  readonly parts: readonly DuePart[];
  readonly sessions: readonly DueSession[];
}

/** Neighbouring due slots of one length. */
export interface DuePiece extends Interval {
  readonly stepMs: number;
  /** The number of its first slot. */
  readonly first: number;
  readonly session: number;
  readonly part: number;
}

/** Due slots `[first, end)` between which nothing due was left unasked. */
export interface DuePart extends Interval {
  readonly first: number;
  readonly end_no: number;
}

/** Due slots `[first, end)` of one session, and whether these are all that it has. */
export interface DueSession {
  readonly first: number;
  readonly end: number;
  readonly whole: boolean;
}

const FIXED: Partial<Record<Grid["grain"], number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
};

import type { Instant } from "../time/instant.ts";
import { type Interval, overlapOf } from "../time/interval.ts";
import { type IntervalSet, normalize } from "../time/interval-set.ts";

/** One stretch of trading, open at `open` and closed from `close` on. */
export interface Session {
  /** The local date the session belongs to, `YYYY-MM-DD` in the calendar's zone. */
  readonly date: string;
  readonly open: Instant;
  readonly close: Instant;
  /** Closes before the calendar's usual time. */
  readonly early: boolean;
}

/** When a market trades, as far as `known` reaches. */
export interface Calendar {
  readonly name: string;
  /** Raised whenever a session changes, so that what was due under another version can be told apart. */
  readonly version: string;
  readonly zone: string;
  /** Sessions that overlap `span`, in order; whole, not cut at its ends. None outside `known`. */
  sessions(span: Interval): readonly Session[];
  /** The time the calendar can speak for; outside it nothing is known, which is not the same as closed. */
  readonly known: Interval;
}

/** When the calendar is open inside `span`: its sessions cut at the span's ends, touching ones merged. */
export function openTime(calendar: Calendar, span: Interval): IntervalSet {
  const open: Interval[] = [];
  for (const session of calendar.sessions(span)) {
    const inside = overlapOf({ start: session.open, end: session.close }, span);
    if (inside) open.push(inside);
  }
  return normalize(open);
}

/** A calendar over a list of sessions in order, built on first use and kept. `sessions` is O(log n + k). */
export function listedCalendar(
  about: Pick<Calendar, "name" | "version" | "zone" | "known">,
  build: () => readonly Session[],
): Calendar {
  let all: readonly Session[] | undefined;
  return {
    ...about,
    sessions: (span) => {
      all ??= build();
      const first = firstWhere(all, (session) => session.close > span.start);
      const end = firstWhere(all, (session) => session.open >= span.end);
      return all.slice(first, end);
    },
  };
}

/** Index of the first session for which `holds`, which must stay true from there on; the length when there is none. */
function firstWhere(all: readonly Session[], holds: (session: Session) => boolean): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(all[middle] as Session)) high = middle;
    else low = middle + 1;
  }
  return low;
}

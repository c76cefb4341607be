import { DAY, HOUR, type Instant, instant } from "./instant.ts";

/** A span of UTC time during which a zone keeps one offset. */
export interface OffsetSpan {
  readonly start: number;
  readonly end: number;
  /** Local minus UTC, in milliseconds. */
  readonly offsetMs: number;
}

const FIRST_YEAR = 1970;
const LAST_YEAR = 2045;
/**
 * How far apart the zone is asked. A longer step would miss a change that is taken back within it: the shortest since
 * 1970 lasted a week (2000-10-08 to 2000-10-15 in America/Recife, tz database).
 */
const PROBE_STEP = 5 * DAY;
const spansByZone = new Map<string, readonly OffsetSpan[]>();

/**
 * The zone's offsets from 1970 to 2045 in order, without holes; the first and last reach to infinity.
 * Source: the tz database inside `Intl`; read once a zone and kept, since asking `Intl` per bar is 1,000x slower.
 * @throws RangeError when `Intl` does not know the zone
 */
export function offsetSpans(zone: string): readonly OffsetSpan[] {
  const known = spansByZone.get(zone);
  if (known) return known;
  const spans = readOffsetSpans(zone);
  spansByZone.set(zone, spans);
  return spans;
}

/** Local minus UTC in milliseconds at `at`. O(log transitions). */
export function offsetAt(zone: string, at: number): number {
  return spanAt(offsetSpans(zone), at).offsetMs;
}

/** Wall-clock milliseconds: what a clock on the wall shows, written as if it were UTC. */
export function toLocalMs(zone: string, at: Instant): number {
  return at + offsetAt(zone, at);
}

/**
 * The instant at which clocks in `zone` show `localMs`.
 * A time that the clocks skip maps to the jump's instant; one they show twice maps to the first.
 */
export function fromLocalMs(zone: string, localMs: number): Instant {
  const spans = offsetSpans(zone);
  const before = spanAt(spans, localMs - 24 * HOUR).offsetMs;
  const after = spanAt(spans, localMs + 24 * HOUR).offsetMs;
  if (before === after) {
    const direct = localMs - before;
    if (spanAt(spans, direct).offsetMs === before) return instant(direct);
  }
  const early = localMs - Math.max(before, after);
  const late = localMs - Math.min(before, after);
  if (spanAt(spans, early).offsetMs === Math.max(before, after)) return instant(early);
  if (spanAt(spans, late).offsetMs === Math.min(before, after)) return instant(late);
  return instant(spanAt(spans, late).start);
}

/** The instant of midnight that starts the local date `YYYY-MM-DD`. */
export function startOfLocalDate(zone: string, date: string): Instant {
  return fromLocalMs(zone, parseDate(date));
}

/** The local date at `at`, `YYYY-MM-DD`. */
export function localDate(zone: string, at: Instant): string {
  return new Date(toLocalMs(zone, at)).toISOString().slice(0, 10);
}

/**
 * UTC midnight of `YYYY-MM-DD` in milliseconds.
 * @throws RangeError when it is not a date
 */
export function parseDate(date: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== date) {
    throw new RangeError(`not a date: ${date} (expected YYYY-MM-DD)`);
  }
  return ms;
}

/** Whether a text is a date `YYYY-MM-DD` of the calendar. */
export function isDate(text: string): boolean {
  try {
    parseDate(text);
    return true;
  } catch {
    // Not a date is an answer here.
    return false;
  }
}

function spanAt(spans: readonly OffsetSpan[], at: number): OffsetSpan {
  let low = 0;
  let high = spans.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((spans[middle] as OffsetSpan).start <= at) low = middle;
    else high = middle - 1;
  }
  return spans[low] as OffsetSpan;
}

function readOffsetSpans(zone: string): readonly OffsetSpan[] {
  if (zone === "UTC") return [{ start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY, offsetMs: 0 }];
  const read = offsetReader(zone);
  const spans: OffsetSpan[] = [];
  let start = Number.NEGATIVE_INFINITY;
  let probe = Date.UTC(FIRST_YEAR, 0, 1);
  let offset = read(probe);
  while (probe < Date.UTC(LAST_YEAR, 0, 1)) {
    let low = probe;
    let high = probe + PROBE_STEP;
    probe = high;
    if (read(high) === offset) continue;
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (read(middle) === offset) low = middle;
      else high = middle;
    }
    spans.push({ start, end: high, offsetMs: offset });
    start = high;
    offset = read(high);
  }
  spans.push({ start, end: Number.POSITIVE_INFINITY, offsetMs: offset });
  return spans;
}

function offsetReader(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (at) => {
    // As text, `12/31/1969, 19:00:00`: formatToParts takes three times as long, and a zone needs some 9,000 readings.
    const part = format.format(at).match(/\d+/g)?.map(Number) ?? [];
    const [month = 1, day = 1, year = 0, hour, minute, second] = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  };
}

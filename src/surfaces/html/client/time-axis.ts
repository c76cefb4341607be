/** Ticks and texts of UTC time. */
export interface TimeAxis {
  /** Instants to mark between `start` and `end`, and the larger units that they belong to. */
  ticks(
    start: number,
    end: number,
    widthPx: number,
  ): { readonly minor: readonly Tick[]; readonly major: readonly Tick[] };
  /** The date alone at midnight, otherwise date and minutes, seconds where there are any. */
  instant(at: number): string;
  /** `[2026-01-30, 2026-02-02)`. */
  interval(start: number, end: number): string;
  /** The same on the clocks of `zone`. */
  intervalIn(zone: string, start: number, end: number): string;
  /** `3 d 4 h`: the two largest units. */
  length(ms: number): string;
}

export interface Tick {
  readonly at: number;
  readonly label: string;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function timeAxis(): TimeAxis {
  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const YEAR = 365.2425 * DAY;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  /** Steps, finest first; a tick of each needs `px` to be read. */
  const STEPS = [
    { unit: "minute", n: 1, ms: MINUTE, px: 46 },
    { unit: "minute", n: 5, ms: 5 * MINUTE, px: 46 },
    { unit: "minute", n: 15, ms: 15 * MINUTE, px: 46 },
    { unit: "minute", n: 30, ms: 30 * MINUTE, px: 46 },
    { unit: "hour", n: 1, ms: HOUR, px: 46 },
    { unit: "hour", n: 3, ms: 3 * HOUR, px: 46 },
    { unit: "hour", n: 6, ms: 6 * HOUR, px: 46 },
    { unit: "hour", n: 12, ms: 12 * HOUR, px: 46 },
    { unit: "day", n: 1, ms: DAY, px: 28 },
    { unit: "week", n: 1, ms: 7 * DAY, px: 34 },
    { unit: "month", n: 1, ms: YEAR / 12, px: 38 },
    { unit: "month", n: 3, ms: YEAR / 4, px: 38 },
    { unit: "year", n: 1, ms: YEAR, px: 44 },
    { unit: "year", n: 2, ms: 2 * YEAR, px: 44 },
    { unit: "year", n: 5, ms: 5 * YEAR, px: 44 },
    { unit: "year", n: 10, ms: 10 * YEAR, px: 44 },
    { unit: "year", n: 50, ms: 50 * YEAR, px: 44 },
    { unit: "year", n: 100, ms: 100 * YEAR, px: 44 },
  ] as const;
  type Step = (typeof STEPS)[number];

  function ticks(start: number, end: number, widthPx: number) {
    const msPerPx = (end - start) / widthPx;
    const step = STEPS.find((one) => one.ms / msPerPx >= one.px) ?? (STEPS[STEPS.length - 1] as Step);
    const larger = largerThan(step);
    return {
      minor: marks(step, start, end).map((at) => ({ at, label: minorLabel(step, at) })),
      // The unit in which the view begins is named at its left edge.
      major:
        larger === null
          ? []
          : marks(larger, floor(larger, start), end).map((at) => ({ at, label: majorLabel(step, at) })),
    };
  }

  function largerThan(step: Step): Step | null {
    const unit = { minute: "day", hour: "day", day: "month", week: "month", month: "year", year: null }[step.unit];
    return STEPS.find((one) => one.unit === unit) ?? null;
  }

  function marks(step: Step, start: number, end: number): number[] {
    const all: number[] = [];
    for (let at = floor(step, start); at <= end; at = next(step, at)) if (at >= start) all.push(at);
    return all;
  }

  /** The last mark of a step at or before `at`; weeks begin on Mondays. */
  function floor(step: Step, at: number): number {
    const date = new Date(at);
    if (step.unit === "year") return Date.UTC(Math.floor(date.getUTCFullYear() / step.n) * step.n, 0, 1);
    if (step.unit === "month") {
      return Date.UTC(date.getUTCFullYear(), Math.floor(date.getUTCMonth() / step.n) * step.n, 1);
    }
    const phase = step.unit === "week" ? 4 * DAY : 0;
    return Math.floor((at - phase) / step.ms) * step.ms + phase;
  }

  function next(step: Step, at: number): number {
    const date = new Date(at);
    if (step.unit === "year") return Date.UTC(date.getUTCFullYear() + step.n, 0, 1);
    if (step.unit === "month") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + step.n, 1);
    return at + step.ms;
  }

  function minorLabel(step: Step, at: number): string {
    const date = new Date(at);
    if (step.unit === "year") return String(date.getUTCFullYear());
    if (step.unit === "month") return MONTHS[date.getUTCMonth()] as string;
    if (step.unit === "day" || step.unit === "week") return String(date.getUTCDate());
    return date.toISOString().slice(11, 16);
  }

  function majorLabel(step: Step, at: number): string {
    const date = new Date(at);
    const month = `${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
    if (step.unit === "month") return String(date.getUTCFullYear());
    return step.unit === "day" || step.unit === "week" ? month : `${date.getUTCDate()} ${month}`;
  }

  function instant(at: number): string {
    return short(new Date(at).toISOString().slice(0, 19).replace("T", " "));
  }

  function short(text: string): string {
    if (text.endsWith(" 00:00:00")) return text.slice(0, 10);
    return text.endsWith(":00") ? text.slice(0, 16) : text;
  }

  function interval(start: number, end: number): string {
    return `[${instant(start)}, ${instant(end)})`;
  }

  function intervalIn(zone: string, start: number, end: number): string {
    return `[${local(zone, start)}, ${local(zone, end)})`;
  }

  function local(zone: string, at: number): string {
    // Swedish dates are written as ISO 8601 has them.
    const format = { timeZone: zone, dateStyle: "short", timeStyle: "medium" } as const;
    return short(new Intl.DateTimeFormat("sv-SE", format).format(at));
  }

  function length(ms: number): string {
    const units = [
      ["y", YEAR],
      ["d", DAY],
      ["h", HOUR],
      ["min", MINUTE],
      ["s", 1000],
    ] as const;
    const first = units.findIndex(([, size]) => ms >= size);
    if (first < 0) return `${ms} ms`;
    let left = ms;
    const parts: string[] = [];
    for (const [name, size] of units.slice(first, first + 2)) {
      const n = Math.floor(left / size);
      left -= n * size;
      if (n > 0) parts.push(`${n} ${name}`);
    }
    return parts.join(" ");
  }

  return { ticks, instant, interval, intervalIn, length };
}

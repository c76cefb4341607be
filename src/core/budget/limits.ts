import { RetrofillError } from "../errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../time/instant.ts";

/** Seconds, minutes and hours roll; a day and a month are calendar periods. */
export type LimitUnit = "second" | "minute" | "hour" | "day" | "month";

/** At most `count` requests per window. */
export interface RateLimit {
  readonly count: number;
  readonly per: LimitUnit;
  /** Units in a window: 2 in `5/2s`; 1 for day and month. */
  readonly every: number;
  /** Length of the window in milliseconds; for a month its longest, 31 days. */
  readonly windowMs: number;
}

const UNITS: Readonly<Record<LimitUnit, { ms: number; short: string; names: readonly string[] }>> = {
  second: { ms: SECOND, short: "s", names: ["s", "sec", "second", "seconds"] },
  minute: { ms: MINUTE, short: "min", names: ["min", "minute", "minutes"] },
  hour: { ms: HOUR, short: "h", names: ["h", "hour", "hours"] },
  day: { ms: DAY, short: "day", names: ["d", "day"] },
  month: { ms: 31 * DAY, short: "month", names: ["mo", "month"] },
};

/** Far above any provider; keeps counts and windows exact. */
const MAX_NUMBER = 1_000_000_000;

const ACCEPTED =
  "COUNT/UNIT or COUNT/NUMBER UNIT, several with commas: 5/min, 5/2s, 50/s,10000/day (units: s, min, h, day, month)";

/** A window that rolls, as opposed to a calendar period. */
export function isRolling({ per }: Pick<RateLimit, "per">): boolean {
  return per !== "day" && per !== "month";
}

/** The longest rolling window in milliseconds; a minute when none is declared. */
export function longestWindowMs(limits: readonly RateLimit[]): number {
  const longest = Math.max(0, ...limits.filter(isRolling).map(({ windowMs }) => windowMs));
  return longest === 0 ? MINUTE : longest;
}

/**
 * The limits that `text` lists, shortest window first: `5/min`, or several, `50/s,10000/day`.
 * @throws RetrofillError CONFIG_INVALID naming each item that cannot be read, and what is accepted
 */
export function parseLimits(text: string): readonly RateLimit[] {
  const problems: string[] = [];
  const limits = new Map<number, RateLimit>();
  for (const item of text.split(",")) {
    const limit = parseLimit(item.trim());
    if (typeof limit === "string") problems.push(limit);
    else if (limits.has(limit.windowMs)) problems.push(`"${item.trim()}" is a second limit for the same window`);
    else limits.set(limit.windowMs, limit);
  }
  if (problems.length > 0) {
    throw new RetrofillError("CONFIG_INVALID", `limit "${text}": ${problems.join("; ")}`, {
      hint: `accepted: ${ACCEPTED}`,
    });
  }
  return [...limits.values()].sort((a, b) => a.windowMs - b.windowMs);
}

/** The text that `parseLimits` reads back as the same limits, such as `5/2s,10000/day`. */
export function formatLimits(limits: readonly RateLimit[]): string {
  return limits.map(({ count, per, every }) => `${count}/${every === 1 ? "" : every}${UNITS[per].short}`).join(",");
}

/** One limit, or what is wrong with it. */
function parseLimit(item: string): RateLimit | string {
  const parts = /^(\d+)\s*\/\s*(\d+)?\s*([a-z]+)$/i.exec(item);
  if (parts === null) return `"${item}" is not a count, a slash and a unit`;
  const per = unitNamed(parts[3] ?? "");
  if (per === null) return `"${item}" has no known unit`;
  const count = Number(parts[1]);
  const every = Number(parts[2] ?? 1);
  if (count < 1 || every < 1 || count > MAX_NUMBER || every > MAX_NUMBER) {
    return `"${item}" has a number outside 1 to ${MAX_NUMBER}`;
  }
  if (every > 1 && !isRolling({ per })) return `"${item}": a ${per} is a calendar period and cannot be multiplied`;
  return { count, per, every, windowMs: every * UNITS[per].ms };
}

function unitNamed(name: string): LimitUnit | null {
  const lower = name.toLowerCase();
  return (Object.keys(UNITS) as LimitUnit[]).find((unit) => UNITS[unit].names.includes(lower)) ?? null;
}

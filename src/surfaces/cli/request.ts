import type { OwnRequest, Pipeline } from "../../core/dataset/pipeline.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { Request, RunMode } from "../../core/plan/plan.ts";
import { type Grid, slotAt } from "../../core/time/grid.ts";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { fromLocalMs, startOfLocalDate } from "../../core/time/zone.ts";
import { type Project, select } from "../../engine/project.ts";

/** Flags that say what a plan is about, as commander hands them over. */
export interface RequestFlags {
  readonly symbols?: string;
  readonly keys?: string;
  readonly timeframes?: string;
  readonly timeframe?: string;
  readonly days?: string;
  readonly from?: string;
  readonly to?: string;
  readonly start?: string;
  readonly end?: string;
  readonly limit?: string;
  readonly mode?: string;
  readonly overrideState?: boolean | string;
  readonly reason?: string;
  readonly maxConcurrent?: string;
  readonly withInputs?: boolean;
  readonly again?: boolean;
  readonly fromBronze?: boolean;
  readonly fromFiles?: boolean;
  readonly todas?: boolean;
  readonly tiendas?: readonly string[];
  readonly fechaDesde?: string;
  readonly fechaHasta?: string;
  readonly chunkDays?: string;
}

/** The request that the flags mean. @throws RetrofillError USAGE */
export function readRequest(project: Project, selector: string, flags: RequestFlags, now: Instant): Request {
  const { bound, job } = select(project, selector);
  const { pipeline } = bound;
  const own = pipeline.flags?.({ ...flags }) ?? null;
  const narrow: Record<string, readonly string[]> = {};
  const timeframes = listOf(oneOf(flags, "timeframes", "timeframe")) ?? job?.narrow ?? null;
  if (timeframes !== null) narrow[pipeline.narrowing.flag] = timeframes;
  return {
    selector,
    job: job?.name ?? null,
    entries: own?.entries ?? listOf(oneOf(flags, "symbols", "keys"))?.map((name) => keyAs(pipeline, name)) ?? null,
    narrow,
    ...rangeOf(own, () => readRange(flags, now, { jobDays: job?.days ?? null, zone: pipeline.zone ?? "UTC" })),
    ...(own?.chunkSlots == null ? {} : { chunkSlots: own.chunkSlots }),
    limit: flags.limit === undefined ? null : positive("--limit", flags.limit),
    watermark: null,
    revert: null,
    withInputs: flags.withInputs === true,
    ask:
      flags.fromBronze === true
        ? "bronze"
        : flags.fromFiles === true
          ? "held"
          : flags.again === true
            ? "again"
            : "gaps",
    maxConcurrent:
      flags.maxConcurrent === undefined
        ? (job?.maxConcurrent ?? bound.concurrency)
        : positive("--max-concurrent", flags.maxConcurrent),
  };
}

/** A key that somebody typed, as the registry writes it. */
export function keyAs({ keyCase = "upper" }: Pick<Pipeline, "keyCase">, name: string): string {
  return keyCase === "upper" ? name.toUpperCase() : name;
}

/** The range of the pipeline's own flags where they give one. */
function rangeOf(own: OwnRequest | null, otherwise: () => Range): Range {
  return own === null || (own.from === null && own.to === null) ? otherwise() : { from: own.from, to: own.to };
}

interface Range {
  readonly from: Instant | null;
  readonly to: Instant | null;
}

/** The mode that `--mode` names, or null. @throws RetrofillError USAGE */
export function readMode(flags: RequestFlags): RunMode | null {
  if (flags.mode === undefined) return null;
  if (flags.mode === "incremental" || flags.mode === "backfill") return flags.mode;
  throw new RetrofillError("USAGE", `--mode ${flags.mode}: expected incremental or backfill`);
}

/** Whether `--override-state` was given as true. */
export function readOverride(flags: RequestFlags): boolean {
  return flags.overrideState === true || flags.overrideState === "true";
}

function readRange(
  flags: RequestFlags,
  now: Instant,
  { jobDays, zone }: { readonly jobDays: number | null; readonly zone: string },
): Range {
  oneOf(flags, "days", "from", "start");
  oneOf(flags, "to", "end");
  const to =
    flags.to !== undefined
      ? readTime("--to", flags.to, zone)
      : flags.end !== undefined
        ? readEnd(flags.end, zone)
        : null;
  const start = flags.from ?? flags.start;
  const days = flags.days === undefined ? (start === undefined ? jobDays : null) : positive("--days", flags.days);
  const from =
    start === undefined
      ? days === null
        ? null
        : daysBefore(now, days)
      : readTime(flags.from ? "--from" : "--start", start, zone);
  if (from !== null && to !== null && from >= to) {
    throw new RetrofillError("USAGE", `the range is empty: it ends at ${flags.to ?? flags.end}, before it starts`);
  }
  return { from, to };
}

/** The one of several flags that was given, or undefined. @throws RetrofillError USAGE for two that mean the same */
function oneOf(flags: RequestFlags, ...names: readonly TextFlag[]): string | undefined {
  const given = names.filter((name) => flags[name] !== undefined);
  if (given.length > 1) throw new RetrofillError("USAGE", `give one of --${given.join(" and --")}`);
  return given[0] === undefined ? undefined : flags[given[0]];
}

type TextFlag = Exclude<
  keyof RequestFlags,
  "overrideState" | "withInputs" | "again" | "fromBronze" | "fromFiles" | "todas" | "tiendas"
>;

/** 00:00 UTC, `days` days before `now`. */
function daysBefore(now: Instant, days: number): Instant {
  return instant(Math.floor(now / DAY) * DAY - days * DAY);
}

/** The end as people mean it: a date belongs to the range, a time is where it stops. */
function readEnd(text: string, zone: string): Instant {
  if (!isDate(text)) return readTime("--end", text, zone);
  const lastDay = readTime("--end", text, "UTC");
  return startOfLocalDate(zone, new Date(lastDay + DAY).toISOString().slice(0, 10));
}

/** A date or time; one without a zone is read on the clocks of `zone`. @throws RetrofillError USAGE */
export function readTime(flag: string, text: string, zone = "UTC"): Instant {
  try {
    if (isDate(text)) return startOfLocalDate(zone, text);
    const iso = text.replace(" ", "T");
    const hasZone = /[zZ]$|[+-]\d{2}:?\d{2}$/.test(iso);
    const ms = instant(Date.parse(hasZone ? iso : `${iso}Z`));
    return hasZone ? ms : fromLocalMs(zone, ms);
  } catch {
    throw new RetrofillError("USAGE", `${flag} ${text}: not a date or time`, {
      hint: `use 2026-01-30, "2026-01-30 14:30" or 2026-01-30T14:30:00Z; without a zone it is ${zone}`,
    });
  }
}

/**
 * The slot that holds a time; a bare date means the slot of that local day, not the one that holds UTC midnight.
 * @throws RetrofillError USAGE
 */
export function readSlot(flag: string, text: string, grid: Grid): Interval {
  const at = readTime(flag, text);
  return slotAt(grid, isDate(text) ? startOfLocalDate(grid.zone, text) : at);
}

function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text);
}

/** The items of a list with commas, each once; null when it was not given. @throws RetrofillError USAGE */
export function listOf(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
  if (items.length === 0) throw new RetrofillError("USAGE", `an empty list: "${text}"`);
  return [...new Set(items)];
}

/** A whole number from 1. @throws RetrofillError USAGE */
export function positive(flag: string, text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1)
    throw new RetrofillError("USAGE", `${flag} ${text}: expected a whole number from 1`);
  return n;
}

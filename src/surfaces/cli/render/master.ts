import type { Gap } from "../../../core/coverage/gaps.ts";
import { daysOf } from "../../../core/dataset/axis.ts";
import type { SeriesKey } from "../../../core/dataset/series.ts";
import type { Plan } from "../../../core/plan/plan.ts";
import { formatShort, type Instant, instant } from "../../../core/time/instant.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import type { Execution } from "../../../engine/run/execute.ts";
import type { RunObserver, RunProgress } from "../../../engine/run/observer.ts";
import { count, type Output } from "../output.ts";
import { LEGEND, type Mark, matrixOf } from "./matrix.ts";
import type { ScriptPrinter } from "./script-printer.ts";

const RULE = "=".repeat(80);
const COLUMNS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"];
const MATRIX_HEAD = [
  "Symbol      1m    5m   15m   30m   1h    4h    1d    1w  ",
  "------|----|----|-----|-----|----|----|----|----- ",
] as const;

/** More gaps of one series than this are counted instead of listed. */
const SHOWN_GAPS = 3;

type Repaired = Extract<RunProgress, { type: "repaired" }>;

/**
 * Prints a run in the form of the orchestrator script that `master_backfill` replaces: same stages, words and order.
 * A group is printed when its first request is made, so that lines of symbols fetched at once never mix.
 */
export class MasterPrinter implements ScriptPrinter {
  readonly #output: Output;
  /** How the program is called from here. */
  readonly #retrofill: string;
  #plan: Plan | null = null;
  #groups: readonly (readonly string[])[] = [];
  #printed = 0;
  #waitedMs = 0;
  #stage = 1;
  #retried = false;
  #gaps: readonly { readonly key: SeriesKey; readonly gaps: readonly Gap[] }[] = [];

  constructor(output: Output, retrofill: string) {
    this.#output = output;
    this.#retrofill = retrofill;
  }

  /** The banner, how many symbols there are and how far back; printed before anything else. */
  start(plan: Plan): void {
    this.#plan = plan;
    const symbols = [...new Set(plan.series.map((one) => one.entry))].sort();
    this.#banner("MASTER BACKFILL ORCHESTRATOR STARTED");
    this.#output.line(`Loaded ${symbols.length} symbols`);
    for (const line of scopeLines(plan)) this.#output.line(line);
    this.#output.line();
    this.#banner("STAGE 1: BACKFILLING OHLCV DATA");
    const size = plan.request.maxConcurrent;
    this.#groups = Array.from({ length: Math.ceil(symbols.length / size) }, (_, i) =>
      symbols.slice(i * size, (i + 1) * size),
    );
  }

  readonly observe: RunObserver = (progress) => {
    switch (progress.type) {
      case "waiting":
        this.#waitedMs += progress.waitMs;
        break;
      case "chunk-started":
        if (progress.round === 0) this.#printGroupsTo(progress.key);
        break;
      case "gaps":
        this.#printGaps(progress.series);
        break;
      case "repaired":
        this.#printRepair(progress);
        break;
      case "notice":
        this.#output.note(progress.text);
        break;
      default:
        break;
    }
  };

  /** Matrix, reasons and summary: after the run, from the state it left. */
  finish(scoped: readonly ScopedSeries[], execution: Execution | null, durationMs: number): void {
    this.#printGaps(scoped.map(({ series, standing }) => ({ key: series.key, gaps: standing.gaps })));
    this.#stageThree();
    if (!this.#retried && this.#gaps.some(({ gaps }) => gaps.length > 0)) {
      const why = execution?.end.kind === "provider" ? execution.end.reason : "nothing that another request could fill";
      this.#output.line(`Not retried: ${why}`);
    }
    this.#output.line();
    this.#banner("DATA COMPLETENESS MATRIX");
    this.#printMatrix(scoped);
    this.#printReasons(scoped, execution?.run.id ?? null);
    this.#output.line();
    this.#banner("BACKFILL SUMMARY");
    const summary = execution?.summary ?? null;
    const entries = [...new Set(scoped.map((one) => one.series.entry))];
    const incomplete = new Set(scoped.filter(({ standing }) => standing.gaps.length > 0).map((one) => one.entry.key));
    this.#output.line(`Duration: ${(durationMs / 1000).toFixed(1)}s`);
    this.#output.line(`Symbols Processed: ${entries.length}`);
    this.#output.line(`  Successful: ${entries.length - incomplete.size}`);
    if (incomplete.size > 0) this.#output.line(`  Incomplete: ${incomplete.size}`);
    this.#output.line(`Gaps Detected: ${count(summary?.repairs.detected ?? 0)}`);
    this.#output.line(`Gaps Filled: ${count(summary?.repairs.filled ?? 0)}`);
    this.#output.line(`Total Candles Inserted: ${count(summary?.rows.inserted ?? 0)}`);
    const limit = this.#plan?.request.limit ?? null;
    if (limit !== null) this.#output.line(`Status: reduced scope, only the first ${limit} symbols (--limit)`);
    this.#output.line(RULE);
  }

  /** Prints every group up to the one of `key`, or all of them. */
  #printGroupsTo(key: SeriesKey | null): void {
    const entry = key === null ? null : this.#plan?.series.find((one) => one.key === key)?.entry;
    const last =
      entry === null ? this.#groups.length - 1 : this.#groups.findIndex((group) => group.includes(entry ?? ""));
    while (this.#printed <= last) this.#printGroup(this.#groups[this.#printed] ?? []);
  }

  #printGroup(group: readonly string[]): void {
    const plan = this.#plan;
    if (!plan) return;
    if (this.#printed > 0 && plan.cost.calls > 0) {
      this.#output.line(`Waited ${(this.#waitedMs / 1000).toFixed(1)}s for the rate limit of ${plan.limits}...`);
    }
    this.#waitedMs = 0;
    this.#printed++;
    this.#output.line(`Processing symbol group ${this.#printed}`);
    for (const one of group.flatMap((entry) => plan.series.filter((series) => series.entry === entry))) {
      const refused = one.leftOut.length === 0 ? "" : "left out, refused by the source less than a day ago";
      const complete = refused === "" ? "nothing missing" : refused;
      this.#output.line(`  ${one.key}: ${one.calls > 0 ? "backfilling..." : complete}`);
    }
  }

  #printGaps(series: readonly { readonly key: SeriesKey; readonly gaps: readonly Gap[] }[]): void {
    if (this.#stage >= 2) return;
    this.#printGroupsTo(null);
    this.#stage = 2;
    this.#gaps = series;
    this.#output.line();
    this.#banner("STAGE 2: DETECTING GAPS");
    for (const { key, gaps } of series) this.#output.line(`${key}: ${gaps.length} gap(s) detected`);
  }

  #stageThree(): void {
    if (this.#stage >= 3) return;
    this.#stage = 3;
    this.#output.line();
    this.#banner("STAGE 3: RETRYING FAILED GAPS");
    if (this.#gaps.every(({ gaps }) => gaps.length === 0)) this.#output.line("No gaps to retry");
  }

  #printRepair({ key, days, round, rows, filled, reason }: Repaired): void {
    this.#stageThree();
    this.#retried = true;
    const rounds = this.#plan?.repair.rounds ?? round;
    this.#output.line(`  ${key}: retrying gap ${days.first} to ${days.last} (attempt ${round}/${rounds})...`);
    if (filled) this.#output.line(`  ${key}: ✓ gap filled (${count(rows)} candles)`);
    else if (rows > 0) this.#output.line(`  ${key}: ✗ gap filled in part (${count(rows)} candles): ${reason}`);
    else this.#output.line(`  ${key}: ${/^empty at source/.test(reason) ? "○" : "✗"} gap not filled: ${reason}`);
  }

  #printMatrix(scoped: readonly ScopedSeries[]): void {
    const rows = matrixOf(scoped, COLUMNS);
    const width = Math.max(10, ...rows.map(({ entry }) => entry.length + 2));
    const [names, rule] = MATRIX_HEAD;
    this.#output.line(`${names.slice(0, 10).padEnd(width)}${names.slice(10)}`);
    this.#output.line(`${rule.slice(0, 6)}${"-".repeat(width - 10)}${rule.slice(6)}`);
    for (const { entry, marks } of rows) this.#output.line(`${entry.padEnd(width)}${marks.join("     ")}  `);
    const used = new Set(rows.flatMap(({ marks }) => marks));
    for (const mark of ["○", "⊘", "·"] satisfies Mark[]) {
      if (used.has(mark)) this.#output.line(`${mark} ${LEGEND[mark]}`);
    }
  }

  /** Each ✗ with its reason and the command that asks for exactly that range again. */
  #printReasons(scoped: readonly ScopedSeries[], run: string | null): void {
    const incomplete = scoped.filter(({ standing }) => standing.gaps.length > 0);
    if (incomplete.length > 0) this.#output.line();
    for (const { series, standing } of incomplete) {
      for (const gap of standing.gaps.slice(0, SHOWN_GAPS)) {
        this.#output.line(`✗ ${series.key} ${formatShort(gap.start)} to ${formatShort(gap.end)}: ${gap.reason}`);
        this.#output.line(`    ${this.#again(series, gap, run)}`);
      }
      const more = standing.gaps.length - SHOWN_GAPS;
      if (more > 0) {
        const rest = standing.gaps.slice(SHOWN_GAPS);
        const span = { ...(rest[0] as Gap), end: (rest[more - 1] as Gap).end };
        this.#output.line(`✗ ${series.key} and ${more} more gaps, listed by: ${this.#retrofill} gaps`);
        this.#output.line(`    ${this.#again(series, span, null)}`);
      }
    }
  }

  #again({ parts, axis }: ScopedSeries["series"], gap: Gap, run: string | null): string {
    // A new plan leaves a refusal out for a day; the retry of its run asks again at once.
    if (gap.cause === "refused" && run !== null) return `${this.#retrofill} retry ${run}`;
    const { first, last } = daysOf(axis, gap);
    return `${this.#retrofill} run backfill_ohlcv --symbols ${parts.symbol} --timeframe ${parts.timeframe} --start ${first} --end ${last}`;
  }

  #banner(title: string): void {
    this.#output.line(RULE);
    this.#output.line(title);
    this.#output.line(RULE);
  }
}

/** What was asked for and what of it could be due, when they are not the same for all. */
function scopeLines(plan: Plan): readonly string[] {
  const { from, to } = plan.request;
  const asked = `${from === null ? "each series' own start" : formatShort(from)} to ${formatShort(to ?? plan.businessNow)}`;
  const scopes = plan.series.flatMap((one) => (one.effective === null ? [] : [one.effective]));
  if (scopes.length === 0) return [`Date range: ${asked} UTC; nothing is due in it`];
  const start = instant(Math.min(...scopes.map((one) => one.start)));
  const end: Instant = instant(Math.max(...scopes.map((one) => one.end)));
  const effective = `${formatShort(start)} to ${formatShort(end)}`;
  return [`Date range: ${asked} UTC; after calendar, lifetimes and depth ${effective}`];
}

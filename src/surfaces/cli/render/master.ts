import type { Gap } from "../../../core/coverage/gaps.ts";
import type { SeriesKey } from "../../../core/dataset/series.ts";
import type { Plan } from "../../../core/plan/plan.ts";
import { formatInstant, formatUtcDate, instant } from "../../../core/time/instant.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import type { RunObserver, RunProgress } from "../../../engine/run/observer.ts";
import type { RunSummary } from "../../../engine/run/summary.ts";
import type { Output } from "../output.ts";
import { matrixOf } from "./matrix.ts";

const RULE = "=".repeat(80);
const COLUMNS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"];

/** Prints a run in the form of the orchestrator script that `master_backfill` replaces: same stages, words and order. */
export class MasterPrinter {
  readonly #output: Output;
  #plan: Plan | null = null;
  #groups: readonly (readonly string[])[] = [];
  #printed = 0;
  #open = new Map<string, number>();
  #waitedMs = 0;
  #stage = 0;
  #gaps: readonly { readonly key: SeriesKey; readonly gaps: readonly Gap[] }[] = [];
  readonly #repaired: Extract<RunProgress, { type: "repaired" }>[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** The banner and how many symbols there are; printed before anything else. */
  start(plan: Plan): void {
    this.#plan = plan;
    const symbols = [...new Set(plan.series.map((one) => one.entry))].sort();
    this.#banner("MASTER BACKFILL ORCHESTRATOR STARTED");
    this.#output.line(`Loaded ${symbols.length} symbols`);
    this.#output.line();
    this.#banner("STAGE 1: BACKFILLING OHLCV DATA");
    const size = plan.request.maxConcurrent;
    this.#groups = Array.from({ length: Math.ceil(symbols.length / size) }, (_, i) =>
      symbols.slice(i * size, (i + 1) * size),
    );
    for (const step of plan.steps) {
      if (step.kind !== "fetch") continue;
      for (const chunk of step.chunks) {
        const entry = entryOf(plan, chunk.key);
        this.#open.set(entry, (this.#open.get(entry) ?? 0) + 1);
      }
    }
    this.#printDoneGroups();
  }

  readonly observe: RunObserver = (progress) => {
    switch (progress.type) {
      case "waiting":
        this.#waitedMs += progress.waitMs;
        break;
      case "chunk-settled":
        if (progress.round > 0 || progress.event === "defer" || progress.event === "release") break;
        if (this.#plan) {
          const entry = entryOf(this.#plan, progress.key);
          this.#open.set(entry, (this.#open.get(entry) ?? 1) - 1);
          this.#printDoneGroups();
        }
        break;
      case "gaps":
        this.#finishStageOne();
        this.#gaps = progress.series;
        this.#printGaps();
        break;
      case "repaired":
        if (this.#stage < 3) this.#stageThree();
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
  finish(scoped: readonly ScopedSeries[], summary: RunSummary | null, durationMs: number): void {
    this.#finishStageOne();
    if (this.#gaps.length === 0) {
      this.#gaps = scoped.map(({ series, standing }) => ({ key: series.key, gaps: standing.gaps }));
      this.#printGaps();
    }
    if (this.#stage < 3) this.#stageThree();
    this.#output.line();
    this.#banner("DATA COMPLETENESS MATRIX");
    this.#printMatrix(scoped);
    this.#output.line();
    this.#banner("BACKFILL SUMMARY");
    const entries = [...new Set(scoped.map((one) => one.series.entry))];
    const complete = entries.filter((entry) =>
      scoped.every((one) => one.series.entry !== entry || one.standing.gaps.length === 0),
    );
    this.#output.line(`Duration: ${(durationMs / 1000).toFixed(1)}s`);
    this.#output.line(`Symbols Processed: ${entries.length}`);
    this.#output.line(`  Successful: ${complete.length}`);
    this.#output.line(`Gaps Detected: ${summary?.repairs.detected ?? 0}`);
    this.#output.line(`Gaps Filled: ${summary?.repairs.filled ?? 0}`);
    this.#output.line(`Total Candles Inserted: ${(summary?.rows.inserted ?? 0).toLocaleString("en-US")}`);
    this.#output.line(RULE);
  }

  #printDoneGroups(): void {
    while (this.#printed < this.#groups.length) {
      const group = this.#groups[this.#printed] ?? [];
      if (group.some((entry) => (this.#open.get(entry) ?? 0) > 0)) return;
      this.#printGroup(group);
    }
  }

  #finishStageOne(): void {
    if (this.#stage >= 1) return;
    while (this.#printed < this.#groups.length) this.#printGroup(this.#groups[this.#printed] ?? []);
    this.#stage = 1;
  }

  #printGroup(group: readonly string[]): void {
    const plan = this.#plan;
    if (!plan) return;
    if (this.#printed > 0) {
      this.#output.line(`Waited ${(this.#waitedMs / 1000).toFixed(1)}s for the rate limit of ${plan.limits}...`);
    }
    this.#waitedMs = 0;
    this.#printed++;
    this.#output.line(`Processing symbol group ${this.#printed}`);
    for (const entry of group) {
      for (const one of plan.series.filter((series) => series.entry === entry)) {
        this.#output.line(`  ${one.key}: ${one.calls > 0 ? "backfilling..." : "nothing missing"}`);
      }
    }
  }

  #printGaps(): void {
    this.#stage = 2;
    this.#output.line();
    this.#banner("STAGE 2: DETECTING GAPS");
    for (const { key, gaps } of sorted(this.#gaps)) this.#output.line(`${key}: ${gaps.length} gap(s) detected`);
  }

  #stageThree(): void {
    this.#stage = 3;
    this.#output.line();
    this.#banner("STAGE 3: RETRYING FAILED GAPS");
    if (this.#gaps.every(({ gaps }) => gaps.length === 0)) this.#output.line("No gaps to retry");
  }

  #printRepair(repair: Extract<RunProgress, { type: "repaired" }>): void {
    this.#repaired.push(repair);
    const { key, window, round, rows, filled, reason } = repair;
    const range = `${formatUtcDate(window.start)} to ${lastDay(window.end)}`;
    this.#output.line(`  ${key}: retrying gap ${range} (attempt ${round}/2)...`);
    this.#output.line(
      filled
        ? `  ${key}: ✓ gap filled (${rows.toLocaleString("en-US")} candles)`
        : `  ${key}: ✗ gap not filled (${reason})`,
    );
  }

  #printMatrix(scoped: readonly ScopedSeries[]): void {
    this.#output.line(`${"Symbol".padEnd(10)}  ${COLUMNS.map((name) => name.padEnd(4)).join("  ")}`);
    this.#output.line("------|----|----|-----|-----|----|----|----|----- ");
    const rows = [...matrixOf(scoped, COLUMNS)].sort((a, b) => (a.entry < b.entry ? -1 : 1));
    for (const { entry, marks } of rows) {
      const cells = marks.map((mark) => (mark === "○" ? "✓*" : mark).padEnd(4));
      this.#output.line(`${entry.padEnd(10)}  ${cells.join("  ")}`);
    }
    if (rows.some(({ marks }) => marks.includes("○")))
      this.#output.line("* some slots are empty at the source, asked again");
    if (rows.some(({ marks }) => marks.includes("⊘"))) this.#output.line("⊘ refused by the source for this plan");
    for (const { series, standing } of scoped) {
      for (const gap of standing.gaps.slice(0, 3)) {
        const { symbol, timeframe } = series.parts;
        this.#output.line(`✗ ${series.key} ${formatInstant(gap.start)} to ${formatInstant(gap.end)}: ${gap.reason}`);
        this.#output.line(
          `    retrofill run backfill_ohlcv --symbols ${symbol} --timeframe ${timeframe} --start ${formatUtcDate(gap.start)} --end ${lastDay(gap.end)}`,
        );
      }
      if (standing.gaps.length > 3)
        this.#output.line(`✗ ${series.key} … ${standing.gaps.length - 3} more: retrofill gaps`);
    }
  }

  #banner(title: string): void {
    this.#output.line(RULE);
    this.#output.line(title);
    this.#output.line(RULE);
  }
}

function entryOf(plan: Plan, key: SeriesKey): string {
  return plan.series.find((one) => one.key === key)?.entry ?? key;
}

/** The last day of a half-open range, as people name it. */
function lastDay(end: number): string {
  return formatUtcDate(instant(end - 1));
}

function sorted<T extends { readonly key: SeriesKey }>(list: readonly T[]): readonly T[] {
  return [...list].sort((a, b) => {
    const [x = "", y = ""] = [a.key.slice(0, a.key.lastIndexOf("/")), b.key.slice(0, b.key.lastIndexOf("/"))];
    return x === y ? 0 : x < y ? -1 : 1;
  });
}

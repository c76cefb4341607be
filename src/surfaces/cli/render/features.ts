import { daysOf } from "../../../core/dataset/axis.ts";
import type { DatasetName } from "../../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../../core/dataset/series.ts";
import type { Plan, SeriesPlan } from "../../../core/plan/plan.ts";
import { formatShort, formatUtcDate, instant } from "../../../core/time/instant.ts";
import type { SeriesRows } from "../../../engine/ledger-port.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";
import type { Execution } from "../../../engine/run/execute.ts";
import type { RunObserver } from "../../../engine/run/observer.ts";
import { count, type Output } from "../output.ts";
import type { ScriptPrinter } from "./script-printer.ts";

const RULE = "=".repeat(80);

/** More gaps of one series than this are counted instead of listed. */
const SHOWN_GAPS = 3;

type Rows = Required<SeriesRows>;
const NO_ROWS: Rows = { processed: 0, inserted: 0, updated: 0, retracted: 0 };

/**
 * Prints a run in the form of the script that `backfill_features` replaces. Series are made one after the other, so a
 * series is over when a later one has rows; a group's results are printed once all of its series are over.
 */
export class FeaturesPrinter implements ScriptPrinter {
  readonly #output: Output;
  /** How the program is called from here. */
  readonly #retrofill: string;
  readonly #dataset: DatasetName;
  #limit: number | null = null;
  #groups: readonly (readonly SeriesPlan[])[] = [];
  #order: readonly SeriesKey[] = [];
  #planned: ReadonlySet<SeriesKey> = new Set();
  readonly #rows = new Map<SeriesKey, Rows>();
  #opened = 0;
  #closed = 0;

  constructor(output: Output, retrofill: string, dataset: DatasetName) {
    this.#output = output;
    this.#retrofill = retrofill;
    this.#dataset = dataset;
  }

  /** The banner, how many symbols there are and which days. */
  start(plan: Plan): void {
    const own = plan.series.filter(({ dataset }) => dataset === this.#dataset);
    const symbols = [...new Set(own.map(({ entry }) => entry))];
    const size = plan.request.maxConcurrent;
    this.#limit = plan.request.limit;
    this.#groups = Array.from({ length: Math.ceil(symbols.length / size) }, (_, i) => {
      const group = new Set(symbols.slice(i * size, (i + 1) * size));
      return own.filter(({ entry }) => group.has(entry));
    });
    this.#order = own.map(({ key }) => key);
    this.#planned = new Set(
      plan.steps.flatMap((step) =>
        step.kind === "build" && step.dataset === this.#dataset ? step.windows.map(({ key }) => key) : [],
      ),
    );
    this.#banner("FEATURE ENRICHMENT PIPELINE STARTED");
    this.#output.line(`Loaded ${symbols.length} symbols`);
    this.#output.line(`Date range: ${dateRange(plan)}`);
  }

  readonly observe: RunObserver = (progress) => {
    switch (progress.type) {
      case "making":
        if (progress.dataset === this.#dataset) this.#openGroup();
        break;
      case "published":
        if (progress.dataset === this.#dataset) this.#count(progress.receipt.rowsBySeries);
        break;
      case "notice":
        this.#output.note(progress.text);
        break;
      default:
        break;
    }
  };

  finish(scoped: readonly ScopedSeries[], execution: Execution | null, durationMs: number): void {
    this.#closeGroupsBefore(this.#order.length);
    const own = scoped.filter(({ dataset }) => dataset.name === this.#dataset);
    const incomplete = own.filter(({ standing }) => standing.gaps.length > 0);
    this.#printReasons(incomplete);
    this.#output.line();
    this.#banner("ENRICHMENT SUMMARY");
    const symbols = new Set(own.map(({ series }) => series.entry)).size;
    const unfinished = new Set(incomplete.map(({ series }) => series.entry)).size;
    const made = execution?.summary?.stages.find(({ dataset }) => dataset === this.#dataset)?.rows.received ?? 0;
    this.#output.line(`Duration: ${(durationMs / 1000).toFixed(1)}s`);
    this.#output.line(`Symbols Processed: ${symbols}`);
    this.#output.line(`  Successful: ${symbols - unfinished}`);
    if (unfinished > 0) this.#output.line(`  Incomplete: ${unfinished}`);
    // Every record that is read inside a session gets its features, so both totals are one figure.
    this.#output.line(`Total Records Processed: ${count(made)}`);
    this.#output.line(`Total Features Computed: ${count(made)}`);
    if (this.#limit !== null)
      this.#output.line(`Status: reduced scope, only the first ${this.#limit} symbols (--limit)`);
    this.#output.line(RULE);
  }

  #count(rowsBySeries: Readonly<Record<string, SeriesRows>>): void {
    let latest = -1;
    for (const [no, key] of this.#order.entries()) {
      const rows = rowsBySeries[key];
      if (rows === undefined) continue;
      latest = no;
      const before = this.#rows.get(key) ?? NO_ROWS;
      this.#rows.set(key, {
        processed: before.processed + (rows.processed ?? 0),
        inserted: before.inserted + rows.inserted,
        updated: before.updated + rows.updated,
        retracted: before.retracted + rows.retracted,
      });
    }
    // The latest may go on in the next publication.
    this.#closeGroupsBefore(latest);
  }

  /** Prints the results of every group whose series all stand before place `no`. */
  #closeGroupsBefore(no: number): void {
    while (this.#closed < this.#groups.length) {
      const group = this.#groups[this.#closed] ?? [];
      const last = group[group.length - 1];
      if (last !== undefined && this.#order.indexOf(last.key) >= no) return;
      if (this.#opened === this.#closed) this.#openGroup();
      for (const one of group) this.#output.line(`  ${one.key}: ${this.#result(one)}`);
      this.#closed++;
      if (no < this.#order.length) this.#openGroup();
    }
  }

  #openGroup(): void {
    const group = this.#groups[this.#opened];
    if (group === undefined) return;
    this.#opened++;
    const symbols = new Set(group.map(({ entry }) => entry)).size;
    this.#output.line();
    this.#output.line(`Processing group ${this.#opened} (${symbols} symbols)`);
    for (const one of group) {
      const idle = one.gapSlots > 0 ? "no candles to compute from" : "nothing to compute";
      this.#output.line(`  ${one.key}: ${this.#planned.has(one.key) ? "computing features..." : idle}`);
    }
  }

  #result({ key, gapSlots }: SeriesPlan): string {
    const { processed, inserted, updated, retracted } = this.#rows.get(key) ?? NO_ROWS;
    const counts = `processed=${processed}, inserted=${inserted}, updated=${updated}`;
    if (retracted > 0) return `✓ ${counts}, retracted=${retracted}`;
    if (processed > 0) return `✓ ${counts}`;
    return gapSlots > 0 ? `✗ ${counts} (no candles: run master_backfill first)` : `✓ ${counts} (nothing changed)`;
  }

  /** What could not be made and why, with the command that brings the candles of exactly that range. */
  #printReasons(incomplete: readonly ScopedSeries[]): void {
    if (incomplete.length > 0) this.#output.line();
    for (const { series, standing } of incomplete) {
      for (const gap of standing.gaps.slice(0, SHOWN_GAPS)) {
        const { first, last } = daysOf(series.axis, gap);
        const { symbol, timeframe } = series.parts;
        this.#output.line(`✗ ${series.key} ${formatShort(gap.start)} to ${formatShort(gap.end)}: ${gap.reason}`);
        if (gap.cause === "input-missing") {
          this.#output.line(
            `    ${this.#retrofill} run backfill_ohlcv --symbols ${symbol} --timeframe ${timeframe} --start ${first} --end ${last}`,
          );
        }
      }
      const more = standing.gaps.length - SHOWN_GAPS;
      if (more > 0)
        this.#output.line(`✗ ${series.key} and ${more} more gaps, listed by: ${this.#retrofill} gaps ${this.#dataset}`);
    }
  }

  #banner(title: string): void {
    this.#output.line(RULE);
    this.#output.line(title);
    this.#output.line(RULE);
  }
}

/** First and last day of what was asked for, both in it. */
function dateRange({ request, series, businessNow }: Plan): string {
  const starts = series.map(({ requested }) => requested.start as number);
  const from = request.from ?? instant(Math.min(businessNow, ...starts));
  const to = request.to === null || request.to > businessNow ? businessNow : instant(request.to - 1);
  return `${formatUtcDate(from)} to ${formatUtcDate(to)}`;
}

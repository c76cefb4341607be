import type { Plan, Request } from "../../core/plan/plan.ts";
import { formatInstant, instant } from "../../core/time/instant.ts";
import { localDate } from "../../core/time/zone.ts";
import { rowsOnClosedDays } from "../../engine/plan/closed-days.ts";
import { dayPlanOf } from "../../engine/plan/day-plan.ts";
import { type ScopedSeries, scopeOf } from "../../engine/plan/scope.ts";
import { selection } from "../../engine/plan/selection.ts";
import { select } from "../../engine/project.ts";
import { resultsOf, type SeriesOutcome } from "../../engine/results.ts";
import type { Execution } from "../../engine/run/execute.ts";
import type { RunObserver, RunProgress } from "../../engine/run/observer.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./context.ts";
import type { OpenProject } from "./host.ts";
import { count, duration, plural } from "./output.ts";
import { printDays } from "./render/days.ts";
import { entryName } from "./render/entry-name.ts";
import { FeaturesPrinter } from "./render/features.ts";
import { keyProgress } from "./render/key-progress.ts";
import { MasterPrinter } from "./render/master.ts";
import { printMatrix } from "./render/matrix.ts";
import { progressObserver } from "./render/progress.ts";
import { reasonLines } from "./render/reasons.ts";
import type { ScriptPrinter } from "./render/script-printer.ts";
import { printSummary } from "./render/summary.ts";
import { printUnfound, unfoundIn } from "./render/unfound.ts";

/**
 * Everything around one execution that people see or keep: progress, the run's log and results, matrix and summary.
 * `run`, `apply`, `resume` and `retry` differ only in how the execution starts.
 */
export class RunSession {
  readonly #context: Context;
  readonly #opened: OpenProject;
  readonly #resultsFile: string | null;
  readonly #shown: RunObserver;
  #script: ScriptPrinter | null = null;
  /** For pipelines of days. */
  #keys: RunObserver | null = null;
  #runId: string | null = null;
  #logCopy: string | null = null;
  #logIsLost = false;
  #detected = new Map<string, Extract<RunProgress, { type: "gaps" }>["series"][number]["gaps"]>();
  readonly #retries: Extract<RunProgress, { type: "repaired" }>[] = [];
  #proposed: readonly Plan[] = [];
  readonly #startedAt: number;

  constructor(context: Context, opened: OpenProject, resultsFile: string | null) {
    this.#context = context;
    this.#opened = opened;
    this.#resultsFile = resultsFile;
    this.#shown = progressObserver(context.output, () => opened.project.clock.now());
    this.#startedAt = opened.project.clock.now();
  }

  /** Shows the plan's banner where the job keeps a script's form; returns whether it does. */
  begin(plan: Plan): boolean {
    this.#script = this.#printerOf(plan);
    this.#script?.start(plan);
    return this.#script !== null;
  }

  #printerOf({ request }: Plan): ScriptPrinter | null {
    const { job, datasets } = select(this.#opened.project, request.selector);
    const { output } = this.#context;
    const made = datasets[datasets.length - 1];
    if (job === null || made === undefined) return null;
    switch (job.print) {
      case "master":
        return new MasterPrinter(output, this.#retrofill());
      case "features":
        return new FeaturesPrinter(output, this.#retrofill(), made.name);
      case "standard":
        return null;
      default:
        return job.print satisfies never;
    }
  }

  /** The command as it has to be typed to reach this project from here. */
  #retrofill(): string {
    const { dir } = this.#context;
    return dir === null ? "retrofill" : `retrofill --project ${/^[\w./-]+$/.test(dir) ? dir : `'${dir}'`}`;
  }

  readonly observe: RunObserver = (progress) => {
    this.#log(progress);
    if (progress.type === "gaps") this.#detected = new Map(progress.series.map((one) => [one.key, one.gaps]));
    if (progress.type === "repaired") this.#retries.push(progress);
    if (progress.type === "proposed") this.#proposed = progress.plans;
    this.#script?.observe(progress);
    if (this.#script === null || progress.type !== "notice") this.#shown(progress);
    if (progress.type === "opened") this.#keys = this.#keyProgress(progress.plan);
    this.#keys?.(progress);
  };

  #keyProgress(plan: Plan): RunObserver | null {
    return this.#isOfDays(plan) ? keyProgress(this.#context.output, (key) => entryName(plan, key)) : null;
  }

  #isOfDays({ request }: Plan): boolean {
    return select(this.#opened.project, request.selector).bound.dayReporting !== undefined;
  }

  /** The end of a run that is one of several: a line, and the exit code. */
  async finishStep(plan: Plan, execution: Execution | null): Promise<number> {
    const { output } = this.#context;
    output.status("");
    const scoped = await this.#scope(plan);
    await this.#writeResults(plan, execution, scoped);
    if (execution === null) output.line("nothing to do: 0 calls");
    else if (execution.summary === null) output.line(`${execution.run.status}: retrofill resume ${execution.run.id}`);
    else {
      const { rows, calls, gaps, errors } = execution.summary;
      output.line(
        `${execution.run.status}  ${plural(calls.made, "call")}, ${plural(rows.inserted, "row")} inserted, ${count(rows.updated)} updated, ` +
          `${count(rows.unchanged)} unchanged, ${count(rows.quarantined)} quarantined; ${plural(gaps.after, "day")} left  ${execution.run.id}`,
      );
      const lines = reasonLines(errors.map((error) => ({ ...error, key: entryName(plan, error.key) })));
      for (const line of lines.slice(0, 5)) output.line(`  ${output.paint("red", "error")}  ${line}`);
      if (lines.length > 5)
        output.line(`  … and ${plural(lines.length - 5, "more reason")}: retrofill runs show ${execution.run.id}`);
    }
    return this.#exitCode(execution, scoped);
  }

  /** Prints the end, writes the results, and returns the exit code. */
  async finish(plan: Plan, execution: Execution | null): Promise<number> {
    const { output } = this.#context;
    output.status("");
    const scoped = await this.#scope(plan);
    const exit = this.#exitCode(execution, scoped);
    await this.#writeResults(plan, execution, scoped);
    if (execution?.run && execution.summary === null) {
      this.#resumable(execution);
      return exit;
    }
    if (this.#script) {
      this.#script.finish(scoped, execution, this.#opened.project.clock.now() - this.#startedAt);
      printUnfound(output, scoped);
    } else if (execution !== null) {
      output.line();
      await this.#printCoverage(plan, scoped);
      output.line();
    } else if (!this.#isOfDays(plan)) printUnfound(output, scoped);
    if (execution?.summary && !this.#script) printSummary(output, execution.run, execution.summary, plan);
    for (const proposal of this.#proposed) {
      const { id, reason, cost } = proposal;
      output.line();
      output.line(`${output.paint("yellow", "proposed")}  ${reason ?? ""}`);
      output.line(
        `  ask again for ${plural(askedAgain(proposal), "slot")}: ${plural(cost.calls, "call")}, ${duration(cost.minutes * 60_000)}; before-images kept`,
      );
      output.line(`  ${this.#retrofill()} apply ${id}`);
    }
    output.document(this.#document(plan, execution, scoped));
    return exit;
  }

  async #printCoverage({ request, businessNow }: Plan, scoped: readonly ScopedSeries[]): Promise<void> {
    const { output } = this.#context;
    const { bound } = select(this.#opened.project, request.selector);
    const reporting = (await bound.dayReporting?.()) ?? null;
    if (reporting === null) {
      printMatrix(output, scoped, columnsOf(this.#opened, request));
      return printUnfound(output, scoped);
    }
    const asked = { ...request, now: businessNow };
    const closed = output.json ? null : await rowsOnClosedDays(this.#opened.project, scoped, reporting, asked);
    printDays(output, scoped, dayPlanOf(scoped, reporting, asked, closed));
  }

  /** Records that a run ended with an error before it could close. */
  async failed(error: unknown): Promise<void> {
    if (this.#runId === null) return;
    const { ledger } = this.#opened.project;
    this.#write(this.#runId, { at: this.#now(), event: "FAILURE", error: (error as Error).message });
    const run = await ledger.run(this.#runId);
    if (run) await this.#keepResults(run.id, resultsOf(run, null, []));
  }

  #exitCode(execution: Execution | null, scoped: readonly ScopedSeries[]): number {
    // There may be gaps that no step can close: what features lack where there are no candles.
    if (execution === null) return scoped.some(hasGaps) ? EXIT.incomplete : EXIT.done;
    switch (execution.run.status) {
      case "succeeded":
        return EXIT.done;
      case "partial":
        return EXIT.incomplete;
      case "failed":
        return EXIT.failed;
      case "interrupted":
        return EXIT.interrupted;
      case "paused":
      case "cancelled":
      case "running":
        return EXIT.incomplete;
      default:
        return execution.run.status satisfies never;
    }
  }

  #resumable(execution: Execution): void {
    const { output } = this.#context;
    const word = execution.run.status === "paused" ? "Paused" : "Interrupted";
    output.line(`${word}: everything answered so far is kept. Go on with:`);
    output.line(`  retrofill resume ${execution.run.id}`);
    output.document({ run_id: execution.run.id, plan_id: execution.run.planId, status: execution.run.status });
  }

  #scope(plan: Plan): Promise<readonly ScopedSeries[]> {
    const { project } = this.#opened;
    const { request } = plan;
    const { bound, datasets } = selection(project, request);
    return scopeOf(project, bound, datasets, request, { now: plan.businessNow, leaveOut: plan });
  }

  #document(plan: Plan, execution: Execution | null, scoped: readonly ScopedSeries[]): object {
    const sum = (of: (one: ScopedSeries) => number): number => scoped.reduce((total, one) => total + of(one), 0);
    const nothing = {
      calls: { planned: 0, made: 0, retried: 0, repaired: 0, paged: 0, deferred: 0 },
      cells: {
        due: sum((one) => one.standing.slots.due),
        covered_before: sum((one) => one.standing.slots.covered),
        covered_after: sum((one) => one.standing.slots.covered),
        verified_empty: sum((one) => one.standing.slots.empty),
        failed: 0,
        refused: sum((one) => one.standing.slots.refused),
      },
      rows: { received: 0, inserted: 0, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, retracted: 0 },
      stages: [],
      gaps: { before: sum((one) => one.standing.slots.gap), after: sum((one) => one.standing.slots.gap) },
      late: [],
      errors: [],
      duration_ms: this.#opened.project.clock.now() - this.#startedAt,
    };
    return {
      run_id: execution?.run.id ?? null,
      plan_id: plan.id,
      status: execution?.run.status ?? (scoped.some(hasGaps) ? "partial" : "succeeded"),
      mode: plan.mode,
      kind: plan.kind,
      override_state: plan.overrideState,
      reduced: plan.request.limit,
      business_now: formatInstant(plan.businessNow),
      ...(execution?.summary ?? nothing),
      no_data: unfoundIn(scoped).map(({ entry }) => entry),
      proposed: this.#proposed.map((proposal) => ({
        plan_id: proposal.id,
        reason: proposal.reason,
        slots: askedAgain(proposal),
        calls: proposal.cost.calls,
        minutes: proposal.cost.minutes,
      })),
    };
  }

  async #writeResults(plan: Plan, execution: Execution | null, scoped: readonly ScopedSeries[]): Promise<void> {
    if (execution === null && this.#resultsFile === null) return;
    const run = execution?.run ?? null;
    const outcomes = scoped.map(
      ({ series, standing }): SeriesOutcome => ({
        series,
        detected: this.#detected.get(series.key) ?? standing.gaps,
        open: standing.gaps,
        retries: this.#retries
          .filter((one) => one.key === series.key)
          .map((one) => ({
            start: one.window.start,
            end: one.window.end,
            round: one.round,
            filled: one.filled,
            rows: one.rows,
          })),
      }),
    );
    const results = resultsOf(
      { id: run?.id ?? "", openedAt: run?.openedAt ?? plan.createdAt, closedAt: run?.closedAt ?? null },
      execution?.summary ?? null,
      outcomes,
    );
    if (run) this.#logEnd(run.status, execution);
    await this.#keepResults(run?.id ?? null, results);
  }

  /** The run's own results and the copy that was asked for; what cannot be written is no reason to fail. */
  async #keepResults(runId: string | null, results: object): Promise<void> {
    const { files } = this.#opened.project;
    const places = [
      ...(runId === null ? [] : [{ name: "the run's folder", write: () => files.writeResults(runId, results) }]),
      ...[this.#resultsFile]
        .filter((path) => path !== null)
        .map((path) => ({
          name: path,
          write: () => files.writeTo(path, results),
        })),
    ];
    for (const { name, write } of places) {
      try {
        await write();
      } catch (error) {
        this.#context.output.note(`warning: results were not written to ${name}: ${(error as Error).message}`);
      }
    }
  }

  /** A log that cannot be written, as on a full disk, must not end the run; the reason is shown once. */
  #write(runId: string, line: Readonly<Record<string, unknown>>): void {
    try {
      this.#opened.project.files.log(runId, line, this.#logCopy);
    } catch (error) {
      if (!this.#logIsLost)
        this.#context.output.note(`warning: the run's log is not written: ${(error as Error).message}`);
      this.#logIsLost = true;
    }
  }

  #log(progress: RunProgress): void {
    if (progress.type === "opened") {
      this.#runId = progress.run.id;
      this.#logCopy = this.#logCopyOf(progress);
    }
    if (this.#runId === null) return;
    const line = logLine(progress);
    if (line) this.#write(this.#runId, { at: this.#now(), run: this.#runId, ...line });
  }

  /** Where the run's log is written too, from the project's folder: a file a run. */
  #logCopyOf({ plan, run }: Extract<RunProgress, { type: "opened" }>): string | null {
    const { pipeline } = select(this.#opened.project, plan.request.selector).bound;
    if (pipeline.log === undefined) return null;
    const day = localDate(pipeline.zone ?? "UTC", run.openedAt).replaceAll("-", "");
    return `logs/${pipeline.log}_${day}_${run.id}.log`;
  }

  #logEnd(status: string, execution: Execution | null): void {
    if (!execution) return;
    const event =
      { succeeded: "SUCCESS", partial: "PARTIAL" }[status] ?? (execution.summary === null ? "STOPPED" : "FAILURE");
    const { summary } = execution;
    this.#write(execution.run.id, {
      at: this.#now(),
      run: execution.run.id,
      event,
      status,
      ...(summary === null
        ? {}
        : {
            rows: summary.rows,
            calls: summary.calls,
            bytes: summary.bytes,
            duration_ms: summary.duration_ms,
            errors: summary.errors.map((one) => `${one.key}: ${one.reason}`),
          }),
    });
  }

  #now(): string {
    return formatInstant(this.#opened.project.clock.now());
  }
}

const hasGaps = ({ standing }: ScopedSeries): boolean => standing.gaps.length > 0;

/** Timeframes, or whatever narrows the series, in the order of the matrix. */
export function columnsOf(opened: OpenProject, request: Pick<Request, "selector" | "narrow">): readonly string[] {
  const { bound } = select(opened.project, request.selector);
  const { flag, values } = bound.pipeline.narrowing;
  const wanted = request.narrow[flag];
  return wanted === undefined ? values : values.filter((value) => wanted.includes(value));
}

function logLine(progress: RunProgress): Readonly<Record<string, unknown>> | null {
  switch (progress.type) {
    case "opened": {
      const { plan, run } = progress;
      return {
        event: progress.resumed ? "RESUME" : "START",
        plan: plan.id,
        actor: run.actor,
        datasets: [...new Set(plan.steps.map((step) => step.dataset))],
        range: rangeOf(plan),
        calls: plan.cost.calls,
        rows: plan.cost.rows,
      };
    }
    case "stage":
      return { event: "PROGRESS", stage: progress.stage, round: progress.round, chunks: progress.chunks };
    case "chunk-settled":
      return {
        event: "PROGRESS",
        key: progress.key,
        start: formatInstant(progress.window.start),
        end: formatInstant(progress.window.end),
        result: progress.event,
        ...(progress.reason === null ? {} : { reason: progress.reason }),
      };
    case "published":
      return {
        event: "PROGRESS",
        published: progress.receipt.chunkId,
        dataset: progress.dataset,
        rows: progress.receipt.counts,
      };
    case "repaired":
      return { event: "PROGRESS", repaired: progress.key, filled: progress.filled, rows: progress.rows };
    case "proposed":
      return { event: "PROPOSED", plans: progress.plans.map(({ id, reason }) => ({ plan: id, reason })) };
    case "making":
      return { event: "PROGRESS", making: progress.dataset, series: progress.series };
    case "notice":
      return { event: "NOTICE", text: progress.text };
    case "gaps":
      return { event: "PROGRESS", gaps: progress.series.reduce((sum, one) => sum + one.gaps.length, 0) };
    case "call":
    case "chunk-started":
    case "waiting":
    case "closed":
      return null;
    default:
      return progress satisfies never;
  }
}

/** Covered slots that a plan asks for once more. */
function askedAgain({ series }: Plan): number {
  return series.reduce((sum, one) => sum + one.againSlots, 0);
}

function rangeOf(plan: Plan): readonly string[] {
  const scopes = plan.series.flatMap((one) => (one.effective === null ? [] : [one.effective]));
  if (scopes.length === 0) return [];
  const start = Math.min(...scopes.map((one) => one.start));
  const end = Math.max(...scopes.map((one) => one.end));
  return [formatInstant(instant(start)), formatInstant(instant(end))];
}

import { RetrofillError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { recoverPublications } from "../build/publish-chunks.ts";
import type { RunRecord } from "../ledger-port.ts";
import { freeSourcesOf, type Project } from "../project.ts";
import { type Arrivals, lateArrivals } from "../prove/arrivals.ts";
import type { StageEnd } from "./fetch-stage.ts";
import { Filling, type FillOptions } from "./fill.ts";
import { outcomeOf } from "./outcome.ts";
import { adoptOrphans } from "./recover.ts";
import { rejudge, remakeAll } from "./remake.ts";
import { RunScope } from "./run-scope.ts";
import { moveWatermarks } from "./state.ts";
import { type RunSummary, summarize } from "./summary.ts";

export interface Execution {
  readonly run: RunRecord;
  /** Null when the run was paused or interrupted: it goes on with `resume`. */
  readonly summary: RunSummary | null;
  readonly end: StageEnd;
}

interface ExecuteOptions extends FillOptions {
  /** When this process began with the run; its duration counts from here. */
  readonly startedAt: number;
}

/**
 * Performs an open run: finishes what a dead process left, fetches, publishes, looks for holes, asks again for them
 * within the plan's allowance, makes what depends on what changed, and closes the run with a status that agrees with
 * the data.
 */
export async function executeRun(
  project: Project,
  run: RunRecord,
  plan: Plan,
  options: ExecuteOptions,
): Promise<Execution> {
  const { observe } = options;
  const scope = await RunScope.of(project, run, plan);
  for (const dataset of scope.datasets) await recoverPublications(scope.build(dataset), run, project.isAlive);
  const adopted = await adoptOrphans(project, run);
  if (adopted > 0) observe({ type: "notice", text: `${adopted} answers found in bronze were adopted` });

  const filling = new Filling(scope, options);
  for (const dataset of scope.datasets) {
    await filling.publishLeftovers(dataset);
    await rejudge(scope, dataset, observe);
  }
  let end = await filling.fill();
  if (end.kind === "done" || end.kind === "provider") {
    const made = await remakeAll(scope, options);
    if (made.kind !== "done") end = made;
  }
  if (end.kind === "interrupted" || (end.kind === "control" && end.control === "pause")) {
    const event = end.kind === "interrupted" ? "interrupt" : "pause";
    const stopped = await project.ledger.moveRun(run.id, { type: event }, { pid: run.owner.pid }, run.fence);
    return { run: stopped ?? run, summary: null, end };
  }
  return close(scope, end, { ...options, repairs: filling.repairs });
}

async function close(
  scope: RunScope,
  end: StageEnd,
  options: ExecuteOptions & { readonly repairs: RunSummary["repairs"] },
): Promise<Execution> {
  const { project, plan, bound, datasets } = scope;
  const { ledger, bronze, clock } = project;
  const { observe, repairs, startedAt } = options;
  if (end.kind !== "done") {
    await ledger.cancelOpenChunks(scope.run.id, end.kind === "provider" ? end.reason : "cancelled");
  }
  const scoped = await scope.standing();
  const freeSources = freeSourcesOf([bound]);
  const late = await countLate(scope, observe);
  const summary = await summarize(
    ledger,
    scope.run,
    plan,
    scoped.map((one) => one.standing),
    { repairs, durationMs: clock.now() - startedAt, freeSources, late },
  );
  const outcome = outcomeOf(summary, end, plan);
  const run = await ledger.closeRun(scope.run.id, scope.run.fence, outcome, { ...summary }, clock.now());
  const afterwards = async (undone: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      // On a full disk it stays undone, and the run is what it is.
      if (!(error instanceof RetrofillError) || error.code !== "DISK_FULL") throw error;
      observe({ type: "notice", text: `the run is closed, but ${undone}: ${error.message}` });
    }
  };
  await afterwards("its watermark was not moved", () => moveWatermarks(project, run, plan, datasets));
  await afterwards("its bronze has no manifest", async () => {
    const head = await ledger.chainHead(run.id);
    await bronze.seal(run.id, { run_id: run.id, plan_id: run.planId, status: run.status, ...head, rows: summary.rows });
  });
  observe({ type: "closed", run, summary });
  return { run, summary, end };
}

/** A figure for people is not worth a longer wait for another writer. */
const LATE_WAIT_MS = 1_000;

/**
 * How late rows came to an incremental run. What a person or a restatement plan asks again says nothing about a
 * lookback; a file that others write to is no reason to fail.
 */
async function countLate(
  { project, run, plan, bound, datasets }: RunScope,
  observe: FillOptions["observe"],
): Promise<readonly Arrivals[]> {
  if (plan.mode !== "incremental" || plan.request.ask === "again") return [];
  try {
    return await lateArrivals(project, { bound, datasets }, { runId: run.id, waitMs: LATE_WAIT_MS });
  } catch (error) {
    observe({ type: "notice", text: `late rows were not counted: ${(error as Error).message}` });
    return [];
  }
}

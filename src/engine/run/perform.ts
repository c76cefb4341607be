import { RetrofillError } from "../../core/errors.ts";
import { isEmptyPlan, type Plan, type Request } from "../../core/plan/plan.ts";
import { formatInstant } from "../../core/time/instant.ts";
import type { EndedRun } from "../alert/facts.ts";
import { tellAfter } from "../alert/tell.ts";
import { newId } from "../ids.ts";
import type { NewChunk, RunRecord } from "../ledger-port.ts";
import { driftOf } from "../plan/drift.ts";
import { makePlan, type PlanOptions } from "../plan/make-plan.ts";
import { proposeRestatements } from "../plan/proposals.ts";
import { selection } from "../plan/selection.ts";
import type { Project } from "../project.ts";
import { type Connect, type Connections, connectAll } from "./connections.ts";
import { refuseFullDisk } from "./disk.ts";
import { type Execution, executeRun } from "./execute.ts";
import type { RunObserver } from "./observer.ts";

export interface PerformOptions {
  /** Connects to those whom the plan may ask; called only when there is something to do. */
  readonly connect: Connect;
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
}

/** `run` plans again this often when the world moved between its own plan and its opening. */
const MAX_REPLANS = 3;

/**
 * Opens a run on a stored plan and performs it. Expiry and drift are checked here and never again.
 * @throws RetrofillError PLAN_UNKNOWN, PLAN_APPLIED, PLAN_EXPIRED, LOGIC_CHANGED, PLAN_DRIFTED with the difference
 */
export async function applyPlan(project: Project, planId: string, options: PerformOptions): Promise<Execution | null> {
  const plan = await project.ledger.plan(planId);
  if (!plan) {
    throw new RetrofillError("PLAN_UNKNOWN", `no plan ${planId}`, { hint: "retrofill plan SELECTOR makes one" });
  }
  if (project.clock.now() > plan.expiresAt) {
    throw new RetrofillError("PLAN_EXPIRED", `plan ${plan.id} expired at ${formatInstant(plan.expiresAt)}`, {
      hint: `make it again: retrofill plan ${plan.request.selector}`,
    });
  }
  const drift = await driftOf(project, plan);
  if (drift.length > 0) {
    // What a plan did moves its own coverage: that it was applied is the better answer.
    if (await wasApplied(project, plan)) throw applied(plan);
    throw new RetrofillError(
      "PLAN_DRIFTED",
      `the world has moved since plan ${plan.id} was made:\n  ${drift.join("\n  ")}`,
      { hint: `make it again: retrofill plan ${plan.request.selector}` },
    );
  }
  if (isEmptyPlan(plan)) return null;
  return open(project, plan, options);
}

/** Plans a request and performs it at once; plans again when the world moved in between. */
export async function runRequest(
  project: Project,
  request: Request,
  planOptions: PlanOptions,
  options: PerformOptions & {
    /** Shown the plan before anything is done; false stops here. */
    readonly confirm: (plan: Plan) => Promise<boolean>;
  },
): Promise<{ readonly plan: Plan; readonly execution: Execution | null; readonly confirmed: boolean }> {
  for (let tries = 0; ; tries++) {
    const plan = await makePlan(project, request, planOptions);
    await project.ledger.savePlan(plan);
    if (isEmptyPlan(plan)) {
      await options.confirm(plan);
      return { plan, execution: null, confirmed: true };
    }
    if (!(await options.confirm(plan))) return { plan, execution: null, confirmed: false };
    const drift = await driftOf(project, plan);
    if (drift.length === 0) return { plan, execution: await open(project, plan, options), confirmed: true };
    if (tries + 1 >= MAX_REPLANS) {
      throw new RetrofillError(
        "PLAN_DRIFTED",
        `the world moved ${MAX_REPLANS} times while planning:\n  ${drift.join("\n  ")}`,
        {
          hint: "another process changes the same series; run it again when that has finished",
        },
      );
    }
  }
}

/** Goes on with a run that was paused, interrupted or left by a process that died. */
export async function resumeRun(project: Project, runId: string, options: PerformOptions): Promise<Execution> {
  const run = await requireRun(project, runId);
  if (run.status === "running" && project.isAlive(run.owner)) {
    throw new RetrofillError("RUN_STATE", `run ${runId} is being worked on by process ${run.owner.pid}`, {
      hint: `retrofill pause ${runId} stops it at the next request`,
    });
  }
  const ready = await prepare(project, run, options);
  const taken = await project.ledger.takeOver(runId, project.self, project.clock.now(), "resume", run.fence);
  if (!taken) {
    throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: there is nothing to resume`, {
      hint: `retrofill retry ${runId} asks again for what failed`,
    });
  }
  return perform(project, taken, ready, options, true);
}

/** Asks again for what failed or was refused in a finished run, in the same windows; null when nothing did. */
export async function retryRun(project: Project, runId: string, options: PerformOptions): Promise<Execution | null> {
  const run = await requireRun(project, runId);
  const chunks = await project.ledger.chunks(runId, { kind: "fetch", status: ["failed", "refused", "cancelled"] });
  if (chunks.length === 0) return null;
  const ready = await prepare(project, run, options);
  const taken = await project.ledger.takeOver(runId, project.self, project.clock.now(), "reopen", run.fence);
  if (!taken) {
    throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status} and cannot be retried`, {
      hint:
        run.status === "cancelled"
          ? "make a new plan instead: retrofill retry RUN --latest"
          : `retrofill resume ${runId}`,
    });
  }
  return perform(project, taken, ready, options, true);
}

interface Prepared {
  readonly plan: Plan;
  readonly connections: Connections;
}

/** Connects before the run is touched: without a key or an address nothing is opened. */
async function prepare(project: Project, run: RunRecord, options: PerformOptions): Promise<Prepared> {
  const plan = await project.ledger.plan(run.planId);
  if (!plan) throw new Error(`unreachable: run ${run.id} has no plan`);
  return { plan, connections: await connectAll(project, plan, options.connect) };
}

async function open(project: Project, plan: Plan, options: PerformOptions): Promise<Execution> {
  await refuseFullDisk(project, plan);
  const connections = await connectAll(project, plan, options.connect);
  const now = project.clock.now();
  const chunks = plan.steps.flatMap((step) =>
    step.kind === "fetch"
      ? step.chunks.map(
          (chunk): NewChunk => ({
            kind: "fetch",
            round: 0,
            dataset: step.dataset,
            version: step.version,
            key: chunk.key,
            ...(chunk.keys === undefined ? {} : { keys: chunk.keys }),
            source: step.source,
            window: { start: chunk.start, end: chunk.end },
          }),
        )
      : [],
  );
  const run = await project.ledger.openRun(plan, newId("run", now, project.random), project.self, chunks, now);
  if (!run) throw applied(plan);
  return perform(project, run, { plan, connections }, options, false);
}

async function wasApplied(project: Project, plan: Plan): Promise<boolean> {
  return (await project.ledger.runs(Number.MAX_SAFE_INTEGER)).some((run) => run.planId === plan.id);
}

function applied(plan: Plan): RetrofillError {
  return new RetrofillError("PLAN_APPLIED", `plan ${plan.id} was applied before`, {
    hint: `a plan is applied once; make a new one: retrofill plan ${plan.request.selector}`,
  });
}

async function perform(
  project: Project,
  run: RunRecord,
  { plan, connections }: Prepared,
  options: PerformOptions,
  resumed: boolean,
): Promise<Execution> {
  options.observe({ type: "opened", run, plan, resumed });
  let execution: Execution;
  try {
    execution = await executeRun(project, run, plan, {
      connections,
      observe: options.observe,
      signal: options.signal,
      startedAt: project.clock.now(),
    });
  } catch (error) {
    if (!options.signal.aborted && !(await isElsewhere(project, run))) {
      await tellOf(project, { run, plan, summary: null, error: (error as Error).message, proposals: null }, options);
    }
    throw error;
  }
  // A run that goes on later has not ended.
  const { summary } = execution;
  if (summary !== null) {
    const proposals = await propose(project, plan, options);
    await tellOf(project, { run: execution.run, plan, summary, error: null, proposals }, options);
  }
  return execution;
}

/** A run may have brought to light that the source has restated its past. */
async function propose(project: Project, plan: Plan, { observe }: PerformOptions): Promise<readonly Plan[]> {
  const { bound } = selection(project, plan.request);
  const plans = await proposeRestatements(project, bound, plan.businessNow);
  if (plans.length > 0) observe({ type: "proposed", plans });
  return plans;
}

/** Tells people of a run that ended. What goes wrong with that is a notice: the run has ended as it has. */
async function tellOf(project: Project, ended: EndedRun, { observe }: PerformOptions): Promise<void> {
  for (const text of await tellAfter(project, ended)) observe({ type: "notice", text });
}

/** Whether another process has taken the run over: how it ends is that one's to tell. */
async function isElsewhere(project: Project, run: RunRecord): Promise<boolean> {
  try {
    return (await project.ledger.run(run.id))?.fence !== run.fence;
  } catch {
    return false;
  }
}

async function requireRun(project: Project, runId: string): Promise<RunRecord> {
  const run = await project.ledger.run(runId);
  if (!run) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  return run;
}

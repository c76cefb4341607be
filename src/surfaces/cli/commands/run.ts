import { createInterface } from "node:readline/promises";
import { RetrofillError } from "../../../core/errors.ts";
import { isEmptyPlan, type Plan } from "../../../core/plan/plan.ts";
import { revertRequest } from "../../../engine/decide/revert-run.ts";
import { phaseOrder } from "../../../engine/plan/phase-order.ts";
import { select } from "../../../engine/project.ts";
import { applyPlan, type PerformOptions, resumeRun, retryRun, runRequest } from "../../../engine/run/perform.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import type { OpenProject } from "../host.ts";
import { plural, table } from "../output.ts";
import { printPlan } from "../render/plan.ts";
import { type RequestFlags, readMode, readOverride, readRequest } from "../request.ts";
import { RunSession } from "../run-session.ts";

type RunFlags = RequestFlags & { readonly yes?: boolean; readonly results?: string };

/** Plans, confirms and applies. */
export function run(selector: string, flags: RunFlags) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      const now = project.businessNow();
      const request = readRequest(project, selector, flags, now);
      const { job } = select(project, selector);
      const session = new RunSession(context, opened, flags.results ?? job?.resultsFile ?? null);
      const { plan, execution, confirmed } = await guarded(session, () =>
        runRequest(
          project,
          request,
          {
            mode: readMode(flags),
            overrideState: readOverride(flags),
            reason: flags.reason ?? null,
            actor: project.actor,
            businessNow: now,
          },
          {
            ...performing(context, opened, session),
            confirm: (made) => show(context, opened, session, made, flags.yes === true),
          },
        ),
      );
      if (!confirmed) {
        context.output.line(`Not applied. The plan is kept: retrofill apply ${plan.id}`);
        return EXIT.done;
      }
      return session.finish(plan, execution);
    });
}

/** Makes everything that a selector names anew from bronze; asks nobody. */
export function reprocess(selector: string, flags: RunFlags) {
  return run(selector, { ...flags, fromBronze: true });
}

/** Takes back what a run did: its answers are excluded, its rows stand as before it. */
export function revert(runId: string, flags: { readonly reason?: string; readonly yes?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      if (flags.reason === undefined)
        throw new RetrofillError("USAGE", "revert needs --reason: it stays in the ledger");
      const { reason } = flags;
      const session = new RunSession(context, opened, null);
      const { plan, execution, confirmed } = await guarded(session, async () =>
        runRequest(
          project,
          await revertRequest(project, runId),
          { mode: "backfill", overrideState: false, reason, actor: project.actor, businessNow: project.businessNow() },
          {
            ...performing(context, opened, session),
            confirm: (made) => show(context, opened, session, made, flags.yes === true),
          },
        ),
      );
      if (!confirmed) {
        context.output.line(`Not reverted. The plan is kept: retrofill apply ${plan.id}`);
        return EXIT.done;
      }
      return session.finish(plan, execution);
    });
}

/** Performs a stored plan. */
export function apply(planId: string, flags: { readonly results?: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const session = new RunSession(context, opened, flags.results ?? null);
      const execution = await guarded(session, () =>
        applyPlan(opened.project, planId, performing(context, opened, session)),
      );
      const plan = await requirePlan(opened, execution?.run.planId ?? planId);
      if (execution === null) context.output.line("Nothing to do: 0 calls.");
      return session.finish(plan, execution);
    });
}

/** Goes on with a run. */
export function resume(runId: string, flags: { readonly results?: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const session = new RunSession(context, opened, flags.results ?? null);
      const execution = await guarded(session, () =>
        resumeRun(opened.project, runId, performing(context, opened, session)),
      );
      return session.finish(await requirePlan(opened, execution.run.planId), execution);
    });
}

/** Asks again for what failed; with `--latest` by a new plan. */
export function retry(runId: string, flags: { readonly latest?: boolean; readonly results?: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      const found = await project.ledger.run(runId);
      if (!found) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
      const plan = await requirePlan(opened, found.planId);
      const session = new RunSession(context, opened, flags.results ?? null);
      if (flags.latest === true) {
        const again = await guarded(session, () =>
          runRequest(
            project,
            plan.request,
            { ...plan, businessNow: project.businessNow(), actor: project.actor },
            { ...performing(context, opened, session), confirm: (made) => show(context, opened, session, made, true) },
          ),
        );
        return session.finish(again.plan, again.execution);
      }
      const execution = await guarded(session, () => retryRun(project, runId, performing(context, opened, session)));
      if (execution === null) {
        context.output.line(`Nothing failed in ${runId}: there is nothing to retry.`);
        context.output.document({ run_id: runId, status: found.status, calls: { made: 0 } });
        return EXIT.done;
      }
      return session.finish(plan, execution);
    });
}

function performing(context: Context, opened: OpenProject, session: RunSession): PerformOptions {
  return {
    connect: (provider) => opened.connect(provider),
    observe: session.observe,
    signal: context.signal,
  };
}

/** An error that ends a run half-way still leaves its log and results. */
async function guarded<T>(session: RunSession, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await session.failed(error);
    throw error;
  }
}

/** Shows the plan and asks where a person is there to answer. */
async function show(
  context: Context,
  opened: OpenProject,
  session: RunSession,
  plan: Plan,
  yes: boolean,
): Promise<boolean> {
  const { output } = context;
  if (session.begin(plan)) return true;
  printPlan(output, plan, opened.pinnedNow !== null);
  output.line();
  await showOrder(context, opened, plan);
  if (isEmptyPlan(plan) || yes || output.json || !process.stdin.isTTY || !process.stdout.isTTY) return true;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question("Apply it? [Y/n] ", { signal: context.signal });
    return !/^n/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

/** The phases in whose order the run will ask, a line each, where its pipeline heals in phases. */
async function showOrder({ output }: Context, { project }: OpenProject, plan: Plan): Promise<void> {
  if (output.json || isEmptyPlan(plan)) return;
  const phases = await phaseOrder(project, plan);
  if (phases.length === 0) return;
  const { noun } = select(project, plan.request.selector).bound.pipeline;
  output.line("Order:");
  const rows = phases.map(({ title, keys, days }) => [title, plural(keys, noun.one, noun.many), plural(days, "day")]);
  for (const line of table(["PHASE", noun.many.toUpperCase(), "DAYS"], rows, [1, 2])) output.line(`  ${line}`);
  output.line();
}

async function requirePlan(opened: OpenProject, planId: string): Promise<Plan> {
  const plan = await opened.project.ledger.plan(planId);
  if (!plan) throw new Error(`unreachable: plan ${planId} is stored`);
  return plan;
}

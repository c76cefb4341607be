import { RetrofillError } from "../../core/errors.ts";
import type { Request } from "../../core/plan/plan.ts";
import { isTerminal } from "../../core/run/run-state.ts";
import { footprintOf, refuseLaterTouches } from "../build/revert.ts";
import { selection } from "../plan/selection.ts";
import type { Project } from "../project.ts";

/**
 * The request that takes a run back.
 * @throws RetrofillError RUN_UNKNOWN, RUN_STATE, REVERT_REFUSED where a later run touched the same rows
 */
export async function revertRequest(project: Project, runId: string): Promise<Request> {
  const { ledger } = project;
  const run = await ledger.run(runId);
  if (!run) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  if (!isTerminal(run.status)) {
    throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: only a run that has ended is taken back`, {
      hint: `retrofill cancel ${runId}`,
    });
  }
  const plan = await ledger.plan(run.planId);
  if (!plan) throw new Error(`unreachable: run ${runId} has no plan`);
  if (plan.request.revert !== null || plan.request.ask === "bronze") {
    throw new RetrofillError(
      "REVERT_REFUSED",
      `run ${runId} asked nobody: there is no answer of its own to take back`,
      {
        hint: plan.request.revert === null ? "retrofill reprocess makes rows anew" : "ask again: retrofill run",
      },
    );
  }
  const excluded = await ledger.decisions({ kinds: ["exclude"] });
  if (excluded.some(({ subject }) => subject === runId)) {
    throw new RetrofillError("REVERT_REFUSED", `run ${runId} was taken back before`);
  }
  await refuseBegun(project, runId);
  const request: Request = { ...plan.request, revert: runId, ask: "gaps", limit: null };
  const { bound } = selection(project, request);
  const footprints = await footprintOf(ledger, bound.pipeline.datasets, runId);
  if (footprints.every(({ publications }) => publications.length === 0)) {
    throw new RetrofillError("REVERT_REFUSED", `run ${runId} wrote nothing: there is nothing to take back`);
  }
  const open = await ledger.chunks(runId, { kind: "fetch", status: ["fetched"] });
  if (open.length > 0) {
    throw new RetrofillError("REVERT_REFUSED", `run ${runId} has ${open.length} answers that are not published yet`, {
      hint: `publish them first (0 calls): retrofill run ${plan.request.selector}`,
    });
  }
  await refuseLaterTouches(project, runId, footprints);
  return request;
}

/** One that was stopped half-way goes on: begun anew, it would find its own rows in its way. */
async function refuseBegun({ ledger }: Project, runId: string): Promise<void> {
  for (const { id, status, planId } of await ledger.runs(Number.MAX_SAFE_INTEGER)) {
    if (isTerminal(status) || (await ledger.plan(planId))?.request.revert !== runId) continue;
    throw new RetrofillError("RUN_STATE", `run ${runId} is being taken back by ${id}, which has not ended`, {
      hint: `retrofill resume ${id}`,
    });
  }
}

/** Records that a run was taken back: its answers count in no rebuild. */
export async function recordRevert(project: Project, runId: string, reason: string): Promise<void> {
  const known = await project.ledger.decisions({ kinds: ["exclude"] });
  if (known.some(({ subject }) => subject === runId)) return;
  await project.ledger.decide({
    kind: "exclude",
    at: project.clock.now(),
    actor: project.actor,
    reason,
    dataset: null,
    version: null,
    key: null,
    span: null,
    until: null,
    subject: runId,
  });
}

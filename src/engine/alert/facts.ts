import type {
  AlertFacts,
  BudgetFacts,
  DatasetFacts,
  ProposalFacts,
  RunFacts,
  VolumeFacts,
} from "../../core/alerts/facts.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { type Plan, plannedCalls, type Request, requestFor } from "../../core/plan/plan.ts";
import type { RunStatus } from "../../core/run/run-state.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { RowCounts, RunRecord, RunStanding } from "../ledger-port.ts";
import { providersOf } from "../plan/cost.ts";
import { type ScopedSeries, scopeOf } from "../plan/scope.ts";
import { selection } from "../plan/selection.ts";
import type { BoundPipeline, Project } from "../project.ts";
import type { RunSummary } from "../run/summary.ts";
import { datasetFacts } from "./dataset-facts.ts";
import { volumeFacts } from "./volume-facts.ts";

/** A run that closed, or that an error ended before it could. */
export interface EndedRun {
  readonly run: RunRecord;
  readonly plan: Plan;
  /** Null when it never closed. */
  readonly summary: RunSummary | null;
  /** What ended it, in words; null when it closed. */
  readonly error: string | null;
  /** Open plans for what the source has restated, as it was found after the run; null when nobody looked. */
  readonly proposals: readonly Plan[] | null;
}

/** Earlier runs that a streak may look at. */
const RECENT_RUNS = 50;

/**
 * What a run that ended did, and how its datasets stand after it. Its keys are judged over their whole history: a gap
 * that lies across the start of the run's range is the same gap as before. What cannot be read is left out, so that
 * the failure itself is told.
 */
export async function factsAfter(project: Project, ended: EndedRun): Promise<AlertFacts> {
  const { run, plan } = ended;
  const { bound, datasets } = selection(project, plan.request);
  const now = run.businessNow;
  const scoped = await orElse([], () => wholeScope(project, bound, datasets, plan.request, now));
  const { entries, narrow, limit } = plan.request;
  const isWhole = entries === null && limit === null && Object.keys(narrow).length === 0;
  const facts: DatasetFacts[] = [];
  const volumes: VolumeFacts[] = [];
  for (const dataset of datasets) {
    const own = scoped.filter((one) => one.dataset === dataset);
    if (own.length === 0) continue;
    const isBusy = await orElse(false, () => isFilled(project, dataset, run));
    const judged = { bound, dataset, scoped: own, now, isWhole, isBusy };
    facts.push(...(await orElse([], async () => [await datasetFacts(project, judged)])));
    volumes.push(...(await orElse([], () => volumeFacts(project, judged, run))));
  }
  return {
    at: project.clock.now(),
    businessNow: now,
    run: await runFacts(project, ended),
    datasets: facts,
    budgets: await orElse([], () => budgetFacts(project, bound, ended)),
    volumes,
    proposals: ended.proposals?.map((proposal) => proposalFacts(bound, proposal)) ?? null,
  };
}

function proposalFacts({ pipeline }: BoundPipeline, { id, reason, request, series, cost }: Plan): ProposalFacts {
  return {
    dataset: pipeline.main,
    entry: request.entries?.join(" ") ?? pipeline.name,
    plan: id,
    reason: reason ?? "",
    slots: series.reduce((sum, one) => sum + one.againSlots, 0),
    calls: cost.calls,
  };
}

/** How everything stands that was ever filled, without a run. */
export async function factsNow(project: Project): Promise<AlertFacts> {
  const now = project.businessNow();
  const facts: DatasetFacts[] = [];
  const budgets: BudgetFacts[] = [];
  for (const bound of project.pipelines) {
    const { pipeline } = bound;
    const entries = await project.ledger.entries(pipeline.name);
    budgets.push(...(await quotaFacts(project, bound)));
    if (!entries.some((entry) => entry.active)) continue;
    const scoped = await wholeScope(project, bound, pipeline.datasets, requestFor(pipeline.name), now);
    for (const dataset of pipeline.datasets) {
      const own = scoped.filter((one) => one.dataset === dataset);
      // What nobody has begun with is no backlog.
      if (own.every(({ segments }) => segments.length === 0)) continue;
      const isBusy = await isFilled(project, dataset, null);
      facts.push(await datasetFacts(project, { bound, dataset, scoped: own, now, isWhole: true, isBusy }));
    }
  }
  return {
    at: project.clock.now(),
    businessNow: now,
    run: null,
    datasets: facts,
    budgets,
    volumes: [],
    proposals: null,
  };
}

function wholeScope(
  project: Project,
  bound: BoundPipeline,
  datasets: readonly Dataset[],
  request: Request,
  now: Instant,
): Promise<readonly ScopedSeries[]> {
  const whole = { ...request, from: null, to: null, watermark: null };
  // What was refused a short while ago is not asked now, and missing all the same.
  return scopeOf(project, bound, datasets, whole, { now, leaveOut: { series: [] } });
}

/** Whether a run other than `self` is on its way through the dataset. */
async function isFilled(project: Project, dataset: Dataset, self: RunRecord | null): Promise<boolean> {
  const running = await project.ledger.runningRuns();
  return running.some((one) => {
    if (one.id === self?.id || !project.isAlive(one.owner)) return false;
    try {
      return selection(project, requestFor(one.selector)).datasets.some(({ name }) => name === dataset.name);
    } catch {
      // Its selector is not declared any more.
      return false;
    }
  });
}

async function runFacts(project: Project, { run, plan, summary, error }: EndedRun): Promise<RunFacts> {
  const status = error === null ? run.status : "failed";
  const earlier = await orElse<readonly RunStanding[]>([], () => project.ledger.runsUpTo(run, RECENT_RUNS));
  const recent = earlier.filter(({ id }) => id !== run.id).map((one) => outcomeOf(project, one));
  const done = summary === null ? await orElse(NOTHING, () => doneSoFar(project, run)) : doneBy(summary);
  return {
    id: run.id,
    selector: run.selector,
    mode: run.mode,
    status,
    recent: [status, ...recent],
    calls: { planned: plannedCalls(plan), made: done.calls },
    rowsChanged: done.rows,
    gapSlots: summary === null ? await orElse(0, () => openSlots(project, run, plan)) : summary.gaps.after,
    onlyRead: plan.request.ask === "held" && summary?.errors.length === 0 && summary.rows.quarantined === 0,
    error: error ?? (status === "failed" ? (summary?.errors[0]?.reason ?? null) : null),
  };
}

async function openSlots(project: Project, run: RunRecord, plan: Plan): Promise<number> {
  const { bound, datasets } = selection(project, plan.request);
  const scoped = await scopeOf(project, bound, datasets, plan.request, { now: run.businessNow, leaveOut: plan });
  return scoped.reduce((sum, { standing }) => sum + standing.slots.gap, 0);
}

/** A run that says it is running and whose process is gone ended without an outcome of its own: it failed. */
function outcomeOf(project: Project, { status, owner }: RunStanding): RunStatus {
  return status === "running" && !project.isAlive(owner) ? "failed" : status;
}

interface Done {
  readonly calls: number;
  readonly rows: number;
}

const NOTHING: Done = { calls: 0, rows: 0 };

function doneBy({ calls, rows }: RunSummary): Done {
  return { calls: calls.made, rows: rows.inserted + rows.updated + rows.retracted };
}

/** What a run that never closed did, as the ledger has it. */
async function doneSoFar({ ledger }: Project, run: RunRecord): Promise<Done> {
  const published = await ledger.chunks(run.id, { kind: "build", status: ["published"] });
  const rows = published.reduce((sum, { result }) => {
    const counts = result as Partial<RowCounts> | null;
    return sum + (counts?.inserted ?? 0) + (counts?.updated ?? 0) + (counts?.retracted ?? 0);
  }, 0);
  const { unanswered } = await ledger.unansweredCalls(run.id);
  return { calls: (await ledger.objectIds(run.id)).size + unanswered, rows };
}

/** The quotas of everybody the pipeline asks, and what the run itself might cost: its plan and its repairs. */
/** What a run may cost besides its plan and its repairs: half as much again for what a source fails at. */
const RETRIES_TOO = 1.5;

async function budgetFacts(
  project: Project,
  bound: BoundPipeline,
  { run, plan, summary }: EndedRun,
): Promise<readonly BudgetFacts[]> {
  const quotas = await quotaFacts(project, bound);
  if (summary === null || plannedCalls(plan) === 0) return quotas;
  const asked = new Set(plan.cost.providers.map(({ provider }) => provider));
  const credentials = providersOf(bound).flatMap(({ name, credential }) => (asked.has(name) ? [credential] : []));
  return [
    ...quotas,
    {
      credential: credentials.join(" and "),
      period: `a run of ${run.selector}`,
      used: summary.calls.made,
      limit: RETRIES_TOO * (plannedCalls(plan) + plan.repair.calls),
    },
  ];
}

async function quotaFacts(project: Project, bound: BoundPipeline): Promise<readonly BudgetFacts[]> {
  const facts: BudgetFacts[] = [];
  for (const { credential, limits, isFree } of providersOf(bound)) {
    if (isFree) continue;
    const { quotas } = await project.budget.usage(credential, limits);
    facts.push(...quotas.map((quota) => ({ credential, ...quota })));
  }
  return facts;
}

/** What `work` returns, or `fallback` where that cannot be read now. */
async function orElse<T>(fallback: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    return fallback;
  }
}

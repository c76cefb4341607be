import { RetrofillError } from "../../../core/errors.ts";
import { isTerminal } from "../../../core/run/run-state.ts";
import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import type { RunRecord } from "../../../engine/ledger-port.ts";
import { freeSourcesOf, type Project } from "../../../engine/project.ts";
import { changesOf } from "../../../engine/prove/changes.ts";
import { soFar } from "../../../engine/run/summary.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import type { OpenProject } from "../host.ts";
import { count, duration, table } from "../output.ts";
import { changesDocument, printChanges } from "../render/changes.ts";
import { entryName } from "../render/entry-name.ts";
import { positive } from "../request.ts";

interface Summarized {
  readonly calls?: { readonly made: number };
  readonly rows?: { readonly inserted: number; readonly updated: number };
  readonly gaps?: { readonly after: number };
  readonly duration_ms?: number;
}

/** What a list shows of a run; null where nothing is known. */
interface Figures {
  readonly durationMs: number | null;
  readonly calls: number;
  readonly rows: number;
  readonly gapsLeft: number | null;
}

/** The last runs, newest first. */
export function list(flags: { readonly last?: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const runs = await project.ledger.runs(positive("--last", flags.last ?? "20"));
      const decided = await project.ledger.decisions({ kinds: ["exclude"] });
      const reverted = new Set(decided.map(({ subject }) => subject));
      const statusOf = (run: RunRecord): string =>
        statusText(project, run) + (reverted.has(run.id) ? ", reverted" : "");
      const { output } = context;
      const shown = await Promise.all(runs.map(async (run) => ({ run, figures: await figuresOf(project, run) })));
      if (runs.length === 0) output.line("No runs yet: retrofill run ohlcv");
      else {
        const rows = shown.map(({ run, figures: { durationMs, calls, rows: written, gapsLeft } }) => [
          run.id,
          statusOf(run),
          run.selector,
          formatShort(run.openedAt),
          durationMs === null ? "–" : duration(durationMs),
          count(calls),
          count(written),
          gapsLeft === null ? "–" : count(gapsLeft),
          run.actor,
        ]);
        const header = ["RUN", "STATUS", "SELECTOR", "OPENED", "TOOK", "CALLS", "ROWS", "GAPS LEFT", "ACTOR"];
        for (const line of table(header, rows, [5, 6, 7])) output.line(line);
      }
      output.document(
        shown.map(({ run, figures }) => ({
          ...run,
          status: statusText(project, run),
          reverted: reverted.has(run.id),
          figures: {
            duration_ms: figures.durationMs,
            calls: figures.calls,
            rows: figures.rows,
            gaps_left: figures.gapsLeft,
          },
        })),
      );
      return EXIT.done;
    });
}

/** From a run's summary; of one that has not come to its end, what the ledger holds of it so far. */
async function figuresOf(project: Project, run: RunRecord): Promise<Figures> {
  const { calls, rows, gaps, duration_ms: durationMs } = (run.summary ?? {}) as Summarized;
  if (calls && rows && gaps && isTerminal(run.status)) {
    return {
      durationMs: durationMs ?? null,
      calls: calls.made,
      rows: rows.inserted + rows.updated,
      gapsLeft: gaps.after,
    };
  }
  const { calls: made, inserted, updated } = await soFar(project.ledger, run.id, freeSourcesOf(project.pipelines));
  return { durationMs: null, calls: made, rows: inserted + updated, gapsLeft: null };
}

/** One run with its chunks; `--log` prints its log, `--changes` what it did to rows that were there. */
export function show(runId: string, flags: { readonly log?: boolean; readonly changes?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      const run = await requireRun(project, runId);
      const { output } = context;
      if (flags.log === true) {
        const log = await project.files.readLog(runId);
        for (const line of log) output.line(JSON.stringify(line));
        output.document(log);
        return EXIT.done;
      }
      if (flags.changes === true) {
        const changes = await changesOf(project, run);
        printChanges(output, run, changes);
        output.document({ run_id: run.id, status: statusText(project, run), changes: changes.map(changesDocument) });
        return EXIT.done;
      }
      const tally = await project.ledger.tally(runId);
      const failed = await project.ledger.chunks(runId, { kind: "fetch", status: ["failed", "refused", "cancelled"] });
      output.line(`${output.paint("bold", run.id)}  ${statusText(project, run)}`);
      output.line(
        `  plan      ${run.planId}, ${run.mode}, ${run.kind}, by ${run.actor}${run.reason === null ? "" : `: ${run.reason}`}`,
      );
      output.line(`  opened    ${formatInstant(run.openedAt)}, business now ${formatInstant(run.businessNow)}`);
      if (run.closedAt !== null) output.line(`  closed    ${formatInstant(run.closedAt)}`);
      for (const one of tally) {
        output.line(`  ${one.kind.padEnd(8)}  round ${one.round}: ${one.chunks} ${one.status}`);
      }
      const plan = failed.length === 0 ? null : await project.ledger.plan(run.planId);
      for (const chunk of failed.slice(0, 20)) {
        const key = plan === null ? chunk.key : entryName(plan, chunk.key);
        output.line(
          `  ${chunk.status}  ${chunk.dataset} ${key} ${formatShort(chunk.window.start)} to ${formatShort(chunk.window.end)}: ${chunk.error ?? ""}`,
        );
      }
      if (!isTerminal(run.status) && !(run.status === "running" && project.isAlive(run.owner))) {
        output.line(`  go on with: retrofill resume ${run.id}`);
      }
      output.document({ ...run, status: statusText(project, run), chunks: tally, failed });
      return EXIT.done;
    });
}

/** Pauses or cancels: at once when nobody works on the run, else at its next request. */
export function control(runId: string, what: "pause" | "cancel") {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      const run = await requireRun(project, runId);
      if (isTerminal(run.status)) {
        throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: there is nothing to ${what}`);
      }
      const worked = run.status === "running" && project.isAlive(run.owner);
      if (worked) {
        await project.ledger.setControl(runId, what, project.actor);
        context.output.line(`${runId} will ${what} at its next request.`);
      } else {
        await settleIdle(opened, run, what);
        context.output.line(`${runId} is ${what === "pause" ? "paused" : "cancelled"}.`);
      }
      context.output.document({ run_id: runId, control: what, pending: worked });
      return EXIT.done;
    });
}

async function settleIdle({ project }: OpenProject, run: RunRecord, what: "pause" | "cancel"): Promise<void> {
  if (what === "cancel") {
    await refuseHalfRevert(project, run);
    await project.ledger.cancelOpenChunks(run.id, `cancelled by ${project.actor}`);
    await project.ledger.closeRun(run.id, run.fence, "cancelled", { ...(run.summary ?? {}) }, project.clock.now());
  } else if (run.status === "running") {
    await project.ledger.moveRun(run.id, { type: "pause" }, { actor: project.actor });
  }
}

/** A revert that has begun to write is either done as a whole or leaves rows that no decision stands for. */
async function refuseHalfRevert({ ledger }: Project, run: RunRecord): Promise<void> {
  const plan = await ledger.plan(run.planId);
  if (!plan || plan.request.revert === null) return;
  const begun = (await ledger.tally(run.id)).some((one) => one.kind === "build");
  if (!begun) return;
  throw new RetrofillError("RUN_STATE", `run ${run.id} has begun to take back ${plan.request.revert}`, {
    hint: `retrofill resume ${run.id} completes it`,
  });
}

async function requireRun(project: Project, runId: string): Promise<RunRecord> {
  const run = await project.ledger.run(runId);
  if (!run) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  return run;
}

/** `running` without a living process is what a kill left behind. */
function statusText(project: Project, run: RunRecord): string {
  return run.status === "running" && !project.isAlive(run.owner) ? "interrupted (killed)" : run.status;
}

import type { PhaseStep } from "../../../core/coverage/day-phases.ts";
import { RetrofillError } from "../../../core/errors.ts";
import type { Request } from "../../../core/plan/plan.ts";
import { intervalOfDays } from "../../../core/time/local-days.ts";
import { runRequest } from "../../../engine/run/perform.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import type { OpenProject } from "../host.ts";
import { plural } from "../output.ts";
import { type RequestFlags, readMode, readOverride } from "../request.ts";
import { RunSession } from "../run-session.ts";
import { type Reading, readDayPlan, readScope } from "./reading.ts";

/** What one step of a phase came to. */
interface StepEnd {
  readonly step: PhaseStep;
  readonly run_id: string | null;
  readonly status: string;
  readonly exit: number;
}

/**
 * Runs the phases of the gap plan in their order, each step as a run of its own. Stops at the first phase that leaves
 * something undone, unless told to go on; the last line says complete only where nothing is open.
 * Answered days are in no phase, so that asking again by phases is refused.
 */
export function runPhases(
  selector: string,
  flags: RequestFlags & { readonly phases?: boolean; readonly onError?: string },
) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { output } = context;
      const goesOn = readOnError(flags.onError);
      const reading = await readScope(opened, selector, flags);
      const { ask } = reading.request;
      if (ask === "again" || ask === "bronze") {
        throw new RetrofillError("USAGE", "phases ask for what is missing, not for what is there already", {
          hint: `leave out ${flags.phases === true ? "--phases" : "--on-error"}: retrofill run ${selector} --again`,
        });
      }
      const planned = await readDayPlan(reading);
      if (planned === null) {
        const flag = flags.phases === true ? "--phases" : "--on-error";
        throw new RetrofillError("USAGE", `${flag}: ${selector} has no days to plan in phases`, {
          hint: "retrofill run retail --phases",
        });
      }
      const { plan, reporting } = planned;
      const ends: { readonly phase: string; readonly steps: StepEnd[] }[] = [];
      let worst: number = EXIT.done;
      for (const phase of plan.phases) {
        const title = reporting.title(plan, phase);
        output.line(`=== ${title} ===`);
        const steps: StepEnd[] = [];
        ends.push({ phase: title, steps });
        for (const step of phase.steps) {
          const end = await runStep(context, opened, { reading, flags, step });
          steps.push(end);
          worst = Math.max(worst, end.exit);
          if (context.signal.aborted) return stopped(context, ends, EXIT.interrupted);
          if (end.exit !== EXIT.done && !goesOn) {
            output.line(`=== DETENIDO: ${title} quedo incompleta (--on-error continue sigue) ===`);
            return stopped(context, ends, end.exit);
          }
        }
      }
      const { scoped } = await readScope(opened, selector, flags);
      // What the source has refused of late is left out of a plan, but it is not there either.
      const left = scoped.reduce((sum, { standing: { slots } }) => sum + slots.gap + slots.refused, 0);
      output.line(
        left === 0
          ? "=== BACKFILL COMPLETO ==="
          : `=== BACKFILL INCOMPLETO: ${plural(left, "dia")} de tienda por pedir ===`,
      );
      output.document({ complete: left === 0, open_days: left, phases: ends });
      return left === 0 ? EXIT.done : Math.max(worst, EXIT.incomplete);
    });
}

function stopped({ output }: Context, ends: readonly object[], exit: number): number {
  output.document({ complete: false, phases: ends });
  return exit;
}

async function runStep(
  context: Context,
  opened: OpenProject,
  { reading, flags, step }: { readonly reading: Reading; readonly flags: RequestFlags; readonly step: PhaseStep },
): Promise<StepEnd> {
  const { project } = opened;
  const { zone } = (reading.scoped[0] as Reading["scoped"][number]).series.axis.grid;
  const days = intervalOfDays(zone, step);
  const request: Request = {
    ...reading.request,
    entries: step.keys ?? reading.request.entries,
    from: days.start,
    to: days.end,
    chunkSlots: step.chunkDays,
  };
  const session = new RunSession(context, opened, null);
  const { plan, execution } = await runRequest(
    project,
    request,
    {
      mode: readMode(flags),
      overrideState: readOverride(flags),
      reason: flags.reason ?? null,
      actor: project.actor,
      businessNow: reading.now,
    },
    {
      connect: (provider) => opened.connect(provider),
      observe: session.observe,
      signal: context.signal,
      confirm: async () => true,
    },
  ).catch(async (error: unknown) => {
    await session.failed(error);
    throw error;
  });
  const exit = await session.finishStep(plan, execution);
  return { step, run_id: execution?.run.id ?? null, status: execution?.run.status ?? "nothing to do", exit };
}

function readOnError(text: string | undefined): boolean {
  if (text === undefined || text === "stop") return false;
  if (text === "continue") return true;
  throw new RetrofillError("USAGE", `--on-error ${text}: expected stop or continue`);
}

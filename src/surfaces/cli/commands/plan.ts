import { isEmptyPlan } from "../../../core/plan/plan.ts";
import { makePlan } from "../../../engine/plan/make-plan.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { printPlan } from "../render/plan.ts";
import { type RequestFlags, readMode, readOverride, readRequest } from "../request.ts";

/** Makes a plan, stores it and prints it. */
export function plan(selector: string, flags: RequestFlags) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project, pinnedNow }) => {
      const now = project.businessNow();
      const made = await makePlan(project, readRequest(project, selector, flags, now), {
        mode: readMode(flags),
        overrideState: readOverride(flags),
        reason: flags.reason ?? null,
        actor: project.actor,
        businessNow: now,
      });
      await project.ledger.savePlan(made);
      printPlan(context.output, made, pinnedNow !== null);
      if (!isEmptyPlan(made)) {
        context.output.line();
        context.output.line(`retrofill apply ${made.id}`);
      }
      context.output.document(made);
      return EXIT.done;
    });
}

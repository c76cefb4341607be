import { RetrofillError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Project } from "../project.ts";

/** What must stay free beside a plan's own estimate: the ledger, the store's write-ahead file, the user's own work. */
const SPARE_BYTES = 64 * 1024 * 1024;
/** An estimate is one: a plan must fit this many times. */
const MARGIN = 1.25;

/** @throws RetrofillError DISK_FULL when a plan would not fit, before anything is asked */
export async function refuseFullDisk(project: Project, plan: Plan): Promise<void> {
  const needed = plan.cost.bytes * MARGIN + SPARE_BYTES;
  const free = await project.freeBytes();
  if (free >= needed) return;
  throw new RetrofillError(
    "DISK_FULL",
    `the plan needs about ${megabytes(needed)} of disk (${megabytes(plan.cost.bytes)} estimated, and a reserve), ${megabytes(free)} are free in ${project.stateDir}`,
    { hint: "free some space, or narrow the range: --days, --timeframes, --limit; nothing was asked" },
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString("en-US")} MB`;
}

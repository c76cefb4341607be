import { RetrofillError } from "../../core/errors.ts";
import type { RunRecord } from "../../engine/ledger-port.ts";
import { toRun } from "./chunk-rows.ts";
import type { LedgerTx } from "./database.ts";

/** The run's row. @throws RetrofillError RUN_UNKNOWN */
export async function requireRun(tx: LedgerTx, runId: string): Promise<RunRecord> {
  const row = await tx.db.selectFrom("run").selectAll().where("id", "=", runId).executeTakeFirst();
  if (!row) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  return toRun(row);
}

/**
 * The run's row, if `fence` is still its worker's and it is running. Read inside the write lock, so that a worker
 * that was taken over can change nothing, however late it wakes up.
 * @throws RetrofillError RUN_STATE, RUN_UNKNOWN
 */
export async function requireOwner(tx: LedgerTx, runId: string, fence: number): Promise<RunRecord> {
  const run = await requireRun(tx, runId);
  const hint = `retrofill runs show ${runId} tells by whom`;
  if (run.fence !== fence) {
    throw new RetrofillError("RUN_STATE", `run ${runId} was taken over by another process`, { hint });
  }
  if (run.status !== "running") {
    throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}, not running`, { hint });
  }
  return run;
}

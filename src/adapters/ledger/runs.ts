import { RetrofillError } from "../../core/errors.ts";
import { statusesBefore } from "../../core/run/chunk-state.ts";
import { isTerminal, nextRunStatus, type RunEvent } from "../../core/run/run-state.ts";
import type { Ledger, RunRecord } from "../../engine/ledger-port.ts";
import { toRun } from "./chunk-rows.ts";
import { cancelOpen, insertChunks } from "./chunks.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import { headOf, LEDGER_STREAM, SealOf } from "./events.ts";
import { requireOwner, requireRun } from "./ownership.ts";

type RunLedger = Pick<
  Ledger,
  "openRun" | "run" | "runs" | "heartbeat" | "setControl" | "moveRun" | "takeOver" | "closeRun" | "chainHead" | "record"
>;

/** The life of runs: one transaction and one event a transition. */
export function runLedger(ledger: LedgerDatabase): RunLedger {
  const { db } = ledger;
  return {
    openRun(plan, runId, owner, chunks, now) {
      return ledger.write(async (tx) => {
        const claimed = await tx.db
          .updateTable("plan")
          .set({ run_id: runId })
          .where("id", "=", plan.id)
          .where("run_id", "is", null)
          .executeTakeFirst();
        if (claimed.numUpdatedRows === 0n) return null;
        await tx.db
          .insertInto("run")
          .values({
            id: runId,
            plan_id: plan.id,
            status: "running",
            control: "none",
            mode: plan.mode,
            kind: plan.kind,
            override_state: plan.overrideState ? 1 : 0,
            selector: plan.request.selector,
            actor: plan.actor,
            reason: plan.reason,
            business_now: plan.businessNow,
            opened_at: now,
            closed_at: null,
            host: owner.host,
            pid: owner.pid,
            process_started: owner.processStarted,
            heartbeat_at: now,
            fence: 1,
            summary: null,
          })
          .execute();
        const opening = {
          run: runId,
          plan: plan.id,
          planHash: plan.hash,
          actor: plan.actor,
          reason: plan.reason,
          mode: plan.mode,
          kind: plan.kind,
          overrideState: plan.overrideState,
          businessNow: plan.businessNow,
          chunks: chunks.length,
        };
        tx.emit(runId, "run.opened", opening);
        tx.emit(LEDGER_STREAM, "run.opened", { run: runId, plan: plan.id, planHash: plan.hash });
        // What another run has published since the plan looked is not asked again.
        const rival = await tx.db
          .selectFrom("run")
          .select("id")
          .where("id", "!=", runId)
          .where((e) => e.or([e("status", "=", "running"), e("closed_at", ">=", plan.createdAt)]))
          .limit(1)
          .executeTakeFirst();
        await insertChunks(tx, runId, chunks, rival !== undefined);
        return requireRun(tx, runId);
      });
    },

    async run(id) {
      const row = await db.selectFrom("run").selectAll().where("id", "=", id).executeTakeFirst();
      return row ? toRun(row) : null;
    },

    async runs(limit) {
      const rows = await db.selectFrom("run").selectAll().orderBy("ordinal", "desc").limit(limit).execute();
      return rows.map(toRun);
    },

    heartbeat(runId, fence, now) {
      return ledger.write(async (tx) => {
        const { control } = await requireOwner(tx, runId, fence);
        await tx.db.updateTable("run").set({ heartbeat_at: now }).where("id", "=", runId).execute();
        return control;
      });
    },

    setControl(runId, control, actor) {
      return ledger.write(async (tx) => {
        const run = await requireRun(tx, runId);
        if (run.status !== "running") {
          throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: there is nothing to ${control}`);
        }
        await tx.db.updateTable("run").set({ control }).where("id", "=", runId).execute();
        tx.emit(runId, "run.control", { control, actor });
      });
    },

    moveRun(runId, event, details, fence) {
      return ledger.write(async (tx) => {
        const run = fence === undefined ? await requireRun(tx, runId) : await requireOwner(tx, runId, fence);
        return move(tx, run, event, details);
      });
    },

    takeOver(runId, owner, now, event, fence) {
      return ledger.write(async (tx) => {
        const run = await requireRun(tx, runId);
        if (fence !== undefined && run.fence !== fence) return null;
        const moved = await move(tx, run, { type: event }, { ...owner, fence: run.fence + 1 });
        if (!moved) return null;
        await tx.db
          .updateTable("run")
          .set({
            control: "none",
            host: owner.host,
            pid: owner.pid,
            process_started: owner.processStarted,
            heartbeat_at: now,
            closed_at: null,
            fence: run.fence + 1,
          })
          .where("id", "=", runId)
          .execute();
        await releaseChunks(tx, runId);
        if (event === "reopen") await retryChunks(tx, runId);
        return requireRun(tx, runId);
      });
    },

    closeRun(runId, fence, outcome, summary, now) {
      return ledger.write(async (tx) => {
        const run = await requireRun(tx, runId);
        if (run.fence !== fence) throw lostRun(runId);
        const event: RunEvent = outcome === "cancelled" ? { type: "cancel" } : { type: "finish", outcome };
        const moved = await move(tx, run, event, { summary });
        if (!moved) {
          throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: it cannot be closed as ${outcome}`);
        }
        await tx.db
          .updateTable("run")
          .set({ closed_at: now, summary: JSON.stringify(summary) })
          .where("id", "=", runId)
          .execute();
        return requireRun(tx, runId);
      });
    },

    async chainHead(runId) {
      const own = await headOf(db, runId);
      const all = await headOf(db, LEDGER_STREAM);
      return { head: own.hash, length: own.seq, ledger_head: all.hash, ledger_length: all.seq };
    },

    record(stream, type, payload) {
      return ledger.write(async (tx) => {
        tx.emit(stream, type, payload);
      });
    },
  };
}

/** The one place where a run's status changes. A run that ends frees its chunks and is sealed in the ledger's chain. */
async function move(tx: LedgerTx, run: RunRecord, event: RunEvent, details: object): Promise<RunRecord | null> {
  const status = nextRunStatus(run.status, event);
  if (status === null) return null;
  const isOver = isTerminal(status);
  await tx.db
    .updateTable("run")
    .set({ status, ...(isOver ? { closed_at: tx.now } : {}) })
    .where("id", "=", run.id)
    .execute();
  if (isOver) await cancelOpen(tx, run.id, `the run is ${status}`);
  tx.emit(run.id, `run.${event.type}`, { from: run.status, to: status, ...details });
  if (isOver) tx.emit(LEDGER_STREAM, "run.closed", new SealOf(run.id, { status }));
  return requireRun(tx, run.id);
}

/** Puts back what the last worker had claimed: an attempt that it did not finish does not count. */
async function releaseChunks(tx: LedgerTx, runId: string): Promise<void> {
  const fetches = tx.db.updateTable("chunk").where("run_id", "=", runId).where("kind", "=", "fetch");
  await fetches
    .set((e) => ({ attempt: e("attempt", "-", 1) }))
    .where("status", "=", "running")
    .execute();
  await fetches
    .set({ status: "pending", recheck: 1, not_before: 0 })
    .where("status", "in", ["pending", ...statusesBefore("release")])
    .execute();
}

async function retryChunks(tx: LedgerTx, runId: string): Promise<void> {
  await tx.db
    .updateTable("chunk")
    .set({ status: "pending", recheck: 1, not_before: 0, attempt: 0, error: null })
    .where("run_id", "=", runId)
    .where("kind", "=", "fetch")
    .where("status", "in", statusesBefore("retry"))
    .execute();
}

function lostRun(runId: string): RetrofillError {
  return new RetrofillError("RUN_STATE", `run ${runId} was taken over by another process`, {
    hint: `retrofill runs show ${runId} tells by whom`,
  });
}

import { RetrofillError } from "../../core/errors.ts";
import type { Control } from "../../core/run/run-state.ts";
import { nextRunStatus, type RunEvent } from "../../core/run/run-state.ts";
import type { Ledger, RunRecord } from "../../engine/ledger-port.ts";
import { toRun } from "./chunk-rows.ts";
import { insertChunks } from "./chunks.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import { headOf, LEDGER_STREAM, SealOf } from "./events.ts";

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
        await insertChunks(tx, runId, chunks, 1);
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
        await tx.db
          .updateTable("run")
          .set({ heartbeat_at: now })
          .where("id", "=", runId)
          .where("fence", "=", fence)
          .execute();
        const row = await tx.db
          .selectFrom("run")
          .select(["control", "fence"])
          .where("id", "=", runId)
          .executeTakeFirst();
        if (!row || row.fence !== fence) throw lostRun(runId);
        return row.control as Control;
      });
    },

    setControl(runId, control, actor) {
      return ledger.write(async (tx) => {
        await tx.db.updateTable("run").set({ control }).where("id", "=", runId).execute();
        tx.emit(runId, "run.control", { control, actor });
      });
    },

    moveRun(runId, event, details) {
      return ledger.write((tx) => move(tx, runId, event, details));
    },

    takeOver(runId, owner, now, event) {
      return ledger.write(async (tx) => {
        const moved = await move(tx, runId, { type: event }, { ...owner, previousFence: undefined });
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
            fence: moved.fence + 1,
          })
          .where("id", "=", runId)
          .execute();
        await tx.db
          .updateTable("chunk")
          .set({ status: "pending", recheck: 1, not_before: 0 })
          .where("run_id", "=", runId)
          .where("kind", "=", "fetch")
          .where("status", "in", ["running", "deferred", "pending"])
          .execute();
        if (event === "reopen") {
          await tx.db
            .updateTable("chunk")
            .set({ status: "pending", recheck: 1, not_before: 0, attempt: 0, error: null })
            .where("run_id", "=", runId)
            .where("kind", "=", "fetch")
            .where("status", "in", ["failed", "refused", "cancelled"])
            .execute();
        }
        return requireRun(tx, runId);
      });
    },

    closeRun(runId, fence, outcome, summary, now) {
      return ledger.write(async (tx) => {
        const run = await requireRun(tx, runId);
        if (run.fence !== fence) throw lostRun(runId);
        const event: RunEvent = outcome === "cancelled" ? { type: "cancel" } : { type: "finish", outcome };
        const moved = await move(tx, runId, event, { summary });
        if (!moved) throw new Error(`unreachable: run ${runId} cannot ${outcome} from ${run.status}`);
        await tx.db
          .updateTable("run")
          .set({ closed_at: now, summary: JSON.stringify(summary) })
          .where("id", "=", runId)
          .execute();
        tx.emit(LEDGER_STREAM, "run.closed", new SealOf(runId, { status: moved.status }));
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

async function move(tx: LedgerTx, runId: string, event: RunEvent, details: object): Promise<RunRecord | null> {
  const run = await requireRun(tx, runId);
  const status = nextRunStatus(run.status, event);
  if (status === null) return null;
  await tx.db.updateTable("run").set({ status }).where("id", "=", runId).execute();
  tx.emit(runId, `run.${event.type}`, { from: run.status, to: status, ...details });
  return { ...run, status };
}

async function requireRun(tx: LedgerTx, runId: string): Promise<RunRecord> {
  const row = await tx.db.selectFrom("run").selectAll().where("id", "=", runId).executeTakeFirst();
  if (!row) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  return toRun(row);
}

function lostRun(runId: string): RetrofillError {
  return new RetrofillError("RUN_STATE", `run ${runId} was taken over by another process`, {
    hint: `retrofill runs show ${runId} tells by whom`,
  });
}

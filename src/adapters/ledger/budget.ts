import { formatLimits, isRolling, type RateLimit } from "../../core/budget/limits.ts";
import type { Budget, Grant } from "../../engine/budget-port.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";

/** Halved once, on the first throttling under a setting. */
const HALF = 0.5;
/** How long a waiting live request keeps the backfill lane back; renewed while it waits. */
const LIVE_CLAIM_MS = 2_000;

/** Two clocks: `mono` counts since boot for all processes of the host and never jumps; `wall` tells the calendar. */
export interface BudgetClock {
  mono(): number;
  wall(): number;
}

export const systemBudgetClock: BudgetClock = {
  mono: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wall: () => Date.now(),
};

/** The budget in the ledger: one transaction a permit, whoever asks. */
export function ledgerBudget(ledger: LedgerDatabase, clock: BudgetClock = systemBudgetClock): Budget {
  return {
    acquire(credential, limits, lane, holdMs) {
      return ledger.write(async (tx): Promise<Grant> => {
        const now = clock.mono();
        const state = await openState(tx, credential, limits);
        const rolling = limits
          .filter(isRolling)
          .map((limit) => ({ ...limit, windowMs: limit.windowMs / state.factor }));
        const heldMs = state.hold_until - clock.wall();
        if (heldMs > 0) return { kind: "wait", waitMs: heldMs, why: "told" };
        for (const limit of limits.filter((one) => !isRolling(one))) {
          const { period, untilMs } = calendarPeriod(limit, clock.wall());
          if ((await usedOf(tx, credential, period)) >= limit.count) {
            return { kind: "exhausted", untilMs, limit: formatLimits([limit]) };
          }
        }
        const liveMs = clampAhead(state.live_until, now, LIVE_CLAIM_MS) - now;
        if (lane === "backfill" && liveMs > 0) return { kind: "wait", waitMs: Math.min(liveMs, 50), why: "live-lane" };

        const spacing = Math.max(0, ...rolling.map((limit) => limit.windowMs / limit.count));
        let readyAt = clampAhead(state.next_at, now, spacing);
        const slots: number[] = [];
        for (const [no, limit] of rolling.entries()) {
          const slot = await tx.db
            .selectFrom("budget_slot")
            .select(["slot", "free_at"])
            .where("credential", "=", credential)
            .where("limit_no", "=", no)
            .orderBy("free_at")
            .limit(1)
            .executeTakeFirstOrThrow();
          readyAt = Math.max(readyAt, clampAhead(slot.free_at, now, limit.windowMs + holdMs));
          slots.push(slot.slot);
        }
        if (readyAt > now) {
          if (lane === "live") {
            const claim = { live_until: Math.ceil(readyAt + LIVE_CLAIM_MS / 4) };
            await tx.db.updateTable("budget").set(claim).where("credential", "=", credential).execute();
          }
          return { kind: "wait", waitMs: readyAt - now, why: "rate" };
        }
        for (const [no, limit] of rolling.entries()) {
          await setSlot(tx, credential, no, slots[no] ?? 0, now + holdMs + limit.windowMs);
        }
        for (const limit of limits.filter((one) => !isRolling(one))) {
          await count(tx, credential, calendarPeriod(limit, clock.wall()).period);
        }
        await tx.db
          .updateTable("budget")
          .set({ next_at: now + spacing, ...(lane === "live" ? { live_until: 0 } : {}) })
          .where("credential", "=", credential)
          .execute();
        return { kind: "granted", permit: { credential, slots } };
      });
    },

    release(permit, limits) {
      return ledger.write(async (tx) => {
        const now = clock.mono();
        const state = await openState(tx, permit.credential, limits);
        for (const [no, limit] of limits.filter(isRolling).entries()) {
          await setSlot(tx, permit.credential, no, permit.slots[no] ?? 0, now + limit.windowMs / state.factor);
        }
      });
    },

    throttled(credential, waitMs) {
      return ledger.write(async (tx) => {
        const state = await tx.db
          .selectFrom("budget")
          .selectAll()
          .where("credential", "=", credential)
          .executeTakeFirstOrThrow();
        const holdUntil = Math.max(state.hold_until, Math.ceil(clock.wall() + waitMs));
        const halve = state.factor === 1;
        await tx.db
          .updateTable("budget")
          .set({ hold_until: holdUntil, factor: halve ? HALF : state.factor })
          .where("credential", "=", credential)
          .execute();
        return halve;
      });
    },

    usage(credential, limits) {
      return ledger.write(async (tx) => {
        const state = await openState(tx, credential, limits);
        const quotas = [];
        for (const limit of limits.filter((one) => !isRolling(one))) {
          const { period } = calendarPeriod(limit, clock.wall());
          quotas.push({ period, used: await usedOf(tx, credential, period), limit: limit.count });
        }
        return {
          credential,
          setting: state.setting,
          factor: state.factor,
          heldMs: Math.max(0, state.hold_until - clock.wall()),
          quotas,
        };
      });
    },
  };
}

interface BudgetState {
  readonly setting: string;
  readonly factor: number;
  readonly hold_until: number;
  readonly next_at: number;
  readonly live_until: number;
}

/** The credential's state; a changed setting starts it anew, with the full rate and a fresh ring. */
async function openState(tx: LedgerTx, credential: string, limits: readonly RateLimit[]): Promise<BudgetState> {
  const setting = formatLimits(limits);
  const state = await tx.db.selectFrom("budget").selectAll().where("credential", "=", credential).executeTakeFirst();
  if (state?.setting === setting) return state;
  const fresh = { setting, factor: 1, hold_until: 0, next_at: 0, live_until: 0 };
  await tx.db
    .insertInto("budget")
    .values({ credential, ...fresh })
    .onConflict((conflict) => conflict.column("credential").doUpdateSet(fresh))
    .execute();
  await tx.db.deleteFrom("budget_slot").where("credential", "=", credential).execute();
  for (const [no, limit] of limits.filter(isRolling).entries()) {
    const ring = Array.from({ length: limit.count }, (_, slot) => ({ credential, limit_no: no, slot, free_at: 0 }));
    for (let i = 0; i < ring.length; i += 5_000) {
      await tx.db
        .insertInto("budget_slot")
        .values(ring.slice(i, i + 5_000))
        .execute();
    }
  }
  return fresh;
}

/** An instant further ahead than it can be comes from before a reboot: the clock since boot started again. */
function clampAhead(at: number, now: number, most: number): number {
  return at > now + most ? now + most : at;
}

async function setSlot(tx: LedgerTx, credential: string, no: number, slot: number, freeAt: number): Promise<void> {
  await tx.db
    .updateTable("budget_slot")
    .set({ free_at: freeAt })
    .where("credential", "=", credential)
    .where("limit_no", "=", no)
    .where("slot", "=", slot)
    .execute();
}

async function usedOf(tx: LedgerTx, credential: string, period: string): Promise<number> {
  const row = await tx.db
    .selectFrom("budget_quota")
    .select("used")
    .where("credential", "=", credential)
    .where("period", "=", period)
    .executeTakeFirst();
  return row?.used ?? 0;
}

async function count(tx: LedgerTx, credential: string, period: string): Promise<void> {
  await tx.db
    .insertInto("budget_quota")
    .values({ credential, period, used: 1 })
    .onConflict((conflict) =>
      conflict.columns(["credential", "period"]).doUpdateSet((e) => ({ used: e("budget_quota.used", "+", 1) })),
    )
    .execute();
}

/** The UTC day or month of `wallMs`, and when it ends. */
function calendarPeriod(limit: RateLimit, wallMs: number): { readonly period: string; readonly untilMs: number } {
  const at = new Date(wallMs);
  const day = at.toISOString().slice(0, 10);
  if (limit.per === "day") {
    return { period: `day ${day}`, untilMs: Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1) };
  }
  return { period: `month ${day.slice(0, 7)}`, untilMs: Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1) };
}

import type { Kysely } from "kysely";
import { formatLimits, isRolling, parseLimits, type RateLimit } from "../../core/budget/limits.ts";
import type { Budget, Grant } from "../../engine/budget-port.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import type { Tables } from "./schema.ts";

/** Halved once, on the first throttling under a setting. */
const HALF = 0.5;
/** How long after its permit was due a waiting live request keeps the backfill lane back; renewed while it waits. */
const LIVE_GRACE_MS = 500;
/** A backfill request that gives way looks again at least this often. */
const LANE_POLL_MS = 50;

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
        // Read inside the write lock: in the order of commits, this clock never runs back.
        const now = clock.mono();
        const state = await openState(tx, credential, limits, now);
        if (state.hold_until > now) return { kind: "wait", waitMs: state.hold_until - now, why: "told" };
        const spent = await spentQuota(tx, credential, limits, clock.wall());
        if (spent) return spent;
        const spacing = spacingMs(limits, state.factor);
        const liveMs = state.live_until - now;
        if (lane === "backfill" && liveMs > 0) {
          return { kind: "wait", waitMs: Math.min(liveMs, Math.max(LANE_POLL_MS, spacing)), why: "live-lane" };
        }
        const ring = await freestSlots(tx, credential, limits);
        const readyAt = Math.max(state.next_at, ...ring.map((slot) => slot.freeAt));
        if (readyAt > now) {
          if (lane === "live") await update(tx, credential, { live_until: readyAt + LIVE_GRACE_MS });
          return { kind: "wait", waitMs: readyAt - now, why: "rate" };
        }
        const freeAt = limits.filter(isRolling).map((limit) => now + holdMs + limit.windowMs / state.factor);
        for (const [no, { slot }] of ring.entries())
          await setSlot(tx, { credential, no, slot, freeAt: freeAt[no] ?? 0 });
        await countCalendar(tx, credential, limits, clock.wall());
        await update(tx, credential, {
          // A permit that comes a little late does not push back those after it: the ring alone is the limit.
          next_at: (now - state.next_at < spacing ? state.next_at : now) + spacing,
          ...(lane === "live" ? { live_until: 0 } : {}),
        });
        return { kind: "granted", permit: { credential, slots: ring.map(({ slot }) => slot), freeAt } };
      });
    },

    release({ credential, slots, freeAt }, limits) {
      return ledger.write(async (tx) => {
        const now = clock.mono();
        const state = await readState(tx.db, credential);
        for (const [no, limit] of limits.filter(isRolling).entries()) {
          const free = now + limit.windowMs / (state?.factor ?? 1);
          await setSlot(tx, { credential, no, slot: slots[no] ?? 0, freeAt: free, was: freeAt[no] ?? 0 });
        }
      });
    },

    throttled(credential, waitMs) {
      return ledger.write(async (tx) => {
        const state = await readState(tx.db, credential);
        if (!state) throw new Error(`unreachable: ${credential} was throttled without a permit`);
        await update(tx, credential, {
          hold_until: Math.max(state.hold_until, clock.mono() + waitMs),
          factor: Math.min(state.factor, HALF),
        });
        return state.factor > HALF;
      });
    },

    async usage(credential, limits) {
      const setting = formatLimits(limits);
      const state = await readState(ledger.db, credential);
      const quotas = [];
      for (const limit of limits.filter((one) => !isRolling(one))) {
        const { period } = calendarPeriod(limit, clock.wall());
        quotas.push({ period, used: await usedOf(ledger.db, credential, period), limit: limit.count });
      }
      return {
        credential,
        setting,
        factor: state?.setting === setting ? state.factor : 1,
        heldMs: Math.max(0, (state?.hold_until ?? 0) - clock.mono()),
        quotas,
      };
    },
  };
}

type BudgetState = Pick<Tables["budget"], "setting" | "factor" | "hold_until" | "next_at" | "live_until">;

function readState(db: Kysely<Tables>, credential: string): Promise<BudgetState | undefined> {
  return db.selectFrom("budget").selectAll().where("credential", "=", credential).executeTakeFirst();
}

/** The credential's state, made anew at its first use, when the setting changed and when the machine was started again. */
async function openState(
  tx: LedgerTx,
  credential: string,
  limits: readonly RateLimit[],
  now: number,
): Promise<BudgetState> {
  const setting = formatLimits(limits);
  const known = await readState(tx.db, credential);
  // A permit is never promised further ahead than its spacing, unless the clock since boot has started again.
  const isRestarted = known !== undefined && known.next_at > now + spacingMs(parsed(known.setting), known.factor);
  if (known?.setting === setting && !isRestarted) return known;
  const ends = isRestarted ? "unknown" : known ? await endsOfUse(tx, credential, known) : [];
  const fresh: BudgetState = {
    setting,
    factor: known?.setting === setting ? known.factor : 1,
    hold_until: isRestarted ? 0 : (known?.hold_until ?? 0),
    next_at: 0,
    live_until: 0,
  };
  await tx.db
    .insertInto("budget")
    .values({ credential, ...fresh })
    .onConflict((conflict) => conflict.column("credential").doUpdateSet(fresh))
    .execute();
  await tx.db.deleteFrom("budget_slot").where("credential", "=", credential).execute();
  for (const [no, limit] of limits.filter(isRolling).entries()) {
    const windowMs = limit.windowMs / fresh.factor;
    const ring = Array.from({ length: limit.count }, (_, slot) => {
      const end = ends === "unknown" ? now : ends[slot];
      return { credential, limit_no: no, slot, free_at: end === undefined ? 0 : end + windowMs };
    });
    for (let i = 0; i < ring.length; i += 5_000) {
      await tx.db
        .insertInto("budget_slot")
        .values(ring.slice(i, i + 5_000))
        .execute();
    }
  }
  return fresh;
}

/** When the latest requests ended or will have ended, newest first, as far as the largest ring remembers. */
async function endsOfUse(tx: LedgerTx, credential: string, state: BudgetState): Promise<readonly number[]> {
  const rings = parsed(state.setting).filter(isRolling);
  const largest = rings.reduce((best, ring, no) => (ring.count > (rings[best]?.count ?? 0) ? no : best), 0);
  const slots = await tx.db
    .selectFrom("budget_slot")
    .select("free_at")
    .where("credential", "=", credential)
    .where("limit_no", "=", largest)
    .where("free_at", ">", 0)
    .orderBy("free_at", "desc")
    .execute();
  return slots.map((slot) => slot.free_at - (rings[largest]?.windowMs ?? 0) / state.factor);
}

function parsed(setting: string): readonly RateLimit[] {
  return setting === "" ? [] : parseLimits(setting);
}

/** Permits are spread evenly over the narrowest limit, so that a window does not start with a burst. */
function spacingMs(limits: readonly RateLimit[], factor: number): number {
  return Math.max(0, ...limits.filter(isRolling).map((limit) => limit.windowMs / factor / limit.count));
}

/** Of each rolling limit's ring: the slot that is free first. */
async function freestSlots(
  tx: LedgerTx,
  credential: string,
  limits: readonly RateLimit[],
): Promise<readonly { readonly slot: number; readonly freeAt: number }[]> {
  const slots = [];
  for (const no of limits.filter(isRolling).keys()) {
    const { slot, free_at } = await tx.db
      .selectFrom("budget_slot")
      .select(["slot", "free_at"])
      .where("credential", "=", credential)
      .where("limit_no", "=", no)
      .orderBy("free_at")
      .limit(1)
      .executeTakeFirstOrThrow();
    slots.push({ slot, freeAt: free_at });
  }
  return slots;
}

/** Sets when a slot is free again; with `was`, only if nobody else has used it since. */
async function setSlot(
  tx: LedgerTx,
  to: {
    readonly credential: string;
    readonly no: number;
    readonly slot: number;
    readonly freeAt: number;
    readonly was?: number;
  },
): Promise<void> {
  const slot = tx.db
    .updateTable("budget_slot")
    .set({ free_at: to.freeAt })
    .where("credential", "=", to.credential)
    .where("limit_no", "=", to.no)
    .where("slot", "=", to.slot);
  await (to.was === undefined ? slot : slot.where("free_at", "=", to.was)).execute();
}

async function update(tx: LedgerTx, credential: string, values: Partial<BudgetState>): Promise<void> {
  await tx.db.updateTable("budget").set(values).where("credential", "=", credential).execute();
}

/** The calendar limit that is used up, or null. */
async function spentQuota(
  tx: LedgerTx,
  credential: string,
  limits: readonly RateLimit[],
  wallMs: number,
): Promise<Grant | null> {
  for (const limit of limits.filter((one) => !isRolling(one))) {
    const { period, untilMs } = calendarPeriod(limit, wallMs);
    if ((await usedOf(tx.db, credential, period)) >= limit.count) {
      return { kind: "exhausted", untilMs, limit: formatLimits([limit]) };
    }
  }
  return null;
}

async function usedOf(db: Kysely<Tables>, credential: string, period: string): Promise<number> {
  const row = await db
    .selectFrom("budget_quota")
    .select("used")
    .where("credential", "=", credential)
    .where("period", "=", period)
    .executeTakeFirst();
  return row?.used ?? 0;
}

async function countCalendar(
  tx: LedgerTx,
  credential: string,
  limits: readonly RateLimit[],
  wallMs: number,
): Promise<void> {
  for (const limit of limits.filter((one) => !isRolling(one))) {
    await tx.db
      .insertInto("budget_quota")
      .values({ credential, period: calendarPeriod(limit, wallMs).period, used: 1 })
      .onConflict((conflict) =>
        conflict.columns(["credential", "period"]).doUpdateSet((e) => ({ used: e("budget_quota.used", "+", 1) })),
      )
      .execute();
  }
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

import { randomUUID } from "node:crypto";
import type { Expression, ExpressionBuilder, SqlBool } from "kysely";
import type { AlertSubject } from "../../core/alerts/alert.ts";
import type { Announcement, OpenCondition } from "../../core/alerts/announce.ts";
import type { RuleKind } from "../../core/alerts/rule.ts";
import type { Severity } from "../../core/alerts/severity.ts";
import { DAY, instant } from "../../core/time/instant.ts";
import type { Message, Outbox, OutboxEntry, Settlement } from "../../engine/alert/ports.ts";
import type { LedgerDatabase, LedgerTx } from "./database.ts";
import type { Tables } from "./schema.ts";

/** Delivered or given-up messages of conditions that ended are forgotten after this. */
const KEPT_MS = 90 * DAY;

/** The outbox in the ledger. It is operational: no event records it, and no audit depends on it. */
export function ledgerOutbox(ledger: LedgerDatabase): Outbox {
  const { db } = ledger;
  return {
    enqueue(decide) {
      return ledger.write(async (tx) => {
        const open = await tx.db.selectFrom("outbox").selectAll().where("is_open", "=", 1).execute();
        const { say, ended } = decide(open.map(toCondition), instant(tx.now));
        for (const announcement of say.filter(({ kind }) => kind === "raised")) await forgetUnheard(tx, announcement);
        for (const condition of [...ended, ...say]) await close(tx, condition);
        for (const announcement of say) await insert(tx, announcement);
        await forgetOld(tx);
        return say.length;
      });
    },

    async due(now) {
      const rows = await db
        .selectFrom("outbox")
        .select("channel")
        .distinct()
        .where(isDueAt(now))
        .orderBy("channel")
        .execute();
      return rows.map((row) => row.channel);
    },

    claim(channel, { limit, holdMs }) {
      return ledger.write(async (tx) => {
        const token = randomUUID();
        const due = tx.db
          .selectFrom("outbox")
          .select("id")
          .where("channel", "=", channel)
          .where(isDueAt(tx.now))
          .orderBy("ordinal")
          .limit(limit);
        const rows = await tx.db
          .updateTable("outbox")
          .set((e) => ({
            claim: token,
            claimed_until: tx.now + holdMs,
            attempt: e("attempt", "+", 1),
            updated_at: tx.now,
          }))
          .where("id", "in", due)
          .returningAll()
          .execute();
        return { token, messages: rows.sort((a, b) => a.ordinal - b.ordinal).map(toMessage) };
      });
    },

    settle(token, settlements) {
      return ledger.write(async (tx) => {
        for (const settlement of settlements) {
          await tx.db
            .updateTable("outbox")
            .set({ ...endOf(settlement, tx.now), claim: null, claimed_until: null, updated_at: tx.now })
            .where("id", "=", settlement.id)
            .where("claim", "=", token)
            .execute();
        }
      });
    },

    retry() {
      return ledger.write(async (tx) => {
        const waiting = await tx.db
          .updateTable("outbox")
          .set({ next_at: 0 })
          .where("status", "=", "waiting")
          .executeTakeFirst();
        const givenUp = await tx.db
          .updateTable("outbox")
          .set({ status: "waiting", next_at: 0, attempt: 0, updated_at: tx.now })
          .where("status", "=", "given-up")
          .executeTakeFirst();
        return Number(waiting.numUpdatedRows + givenUp.numUpdatedRows);
      });
    },

    async list({ all, limit }) {
      const rows = await db
        .selectFrom("outbox")
        .selectAll()
        .$if(!all, (query) => query.where((e) => e.or([e("is_open", "=", 1), e("status", "!=", "sent")])))
        .orderBy("ordinal", "desc")
        .limit(limit)
        .execute();
      return rows.map(toEntry);
    },
  };
}

type Row = Omit<Tables["outbox"], "ordinal"> & { readonly ordinal: number };

/** Waiting, its time come, and in nobody's hands. A clock that jumped back must not make a message wait for hours. */
function isDueAt(now: number): (e: ExpressionBuilder<Tables, "outbox">) => Expression<SqlBool> {
  return (e) =>
    e.and([
      e("status", "=", "waiting"),
      e.or([e("next_at", "<=", now), e("updated_at", ">", now)]),
      e.or([e("claimed_until", "is", null), e("claimed_until", "<=", now), e("updated_at", ">", now)]),
    ]);
}

type Place = Pick<OpenCondition, "channel" | "dedupeKey">;

/** What a channel was not told yet, or could not be told, needs no telling beside the newer message. */
async function forgetUnheard(tx: LedgerTx, { channel, dedupeKey }: Place): Promise<void> {
  await tx.db
    .deleteFrom("outbox")
    .where("is_open", "=", 1)
    .where("channel", "=", channel)
    .where("dedupe_key", "=", dedupeKey)
    .where("status", "in", ["waiting", "given-up"])
    .where("claim", "is", null)
    .execute();
}

/** What a channel was last told of a condition is now the past. */
async function close(tx: LedgerTx, { channel, dedupeKey }: Place): Promise<void> {
  await tx.db
    .updateTable("outbox")
    .set({ is_open: 0 })
    .where("is_open", "=", 1)
    .where("channel", "=", channel)
    .where("dedupe_key", "=", dedupeKey)
    .execute();
}

async function insert(tx: LedgerTx, one: Announcement): Promise<void> {
  await tx.db
    .insertInto("outbox")
    .values({
      id: randomUUID(),
      channel: one.channel,
      kind: one.kind,
      rule: one.rule,
      dedupe_key: one.dedupeKey,
      severity: one.severity,
      title: one.title,
      body: one.body,
      subject: JSON.stringify(one.subject),
      run_id: one.runId,
      at: one.at,
      is_open: one.kind === "raised" ? 1 : 0,
      status: "waiting",
      attempt: 0,
      next_at: 0,
      claim: null,
      claimed_until: null,
      error: null,
      created_at: tx.now,
      updated_at: tx.now,
    })
    .execute();
}

async function forgetOld(tx: LedgerTx): Promise<void> {
  await tx.db
    .deleteFrom("outbox")
    .where("is_open", "=", 0)
    .where("status", "!=", "waiting")
    .where("updated_at", "<", tx.now - KEPT_MS)
    .execute();
}

function endOf(
  settlement: Settlement,
  now: number,
): Pick<Tables["outbox"], "status" | "error"> & { readonly next_at?: number } {
  switch (settlement.status) {
    case "sent":
      return { status: "sent", error: null };
    case "waiting":
      return { status: "waiting", error: settlement.reason, next_at: now + settlement.waitMs };
    case "given-up":
      return { status: "given-up", error: settlement.reason };
    default:
      return settlement satisfies never;
  }
}

function toCondition(row: Row): OpenCondition {
  return {
    channel: row.channel,
    rule: row.rule as RuleKind,
    severity: row.severity as Severity,
    dedupeKey: row.dedupe_key,
    title: row.title,
    subject: JSON.parse(row.subject) as AlertSubject,
    saidAt: instant(row.created_at),
    wasGivenUp: row.status === "given-up",
  };
}

function toMessage(row: Row): Message {
  return {
    id: row.id,
    channel: row.channel,
    kind: row.kind as Message["kind"],
    rule: row.rule as RuleKind,
    severity: row.severity as Severity,
    dedupeKey: row.dedupe_key,
    title: row.title,
    body: row.body,
    subject: JSON.parse(row.subject) as AlertSubject,
    runId: row.run_id,
    at: instant(row.at),
    attempt: row.attempt,
  };
}

function toEntry(row: Row): OutboxEntry {
  return {
    ...toMessage(row),
    status: row.status as OutboxEntry["status"],
    isOpen: row.is_open === 1,
    createdAt: instant(row.created_at),
    nextAt: row.status === "waiting" ? instant(Math.max(row.next_at, row.created_at)) : null,
    reason: row.error,
  };
}

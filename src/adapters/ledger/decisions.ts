import type { DatasetName } from "../../core/dataset/dataset.ts";
import { asSeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Decision, Ledger, Watermark } from "../../engine/ledger-port.ts";
import type { LedgerDatabase } from "./database.ts";
import { LEDGER_STREAM } from "./events.ts";
import type { Tables } from "./schema.ts";

type DecisionLedger = Pick<Ledger, "decide" | "decisions" | "watermark" | "moveWatermark">;

/** What people decided, and how far incremental runs have got: both append-only. */
export function decisionLedger(ledger: LedgerDatabase): DecisionLedger {
  const { db } = ledger;
  return {
    decide(decision) {
      return ledger.write(async (tx) => {
        const row = await tx.db
          .insertInto("decision")
          .values({
            kind: decision.kind,
            decided_at: decision.at,
            actor: decision.actor,
            reason: decision.reason,
            dataset: decision.dataset,
            version: decision.version,
            key: decision.key,
            start_ms: decision.span?.start ?? null,
            end_ms: decision.span?.end ?? null,
            until_ms: decision.until,
            subject: decision.subject,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        tx.emit(LEDGER_STREAM, "decision.made", { ...decision, ordinal: row.ordinal });
        return toDecision(row);
      });
    },

    async decisions({ kinds }) {
      const rows = await db.selectFrom("decision").selectAll().where("kind", "in", kinds).orderBy("ordinal").execute();
      return rows.map(toDecision);
    },

    async watermark(dataset, version) {
      const row = await db
        .selectFrom("event")
        .select("payload")
        .where("stream", "=", stateStream(dataset, version))
        .orderBy("seq", "desc")
        .limit(1)
        .executeTakeFirst();
      return row ? (JSON.parse(row.payload) as Watermark) : null;
    },

    moveWatermark(watermark) {
      return ledger.write(async (tx) => {
        tx.emit(stateStream(watermark.dataset, watermark.version), "state.moved", watermark);
      });
    },
  };
}

/** Each dataset version's watermark has a chain of its own: its last event is where it stands. */
function stateStream(dataset: DatasetName, version: number): string {
  return `state ${dataset}@${version}`;
}

type DecisionRow = { readonly [K in keyof Tables["decision"]]: K extends "ordinal" ? number : Tables["decision"][K] };

function toDecision(row: DecisionRow): Decision {
  return {
    ordinal: row.ordinal,
    kind: row.kind as Decision["kind"],
    at: instant(row.decided_at),
    actor: row.actor,
    reason: row.reason,
    dataset: row.dataset as DatasetName | null,
    version: row.version,
    key: row.key === null ? null : asSeriesKey(row.key),
    span:
      row.start_ms === null || row.end_ms === null ? null : { start: instant(row.start_ms), end: instant(row.end_ms) },
    until: row.until_ms === null ? null : instant(row.until_ms),
    subject: row.subject,
  };
}

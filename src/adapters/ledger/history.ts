import type { Selectable } from "kysely";
import { asSeriesKey } from "../../core/dataset/series.ts";
import type { RunStatus } from "../../core/run/run-state.ts";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import type { Ledger, PublishedAnswer, RunStanding } from "../../engine/ledger-port.ts";
import { toObject } from "./chunk-rows.ts";
import type { LedgerDatabase } from "./database.ts";
import { LEDGER_STREAM } from "./events.ts";
import type { Tables } from "./schema.ts";

type HistoryLedger = Pick<
  Ledger,
  "runsUpTo" | "runningRuns" | "declaredAt" | "firstAsked" | "newestObjects" | "incrementalAnswers"
>;

/** Farther apart than this, an answer's receipt and its run's business now are read from two different clocks. */
const SAME_CLOCK_MS = DAY;

/** What past runs tell about how things are going; nothing here writes. */
export function historyLedger(ledger: LedgerDatabase): HistoryLedger {
  const { db } = ledger;
  const standing = ["id", "selector", "status", "host", "pid", "process_started"] as const;
  return {
    async runsUpTo({ selector, ordinal }, limit) {
      const rows = await db
        .selectFrom("run")
        .select(standing)
        .where("selector", "=", selector)
        .where("ordinal", "<=", ordinal)
        .orderBy("ordinal", "desc")
        .limit(limit)
        .execute();
      return rows.map(toStanding);
    },

    async runningRuns() {
      const rows = await db.selectFrom("run").select(standing).where("status", "=", "running").execute();
      return rows.map(toStanding);
    },

    async declaredAt(pipeline) {
      const rows = await db
        .selectFrom("event")
        .select(["payload", "recorded_at"])
        .where("stream", "=", LEDGER_STREAM)
        .where("type", "=", "registry.changed")
        .orderBy("seq")
        .execute();
      const first = new Map<string, Instant>();
      for (const { payload, recorded_at } of rows) {
        const entry = JSON.parse(payload) as { readonly pipeline: string; readonly key: string };
        if (entry.pipeline === pipeline && !first.has(entry.key)) first.set(entry.key, instant(recorded_at));
      }
      return first;
    },

    async firstAsked(dataset, version) {
      const rows = await db
        .selectFrom("chunk")
        .innerJoin("run", "run.id", "chunk.run_id")
        .select((e) => ["chunk.key", e.fn.min("run.business_now").as("first")])
        .where("chunk.dataset", "=", dataset)
        .where("chunk.version", "=", version)
        .groupBy("chunk.key")
        .execute();
      return new Map(rows.map((row) => [asSeriesKey(row.key), instant(Number(row.first))]));
    },

    async newestObjects(dataset, version, limit) {
      const rows = await db
        .selectFrom("object")
        .selectAll()
        .where("dataset", "=", dataset)
        .where("version", "=", version)
        .orderBy("ordinal", "desc")
        .limit(limit)
        .execute();
      return rows.map(toObject);
    },

    async incrementalAnswers(dataset, version, of) {
      let query = db
        .selectFrom("object")
        .innerJoin("chunk", "chunk.id", "object.chunk_id")
        .innerJoin("run", "run.id", "object.run_id")
        .select(["chunk.published_by", "object.ordinal", "object.received_at", "object.business_now"])
        .where("object.dataset", "=", dataset)
        .where("object.version", "=", version)
        .where("object.excluded_by", "is", null)
        .where("run.mode", "=", "incremental")
        .where("chunk.published_by", "is not", null);
      if ("runId" in of) query = query.where("object.run_id", "=", of.runId);
      else {
        const last = await db
          .selectFrom("run")
          .select("id")
          .where("mode", "=", "incremental")
          .orderBy("ordinal", "desc")
          .limit(of.runs)
          .execute();
        query = query.where(
          "object.run_id",
          "in",
          last.map(({ id }) => id),
        );
      }
      const rows = await query.orderBy("object.ordinal").execute();
      return rows.map(
        (row): PublishedAnswer => ({
          publication: row.published_by ?? "",
          object: row.ordinal,
          seenAt: instant(
            Math.abs(row.received_at - row.business_now) < SAME_CLOCK_MS ? row.received_at : row.business_now,
          ),
        }),
      );
    },
  };
}

type StandingRow = Pick<Selectable<Tables["run"]>, "id" | "selector" | "status" | "host" | "pid" | "process_started">;

function toStanding(row: StandingRow): RunStanding {
  return {
    id: row.id,
    selector: row.selector,
    status: row.status as RunStatus,
    owner: { host: row.host, pid: row.pid, processStarted: row.process_started },
  };
}

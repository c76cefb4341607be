import type { Kysely } from "kysely";
import type { RunRecord } from "../../engine/ledger-port.ts";
import type { Tables } from "./schema.ts";

/** Query for the ids of runs at work since `run` was planned: they may have answered what it is about to ask. */
export function companyOf(db: Kysely<Tables>, run: Pick<RunRecord, "id" | "planId">) {
  return db
    .selectFrom("run as other")
    .innerJoin("plan", (join) => join.on("plan.id", "=", run.planId))
    .select("other.id")
    .where("other.id", "!=", run.id)
    .where((e) =>
      e.or([
        e("other.status", "=", "running"),
        e("other.heartbeat_at", ">=", e.ref("plan.created_at")),
        e("other.closed_at", ">=", e.ref("plan.created_at")),
      ]),
    );
}

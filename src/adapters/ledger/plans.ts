import type { RegistryEntry } from "../../core/dataset/pipeline.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Ledger } from "../../engine/ledger-port.ts";
import type { LedgerDatabase } from "./database.ts";
import { LEDGER_STREAM } from "./events.ts";

type PlanLedger = Pick<Ledger, "entries" | "putEntries" | "versionFingerprint" | "savePlan" | "plan" | "plans">;

/** What is declared and what is intended: the key registries, dataset versions and plans. */
export function planLedger(ledger: LedgerDatabase): PlanLedger {
  const { db } = ledger;
  return {
    async entries(pipeline) {
      const rows = await db
        .selectFrom("registry")
        .selectAll()
        .where("pipeline", "=", pipeline)
        .orderBy("key")
        .execute();
      return rows.map(
        (row): RegistryEntry => ({
          key: row.key,
          active: row.active === 1,
          attributes: JSON.parse(row.attributes) as Record<string, unknown>,
        }),
      );
    },

    putEntries(pipeline, entries, now) {
      return ledger.write(async (tx) => {
        for (const entry of entries) {
          const row = {
            active: entry.active ? 1 : 0,
            attributes: JSON.stringify(entry.attributes),
            updated_at: now,
          };
          await tx.db
            .insertInto("registry")
            .values({ pipeline, key: entry.key, ...row })
            .onConflict((conflict) => conflict.columns(["pipeline", "key"]).doUpdateSet(row))
            .execute();
          tx.emit(LEDGER_STREAM, "registry.changed", { pipeline, ...entry });
        }
      });
    },

    async versionFingerprint(dataset, version, fingerprint, now) {
      const recorded = (): Promise<{ fingerprint: string } | undefined> =>
        db
          .selectFrom("dataset_version")
          .select("fingerprint")
          .where("dataset", "=", dataset)
          .where("version", "=", version)
          .executeTakeFirst();
      const known = await recorded();
      if (known) return known.fingerprint;
      await ledger.write((tx) =>
        tx.db
          .insertInto("dataset_version")
          .values({ dataset, version, fingerprint, first_used_at: now })
          .onConflict((conflict) => conflict.columns(["dataset", "version"]).doNothing())
          .execute(),
      );
      // Another process may have been first.
      return (await recorded())?.fingerprint ?? fingerprint;
    },

    savePlan(plan) {
      return ledger.write(async (tx) => {
        await tx.db
          .insertInto("plan")
          .values({
            id: plan.id,
            created_at: plan.createdAt,
            expires_at: plan.expiresAt,
            actor: plan.actor,
            hash: plan.hash,
            body: JSON.stringify(plan),
            run_id: null,
          })
          .execute();
      });
    },

    async plan(id) {
      const row = await db.selectFrom("plan").select("body").where("id", "=", id).executeTakeFirst();
      return row ? (JSON.parse(row.body) as Plan) : null;
    },

    async plans(limit) {
      const rows = await db
        .selectFrom("plan")
        .select(["body", "run_id"])
        .orderBy("created_at", "desc")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ ...(JSON.parse(row.body) as Plan), runId: row.run_id }));
    },
  };
}

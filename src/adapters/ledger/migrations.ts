import { type Kysely, sql } from "kysely";
import type { Tables } from "./schema.ts";

interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

/** Append-only: a migration that has shipped is never edited. `{serial}` is the engine's auto-increment key. */
const MIGRATIONS: readonly Migration[] = [
  {
    name: "0001-ledger",
    statements: [
      `create table registry (pipeline text not null, key text not null, active integer not null,
        attributes text not null, updated_at bigint not null, primary key (pipeline, key))`,
      `create table dataset_version (dataset text not null, version integer not null, fingerprint text not null,
        first_used_at bigint not null, primary key (dataset, version))`,
      `create table plan (id text primary key, created_at bigint not null, expires_at bigint not null,
        actor text not null, hash text not null, body text not null, run_id text)`,
      `create table run (ordinal {serial}, id text not null unique, plan_id text not null, status text not null,
        control text not null, mode text not null, kind text not null, override_state integer not null,
        selector text not null, actor text not null, reason text, business_now bigint not null,
        opened_at bigint not null, closed_at bigint, host text not null, pid integer not null,
        process_started bigint not null, heartbeat_at bigint not null, fence integer not null, summary text)`,
      `create table chunk (id text primary key, run_id text not null, seq integer not null, kind text not null,
        round integer not null, dataset text not null, version integer not null, key text not null,
        keys text, source text, start_ms bigint not null, end_ms bigint not null, status text not null, attempt integer not null,
        fence integer not null, not_before bigint not null, recheck integer not null, progress text, result text,
        error text, published_by text, updated_at bigint not null)`,
      "create index chunk_by_run on chunk (run_id, kind, status, seq)",
      "create index chunk_by_status on chunk (dataset, version, status)",
      `create table object (ordinal {serial}, id text not null unique, chunk_id text not null, run_id text not null,
        dataset text not null, version integer not null, key text not null, keys text,
        source text not null, page integer not null,
        target text not null, path text not null, sha256 text not null, bytes bigint not null,
        one_line integer not null, start_ms bigint not null, end_ms bigint not null, rows integer not null, strict integer not null, layout text,
        business_now bigint not null, received_at bigint not null, excluded_by text)`,
      "create index object_by_chunk on object (chunk_id)",
      "create index object_by_run on object (run_id, target)",
      `create table coverage (dataset text not null, version integer not null, key text not null,
        start_ms bigint not null, end_ms bigint not null, state text not null, asked integer not null, reason text,
        chunk_id text, seq bigint, primary key (dataset, version, key, start_ms))`,
      `create table change (seq {serial}, dataset text not null, version integer not null, key text not null,
        start_ms bigint not null, end_ms bigint not null, chunk_id text not null)`,
      "create index change_by_dataset on change (dataset, version, seq)",
      `create table decision (ordinal {serial}, kind text not null, decided_at bigint not null, actor text not null,
        reason text not null, dataset text, version integer, key text, start_ms bigint, end_ms bigint, until_ms bigint,
        subject text)`,
      `create table event (ordinal {serial}, stream text not null, seq integer not null, recorded_at bigint not null,
        type text not null, payload text not null, prev text not null, hash text not null, unique (stream, seq))`,
      "create table chain (stream text primary key, length integer not null, head text not null)",
      `create table budget (credential text primary key, setting text not null, factor double precision not null,
        hold_until double precision not null, next_at double precision not null, live_until double precision not null)`,
      `create table budget_slot (credential text not null, limit_no integer not null, slot integer not null,
        free_at double precision not null, primary key (credential, limit_no, slot))`,
      `create table budget_quota (credential text not null, period text not null, used bigint not null,
        primary key (credential, period))`,
      `create table lease (name text primary key, fence integer not null, held integer not null, host text not null,
        pid integer not null, process_started bigint not null, purpose text not null, acquired_at bigint not null)`,
    ],
  },
  {
    name: "0002-outbox",
    statements: [
      `create table outbox (ordinal {serial}, id text not null unique, channel text not null, kind text not null,
        rule text not null, dedupe_key text not null, severity text not null, title text not null, body text not null,
        subject text not null, run_id text, at bigint not null, is_open integer not null, status text not null,
        attempt integer not null, next_at bigint not null, claim text, claimed_until bigint, error text,
        created_at bigint not null, updated_at bigint not null)`,
      "create index outbox_by_status on outbox (status, channel, ordinal)",
      "create index outbox_by_open on outbox (is_open, channel, dedupe_key)",
    ],
  },
];

/** Brings the ledger to the newest schema; running it twice, or in two processes at once, does no harm. */
export async function migrate(db: Kysely<Tables>, dialect: "sqlite" | "postgres"): Promise<void> {
  await sql`create table if not exists migration (name text primary key, applied_at bigint not null)`.execute(db);
  const applied = await sql<{ name: string }>`select name from migration`.execute(db);
  const known = new Set(applied.rows.map((row) => row.name));
  if (MIGRATIONS.every((migration) => known.has(migration.name))) return;
  const serial =
    dialect === "sqlite" ? "integer primary key autoincrement" : "bigint primary key generated always as identity";
  await db.transaction().execute(async (tx) => {
    // Read again inside the write lock: another process may have migrated meanwhile.
    const inside = await sql<{ name: string }>`select name from migration`.execute(tx);
    const done = new Set(inside.rows.map((row) => row.name));
    for (const migration of MIGRATIONS) {
      if (done.has(migration.name)) continue;
      for (const statement of migration.statements) await sql.raw(statement.replace("{serial}", serial)).execute(tx);
      await sql`insert into migration (name, applied_at) values (${migration.name}, ${Date.now()})`.execute(tx);
    }
  });
}

import type { Generated } from "kysely";

/**
 * The ledger's tables. Portable on purpose: TEXT ids, INTEGER 0/1, epoch milliseconds, JSON as TEXT, so that one
 * migration set serves SQLite and PostgreSQL.
 */
export interface Tables {
  registry: {
    pipeline: string;
    key: string;
    active: number;
    attributes: string;
    updated_at: number;
  };
  dataset_version: { dataset: string; version: number; fingerprint: string; first_used_at: number };
  plan: {
    id: string;
    created_at: number;
    expires_at: number;
    actor: string;
    hash: string;
    body: string;
    run_id: string | null;
  };
  run: {
    ordinal: Generated<number>;
    id: string;
    plan_id: string;
    status: string;
    control: string;
    mode: string;
    kind: string;
    override_state: number;
    selector: string;
    actor: string;
    reason: string | null;
    business_now: number;
    opened_at: number;
    closed_at: number | null;
    host: string;
    pid: number;
    process_started: number;
    heartbeat_at: number;
    fence: number;
    summary: string | null;
  };
  chunk: {
    id: string;
    run_id: string;
    seq: number;
    kind: string;
    round: number;
    dataset: string;
    version: number;
    key: string;
    /** JSON: the series of a question that many share; null for one. */
    keys: string | null;
    source: string | null;
    start_ms: number;
    end_ms: number;
    status: string;
    attempt: number;
    fence: number;
    not_before: number;
    recheck: number;
    /** JSON: where a paged request sequence stands (see ChunkProgress). */
    progress: string | null;
    /** JSON: counts of a publication; the answered stretch of a fetch. */
    result: string | null;
    error: string | null;
    published_by: string | null;
    updated_at: number;
  };
  object: {
    ordinal: Generated<number>;
    id: string;
    chunk_id: string;
    run_id: string;
    dataset: string;
    version: number;
    key: string;
    keys: string | null;
    source: string;
    page: number;
    target: string;
    path: string;
    sha256: string;
    bytes: number;
    one_line: number;
    start_ms: number;
    end_ms: number;
    rows: number;
    strict: number;
    layout: string | null;
    business_now: number;
    received_at: number;
    /** The run whose revert excluded it; null: it counts. */
    excluded_by: string | null;
  };
  coverage: {
    dataset: string;
    version: number;
    key: string;
    start_ms: number;
    end_ms: number;
    state: string;
    asked: number;
    reason: string | null;
    chunk_id: string | null;
    /** For made series: the last change of an input that is in it. */
    seq: number | null;
  };
  change: {
    seq: Generated<number>;
    dataset: string;
    version: number;
    key: string;
    start_ms: number;
    end_ms: number;
    chunk_id: string;
  };
  decision: {
    ordinal: Generated<number>;
    kind: string;
    decided_at: number;
    actor: string;
    reason: string;
    dataset: string | null;
    version: number | null;
    key: string | null;
    start_ms: number | null;
    end_ms: number | null;
    until_ms: number | null;
    subject: string | null;
  };
  event: {
    /** Place in the order of recording over all chains. */
    ordinal: Generated<number>;
    stream: string;
    seq: number;
    recorded_at: number;
    type: string;
    payload: string;
    prev: string;
    hash: string;
  };
  /** Length and last hash of each chain, so that a cut tail shows. */
  chain: { stream: string; length: number; head: string };
  /** Instants here and in the slots are milliseconds since boot: they never jump, and start again with the machine. */
  budget: {
    credential: string;
    setting: string;
    /** 1, or 0.5 after the provider contradicted the setting. */
    factor: number;
    hold_until: number;
    next_at: number;
    live_until: number;
  };
  budget_slot: { credential: string; limit_no: number; slot: number; free_at: number };
  budget_quota: { credential: string; period: string; used: number };
  lease: {
    name: string;
    fence: number;
    held: number;
    host: string;
    pid: number;
    process_started: number;
    purpose: string;
    acquired_at: number;
  };
  /** Messages to people, one a channel and occasion. */
  outbox: {
    ordinal: Generated<number>;
    id: string;
    channel: string;
    kind: string;
    rule: string;
    dedupe_key: string;
    severity: string;
    title: string;
    body: string;
    /** JSON: what it is about (see AlertSubject). */
    subject: string;
    run_id: string | null;
    at: number;
    /** 1 on what a channel was last told of a condition that has not ended. */
    is_open: number;
    status: string;
    attempt: number;
    next_at: number;
    claim: string | null;
    claimed_until: number | null;
    error: string | null;
    created_at: number;
    updated_at: number;
  };
}

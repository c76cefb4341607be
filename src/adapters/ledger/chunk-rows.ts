import type { Selectable } from "kysely";
import type { DatasetName } from "../../core/dataset/dataset.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import type { RunKind, RunMode } from "../../core/plan/plan.ts";
import type { ChunkKind, ChunkStatus } from "../../core/run/chunk-state.ts";
import type { Control, RunStatus } from "../../core/run/run-state.ts";
import { instant } from "../../core/time/instant.ts";
import type { ChunkProgress, ChunkRecord, ObjectRecord, RunRecord } from "../../engine/ledger-port.ts";
import type { Tables } from "./schema.ts";

/** Rows as the engine knows them: brands put back on, JSON read. */
export function toChunk(row: Selectable<Tables["chunk"]>): ChunkRecord {
  return {
    id: row.id,
    runId: row.run_id,
    seq: row.seq,
    kind: row.kind as ChunkKind,
    round: row.round,
    dataset: row.dataset as DatasetName,
    version: row.version,
    key: asSeriesKey(row.key),
    keys: keysOf(row),
    source: row.source,
    window: { start: instant(row.start_ms), end: instant(row.end_ms) },
    status: row.status as ChunkStatus,
    attempt: row.attempt,
    fence: row.fence,
    notBefore: instant(row.not_before),
    recheck: row.recheck === 1,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as ChunkProgress),
    result: row.result === null ? null : (JSON.parse(row.result) as Record<string, unknown>),
    error: row.error,
  };
}

export function toRun(row: Selectable<Tables["run"]>): RunRecord {
  return {
    id: row.id,
    ordinal: row.ordinal,
    planId: row.plan_id,
    status: row.status as RunStatus,
    control: row.control as Control,
    mode: row.mode as RunMode,
    kind: row.kind as RunKind,
    overrideState: row.override_state === 1,
    selector: row.selector,
    actor: row.actor,
    reason: row.reason,
    businessNow: instant(row.business_now),
    openedAt: instant(row.opened_at),
    closedAt: row.closed_at === null ? null : instant(row.closed_at),
    owner: { host: row.host, pid: row.pid, processStarted: row.process_started },
    heartbeatAt: instant(row.heartbeat_at),
    fence: row.fence,
    summary: row.summary === null ? null : (JSON.parse(row.summary) as Record<string, unknown>),
  };
}

export function toObject(row: Selectable<Tables["object"]>): ObjectRecord {
  return {
    ordinal: row.ordinal,
    id: row.id,
    chunkId: row.chunk_id,
    runId: row.run_id,
    dataset: row.dataset as DatasetName,
    version: row.version,
    key: asSeriesKey(row.key),
    keys: keysOf(row),
    source: row.source,
    page: row.page,
    target: row.target,
    path: row.path,
    sha256: row.sha256,
    bytes: row.bytes,
    oneLine: row.one_line === 1,
    answered: { start: instant(row.start_ms), end: instant(row.end_ms) },
    rows: row.rows,
    strict: row.strict === 1,
    layout: row.layout,
    businessNow: instant(row.business_now),
    receivedAt: instant(row.received_at),
  };
}

function keysOf(row: { readonly key: string; readonly keys: string | null }): readonly SeriesKey[] {
  return row.keys === null ? [asSeriesKey(row.key)] : (JSON.parse(row.keys) as string[]).map(asSeriesKey);
}

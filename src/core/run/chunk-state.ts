/**
 * A chunk's life. A complete answer found in bronze makes a pending chunk fetched without a request (`adopted`).
 *
 *     fetch: pending -> running -> fetched -> published        deferred: waits for a limit or a retry, then claimed again
 *                          |-> deferred -> running             skipped: answered meanwhile by another run
 *                          |-> failed | refused | skipped      release: its worker stopped before it had an answer
 *     build: pending -> running -> published | failed
 */
export type ChunkStatus =
  | "pending"
  | "running"
  | "deferred"
  | "fetched"
  | "published"
  | "failed"
  | "refused"
  | "skipped"
  | "cancelled";

export type ChunkKind = "fetch" | "build";

export type ChunkEvent =
  | "claim"
  | "adopted"
  | "release"
  | "defer"
  | "fetched"
  | "published"
  | "failed"
  | "refused"
  | "skipped"
  | "cancel"
  | "retry";

const TRANSITIONS: Readonly<Record<ChunkStatus, Partial<Record<ChunkEvent, ChunkStatus>>>> = {
  pending: { claim: "running", adopted: "fetched", skipped: "skipped", cancel: "cancelled" },
  deferred: { claim: "running", release: "pending", skipped: "skipped", cancel: "cancelled" },
  running: {
    release: "pending",
    defer: "deferred",
    fetched: "fetched",
    published: "published",
    failed: "failed",
    refused: "refused",
    skipped: "skipped",
    cancel: "cancelled",
  },
  fetched: { published: "published" },
  failed: { retry: "pending" },
  refused: { retry: "pending" },
  cancelled: { retry: "pending" },
  published: {},
  skipped: {},
};

/** The status after `event`, or null where the event is not allowed. */
export function nextChunkStatus(status: ChunkStatus, event: ChunkEvent): ChunkStatus | null {
  return TRANSITIONS[status][event] ?? null;
}

/** The statuses from which `event` is allowed: the guard of the ledger's update. */
export function statusesBefore(event: ChunkEvent): readonly ChunkStatus[] {
  return (Object.keys(TRANSITIONS) as ChunkStatus[]).filter((status) => TRANSITIONS[status][event] !== undefined);
}

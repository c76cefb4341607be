import { describe, expect, it } from "vitest";
import { type ChunkEvent, type ChunkStatus, nextChunkStatus, statusesBefore } from "./chunk-state.ts";

const STATUSES: readonly ChunkStatus[] = [
  "pending",
  "running",
  "deferred",
  "fetched",
  "published",
  "failed",
  "refused",
  "skipped",
  "cancelled",
];

/** Every move that is allowed; all others are not. */
const MOVES: readonly (readonly [ChunkStatus, ChunkEvent, ChunkStatus])[] = [
  ["pending", "claim", "running"],
  ["pending", "adopted", "fetched"],
  ["pending", "skipped", "skipped"],
  ["pending", "cancel", "cancelled"],
  ["deferred", "claim", "running"],
  ["deferred", "release", "pending"],
  ["deferred", "skipped", "skipped"],
  ["deferred", "cancel", "cancelled"],
  ["running", "release", "pending"],
  ["running", "defer", "deferred"],
  ["running", "fetched", "fetched"],
  ["running", "published", "published"],
  ["running", "failed", "failed"],
  ["running", "refused", "refused"],
  ["running", "skipped", "skipped"],
  ["running", "cancel", "cancelled"],
  ["fetched", "published", "published"],
  ["failed", "retry", "pending"],
  ["refused", "retry", "pending"],
  ["cancelled", "retry", "pending"],
];
const EVENTS = [...new Set(MOVES.map(([, event]) => event))];

describe("a chunk", () => {
  it.each(STATUSES.flatMap((status) => EVENTS.map((event) => ({ status, event }))))(
    "that is $status meets $event",
    ({ status, event }) => {
      const allowed = MOVES.find(([from, what]) => from === status && what === event);
      expect(nextChunkStatus(status, event)).toBe(allowed?.[2] ?? null);
    },
  );

  it("is guarded in the ledger by the statuses from which the event is allowed", () => {
    for (const event of EVENTS) {
      const from = MOVES.filter(([, what]) => what === event).map(([status]) => status);
      expect([...statusesBefore(event)].sort()).toEqual(from.sort());
    }
  });

  it("is never asked again once its answer is there", () => {
    const reachable = (from: ChunkStatus): ReadonlySet<ChunkStatus> => {
      const seen = new Set<ChunkStatus>([from]);
      for (const status of seen) for (const [start, , end] of MOVES) if (start === status) seen.add(end);
      return seen;
    };
    expect([...reachable("fetched")]).toEqual(["fetched", "published"]);
    expect([...reachable("skipped")]).toEqual(["skipped"]);
  });
});

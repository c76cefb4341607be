import { describe, expect, it } from "vitest";
import { isTerminal, nextRunStatus, type RunEvent, type RunStatus } from "./run-state.ts";

const STATUSES: readonly RunStatus[] = [
  "running",
  "paused",
  "interrupted",
  "succeeded",
  "partial",
  "failed",
  "cancelled",
];
const OUTCOMES = ["succeeded", "partial", "failed"] as const;
const EVENTS: readonly RunEvent[] = [
  { type: "pause" },
  { type: "interrupt" },
  { type: "resume" },
  { type: "cancel" },
  { type: "reopen" },
  ...OUTCOMES.map((outcome): RunEvent => ({ type: "finish", outcome })),
];

/** Every move that is allowed; all others are not. */
const MOVES: Readonly<Record<string, RunStatus>> = {
  "running pause": "paused",
  "running interrupt": "interrupted",
  "running resume": "running",
  "running cancel": "cancelled",
  "running finish succeeded": "succeeded",
  "running finish partial": "partial",
  "running finish failed": "failed",
  "paused resume": "running",
  "paused cancel": "cancelled",
  "interrupted resume": "running",
  "interrupted cancel": "cancelled",
  "partial reopen": "running",
  "failed reopen": "running",
};

const CASES = STATUSES.flatMap((status) =>
  EVENTS.map((event) => ({
    status,
    event,
    name: [event.type, "outcome" in event ? event.outcome : ""].join(" ").trim(),
  })),
);

describe("a run", () => {
  it.each(CASES)("that is $status meets $name", ({ status, event, name }) => {
    expect(nextRunStatus(status, event)).toBe(MOVES[`${status} ${name}`] ?? null);
  });

  it("is over when it succeeded, failed in part or whole, or was cancelled", () => {
    expect(STATUSES.filter(isTerminal)).toEqual(["succeeded", "partial", "failed", "cancelled"]);
  });
});

import { describe, expect, it } from "vitest";
import type { FailureClass } from "../ports.ts";
import { BACKOFF, MAX_ATTEMPTS, POLICY, SPLIT_FLOOR_MS, type WaitInput } from "./policy.ts";

const MINUTE = 60_000;

const input = (some: Partial<WaitInput> = {}): WaitInput => ({
  attempt: 1,
  toldMs: null,
  random: () => 0,
  longestWindowMs: MINUTE,
  ...BACKOFF,
  ...some,
});

/** Least and greatest wait, in milliseconds. */
const range = (of: FailureClass, some: Partial<WaitInput> = {}): readonly [number, number] => [
  POLICY[of].wait(input({ ...some, random: () => 0 })),
  POLICY[of].wait(input({ ...some, random: () => 1 })),
];

describe("POLICY", () => {
  it.each([
    ["transient", "yes", true, "chunk", "request", false],
    ["rate-told", "after-wait", false, "chunk", "credential", false],
    ["rate-untold", "after-wait", false, "chunk", "credential", false],
    ["ban", "after-wait", true, "chunk", "credential", false],
    ["quota", "no", true, "provider", "credential", false],
    ["auth", "no", true, "provider", "credential", false],
    ["plan-endpoint", "no", true, "endpoint", "request", false],
    ["plan-value", "no", true, "value", "request", false],
    ["bad-request", "no", true, "chunk", "request", false],
    ["not-found", "no", true, "chunk", "request", false],
    ["stale-cursor", "yes", true, "chunk", "request", false],
    ["partial", "no", true, "chunk", "request", false],
    ["slow-window", "yes", true, "chunk", "request", true],
  ] as const)("%s: retry %s, counts %s, stops the %s, holds the %s, splits %s", (of, ...expected) => {
    const { retry, countsAttempt, stops, hold, splits } = POLICY[of];
    expect([retry, countsAttempt, stops, hold, splits]).toEqual(expected);
  });

  it("has a row for each class", () => {
    expect(Object.keys(POLICY)).toHaveLength(13);
  });

  it("tries at most five times and halves windows down to 15 minutes", () => {
    expect([MAX_ATTEMPTS, SPLIT_FLOOR_MS]).toEqual([5, 15 * MINUTE]);
  });
});

describe("wait", () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [4, 8_000],
    [7, 60_000],
    [2_000, 60_000],
  ])("after transient failure %i is anything up to %i ms", (attempt, most) => {
    expect(range("transient", { attempt })).toEqual([0, most]);
  });

  it("takes another base and cap where the source has them", () => {
    expect(range("transient", { attempt: 2, baseMs: 15_000, capMs: 20_000 })).toEqual([0, 20_000]);
  });

  it.each(["transient", "rate-told", "rate-untold", "ban"] as const)("of %s is the told one and up to 1 s", (of) => {
    expect(range(of, { toldMs: 7_000 })).toEqual([7_000, 8_000]);
  });

  it("of an untold excess is the longest rolling window and up to 1 s", () => {
    expect(range("rate-untold", { longestWindowMs: 900_000 })).toEqual([900_000, 901_000]);
  });

  it("of an untold ban is ten minutes and up to 1 s", () => {
    expect(range("ban")).toEqual([10 * MINUTE, 10 * MINUTE + 1_000]);
  });

  it("believes no told wait of more than 30 days", () => {
    expect(range("rate-told", { toldMs: 1e15 })[0]).toBe(30 * 24 * 60 * MINUTE);
  });

  it("of a slow window is five seconds", () => {
    expect(range("slow-window")).toEqual([5_000, 5_000]);
  });

  it.each([
    "quota",
    "auth",
    "plan-endpoint",
    "plan-value",
    "bad-request",
    "not-found",
    "stale-cursor",
    "partial",
  ] as const)("of %s is none", (of) => {
    expect(range(of, { toldMs: 7_000 })).toEqual([0, 0]);
  });
});

import { describe, expect, it } from "vitest";
import { DAY, MINUTE } from "../../core/time/instant.ts";
import { WeightGate } from "./weight-gate.ts";
import type { BinanceSettings } from "./world.ts";

const NOW = 1_620_286_253_180;
const gateOf = (settings: BinanceSettings): WeightGate =>
  new WeightGate(settings, { weightOf: (path) => (path === "/heavy" ? 20 : 2), realNow: () => NOW });

const small = { weight: { count: 6, windowMs: MINUTE }, refusalsBeforeBan: 2, banMs: 2 * MINUTE };
const head = (gate: WeightGate, at: number, path = "/light"): (number | string)[] => {
  const refusal = gate.arrive(path, at);
  return refusal === null ? [200] : [refusal.status, refusal.headers?.["retry-after"] ?? "untold"];
};

describe("the weight", () => {
  it("is what requests weigh, and starts at nothing in the next minute", () => {
    const gate = gateOf({ weight: { count: 24, windowMs: MINUTE } });
    expect([head(gate, 0), head(gate, 1, "/heavy"), head(gate, 2), gate.used]).toEqual([[200], [200], [200], 24]);
    expect([head(gate, MINUTE), gate.used]).toEqual([[200], 2]);
    expect(gate.report()).toMatchObject({
      limit: 24,
      windowMs: MINUTE,
      maxSeen: 24,
      violations: 0,
      refused: 0,
      bans: 0,
    });
  });

  it("is 6,000 a minute unless told otherwise", () => {
    const gate = gateOf({});
    const statuses = Array.from({ length: 3_001 }, () => head(gate, 0)[0]);
    expect([statuses.lastIndexOf(200), statuses[3_000]]).toEqual([2_999, 429]);
  });
});

describe("what is over it", () => {
  it("is refused with 429 until the minute ends, and in the words of the exchange", () => {
    const gate = gateOf(small);
    for (let i = 0; i < 3; i++) expect(head(gate, 10_000)).toEqual([200]);
    expect(head(gate, 10_500)).toEqual([429, "50"]);
    const body = JSON.parse(gate.arrive("/light", 59_999)?.body ?? "");
    expect(body).toEqual({ code: -1003, msg: expect.stringContaining("current limit is 6 request weight") });
    expect(head(gate, MINUTE)).toEqual([200]);
    expect(gate.report()).toMatchObject({ maxSeen: 10, violations: 2, refused: 2, bans: 0 });
  });

  it("bans who goes on, for as long as it says, whatever the weight", () => {
    const gate = gateOf(small);
    for (let i = 0; i < 5; i++) gate.arrive("/light", 0);
    const refusal = gate.arrive("/light", 1_000);
    expect([refusal?.status, refusal?.headers]).toEqual([418, { "retry-after": "120" }]);
    expect(JSON.parse(refusal?.body ?? "").msg).toContain(`IP banned until ${NOW + 120_000}. `);
    expect(head(gate, 61_000)).toEqual([418, "60"]);
    expect(head(gate, 120_999)).toEqual([418, "1"]);
    expect(head(gate, 121_000)).toEqual([200]);
    expect(gate.report()).toMatchObject({ refused: 5, bans: 1 });
  });

  it("bans for twice as long each time, up to 3 days", () => {
    const gate = gateOf({ ...small, refusalsBeforeBan: 0 });
    const bans: unknown[] = [];
    for (let at = 0, i = 0; i < 14; i++, at += 4 * DAY) {
      for (let k = 0; k < 3; k++) gate.arrive("/light", at);
      bans.push(Number(head(gate, at)[1]) / 60);
    }
    expect(bans).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4320, 4320]);
  });

  it("is forgiven as soon as a request is let in", () => {
    const gate = gateOf(small);
    for (let minute = 0; minute < 5; minute++) {
      const statuses = [0, 1, 2, 3, 4].map((i) => head(gate, minute * MINUTE + i)[0]);
      expect(statuses).toEqual([200, 200, 200, 429, 429]);
    }
  });
});

it("starts afresh on demand", () => {
  const gate = gateOf({ ...small, refusalsBeforeBan: 0 });
  for (let i = 0; i < 9; i++) gate.arrive("/light", 0);
  gate.reset();
  expect(gate.report()).toMatchObject({ maxSeen: 0, violations: 0, refused: 0, bans: 0 });
  expect(head(gate, 0)).toEqual([200]);
});

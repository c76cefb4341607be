import { describe, expect, it } from "vitest";
import { seriesKey } from "../../core/dataset/series.ts";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Decision } from "../ledger-port.ts";
import { slotsStartingIn } from "./waive.ts";
import { waiverRecords, waiversAt } from "./waivers.ts";

const NOW = at("2024-03-10");
const ID = "trial.days@1 A/1d";

describe("waivers", () => {
  it("hold until somebody ends exactly that one, whatever else lies over it", () => {
    const decisions = [
      waive(1, days(1, 6), { reason: "strike" }),
      waive(2, days(3, 9), { reason: "works" }),
      decision(3, "unwaive", days(1, 6), { subject: "1" }),
    ];
    expect(waiversAt(decisions.slice(0, 2), NOW).get(ID)).toEqual([
      { ...days(1, 6), reason: "strike", actor: "ana" },
      { ...days(3, 9), reason: "works", actor: "ana" },
    ]);
    expect(waiversAt(decisions, NOW).get(ID)).toEqual([{ ...days(3, 9), reason: "works", actor: "ana" }]);
    const [first, second] = waiverRecords(decisions, NOW);
    expect(first).toMatchObject({ id: 1, standing: "ended", endedBy: { ordinal: 3 } });
    expect(second).toMatchObject({ id: 2, standing: "holds", endedBy: null });
  });

  it("are over at the instant that they name, by the business clock", () => {
    const decisions = [waive(1, days(1, 6), { until: NOW })];
    expect(waiversAt(decisions, instant(NOW - 1)).get(ID)).toHaveLength(1);
    expect(waiversAt(decisions, NOW).get(ID)).toBeUndefined();
    expect(waiverRecords(decisions, NOW)[0]?.standing).toBe("over");
  });

  it("belong to one series of one version", () => {
    const decisions = [waive(1, days(1, 2)), waive(2, days(1, 2), { version: 2 })];
    expect([...waiversAt(decisions, NOW).keys()]).toEqual([ID, "trial.days@2 A/1d"]);
  });
});

describe("a waived stretch", () => {
  const newYork = { grain: "1d", zone: "America/New_York" } as const;
  const cases: readonly (readonly [string, string, string, string, string])[] = [
    // Midnight in New York is 05:00 UTC in winter: UTC dates mean the local day that starts inside them.
    ["one date", "2024-01-10", "2024-01-11", "2024-01-10T05:00:00Z", "2024-01-11T05:00:00Z"],
    ["an exact slot", "2024-01-10T05:00:00Z", "2024-01-11T05:00:00Z", "2024-01-10T05:00:00Z", "2024-01-11T05:00:00Z"],
    // 2024-03-10 has 23 hours there.
    ["a short day", "2024-03-10", "2024-03-11", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"],
  ];

  it.each(cases)("is whole slots: %s", (_, from, to, start, end) => {
    expect(slotsStartingIn(newYork, { start: at(from), end: at(to) })).toEqual({ start: at(start), end: at(end) });
  });

  it("is nothing where no slot starts", () => {
    expect(slotsStartingIn(newYork, { start: at("2024-01-10T06:00:00Z"), end: at("2024-01-10T20:00:00Z") })).toBeNull();
    expect(slotsStartingIn(newYork, { start: at("2024-01-12"), end: at("2024-01-10") })).toBeNull();
  });
});

function waive(ordinal: number, span: Interval, changes: Partial<Decision> = {}): Decision {
  return decision(ordinal, "waive", span, changes);
}

function decision(ordinal: number, kind: Decision["kind"], span: Interval, changes: Partial<Decision>): Decision {
  return {
    ordinal,
    kind,
    at: NOW,
    actor: "ana",
    reason: "because",
    dataset: "trial.days",
    version: 1,
    key: seriesKey(["A", "1d"]),
    span,
    until: null,
    subject: null,
    ...changes,
  };
}

function days(from: number, to: number): Interval {
  return { start: instant(at("2024-03-01") + from * DAY), end: instant(at("2024-03-01") + to * DAY) };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

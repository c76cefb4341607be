import { describe, expect, it } from "vitest";
import { DAY, HOUR, instant } from "../time/instant.ts";
import { type Alert, type AlertSubject, dedupeKeyOf } from "./alert.ts";
import { announce, type ChannelName, type OpenCondition } from "./announce.ts";
import type { AlertFacts } from "./facts.ts";
import { type AlertRule, DEFAULT_RULES, type RuleKind } from "./rule.ts";
import type { Severity } from "./severity.ts";

const NOW = instant(Date.parse("2026-03-20T20:00:00Z"));
const RULES: readonly AlertRule[] = Object.values(DEFAULT_RULES);
const SELECTOR: AlertSubject = { kind: "selector", selector: "ohlcv" };
const GAP: AlertSubject = { kind: "gap", dataset: "bars", start: instant(Date.parse("2026-03-02")) };
const LOG: ChannelName = { name: "log", minSeverity: "low" };

/** After a run of `ohlcv` that succeeded, with all gaps of `bars` known. */
const FACTS: AlertFacts = {
  at: NOW,
  businessNow: NOW,
  run: {
    id: "run-9",
    selector: "ohlcv",
    mode: "incremental",
    status: "succeeded",
    recent: ["succeeded"],
    calls: { planned: 1, made: 1 },
    rowsChanged: 1,
    gapSlots: 0,
    error: null,
  },
  datasets: [{ dataset: "bars", watermark: NOW, dueThrough: NOW, gaps: [], isWhole: true }],
  budgets: [],
  volumes: [],
  proposals: null,
};

describe("a condition", () => {
  it("that a channel does not know is said on each channel that is low enough for it", () => {
    const channels = [LOG, { name: "slack", minSeverity: "critical" as const }];
    const said = say({ alerts: [anAlert("failed", SELECTOR, "high"), anAlert("gap", GAP, "critical")], channels });
    expect(said).toEqual([
      "log raised failed:ohlcv",
      `log raised ${keyOf("gap", GAP)}`,
      `slack raised ${keyOf("gap", GAP)}`,
    ]);
  });

  it("that was said is not said again until its time has passed", () => {
    const alerts = [anAlert("failed", SELECTOR, "high")];
    expect(say({ alerts, open: [saidOf("failed", SELECTOR, "high", HOUR)] })).toEqual([]);
    expect(say({ alerts, open: [saidOf("failed", SELECTOR, "high", DAY - 1)] })).toEqual([]);
    expect(say({ alerts, open: [saidOf("failed", SELECTOR, "high", DAY)] })).toEqual(["log raised failed:ohlcv"]);
  });

  it("that was said once is enough for a rule that does not repeat", () => {
    const slot: AlertSubject = { kind: "slot", dataset: "bars", start: NOW, direction: "drop" };
    const open = [saidOf("volume", slot, "high", 400 * DAY)];
    expect(say({ alerts: [anAlert("volume", slot, "high")], open })).toEqual([]);
  });

  it("whose severity changed is said at once", () => {
    const open = [saidOf("gap", GAP, "medium", HOUR)];
    expect(say({ alerts: [anAlert("gap", GAP, "critical")], open })).toEqual([`log raised ${keyOf("gap", GAP)}`]);
  });

  it("of which nobody heard is said again", () => {
    const open = [{ ...saidOf("failed", SELECTOR, "high", HOUR), wasGivenUp: true }];
    expect(say({ alerts: [anAlert("failed", SELECTOR, "high")], open })).toEqual(["log raised failed:ohlcv"]);
  });

  it("is known by channel: a new channel hears of it, the old one does not", () => {
    const open = [saidOf("failed", SELECTOR, "high", HOUR)];
    const channels = [LOG, { name: "slack", minSeverity: "low" as const }];
    expect(say({ alerts: [anAlert("failed", SELECTOR, "high")], open, channels })).toEqual([
      "slack raised failed:ohlcv",
    ]);
  });
});

describe("the end of a condition", () => {
  it.each<[RuleKind, AlertSubject, readonly string[]]>([
    ["failed", SELECTOR, ["log resolved failed:ohlcv"]],
    ["gap", GAP, [`log resolved ${keyOf("gap", GAP)}`]],
    ["stale", { kind: "dataset", dataset: "bars" }, ["log resolved stale:bars"]],
    ["partial", SELECTOR, []],
    ["streak", SELECTOR, []],
  ])("of rule %s about %j says %j", (rule, subject, expected) => {
    const open = [saidOf(rule, subject, "high", HOUR)];
    expect(say({ open })).toEqual(expected);
    expect(endedOf({ open })).toEqual([keyOf(rule, subject)]);
  });

  it("names what ended and the run that showed it", () => {
    const [resolved] = result({ open: [saidOf("failed", SELECTOR, "high", HOUR)] }).say;
    expect(resolved).toMatchObject({
      kind: "resolved",
      severity: "high",
      title: "resolved: a title",
      body: "It does not hold any more after run-9.",
      runId: "run-9",
    });
  });

  it("is not seen in facts that do not speak of it", () => {
    const elsewhere: AlertSubject = { kind: "gap", dataset: "ticks", start: NOW };
    const open = [
      saidOf("gap", elsewhere, "medium", HOUR),
      saidOf("failed", { ...SELECTOR, selector: "x" } as AlertSubject, "high", HOUR),
    ];
    expect(result({ open })).toEqual({ say: [], ended: [] });
  });

  it("is not told when its beginning was not heard", () => {
    const open = [{ ...saidOf("failed", SELECTOR, "high", HOUR), wasGivenUp: true }];
    expect(say({ open })).toEqual([]);
    expect(endedOf({ open })).toEqual(["failed:ohlcv"]);
  });

  it("comes without a word when its rule is switched off", () => {
    const open = [saidOf("failed", SELECTOR, "high", HOUR)];
    const rules = RULES.filter((rule) => rule.kind !== "failed");
    expect(say({ open, rules })).toEqual([]);
    expect(endedOf({ open, rules })).toEqual(["failed:ohlcv"]);
  });

  it("is told on a channel that the alert is too mild for by now only if it ended", () => {
    const open = [saidOf("gap", GAP, "critical", HOUR)];
    const channels = [{ name: "log", minSeverity: "critical" as const }];
    expect(say({ alerts: [anAlert("gap", GAP, "medium")], open, channels })).toEqual([]);
    expect(endedOf({ alerts: [anAlert("gap", GAP, "medium")], open, channels })).toEqual([]);
  });
});

type Some = Partial<Parameters<typeof announce>[0]>;

function result(some: Some) {
  return announce({ alerts: [], open: [], rules: RULES, facts: FACTS, channels: [LOG], now: NOW, ...some });
}

function say(some: Some): readonly string[] {
  return result(some).say.map(({ channel, kind, dedupeKey }) => `${channel} ${kind} ${dedupeKey}`);
}

function endedOf(some: Some): readonly string[] {
  return result(some).ended.map(({ dedupeKey }) => dedupeKey);
}

function anAlert(rule: RuleKind, subject: AlertSubject, severity: Severity): Alert {
  const dedupeKey = keyOf(rule, subject);
  return { rule, severity, dedupeKey, title: "a title", body: "a body", subject, runId: "run-9", at: NOW };
}

function saidOf(rule: RuleKind, subject: AlertSubject, severity: Severity, agoMs: number): OpenCondition {
  return {
    channel: "log",
    rule,
    severity,
    dedupeKey: keyOf(rule, subject),
    title: "a title",
    subject,
    saidAt: instant(NOW - agoMs),
    wasGivenUp: false,
  };
}

function keyOf(rule: RuleKind, subject: AlertSubject): string {
  return dedupeKeyOf(rule, subject);
}

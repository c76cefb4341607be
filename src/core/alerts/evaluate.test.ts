import { describe, expect, it } from "vitest";
import type { RunStatus } from "../run/run-state.ts";
import { DAY, HOUR, type Instant, instant } from "../time/instant.ts";
import { evaluate, isJudged } from "./evaluate.ts";
import type { AlertFacts, DatasetFacts, RunFacts, VolumeFacts } from "./facts.ts";
import { type AlertRule, DEFAULT_RULES } from "./rule.ts";

const NOW = at("2026-03-20T20:00:00Z");
const RULES: readonly AlertRule[] = Object.values(DEFAULT_RULES);

describe("a run", () => {
  it.each<[RunStatus, readonly (readonly string[])[]]>([
    ["succeeded", []],
    ["failed", [["failed", "high"]]],
    ["partial", [["partial", "medium"]]],
    ["cancelled", []],
    ["paused", []],
  ])("that is %s raises %j", (status, expected) => {
    expect(raised({ run: aRun(status, [status]) })).toEqual(expected);
  });

  it("that only read files and left the rest to the next one raises nothing; one that failed at it does", () => {
    expect(raised({ run: { ...aRun("partial", ["partial"]), onlyRead: true } })).toEqual([]);
    expect(raised({ run: { ...aRun("partial", ["partial"]), onlyRead: false } })).toEqual([["partial", "medium"]]);
    expect(raised({ run: { ...aRun("failed", ["failed"]), onlyRead: true } })).toEqual([["failed", "high"]]);
  });

  it.each<[readonly RunStatus[], boolean]>([
    [["failed", "failed", "failed"], true],
    [["failed", "failed"], false],
    [["failed", "failed", "partial", "failed"], false],
    [["failed", "failed", "succeeded", "failed"], false],
    // What was cancelled or paused says nothing of the work.
    [["failed", "cancelled", "failed", "paused", "failed"], true],
    [["partial", "failed", "failed", "failed"], false],
  ])("with %j before it is the third failure in a row: %s", (recent, expected) => {
    const kinds = raised({ run: aRun(recent[0] as RunStatus, recent) });
    expect(kinds.some(([rule, severity]) => rule === "streak" && severity === "critical")).toBe(expected);
  });

  it("is told with its figures and how to learn more", () => {
    const [alert] = evaluate(RULES, facts({ run: aRun("failed", ["failed"]) }));
    expect(alert).toMatchObject({
      rule: "failed",
      dedupeKey: "failed:ohlcv",
      title: "ohlcv: the run failed",
      subject: { kind: "selector", selector: "ohlcv" },
      runId: "run-9",
      at: NOW,
    });
    expect(alert?.body).toContain("made 12 calls of 1,040 planned and changed 1 row");
    expect(alert?.body).toContain("retrofill runs show run-9");
  });
});

describe("a gap", () => {
  it.each([
    [DAY - 1, null],
    [DAY, null],
    [DAY + 1, "medium"],
    [7 * DAY, "medium"],
    [7 * DAY + 1, "critical"],
  ])("owed for %d ms is %s", (age, severity) => {
    const alerts = raised({ datasets: [aDataset({ gaps: [gap("AAPL/1d", "2026-03-02", NOW - age)] })] });
    expect(alerts[0]?.[1] ?? null).toBe(severity);
  });

  it("that a thousand series share is one condition, named by its dataset and start", () => {
    const gaps = Array.from({ length: 1_000 }, (_, i) => gap(`S${i}/1d`, "2026-03-02", NOW - 3 * DAY));
    const alerts = evaluate(
      RULES,
      facts({ datasets: [aDataset({ gaps: [...gaps, gap("X/1d", "2026-03-05", NOW - 2 * DAY)] })] }),
    );
    expect(alerts.map((alert) => alert.dedupeKey)).toEqual([
      "gap:ohlcv.market_data:2026-03-02T00:00:00Z",
      "gap:ohlcv.market_data:2026-03-05T00:00:00Z",
    ]);
    expect(alerts[0]?.body).toContain("Missing in 1,000 series");
    expect(alerts[0]?.body).toContain("and 990 more");
    expect(alerts[0]?.body.length).toBeLessThan(1_000);
  });

  it("is as old as the oldest of its series", () => {
    const gaps = [gap("A/1d", "2026-03-02", NOW - 2 * DAY), gap("B/1d", "2026-03-02", NOW - 9 * DAY)];
    expect(raised({ datasets: [aDataset({ gaps })] })).toEqual([["gap", "critical"]]);
  });
});

describe("a dataset", () => {
  it.each<[string, Partial<DatasetFacts>, boolean]>([
    ["a day behind", { watermark: instant(NOW - DAY) }, false],
    ["more than a day behind", { watermark: instant(NOW - DAY - 1) }, true],
    ["behind only by closed time", { watermark: at("2026-03-17"), dueThrough: at("2026-03-17") }, false],
    ["behind what is due", { watermark: at("2026-03-14"), dueThrough: at("2026-03-17") }, true],
    ["never filled", { watermark: null }, false],
  ])("that is %s is stale: %s", (_what, some, isStale) => {
    expect(raised({ datasets: [aDataset(some)] })).toEqual(isStale ? [["stale", "high"]] : []);
  });
});

describe("a budget", () => {
  const used = (n: number, limit = 100) => ({
    budgets: [{ credential: "polygon:1a2b", period: "day 2026-03-20", used: n, limit }],
  });

  it("is told when it is used up, or earlier where that is asked for", () => {
    expect(raised(used(99))).toEqual([]);
    expect(raised(used(100))).toEqual([["budget", "medium"]]);
    const early = { ...DEFAULT_RULES.budget, share: 0.8 };
    expect(evaluate([early], facts(used(79)))).toEqual([]);
    expect(evaluate([early], facts(used(80)))[0]?.title).toBe(
      "polygon:1a2b: 80 % of the budget of day 2026-03-20 is used up",
    );
  });

  it("of nothing is no budget", () => {
    expect(raised(used(0, 0))).toEqual([]);
  });
});

describe("a volume", () => {
  const history = [96, 97, 98, 99, 101, 102, 103, 104];
  const seen = (series: string, value: number): VolumeFacts => ({
    dataset: "retail.sales",
    series,
    start: at("2026-03-16"),
    value,
    unit: "tickets",
    history,
  });

  it("tells drops and peaks of one slot apart, each once, the farthest first", () => {
    const volumes = [seen("store-1", 50), seen("store-2", 10), seen("store-3", 400), seen("store-4", 100)];
    const alerts = evaluate(RULES, facts({ volumes }));
    expect(alerts.map(({ dedupeKey, severity }) => [dedupeKey, severity])).toEqual([
      ["volume:retail.sales:2026-03-16T00:00:00Z:drop", "high"],
      ["volume:retail.sales:2026-03-16T00:00:00Z:peak", "medium"],
    ]);
    expect(alerts[0]?.body.split("\n")).toEqual([
      "In 2 series, against the same weekday and slot before:",
      "- store-2: 10 tickets where 100 is usual (−90 %, z -24.3)",
      "- store-1: 50 tickets where 100 is usual (−50 %, z -13.5)",
    ]);
  });
});

it("lists the worst first and only what the given rules ask for", () => {
  const all = facts({
    run: aRun("failed", ["failed", "failed", "failed"]),
    datasets: [aDataset({ gaps: [gap("A/1d", "2026-03-02", NOW - 2 * DAY)], watermark: at("2026-03-02") })],
  });
  expect(evaluate(RULES, all).map((alert) => alert.rule)).toEqual(["streak", "failed", "stale", "gap"]);
  expect(evaluate([DEFAULT_RULES.stale], all).map((alert) => alert.rule)).toEqual(["stale"]);
  expect(evaluate([], all)).toEqual([]);
});

describe("a plan that asks again for a restated past", () => {
  const proposals = [
    { dataset: "ohlcv.market_data", entry: "AAPL", plan: "plan-7", reason: "split 4 for 1", slots: 5_040, calls: 3 },
  ];

  it("is told by its entry, with its price and how to apply it", () => {
    const [alert] = evaluate(RULES, facts({ proposals }));
    expect(alert).toMatchObject({
      rule: "restated",
      severity: "medium",
      dedupeKey: "restated:ohlcv.market_data:AAPL",
      body: "split 4 for 1.\nAsking again for 5,040 slots takes 3 calls: retrofill apply plan-7",
    });
  });

  it("is over once a run of its pipeline finds it no more, and not where nobody looked", () => {
    const subject = { kind: "entry", dataset: "ohlcv.market_data", entry: "AAPL" } as const;
    const datasets = [aDataset({ dataset: "ohlcv.stock_splits" })];
    expect(isJudged(subject, facts({ proposals: [], datasets }))).toBe(true);
    expect(isJudged(subject, facts({ proposals: [], datasets: [aDataset({ dataset: "retail.ventas" })] }))).toBe(false);
    expect(isJudged(subject, facts({ proposals: null, datasets }))).toBe(false);
  });
});

describe("facts", () => {
  it("without a run judge the standing and no selector", () => {
    const standing = facts({ datasets: [aDataset({ watermark: at("2026-03-02") })] });
    expect(evaluate(RULES, standing).map(({ rule, runId }) => [rule, runId])).toEqual([["stale", null]]);
    expect(isJudged({ kind: "selector", selector: "ohlcv" }, standing)).toBe(false);
  });

  it("judge a selector by its own finished runs alone", () => {
    const subject = { kind: "selector", selector: "ohlcv" } as const;
    expect(isJudged(subject, facts({ run: aRun("succeeded", ["succeeded"]) }))).toBe(true);
    expect(isJudged(subject, facts({ run: aRun("cancelled", ["cancelled"]) }))).toBe(false);
    expect(isJudged(subject, facts({ run: { ...aRun("succeeded", []), selector: "retail" } }))).toBe(false);
  });

  it("of a later day close what was said of an earlier day's quota, and of no other", () => {
    const today = facts({ budgets: [{ credential: "polygon:1a2b", period: "day 2026-03-20", used: 1, limit: 9 }] });
    const judged = (credential: string, period: string): boolean =>
      isJudged({ kind: "budget", credential, period }, today);
    expect(judged("polygon:1a2b", "day 2026-03-19")).toBe(true);
    expect(judged("polygon:1a2b", "month 2026-03")).toBe(false);
    expect(judged("polygon:1a2b", "a run of ohlcv")).toBe(false);
    expect(judged("binance:1a2b", "day 2026-03-19")).toBe(false);
  });

  it("close what was unusual in a slot once it is long ago", () => {
    const slot = (date: string) =>
      ({ kind: "slot", dataset: "ohlcv.market_data", start: at(date), direction: "drop" }) as const;
    expect(isJudged(slot("2026-03-16"), facts({}))).toBe(false);
    expect(isJudged(slot("2026-02-27"), facts({}))).toBe(true);
  });

  it("that list only some gaps of a dataset close none", () => {
    const subject = { kind: "gap", dataset: "ohlcv.market_data", start: at("2026-03-02") } as const;
    expect(isJudged(subject, facts({ datasets: [aDataset({})] }))).toBe(true);
    expect(isJudged(subject, facts({ datasets: [aDataset({ isWhole: false })] }))).toBe(false);
    expect(isJudged(subject, facts({}))).toBe(false);
  });
});

/** Rules and severities of what is raised. */
function raised(some: Partial<AlertFacts>): readonly (readonly string[])[] {
  return evaluate(RULES, facts(some)).map(({ rule, severity }) => [rule, severity]);
}

function facts(some: Partial<AlertFacts>): AlertFacts {
  return { at: NOW, businessNow: NOW, run: null, datasets: [], budgets: [], volumes: [], proposals: null, ...some };
}

function aRun(status: RunStatus, recent: readonly RunStatus[]): RunFacts {
  return {
    id: "run-9",
    selector: "ohlcv",
    mode: "backfill",
    status,
    recent,
    calls: { planned: 1_040, made: 12 },
    rowsChanged: 1,
    gapSlots: 3,
    error: null,
  };
}

function aDataset(some: Partial<DatasetFacts>): DatasetFacts {
  return {
    dataset: "ohlcv.market_data",
    watermark: instant(NOW - HOUR),
    dueThrough: null,
    gaps: [],
    isWhole: true,
    ...some,
  };
}

function gap(series: string, date: string, openSince: number): DatasetFacts["gaps"][number] {
  return { series, start: at(date), end: instant(at(date) + DAY), slots: 1, openSince: instant(openSince) };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

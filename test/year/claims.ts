import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { setOf } from "../../src/core/coverage/segment.ts";
import { type Request, requestFor } from "../../src/core/plan/plan.ts";
import { slotsIn } from "../../src/core/time/grid.ts";
import { intersect } from "../../src/core/time/interval-set.ts";
import { scopeOf } from "../../src/engine/plan/scope.ts";
import { selection } from "../../src/engine/plan/selection.ts";
import { verifyAudit } from "../../src/engine/prove/audit.ts";
import { againstEachOther, againstTruth } from "./comparison.ts";
import { type Scenario, SELECTOR, Simulation } from "./simulation.ts";
import { absentDays, trueRows } from "./truth.ts";

/** Runs a scenario once and claims what has to hold after its last night, whatever happened on the way. */
export function holdsAtTheEnd(scenario: Scenario, timeoutMs: number): void {
  let simulation: Simulation;
  beforeAll(async () => {
    simulation = await Simulation.start(scenario);
    const startedAt = performance.now();
    await simulation.run();
    print(simulation, (performance.now() - startedAt) / 1_000);
  }, timeoutMs);
  afterAll(async () => await simulation?.[Symbol.asyncDispose]());

  it("has asked every night, through everything that went wrong", () => {
    const { nights, days } = simulation;
    expect(nights).toHaveLength(days.length);
    expect(nights.filter(({ status }) => status === "failed").map(({ night }) => night)).toEqual(scenario.outage);
    const partial = nights.filter(({ status }) => status === "partial").map(({ night }) => night);
    expect(partial).toEqual([...scenario.broken.keys()].sort((a, b) => a - b));
    const others = nights.filter(({ status }) => !["failed", "partial", "succeeded"].includes(status));
    expect(others).toEqual([]);
  });

  it("holds exactly what the provider has in the end: no row more, less or different", async () => {
    const { rows, differing } = await againstTruth(simulation.world.dir, trueRows(simulation));
    expect(differing).toEqual([]);
    expect(rows).toBeGreaterThan(0);
  });

  it("leaves no slot unexplained: what is not there is not there at the source", async () => {
    const { project } = simulation;
    const { bound, datasets } = selection(project, WHOLE);
    const scoped = await scopeOf(project, bound, datasets, WHOLE, { now: project.businessNow(), leaveOut: "fresh" });
    expect(
      scoped.flatMap(({ series, standing }) => standing.gaps.map((gap) => [series.dataset, series.key, gap])),
    ).toEqual([]);
    const empty = scoped.flatMap(({ series, standing, segments }) =>
      series.dataset === "ohlcv.market_data"
        ? intersect(standing.due, setOf(segments, "empty")).flatMap((span) =>
            [...slotsIn(series.axis.grid, span)].map(({ start }) => `${series.key} ${start}`),
          )
        : [],
    );
    // Days owe a bar each: those that are gone, and no other, were asked twice and found empty.
    expect(empty.sort()).toEqual([...absentDays(simulation)].sort());
  });

  it("moves its watermark on nights that succeeded, and on no other", () => {
    let before: Readonly<Record<string, number | null>> = {};
    for (const { night, status, now, watermarks } of simulation.nights) {
      const names = Object.keys(watermarks);
      const expected =
        status === "succeeded"
          ? Object.fromEntries(names.map((name) => [name, now]))
          : Object.fromEntries(names.map((name) => [name, before[name] ?? null]));
      expect([night, status, watermarks]).toEqual([night, status, expected]);
      before = watermarks;
    }
  });

  it("tells people of everything that went wrong, and of nothing on quiet nights", () => {
    const { nights } = simulation;
    const quietDay = simulation.days.findIndex(({ date }) => date === scenario.quiet);
    let told = 0;
    for (const [i, { night, status, proposed, alerts }] of nights.entries()) {
      const expected = [
        ...(status === "failed" ? ["failed"] : []),
        ...(status === "failed" && nights.slice(i - 2, i).filter((one) => one.status === "failed").length === 2
          ? ["streak"]
          : []),
        ...(status === "partial" ? ["partial"] : []),
        ...(proposed.length > 0 ? ["restated"] : []),
        // The third night without an answer for one series: what it lacks is two days old.
        ...(isBrokenSince(scenario, night, 3) ? ["gap"] : []),
        // Volumes are judged once there are eight of the same weekday.
        ...(night === quietDay && night >= 45 ? ["volume"] : []),
      ];
      told += expected.length;
      expect([night, ...expected.filter((rule) => !alerts.includes(rule))]).toEqual([night]);
      const isQuiet = status === "succeeded" && proposed.length === 0;
      const loud = alerts.filter((rule) => ["failed", "streak", "partial", "gap", "stale", "restated"].includes(rule));
      if (isQuiet) expect([night, ...loud]).toEqual([night]);
    }
    expect(told).toBeGreaterThan(0);
    // What stayed away for more than a day was a gap by then.
    const longest = nights.filter(({ night }) => scenario.outage.includes(night)).slice(2);
    for (const { night, alerts } of longest)
      expect([night, alerts.includes("gap"), alerts.includes("stale")]).toEqual([night, true, true]);
  });

  it("proposes every split once, and nothing once it was applied", () => {
    const { nights } = simulation;
    const plans = new Map(nights.flatMap(({ proposed }) => proposed.map((plan) => [plan.id, plan])));
    const symbols = [...plans.values()].map(({ request }) => request.entries?.join(" ") ?? "");
    expect(symbols).toEqual(scenario.splits.map(({ symbol }) => symbol));
    expect(nights.flatMap(({ applied }) => applied)).toEqual([...plans.keys()]);
    for (const id of plans.keys()) {
      const shown = nights.filter(({ proposed }) => proposed.some((plan) => plan.id === id)).map(({ night }) => night);
      const done = nights.find(({ applied }) => applied.includes(id))?.night ?? -1;
      expect(Math.max(...shown)).toBeLessThanOrEqual(done);
    }
  });

  it("keeps the provider's limit in every window", () => {
    const { windows, problems, byStatus } = simulation.world.sandbox.report();
    expect(problems).toEqual([]);
    expect(windows.length).toBeGreaterThan(0);
    for (const { limit, maxSeen, violations } of windows) {
      expect([limit, violations]).toEqual([scenario.callsPerSecond, 0]);
      expect(maxSeen).toBeLessThanOrEqual(limit);
    }
    expect(Object.keys(byStatus).length).toBeGreaterThan(1);
  });

  it(
    "proves itself: chains, coverage, totals and bodies agree",
    async () => {
      const report = await verifyAudit(simulation.project, simulation.opened.audit, () => undefined);
      expect(report.faults).toEqual([]);
      expect(report.objects).toBeGreaterThan(0);
    },
    timeoutMs,
  );

  it(
    "is the same, bit for bit, made anew from bronze into an empty store",
    async () => {
      const { world, nights } = simulation;
      const copy = `${world.dir}-rebuilt`;
      await world.configure({ now: new Date(nights[nights.length - 1]?.now ?? 0).toISOString() });
      const saved = await world.json("backup", copy);
      expect(saved.exit).toBe(0);
      try {
        await rm(join(copy, ".retrofill", "data.duckdb"));
        await rm(join(copy, ".retrofill", "history"), { recursive: true, force: true });
        const calls = world.sandbox.report().requests;
        const rebuilt = await world.json("--project", copy, "reprocess", "ohlcv", "--reason", "as a check");
        expect([rebuilt.exit, rebuilt.json.status, rebuilt.json.calls.made]).toEqual([0, "succeeded", 0]);
        expect(world.sandbox.report().requests).toBe(calls);
        for (const table of ["market_data", "market_data_v2"]) {
          const { rows, differing } = await againstEachOther([world.dir, copy], table);
          expect([table, ...differing]).toEqual([table]);
          expect(rows).toBeGreaterThan(0);
        }
      } finally {
        await rm(copy, { recursive: true, force: true });
      }
    },
    timeoutMs,
  );
}

const WHOLE: Request = requestFor(SELECTOR);

/** Whether one series got no answer on each of the last `nights` nights. */
function isBrokenSince({ broken }: Scenario, night: number, nights: number): boolean {
  const places = Array.from({ length: nights }, (_, i) => broken.get(night - i));
  return places.every((place) => place !== undefined && place === places[0]);
}

/** What happened, for the person who runs this. */
function print({ nights, oddities, world, scenario }: Simulation, seconds: number): void {
  const sum = (of: (night: (typeof nights)[number]) => number): number => nights.reduce((n, one) => n + of(one), 0);
  const drawn: Record<string, number> = {};
  for (const own of oddities.values()) for (const { kind } of own.values()) drawn[kind] = (drawn[kind] ?? 0) + 1;
  const statuses: Record<string, number> = {};
  for (const { status } of nights) statuses[status] = (statuses[status] ?? 0) + 1;
  const told: Record<string, number> = {};
  for (const { alerts } of nights) for (const rule of alerts) told[rule] = (told[rule] ?? 0) + 1;
  const { requests, byStatus, windows, faults } = world.sandbox.report();
  console.log(
    JSON.stringify({
      seed: scenario.seed,
      nights: nights.length,
      statuses,
      seconds: Math.round(seconds),
      calls: sum((one) => one.calls),
      rows: sum((one) => one.rows),
      restated: sum((one) => one.restated),
      drawn,
      told,
      requests,
      byStatus,
      maxSeen: windows.map(({ maxSeen, limit }) => `${maxSeen} of ${limit}`),
      faults,
    }),
  );
}

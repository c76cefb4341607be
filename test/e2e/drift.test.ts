import { describe, expect, it } from "vitest";
import { instant } from "../../src/core/time/instant.ts";
import type { BoundPipeline, Project } from "../../src/engine/project.ts";
import type { OpenProject } from "../../src/surfaces/cli/host.ts";
import { dailyBars, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-21T21:30:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");

const twoSymbols = (): Promise<World> =>
  world(
    ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d", candles: dailyBars(DATES) }) as const),
    {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" } },
    },
  );

const planned = async (at: World, ...args: readonly string[]): Promise<string> =>
  (await at.json("plan", "ohlcv", ...args)).json.id;

/** The opened project with another view of itself; everything else stays. */
const seen =
  (change: (project: Project) => Partial<Project>) =>
  (opened: OpenProject): OpenProject => ({
    ...opened,
    project: { ...opened.project, ...change(opened.project) },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  });

const HOURS = 3_600_000;

describe("apply", () => {
  it("performs a plan once and refuses it the second time", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    const first = await at.json("apply", plan);
    expect([first.exit, first.json.status, first.json.plan_id]).toEqual([0, "succeeded", plan]);
    const second = await at.json("apply", plan);
    expect([second.exit, second.json.error.code]).toEqual([5, "PLAN_APPLIED"]);
    expect(at.asked).toHaveLength(2);
  });

  it("refuses when a symbol's lifetime changed, with the difference", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    await at.json("symbols", "set", "MSFT", "--delisted", "2025-11-10");
    const refused = await at.json("apply", plan);
    expect([refused.exit, refused.json.error.code]).toEqual([5, "PLAN_DRIFTED"]);
    expect(refused.json.error.message).toContain('registry MSFT: delisted was null, is "2025-11-10"');
    expect(refused.json.error.hint).toContain("retrofill plan ohlcv");
    expect(at.asked).toEqual([]);
    await at.json("symbols", "remove", "MSFT");
    const gone = await at.json("apply", plan);
    expect(gone.exit).toBe(5);
  });

  it("does not mind a change outside its own scope", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at, "--symbols", "AAPL");
    await at.json("symbols", "set", "MSFT", "--delisted", "2025-11-10");
    expect((await at.json("apply", plan)).exit).toBe(0);
  });

  it("refuses when coverage moved, naming the series", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    await at.json("run", "ohlcv", "--symbols", "AAPL");
    const refused = await at.json("apply", plan);
    expect([refused.exit, refused.json.error.code]).toEqual([5, "PLAN_DRIFTED"]);
    expect(refused.json.error.message).toMatch(/coverage AAPL\/1d: 1 gaps \(\w+\) when planned, 0 gaps \(\w+\) now/);
    expect(refused.json.error.message).not.toContain("MSFT");
  });

  it("refuses after the plan's expiry, by the real clock", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    at.wrap(seen(({ clock }) => ({ clock: { ...clock, now: () => instant(clock.now() + 25 * HOURS) } })));
    const refused = await at.json("apply", plan);
    expect([refused.exit, refused.json.error.code]).toEqual([5, "PLAN_EXPIRED"]);
    at.wrap(null);
    expect((await at.json("apply", plan)).exit).toBe(0);
  });

  it("does not mind that the budget changed", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    await at.configure({ source: { limit: "300/s" } });
    expect((await at.json("apply", plan)).exit).toBe(0);
  });

  it("refuses when settings that shape the data changed", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    await at.configure({ source: { adjusted: true } });
    const refused = await at.json("apply", plan);
    expect([refused.exit, refused.json.error.code]).toEqual([5, "PLAN_DRIFTED"]);
    expect(refused.json.error.message).toContain("declarations");
  });

  it("and every new plan refuse logic that changed while its version did not", async () => {
    await using at = await twoSymbols();
    const plan = await planned(at);
    at.wrap(seen(({ pipelines }) => ({ pipelines: pipelines.map((bound) => withAnotherPrice(bound, 1)) })));
    for (const line of [`apply ${plan}`, "plan ohlcv", "run ohlcv"]) {
      const refused = await at.json(...line.split(" "));
      expect([refused.exit, refused.json.error.code], line).toEqual([5, "LOGIC_CHANGED"]);
      expect(refused.json.error.message).toContain("its version is still 1");
    }
    expect(at.asked).toEqual([]);
    at.wrap(null);
    expect((await at.json("apply", plan)).exit).toBe(0);
  });
});

/** The pipeline with another formula for the closing price under the same version. */
function withAnotherPrice(bound: BoundPipeline, version: number): BoundPipeline {
  const datasets = bound.pipeline.datasets.map((dataset) => ({
    ...dataset,
    version,
    extract: dataset.extract && {
      ...dataset.extract,
      select: { ...dataset.extract.select, close: "raw.c * 2" },
    },
  }));
  return { ...bound, pipeline: { ...bound.pipeline, datasets } };
}

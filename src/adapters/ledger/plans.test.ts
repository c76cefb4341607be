import { describe, expect, it } from "vitest";
import { openTrialLedger, TRIAL_DATASET, TRIAL_NOW, trialOwner, trialPlan } from "../../../bench/ledger-trial.ts";
import { instant } from "../../core/time/instant.ts";

describe("a stored plan", () => {
  it("reads back as it was made, and is applied once", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const older = trialPlan("plan-1");
    const newer = { ...trialPlan("plan-2"), createdAt: instant(TRIAL_NOW + 1) };
    await ledger.savePlan(older);
    await ledger.savePlan(newer);
    expect(await ledger.plan("plan-1")).toEqual(older);
    expect(await ledger.plan("plan-3")).toBe(null);
    expect(await ledger.openRun(older, "run-1", trialOwner(1), [], TRIAL_NOW)).toMatchObject({ status: "running" });
    expect(await ledger.openRun(older, "run-2", trialOwner(1), [], TRIAL_NOW)).toBe(null);
    expect((await ledger.plans(9)).map((plan) => [plan.id, plan.runId])).toEqual([
      ["plan-2", null],
      ["plan-1", "run-1"],
    ]);
  });
});

describe("a version's logic", () => {
  it("is what it was at its first use, also when two are first at once", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const both = await Promise.all(
      ["logic a", "logic b"].map((logic) => ledger.versionFingerprint(TRIAL_DATASET, 1, logic, TRIAL_NOW)),
    );
    expect(both).toEqual(["logic a", "logic a"]);
    expect(await ledger.versionFingerprint(TRIAL_DATASET, 1, "logic c", TRIAL_NOW)).toBe("logic a");
    expect(await ledger.versionFingerprint(TRIAL_DATASET, 2, "logic c", TRIAL_NOW)).toBe("logic c");
  });

  it("is looked up without a write once it is known", async () => {
    await using trial = await openTrialLedger();
    await trial.ledger.versionFingerprint(TRIAL_DATASET, 1, "logic", TRIAL_NOW);
    const before = trial.database.commits;
    await trial.ledger.versionFingerprint(TRIAL_DATASET, 1, "logic", TRIAL_NOW);
    expect(trial.database.commits).toBe(before);
  });
});

describe("the registry", () => {
  it("keeps each pipeline's entries by key, the latest of each", async () => {
    await using trial = await openTrialLedger();
    const { ledger } = trial;
    const entry = (key: string, active: boolean) => ({ key, active, attributes: { listed: "1980-12-12" } });
    await ledger.putEntries("ohlcv", [entry("MSFT", true), entry("AAPL", true)], TRIAL_NOW);
    await ledger.putEntries("ohlcv", [entry("AAPL", false)], TRIAL_NOW);
    await ledger.putEntries("retail", [entry("tienda_11", true)], TRIAL_NOW);
    expect(await ledger.entries("ohlcv")).toEqual([entry("AAPL", false), entry("MSFT", true)]);
  });
});

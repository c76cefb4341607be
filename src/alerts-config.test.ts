import { describe, expect, it } from "vitest";
import { alertsConfig } from "./alerts-config.ts";
import { DEFAULT_RULES } from "./core/alerts/rule.ts";
import { DAY, HOUR } from "./core/time/instant.ts";

describe("the alerts section", () => {
  it("left out is every rule with its defaults, told to the log", () => {
    const { rules, channels } = alertsConfig.parse({});
    expect(rules).toEqual(Object.values(DEFAULT_RULES));
    expect(channels).toEqual({ log: { kind: "log", minSeverity: "low" } });
  });

  it("changes what it names and leaves the rest", () => {
    const { rules } = alertsConfig.parse({
      rules: {
        failed: { severity: "critical", repeatAfterHours: 2 },
        streak: { runs: 5 },
        partial: false,
        gap: { levels: [{ olderThanDays: 0.5, severity: "low" }] },
        stale: { behindHours: 3, tellsEnd: false },
        budget: { share: 0.8, repeatAfterHours: null },
        volume: { minHistory: 4 },
      },
    });
    expect(rules).toEqual([
      { ...DEFAULT_RULES.failed, severity: "critical", repeatAfterMs: 2 * HOUR },
      { ...DEFAULT_RULES.streak, runs: 5 },
      { ...DEFAULT_RULES.gap, levels: [{ olderThanMs: DAY / 2, severity: "low" }] },
      { ...DEFAULT_RULES.stale, behindMs: 3 * HOUR, tellsEnd: false },
      { ...DEFAULT_RULES.budget, share: 0.8, repeatAfterMs: null },
      { ...DEFAULT_RULES.volume, minHistory: 4 },
      DEFAULT_RULES.restated,
    ]);
  });

  it.each([
    [
      "an address where the name of a variable is due",
      { channels: { ops: { kind: "slack", urlEnv: "https://hooks.slack.com/x" } } },
    ],
    ["an address itself", { channels: { ops: { kind: "webhook", url: "https://example.com" } } }],
    ["a hook without an address", { channels: { ops: { kind: "webhook" } } }],
    ["a channel of no known kind", { channels: { ops: { kind: "pigeon" } } }],
    ["a name that cannot be typed", { channels: { "my channel": { kind: "log" } } }],
    ["a rule that does not exist", { rules: { fialed: {} } }],
    ["a setting that does not exist", { rules: { failed: { severty: "low" } } }],
    ["a severity that does not exist", { rules: { failed: { severity: "terrible" } } }],
    ["a rule switched on by true", { rules: { failed: true } }],
  ])("refuses %s", (_what, section) => {
    expect(alertsConfig.safeParse(section).success).toBe(false);
  });
});

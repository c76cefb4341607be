import { type Plan, type Request, requestFor } from "../../src/core/plan/plan.ts";
import { type Instant, instant } from "../../src/core/time/instant.ts";
import type { OutboxEntry } from "../../src/engine/alert/ports.ts";
import type { Project } from "../../src/engine/project.ts";
import { applyPlan, runRequest } from "../../src/engine/run/perform.ts";
import { openProject } from "../../src/main.ts";
import type { SmallSeries } from "../../src/sandbox/small-world.ts";
import type { OpenProject } from "../../src/surfaces/cli/host.ts";
import { type World, world } from "../e2e/kit.ts";
import {
  type Bar,
  type MarketSeries,
  type Split,
  simulateCoin,
  simulateMinutes,
  simulateShare,
  type TradingDay,
  tradingDays,
} from "./market.ts";
import { drawOddities, type Trouble, troubledProvider } from "./provider.ts";

/** What a simulation is made of. Nights are counted from 0, each follows a trading day. */
export interface Scenario extends Trouble {
  readonly seed: number;
  readonly first: string;
  readonly last: string;
  readonly shares: readonly string[];
  readonly splits: readonly Split[];
  /** A day on which the first share hardly trades. */
  readonly quiet: string;
  /** First and last day of the share that is followed by the minute. */
  readonly minutes: readonly [first: string, last: string];
  /** Nights until a proposed restatement is applied. */
  readonly patience: number;
  /** Faults of transport, as the sandbox names them. */
  readonly faults: string;
  readonly callsPerSecond: number;
}

/** What one night did. */
export interface Night {
  readonly night: number;
  readonly now: Instant;
  readonly status: string;
  readonly proposed: readonly Plan[];
  readonly applied: readonly string[];
  readonly restated: number;
  readonly calls: number;
  readonly rows: number;
  /** The datasets' watermarks after it, by name. */
  readonly watermarks: Readonly<Record<string, number | null>>;
  /** Rules of the messages that it raised. */
  readonly alerts: readonly string[];
}

export const COIN = "BTC";
export const MINUTE_SHARE = "MIN";
export const SELECTOR = "ohlcv+";

/** A market, a troubled provider and a project that asks it every night. */
export class Simulation implements AsyncDisposable {
  readonly scenario: Scenario;
  readonly days: readonly TradingDay[];
  readonly series: readonly MarketSeries[];
  readonly oddities: ReturnType<typeof drawOddities>;
  readonly nights: Night[] = [];
  readonly #world: World;
  readonly #opened: OpenProject;
  readonly #project: Project;
  readonly #present: { night: number; now: Instant };
  #seen = new Set<string>();
  #waiting: { readonly plan: Plan; readonly since: number }[] = [];

  private constructor(
    scenario: Scenario,
    made: Pick<Simulation, "days" | "series" | "oddities">,
    place: { readonly world: World; readonly opened: OpenProject; readonly present: { night: number; now: Instant } },
  ) {
    this.scenario = scenario;
    this.days = made.days;
    this.series = made.series;
    this.oddities = made.oddities;
    this.#world = place.world;
    this.#opened = place.opened;
    this.#present = place.present;
    this.#project = { ...place.opened.project, businessNow: () => place.present.now };
  }

  static async start(scenario: Scenario): Promise<Simulation> {
    const { seed, first, last, shares, splits, quiet, minutes } = scenario;
    const days = tradingDays(first, last);
    const series = [
      ...shares.flatMap((symbol, i) =>
        simulateShare(symbol, days, {
          seed: seed + i,
          splits: splits.filter((split) => split.symbol === symbol),
          quiet: i === 0 ? quiet : null,
        }),
      ),
      // The last night comes in the coin's next day.
      ...simulateCoin(`X:${COIN}USD`, first, dayAfter(last), seed + 50),
      simulateMinutes(
        MINUTE_SHARE,
        days.filter(({ date }) => date >= minutes[0] && date <= minutes[1]),
        seed + 60,
      ),
    ];
    const nows = days.map(({ date }) => nightAfter(date));
    const nightOf = (bar: Bar, reachMs: number): number | null => {
      const night = nows.findIndex((now) => now > bar.t);
      // The last night is followed by none that would see what changes.
      if (night < 0 || night === nows.length - 1) return null;
      return (nows[night] as Instant) - bar.t > reachMs ? null : night;
    };
    const oddities = drawOddities(series, { seed: seed + 90, rates: scenario.rates, nightOf });
    const present = { night: 0, now: nows[0] as Instant };
    const at = await world(series.map(smallSeries), {
      now: new Date(present.now).toISOString(),
      symbols: {
        ...Object.fromEntries(shares.map((symbol) => [symbol, "--timeframes 1h,1d,1w"])),
        [COIN]: "--asset-class crypto --timeframes 1h,1d,1w",
        [MINUTE_SHARE]: `--timeframes 1m,5m --listed ${minutes[0]} --delisted ${dayAfter(minutes[1])}`,
      },
      events: Object.fromEntries(
        [...shares, MINUTE_SHARE].map((symbol) => [
          symbol,
          {
            splits: splits
              .filter((split) => split.symbol === symbol)
              .map(({ date, from, to }) => ({ executionDate: date, from, to })),
          },
        ]),
      ),
      limit: `${scenario.callsPerSecond}/s`,
      sandbox: {
        limits: [{ count: scenario.callsPerSecond, windowMs: 1_000 }],
        faults: scenario.faults,
        seed,
        stallMs: 500,
      },
      source: { adjusted: true },
      ohlcv: {
        since: Object.fromEntries(
          ["1m", "5m", "1h", "1d", "1w"].map((name) => [name, name === "1w" ? sunday(first) : first]),
        ),
        eventsSince: first,
        derive: ["5m"],
      },
      // A condition is told on each night that has it, however little real time lies between.
      alerts: {
        channels: { log: { kind: "log" } },
        rules: Object.fromEntries(
          ["failed", "streak", "partial", "gap", "stale", "restated"].map((rule) => [rule, { repeatAfterHours: 1e-6 }]),
        ),
      },
      script: troubledProvider(oddities, scenario, present),
    });
    try {
      const opened = await openProject({ dir: at.dir });
      return new Simulation(scenario, { days, series, oddities }, { world: at, opened, present });
    } catch (error) {
      await at[Symbol.asyncDispose]();
      throw error;
    }
  }

  get project(): Project {
    return this.#project;
  }

  get opened(): OpenProject {
    return this.#opened;
  }

  get world(): World {
    return this.#world;
  }

  /** Asks every night, one after the other, and applies what was proposed some nights before. */
  async run(): Promise<void> {
    for (const [night, { date }] of this.days.entries()) {
      this.#present.night = night;
      this.#present.now = nightAfter(date);
      this.#world.sandbox.setNow(this.#present.now);
      this.nights.push(await this.#night());
    }
  }

  async #night(): Promise<Night> {
    const { night, now } = this.#present;
    let proposed: readonly Plan[] = [];
    const options = {
      connect: (provider: Parameters<OpenProject["connect"]>[0]) => this.#opened.connect(provider),
      observe: (progress: { readonly type: string; readonly plans?: readonly Plan[] }): void => {
        if (progress.type === "proposed") proposed = progress.plans ?? [];
      },
      signal: new AbortController().signal,
    };
    const request: Request = requestFor(SELECTOR, { maxConcurrent: 3 });
    const planning = {
      mode: "incremental",
      overrideState: false,
      reason: null,
      actor: "night",
      businessNow: now,
    } as const;
    const { execution } = await runRequest(this.#project, request, planning, {
      ...options,
      confirm: async () => true,
    });
    const summary = execution?.summary ?? null;
    const alerts = await this.#newAlerts();
    for (const plan of proposed) {
      if (!this.#waiting.some((one) => one.plan.id === plan.id)) this.#waiting.push({ plan, since: night });
    }
    const applied: string[] = [];
    let restated = summary?.restated ?? 0;
    let calls = summary?.calls.made ?? 0;
    for (const { plan } of this.#waiting.filter(({ since }) => night - since >= this.scenario.patience)) {
      const done = await applyPlan(this.#project, plan.id, options);
      applied.push(plan.id);
      restated += done?.summary?.restated ?? 0;
      calls += done?.summary?.calls.made ?? 0;
    }
    this.#waiting = this.#waiting.filter(({ plan }) => !applied.includes(plan.id));
    await this.#newAlerts();
    const watermarks: Record<string, number | null> = {};
    for (const { name, version } of this.#datasets()) {
      watermarks[name] = (await this.#project.ledger.watermark(name, version))?.at ?? null;
    }
    return {
      night,
      now,
      status: execution?.run.status ?? "nothing to do",
      proposed,
      applied,
      restated,
      calls,
      rows: (summary?.rows.inserted ?? 0) + (summary?.rows.updated ?? 0) + (summary?.rows.retracted ?? 0),
      watermarks,
      alerts,
    };
  }

  #datasets() {
    const [bound] = this.#project.pipelines;
    return (bound?.pipeline.datasets ?? []).filter(({ name }) => /market_data/.test(name));
  }

  async #newAlerts(): Promise<readonly string[]> {
    const entries = await this.#project.alerts.outbox.list({ all: true, limit: 100 });
    const fresh = entries.filter((one) => !this.#seen.has(one.id));
    for (const { id } of fresh) this.#seen.add(id);
    return fresh.filter(({ kind }) => kind === "raised").map((one: OutboxEntry) => one.rule);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
    await this.#world[Symbol.asyncDispose]();
  }
}

/** Business now of the night after a trading day. */
function nightAfter(date: string): Instant {
  return instant(Date.parse(`${dayAfter(date)}T06:00:00Z`));
}

function dayAfter(date: string): string {
  return new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
}

/** The start of a date's week. */
function sunday(date: string): string {
  return new Date(Date.parse(date) - new Date(date).getUTCDay() * 86_400_000).toISOString().slice(0, 10);
}

/** Days make the weeks, hours and minutes only themselves. */
function smallSeries({ symbol, timeframe, isCoin, bars }: MarketSeries): SmallSeries {
  return {
    symbol,
    timeframe,
    assetClass: isCoin ? "crypto" : "stock",
    builds: timeframe === "1d" ? ["1d", "1w"] : [timeframe],
    candles: bars.map(({ t, o, h, l, c, v }) => [t, o, h, l, c, v]),
  };
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openTrialLedger } from "../../../bench/ledger-trial.ts";
import { parseLimits, type RateLimit } from "../../core/budget/limits.ts";
import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import type { Budget, Lane, Permit } from "../../engine/budget-port.ts";
import { ledgerBudget } from "./budget.ts";

const FIVE = parseLimits("5/2s");
const HOLD_MS = 30_000;

/** Both clocks as plain numbers that a test sets. */
class FakeClock {
  monoMs = 1_000_000;
  wallMs = Date.parse("2026-03-20T20:00:00Z");
  mono(): number {
    return this.monoMs;
  }
  wall(): number {
    return this.wallMs;
  }
  pass(ms: number): void {
    this.monoMs += ms;
    this.wallMs += ms;
  }
}

describe("the ring", () => {
  const anyWorld = fc.record({
    limits: fc.constantFrom("5/2s", "3/s", "4/s,10/5s", "7/3s,11/10s"),
    workers: fc.integer({ min: 1, max: 12 }),
    latencies: fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 9 }),
    arrivals: fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 7 }),
    dies: fc.integer({ min: 3, max: 9 }),
  });

  it("is never over in any window, wherever between permit and answer a request arrives", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async ({ limits: text, workers, latencies, arrivals, dies }) => {
        const limits = parseLimits(text);
        const seen = await simulate({
          limits,
          workers,
          requests: 45,
          latencyOf: (n) => latencies[n % latencies.length] ?? 0,
          arrivalOf: (n) => (arrivals[n % arrivals.length] ?? 0) / 100,
          // Every so often a process dies with its permit: nobody releases it.
          isLost: (n) => n % dies === 0,
        });
        for (const limit of limits)
          expect(mostInWindow(seen.arrivals, limit.windowMs)).toBeLessThanOrEqual(limit.count);
      }),
      { numRuns: 15 },
    );
  });

  it.each(["5/2s", "50/s", "10/min"])("uses nearly all of %s per window and response time", async (text) => {
    const limits = parseLimits(text);
    const [limit] = limits;
    if (!limit) throw new Error("unreachable: there is one limit");
    const latencyMs = 40;
    const requests = limit.count * 8;
    const seen = await simulate({
      limits,
      workers: 8,
      requests,
      latencyOf: () => latencyMs,
      arrivalOf: () => 0.5,
      isLost: () => false,
    });
    const used =
      (requests - limit.count) / limit.count / ((seen.endedMs - limit.windowMs) / (limit.windowMs + latencyMs));
    expect(mostInWindow(seen.arrivals, limit.windowMs)).toBe(limit.count);
    expect(used).toBeGreaterThanOrEqual(0.98);
  });

  it("spreads the first permits over the window", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    expect((await ask(budget)).kind).toBe("granted");
    expect(await ask(budget)).toEqual({ kind: "wait", waitMs: 400, why: "rate" });
    clock.pass(400);
    expect((await ask(budget)).kind).toBe("granted");
  });

  it("does not fall behind when each permit is fetched a little late", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    const started = clock.monoMs;
    for (let i = 0; i < 40; i++) {
      const permit = await granted(budget, clock, { lateMs: 9 });
      await budget.release(permit, FIVE);
    }
    // 40 permits are 8 rings; each ring may be late once.
    expect(clock.monoMs - started).toBeLessThan(7.8 * 2_000 + 8 * 10);
  });

  it("gives the slot of a process that died to others after the longest an answer may take, and a window", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    for (let i = 0; i < 5; i++) await granted(budget, clock);
    const wait = await ask(budget);
    expect(wait).toMatchObject({ kind: "wait", why: "rate" });
    const firstAt = clock.monoMs - 4 * 400;
    expect(clock.monoMs + (wait.kind === "wait" ? wait.waitMs : 0)).toBe(firstAt + HOLD_MS + 2_000);
    clock.pass(HOLD_MS + 2_000 - 4 * 400);
    expect((await ask(budget)).kind).toBe("granted");
  });

  it("does not let a release that comes too late free a slot that another request has by now", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const one = parseLimits("1/2s");
    const budget = ledgerBudget(trial.database, clock);
    const slow = await granted(budget, clock, { limits: one });
    clock.pass(HOLD_MS + 2_000);
    await granted(budget, clock, { limits: one });
    await budget.release(slow, one);
    expect(await ask(budget, { limits: one })).toEqual({ kind: "wait", waitMs: HOLD_MS + 2_000, why: "rate" });
  });

  it("remembers what was just asked when the setting changes", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    const first = clock.monoMs;
    for (let i = 0; i < 5; i++) await budget.release(await granted(budget, clock), FIVE);
    const four = parseLimits("4/2s");
    const wait = await ask(budget, { limits: four });
    // Of the five, the latest four fill the new ring: its first slot is free a window after the second request.
    expect(wait).toEqual({ kind: "wait", waitMs: first + 400 + 2_000 - clock.monoMs, why: "rate" });
    clock.pass(10_000);
    for (let i = 0; i < 4; i++) await granted(budget, clock, { limits: four });
  });
});

describe("clocks", () => {
  it("of the wall may jump: rolling limits and what the provider told are not touched", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    for (let i = 0; i < 5; i++) await budget.release(await granted(budget, clock), FIVE);
    const before = await ask(budget);
    for (const jump of [-3 * HOUR, 40 * DAY]) {
      clock.wallMs += jump;
      expect(await ask(budget)).toEqual(before);
    }
    await budget.throttled("key", 1_500);
    clock.wallMs -= 5 * HOUR;
    expect(await ask(budget)).toEqual({ kind: "wait", waitMs: 1_500, why: "told" });
    expect((await budget.usage("key", FIVE)).heldMs).toBe(1_500);
  });

  it("since boot start again with the machine: after one window everything goes on", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    for (let i = 0; i < 5; i++) await granted(budget, clock);
    await budget.throttled("key", HOUR);
    clock.monoMs = 20_000;
    expect(await ask(budget)).toEqual({ kind: "wait", waitMs: 4_000, why: "rate" });
    clock.pass(4_000);
    for (let i = 0; i < 5; i++) await granted(budget, clock, { windowMs: 4_000 });
    expect((await budget.usage("key", FIVE)).factor).toBe(0.5);
  });
});

describe("the live lane", () => {
  it("goes first while backfill waits, and leaves the full rate to it when there is no live work", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    const lanes: Lane[] = [];
    let live = 4;
    const started = clock.monoMs;
    while (lanes.length < 14) {
      // Both ask all the time, backfill always a moment before.
      for (const lane of live > 0 ? (["backfill", "live"] as const) : (["backfill"] as const)) {
        const grant = await ask(budget, { lane });
        if (grant.kind !== "granted") continue;
        lanes.push(lane);
        if (lane === "live") live--;
        await budget.release(grant.permit, FIVE);
      }
      clock.pass(20);
    }
    expect(lanes.slice(0, 5)).toEqual(["backfill", "live", "live", "live", "live"]);
    expect(lanes.slice(5)).toEqual(Array.from({ length: 9 }, () => "backfill"));
    expect(clock.monoMs - started).toBeLessThan(14 * 400 + 200);
  });

  it("is not kept free for a live process that died while it waited", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    await granted(budget, clock);
    expect((await ask(budget, { lane: "live" })).kind).toBe("wait");
    clock.pass(400);
    expect(await ask(budget)).toMatchObject({ kind: "wait", why: "live-lane" });
    clock.pass(501);
    expect((await ask(budget)).kind).toBe("granted");
  });
});

describe("a provider that throttles", () => {
  it("halves the rate once, until the setting changes, and everybody waits as told", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const [budget, other] = [ledgerBudget(trial.database, clock), ledgerBudget(trial.database, clock)];
    await budget.release(await granted(budget, clock), FIVE);
    expect(await budget.throttled("key", 3_000)).toBe(true);
    expect(await other.throttled("key", 1_000)).toBe(false);
    expect(await other.usage("key", FIVE)).toMatchObject({ factor: 0.5, heldMs: 3_000, setting: "5/2s" });
    expect(await ask(other)).toEqual({ kind: "wait", waitMs: 3_000, why: "told" });
    clock.pass(10_000);
    await granted(other, clock);
    expect(await ask(budget)).toEqual({ kind: "wait", waitMs: 800, why: "rate" });
    clock.pass(60_000);
    const slower = parseLimits("4/2s");
    await granted(budget, clock, { limits: slower });
    expect(await budget.usage("key", slower)).toMatchObject({ factor: 1 });
    expect(await ask(budget, { limits: slower })).toEqual({ kind: "wait", waitMs: 500, why: "rate" });
    expect(await budget.throttled("key", 0)).toBe(true);
  });

  it("of one credential does not hold another", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    await granted(budget, clock);
    await budget.throttled("key", MINUTE);
    expect((await budget.acquire("another", FIVE, "backfill", HOLD_MS)).kind).toBe("granted");
  });
});

describe("a quota", () => {
  const limits = parseLimits("10/s,3/day");

  it("ends with the day's last request and says until when", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    const budget = ledgerBudget(trial.database, clock);
    for (let i = 0; i < 3; i++) await budget.release(await granted(budget, clock, { limits }), limits);
    const untilMs = Date.parse("2026-03-21T00:00:00Z");
    expect(await ask(budget, { limits })).toEqual({ kind: "exhausted", untilMs, limit: "3/day" });
    expect((await budget.usage("key", limits)).quotas).toEqual([{ period: "day 2026-03-20", used: 3, limit: 3 }]);
    clock.pass(untilMs - clock.wallMs - 1);
    expect((await ask(budget, { limits })).kind).toBe("exhausted");
    clock.pass(1);
    expect((await ask(budget, { limits })).kind).toBe("granted");
  });

  it("of a month ends with the month, also in December", async () => {
    await using trial = await openTrialLedger();
    const clock = new FakeClock();
    clock.wallMs = Date.parse("2026-12-31T23:59:59Z");
    const monthly = parseLimits("1/month");
    const budget = ledgerBudget(trial.database, clock);
    await granted(budget, clock, { limits: monthly });
    expect(await ask(budget, { limits: monthly })).toMatchObject({ untilMs: Date.parse("2027-01-01T00:00:00Z") });
  });
});

describe("two processes on one ledger", () => {
  it("stay under 5 per 2 s together at the server's door", { timeout: 60_000 }, async () => {
    await using trial = await openTrialLedger();
    const arrivals: { readonly at: number; readonly path: string }[] = [];
    const server = createServer((request, response) => {
      arrivals.push({ at: performance.now(), path: request.url ?? "" });
      setTimeout(() => response.end("ok"), 5 + (arrivals.length % 7) * 10);
    });
    const port = await listen(server);
    try {
      const code = (name: string): string => `
        const load = (file) => import(new URL(file, ${JSON.stringify(import.meta.url)}).href);
        const { LedgerDatabase } = await load("./database.ts");
        const { ledgerBudget } = await load("./budget.ts");
        const { parseLimits } = await load("../../core/budget/limits.ts");
        const limits = parseLimits("5/2s");
        const database = await LedgerDatabase.open(${JSON.stringify(trial.path)}, Date.now);
        const budget = ledgerBudget(database);
        let next = 0;
        const work = async () => {
          while (next < 9) {
            const n = next++;
            let grant;
            while ((grant = await budget.acquire("key", limits, "backfill", 30000)).kind === "wait")
              await new Promise((resolve) => setTimeout(resolve, grant.waitMs));
            await (await fetch("http://127.0.0.1:${port}/${name}/" + n)).text();
            await budget.release(grant.permit, limits);
          }
        };
        await Promise.all([work(), work(), work()]);
        process.exit(0);`;
      const children = ["a", "b"].map((name) =>
        spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code(name)], {
          stdio: ["ignore", "inherit", "inherit"],
        }),
      );
      const codes = await Promise.all(children.map(async (child) => ((await once(child, "exit")) as [number])[0]));
      expect(codes).toEqual([0, 0]);
    } finally {
      server.close();
    }
    expect(new Set(arrivals.map((one) => one.path)).size).toBe(18);
    expect(arrivals).toHaveLength(18);
    expect(
      mostInWindow(
        arrivals.map((one) => one.at),
        2_000,
      ),
    ).toBe(5);
  });
});

interface World {
  readonly limits: readonly RateLimit[];
  readonly workers: number;
  readonly requests: number;
  readonly latencyOf: (n: number) => number;
  /** Where between permit (0) and answer (1) the request reaches the provider. */
  readonly arrivalOf: (n: number) => number;
  readonly isLost: (n: number) => boolean;
}

/** Workers that ask, send, wait for the answer and ask again, in simulated time. */
async function simulate(world: World): Promise<{ readonly arrivals: readonly number[]; readonly endedMs: number }> {
  await using trial = await openTrialLedger();
  const clock = new FakeClock();
  const budget = ledgerBudget(trial.database, clock);
  const started = clock.monoMs;
  const arrivals: number[] = [];
  let sent = 0;
  const queue: { at: number; act: () => Promise<void> }[] = [];
  const later = (at: number, act: () => Promise<void>): void => {
    queue.push({ at, act });
    queue.sort((a, b) => a.at - b.at);
  };
  const work = async (): Promise<void> => {
    if (sent >= world.requests) return;
    const grant = await budget.acquire("key", world.limits, "backfill", 4_000);
    if (grant.kind === "exhausted") throw new Error("unreachable: these limits roll");
    if (grant.kind === "wait") return later(clock.monoMs + Math.max(grant.waitMs, 0.001), work);
    const n = sent++;
    const latencyMs = world.latencyOf(n);
    arrivals.push(clock.monoMs + latencyMs * world.arrivalOf(n));
    later(clock.monoMs + latencyMs, async () => {
      if (!world.isLost(n)) await budget.release(grant.permit, world.limits);
      await work();
    });
  };
  for (let i = 0; i < world.workers; i++) later(started + i * 3, work);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    clock.pass(Math.max(0, next.at - clock.monoMs));
    await next.act();
  }
  return { arrivals: arrivals.sort((a, b) => a - b), endedMs: (arrivals.at(-1) ?? 0) - started };
}

/** The most arrivals in any half-open window of that length. */
function mostInWindow(arrivals: readonly number[], windowMs: number): number {
  return Math.max(...arrivals.map((from) => arrivals.filter((at) => at >= from && at < from + windowMs).length));
}

function ask(
  budget: Budget,
  options: { readonly limits?: readonly RateLimit[]; readonly lane?: Lane } = {},
): ReturnType<Budget["acquire"]> {
  return budget.acquire("key", options.limits ?? FIVE, options.lane ?? "backfill", HOLD_MS);
}

/** A permit, after the waiting it takes; `lateMs` later than it could be had. */
async function granted(
  budget: Budget,
  clock: FakeClock,
  options: { readonly limits?: readonly RateLimit[]; readonly lateMs?: number; readonly windowMs?: number } = {},
): Promise<Permit> {
  const { windowMs = 2_000, lateMs = 0 } = options;
  for (;;) {
    const grant = await ask(budget, options);
    if (grant.kind === "granted") return grant.permit;
    if (grant.kind === "exhausted") throw new Error(`exhausted: ${grant.limit}`);
    expect(grant.waitMs).toBeLessThanOrEqual(windowMs);
    clock.pass(grant.waitMs + lateMs);
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

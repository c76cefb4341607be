import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openTrialLedger, type TrialLedger } from "../../../bench/ledger-trial.ts";
import { createChannels } from "../../adapters/channels/channels.ts";
import { ledgerOutbox } from "../../adapters/ledger/outbox.ts";
import type { AlertFacts } from "../../core/alerts/facts.ts";
import { DEFAULT_RULES } from "../../core/alerts/rule.ts";
import type { RunStatus } from "../../core/run/run-state.ts";
import { DAY, HOUR, instant, MINUTE, SECOND } from "../../core/time/instant.ts";
import { type DeliverOptions, deliverOutbox, MAX_TRIES } from "./deliver-outbox.ts";
import type { Channel, Message, Outbox, SendOutcome } from "./ports.ts";
import { raiseAlerts } from "./raise-alerts.ts";

const START = Date.parse("2026-03-20T20:00:00Z");
const RULES = Object.values(DEFAULT_RULES);

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

describe("a failed run", () => {
  it("is told once on each channel, again after a day, and its end once", async () => {
    const at = await project();
    const hooks = [await receive(at), await receive(at)];
    const channels = hooks.flatMap((hook, i) => at.webhook(`hook-${i}`, hook.url));
    const told = async (status: RunStatus): Promise<readonly string[]> => {
      await at.finish("run", status, channels);
      await at.deliver(channels);
      return hooks.flatMap((hook) => hook.take().map(({ kind, title }) => `${kind} ${title}`));
    };
    const both = (text: string): readonly string[] => [text, text];
    expect(await told("failed")).toEqual(both("raised ohlcv: the run failed"));
    at.pass(HOUR);
    expect(await told("failed")).toEqual([]);
    at.pass(DAY);
    expect(await told("failed")).toEqual(both("raised ohlcv: the run failed"));
    at.pass(MINUTE);
    expect(await told("succeeded")).toEqual(both("resolved resolved: ohlcv: the run failed"));
    expect(await told("succeeded")).toEqual([]);
    expect(await told("failed")).toEqual(both("raised ohlcv: the run failed"));
  });

  it("is told after two answers of 500 with one message, counted and spaced", async () => {
    const at = await project();
    const hook = await receive(at, [500, 500]);
    const channels = at.webhook("ops", hook.url);
    await at.finish("run", "failed", channels);
    expect(await at.deliver(channels)).toMatchObject({ sent: 0, waiting: 1, problems: ["ops: HTTP 500"] });
    // Half of 30 s at the least, all of it at the most.
    expect(await at.next()).toEqual([START + 15 * SECOND, 1]);
    at.pass(15 * SECOND - 1);
    expect(await at.deliver(channels)).toMatchObject({ sent: 0, waiting: 0, problems: [] });
    at.pass(1);
    expect(await at.deliver(channels)).toMatchObject({ waiting: 1 });
    expect((await at.next())[1]).toBe(2);
    at.pass(30 * SECOND);
    expect(await at.deliver(channels)).toMatchObject({ sent: 1, waiting: 0 });
    expect(hook.count()).toBe(3);
    expect(new Set(hook.take().map(({ id }) => id)).size).toBe(1);
    at.pass(HOUR);
    expect(await at.deliver(channels)).toMatchObject({ sent: 0 });
    expect(hook.count()).toBe(3);
  });

  it("is told no sooner than a throttling receiver asked for", async () => {
    const at = await project();
    const hook = await receive(at, [429], { "retry-after": "600" });
    const channels = at.webhook("ops", hook.url);
    await at.finish("run", "failed", channels);
    await at.deliver(channels);
    expect((await at.next())[0]).toBe(START + 600 * SECOND);
    at.pass(600 * SECOND);
    expect(await at.deliver(channels)).toMatchObject({ sent: 1 });
  });

  it("is given up after the last try, with the reason, and said anew by the next run", async () => {
    const at = await project();
    const hook = await receive(
      at,
      Array.from({ length: MAX_TRIES }, () => 500),
    );
    const channels = at.webhook("ops", hook.url);
    await at.finish("run", "failed", channels);
    for (let tried = 1; tried < MAX_TRIES; tried++) {
      expect(await at.deliver(channels)).toMatchObject({ waiting: 1, givenUp: 0 });
      at.pass(HOUR);
    }
    expect(await at.deliver(channels)).toMatchObject({ waiting: 0, givenUp: 1 });
    expect(await at.outbox.list({ all: false, limit: 9 })).toMatchObject([
      { status: "given-up", attempt: MAX_TRIES, reason: `HTTP 500, ${MAX_TRIES} tries`, nextAt: null },
    ]);
    expect(await at.deliver(channels)).toMatchObject({ givenUp: 0, problems: [] });
    await at.finish("run", "failed", channels);
    expect(await at.deliver(channels)).toMatchObject({ sent: 1 });
  });

  it("is given up at once where trying again cannot help", async () => {
    const at = await project();
    const hook = await receive(at, [404]);
    const channels = at.webhook("ops", hook.url);
    await at.finish("run", "failed", channels);
    expect(await at.deliver(channels)).toMatchObject({ givenUp: 1, problems: ["ops: HTTP 404"] });
  });

  it("leaves no address in the ledger, however it went", async () => {
    const at = await project();
    const hook = await receive(at, [500, 404]);
    const channels = at.webhook("ops", `${hook.url}/s3cret-hook-address`);
    await at.finish("run", "failed", channels);
    await at.deliver(channels);
    at.pass(HOUR);
    await at.deliver(channels);
    const rows = JSON.stringify(await at.trial.database.db.selectFrom("outbox").selectAll().execute());
    expect(rows).toContain("HTTP 404");
    expect(rows).not.toContain("s3cret");
    expect(rows).not.toContain("127.0.0.1");
  });
});

describe("delivery", () => {
  it("sends what waits for one channel together, fifty at a time", async () => {
    const at = await project();
    const batches: number[] = [];
    const channel = named("ops", async (messages) => {
      batches.push(messages.length);
      return { kind: "sent" };
    });
    await at.finish("run", "succeeded", [channel], manyGaps(120));
    expect(await at.deliver([channel])).toMatchObject({ sent: 120 });
    expect(batches).toEqual([50, 50, 20]);
  });

  it("does not let a dead channel hold up a living one, nor the run", async () => {
    const at = await project();
    const hook = await receive(at);
    const silent = await receive(at, () => undefined);
    const channels = [
      ...at.webhook("dead", silent.url),
      named("stuck", () => new Promise(() => undefined)),
      named("broken", () => Promise.reject(new TypeError("http://hooks.example/s3cret"))),
      ...at.webhook("nobody", "http://127.0.0.1:1/"),
      ...at.webhook("alive", hook.url),
    ];
    await at.finish("run", "failed", channels);
    const began = performance.now();
    const delivery = await at.deliver(channels, { budgetMs: 400, requestMs: 200 });
    expect(performance.now() - began).toBeLessThan(400 + 1_000);
    expect(delivery).toMatchObject({ sent: 1, waiting: 4, givenUp: 0 });
    expect([...delivery.problems].sort()).toEqual([
      "broken: the channel broke (TypeError)",
      "dead: no answer within 200 ms",
      "nobody: no answer (ECONNREFUSED)",
      "stuck: no answer within 200 ms",
    ]);
    expect(hook.take()).toHaveLength(1);
  });

  it("begins a request only while its full time fits", async () => {
    const at = await project();
    let batches = 0;
    const slow = named("ops", async () => {
      batches++;
      at.pass(700);
      return { kind: "sent" };
    });
    await at.finish("run", "succeeded", [slow], manyGaps(400));
    // Of 3 s with 2 s a request, one may begin at 0 and at 700 ms, none at 1,400.
    expect(await at.deliver([slow])).toMatchObject({ sent: 100 });
    expect(batches).toBe(2);
  });

  it("gives up what is meant for a channel that is gone", async () => {
    const at = await project();
    await at.finish("run", "failed", [named("gone", async () => ({ kind: "sent" }))]);
    expect(await at.deliver([])).toMatchObject({
      givenUp: 1,
      problems: ["gone: no such channel in the configuration"],
    });
  });

  it("is left to a later one by a process that died with its claim", async () => {
    const at = await project();
    const hook = await receive(at);
    const channels = at.webhook("ops", hook.url);
    await at.finish("run", "failed", channels);
    await at.outbox.claim("ops", { limit: 50, holdMs: MINUTE });
    expect(await at.deliver(channels)).toMatchObject({ sent: 0 });
    at.pass(MINUTE);
    expect(await at.deliver(channels)).toMatchObject({ sent: 1 });
  });

  it("and raising tell of an outbox that does not work, and do not throw", async () => {
    const broken = new Proxy({} as Outbox, {
      get: () => () => Promise.reject(new Error("database is locked")),
    });
    const raised = await raiseAlerts(factsOf("failed", [], START), { rules: RULES, channels: [], outbox: broken });
    expect(raised).toEqual({ queued: 0, problem: "alerts could not be queued: database is locked" });
    const delivery = await deliverOutbox({
      outbox: broken,
      channels: [],
      clock: clockOf(() => START),
      random: () => 0,
    });
    expect(delivery.problems).toEqual(["the outbox cannot be read: database is locked"]);
  });
});

interface Project {
  readonly trial: TrialLedger;
  readonly outbox: Outbox;
  now(): number;
  pass(ms: number): void;
  webhook(name: string, url: string): readonly Channel[];
  /** Raises what a run that ended so raises. */
  finish(id: string, status: RunStatus, channels: readonly Channel[], some?: Partial<AlertFacts>): Promise<void>;
  deliver(channels: readonly Channel[], some?: Partial<DeliverOptions>): ReturnType<typeof deliverOutbox>;
  /** When the one message that waits is tried next, and how often it was. */
  next(): Promise<readonly [number | null | undefined, number | undefined]>;
}

/** A ledger with an outbox, and a clock that passes as told; its chance is always 0: the shortest waits. */
async function project(): Promise<Project> {
  let now = START;
  const trial = await openTrialLedger(() => now);
  opened.push(trial);
  const outbox = ledgerOutbox(trial.database);
  const clock = clockOf(() => now);
  const recent: RunStatus[] = [];
  return {
    trial,
    outbox,
    now: () => now,
    pass: (ms) => {
      now += ms;
    },
    webhook: (name, url) =>
      createChannels(
        { [name]: { kind: "webhook", urlEnv: "URL", minSeverity: "low" } },
        { stateDir: "/nowhere", env: { URL: url }, clock, note: () => undefined },
      ),
    async finish(id, status, channels, some) {
      // A streak would be a second message; it has its own tests.
      recent.splice(0, recent.length, status);
      const facts = { ...factsOf(status, recent, now), ...some };
      const { problem } = await raiseAlerts(facts, { rules: RULES, channels, outbox });
      if (problem !== null) throw new Error(`${id}: ${problem}`);
    },
    deliver: (channels, some) => deliverOutbox({ outbox, channels, clock, random: () => 0, ...some }),
    async next() {
      const [entry] = await outbox.list({ all: false, limit: 1 });
      return [entry?.nextAt, entry?.attempt];
    },
  };
}

function clockOf(now: () => number): DeliverOptions["clock"] {
  return {
    now: () => instant(now()),
    sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
  };
}

function factsOf(status: RunStatus, recent: readonly RunStatus[], now: number): AlertFacts {
  return {
    at: instant(now),
    businessNow: instant(now),
    run: {
      id: "run-9",
      selector: "ohlcv",
      mode: "incremental",
      status,
      recent,
      calls: { planned: 1, made: 1 },
      rowsChanged: 0,
      gapSlots: 0,
      error: null,
    },
    datasets: [],
    budgets: [],
    volumes: [],
    proposals: null,
  };
}

/** Gaps that start apart, each a condition of its own. */
function manyGaps(count: number): Pick<AlertFacts, "datasets"> {
  const gaps = Array.from({ length: count }, (_, i) => ({
    series: "A",
    start: instant(START - 300 * DAY + i * HOUR),
    end: instant(START - 300 * DAY + (i + 1) * HOUR),
    slots: 1,
    openSince: instant(START - 2 * DAY),
  }));
  return {
    datasets: [{ dataset: "bars", watermark: instant(START), dueThrough: instant(START), gaps, isWhole: true }],
  };
}

function named(name: string, send: (messages: readonly Message[]) => Promise<SendOutcome>): Channel {
  return { name, minSeverity: "low", send };
}

interface Hook {
  readonly url: string;
  /** Requests so far. */
  count(): number;
  /** The alerts that arrived since the last call. */
  take(): readonly { readonly id: string; readonly kind: string; readonly title: string }[];
}

/** A receiver that answers with `statuses` in turn, then with 200, or as a listener says. */
async function receive(
  at: Project,
  answers: readonly number[] | RequestListener = [],
  headers: Readonly<Record<string, string>> = {},
): Promise<Hook> {
  let requests = 0;
  let got: { id: string; kind: string; title: string }[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    got.push(...JSON.parse(Buffer.concat(parts).toString()).alerts);
    requests++;
    // The wire's clock is the test's.
    response.setHeader("date", new Date(at.now()).toUTCString());
    if (typeof answers === "function") return answers(request, response);
    const status = answers[requests - 1] ?? 200;
    response.writeHead(status, status === 200 ? {} : headers).end();
  });
  return {
    url: await listen(server),
    count: () => requests,
    take() {
      const taken = got;
      got = [];
      return taken;
    },
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push({
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

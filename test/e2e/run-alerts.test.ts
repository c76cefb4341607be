import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RetrofillError } from "../../src/core/errors.ts";
import { HOUR } from "../../src/core/time/instant.ts";
import { startOfLocalDate } from "../../src/core/time/zone.ts";
import type { CandleRow } from "../../src/sandbox/simulate.ts";
import type { OpenProject } from "../../src/surfaces/cli/host.ts";
import { barsFrom, dailyBars, days, type Reply, type Script, type World, weekdays, world } from "./kit.ts";

interface Said {
  readonly kind: "raised" | "resolved";
  readonly rule: string;
  readonly severity: string;
  readonly title: string;
  readonly body: string;
  readonly run_id: string | null;
}

let server: Server;
let said: Said[] = [];
let answerMs = 0;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    said.push(...(JSON.parse(Buffer.concat(parts).toString()) as { alerts: Said[] }).alerts);
    if (answerMs === 0) response.end();
    else setTimeout(() => response.end(), answerMs).unref();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.env.RF_RUN_HOOK = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  delete process.env.RF_RUN_HOOK;
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  said = [];
  answerMs = 0;
});

const DATES = weekdays("2026-01-05", "2026-03-20");
/** Without Martin Luther King's day and Presidents' day, on which no bar is owed. */
const TRADED = DATES.filter((date) => date !== "2026-01-19" && date !== "2026-02-16");
const refuse: Script = () => ({ status: 401, body: { status: "ERROR", error: "Unknown API Key" } });
const break_ =
  (ticker: string): Script =>
  (asked) =>
    asked.ticker === ticker ? { status: 500, body: "" } : null;

describe("a run that ends", () => {
  it("failed is told with its reason, and that it went well later", async () => {
    await using at = await stocks({ script: refuse });
    const failed = await at.json("run", "ohlcv");
    expect(failed.exit).toBe(4);
    expect(summaries()).toEqual(["raised failed high: ohlcv: the run failed"]);
    expect(said[0]?.run_id).toBe(failed.json.run_id);
    expect(said[0]?.body).toContain("It ended with: ");
    expect(said[0]?.body).toContain(`retrofill runs show ${failed.json.run_id}`);
    at.script(null);
    said = [];
    expect((await at.json("run", "ohlcv")).exit).toBe(0);
    expect(summaries()).toEqual(["resolved failed high: resolved: ohlcv: the run failed"]);
    said = [];
    expect((await at.json("run", "ohlcv")).exit).toBe(0);
    expect(said).toEqual([]);
  });

  it("failed for the third time in a row is told as that", async () => {
    await using at = await stocks({ script: refuse });
    for (let i = 0; i < 3; i++) expect((await at.json("run", "ohlcv")).exit).toBe(4);
    expect(summaries()).toEqual([
      "raised failed high: ohlcv: the run failed",
      "raised streak critical: ohlcv: 3 runs in a row failed",
    ]);
  });

  it("with an error before it could close is told, and dies as it would have died", async () => {
    await using at = await stocks();
    at.wrap((opened) => ({ ...opened, project: { ...opened.project, store: brokenStore(opened) } }));
    const died = await at.json("run", "ohlcv");
    expect([died.exit, died.json.error.code]).toEqual([4, "BRONZE_DAMAGED"]);
    expect(summaries()).toEqual(["raised failed high: ohlcv: the run failed"]);
    expect(said[0]?.body).toMatch(/It ended with: object r1 .*\n.* made 2 calls of 2 planned and changed 0 rows/);
    // The process that died is this one, which lives on.
    at.wrap((opened) => ({ ...opened, project: { ...opened.project, isAlive: () => false } }));
    expect((await at.json("resume", said[0]?.run_id ?? "")).exit).toBe(0);
    expect(summaries().at(-1)).toBe("resolved failed high: resolved: ohlcv: the run failed");
  });

  it("is told past the outbox where the ledger takes no message", async () => {
    await using at = await stocks({ script: refuse });
    at.wrap((opened) => {
      const { alerts } = opened.project;
      const outbox = {
        ...alerts.outbox,
        enqueue: () => Promise.reject(new RetrofillError("DISK_FULL", "the disk is full")),
      };
      return { ...opened, project: { ...opened.project, alerts: { ...alerts, outbox } } };
    });
    const failed = await at.cli("run", "ohlcv");
    expect(failed.exit).toBe(4);
    expect(summaries()).toEqual(["raised failed high: ohlcv: the run failed"]);
    expect(failed.err).toContain("alerts could not be queued: the disk is full");
  });

  it("waits for no receiver longer than three seconds", async () => {
    answerMs = 60_000;
    await using at = await stocks({ script: refuse });
    const startedAt = performance.now();
    expect((await at.json("run", "ohlcv")).exit).toBe(4);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    const [waiting] = (await at.json("alerts", "list")).json;
    expect(waiting).toMatchObject({ status: "waiting", attempt: 1 });
  });

  it("paused or stopped halfway is not told: it goes on", async () => {
    await using at = await stocks({ limit: "4/s" });
    at.script((asked) => {
      if (asked.total === 1) setTimeout(() => process.emit("SIGINT"), 0);
      return null;
    });
    expect((await at.cli("run", "ohlcv")).exit).toBe(130);
    expect(said).toEqual([]);
  });
});

describe("a gap", () => {
  it("is told once it is old, again when it is very old, and when it is closed", async () => {
    await using at = await stocks({ script: break_("MSFT") });
    await at.cli("run", "ohlcv");
    expect(summaries()).toContain("raised partial medium: ohlcv: the run left something undone");
    expect(said.filter(({ rule }) => rule === "gap")).toEqual([]);
    said = [];
    await at.configure({ now: "2026-03-23T12:00:00Z" });
    await at.cli("run", "ohlcv");
    const gap = "ohlcv.market_data: a gap at 2026-01-05 05:00Z is";
    expect(summaries()).toContain(`raised gap medium: ${gap} 2 days old`);
    said = [];
    // A run that does not look at it closes nothing.
    await at.cli("run", "ohlcv", "--symbols", "AAPL");
    expect(said.filter(({ rule }) => rule === "gap")).toEqual([]);
    // What the source refuses is no less missing for that.
    at.script(({ ticker }) => (ticker === "MSFT" ? { status: 403, body: { status: "NOT_AUTHORIZED" } } : null));
    await at.cli("run", "ohlcv");
    expect(said.filter(({ rule }) => rule === "gap")).toEqual([]);
    await at.configure({ now: "2026-03-29T12:00:00Z" });
    const { json: last } = await at.json("run", "ohlcv");
    expect(summaries()).toContain(`raised gap critical: ${gap} 8 days old`);
    expect(said.find(({ rule }) => rule === "gap")?.body).toContain("MSFT/1d");
    said = [];
    at.script(extended("2026-03-23", "2026-03-27"));
    expect((await at.json("retry", last.run_id)).exit).toBe(0);
    expect(summaries()).toContain(`resolved gap critical: resolved: ${gap} 8 days old`);
  });

  it("that a run under way may still close is not told", async () => {
    await using at = await stocks();
    expect((await at.json("run", "ohlcv")).exit).toBe(0);
    await at.configure({ now: "2026-03-27T12:00:00Z" });
    // A run that got stuck in this process, which lives on.
    at.wrap((opened) => ({ ...opened, project: { ...opened.project, store: brokenStore(opened) } }));
    expect((await at.json("run", "ohlcv", "--days", "30", "--again")).exit).toBe(4);
    at.wrap(null);
    expect((await at.json("alerts", "check")).json.alerts).toEqual([]);
    at.wrap((opened) => ({ ...opened, project: { ...opened.project, isAlive: () => false } }));
    expect((await at.json("alerts", "check")).json.alerts).toMatchObject([{ rule: "gap" }]);
  });

  it("before the first row that somebody asked for is nobody's loss", async () => {
    await using at = await stocks();
    expect((await at.json("run", "ohlcv", "--days", "20")).exit).toBe(0);
    await at.configure({ now: "2026-03-24T00:30:00Z" });
    const checked = await at.json("alerts", "check");
    expect(checked.json.datasets).toEqual(["ohlcv.market_data"]);
    // Only Friday and Monday, which were due since, are owed, and not for long enough.
    expect(checked.json.alerts).toEqual([]);
    await at.configure({ now: "2026-03-27T12:00:00Z" });
    expect((await at.json("alerts", "check")).json.alerts).toMatchObject([
      { rule: "gap", subject: { start: startOfLocalDate("America/New_York", "2026-03-23") } },
    ]);
  });
});

describe("without a run", () => {
  it("a dataset that fell behind is told by alerts check, and that it caught up", async () => {
    await using at = await stocks();
    expect((await at.json("run", "ohlcv", "--mode", "incremental")).exit).toBe(0);
    expect(await at.cli("alerts", "check")).toMatchObject({ exit: 0, out: "1 dataset judged: nothing is wrong.\n" });
    // A weekend later nothing more is due.
    await at.configure({ now: "2026-03-23T12:00:00Z" });
    expect((await at.cli("alerts", "check")).out).toBe("1 dataset judged: nothing is wrong.\n");
    await at.configure({ now: "2026-03-27T12:00:00Z" });
    const behind = await at.cli("alerts", "check");
    expect(behind.exit).toBe(0);
    expect(behind.out).toMatch(/high {6}ohlcv.market_data is 5 days behind/);
    expect(summaries()).toEqual([
      "raised stale high: ohlcv.market_data is 5 days behind",
      "raised gap medium: ohlcv.market_data: a gap at 2026-03-23 04:00Z is 3 days old",
    ]);
    said = [];
    await at.cli("alerts", "check");
    expect(said).toEqual([]);
    at.script(extended("2026-03-23", "2026-03-26"));
    expect((await at.json("run", "ohlcv", "--mode", "incremental")).exit).toBe(0);
    expect(summaries()).toContain("resolved stale high: resolved: ohlcv.market_data is 5 days behind");
  });

  it("of a project that was never filled nothing is told", async () => {
    await using at = await stocks();
    expect(await at.cli("alerts", "check")).toMatchObject({ exit: 0, out: "0 datasets judged: nothing is wrong.\n" });
  });
});

it("a quota that is used up and a run that cost all it might are told", async () => {
  await using at = await stocks({ limit: "500/s,10/day", script: (asked) => (asked.nth < 5 ? { status: 503 } : null) });
  expect((await at.json("run", "ohlcv")).exit).toBe(0);
  expect(summaries()).toEqual([
    expect.stringMatching(/^raised budget medium: \S+: the budget of day \d{4}-\d\d-\d\d is used up$/),
    expect.stringMatching(/^raised budget medium: \S+: the budget of a run of ohlcv is used up$/),
  ]);
});

it("a day with far less trade than its weekday usually has is told once, and the others are not", async () => {
  const last = startOfLocalDate("America/New_York", "2026-03-20");
  const candles = dailyBars(TRADED).map(([t, o, h, l, c, v]): CandleRow => [t, o, h, l, c, t === last ? 90 : (v ?? 0)]);
  await using at = await stocks({ candles });
  expect((await at.json("run", "ohlcv", "--symbols", "AAPL")).exit).toBe(0);
  expect(summaries()).toEqual([
    "raised volume high: ohlcv.market_data: unusually little of AAPL/1d at 2026-03-20 04:00Z",
  ]);
  expect(said[0]?.body).toContain("AAPL/1d: 90 traded where");
  said = [];
  await at.json("run", "ohlcv", "--symbols", "AAPL", "--days", "3", "--again");
  expect(said).toEqual([]);
});

describe("an incremental run", () => {
  it("says how late rows came and which lookback would hold them", async () => {
    const dates = days("2026-03-16", "2026-03-20");
    await using at = await world(
      [
        {
          symbol: "X:COIN",
          assetClass: "crypto",
          timeframe: "1h",
          candles: barsFrom(
            dates.map((date) => `${date}T00:00:00Z`),
            24,
            HOUR,
          ),
        },
      ],
      {
        now: "2026-03-19T00:30:00Z",
        sandbox: { nowMs: Date.parse("2026-03-21T00:00:00Z") },
        symbols: { "X:COIN": "--asset-class crypto --timeframes 1h" },
        ohlcv: { since: { "1h": "2026-03-16" }, lookback: { "1h": "48h" }, repairRounds: 0 },
        alerts: { rules: {} },
      },
    );
    const incremental = () => at.json("run", "ohlcv", "--mode", "incremental");
    // Nothing of three hours of the 18th yet: 05:00 to 07:00.
    const late = ["05", "06", "07"].map((hour) => Date.parse(`2026-03-18T${hour}:00:00Z`));
    at.script(() => without(late));
    expect((await incremental()).json.late).toEqual([]);
    at.script(null);
    await at.configure({ now: "2026-03-19T09:00:00Z" });
    const second = await incremental();
    expect(second.json.rows.inserted).toBe(3 + 8);
    // The hour from 05:00 was over at 06:00 and came with the run of 09:00 on the next day.
    expect(second.json.late).toMatchObject([
      { dataset: "ohlcv.market_data", grain: "1h", slots: 3, slowestMs: 27 * HOUR, missed: 0, suggestedMs: 48 * HOUR },
    ]);
    await at.configure({ now: "2026-03-20T09:00:00Z", lookback: { "1h": "12h" } });
    at.script((asked) => (asked.nth > 0 ? dearer(Date.parse("2026-03-19T02:00:00Z")) : null));
    const third = await at.cli("run", "ohlcv", "--mode", "incremental", "--from", "2026-03-19");
    expect(third.out).toContain(
      "late   ohlcv.market_data 1h: 1 row up to 30 h after its slot; lookback 12 h would have missed 1; suggested 2 d",
    );
    // What somebody asks again says nothing about the lookback.
    at.script(null);
    const again = await at.json("run", "ohlcv", "--mode", "incremental", "--from", "2026-03-19", "--again");
    expect([again.exit, again.json.rows.updated, again.json.late]).toEqual([0, 1, []]);
  });
});

interface StockOptions {
  readonly script?: Script;
  readonly limit?: string;
  readonly candles?: readonly CandleRow[];
}

/** Daily bars of two stocks up to a Saturday, and a webhook. */
function stocks({ script, limit, candles = dailyBars(TRADED) }: StockOptions = {}): Promise<World> {
  const span = { first: "2026-01-05T05:00:00Z", last: "2026-04-30T04:00:00Z" };
  return world(
    ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d", candles, ...span })),
    {
      now: "2026-03-21T12:00:00Z",
      sandbox: { nowMs: Date.parse("2026-04-30T12:00:00Z") },
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2026-01-05" } },
      alerts: { channels: { hook: { kind: "webhook", urlEnv: "RF_RUN_HOOK" } } },
      ...(script ? { script } : {}),
      ...(limit ? { limit } : {}),
    },
  );
}

/** Bars of more days than the sandbox has, in every answer. */
function extended(first: string, last: string): Script {
  const more = dailyBars(weekdays(first, last)).map(([t, o, h, l, c, v]) => ({ t, o, h, l, c, v, vw: o, n: 9 }));
  return () => ({
    edit: (body) => {
      const results = [...(body.results ?? []), ...more];
      return { ...body, results, resultsCount: results.length, count: results.length, queryCount: results.length };
    },
  });
}

function without(stamps: readonly number[]): Reply {
  return {
    edit: (body) => {
      const results = (body.results ?? []).filter(({ t }: { t: number }) => !stamps.includes(t));
      return { ...body, results, resultsCount: results.length, count: results.length };
    },
  };
}

function dearer(stamp: number): Reply {
  return {
    edit: (body) => ({
      ...body,
      results: (body.results ?? []).map((one: { t: number; h: number; c: number }) =>
        one.t === stamp ? { ...one, h: one.h + 1, c: one.c + 1 } : one,
      ),
    }),
  };
}

async function _filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

function brokenStore({ project }: OpenProject): OpenProject["project"]["store"] {
  const error = new RetrofillError("BRONZE_DAMAGED", "object r1 of AAPL/1d: it cannot be read");
  return { ...project.store, publish: () => Promise.reject(error) };
}

function summaries(): readonly string[] {
  return said.map(({ kind, rule, severity, title }) => `${kind} ${rule} ${severity}: ${title}`);
}

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candlesAt, startSmallSandbox } from "../small-world.ts";
import type { Sandbox } from "../start-sandbox.ts";
import type { FmpRefusal } from "./world.ts";

const series = [{ symbol: "AAPL", timeframe: "1d", candles: candlesAt(["2025-01-02T05:00Z"]) } as const];
const q1 = { date: "2025-01-30", epsEstimated: 2.36, epsActual: 2.4, revenueActual: 124_300_000_000 };
const q2 = { date: "2025-05-01", epsEstimated: 1.63, epsActual: 1.65, announcedMs: Date.parse("2025-03-28T12:00Z") };
const q3 = { date: "2025-07-31", epsEstimated: 1.44, epsActual: 1.57, reportedMs: Date.parse("2025-07-31T20:30Z") };
const events = {
  AAPL: { earnings: [q2, q1, q3] },
  MSFT: { earnings: [{ date: "2025-01-29", epsActual: 3.23 }] },
};

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSmallSandbox(series, { events });
});
afterAll(async () => await sandbox.close());

async function ask(of: Sandbox, path: string, key = "test-key") {
  const response = await fetch(`${of.url}${path}${path.includes("?") ? "&" : "?"}apikey=${key}`);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined };
}

describe("earnings", () => {
  it("are a bare list, newest first, with the keys of recorded answers", async () => {
    const { status, body } = await ask(sandbox, "/stable/earnings?symbol=AAPL");
    expect(status).toBe(200);
    expect(body.map(({ date }: { date: string }) => date)).toEqual(["2025-07-31", "2025-05-01", "2025-01-30"]);
    expect(body[2]).toEqual({
      symbol: "AAPL",
      date: "2025-01-30",
      epsActual: 2.4,
      epsEstimated: 2.36,
      revenueActual: 124_300_000_000,
      revenueEstimated: null,
      lastUpdated: "2025-01-31",
    });
    const keys = "symbol date epsActual epsEstimated revenueActual revenueEstimated lastUpdated";
    expect(Object.keys(body[0]).join(" ")).toBe(keys);
    expect((await ask(sandbox, "/stable/earnings?symbol=AAPL&limit=1")).body).toEqual([body[0]]);
    expect((await ask(sandbox, "/stable/earnings?symbol=NOPE")).body).toEqual([]);
  });

  it("are announced with estimates, and have actual figures once they are reported", async () => {
    await using moving = await startSmallSandbox(series, { events, nowMs: Date.parse("2025-01-31T04:59Z") });
    const read = async () =>
      (await ask(moving, "/stable/earnings?symbol=AAPL")).body.map(
        (row: { date: string; epsActual: number | null }) => [row.date, row.epsActual],
      );
    // The second quarter's date is not known yet; the first's day has a minute left in New York.
    expect(await read()).toEqual([
      ["2025-07-31", null],
      ["2025-01-30", null],
    ]);
    moving.setNow(Date.parse("2025-01-31T05:00Z"));
    expect((await read())[1]).toEqual(["2025-01-30", 2.4]);
    moving.setNow(Date.parse("2025-07-31T20:30Z"));
    expect(await read()).toEqual([
      ["2025-07-31", 1.57],
      ["2025-05-01", 1.65],
      ["2025-01-30", 2.4],
    ]);
  });

  it("of all symbols are had by dates, both ends included, for at most 90 days", async () => {
    const { body } = await ask(sandbox, "/stable/earnings-calendar?from=2025-01-29&to=2025-01-30");
    expect(body.map((row: { symbol: string }) => row.symbol)).toEqual(["AAPL", "MSFT"]);
    expect((await ask(sandbox, "/stable/earnings-calendar?from=2025-01-01&to=2025-03-31")).status).toBe(200);
    for (const query of ["from=2025-01-01&to=2025-04-01", "from=2025-01-02&to=2025-01-01", "from=2025-01-01"]) {
      const refused = await ask(sandbox, `/stable/earnings-calendar?${query}`);
      expect([refused.status, refused.body["Error Message"]]).toEqual([400, expect.stringMatching(/^Query Error/)]);
    }
    expect((await ask(sandbox, "/stable/earnings")).status).toBe(400);
  });
});

describe("refusals", () => {
  it("say what the contract says, for keys, limits and old paths", async () => {
    await using strict = await startSmallSandbox(series, {
      events,
      apiKeys: ["good"],
      limits: [{ count: 1, windowMs: 60_000 }],
    });
    const path = "/stable/earnings?symbol=AAPL";
    const bad = await ask(strict, path, "bad");
    expect([bad.status, bad.body["Error Message"]]).toEqual([401, expect.stringMatching(/^Invalid API KEY/)]);
    expect((await ask(strict, path, "good")).status).toBe(200);
    const over = await ask(strict, path, "good");
    expect([over.status, over.body["Error Message"]]).toEqual([429, expect.stringMatching(/^Limit Reach \./)]);
    // The same key has a count of its own with each provider.
    const bars = "/v2/aggs/ticker/AAPL/range/1/day/2025-01-02/2025-01-02?adjusted=false";
    expect((await fetch(`${strict.url}${bars}`, { headers: { authorization: "Bearer good" } })).status).toBe(200);
    const legacy = await ask(sandbox, "/api/v3/earning_calendar?from=2025-01-01&to=2025-02-01");
    expect([legacy.status, legacy.body["Error Message"]]).toEqual([403, expect.stringMatching(/^Legacy Endpoint :/)]);
    expect((await ask(sandbox, "/stable/nothing")).status).toBe(404);
    const header = await fetch(`${sandbox.url}${path}`, { headers: { apikey: "k" } });
    expect(header.status).toBe(200);
  });

  it.each([
    ["restricted", 402, /^Restricted Endpoint: /],
    ["exclusive", 402, /^Exclusive Endpoint : /],
    ["premium-value", 402, /^Premium Query Parameter: 'Special Endpoint : This value set for 'symbol'/],
    ["legacy", 403, /^Legacy Endpoint :/],
    ["suspended", 403, /^Account suspended/],
    ["not-found", 404, /^Not Found/],
    ["bandwidth", 429, /^Bandwidth Limit Reach \./],
    ["limit-inside-200", 200, /^Limit Reach \./],
  ] as const satisfies readonly (readonly [FmpRefusal, number, RegExp])[])(
    "can be had as %s",
    async (of, status, text) => {
      await using refusing = await startSmallSandbox(series, { events, fmp: { refuses: { earnings: of } } });
      const answer = await ask(refusing, "/stable/earnings?symbol=AAPL");
      expect(answer.status).toBe(status);
      expect(answer.body?.["Error Message"] ?? answer.text).toMatch(text);
      // Only the restricted endpoint is told in plain text.
      expect(answer.body === undefined).toBe(of === "restricted");
      const calendar = await ask(refusing, "/stable/earnings-calendar?from=2025-01-01&to=2025-01-31");
      expect([calendar.status, refusing.report().answered]).toEqual([200, 1]);
    },
  );
});

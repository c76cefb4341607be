import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDataDirectory } from "./data-directory.ts";
import type { EventsInput } from "./events.ts";
import { ask, candlesAt, startSmallSandbox, writeSmallWorld } from "./small-world.ts";
import type { Sandbox, SandboxOptions } from "./start-sandbox.ts";

const DAYS = ["2020-08-27T04:00Z", "2020-08-28T04:00Z", "2020-08-31T04:00Z", "2020-09-01T04:00Z"];
const daily = { symbol: "AAPL", timeframe: "1d", candles: candlesAt(DAYS) } as const;
const split = { executionDate: "2020-08-31", from: 1, to: 4, announcedMs: Date.parse("2020-07-30T20:30Z") };

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function open(
  events: EventsInput["tickers"],
  options: Omit<SandboxOptions, "dataDir"> = {},
  series: Parameters<typeof startSmallSandbox>[0] = [daily],
): Promise<Sandbox> {
  const sandbox = await startSmallSandbox(series, { events, ...options });
  opened.push(sandbox);
  return sandbox;
}

describe("events.json", () => {
  it("may be absent", async () => {
    const directory = await openDataDirectory(await writeSmallWorld([daily]));
    expect([...directory.events]).toEqual([]);
    await directory.close();
  });

  it("is refused with every problem at once", async () => {
    const dir = await writeSmallWorld([daily], { AAPL: { splits: [split] } });
    const file = JSON.parse(await readFile(join(dir, "events.json"), "utf8"));
    file.tickers.AAPL.splits[0].executionDate = "2020-02-30";
    file.tickers.AAPL.splits[0].to = 0;
    file.tickers.AAPL.dividends = [{ exDate: "2020-08-07", amount: 0.82 }];
    file.tickers.AAPL.earnings = [{ date: "2020-07-30", epsActual: "2.58" }];
    await writeFile(join(dir, "events.json"), JSON.stringify(file));
    const problem = String(await openDataDirectory(dir).catch((error: unknown) => error));
    expect(problem).toMatch(/events\.json tickers\.AAPL\.splits\[0\]\.executionDate: expected a date/);
    expect(problem).toMatch(/splits\[0\]\.to/);
    expect(problem).toMatch(/dividends\[0\]\.cashAmount/);
    expect(problem).toMatch(/dividends\[0\].*amount/);
    expect(problem).toMatch(/earnings\[0\]\.epsActual/);
  });
});

describe("a split", () => {
  const bars = async (sandbox: Sandbox, adjusted: boolean, span = "day") => {
    const path = `/v2/aggs/ticker/AAPL/range/1/${span}/2020-08-27/2020-09-01?adjusted=${adjusted}`;
    const { status, body } = await ask(sandbox, path);
    expect([status, body.adjusted]).toEqual([200, adjusted]);
    return body.results.map(({ o, v }: { o: number; v: number }) => [o, v]);
  };
  const RAW = [
    [10, 1000],
    [11, 1001],
    [12, 1002],
    [13, 1003],
  ];

  it("changes the adjusted bars before it once it has taken effect in New York, and never the raw ones", async () => {
    const sandbox = await open({ AAPL: { splits: [split] } }, { nowMs: Date.parse("2020-08-31T03:59Z") });
    expect(await bars(sandbox, true)).toEqual(RAW.slice(0, 2));
    sandbox.setNow(Date.parse("2020-08-31T04:00Z"));
    expect(await bars(sandbox, true)).toEqual([
      [2.5, 4000],
      [2.75, 4004],
    ]);
    sandbox.setNow(Date.parse("2020-09-02T04:00Z"));
    expect(await bars(sandbox, true)).toEqual([[2.5, 4000], [2.75, 4004], ...RAW.slice(2)]);
    expect(await bars(sandbox, false)).toEqual(RAW);
  });

  it("is in effect where there is no present", async () => {
    expect((await bars(await open({ AAPL: { splits: [split] } }), true))[0]).toEqual([2.5, 4000]);
  });

  it("is applied to the candles that make a larger bar", async () => {
    const sandbox = await open({ AAPL: { splits: [{ ...split, executionDate: "2020-08-28" }] } });
    // Thursday before the split, Friday on its day: 1000 shares are 4000.
    expect((await bars(sandbox, true, "week"))[0]).toEqual([2.5, 5001]);
  });

  it("that nobody has announced changes nothing yet", async () => {
    const late = { ...split, announcedMs: Date.parse("2020-09-03T00:00Z") };
    const sandbox = await open({ AAPL: { splits: [late] } }, { nowMs: Date.parse("2020-09-02T00:00Z") });
    expect((await bars(sandbox, true))[0]).toEqual(RAW[0]);
  });

  it("is not guessed: without a list of splits the other form is a 400, with an empty one both are the same", async () => {
    const path = "/v2/aggs/ticker/AAPL/range/1/day/2020-08-27/2020-09-01?adjusted=true";
    expect((await ask(await open({ AAPL: { dividends: [] } }), path)).status).toBe(400);
    const none = await open({ AAPL: { splits: [] } });
    expect(await bars(none, true)).toEqual(await bars(none, false));
    const kept = await open({ AAPL: { splits: [split] } }, {}, [{ ...daily, adjusted: true }]);
    expect((await ask(kept, path)).status).toBe(200);
    expect((await ask(kept, path.replace("true", "false"))).status).toBe(400);
  });
});

describe("the present", () => {
  it("is moved over HTTP too, and then a repeated question is a new one", async () => {
    const sandbox = await open({ AAPL: { splits: [split] } }, { nowMs: Date.parse("2020-07-01T00:00Z") });
    const count = async () => (await ask(sandbox, "/v3/reference/splits?ticker=AAPL")).body.results.length;
    expect([await count(), await count()]).toEqual([0, 0]);
    const ms = split.announcedMs;
    const moved = await fetch(`${sandbox.url}/sandbox/now?ms=${ms}`, { method: "POST" });
    expect([moved.status, await moved.json()]).toEqual([200, { nowMs: ms }]);
    expect(await count()).toBe(1);
    expect(sandbox.report().repeated).toEqual({
      count: 1,
      first: [{ request: "GET /v3/reference/splits?ticker=AAPL", answers: 2 }],
    });
  });

  it("does not move to what is no instant", async () => {
    const sandbox = await open({ AAPL: { splits: [split] } });
    for (const query of ["", "?ms=", "?ms=tomorrow", "?ms=1.5", "?ms=-1"]) {
      expect((await fetch(`${sandbox.url}/sandbox/now${query}`, { method: "POST" })).status).toBe(400);
    }
    expect(() => sandbox.setNow(Number.NaN)).toThrow(RangeError);
    expect((await fetch(`${sandbox.url}/sandbox/now?ms=1`)).status).toBe(404);
  });
});

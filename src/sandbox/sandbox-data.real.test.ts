import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRealData, writeRealDemoData } from "../../scripts/sandbox-data.ts";
import { writeManifest } from "./data-directory.ts";
import { ask } from "./small-world.ts";
import { type Sandbox, startSandbox } from "./start-sandbox.ts";

const root = process.env.RETROFILL_DATA ?? "";
const RAW = "adjusted=false&limit=50000";

describe.runIf(root !== "")("recorded answers", () => {
  it.each([
    ["AAPL", "aggs-day-AAPL-2023-01-01-2023-01-10.json", "stock"],
    ["X:BTCUSD", "aggs-day-X_BTCUSD-2023-01-01-2023-01-10.json", "crypto"],
    ["C:EURUSD", "aggs-day-C_EURUSD-2023-01-01-2023-01-10.json", "forex"],
  ] as const)(
    "of %s come back byte for byte when their bars are served, but for the id",
    async (symbol, file, assetClass) => {
      const recorded = JSON.parse(await readFile(join(root, "recorded", "polygon", file), "utf8"));
      const dir = await mkdtemp(join(tmpdir(), "recorded-"));
      const columns = ["t", "o", "h", "l", "c", "v", "vw", "n"];
      const rows = recorded.results.map((bar: Record<string, number>) => columns.map((name) => bar[name]).join(","));
      await writeFile(join(dir, "bars.csv"), [columns.join(","), ...rows, ""].join("\n"));
      const [first, last] = [recorded.results[0].t, recorded.results.at(-1).t].map((t) =>
        new Date(t).toISOString(),
      ) as [string, string];
      const traits = { assetClass, timeframe: "1d", adjusted: true, simulated: false } as const;
      const entry = { symbol, ...traits, file: "bars.csv", source: "recorded", rows: rows.length, first, last };
      await writeManifest(dir, { note: "recorded", series: [entry] });
      await using sandbox = await startSandbox({ dataDir: dir });
      const from = assetClass === "stock" ? "2023-01-03" : "2023-01-01";
      const answer = await ask(sandbox, `/v2/aggs/ticker/${symbol}/range/1/day/${from}/2023-01-10`);
      expect(JSON.stringify({ ...answer.body, request_id: "" })).toBe(JSON.stringify({ ...recorded, request_id: "" }));
    },
  );
});

describe.runIf(root !== "")("real data in the sandbox's layout", () => {
  let sandbox: Sandbox;
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "real-"));
    const sets = ["yahoo-2026", "lean-us-hour", "lean-us-daily", "bitfinex-1m", "us-1m-misc", "eqker-1m-2019"] as const;
    await writeRealData(root, dir, sets);
    sandbox = await startSandbox({ dataDir: dir });
  }, 120_000);
  afterAll(async () => await sandbox.close());

  const bars = async (ticker: string, range: string) =>
    (await ask(sandbox, `/v2/aggs/ticker/${ticker}/range/${range}?${RAW}`)).body.results as Record<string, number>[];
  const bar = async (ticker: string, range: string) => {
    const [found] = await bars(ticker, range);
    return found && { ...found, t: new Date(found.t ?? 0).toISOString() };
  };
  const lines = async (set: string, file: string) =>
    gunzipSync(await readFile(join(root, "ohlcv", set, file)))
      .toString("utf8")
      .split("\n")
      .filter((line) => /^\d/.test(line));

  it("has as many rows of a series as its files have lines", async () => {
    const { series } = JSON.parse(await readFile(join(dir, "manifest.json"), "utf8"));
    for (const { symbol, source, rows } of series as { symbol: string; source: string; rows: number }[]) {
      const [set = "", files = ""] = source.split(": ");
      const counts = await Promise.all(files.split(", ").map(async (file) => (await lines(set, file)).length));
      expect([symbol, rows]).toEqual([symbol, counts.reduce((a, b) => a + b, 0)]);
    }
  });

  // First line of each file, read by eye with the quirks that SOURCES.md gives.
  it.each([
    ["AAPL", "1/minute/2026-03-19/2026-03-19", { t: "2026-03-19T13:30:00.000Z", v: 1508778 }],
    ["AAPL", "1/day/2024-04-01/2024-04-01", { t: "2024-04-01T04:00:00.000Z", o: 171.19, c: 170.03, h: 171.25 }],
    ["AVGO", "1/day/2024-04-01/2024-04-01", { o: 1325.68, c: 1350.26, v: 1722937 }],
    ["X:XRPUSD.YAHOO", "1/minute/2026-03-21/2026-03-21", { t: "2026-03-21T00:00:00.000Z", n: 123 }],
    ["X:ADAUSD.YAHOO", "1/day/2024-03-21/2024-03-21", { t: "2024-03-21T00:00:00.000Z", v: 656574365 }],
    ["IBM.LEAN", "1/hour/1998-01-02/1998-01-02", { t: "1998-01-02T14:00:00.000Z", o: 104.5, h: 104.94, v: 422700 }],
    ["IBM.LEAN", "1/day/1998-01-02/1998-01-02", { t: "1998-01-02T05:00:00.000Z", c: 105.75 }],
    [
      "X:BTCUSD",
      "1/minute/2013-04-01/2013-04-01",
      { t: "2013-04-01T00:07:00.000Z", o: 93.25, c: 93.3, h: 93.3, l: 93.25 },
    ],
    ["SPY.2025JUL", "1/minute/2025-07-01/2025-07-01", { t: "2025-07-01T08:00:00.000Z", o: 617.68 }],
    ["SPY.2025NOV", "1/minute/2025-10-29/2025-10-29", { t: "2025-10-29T08:00:00.000Z", o: 688.98 }],
    ["AAPL.2025SEP", "1/minute/2025-09-26/2025-09-26", { t: "2025-09-26T08:00:00.000Z", vw: 256.098, n: 5 }],
    ["SPY.2025MAY", "1/minute/2025-05-09/2025-05-09", { t: "2025-05-09T13:44:00.000Z", v: 0 }],
    ["AAPL.EQKER", "1/minute/2019-02-11/2019-02-11", { t: "2019-02-11T14:30:00.000Z" }],
  ])("reads %s %s as its source means it", async (ticker, range, expected) => {
    expect(await bar(ticker, range)).toMatchObject(expected);
  });

  it("keeps the holes that SOURCES.md tells of", async () => {
    expect(await bars("AAPL", "5/minute/2026-01-30/2026-01-30")).toHaveLength(13);
    expect(await bars("AAPL", "5/minute/2026-02-02/2026-02-02")).toHaveLength(24);
    expect(await bars("AAPL", "5/minute/2025-12-24/2025-12-24")).toHaveLength(42);
    expect(await bars("X:BTCUSD", "1/day/2014-11-22/2014-12-31")).toBeUndefined();
    expect(await bars("SPY.LEAN", "1/day/1998-01-02/2021-03-31")).toHaveLength(5849);
  });

  it("makes a demonstration whose every declared timeframe is answered from its declared start", async () => {
    const to = await mkdtemp(join(tmpdir(), "demo-"));
    const data = await writeRealDemoData(root, to);
    await using demo = await startSandbox({ dataDir: to, nowMs: data.nowMs });
    for (const { symbol, timeframes, since, delisted } of data.symbols) {
      for (const timeframe of timeframes) {
        const size = `${timeframe.slice(0, -1)}/${{ m: "minute", h: "hour", d: "day", w: "week" }[timeframe.slice(-1)]}`;
        const end = delisted === undefined ? data.nowMs : Date.parse(delisted);
        const path = `/v2/aggs/ticker/${symbol}/range/${size}/${Date.parse(since[timeframe] ?? "")}/${end}?${RAW}`;
        const { status, body } = await ask(demo, path);
        expect([symbol, timeframe, status, body.resultsCount > 5]).toEqual([symbol, timeframe, 200, true]);
      }
    }
    expect(data.symbols.map(({ symbol }) => symbol)).toEqual(["AAPL", "SPY", "TSLA", "IBM.LEAN", "X:BTCUSD"]);
  }, 60_000);
});

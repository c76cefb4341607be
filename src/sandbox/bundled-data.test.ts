import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServedData, writeBundledData } from "./bundled-data.ts";
import { ask } from "./small-world.ts";
import { type Sandbox, startSandbox } from "./start-sandbox.ts";

let dir: string;
let data: ServedData;
let sandbox: Sandbox;
let tookMs: number;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bundled-"));
  const startedAt = performance.now();
  data = await writeBundledData(dir);
  tookMs = performance.now() - startedAt;
  sandbox = await startSandbox({ dataDir: dir, nowMs: data.nowMs });
});
afterAll(async () => await sandbox.close());

describe("the bundled data", () => {
  it("are written in a few seconds, and are the same every time", async () => {
    expect(tookMs).toBeLessThan(5_000);
    const again = await mkdtemp(join(tmpdir(), "bundled-"));
    expect(await writeBundledData(again)).toEqual(data);
    for (const file of ["manifest.json", "candles/AAPL/1m.csv", "candles/X_SIMUSD/1m.csv"]) {
      expect(await readFile(join(again, file), "utf8")).toBe(await readFile(join(dir, file), "utf8"));
    }
  });

  it("call real what is real and simulated what is simulated", async () => {
    const { series } = JSON.parse(await readFile(join(dir, "manifest.json"), "utf8"));
    for (const entry of series) {
      const isReal = entry.timeframe === "1d" && entry.symbol !== "X:SIMUSD";
      expect([entry.symbol, entry.timeframe, entry.simulated]).toEqual([entry.symbol, entry.timeframe, !isReal]);
      expect(entry.source).toMatch(isReal ? /real/ : /simulated/);
    }
  });

  // Yahoo Finance's table of AAPL, split-adjusted: 2018-05-11 opened 189.49, closed 188.59, 26.2 million shares.
  it("hold the daily bars of the package", async () => {
    const { body } = await ask(sandbox, "/v2/aggs/ticker/AAPL/range/1/day/2018-05-11/2018-05-11");
    const bar = { o: 189.490005, h: 190.059998, l: 187.449997, c: 188.589996, v: 25806600 };
    expect(body.results).toEqual([{ ...bar, t: Date.parse("2018-05-11T04:00Z") }]);
  });

  it("answer every timeframe of every symbol from its declared start to the present", async () => {
    expect(data.symbols.map(({ symbol }) => symbol)).toEqual(expect.arrayContaining(["AAPL", "X:SIMUSD"]));
    for (const { symbol, timeframes, since, adjusted } of data.symbols) {
      expect(timeframes).toEqual(["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"]);
      for (const timeframe of timeframes) {
        const from = Date.parse(since[timeframe] ?? "");
        const size = `${timeframe.slice(0, -1)}/${{ m: "minute", h: "hour", d: "day", w: "week" }[timeframe.slice(-1)]}`;
        const { status, body } = await ask(
          sandbox,
          `/v2/aggs/ticker/${symbol}/range/${size}/${from}/${data.nowMs}?adjusted=${adjusted}&limit=50000`,
        );
        expect([symbol, timeframe, status, body.resultsCount > 10]).toEqual([symbol, timeframe, 200, true]);
      }
    }
  });

  it("have minutes that make the real days", async () => {
    const from = data.symbols[0]?.since["1m"] ?? "";
    const read = async (size: string) => {
      const path = `/v2/aggs/ticker/AAPL/range/${size}/${from.slice(0, 10)}/2018-05-11?limit=50000`;
      return (await ask(sandbox, path)).body.results as { t: number; h: number; v: number }[];
    };
    const days = await read("1/day");
    const hours = await read("1/hour");
    expect(days).toHaveLength(60);
    for (const day of days) {
      const own = hours.filter(({ t }) => t >= day.t && t < day.t + 86_400_000);
      expect(Math.max(...own.map(({ h }) => h))).toBe(day.h);
      expect(own.reduce((sum, { v }) => sum + v, 0)).toBe(day.v);
    }
  });

  it("reach the present that they declare, and not beyond", async () => {
    const { series } = JSON.parse(await readFile(join(dir, "manifest.json"), "utf8"));
    for (const { last } of series) {
      expect(Date.parse(last)).toBeLessThan(data.nowMs);
      expect(Date.parse(last)).toBeGreaterThan(data.nowMs - 27 * 3_600_000);
    }
  });
});

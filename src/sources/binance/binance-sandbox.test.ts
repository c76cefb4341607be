import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { HOUR, instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize } from "../../core/time/interval-set.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome, Source, SourceRequest } from "../../engine/ports.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { ask, minuteCandles, startSmallSandbox } from "../../sandbox/small-world.ts";
import type { Sandbox, SandboxOptions } from "../../sandbox/start-sandbox.ts";
import { type BinanceSettings, binanceSource } from "./binance.ts";

const START = Date.UTC(2020, 0, 2);
const MINUTES = 3_000;
/** A coin with quiet minutes. */
const candles = minuteCandles("2020-01-02T00:00:00Z", MINUTES, (i) => i % 11 !== 3 && (i < 500 || i > 740));
const COIN = seriesOf("BTC-USD", "1m");

const opened: Sandbox[] = [];
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await open();
});
afterAll(async () => {
  for (const one of opened) await one.close();
});

async function open(options: Omit<SandboxOptions, "dataDir"> = {}): Promise<Sandbox> {
  const coin = { symbol: "X:BTCUSD", assetClass: "crypto", timeframe: "1m", candles } as const;
  const started = await startSmallSandbox([coin], options);
  opened.push(started);
  return started;
}

describe("the exchange's contract", () => {
  it("gives every candle of the gaps once, and each page claims no more than it has answered", async () => {
    const gap = fc.tuple(fc.integer({ min: 0, max: MINUTES }), fc.integer({ min: 1, max: 400 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(gap, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 20, max: 1_000 }),
        async (pairs, limit) => {
          const gaps = normalize(pairs.map(([at, n]) => minutes(at, at + n)));
          const { opens, calls, windows } = await fill(sandbox, COIN, gaps, { limit });
          const wanted = candles.map(([t]) => t).filter((t) => windows.some(({ start, end }) => t >= start && t < end));
          expect(opens).toEqual(wanted);
          // A window has at most as many slots as one page.
          expect(calls).toBe(windows.length);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("is followed from page to page where a window is longer than one", async () => {
    const source = binanceSource({ limit: 100 });
    const all = minutes(0, MINUTES);
    const { opens, calls } = await pages(sandbox, source, COIN, all);
    expect(opens).toEqual(candles.map(([t]) => t));
    expect(calls).toBe(Math.ceil(candles.length / 100));
  });

  it("makes larger bars that are slots of ours", async () => {
    const hours = seriesOf("BTC", "1h");
    const { opens, last } = await fill(sandbox, hours, [minutes(0, MINUTES)], {});
    expect(opens).toEqual(Array.from({ length: 50 }, (_, i) => START + i * HOUR).filter((t) => hasCandle(t)));
    expect(last).toMatchObject({ kind: "rows", strict: true, through: START + 50 * HOUR });
  });

  it.each<[string, Omit<SandboxOptions, "dataDir">, string, object]>([
    ["an unknown coin", {}, "NOPE", { class: "bad-request", message: expect.stringContaining("Invalid symbol") }],
    ["a storm", { faults: { storm429: 1 } }, "BTC", { class: "rate-told", waitMs: 1_000 }],
    ["an error in a 200", { faults: { error200: 1 } }, "BTC", { class: "transient" }],
    [
      "too much weight",
      { binance: { weight: { count: 1, windowMs: MINUTE } } },
      "BTC",
      { class: "rate-told", waitMs: expect.toSatisfy((ms: number) => ms >= 1_000 && ms <= MINUTE) },
    ],
    [
      "a ban",
      { binance: { weight: { count: 1, windowMs: MINUTE }, refusalsBeforeBan: 0, banMs: 5 * MINUTE } },
      "BTC",
      { class: "ban", waitMs: 5 * MINUTE },
    ],
  ])("refuses %s as a client expects it", async (_what, options, symbol, expected) => {
    const other = await open(options);
    const { last } = await fill(other, seriesOf(symbol, "1m"), [minutes(0, 10)], {});
    expect(last).toMatchObject({ kind: "failure", ...expected });
  });
});

function minutes(from: number, to: number): Interval {
  return { start: instant(START + from * MINUTE), end: instant(START + to * MINUTE) };
}

function hasCandle(hour: number): boolean {
  return candles.some(([t]) => t >= hour && t < hour + HOUR);
}

async function fill(from: Sandbox, series: Series, gaps: readonly Interval[], settings: BinanceSettings) {
  const source = binanceSource(settings);
  const windows = source.windows(series, gaps);
  const opens: number[] = [];
  let calls = 0;
  let last: Outcome | null = null;
  for (const window of windows) {
    const read = await pages(from, source, series, window);
    opens.push(...read.opens);
    calls += read.calls;
    last = read.last;
  }
  return { windows, opens, calls, last };
}

/** Every page of one window, asked for as the engine does. */
async function pages(from: Sandbox, source: Source, series: Series, window: Interval) {
  const opens: number[] = [];
  let calls = 0;
  let last: Outcome | null = null;
  for (let request: SourceRequest | null = source.request(series, window); request !== null; ) {
    calls++;
    const { status, headers, text, body } = await ask(from, request.target);
    const answer = { status, headers: Object.fromEntries(headers), body: Buffer.from(text), receivedAt: instant(0) };
    last = classifyAnswer(source, series, request, answer);
    if (last.kind !== "rows") break;
    opens.push(...body.map(([t]: [number]) => t));
    if (last.through !== null) expect(last.through).toBeGreaterThan(opens[opens.length - 1] ?? 0);
    request = last.next;
  }
  return { opens, calls, last };
}

function seriesOf(symbol: string, timeframe: "1m" | "1h"): Series {
  const pipeline = candlesOnly(ohlcvSettings.parse({}), "binance");
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: [timeframe] });
  const [series] = pipeline.series("ohlcv.market_data" as Series["dataset"], entry, instant(Date.UTC(2025, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Series } from "../../core/dataset/series.ts";
import { slotsIn } from "../../core/time/grid.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { type AssetClass, ohlcvSettings, type Timeframe } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";
import { suspectsByHand } from "./suspects-by-hand.ts";

const root = process.env.RETROFILL_DATA ?? "";
const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);

describe.runIf(root !== "")("silence in recorded series", () => {
  let world: SmallStore;
  beforeAll(async () => {
    world = await smallStore({ dataset: marketData, shape: polygonSource().records, suspects: settings.suspects });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  it("of BTCUSD minutes: 49,884 quiet stretches of 2013 are ordinary, the months without any bar are not", async () => {
    const years = [2013, 2014, 2015];
    const bars = await Promise.all(years.map((year) => bitfinex(`BTCUSD_${year}.csv.gz`)));
    const alone = seriesOf("BTCALONE", "crypto", "1m");
    const of2013 = { start: instant(Date.UTC(2013, 3, 1)), end: instant(Date.UTC(2014, 0, 1)) };
    const quiet = await publish(world, alone, of2013, bars[0] ?? []);
    expect(quiet).toEqual([]);

    const btc = seriesOf("BTC", "crypto", "1m");
    const window = { start: of2013.start, end: instant(Date.UTC(2016, 0, 1)) };
    const all = bars.flat();
    const found = await publish(world, btc, window, all);
    expect(found).toEqual(byHand(btc, window, all));
    expect(found.map(({ start, end }) => [new Date(start).toISOString(), (end - start) / MINUTE])).toEqual([
      // The files of 2014 stop on 2014-11-21 at 23:03 (SOURCES.md).
      ["2014-11-21T23:04:00.000Z", 57_656],
      // The longest of 2015 is 44,401 minutes from bar to bar (SOURCES.md); the other is an outage of six hours.
      ["2015-05-01T04:00:00.000Z", 44_400],
      ["2015-08-24T06:02:00.000Z", 383],
    ]);
  });

  it("of AAPL 5 minutes: the holes of 2026-01-30 and 2026-02-02 and nothing else", async () => {
    const text = await unzipped("yahoo-2026/AAPL_5m.csv.gz");
    const bars = text
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => {
        // Datetime,Close,High,Low,Open,Volume
        const [at = "", c, h, l, o, v] = line.split(",");
        return {
          t: Date.parse(at.replace(" ", "T")),
          o: Number(o),
          h: Number(h),
          l: Number(l),
          c: Number(c),
          v: Number(v),
        };
      });
    expect(bars).toHaveLength(4_521);
    const aapl = seriesOf("AAPL", "stock", "5m");
    const window = { start: instant(Date.UTC(2025, 11, 23)), end: instant(Date.UTC(2026, 2, 21)) };
    const found = await publish(world, aapl, window, bars);
    expect(found).toEqual(byHand(aapl, window, bars));
    // From Friday 10:35 to Monday 14:00 in New York: 65 bars of the one day and 54 of the other, one silence.
    expect(found.map(({ start, end }) => [start, end].map((at) => new Date(at).toISOString().slice(0, 16)))).toEqual([
      ["2026-01-30T15:35", "2026-02-02T19:00"],
    ]);
  });
});

type Bar = { readonly t: number } & Readonly<Record<string, number>>;

async function publish(world: SmallStore, series: Series, window: Interval, bars: readonly Bar[]) {
  const objects = [];
  for (let i = 0; i < bars.length; i += 50_000) {
    const page = bars.slice(i, i + 50_000);
    const end = bars[i + 50_000]?.t ?? window.end;
    const start = i === 0 ? window.start : (page[0]?.t ?? window.start);
    objects.push(await world.put(series, { window: { start: instant(start), end: instant(end) }, records: page }));
  }
  const receipt = await world.publish(objects);
  expect(receipt.counts).toMatchObject({ received: bars.length, inserted: bars.length });
  return receipt.findings[series.key]?.holes ?? [];
}

function byHand(series: Series, window: Interval, bars: readonly Bar[]) {
  const sessions = series.axis.calendar.sessions(window);
  let session = 0;
  const slots = dueSet(series.axis, window, instant(window.end + 86_400_000)).flatMap((span) =>
    [...slotsIn(series.axis.grid, span)].map((slot) => {
      while ((sessions[session]?.close ?? Number.POSITIVE_INFINITY) <= slot.start) session++;
      return { ...slot, session };
    }),
  );
  const found = suspectsByHand(slots, new Set(bars.map((bar) => bar.t)), settings.suspects);
  return found.map(({ start, end }) => ({ start, end }));
}

/** No header; timestamp ms of the bar's start, then open, close, high, low, volume. */
async function bitfinex(file: string): Promise<readonly Bar[]> {
  const text = await unzipped(`bitfinex-1m/${file}`);
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [t, o, c, h, l, v] = line.split(",").map(Number) as [number, number, number, number, number, number];
      return { t, o, h, l, c, v };
    });
}

async function unzipped(file: string): Promise<string> {
  return (await promisify(gunzip)(await readFile(join(root, "ohlcv", file)))).toString("utf8");
}

function seriesOf(symbol: string, assetClass: AssetClass, timeframe: Timeframe): Series {
  const entry = pipeline.entry(symbol, { assetClass, timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, instant(Date.UTC(2026, 6, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

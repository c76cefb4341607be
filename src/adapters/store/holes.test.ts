import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Series } from "../../core/dataset/series.ts";
import { slotsIn } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { type AssetClass, ohlcvSettings, type Timeframe } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";
import { type ListedSlot, suspectsByHand } from "./suspects-by-hand.ts";

const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const NOW = instant(Date.UTC(2025, 6, 1));

let world: SmallStore;
beforeAll(async () => {
  world = await smallStore({ dataset: marketData, shape: polygonSource().records, suspects: settings.suspects });
});
afterAll(() => world[Symbol.asyncDispose]());

interface Case {
  readonly market: AssetClass;
  readonly timeframe: Timeframe;
  readonly days: number;
  /** Share of slots with a row. */
  readonly busy: number;
  /** Holes cut into the rows, as shares of the whole: from, to. */
  readonly holes: readonly (readonly [number, number])[];
  readonly suspects: number;
}

const cases: readonly Case[] = [
  { market: "stock", timeframe: "5m", days: 60, busy: 1, holes: [], suspects: 0 },
  {
    market: "stock",
    timeframe: "5m",
    days: 60,
    busy: 1,
    holes: [
      [0.4, 0.41],
      [0.5, 0.5004],
    ],
    suspects: 1,
  },
  {
    market: "stock",
    timeframe: "1m",
    days: 40,
    busy: 0.99,
    holes: [
      [0, 0.02],
      [0.3, 0.301],
      [0.97, 1],
    ],
    suspects: 3,
  },
  { market: "stock", timeframe: "15m", days: 10, busy: 0.9, holes: [[0.2, 0.3]], suspects: 0 },
  { market: "stock", timeframe: "15m", days: 20, busy: 0.9, holes: [[0.2, 0.4]], suspects: 1 },
  { market: "stock", timeframe: "1h", days: 100, busy: 0.95, holes: [[0.6, 0.7]], suspects: 1 },
  { market: "stock", timeframe: "4h", days: 100, busy: 0.97, holes: [[0.6, 0.7]], suspects: 1 },
  {
    market: "crypto",
    timeframe: "1m",
    days: 60,
    busy: 0.5,
    holes: [
      [0.1, 0.102],
      [0.7, 0.8],
    ],
    suspects: 2,
  },
  { market: "crypto", timeframe: "30m", days: 30, busy: 0.8, holes: [[0.5, 0.55]], suspects: 1 },
  { market: "fx", timeframe: "5m", days: 40, busy: 0.97, holes: [[0.25, 0.27]], suspects: 1 },
];

describe("silence on a sparse axis", () => {
  it.each(cases.map((one, i) => ({ ...one, i })))(
    "is suspect as counted by hand: $market $timeframe, $days days, $busy busy, holes $holes",
    async ({ i, market, timeframe, days, busy, holes, suspects }) => {
      const series = seriesOf(`H${i}`, market, timeframe);
      const window = { start: instant(Date.UTC(2024, 1, 20)), end: instant(Date.UTC(2024, 1, 20 + days)) };
      const slots = listSlots(series, window);
      const rows = new Set(
        slots
          .filter(
            (_, n) =>
              chance(i, n) < busy && !holes.some(([from, to]) => n >= from * slots.length && n < to * slots.length),
          )
          .map((slot) => slot.start),
      );
      const receipt = await world.publish([await put(series, window, rows)]);
      const expected = suspectsByHand(slots, rows, settings.suspects);
      expect(receipt.findings[series.key]?.holes).toEqual(expected.map(({ start, end }) => ({ start, end })));
      expect(expected).toHaveLength(suspects);
    },
  );

  it("is judged alike whether asked at once or in pieces, with other series beside it or without", async () => {
    const window = { start: instant(Date.UTC(2024, 1, 20)), end: instant(Date.UTC(2024, 2, 31)) };
    const whole = seriesOf("WHOLE", "stock", "5m");
    const apart = seriesOf("APART", "stock", "5m");
    const slots = listSlots(whole, window);
    const rows = new Set(slots.filter((_, n) => n % 50 !== 3 && (n < 700 || n > 760)).map((slot) => slot.start));
    const at = (share: number) => slots[Math.floor(share * slots.length)]?.start ?? window.end;
    const cuts = [window.start, at(0.2), at(0.31), at(0.66), window.end];
    const once = await world.publish([await put(whole, window, rows)]);
    let last = once;
    for (const i of [2, 0, 3, 1]) {
      const piece = { start: cuts[i] as Interval["start"], end: cuts[i + 1] as Interval["end"] };
      const others = await put(seriesOf(`OTHER${i}`, "stock", "5m"), window, new Set([...rows].slice(0, 100 * i)));
      last = await world.publish([await put(apart, piece, rows), others]);
    }
    expect(last.findings["APART/5m"]?.holes).toEqual(once.findings["WHOLE/5m"]?.holes);
    expect(once.findings["WHOLE/5m"]?.holes).toHaveLength(1);
  });

  it("is counted in due slots: bars before the open and after the close do not break it", async () => {
    const window = { start: instant(Date.UTC(2024, 1, 20)), end: instant(Date.UTC(2024, 2, 31)) };
    const series = seriesOf("EARLY", "stock", "5m");
    const slots = listSlots(series, window);
    const regular = slots.filter((_, n) => n < 770 || n > 790).map((slot) => slot.start as number);
    const extended = slots.flatMap((slot) => [slot.start - 8 * 3_600_000, slot.end + 8 * 3_600_000]);
    const receipt = await world.publish([await put(series, window, new Set([...regular, ...extended]))]);
    expect(receipt.findings["EARLY/5m"]?.holes).toEqual([{ start: slots[770]?.start, end: slots[790]?.end }]);
  });

  it("ends where something due was never asked", async () => {
    const day = (n: number) => instant(Date.UTC(2024, 0, n));
    const series = seriesOf("BROKEN", "crypto", "1h");
    const windows = [
      { start: day(1), end: day(31) },
      { start: day(32), end: day(62) },
    ];
    const rows = new Set(
      Array.from({ length: 62 * 24 }, (_, n) => day(1) + n * 3_600_000).filter((t) => t < day(29) || t >= day(34)),
    );
    const objects = await Promise.all(windows.map((window) => put(series, window, rows)));
    expect((await world.publish(objects)).findings["BROKEN/1h"]?.holes).toEqual([
      { start: day(29), end: day(31) },
      { start: day(32), end: day(34) },
    ]);
  });
});

function listSlots(series: Series, window: Interval): readonly ListedSlot[] {
  const due = dueSet(series.axis, window, NOW);
  const sessions = series.axis.calendar.sessions({
    start: instant(window.start - 604_800_000),
    end: instant(window.end + 604_800_000),
  });
  return due.flatMap((span) =>
    [...slotsIn(series.axis.grid, span)].map((slot) => ({
      ...slot,
      session: sessions.findIndex((session) => session.open < slot.end && session.close > slot.start),
    })),
  );
}

function put(series: Series, window: Interval, rows: ReadonlySet<number>) {
  const records = [...rows]
    .filter((t) => t >= window.start && t < window.end)
    .map((t) => ({ t, o: 1, h: 1, l: 1, c: 1 }));
  return world.put(series, { window, records, now: NOW });
}

/** Evenly spread over 0..1, the same in every run. */
function chance(seed: number, n: number): number {
  return Math.abs((Math.sin(seed * 7_919 + n * 12.9898) * 43_758.5453) % 1);
}

function seriesOf(symbol: string, assetClass: AssetClass, timeframe: Timeframe): Series {
  const entry = pipeline.entry(symbol, { assetClass, timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, NOW);
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

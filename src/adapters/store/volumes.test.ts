import { afterEach, beforeEach, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { slotAt } from "../../core/time/grid.ts";
import { DAY, HOUR, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { startOfLocalDate } from "../../core/time/zone.ts";
import type { VolumeObservation } from "../../engine/store-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const shape = polygonSource().records;
const NEW_YORK = "America/New_York";

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
});
afterEach(() => world[Symbol.asyncDispose]());

it("sets a day beside the same weekday before, newest first, across a change of the clocks", async () => {
  const stock = seriesOf("KO", "1d", "stock");
  // 14 Fridays up to 2026-03-20; clocks went forward on 2026-03-08. Thursdays have other volumes.
  const fridays = every("2025-12-19", 14);
  const thursdays = every("2025-12-18", 14);
  const volumes = new Map<number, number>([
    ...thursdays.map((day) => [day, 5] as const),
    ...fridays.map((day, i) => [day, 100 + i] as const),
  ]);
  await publish(stock, [...volumes.keys()], volumes);
  const observed = await look(stock, at("2026-03-21T12:00:00Z"), ["r1.b1"]);
  expect(observed).toEqual([
    { ...day("2026-03-19"), key: "KO/1d", value: 5, history: Array(12).fill(5) },
    {
      ...day("2026-03-20"),
      key: "KO/1d",
      value: 113,
      // The twelve Fridays before it, of the thirteen that are stored.
      history: [112, 111, 110, 109, 108, 107, 106, 105, 104, 103, 102, 101],
    },
  ]);
});

it("adds up shorter slots over local days, and looks only at what a publication changed", async () => {
  const hourly = seriesOf("KO", "1h", "stock");
  const days = every("2026-02-20", 5);
  // 21:00 UTC is 16:00 in New York in winter; 01:00 UTC of the next day is still the same local day.
  const stamps = days.flatMap((start) => [start + 10 * HOUR, start + 20 * HOUR]);
  await publish(hourly, stamps, new Map(stamps.map((stamp, i) => [stamp, 10 + i])));
  expect(await look(hourly, at("2026-03-21T12:00:00Z"), ["r1.b1"])).toEqual([
    { ...day("2026-03-20"), key: "KO/1h", value: 18 + 19, history: [16 + 17, 14 + 15, 12 + 13, 10 + 11] },
  ]);
  expect(await look(hourly, at("2026-03-21T12:00:00Z"), ["r1.b9"])).toEqual([]);

  // One more row on a Thursday: that day alone is looked at then.
  const thursday = startOfLocalDate(NEW_YORK, "2026-03-19") + 12 * HOUR;
  await publish(hourly, [thursday], new Map([[thursday, 3]]));
  expect(await look(hourly, at("2026-03-21T12:00:00Z"), ["r1.b2"])).toEqual([
    { ...day("2026-03-19"), key: "KO/1h", value: 3, history: [] },
  ]);
});

it("leaves history alone that a backfill brings, and rows that tell no volume", async () => {
  const stock = seriesOf("KO", "1d", "stock");
  await publish(stock, every("2024-01-05", 50), new Map());
  expect(await look(stock, at("2026-03-21T12:00:00Z"), ["r1.b1"])).toEqual([]);
  await publish(stock, every("2026-03-20", 1), new Map());
  expect(await look(stock, at("2026-03-21T12:00:00Z"), ["r1.b2"])).toEqual([]);
});

it("looks again at what it is asked to, though only what is usual there has changed", async () => {
  const stock = seriesOf("KO", "1d", "stock");
  const [fridays, last] = [every("2026-02-27", 3), startOfLocalDate(NEW_YORK, "2026-03-20")];
  const volumes = (factor: number): ReadonlyMap<number, number> =>
    new Map(fridays.map((t, i) => [t, factor * (i + 1)]));
  await publish(stock, [...fridays, last], new Map([...volumes(1), [last, 40]]));
  await publish(stock, fridays, volumes(10));
  const now = at("2026-03-24T12:00:00Z");
  expect(await look(stock, now, ["r1.b2"])).toEqual([]);
  expect(await look(stock, now, ["r1.b2"], marketData, [instant(last)])).toEqual([
    { ...day("2026-03-20"), key: "KO/1d", value: 40, history: [30, 20, 10] },
  ]);
});

it("has nothing to say of a dataset without a measure", async () => {
  const { volume: _, ...plain } = marketData;
  const stock = seriesOf("KO", "1d", "stock");
  await publish(stock, every("2026-03-20", 1), new Map([[every("2026-03-20", 1)[0] as number, 7]]));
  expect(await look(stock, at("2026-03-21T12:00:00Z"), ["r1.b1"], plain)).toEqual([]);
});

function look(
  series: Series,
  now: Instant,
  publications: readonly string[],
  dataset = marketData as Omit<typeof marketData, "volume">,
  again: readonly Instant[] = [],
): Promise<readonly VolumeObservation[]> {
  const recent = { start: instant(now - 7 * DAY), end: now };
  return world.store.volumes({ dataset, series: [series], publications, recent, again, weeks: 12, waitMs: 1_000 });
}

async function publish(series: Series, stamps: readonly number[], volumes: ReadonlyMap<number, number>): Promise<void> {
  const records = stamps.map((t) => ({ t, o: 10, h: 12, l: 9, c: 11, v: volumes.get(t) ?? null, vw: 10.5, n: 3 }));
  const { end } = slotAt(series.axis.grid, instant(Math.max(...stamps)));
  const window = { start: instant(Math.min(...stamps)), end };
  await world.publish([await world.put(series, { window, records })]);
}

/** Local midnights in New York, a week apart. */
function every(first: string, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const date = new Date(Date.parse(first) + i * 7 * DAY).toISOString().slice(0, 10);
    return startOfLocalDate(NEW_YORK, date);
  });
}

function day(date: string): Interval {
  const next = new Date(Date.parse(date) + DAY).toISOString().slice(0, 10);
  return { start: startOfLocalDate(NEW_YORK, date), end: startOfLocalDate(NEW_YORK, next) };
}

function at(text: string): Instant {
  return instant(Date.parse(text));
}

function seriesOf(symbol: string, timeframe: string, assetClass: string): Series {
  const entry = pipeline.entry(symbol, { assetClass, timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, at("2026-03-21T12:00:00Z"));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

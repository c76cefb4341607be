import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { DAY, HOUR, type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { PublishedAnswer } from "../../engine/ledger-port.ts";
import type { LateSlots } from "../../engine/store-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const shape = polygonSource().records;
const T0 = Date.UTC(2026, 2, 2);
const hourly = seriesOf("BTC", "1h");

let world: SmallStore;
beforeEach(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: settings.suspects });
});
afterEach(() => world[Symbol.asyncDispose]());

describe("late slots", () => {
  it("are those that came although they had been answered, not those that were asked for the first time", async () => {
    await answer(hourly, hours(0, 10), [0, 1, 2, 5, 6, 7, 8, 9]);
    // Hours 3 and 4 come late; 10 to 13 are new.
    const seen = await answer(hourly, hours(0, 14), range(0, 14), { seenAt: T0 + 14 * HOUR });
    expect(await look([hourly], [seen])).toEqual([
      { group: 0, slots: 2, slowestMs: 10 * HOUR, highMs: 10 * HOUR, beyondLookback: 0 },
    ]);
  });

  it("are those that changed or went, too", async () => {
    await answer(hourly, hours(0, 6), range(0, 6));
    const changed = await answer(hourly, hours(0, 6), range(0, 6), { seenAt: T0 + 30 * HOUR, dearer: [4] });
    const gone = await answer(hourly, hours(0, 6), [0, 1, 2, 3, 5], { seenAt: T0 + 31 * HOUR });
    // The lookback of hours is a day: hour 4 ended at 5, so that it was seen 25 and 26 hours later.
    expect(await look([hourly], [changed, gone])).toEqual([
      { group: 0, slots: 2, slowestMs: 26 * HOUR, highMs: 26 * HOUR, beyondLookback: 2 },
    ]);
    expect(await look([hourly], [changed])).toEqual([
      { group: 0, slots: 1, slowestMs: 25 * HOUR, highMs: 25 * HOUR, beyondLookback: 1 },
    ]);
  });

  it("are not those that came back multiplied by one factor, but for a correction among them", async () => {
    await answer(hourly, hours(0, 6), range(0, 6));
    const restated = await answer(hourly, hours(0, 6), range(0, 6), {
      seenAt: T0 + 30 * HOUR,
      factor: 0.25,
      dearer: [4],
    });
    // Hour 4, over at 5, came back dearer than a quarter.
    expect(await look([hourly], [restated])).toEqual([
      { group: 0, slots: 1, slowestMs: 25 * HOUR, highMs: 25 * HOUR, beyondLookback: 1 },
    ]);
    const corrected = await answer(hourly, hours(0, 6), range(0, 6), { factor: 0.2525 });
    expect(await look([hourly], [corrected])).toMatchObject([{ slots: 6 }]);
  });

  it("are two rows that differ by one factor: too few for a restated past", async () => {
    await answer(hourly, hours(0, 2), range(0, 2));
    const seen = await answer(hourly, hours(0, 2), range(0, 2), { factor: 0.25 });
    expect(await look([hourly], [seen])).toMatchObject([{ slots: 2 }]);
  });

  it("count from the end of a civil slot, also of a week that lacks an hour", async () => {
    const weekly = seriesOf("KO", "1w", "stock");
    // New York's clocks went forward on 2026-03-08, so that this week has 167 hours.
    const [week, next] = [Date.UTC(2026, 2, 8, 5), Date.UTC(2026, 2, 15, 4)];
    const window = { start: instant(week - 7 * DAY), end: instant(next) };
    await answerAt(weekly, window, [week - 7 * DAY]);
    const seen = await answerAt(weekly, window, [week - 7 * DAY, week], { seenAt: next + 3 * HOUR });
    expect(await look([weekly], [seen])).toMatchObject([{ slots: 1, slowestMs: 3 * HOUR }]);
  });

  it("are counted by group, with the 99.9th percentile by nearest rank", async () => {
    const other = seriesOf("ETH", "1h");
    const answers: PublishedAnswer[] = [];
    for (const series of [hourly, other]) await answer(series, hours(0, 1_200), []);
    answers.push(await answer(hourly, hours(0, 1_200), range(0, 1_200), { seenAt: T0 + 1_200 * HOUR }));
    answers.push(await answer(other, hours(0, 1_200), range(0, 5), { seenAt: T0 + 1_200 * HOUR }));
    // Delays of 0 to 1,199 hours: the 1,199th of 1,200 in order is the 99.9th percentile.
    expect(await look([hourly, other], answers)).toEqual([
      { group: 0, slots: 1_200, slowestMs: 1_199 * HOUR, highMs: 1_198 * HOUR, beyondLookback: 1_200 - 25 },
      { group: 1, slots: 5, slowestMs: 1_199 * HOUR, highMs: 1_199 * HOUR, beyondLookback: 5 },
    ]);
  });

  it("are none where nothing was published, or by others", async () => {
    expect(await look([hourly], [])).toEqual([]);
    await answer(hourly, hours(0, 10), range(1, 10));
    await answer(hourly, hours(0, 10), range(0, 10));
    expect(await look([hourly], [{ publication: "r7.b1", object: 2, seenAt: instant(T0 + DAY) }])).toEqual([]);
  });
});

function look(series: readonly Series[], answers: readonly PublishedAnswer[]): Promise<readonly LateSlots[]> {
  const grouped = series.map((one, group) => ({ series: one, group }));
  return world.store.arrivals({ dataset: marketData, series: grouped, answers, waitMs: 1_000 });
}

interface Seen {
  readonly seenAt?: number;
  /** Hours whose bars have another price than before. */
  readonly dearer?: readonly number[];
  /** What all prices are multiplied by. */
  readonly factor?: number;
}

function answer(
  series: Series,
  window: Interval,
  slots: readonly number[],
  { dearer = [], ...seen }: Seen = {},
): Promise<PublishedAnswer> {
  const more = new Set(dearer.map((hour) => T0 + hour * HOUR));
  return answerAt(
    series,
    window,
    slots.map((hour) => T0 + hour * HOUR),
    seen,
    more,
  );
}

async function answerAt(
  series: Series,
  window: Interval,
  stamps: readonly number[],
  { seenAt = 0, factor = 1 }: Seen = {},
  dearer: ReadonlySet<number> = new Set(),
): Promise<PublishedAnswer> {
  const records = stamps.map((t) => {
    const [o, h, l, c] = [10, 12, 9, dearer.has(t) ? 11.5 : 11].map((price) => price * factor);
    return { t, o, h, l, c, v: 7, vw: 10.5, n: 3 };
  });
  const object = await world.put(series, { window, records });
  const { chunkId } = await world.publish([object]);
  return { publication: chunkId, object: object.ordinal, seenAt: instant(seenAt) };
}

function hours(from: number, count: number): Interval {
  return { start: instant(T0 + from * HOUR), end: instant(T0 + (from + count) * HOUR) };
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function seriesOf(symbol: string, timeframe: string, assetClass = "crypto"): Series {
  const entry = pipeline.entry(symbol, { assetClass, timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, T0 as Instant);
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

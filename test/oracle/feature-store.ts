import { type SmallStore, smallStore } from "../../src/adapters/store/small-store.ts";
import { readFor } from "../../src/core/coverage/lineage.ts";
import type { Axis } from "../../src/core/dataset/axis.ts";
import type { Series } from "../../src/core/dataset/series.ts";
import { slotNumbered, slotNumberFrom } from "../../src/core/dataset/slot-numbers.ts";
import { slotAt } from "../../src/core/time/grid.ts";
import { type Instant, instant } from "../../src/core/time/instant.ts";
import type { Interval } from "../../src/core/time/interval.ts";
import type { Receipt } from "../../src/engine/store-port.ts";
import { marketData } from "../../src/pipelines/ohlcv/market-data.ts";
import { marketDataV2 } from "../../src/pipelines/ohlcv/market-data-v2.ts";
import { type AssetClass, DERIVABLE, ohlcvSettings, type Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../src/sources/polygon/polygon.ts";
import { candlesOnly } from "../candles-only.ts";
import type { RawBar } from "../real/raw-bars.ts";
import type { FeatureRow } from "./agreement.ts";
import type { SlotBar } from "./features-by-hand.ts";
import { inSlots } from "./slots.ts";

const settings = ohlcvSettings.parse({});
const asked = candlesOnly(settings);
const derived = candlesOnly({ ...settings, derive: [...DERIVABLE] });
const [REACH] = (marketDataV2.transform?.inputs ?? []).map(({ reach }) => reach);

/** A bar as a store's test hands it over: a volume may be absent. */
export type Bar = Omit<RawBar, "v"> & { readonly v: number | null };

/** A symbol's candles, and what is made from them. */
export interface Pair {
  readonly candles: Series;
  readonly features: Series;
}

export function pairOf(symbol: string, assetClass: AssetClass, timeframe: Timeframe): Pair {
  const entry = asked.entry(symbol, { assetClass, timeframes: [timeframe] });
  const [candles] = asked.series(marketData.name, entry, LATE);
  const [features] = asked.series(marketDataV2.name, entry, LATE);
  if (!candles || !features) throw new Error("unreachable: one timeframe is asked");
  return { candles, features };
}

/** The candles of a symbol that are made from its minutes. */
export function rolledSeries(symbol: string, assetClass: AssetClass, timeframe: Timeframe): Series {
  const entry = derived.entry(symbol, { assetClass, timeframes: ["1m", timeframe] });
  const series = derived.series(marketData.name, entry, LATE).find(({ parts }) => parts.timeframe === timeframe);
  if (!series || series.source !== null) throw new Error(`${timeframe} is not made from minutes`);
  return series;
}

/** After every bar here. */
const LATE = instant(Date.UTC(2030, 0, 1));

/** A store with candles in it and features made from them by the product's SQL. */
export interface FeatureStore extends AsyncDisposable {
  /** Stores bars as one answer for the whole slots from the first to the last; returns what changed. */
  publish(pair: Pair, bars: readonly Bar[], window?: Interval): Promise<Receipt["changes"]>;
  /** Makes the features of these stretches in one transaction. */
  build(windows: readonly { readonly pair: Pair; readonly window: Interval }[]): Promise<Receipt>;
  /** Makes candles from the minutes stored of the same symbol. */
  rollUp(series: Series, window: Interval): Promise<Receipt>;
  query(sql: string): Promise<readonly (readonly unknown[])[]>;
  /** Stored features in order of time, each with its slot's number. */
  features(pair: Pair): Promise<readonly FeatureRow[]>;
}

export async function featureStore(): Promise<FeatureStore> {
  const world: SmallStore = await smallStore({
    dataset: marketData,
    shape: polygonSource().records,
    suspects: settings.suspects,
  });
  let builds = 0;
  const build = (
    dataset: typeof marketData,
    windows: readonly { readonly series: Series; readonly window: Interval; readonly timeframe?: string }[],
  ): Promise<Receipt> =>
    world.store.build({
      chunkId: `r1.f${++builds}`,
      fence: 1,
      isWhole: false,
      dataset,
      windows: windows.map(({ series, window, timeframe }) => ({
        series,
        ...window,
        reads: [
          {
            dataset: marketData,
            parts: timeframe === undefined ? series.parts : { ...series.parts, timeframe },
            span: REACH && dataset === marketDataV2 ? readFor(series.axis, REACH, window) : window,
          },
        ],
      })),
    });
  return {
    async publish({ candles }, bars, window = hullOf(candles.axis, bars)) {
      const records = bars.map(({ v, ...prices }) => (v === null ? prices : { ...prices, v }));
      return (await world.publish([await world.put(candles, { window, records })])).changes;
    },
    build: (windows) =>
      build(
        marketDataV2,
        windows.map(({ pair: { features }, window }) => ({ series: features, window })),
      ),
    rollUp: (series, window) => build(marketData, [{ series, window, timeframe: "1m" }]),
    query: (sql) => world.rows(sql),
    async features({ features: { axis, parts } }) {
      const names = marketDataV2.columns.map(({ name }) => name);
      const rows = await world.rows(
        `select epoch_ms(ts), * from v1.market_data_v2 where symbol = '${parts.symbol}' and timeframe = '${parts.timeframe}' order by ts`,
      );
      return rows.map(([ms, ...cells]) => ({
        slot: slotNumberFrom(axis, instant(Number(ms))),
        ...(Object.fromEntries(names.map((name, i) => [name, cells[i]])) as FeatureRow),
      }));
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** The whole slots from the first to the last of `bars`. */
export function hullOf({ grid }: Axis, bars: readonly { readonly t: number }[]): Interval {
  const [first, last] = bars.reduce(
    ([low, high], { t }) => [Math.min(low, t), Math.max(high, t)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return { start: slotAt(grid, instant(first)).start, end: slotAt(grid, instant(last)).end };
}

/**
 * Bars in their slots as the formulas by hand take them, under the numbers that the product gives those slots: where a
 * block of an exponential average begins depends on them. That they count due slots one by one is checked here.
 */
export function numberedBars(axis: Axis, bars: readonly Bar[]): readonly SlotBar[] {
  const counted = inSlots(axis, bars as readonly RawBar[]);
  const numbers = bars
    .map(({ t }) => instant(t))
    .sort((a, b) => a - b)
    .map((at): readonly [Instant, number] => [at, slotNumberFrom(axis, at)])
    .filter(([at, number]) => slotNumbered(axis, number) === at)
    .map(([, number]) => number);
  const offset = (numbers[0] ?? 0) - (counted[0]?.slot ?? 0);
  if (numbers.length !== counted.length || numbers.some((number, i) => number - (counted[i]?.slot ?? 0) !== offset)) {
    throw new Error("the product numbers slots that are not due, or leaves some out");
  }
  return counted.map((bar) => ({ ...bar, slot: bar.slot + offset }));
}

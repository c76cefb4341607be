import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { affected } from "../../src/core/coverage/lineage.ts";
import { slotNumbered, slotNumberFrom } from "../../src/core/dataset/slot-numbers.ts";
import { slotAt } from "../../src/core/time/grid.ts";
import { DAY, HOUR, instant, MINUTE } from "../../src/core/time/instant.ts";
import type { Interval } from "../../src/core/time/interval.ts";
import { EMPTY, type IntervalSet, intersect, normalize, subtract, union } from "../../src/core/time/interval-set.ts";
import { groupsOf } from "../../src/engine/build/build-windows.ts";
import { marketDataV2 } from "../../src/pipelines/ohlcv/market-data-v2.ts";
import type { AssetClass, Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import type { FeatureRow } from "./agreement.ts";
import { type Bar, type FeatureStore, featureStore, hullOf, type Pair, pairOf } from "./feature-store.ts";
import { FEATURES } from "./features-by-hand.ts";
import { simulated } from "./simulated.ts";

const reach = marketDataV2.transform?.inputs[0]?.reach;
if (reach?.kind !== "slots") throw new Error("features reach back in slots");

const FROM = Date.UTC(2022, 0, 3);

/** Columns in which two symbols with the same candles must agree to the last bit. */
const COMPARED = marketDataV2.columns
  .map(({ name }) => name)
  .filter((name) => name !== "symbol" && name !== "object_no")
  .join(", ");

describe("features made bit by bit", () => {
  let store: FeatureStore;
  beforeAll(async () => {
    store = await featureStore();
  });
  afterAll(() => store[Symbol.asyncDispose]());

  interface Trial {
    readonly seed: number;
    readonly assetClass: AssetClass;
    readonly timeframe: Timeframe;
    readonly stepMs: number;
    readonly slots: number;
    readonly filled: number;
    /** What one answer holds. */
    readonly answerMs: number;
  }

  it.each<Trial>([
    { seed: 1, assetClass: "crypto", timeframe: "1m", stepMs: MINUTE, slots: 4 * 1_440, filled: 0.55, answerMs: DAY },
    { seed: 2, assetClass: "crypto", timeframe: "1m", stepMs: MINUTE, slots: 3 * 1_440, filled: 1, answerMs: DAY },
    { seed: 3, assetClass: "stock", timeframe: "1h", stepMs: HOUR, slots: 300 * 24, filled: 0.95, answerMs: 60 * DAY },
    { seed: 4, assetClass: "stock", timeframe: "4h", stepMs: HOUR, slots: 700 * 24, filled: 0.9, answerMs: 90 * DAY },
    { seed: 5, assetClass: "crypto", timeframe: "1d", stepMs: DAY, slots: 2_000, filled: 0.97, answerMs: 250 * DAY },
    {
      seed: 6,
      assetClass: "fx",
      timeframe: "15m",
      stepMs: 15 * MINUTE,
      slots: 60 * 96,
      filled: 0.9,
      answerMs: 9 * DAY,
    },
  ])("are those made at once: seed $seed, $assetClass $timeframe", async (trial) => {
    const { seed, assetClass, timeframe } = trial;
    const once = pairOf(`ONCE-${seed}`, assetClass, timeframe);
    const { grid } = once.candles.axis;
    const whole = simulated({ ...trial, from: FROM });
    const bars = whole.filter(({ t }) => slotAt(grid, instant(t)).start === t);
    expect(bars.length).toBeGreaterThan(1_000);
    await store.publish(once, bars);
    await store.build([{ pair: once, window: hullOf(once.candles.axis, bars) }]);

    const uniform = randomNumbers(seed);
    const parts = pairOf(`PARTS-${seed}`, assetClass, timeframe);
    const making = new Making(store, parts);
    for (const answer of shuffled(answersOf(bars, trial.answerMs, parts), uniform)) {
      await making.publish(answer.bars, answer.window);
      // Now and then several answers are made together, in groups of some size.
      if (uniform() < 0.7) await making.build(Math.ceil(700 + 5_000 * uniform()));
    }
    await making.build(1_000_000);
    await expectSame(store, once, parts);
  });

  it("touch nothing but rows whose windows reach a changed candle", async () => {
    const bars = simulated({ seed: 11, from: FROM, stepMs: MINUTE, slots: 4_500, filled: 1 });
    const pair = pairOf("RESTATED", "crypto", "1m");
    const { axis } = pair.candles;
    const making = new Making(store, pair);
    await making.publish(bars, hullOf(axis, bars));
    await making.build(1_000_000);
    const before = await store.features(pair);

    const place = 1_500;
    const { t } = bars[place] as Bar;
    const restated = bars.map((bar, i) => (i === place ? { ...bar, h: bar.h * 1.5, c: bar.c * 1.2 } : bar));
    await making.publish([restated[place] as Bar], slotAt(axis.grid, instant(t)));
    const slot = slotNumberFrom(axis, instant(t));
    expect(making.stale()).toEqual([{ start: t, end: slotNumbered(axis, slot + reach.count) + MINUTE }]);
    const [receipt] = await making.build(1_000_000);
    const after = await store.features(pair);

    const differ = after
      .filter((row, i) => JSON.stringify(row) !== JSON.stringify(before[i]))
      .map((row) => Number(row.slot));
    expect(receipt?.counts).toMatchObject({
      received: reach.count + 1,
      inserted: 0,
      updated: differ.length,
      unchanged: reach.count + 1 - differ.length,
      retracted: 0,
    });
    expect(await imagesOf(store, pair)).toEqual(differ);
    // The longest average's blocks end before 750 slots; a day later the return of the day looks back here.
    expect(differ[0]).toBe(slot);
    expect(differ.filter((no) => no >= slot + 750)).toEqual([slot + 1_440]);
    // The average range remembers its own block of 14 slots and the 14 before, and not one slot longer.
    const lastOf = (feature: string): number =>
      Math.max(...after.filter((row, i) => row[feature] !== before[i]?.[feature]).map((row) => Number(row.slot)));
    expect(lastOf("atr")).toBe((Math.floor(slot / 14) + 15) * 14 - 1);
    expect(lastOf("log_return")).toBe(slot + 1);
    expect(lastOf("return_1h")).toBe(slot + 60);
    expect(lastOf("volatility_20")).toBe(slot + 20);
    expect(lastOf("volatility_50")).toBe(slot + 50);

    const fresh = pairOf("CORRECTED", "crypto", "1m");
    await store.publish(fresh, restated);
    await store.build([{ pair: fresh, window: hullOf(axis, bars) }]);
    await expectSame(store, fresh, pair);
  });

  it("follow a candle that comes late and one that vanishes", async () => {
    const bars = simulated({ seed: 12, from: FROM, stepMs: DAY, slots: 2_200, filled: 1 });
    const pair = pairOf("LATE", "crypto", "1d");
    const { axis } = pair.candles;
    const [late, vanishing] = [bars[400], bars[420]] as [Bar, Bar];
    const making = new Making(store, pair);
    await making.publish(
      bars.filter((bar) => bar !== late),
      hullOf(axis, bars),
    );
    await making.build(1_000_000);

    await making.publish([late], slotAt(axis.grid, instant(late.t)));
    await making.publish([], slotAt(axis.grid, instant(vanishing.t)));
    const [receipt] = await making.build(1_000_000);
    expect(receipt?.counts).toMatchObject({ inserted: 1, retracted: 1 });
    expect(receipt?.rowsBySeries).toMatchObject({ "LATE/1d": { processed: receipt?.counts.received, inserted: 1 } });

    const fresh = pairOf("IN-TIME", "crypto", "1d");
    await store.publish(
      fresh,
      bars.filter((bar) => bar !== vanishing),
      hullOf(axis, bars),
    );
    await store.build([{ pair: fresh, window: hullOf(axis, bars) }]);
    await expectSame(store, fresh, pair);
  });

  it("are not made again for a candle that is served again unchanged", async () => {
    const bars = simulated({ seed: 13, from: FROM, stepMs: DAY, slots: 300, filled: 0.98 });
    const pair = pairOf("AGAIN", "crypto", "1d");
    const making = new Making(store, pair);
    await making.publish(bars, hullOf(pair.candles.axis, bars));
    await making.build(1_000_000);
    await making.publish(bars.slice(100, 200), hullOf(pair.candles.axis, bars.slice(100, 200)));
    expect(making.stale()).toEqual([]);
    // Made again all the same, no row differs and none is written.
    const receipt = await store.build([{ pair, window: hullOf(pair.candles.axis, bars) }]);
    expect(receipt.counts).toMatchObject({ received: bars.length, unchanged: bars.length, inserted: 0, updated: 0 });
    expect(receipt.changes).toEqual([]);
    expect(await imagesOf(store, pair)).toEqual([]);
  });
});

/** What the engine does between a publication and a build, without its ledger: what lacks and what is stale is made. */
class Making {
  readonly #store: FeatureStore;
  readonly #pair: Pair;
  #ready: IntervalSet = EMPTY;
  #made: IntervalSet = EMPTY;
  #stale: IntervalSet = EMPTY;

  constructor(store: FeatureStore, pair: Pair) {
    this.#store = store;
    this.#pair = pair;
  }

  async publish(bars: readonly Bar[], window: Interval): Promise<void> {
    const { axis } = this.#pair.features;
    const changes = await this.#store.publish(this.#pair, bars, window);
    this.#ready = union(this.#ready, [window]);
    this.#stale = union(
      this.#stale,
      normalize(changes.map((span) => affected(axis, reach as NonNullable<typeof reach>, span))),
    );
  }

  /** What was made and is out of date. */
  stale(): IntervalSet {
    return intersect(this.#made, this.#stale);
  }

  /** Makes everything that is to be made, about `rows` slots at a time. */
  async build(rows: number) {
    const windows = union(subtract(this.#ready, this.#made), this.stale());
    const receipts = [];
    for (const group of groupsOf([{ series: this.#pair.features, windows, withdrawn: EMPTY }], rows)) {
      const parts = group.flatMap((one) => one.windows.map((window) => ({ pair: this.#pair, window })));
      receipts.push(await this.#store.build(parts));
    }
    this.#made = this.#ready;
    this.#stale = EMPTY;
    return receipts;
  }
}

/** Bars as they would be asked: each stretch whole, also where it holds none. */
function answersOf(bars: readonly Bar[], answerMs: number, { candles: { axis } }: Pair) {
  const { start, end } = hullOf(axis, bars);
  const answers: { readonly bars: readonly Bar[]; readonly window: Interval }[] = [];
  for (let at: number = start; at < end; ) {
    const next = Math.min(end, slotAt(axis.grid, instant(at + answerMs)).start);
    const window = { start: instant(at), end: instant(next) };
    answers.push({ window, bars: bars.filter(({ t }) => t >= window.start && t < window.end) });
    at = next;
  }
  return answers;
}

function shuffled<T>(list: readonly T[], uniform: () => number): readonly T[] {
  return list
    .map((item) => ({ item, at: uniform() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Slots whose rows have a before-image, in order. */
async function imagesOf(store: FeatureStore, { features: { axis, parts } }: Pair): Promise<readonly number[]> {
  const rows = await store.query(
    `select epoch_ms(ts) from market_data_v2__history where symbol = '${parts.symbol}' and change = 'updated' order by ts`,
  );
  return rows.map(([ms]) => slotNumberFrom(axis, instant(Number(ms))));
}

async function expectSame(store: FeatureStore, one: Pair, other: Pair): Promise<void> {
  const rows = ({ features: { parts } }: Pair): string =>
    `select ${COMPARED} from v1.market_data_v2 where symbol = '${parts.symbol}'`;
  const [counts] = await store.query(`select
    (select count(*) from (${rows(one)})), (select count(*) from (${rows(other)})),
    (select count(*) from (${rows(one)} except ${rows(other)})), (select count(*) from (${rows(other)} except ${rows(one)}))`);
  const [all] = counts ?? [];
  const first = counts?.[2] === 0 ? [] : await firstDifference(store, one, other);
  expect([...(counts ?? []), ...first]).toEqual([all, all, 0, 0]);
  expect(Number(all)).toBeGreaterThan(0);
}

async function firstDifference(store: FeatureStore, one: Pair, other: Pair): Promise<readonly string[]> {
  const [mine, theirs] = [await store.features(one), await store.features(other)];
  const bySlot = new Map<FeatureRow[string], FeatureRow>(theirs.map((row) => [row.slot ?? null, row]));
  return mine
    .flatMap((row) =>
      FEATURES.filter((name) => row[name] !== bySlot.get(row.slot ?? null)?.[name]).map(
        (name) => `slot ${row.slot} ${name}: ${row[name]}, ${bySlot.get(row.slot ?? null)?.[name]}`,
      ),
    )
    .slice(0, 5);
}

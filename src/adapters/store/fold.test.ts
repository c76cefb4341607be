import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
/** Series in one publication: each has a history of its own. */
const SYMBOLS = ["BTC", "ETH", "SOL", "ADA", "DOT", "XRP"];
const series = SYMBOLS.map((symbol): Series => {
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: ["1m"] });
  const [one] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
  if (!one) throw new Error("unreachable: one timeframe is asked");
  return one;
});

/** Slots are few, so that answers meet. */
const SLOTS = 12;

interface Bar {
  readonly slot: number;
  readonly price: number;
  readonly kind: "sound" | "bad" | "off-grid" | "text";
}

interface Reply {
  readonly from: number;
  readonly to: number;
  readonly bars: readonly Bar[];
}

const anyBar: fc.Arbitrary<Bar> = fc.record({
  slot: fc.integer({ min: 0, max: SLOTS - 1 }),
  price: fc.integer({ min: 1, max: 3 }),
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant("sound" as const) },
    { weight: 2, arbitrary: fc.constant("bad" as const) },
    { weight: 1, arbitrary: fc.constantFrom("off-grid" as const, "text" as const) },
  ),
});

const anyReply: fc.Arbitrary<Reply> = fc
  .tuple(
    fc.integer({ min: 0, max: SLOTS - 1 }),
    fc.integer({ min: 1, max: SLOTS }),
    fc.array(anyBar, { maxLength: 10 }),
  )
  .map(([from, length, bars]) => ({ from, to: Math.min(SLOTS, from + length), bars }));

interface Asked extends Reply {
  readonly symbol: number;
}

const anyAsked = (replies: fc.Arbitrary<Reply>): fc.Arbitrary<Asked> =>
  fc.tuple(replies, fc.integer({ min: 0, max: SYMBOLS.length - 1 })).map(([reply, symbol]) => ({ ...reply, symbol }));

interface Stored {
  readonly price: number;
  readonly object: number;
}

type Model = ReadonlyMap<number, Stored>;

describe("the stored rows", () => {
  it("are the fold of all answers in ingest order, however they are grouped into publications", async () => {
    const anyGroup = fc.array(anyAsked(anyReply), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(anyGroup, { minLength: 1, maxLength: 3 }), async (groups) => {
        await using world = await small();
        let object = 0;
        const models = SYMBOLS.map((): Model => new Map());
        for (const group of groups) {
          const objects: ObjectRecord[] = [];
          for (const reply of group) {
            objects.push(await put(world, reply));
            models[reply.symbol] = fold(models[reply.symbol] as Model, reply, ++object);
          }
          const { counts } = await world.publish(objects);
          const { received, inserted, updated, unchanged, duplicate, quarantined } = counts;
          expect(received).toBe(objects.reduce((n, { rows }) => n + rows, 0));
          expect(inserted + updated + unchanged + duplicate + quarantined).toBe(received);
          expect(await rowsOf(world)).toEqual(asRows(models));
        }
      }),
      { numRuns: 12 },
    );
  });

  it("have the same values when publications come in another order than the answers", async () => {
    const soundReply = anyReply.map((reply) => ({
      ...reply,
      bars: reply.bars
        .filter((bar) => bar.slot >= reply.from && bar.slot < reply.to)
        .map((bar): Bar => ({ ...bar, kind: "sound" })),
    }));
    const anyReplies = fc.array(anyAsked(soundReply), { minLength: 6, maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(
        anyReplies,
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 24, maxLength: 24 }),
        async (replies, turns) => {
          await using world = await small();
          const objects: ObjectRecord[] = [];
          for (const reply of replies) objects.push(await put(world, reply));
          for (const turn of [0, 1, 2]) {
            const group = objects.filter((_, i) => turns[i] === turn);
            if (group.length > 0) await world.publish(group);
          }
          const models = SYMBOLS.map((_, symbol) =>
            replies.reduce<Model>(
              (rows, reply, i) => (reply.symbol === symbol ? fold(rows, reply, i + 1) : rows),
              new Map(),
            ),
          );
          const values = (rows: readonly (readonly unknown[])[]) => rows.map((row) => row.slice(0, 3));
          expect(values(await rowsOf(world))).toEqual(values(asRows(models)));
        },
      ),
      { numRuns: 8 },
    );
  });
});

const ERROR_THRESHOLD = marketData.extract?.errorThreshold ?? Number.NaN;

/** What one more answer makes of the rows: the rule of the store, row by row. */
function fold(rows: Model, reply: Reply, object: number): Model {
  const sound = reply.bars.filter((bar) => bar.kind === "sound");
  if (reply.bars.length - sound.length > ERROR_THRESHOLD * reply.bars.length) return rows;
  const after = new Map(rows);
  const complete = reply.bars.every((bar) => bar.kind === "sound" || bar.kind === "bad");
  for (let slot = reply.from; slot < reply.to; slot++) {
    if (complete && !reply.bars.some((bar) => bar.slot === slot)) after.delete(slot);
  }
  const last = new Map(sound.map((bar) => [bar.slot, bar.price]));
  for (const [slot, price] of last) if (after.get(slot)?.price !== price) after.set(slot, { price, object });
  return after;
}

function asRows(models: readonly Model[]): readonly (readonly unknown[])[] {
  return models.flatMap((model, i) =>
    [...model].sort(([a], [b]) => a - b).map(([slot, { price, object }]) => [SYMBOLS[i], slot, price, object]),
  );
}

async function rowsOf(world: SmallStore): Promise<readonly (readonly unknown[])[]> {
  const rows = await world.rows("select symbol, epoch_ms(ts) // 60000, open, object_no from market_data order by ts");
  return SYMBOLS.flatMap((symbol) => rows.filter((row) => row[0] === symbol));
}

function put(world: SmallStore, { symbol, from, to, bars }: Asked): Promise<ObjectRecord> {
  const records = bars.map(({ slot, price, kind }) => ({
    t: kind === "text" ? String(slot * MINUTE) : kind === "off-grid" ? slot * MINUTE + 1 : slot * MINUTE,
    o: price,
    h: kind === "bad" ? 0.5 : 9,
    l: 0.7,
    c: 2,
  }));
  return world.put(series[symbol] as Series, { window: { start: minute(from), end: minute(to) }, records });
}

function minute(n: number): Instant {
  return instant(n * MINUTE);
}

function small(): Promise<SmallStore> {
  return smallStore({ dataset: marketData, shape: polygonSource().records, suspects: settings.suspects });
}

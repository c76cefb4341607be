import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvPipeline } from "../../pipelines/ohlcv/ohlcv.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const settings = ohlcvSettings.parse({});
const pipeline = ohlcvPipeline(settings);
const entry = pipeline.entry("BTC", { assetClass: "crypto", timeframes: ["1m"] });
const [btc] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
if (!btc) throw new Error("unreachable: one timeframe is asked");

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

/** Replies in ingest order, each with whether a publication ends after it. */
const anyHistory = fc.array(fc.tuple(anyReply, fc.boolean()), { minLength: 1, maxLength: 7 });

interface Stored {
  readonly price: number;
  readonly object: number;
}

describe("the stored rows", () => {
  it("are the fold of all answers in ingest order, however they are grouped into publications", async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        await using world = await small();
        let model: ReadonlyMap<number, Stored> = new Map();
        let group = [];
        for (const [i, [reply, ends]] of history.entries()) {
          group.push(await put(world, reply));
          model = fold(model, reply, i + 1);
          if (!ends && i < history.length - 1) continue;
          const { counts } = await world.publish(group);
          const { received, inserted, updated, unchanged, duplicate, quarantined } = counts;
          expect(received).toBe(group.reduce((n, object) => n + object.rows, 0));
          expect(inserted + updated + unchanged + duplicate + quarantined).toBe(received);
          group = [];
          expect(await rowsOf(world)).toEqual(asRows(model));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("have the same values when publications come in another order than the answers", async () => {
    const soundReply = anyReply.map((reply) => ({
      ...reply,
      bars: reply.bars
        .filter((bar) => bar.slot >= reply.from && bar.slot < reply.to)
        .map((bar) => ({ ...bar, kind: "sound" as const })),
    }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(soundReply, { minLength: 2, maxLength: 5 }).chain((replies) =>
          fc.tuple(
            fc.constant(replies),
            fc.shuffledSubarray(
              replies.map((_, i) => i),
              { minLength: replies.length },
            ),
          ),
        ),
        async ([replies, order]) => {
          await using world = await small();
          const objects = [];
          for (const reply of replies) objects.push(await put(world, reply));
          for (const i of order) {
            const object = objects[i];
            if (object) await world.publish([object]);
          }
          const model = replies.reduce(
            (rows, reply, i) => fold(rows, reply, i + 1),
            new Map<number, Stored>() as ReadonlyMap<number, Stored>,
          );
          const withoutObject = (rows: readonly (readonly unknown[])[]) => rows.map(([slot, price]) => [slot, price]);
          expect(withoutObject(await rowsOf(world))).toEqual(withoutObject(asRows(model)));
        },
      ),
      { numRuns: 25 },
    );
  });
});

/** What one more answer makes of the rows: the rule of the store, row by row. */
function fold(rows: ReadonlyMap<number, Stored>, reply: Reply, object: number): ReadonlyMap<number, Stored> {
  const sound = reply.bars.filter((bar) => bar.kind === "sound");
  if (reply.bars.length - sound.length > marketData.production.errorThreshold * reply.bars.length) return rows;
  const after = new Map(rows);
  const complete = reply.bars.every((bar) => bar.kind === "sound" || bar.kind === "bad");
  for (let slot = reply.from; slot < reply.to; slot++) {
    if (complete && !reply.bars.some((bar) => bar.slot === slot)) after.delete(slot);
  }
  const last = new Map(sound.map((bar) => [bar.slot, bar.price]));
  for (const [slot, price] of last) if (after.get(slot)?.price !== price) after.set(slot, { price, object });
  return after;
}

function asRows(model: ReadonlyMap<number, Stored>): readonly (readonly unknown[])[] {
  return [...model].sort(([a], [b]) => a - b).map(([slot, { price, object }]) => [slot, price, object]);
}

async function rowsOf(world: SmallStore): Promise<readonly (readonly unknown[])[]> {
  return world.rows("select epoch_ms(ts) // 60000, open, object_no from market_data order by ts");
}

function put(world: SmallStore, { from, to, bars }: Reply) {
  const records = bars.map(({ slot, price, kind }) => ({
    t: kind === "text" ? String(slot * MINUTE) : kind === "off-grid" ? slot * MINUTE + 1 : slot * MINUTE,
    o: price,
    h: kind === "bad" ? 0.5 : 9,
    l: 0.7,
    c: 2,
  }));
  return world.put(btc as NonNullable<typeof btc>, { window: { start: minute(from), end: minute(to) }, records });
}

function minute(n: number): Instant {
  return instant(n * MINUTE);
}

function small(): Promise<SmallStore> {
  return smallStore({ dataset: marketData, shape: polygonSource().records, suspects: settings.suspects });
}

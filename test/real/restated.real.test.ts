import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type World, world } from "../e2e/kit.ts";
import { newYorkToUtc } from "./new-york.ts";
import { dailyProvider, type Prices, type Revision, readPrices, readRevisions, type Serves } from "./pystock.ts";
import { nyseSessions } from "./sessions.ts";

// Prices that were collected twice with different values, served in the order in which they were collected.

const root = process.env.RETROFILL_DATA ?? "";
const LONG_MS = 900_000;
const FIRST = "2015-03-20";

const names = ["open", "high", "low", "close", "volume"] as const;
const differ = (a: Prices, b: Prices): boolean => names.some((name) => a[name] !== b[name]);
const isPossible = ({ open, high, low, close }: Prices): boolean =>
  low > 0 && high >= Math.max(open, close) && low <= Math.min(open, close);
const placeOf = (symbol: string, date: string): string => `${symbol} ${date}`;

/** A project that asks for days of `symbols`; its provider's script comes later. */
function project(symbols: readonly string[], now: string, adjusted: boolean): Promise<World> {
  return world([{ symbol: "NOBODY", timeframe: "1d", candles: [[Date.parse(now), 1, 1, 1, 1, 1]] }], {
    now,
    symbols: Object.fromEntries(symbols.map((symbol) => [symbol, "--timeframes 1d"])),
    source: { adjusted },
    ohlcv: { since: { "1d": FIRST }, repairRounds: 0, adjust: [], concurrency: 4 },
  });
}

describe.runIf(root !== "")("everything collected first, then everything collected last (pystock-daily)", () => {
  const before = new Map<string, Prices>();
  let dates: readonly string[] = [];
  let prices: Awaited<ReturnType<typeof readPrices>>;
  let revisions: readonly Revision[];
  let at: World;
  // biome-ignore lint/suspicious/noExplicitAny: documents of the command line
  let again: any;

  beforeAll(async () => {
    revisions = await readRevisions(root);
    prices = await readPrices(root, [2015, 2016, 2017]);
    // Three rows were collected three times: the first values count.
    for (const { symbol, date, before: old } of revisions) {
      if (!before.has(placeOf(symbol, date))) before.set(placeOf(symbol, date), old);
    }
    dates = nyseSessions(root)
      .map(({ date }) => date)
      .filter((date) => date >= FIRST && date <= "2017-03-31");
    const symbols = [...prices.keys()];
    at = await project(symbols, "2017-04-02T06:00:00Z", false);
    const last = (symbol: string, date: string): Prices | undefined => prices.get(symbol)?.get(date);
    const first = (symbol: string, date: string): Prices | undefined =>
      before.get(placeOf(symbol, date)) ?? last(symbol, date);
    at.script(dailyProvider(symbols, { serves: first, adjusted: false }));
    const filled = await at.json("run", "ohlcv.market_data");
    if (filled.json.rows === undefined) throw new Error(filled.err);
    at.script(dailyProvider(symbols, { serves: last, adjusted: false }));
    again = (await at.json("run", "ohlcv.market_data", "--again")).json;
  }, LONG_MS);
  afterAll(async () => await at?.[Symbol.asyncDispose]());

  /** Rows whose stored values the second collection changes: on a session, and both possible. */
  const restated = (): readonly string[] => {
    const sessions = new Set(dates);
    return [...before].flatMap(([place, old]) => {
      const [symbol = "", date = ""] = place.split(" ");
      const now = prices.get(symbol)?.get(date);
      return now && sessions.has(date) && isPossible(old) && isPossible(now) && differ(old, now) ? [place] : [];
    });
  };

  it("asks by days, since a day of all shares is one call", () => {
    expect(again.calls.made).toBe(dates.length);
  });

  it("restates exactly the rows that were collected twice with other values", () => {
    const expected = restated().length;
    console.log(
      `${revisions.length} revisions, ${expected} of them change a stored row; received ${again.rows.received}`,
    );
    expect(expected).toBeGreaterThan(29_000);
    // A bar whose first prices could not be was kept out, and comes in with its later ones.
    const mended = [...before].filter(([place, old]) => {
      const [symbol = "", date = ""] = place.split(" ");
      const now = prices.get(symbol)?.get(date);
      return now !== undefined && dates.includes(date) && !isPossible(old) && isPossible(now);
    });
    expect(again.rows).toMatchObject({ updated: expected, retracted: 0, inserted: mended.length });
    expect(again.restated).toBe(expected);
  });

  it("keeps each of them as it was, and has them as they were collected last", async () => {
    const { json } = await at.json(
      "sql",
      `select h.symbol, epoch_ms(h.ts) as t, h.open, h.high, h.low, h.close, h.volume, m.close as close_now, m.volume as volume_now
       from market_data__history h join market_data m using (symbol, timeframe, ts) where h.change = 'updated'`,
    );
    const places = new Map(dates.map((date) => [newYorkToUtc(date, "00:00"), date]));
    const found = new Map<string, Prices>();
    for (const row of json.rows) {
      const place = placeOf(row.symbol, places.get(Number(row.t)) ?? "");
      found.set(place, row);
      const now = prices.get(row.symbol)?.get(place.split(" ")[1] ?? "");
      expect([place, row.close_now, row.volume_now]).toEqual([place, now?.close, now?.volume]);
    }
    expect(found.size).toBe(json.rows.length);
    expect([...found.keys()].sort()).toEqual([...restated()].sort());
    const wrong = [...found].filter(([place, row]) => differ(row, before.get(place) as Prices));
    expect(wrong).toEqual([]);
  });

  it("takes none of these corrections for a split", () => {
    // Late volumes, and closes of single days that came from another company for a day.
    expect(again.proposed).toEqual([]);
  });
});

describe.runIf(root !== "")("night after night from an adjusting source (pystock-daily, summer of 2015)", () => {
  const PERIOD = ["2015-06-01", "2015-08-31"] as const;
  /** Smaller ones are ordinary dividends: the source of this test does not take those off its past. */
  const MIN_ADJUSTMENT = 0.02;
  const LOOKBACK_MS = 7 * 86_400_000;

  it(
    "restates what was collected again, and proposes the rest of each history whose basis moved",
    async () => {
      const all = await readRevisions(root);
      const prices = await readPrices(root, [2015]);
      const sessions = nyseSessions(root)
        .map(({ date }) => date)
        .filter((date) => date >= FIRST && date <= PERIOD[1]);
      const nights = sessions.filter((date) => date >= PERIOD[0]);
      const moves = all.filter(
        ({ symbol, collectedOn, adjustment, before, after, date }) =>
          collectedOn >= PERIOD[0] &&
          collectedOn <= PERIOD[1] &&
          Math.abs(adjustment - 1) > MIN_ADJUSTMENT &&
          // The close itself is as it was: it is the basis that moved, not a mistake that was put right.
          before.close === after.close &&
          nights.includes(collectedOn) &&
          sessions.filter((one) => one <= date && prices.get(symbol)?.has(one)).length >= 30,
      );
      const symbols = [...new Set(moves.map(({ symbol }) => symbol))].sort();
      expect(symbols.length).toBeGreaterThan(30);
      const revisions = all.filter(({ symbol }) => symbols.includes(symbol));

      /** What the provider serves on the night of a day: values known by then, on the basis of then. */
      const servedOn = (night: string): Serves => {
        const known = new Map<string, Prices>();
        for (const { symbol, date, collectedOn, before, after } of revisions) {
          const place = placeOf(symbol, date);
          if (collectedOn <= night) known.set(place, after);
          else if (!known.has(place)) known.set(place, before);
        }
        const basis = moves.filter(({ collectedOn }) => collectedOn <= night);
        return (symbol, date) => {
          const raw = date > night ? undefined : (known.get(placeOf(symbol, date)) ?? prices.get(symbol)?.get(date));
          if (!raw) return undefined;
          const factor = basis
            .filter((one) => one.symbol === symbol && date <= one.date)
            .reduce((product, { adjustment }) => product * adjustment, 1);
          const price = (value: number): number => Math.round(value * factor * 1e4) / 1e4;
          return { ...raw, open: price(raw.open), high: price(raw.high), low: price(raw.low), close: price(raw.close) };
        };
      };
      const nightOf = (date: string): string => {
        const next = new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
        return `${next}T06:00:00Z`;
      };

      const start = sessions[sessions.indexOf(nights[0] ?? "") - 1] ?? "";
      await using at = await project(symbols, nightOf(start), true);
      /** What is stored, by the test's own account. */
      const stored = new Map<string, Prices>();
      const take = (asked: readonly string[], serves: Serves, of: readonly string[] = symbols): number => {
        let restated = 0;
        for (const symbol of of) {
          for (const date of asked) {
            const fresh = serves(symbol, date);
            if (!fresh || !isPossible(fresh)) continue;
            const old = stored.get(placeOf(symbol, date));
            if (old && differ(old, fresh)) restated++;
            stored.set(placeOf(symbol, date), fresh);
          }
        }
        return restated;
      };
      at.script(dailyProvider(symbols, { serves: servedOn(start), adjusted: true }));
      await at.json("run", "ohlcv.market_data", "--mode", "incremental", "--override-state", "--reason", "begin");
      take(
        sessions.filter((date) => date <= start),
        servedOn(start),
      );

      const figures = { nights: 0, restated: 0, proposed: 0, applied: 0 };
      let watermark = Date.parse(nightOf(start));
      for (const night of nights) {
        const serves = servedOn(night);
        at.script(dailyProvider(symbols, { serves, adjusted: true }));
        await at.configure({ now: nightOf(night) });
        const { json: run } = await at.json(
          "run",
          "ohlcv.market_data",
          "--mode",
          "incremental",
          "--override-state",
          "--reason",
          "night",
        );
        const asked = sessions.filter(
          (date) => date <= night && newYorkToUtc(date, "00:00") >= watermark - LOOKBACK_MS,
        );
        const expected = take(asked, serves);
        watermark = Date.parse(nightOf(night));
        expect([night, run.rows.updated, run.rows.retracted]).toEqual([night, expected, 0]);

        const moved = [
          ...new Set(moves.filter(({ collectedOn }) => collectedOn === night).map(({ symbol }) => symbol)),
        ];
        const proposed = run.proposed.map(({ reason }: { reason: string }) => reason.split(" ")[0]);
        expect([night, ...proposed.sort()]).toEqual([night, ...moved.sort()]);
        figures.nights++;
        figures.restated += run.rows.updated;
        figures.proposed += proposed.length;
        let applied = 0;
        for (const { plan_id } of run.proposed) applied += (await at.json("apply", plan_id)).json.rows.updated;
        // The rest of each moved history, by the test's account.
        expect([night, applied]).toEqual([
          night,
          take(
            sessions.filter((date) => date <= night),
            serves,
            moved,
          ),
        ]);
        figures.applied += applied;
      }
      console.log(JSON.stringify({ symbols: symbols.length, moves: moves.length, ...figures }));

      const { json } = await at.json(
        "sql",
        "select symbol, epoch_ms(ts) as t, open, high, low, close, volume from market_data where timeframe = '1d'",
      );
      const places = new Map(sessions.map((date) => [newYorkToUtc(date, "00:00"), date]));
      const rows = new Map<string, Prices>(
        json.rows.map((row: Prices & { symbol: string; t: unknown }) => [
          placeOf(row.symbol, places.get(Number(row.t)) ?? ""),
          row,
        ]),
      );
      expect(rows.size).toBe(stored.size);
      expect([...stored].filter(([place, row]) => differ(row, rows.get(place) as Prices))).toEqual([]);
      expect((await at.json("audit", "verify")).exit).toBe(0);
    },
    LONG_MS,
  );
});

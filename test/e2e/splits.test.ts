import { describe, expect, it } from "vitest";
import { HOUR } from "../../src/core/time/instant.ts";
import { barsFrom, dailyBars, type Ended, type World, weekdays, world } from "./kit.ts";

// A source that adjusts its whole history on the day of a split: what was received before is on the old basis.

const DATES = weekdays("2025-09-02", "2025-11-28").filter((date) => date !== "2025-11-27");
const SPLIT = "2025-11-17";
/** New York is four hours behind until 2 November, five after. */
const opens = DATES.map((date) => `${date}T${date < "2025-11-02" ? "13" : "14"}:00:00Z`);
const BEFORE = "2025-11-15T06:00:00Z";
const AFTER = "2025-11-18T06:00:00Z";

/** Nightly work: candles, and events where the source has them. */
const nightly = (at: World, events: boolean): Promise<Ended> =>
  at.json("run", events ? "ohlcv+,ohlcv.stock_splits" : "ohlcv+", "--mode", "incremental");

async function splitWorld(knowsEvents: boolean): Promise<World> {
  const at = await world(
    [
      { symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES), builds: ["1d", "1w"] },
      { symbol: "AAPL", timeframe: "1h", candles: barsFrom(opens, 7, HOUR), builds: ["1h"] },
      { symbol: "MSFT", timeframe: "1d", candles: dailyBars(DATES) },
    ],
    {
      now: BEFORE,
      symbols: { AAPL: "--timeframes 1h,1d,1w", MSFT: "--timeframes 1d" },
      events: { AAPL: { splits: [{ executionDate: SPLIT, from: 1, to: 4 }] }, MSFT: { splits: [] } },
      source: { adjusted: true },
      ohlcv: {
        since: { "1h": "2025-09-02", "1d": "2025-09-02", "1w": "2025-09-07" },
        ...(knowsEvents ? { eventsSince: "2025-09-02" } : {}),
      },
      ...(knowsEvents ? {} : { sandbox: { polygon: { refuses: { splits: "not-found" } } } }),
    },
  );
  expect((await nightly(at, knowsEvents)).exit).toBe(0);
  return at;
}

async function moveTo(at: World, now: string): Promise<void> {
  at.sandbox.setNow(Date.parse(now));
  await at.configure({ now });
}

interface Said {
  readonly kind: string;
  readonly rule: string;
  readonly dedupeKey: string;
}

interface Close {
  readonly timeframe: string;
  readonly t: number;
  readonly close: number;
}

async function closes(at: World, symbol: string): Promise<readonly Close[]> {
  const { json } = await at.json(
    "sql",
    `select timeframe, epoch_ms(ts) as t, close from market_data where symbol = '${symbol}' order by timeframe, ts`,
  );
  return json.rows.map((row: Close) => ({ ...row, t: Number(row.t) }));
}

describe.each([
  ["that is announced as an event", true],
  ["that nobody announces", false],
])("a split %s", (_, knowsEvents) => {
  it("is proposed with its price, restated when applied, and not proposed again", async () => {
    await using at = await splitWorld(knowsEvents);
    const old = await closes(at, "AAPL");
    const other = await closes(at, "MSFT");
    await moveTo(at, AFTER);
    const night = await nightly(at, knowsEvents);
    // What came back on another basis was not late.
    expect([night.exit, night.json.late]).toEqual([0, []]);

    // Seven days of days, a day of hours and four weeks were asked again and are on the new basis already.
    const seen = await closes(at, "AAPL");
    const place = ({ timeframe, t }: Close): string => `${timeframe} ${t}`;
    const before = new Map(old.map((row) => [place(row), row.close]));
    const stale = seen.filter((row) => row.close === before.get(place(row)));
    const fresh = seen.filter((row) => before.has(place(row)) && row.close !== before.get(place(row)));
    expect(fresh.length).toBeGreaterThan(0);
    expect(night.json.rows.updated).toBeGreaterThanOrEqual(fresh.length);

    expect(night.json.proposed).toHaveLength(1);
    const [proposal] = night.json.proposed;
    expect(proposal.reason).toContain("AAPL 1d 1h 1w");
    expect(proposal.reason).toContain(knowsEvents ? "split 4" : "multiplied by 0.25");
    // One question for days, one for weeks, and hours by the fifty thousand minutes that a page holds.
    expect(proposal.calls).toBe(4);
    expect(proposal.slots).toBeGreaterThanOrEqual(stale.length);

    // The next night finds the same proposal open and makes no second one.
    const again = await nightly(at, knowsEvents);
    expect(again.json.proposed.map((one: { plan_id: string }) => one.plan_id)).toEqual([proposal.plan_id]);

    const applied = await at.json("apply", proposal.plan_id);
    expect([applied.exit, applied.json.status, applied.json.proposed]).toEqual([0, "succeeded", []]);
    expect(applied.json.calls.made).toBe(proposal.calls);
    const stage = applied.json.stages.find((one: { dataset: string }) => one.dataset === "ohlcv.market_data");
    expect(stage.rows).toMatchObject({ updated: stale.length, inserted: 0, retracted: 0 });

    const restated = await closes(at, "AAPL");
    for (const row of restated.filter((one) => before.has(place(one)))) {
      expect([place(row), row.close]).toEqual([place(row), (before.get(place(row)) as number) / 4]);
    }
    // Bars of the split's day and after it were never on another basis; nor was the other symbol.
    expect(await closes(at, "MSFT")).toEqual([...other, ...(await closes(at, "MSFT")).slice(other.length)]);

    // What stood there is kept, and the run as it was before it can be read.
    const { json: history } = await at.json(
      "sql",
      "select count(*) as n, min(m.close / h.close) as low, max(m.close / h.close) as high from market_data__history h join market_data m using (symbol, timeframe, ts) where h.change = 'updated'",
    );
    expect(history.rows[0]).toMatchObject({ low: 0.25, high: 0.25 });
    expect(Number(history.rows[0].n)).toBe(stale.length + fresh.length);

    const after = await nightly(at, knowsEvents);
    expect([after.exit, after.json.proposed, after.json.rows.updated]).toEqual([0, [], 0]);
    expect((await at.json("audit", "verify")).exit).toBe(0);
    const { json: said } = await at.json("alerts", "list", "--all");
    const ofSplits = said.filter((one: Said) => one.rule === "restated");
    expect(ofSplits.map((one: Said) => `${one.kind} ${one.dedupeKey}`).sort()).toEqual([
      "raised restated:ohlcv.market_data:AAPL",
      "resolved restated:ohlcv.market_data:AAPL",
    ]);
  });

  it("makes slots look busy only until it is restated", async () => {
    await using at = await splitWorld(knowsEvents);
    await moveTo(at, AFTER);
    const night = await nightly(at, knowsEvents);
    const busy = async (): Promise<readonly string[]> => {
      const { json } = await at.json("alerts", "list");
      return json.flatMap((one: Said) => (one.rule === "volume" ? [one.dedupeKey] : [])).sort();
    };
    // Days and the week before the split were asked again: four times the shares of those before them.
    const slots = ["09", "11", "12", "13", "14"].map((day) => `volume:ohlcv.market_data:2025-11-${day}T05:00:00Z:peak`);
    expect(await busy()).toEqual(slots);
    // A run of another symbol says nothing about them.
    expect((await at.json("run", "ohlcv", "--symbols", "MSFT", "--days", "3", "--again")).exit).toBe(0);
    expect(await busy()).toEqual(slots);
    expect((await at.json("apply", night.json.proposed[0].plan_id)).exit).toBe(0);
    expect(await busy()).toEqual([]);
  });

  it("shows what the restatement did, and makes features anew", async () => {
    await using at = await splitWorld(knowsEvents);
    await moveTo(at, AFTER);
    const night = await nightly(at, knowsEvents);
    const applied = await at.json("apply", night.json.proposed[0].plan_id);
    const changes = await at.json("runs", "show", applied.json.run_id, "--changes");
    expect(changes.exit).toBe(0);
    const days = changes.json.changes.find(
      (one: { dataset: string; key: string }) => one.dataset === "ohlcv.market_data" && one.key === "AAPL/1d",
    );
    // From 2 September to the Friday that the night's lookback did not reach.
    expect(days).toMatchObject({
      updated: weekdays("2025-09-02", "2025-11-07").length,
      retracted: 0,
      first: "2025-09-02T04:00:00Z",
      last: "2025-11-07T05:00:00Z",
      measure: "close",
      ratio: { median: 0.25, min: 0.25, max: 0.25 },
    });
    expect(days.examples[0]).toEqual({ slot: "2025-09-02T04:00:00Z", before: 101, after: 25.25 });
    const printed = await at.cli("runs", "show", applied.json.run_id, "--changes");
    expect(printed.out).toMatch(/AAPL\/1d .*close x 0\.25/);
    expect(printed.out).toContain("close 101 → 25.25");

    const stage = applied.json.stages.find((one: { dataset: string }) => one.dataset === "ohlcv.market_data_v2");
    expect(stage.rows.updated).toBeGreaterThan(0);
    const { json: features } = await at.json(
      "sql",
      "select count(*) as n, count(*) filter (where f.close <> m.close) as other from market_data_v2 f join market_data m using (symbol, timeframe, ts)",
    );
    expect(Number(features.rows[0].n)).toBeGreaterThan(100);
    expect(Number(features.rows[0].other)).toBe(0);
    // Made anew from bronze alone, nothing differs: no feature was left on the old basis.
    const rebuilt = await at.json("reprocess", "ohlcv", "--reason", "as a check");
    expect([rebuilt.exit, rebuilt.json.rows.inserted, rebuilt.json.rows.updated, rebuilt.json.rows.retracted]).toEqual([
      0, 0, 0, 0,
    ]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { type AssetClass, ohlcvSettings, type Timeframe } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const shape = polygonSource().records;
type Settings = Readonly<Record<string, unknown>>;

let world: SmallStore;
beforeAll(async () => {
  world = await smallStore({ dataset: marketData, shape, suspects: ohlcvSettings.parse({}).suspects });
});
afterAll(() => world[Symbol.asyncDispose]());

interface Case {
  readonly about: string;
  readonly market: AssetClass;
  readonly timeframe: Timeframe;
  readonly settings?: Settings;
  /** What differs from the usual stock market. */
  readonly stock?: object;
  /** The provider's stamps, and the slot's start that each stands for; null where it is off the grid. */
  readonly stamps: Readonly<Record<string, string | null>>;
}

// New York: UTC-5 in winter, UTC-4 in summer; clocks went forward on 2024-03-10 and back on 2024-11-03.
const cases: readonly Case[] = [
  {
    about: "minutes",
    market: "stock",
    timeframe: "1m",
    stamps: same("2024-07-03T16:59:00Z", { "2024-07-03T16:59:30Z": null }),
  },
  {
    about: "5 minutes",
    market: "stock",
    timeframe: "5m",
    stamps: same("2024-03-08T14:35:00Z", { "2024-03-08T14:36:00Z": null }),
  },
  {
    about: "15 minutes",
    market: "fx",
    timeframe: "15m",
    stamps: same("2024-03-10T21:15:00Z", { "2024-03-10T21:20:00Z": null }),
  },
  {
    about: "30 minutes",
    market: "crypto",
    timeframe: "30m",
    stamps: same("2024-02-29T23:30:00Z", { "2024-02-29T23:45:00Z": null }),
  },
  {
    about: "hours on the hour, the first of a session at 09:00",
    market: "stock",
    timeframe: "1h",
    stamps: same("2024-01-16T14:00:00Z", { "2024-01-16T14:30:00Z": null }),
  },
  {
    about: "4 hours from local midnight, 3 hours where clocks go forward and 5 where they go back",
    market: "stock",
    timeframe: "4h",
    stamps: {
      ...same("2024-01-16T13:00:00Z"),
      ...same("2024-07-16T12:00:00Z"),
      ...same("2024-03-10T05:00:00Z"),
      ...same("2024-03-10T08:00:00Z"),
      "2024-03-10T09:00:00Z": null,
      ...same("2024-11-03T04:00:00Z"),
      ...same("2024-11-03T09:00:00Z"),
      "2024-11-03T08:00:00Z": null,
    },
  },
  {
    about: "4 hours from midnight UTC",
    market: "stock",
    timeframe: "4h",
    settings: { fourHourAnchor: "utc" },
    stamps: same("2024-03-10T08:00:00Z", { "2024-03-10T09:00:00Z": null }),
  },
  {
    about: "4 hours of FX",
    market: "fx",
    timeframe: "4h",
    stamps: same("2024-03-10T20:00:00Z", { "2024-03-10T21:00:00Z": null }),
  },
  {
    about: "4 hours of crypto",
    market: "crypto",
    timeframe: "4h",
    stamps: same("2024-03-10T20:00:00Z", { "2024-03-10T21:00:00Z": null }),
  },
  {
    about: "days at local midnight, 23 and 25 hours long around clock changes",
    market: "stock",
    timeframe: "1d",
    stamps: {
      ...same("2024-03-08T05:00:00Z"),
      ...same("2024-03-11T04:00:00Z"),
      "2024-03-11T05:00:00Z": null,
      ...same("2024-11-04T05:00:00Z"),
      ...same("2024-11-29T05:00:00Z"),
    },
  },
  {
    about: "days stamped at midnight UTC, slots at local midnight",
    market: "stock",
    timeframe: "1d",
    stock: { stampZone: "UTC" },
    stamps: {
      "2024-03-08T00:00:00Z": "2024-03-08T05:00:00Z",
      "2024-03-11T00:00:00Z": "2024-03-11T04:00:00Z",
      "2024-03-11T04:00:00Z": null,
    },
  },
  {
    about: "days stamped at their end, on clocks of another zone",
    market: "stock",
    timeframe: "1d",
    stock: { stampZone: "UTC", stampAt: "end" },
    stamps: { "2024-03-09T00:00:00Z": "2024-03-08T05:00:00Z", "2024-03-12T00:00:00Z": "2024-03-11T04:00:00Z" },
  },
  {
    about: "minutes stamped at their end; a zone for dates does not move them",
    market: "stock",
    timeframe: "1m",
    stock: { stampZone: "UTC", stampAt: "end" },
    stamps: { "2024-07-03T17:00:00Z": "2024-07-03T16:59:00Z" },
  },
  {
    about: "4 hours stamped at their end, over a clock change",
    market: "stock",
    timeframe: "4h",
    stock: { stampAt: "end" },
    stamps: { "2024-03-10T08:00:00Z": "2024-03-10T05:00:00Z", "2024-11-03T09:00:00Z": "2024-11-03T04:00:00Z" },
  },
  {
    about: "weeks from Sunday, local midnight",
    market: "stock",
    timeframe: "1w",
    stamps: {
      ...same("2024-03-10T05:00:00Z"),
      ...same("2024-03-17T04:00:00Z"),
      "2024-03-11T04:00:00Z": null,
    },
  },
  {
    about: "weeks of crypto",
    market: "crypto",
    timeframe: "1w",
    stamps: same("2024-03-10T00:00:00Z", { "2024-03-11T00:00:00Z": null }),
  },
  {
    about: "days of FX",
    market: "fx",
    timeframe: "1d",
    stamps: same("2024-03-11T04:00:00Z", { "2024-03-11T00:00:00Z": null }),
  },
  {
    about: "hours of a zone whose offset moved by half an hour",
    market: "stock",
    timeframe: "1h",
    stock: { calendar: "24x7", zone: "America/Caracas" },
    // UTC-4 until 2007-12-09, then UTC-4:30.
    stamps: { ...same("2007-12-08T12:00:00Z"), ...same("2007-12-10T12:30:00Z"), "2007-12-10T12:00:00Z": null },
  },
];

describe("a stamp stands for a slot", () => {
  it.each(cases.map((one, i) => ({ ...one, i })))("$timeframe $market: $about", async ({ i, ...one }) => {
    const series = seriesOf(`S${i}`, one.market, one.timeframe, { ...one.settings, ...stockMarket(one.stock) });
    const stamps = Object.keys(one.stamps);
    const at = stamps.map((stamp) => Date.parse(stamp));
    const bars = at.map((t) => ({ t, o: 1, h: 1, l: 1, c: 1 }));
    const window = { start: instant(Math.min(...at)), end: instant(Math.max(...at) + 1) };
    const lenient = await world.put(series, { window, records: bars, strict: false });
    const strict = await world.put(series, { window, records: bars });
    // Half of the stamps may be off the grid here, on purpose.
    for (const object of [lenient, strict]) {
      await world.publish([object]);
      const stored = await world.rows(
        `select epoch_ms(source_ts), epoch_ms(ts) from market_data where symbol = 'S${i}' order by 1`,
      );
      const expected = stamps
        .filter((stamp) => one.stamps[stamp] !== null)
        .map((stamp) => [Date.parse(stamp), Date.parse(one.stamps[stamp] as string)]);
      expect(stored).toEqual(expected.sort((a, b) => (a[0] as number) - (b[0] as number)));
    }
    const off = await world.rows(`select count(*) from quarantine where series like 'S${i}/%' and reason = 'off_grid'`);
    expect(off).toEqual([[2 * stamps.filter((stamp) => one.stamps[stamp] === null).length]]);
  });
});

describe("a slot is finished at its end, whatever its length", () => {
  it.each([
    ["4h", "2024-03-10T05:00:00Z", "2024-03-10T08:00:00Z"],
    ["4h", "2024-11-03T04:00:00Z", "2024-11-03T09:00:00Z"],
    ["1d", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"],
    ["1d", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"],
    ["1w", "2024-03-10T05:00:00Z", "2024-03-17T04:00:00Z"],
    ["1m", "2024-03-08T14:30:00Z", "2024-03-08T14:31:00Z"],
  ] as const)("%s from %s to %s", async (timeframe, from, to) => {
    const [start, end] = [Date.parse(from), Date.parse(to)];
    const series = seriesOf(`F${start}`, "stock", timeframe);
    const record = { t: start, o: 1, h: 1, l: 1, c: 1 };
    const window = { start: instant(start), end: instant(end) };
    const early = await world.publish([await world.put(series, { window, records: [record], now: end - 1 })]);
    expect(early.quarantinedBy).toEqual({ unfinished: 1 });
    const done = await world.publish([await world.put(series, { window, records: [record], now: end })]);
    expect(done.counts.inserted).toBe(1);
  });
});

describe("dense holes", () => {
  it("are the due days without a row, over weekends, holidays and half days", async () => {
    const series = seriesOf("HOLES", "stock", "1d");
    const days = ["2024-07-01", "2024-07-02", "2024-07-05", "2024-07-09"].map((day) => Date.parse(`${day}T04:00:00Z`));
    const records = days.map((t) => ({ t, o: 1, h: 1, l: 1, c: 1 }));
    const window = {
      start: instant(Date.parse("2024-07-01T04:00:00Z")),
      end: instant(Date.parse("2024-07-13T04:00:00Z")),
    };
    const receipt = await world.publish([await world.put(series, { window, records })]);
    // Closed on July 4; July 3 was a half day, which is due.
    expect(receipt.findings["HOLES/1d"]?.holes.map(shown)).toEqual([
      "2024-07-03T04:00:00Z 2024-07-04T04:00:00Z",
      "2024-07-08T04:00:00Z 2024-07-09T04:00:00Z",
      "2024-07-10T04:00:00Z 2024-07-13T04:00:00Z",
    ]);
  });

  it("are whole weeks, and all of what was answered when no row came", async () => {
    const weekly = seriesOf("WEEKS", "stock", "1w");
    const window = {
      start: instant(Date.parse("2024-03-03T05:00:00Z")),
      end: instant(Date.parse("2024-03-31T04:00:00Z")),
    };
    const records = [{ t: Date.parse("2024-03-10T05:00:00Z"), o: 1, h: 1, l: 1, c: 1 }];
    const some = await world.publish([await world.put(weekly, { window, records })]);
    expect(some.findings["WEEKS/1w"]?.holes.map(shown)).toEqual([
      "2024-03-03T05:00:00Z 2024-03-10T05:00:00Z",
      "2024-03-17T04:00:00Z 2024-03-31T04:00:00Z",
    ]);
    const none = await world.publish([await world.put(seriesOf("NONE", "stock", "1w"), { window })]);
    expect(none.findings["NONE/1w"]?.holes).toEqual([window]);
  });

  it("stop where something due was never asked", async () => {
    const series = seriesOf("APART", "stock", "1d");
    const day = (text: string) => instant(Date.parse(`${text}T04:00:00Z`));
    const windows = [
      { start: day("2024-07-08"), end: day("2024-07-10") },
      { start: day("2024-07-11"), end: day("2024-07-13") },
      { start: day("2024-07-15"), end: day("2024-07-16") },
    ];
    const objects = await Promise.all(windows.map((window) => world.put(series, { window })));
    const receipt = await world.publish(objects);
    // Nothing is due between Saturday and Monday, so the last two are one silence.
    expect(receipt.findings["APART/1d"]?.holes).toEqual([
      windows[0],
      { start: day("2024-07-11"), end: day("2024-07-16") },
    ]);
  });
});

describe("the stored slots", () => {
  it("are stretches of neighbouring slots, over clock changes too", async () => {
    const four = seriesOf("STORED", "stock", "4h");
    const minute = seriesOf("STORED", "crypto", "1m");
    const at = [
      "2024-11-03T04:00:00Z",
      "2024-11-03T09:00:00Z",
      "2024-11-03T13:00:00Z",
      "2024-11-03T21:00:00Z",
      "2024-03-10T05:00:00Z",
      "2024-03-10T08:00:00Z",
    ].map((text) => ({ t: Date.parse(text), o: 1, h: 1, l: 1, c: 1 }));
    const minutes = [0, 1, 2, 63, 64, 65, 66, 130, 131, 133].map((n) => ({ t: n * 60_000, o: 1, h: 1, l: 1, c: 1 }));
    const window = { start: instant(0), end: instant(60_000) };
    await world.publish([
      await world.put(four, { window, records: at, now: Date.parse("2025-01-01") }),
      await world.put(minute, { window, records: minutes }),
    ]);
    const stored = await world.store.storedSlots(marketData, [four, minute, seriesOf("ABSENT", "stock", "1d")]);
    expect([...stored].map(([key, set]) => [key, set.map(shown)])).toEqual([
      [
        "STORED/4h",
        [
          "2024-03-10T05:00:00Z 2024-03-10T12:00:00Z",
          "2024-11-03T04:00:00Z 2024-11-03T17:00:00Z",
          "2024-11-03T21:00:00Z 2024-11-04T01:00:00Z",
        ],
      ],
      [
        "STORED/1m",
        [
          "1970-01-01T00:00:00Z 1970-01-01T00:03:00Z",
          "1970-01-01T01:03:00Z 1970-01-01T01:07:00Z",
          "1970-01-01T02:10:00Z 1970-01-01T02:12:00Z",
          "1970-01-01T02:13:00Z 1970-01-01T02:14:00Z",
        ],
      ],
      ["ABSENT/1d", []],
    ]);
  });
});

describe("the rows of slots", () => {
  const asked = (starts: readonly number[], series: Series) => ({
    series,
    starts: starts.map(instant),
  });

  it("are counted for those that hold any, each series by itself", async () => {
    const minute = seriesOf("COUNTED", "crypto", "1m");
    const other = seriesOf("OTHER", "crypto", "1m");
    const records = [0, 1, 4].map((n) => ({ t: n * 60_000, o: 1, h: 1, l: 1, c: 1 }));
    const window = { start: instant(0), end: instant(300_000) };
    await world.publish([
      await world.put(minute, { window, records }),
      await world.put(other, { window, records: records.slice(1, 2) }),
    ]);
    const slots = [asked([240_000, 0, 120_000], minute), asked([0, 60_000], other)];
    expect(await world.store.rowsInSlots({ dataset: marketData, slots, waitMs: 0 })).toEqual([
      { key: "COUNTED/1m", start: 240_000, rows: 1 },
      { key: "COUNTED/1m", start: 0, rows: 1 },
      { key: "OTHER/1m", start: 60_000, rows: 1 },
    ]);
  });

  it("are none where nothing was stored yet", async () => {
    expect(
      await world.store.rowsInSlots({
        dataset: marketData,
        slots: [asked([0], seriesOf("NEVER", "crypto", "1m"))],
        waitMs: 0,
      }),
    ).toEqual([]);
  });
});

function stockMarket(stock: object | undefined): Settings {
  const { markets } = ohlcvSettings.parse({});
  return { markets: { ...markets, stock: { ...markets.stock, ...stock } } };
}

function same(stamp: string, more: Readonly<Record<string, null>> = {}): Readonly<Record<string, string | null>> {
  return { [stamp]: stamp, ...more };
}

function shown(span: { start: number; end: number }): string {
  return `${new Date(span.start).toISOString()} ${new Date(span.end).toISOString()}`.replaceAll(".000Z", "Z");
}

function seriesOf(symbol: string, assetClass: AssetClass, timeframe: Timeframe, settings: Settings = {}): Series {
  const pipeline = candlesOnly(ohlcvSettings.parse(settings));
  const entry = pipeline.entry(symbol.toUpperCase(), { assetClass, timeframes: [timeframe] });
  const [series] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

import { describe, expect, it } from "vitest";
import { ALWAYS } from "../../core/calendar/always.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import type { Grain } from "../../core/time/grid.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Answer, FileHolding } from "../../engine/ports.ts";
import { filesSource } from "./files.ts";
import { fileLayout } from "./layout.ts";

const COLUMNS = { t: 0, o: 1, h: 2, l: 3, c: 4 };
const NEW_YORK = "America/New_York";

describe("what files hold of a series", () => {
  it("reaches from the slot of the first stamp to the end of the last one's", () => {
    const source = sourceOf({}, [holding({ first: "2024-03-05T10:00Z", last: "2024-03-05T12:00Z" })]);
    expect(shown(source.held?.(series("1h")) ?? [])).toEqual(["2024-03-05T10:00 2024-03-05T13:00"]);
  });

  it("is a slot earlier where bars are stamped at their end", () => {
    const layout = { time: { at: "end" } };
    const source = sourceOf(layout, [holding({ first: "2024-03-05T10:00Z", last: "2024-03-05T12:00Z" })]);
    expect(shown(source.held?.(series("1h")) ?? [])).toEqual(["2024-03-05T09:00 2024-03-05T12:00"]);
  });

  it("is by date where days are stamped on other clocks than those they are counted on", () => {
    const source = sourceOf({ timeframe: "1d" }, [holding({ first: "2024-03-05T00:00Z", last: "2024-03-11T00:00Z" })]);
    // 2024-03-10: clocks in New York are set forward.
    expect(shown(source.held?.(series("1d", NEW_YORK)) ?? [])).toEqual(["2024-03-05T05:00 2024-03-12T04:00"]);
  });

  it("is the whole day that a name tells, on the clocks of the layout", () => {
    const layout = { pattern: "{symbol}/{date}.csv", time: { zone: NEW_YORK } };
    const named = { symbol: "a", date: "20240310" };
    const source = sourceOf(layout, [holding({ named, first: "2024-03-10T14:30Z", last: "2024-03-10T20:00Z" })]);
    expect(shown(source.held?.(series("1h")) ?? [])).toEqual(["2024-03-10T05:00 2024-03-11T04:00"]);
  });

  it("joins files, and leaves other symbols and timeframes alone", () => {
    const source = sourceOf(
      { pattern: "{symbol}_{timeframe}.csv", timeframe: undefined, timeframes: { hourly: "1h" } },
      [
        holding({
          path: "1",
          named: { symbol: "a", timeframe: "hourly" },
          first: "2024-03-05T10:00Z",
          last: "2024-03-05T11:00Z",
        }),
        holding({
          path: "2",
          named: { symbol: "A", timeframe: "1h" },
          first: "2024-03-05T12:00Z",
          last: "2024-03-05T12:00Z",
        }),
        holding({ path: "3", named: { symbol: "b", timeframe: "1h" } }),
        holding({ path: "4", named: { symbol: "a", timeframe: "1m" } }),
      ],
    );
    expect(shown(source.held?.(series("1h")) ?? [])).toEqual(["2024-03-05T10:00 2024-03-05T13:00"]);
    expect([source.serves(series("1h")), source.serves(series("5m"))]).toEqual([true, false]);
  });

  it("goes by the names that a layout translates", () => {
    const source = sourceOf({ symbols: { "x-old": "A" } }, [holding({ named: { symbol: "x-old" } })]);
    expect(source.serves(series("1h"))).toBe(true);
  });
});

describe("questions to files", () => {
  const two = [
    holding({ path: "one.csv", first: "2024-03-05T00:00Z", last: "2024-03-05T09:00Z" }),
    holding({ path: "two.csv", first: "2024-03-05T05:00Z", last: "2024-03-05T14:00Z" }),
  ];

  it("ask a slot that several files hold of the first of them, and each request finds its file again", () => {
    const source = sourceOf({}, two);
    const windows = source.windows(series("1h"), [hours(2, 20)]);
    expect(shown(windows)).toEqual(["2024-03-05T02:00 2024-03-05T10:00", "2024-03-05T10:00 2024-03-05T15:00"]);
    expect(windows.map((window) => source.request(series("1h"), window).target)).toEqual([
      "file:one.csv",
      "file:two.csv",
    ]);
  });

  it("leave alone what another source has covered between two gaps", () => {
    const source = sourceOf({}, two.slice(0, 1));
    const gaps = [hours(1, 3), hours(6, 8)];
    expect(source.windows(series("1h"), gaps)).toEqual(gaps);
  });

  it("reach over closed time, in which nobody has anything", () => {
    const source = sourceOf({}, two.slice(0, 1));
    const night = { ...ALWAYS, sessions: () => [] };
    const shut = { ...series("1h"), axis: { ...series("1h").axis, calendar: night } };
    expect(source.windows(shut, [hours(1, 3), hours(6, 8)])).toEqual([hours(1, 8)]);
  });

  it("are one a file where nobody else answers", () => {
    const source = sourceOf({}, two.slice(0, 1));
    expect(source.windows({ ...series("1h"), source: "files" }, [hours(1, 3), hours(6, 8)])).toEqual([hours(1, 8)]);
  });

  it("name a symbol as records do", () => {
    const layout = { pattern: "{date}.csv", columns: { ...COLUMNS, symbol: 5 }, symbols: { "brk.b": "BRK-B" } };
    const source = sourceOf(layout, []);
    expect(source.match?.({ ...series("1h"), parts: { symbol: "BRK-B", timeframe: "1h" } })).toBe("BRK.B");
    expect([source.records.key, sourceOf({}, []).match]).toEqual(["symbol", undefined]);
  });
});

describe("what reading a file came to", () => {
  const source = sourceOf({}, []);
  const request = { method: "GET", target: "file:prices/a.csv" } as const;
  const read = (status: number, text = "", headers = {}) =>
    source.classify(series("1h"), request, { status, headers, text, json: null, isJson: false } satisfies Answer);

  it("is its records, as its reader counted them", () => {
    expect(read(200, "a,b", { rows: "17" })).toMatchObject({ kind: "rows", rows: 17, next: null });
  });

  it.each([
    [404, "", "not-found", "prices/a.csv is gone"],
    [409, "", "transient", "prices/a.csv changed while it was read"],
    [
      422,
      "cannot be read: it is no text in UTF-8",
      "bad-request",
      "prices/a.csv cannot be read: it is no text in UTF-8",
    ],
  ])("of %i %s is %s", (status, text, failure, message) => {
    expect(read(status, text)).toMatchObject({ kind: "failure", class: failure, message });
  });
});

function sourceOf(layout: object, holdings: readonly FileHolding[]) {
  const plain = { folder: "prices", pattern: "{symbol}.csv", timeframe: "1h", header: false, columns: COLUMNS };
  return filesSource(fileLayout.parse({ ...plain, ...layout }), () => holdings);
}

function holding(
  given: Partial<Omit<FileHolding, "first" | "last">> & { readonly first?: string; readonly last?: string },
): FileHolding {
  const { first = "2024-03-05T00:00Z", last = first, ...rest } = given;
  return {
    path: "a.csv",
    named: { symbol: "a" },
    key: null,
    rows: 1,
    ...rest,
    first: Date.parse(first),
    last: Date.parse(last),
  };
}

function hours(from: number, to: number): Interval {
  const at = (hour: number) => instant(Date.parse("2024-03-05T00:00Z") + hour * 60 * MINUTE);
  return { start: at(from), end: at(to) };
}

function shown(set: readonly Interval[]): readonly string[] {
  return set.map(({ start, end }) => [start, end].map((at) => new Date(at).toISOString().slice(0, 16)).join(" "));
}

function series(grain: Grain, zone = "UTC"): Series {
  return {
    dataset: "ohlcv.market_data",
    version: 1,
    key: seriesKey(["A", grain]),
    parts: { symbol: "A", timeframe: grain },
    entry: "A",
    axis: {
      grid: { grain, zone },
      calendar: ALWAYS,
      density: "dense",
      settleMs: 0,
      stamp: { zone, at: "start" },
      lifetime: { start: instant(0), end: instant(Date.UTC(2100, 0, 1)) },
      earliest: null,
    },
    since: instant(0),
    source: "polygon",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

import { describe, expect, it } from "vitest";
import { fileLayout, fileLayouts, layoutName } from "./layout.ts";
import { patternReader } from "./pattern.ts";

const COLUMNS = { t: "date", o: "open", h: "high", l: "low", c: "close" };
const PLAIN = { folder: "prices", pattern: "{symbol}.csv", timeframe: "1d", columns: COLUMNS };

describe("a layout", () => {
  it("is taken with everything that has a default left out", () => {
    expect(fileLayout.parse(PLAIN)).toMatchObject({
      delimiter: ",",
      header: true,
      time: { format: "iso", zone: "UTC", at: "start" },
      scale: 1,
    });
  });

  it.each([
    ["an unknown member", { ...PLAIN, patern: "x" }, "", /"patern" \(did you mean pattern\?\)/],
    ["an unknown column", { ...PLAIN, columns: { ...COLUMNS, symbl: "s" } }, "columns", /did you mean symbol\?/],
    ["an unknown member of time", { ...PLAIN, time: { zones: "UTC" } }, "time", /did you mean zone\?/],
    ["an unknown placeholder", { ...PLAIN, pattern: "{symbol}_{dates}.csv" }, "pattern", /did you mean \{date\}\?/],
    ["a placeholder twice", { ...PLAIN, pattern: "{symbol}/{symbol}.csv" }, "pattern", /\{symbol\} stands twice/],
    ["no symbol", { ...PLAIN, pattern: "{date}.csv" }, "pattern", /nothing tells the symbol/],
    ["two symbols", { ...PLAIN, columns: { ...COLUMNS, symbol: "s" } }, "columns.symbol", /tells the symbol already/],
    ["no timeframe", { ...PLAIN, timeframe: undefined }, "timeframe", /nothing tells the timeframe/],
    ["an unknown timeframe", { ...PLAIN, timeframe: "1hour" }, "timeframe", /"1hour" is no timeframe/],
    ["an unknown zone", { ...PLAIN, time: { zone: "Mars" } }, "time.zone", /no zone is called "Mars"/],
    [
      "an unknown format",
      { ...PLAIN, time: { format: "epoch_m" } },
      "time.format",
      /did you mean epoch_ms\?|did you mean epoch_s\?/,
    ],
    ["a pattern with an offset", { ...PLAIN, time: { format: "%H:%M %z" } }, "time.format", /"iso"/],
    ["a name without a header", { ...PLAIN, header: false }, "columns.t", /"date" is a name, but/],
    [
      "a place in Parquet",
      { ...PLAIN, pattern: "{symbol}.parquet", columns: { ...COLUMNS, v: 5 } },
      "columns.v",
      /no places/,
    ],
    ["a delimiter of two characters", { ...PLAIN, delimiter: "||" }, "delimiter", /one character/],
    ["a scale of nothing", { ...PLAIN, scale: 0 }, "scale", /.+/],
  ])("tells the place of %s", (_what, layout, path, message) => {
    const { error } = fileLayout.safeParse(layout);
    const issue = error?.issues.find((one) => one.path.join(".") === path);
    expect(issue?.message).toMatch(message);
  });

  it("is named by its folder and pattern, and no two are named alike", () => {
    expect(layoutName({ ...PLAIN, folder: "prices/" })).toBe("prices/{symbol}.csv");
    const { error } = fileLayouts.safeParse([PLAIN, { ...PLAIN, name: "other" }, PLAIN]);
    expect(error?.issues.map(({ path, message }) => [path, message])).toEqual([
      [[2, "name"], '"prices/{symbol}.csv" is the name of files.0 already'],
    ]);
  });
});

describe("a pattern", () => {
  it.each([
    ["{symbol}_{timeframe}.csv.gz", "ADA-USD_1d.csv.gz", { symbol: "ADA-USD", timeframe: "1d" }],
    ["{symbol}_{timeframe}.csv.gz", "ADA-USD_1d.csv", null],
    ["{symbol}_*.csv", "BTCUSD_2013.csv", { symbol: "BTCUSD" }],
    ["{symbol}h1.csv", "USDJPYh1.csv", { symbol: "USDJPY" }],
    ["*/{date}.csv", "us/2024-03-05.csv", { date: "2024-03-05" }],
    ["*/{date}.csv", "us/all/20240305.csv", null],
    ["{date}.csv", "20240305.csv", { date: "20240305" }],
    ["{symbol}.csv", "deep/aapl.csv", null],
    ["a+b ({symbol}).csv", "a+b (x.y).csv", { symbol: "x.y" }],
  ])("%s reads %s", (pattern, path, named) => {
    const found = patternReader(pattern)(path);
    expect(found === null ? null : { ...found }).toEqual(named);
  });
});

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Series, seriesKey } from "../core/dataset/series.ts";
import { instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import { classifyAnswer } from "../engine/fetch/classify.ts";
import type { Source } from "../engine/ports.ts";
import { fmpEarnings } from "./fmp/earnings.ts";
import { polygonDividends } from "./polygon/dividends.ts";
import { polygonGrouped } from "./polygon/grouped.ts";
import { polygonSplits } from "./polygon/splits.ts";

const root = process.env.RETROFILL_DATA ?? "";
const EVER: Interval = { start: instant(Date.UTC(2000, 0, 1)), end: instant(Date.UTC(2100, 0, 1)) };

function read(source: Source, symbol: string, window: Interval, body: unknown) {
  const zone = "America/New_York";
  const series: Series = {
    dataset: "events.any",
    version: 1,
    key: seriesKey([symbol]),
    parts: { symbol },
    entry: symbol,
    axis: {
      grid: { grain: "1d", zone },
      calendar: { name: "none", version: "1", zone, sessions: () => [], known: EVER },
      density: "sparse",
      settleMs: 0,
      stamp: { zone: "UTC", at: "start" },
      lifetime: EVER,
      earliest: null,
    },
    since: EVER.start,
    source: "polygon",
    lookbackMs: 0,
    params: {},
    ask: {},
  };
  const answer = { status: 200, headers: {}, body: Buffer.from(JSON.stringify(body)), receivedAt: instant(0) };
  return classifyAnswer(source, series, source.request(series, window), answer);
}

describe.runIf(root !== "")("recorded answers", () => {
  const recorded = async (file: string) => JSON.parse(await readFile(join(root, "recorded", file), "utf8"));
  const ofTicker = async (file: string, ticker: string) => {
    const body = await recorded(file);
    const results = body.results.filter((row: { ticker: string }) => row.ticker === ticker);
    expect(results.length).toBeGreaterThan(1);
    return { ...body, results };
  };

  it("of dividends are read as they came", async () => {
    const body = await ofTicker("polygon-mocks/v3_reference_dividends.json", "CSSEN");
    const outcome = read(polygonDividends(), "CSSEN", EVER, body);
    expect(outcome).toMatchObject({ kind: "rows", rows: body.results.length, strict: true });
    expect(outcome).toMatchObject({ through: Date.parse("2025-06-13T04:00Z") });
  });

  it("of splits are read as they came", async () => {
    const outcome = read(
      polygonSplits(),
      "SHOP",
      EVER,
      await ofTicker("polygon-mocks/v3_reference_splits.json", "SHOP"),
    );
    expect(outcome).toMatchObject({ kind: "rows", rows: 2, strict: true, through: Date.parse("2022-06-30T04:00Z") });
  });

  it("of a grouped day are read for the date of their stamps", async () => {
    const body = await recorded("polygon-mocks/v2_aggs_grouped_locale_us_market_stocks_2005-04-04_adjusted=true.json");
    const day = { start: instant(Date.parse("2020-10-14T04:00Z")), end: instant(Date.parse("2020-10-15T04:00Z")) };
    const outcome = read(polygonGrouped({ adjusted: true }), "GIK", day, body);
    expect(outcome).toMatchObject({ kind: "rows", rows: 1, strict: true, through: day.end });
  });

  it.each(["AAPL", "MSFT"])("of %s' earnings are read as they came, those to come too", async (symbol) => {
    const body = await recorded(`fmp-stable/earnings-${symbol}.json`);
    expect(read(fmpEarnings(), symbol, EVER, body)).toMatchObject({ kind: "rows", rows: 6, strict: true });
  });
});

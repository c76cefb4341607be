import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CoverageDocument } from "../../src/surfaces/html/document.ts";
import { dailyBars, weekdays, world } from "./kit.ts";

const DATES = weekdays("2025-11-03", "2025-11-20");

describe("the coverage page of a project", () => {
  it("gives for each gap the command that fills it and asks for nothing else", async () => {
    await using at = await world(
      ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d", candles: dailyBars(DATES) })),
      {
        now: "2025-11-21T06:00:00Z",
        symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
        ohlcv: { since: { "1d": "2025-11-03" } },
      },
    );
    await at.cli("run", "ohlcv", "--symbols", "AAPL", "--end", "2025-11-12");
    await at.cli("run", "ohlcv", "--symbols", "MSFT");
    const before = await documentOf(at);
    expect(before.businessNow).toMatchObject({ text: "2025-11-21T06:00:00Z", pinned: true });
    expect(before.series.map(({ key, mark, gaps }) => [key, mark, gaps.length])).toEqual([
      ["AAPL/1d", "✗", 1],
      ["MSFT/1d", "✓", 0],
    ]);
    const [gap] = before.series[0]?.gaps ?? [];
    const asked = at.asked.length;
    const [retrofill, ...args] = gap?.command.split(" ") ?? [];
    expect(retrofill).toBe("retrofill");
    expect((await at.cli(...args)).exit).toBe(0);
    expect(at.asked.slice(asked).map((one) => one.ticker)).toEqual(["AAPL"]);
    const after = await documentOf(at);
    expect(after.series.map(({ mark }) => mark)).toEqual(["✓", "✓"]);
    expect(after.series[0]?.slots).toMatchObject({ due: DATES.length, covered: DATES.length });
  });

  it("says of what there is nothing, as runs and the terminal's matrix do", async () => {
    await using at = await world([{ symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) }], {
      now: "2025-11-21T06:00:00Z",
      symbols: { AAPL: "--timeframes 1d", NOPE: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" } },
    });
    expect((await at.cli("coverage")).out).not.toContain("No data at all");
    const line = "No data at all: NOPE, every slot asked twice; is the name right?";
    const ran = await at.cli("run", "ohlcv");
    expect([ran.exit, ran.out]).toEqual([0, expect.stringContaining(line)]);
    const again = await at.cli("run", "ohlcv");
    expect([again.exit, again.out]).toEqual([0, expect.stringContaining(line)]);
    expect((await at.cli("coverage")).out).toContain(line);
    expect((await at.json("coverage")).json.no_data).toEqual(["NOPE"]);
    const document = await documentOf(at);
    expect(document.unfound).toBe(line);
    expect(document.entries.map(({ entry, isUnfound }) => [entry, isUnfound])).toEqual([
      ["AAPL", false],
      ["NOPE", true],
    ]);
  });

  it("says where it is; with --json in a note beside the one document, and a path that cannot be is refused", async () => {
    await using at = await world([{ symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) }], {
      now: "2025-11-21T06:00:00Z",
      symbols: { AAPL: "--timeframes 1d" },
    });
    const file = join(at.dir, "page.html");
    const { out } = await at.cli("coverage", "--format", "html", "--out", file);
    expect(out).toMatch(/^\/.*page\.html {2}[\d.]+ KB\n$/);
    const { json, err } = await at.json("coverage", "--format", "html", "--out", file);
    expect(json.series).toHaveLength(1);
    expect(err).toContain(file);
    const refused = await at.cli("coverage", "--format", "html", "--out", join(at.dir, "no", "such", "page.html"));
    expect([refused.exit, refused.err]).toEqual([2, expect.stringContaining("cannot be written")]);
  });
});

async function documentOf(at: Awaited<ReturnType<typeof world>>): Promise<CoverageDocument> {
  const file = join(at.dir, "coverage.html");
  await at.cli("coverage", "--format", "html", "--out", file);
  const html = await readFile(file, "utf8");
  return JSON.parse(/<script type="application\/json" id="coverage">(.*?)<\/script>/s.exec(html)?.[1] ?? "");
}

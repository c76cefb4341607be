import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { newYorkDay, type RawBar } from "../real/raw-bars.ts";

const { resolve } = createRequire(import.meta.url);

/** AAPL days of npm @observablehq/sample-datasets (Yahoo Finance, adjusted for splits): 1,260 sessions from 2013-05-13. */
export const bundledAapl = (): readonly RawBar[] => daysOf(resolve("@observablehq/sample-datasets/aapl.csv"));

/** S&P 500 days of npm vega-datasets (Yahoo Finance ^GSPC): 5,105 sessions from 2000-01-03. */
export const bundledSp500 = (): readonly RawBar[] =>
  daysOf(join(dirname(resolve("vega-datasets")), "..", "data", "sp500-2000.csv"));

function daysOf(file: string): readonly RawBar[] {
  const [header = "", ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  const names = header.toLowerCase().split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    const number = (name: string): number => Number(cells[names.indexOf(name)]);
    const prices = { o: number("open"), h: number("high"), l: number("low"), c: number("close") };
    return { t: newYorkDay(cells[names.indexOf("date")] ?? ""), ...prices, v: number("volume") };
  });
}

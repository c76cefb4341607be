import { describe, expect, it } from "vitest";
import { MINUTE } from "../../src/core/time/instant.ts";
import { gather } from "../real/expected.ts";
import type { RawBar } from "../real/raw-bars.ts";
import { type Agreement, agreementOf } from "./agreement.ts";
import { bundledAapl, bundledSp500 } from "./bundled.ts";
import { type Compared, type Features, featuresByHand } from "./features-by-hand.ts";
import { findPandas, pandasFeatures } from "./pandas.ts";
import { BITFINEX, EQKER, fromFile, LEAN, root, type Subject, weeks, YAHOO } from "./recorded.ts";
import { axisOf, inSlots, timescaleOf } from "./slots.ts";

// Two programs that share nothing but the formulas' text, on every bar of whole files.

const pandas = findPandas();
if (pandas === null) console.log("Not compared with pandas: no python3 that has it (RETROFILL_PYTHON may name one)");
else console.log(`Compared with pandas ${pandas.version} of ${pandas.python}`);

const bundled: readonly Subject[] = [
  { name: "AAPL days", assetClass: "stock", timeframe: "1d", read: bundledAapl, bars: 1_260 },
  { name: "AAPL weeks", assetClass: "stock", timeframe: "1w", read: () => weeks(bundledAapl()), bars: 261 },
  { name: "AAPL days without every 97th", assetClass: "stock", timeframe: "1d", read: thinned, bars: 1_247 },
  { name: "S&P 500 days", assetClass: "index", timeframe: "1d", read: bundledSp500, bars: 5_105 },
];

const recorded: readonly Subject[] = [
  fromFile("lean-us-daily/spy", "stock", "1d", LEAN, 5_849),
  fromFile("lean-us-daily/aapl", "stock", "1d", LEAN, 5_849),
  fromFile("lean-us-daily/ibm", "stock", "1d", LEAN, 5_849),
  fromFile("lean-us-hour/spy", "stock", "1h", LEAN, 40_784),
  fromFile("eqker-1m-2019/AAPL", "stock", "1m", EQKER, 1_948),
  fromFile("eqker-1m-2019/PPLT", "stock", "1m", EQKER, 566),
  fromFile("eqker-1m-2019/VIX", "index", "1m", EQKER, 1_923),
  ...(["5m", "15m", "30m", "1h"] as const).map((timeframe, i) => {
    const minutes = fromFile("eqker-1m-2019/AAPL", "stock", "1m", EQKER, 0);
    const read = async () => gather({ stepMs: ([5, 15, 30, 60][i] as number) * MINUTE }, await minutes.read());
    return {
      ...minutes,
      name: `${minutes.name} in ${timeframe}`,
      timeframe,
      read,
      bars: [390, 130, 65, 35][i] as number,
    };
  }),
  fromFile("yahoo-2026/ADA-USD_1m", "crypto", "1m", YAHOO, 8_851),
  fromFile("bitfinex-1m/LTCUSD_2013", "crypto", "1m", BITFINEX, 18_645),
];

describe.runIf(pandas !== null)("features by hand agree with pandas to 1e-9", () => {
  it.each(bundled)("on $name", compare);
  it.runIf(root !== "").each(recorded)("on $name", compare);
});

async function compare({ name, assetClass, timeframe, read, bars: count }: Subject): Promise<void> {
  const bars = inSlots(axisOf(assetClass, timeframe), await read());
  expect(bars).toHaveLength(count);
  const scale = timescaleOf(assetClass === "crypto" ? "24x7" : "XNYS", timeframe);
  const byHand = featuresByHand(bars, scale);
  const theirs = pandasFeatures(pandas?.python ?? "", bars, scale);
  const features = Object.keys(byHand[0] ?? {}).filter((feature) => feature !== "slot") as (keyof Row)[];
  const all = agreementOf(byHand, theirs, features);
  // ewm(span, adjust=False) itself, where no gap and no start of the series lies between it and the finite kernel.
  const recursive = agreementOf(byHand, theirs, ["atr", "ema_20", "ema_50"], {
    nameThere: (feature) => (feature === "atr" ? "ewm_atr" : feature.replace("ema", "ewm")),
    skipNullsThere: true,
  }).map((one) => ({ ...one, feature: `${one.feature} as ewm` as const }));
  print(name, [...all, ...recursive]);
  for (const { feature, differences } of [...all, ...recursive]) expect([feature, ...differences]).toEqual([feature]);
  // A stretch of bars without a hole is long enough, in all but the thinnest series.
  if (timeframe === "1d" && !name.includes("without")) {
    expect(recursive.map(({ values }) => values)).toEqual([count - 13, count - 19, count - 49]);
  }
  for (const feature of ["atr", "rolling_volume_20", "hh", "trend_direction"]) {
    expect(all.find((one) => one.feature === feature)?.values).toBeGreaterThan(0);
  }
}

type Row = Features & Compared;

function print(name: string, found: readonly Agreement[]): void {
  const shown = found.filter(({ values, worstAbsolute, knifeEdges }) => values > 0 && worstAbsolute + knifeEdges > 0);
  const lines = shown.map(({ feature, values, worstAbsolute, worstRelative, knifeEdges }) => {
    const worst = `absolute ${worstAbsolute.toExponential(1)}, relative ${worstRelative.toExponential(1)}`;
    return `  ${feature.padEnd(24)}${String(values).padStart(6)} values, ${worst}${knifeEdges ? `, edges ${knifeEdges}` : ""}`;
  });
  const equal = found.length - shown.length;
  console.log(
    [`${name}: ${equal} columns are equal or empty to the last digit; the others at worst`, ...lines].join("\n"),
  );
}

function thinned(): readonly RawBar[] {
  return bundledAapl().filter((_, i) => i % 97 !== 50);
}

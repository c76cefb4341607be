import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FeatureRow } from "./agreement.ts";
import type { SlotBar, Timescale } from "./features-by-hand.ts";

const script = fileURLToPath(new URL("features.py", import.meta.url));

/** A Python that has pandas: RETROFILL_PYTHON, the one on the path, or Debian's own. */
export function findPandas(): { readonly python: string; readonly version: string } | null {
  for (const python of [process.env.RETROFILL_PYTHON, "python3", "/usr/bin/python3"]) {
    if (python === undefined) continue;
    const asked = spawnSync(python, ["-c", "import pandas; print(pandas.__version__)"], { encoding: "utf8" });
    if (asked.status === 0) return { python, version: asked.stdout.trim() };
  }
  return null;
}

/** Features of every bar of one series, as pandas computes them. */
export function pandasFeatures(python: string, bars: readonly SlotBar[], scale: Timescale): readonly FeatureRow[] {
  const lines = bars.map(({ slot, open, high, low, close, volume, weekday }) =>
    [slot, open, high, low, close, volume ?? "", weekday].join(","),
  );
  const { dense, barsPerYear, slotsPerHour, slotsPerSession } = scale;
  const args = [script, "bars", "--bars-per-year", String(barsPerYear)];
  if (dense) args.push("--dense");
  if (slotsPerHour !== null) args.push("--hour", String(slotsPerHour));
  if (slotsPerSession !== null) args.push("--session", String(slotsPerSession));
  const input = ["slot,open,high,low,close,volume,weekday", ...lines, ""].join("\n");
  const answer = spawnSync(python, args, { input, encoding: "utf8", maxBuffer: 2 ** 30 });
  if (answer.status !== 0) throw new Error(`features.py failed: ${answer.stderr}`);
  const [header = "", ...rows] = answer.stdout.trimEnd().split("\n");
  const names = header.split(",");
  return rows.map((row) => {
    const cells = row.split(",");
    return Object.fromEntries(names.map((name, i) => [name, parsed(cells[i] ?? "")]));
  });
}

function parsed(text: string): FeatureRow[string] {
  if (text === "") return null;
  if (text === "true" || text === "false") return text === "true";
  return /^[a-z]/.test(text) ? text : Number(text);
}

// Writes the 19 stores of the retail fixture: simulated sale lines, and the days that the user's table has already.
import { parseArgs } from "node:util";
import { writeRetailFixture } from "../src/sandbox/retail/retail-fixture.ts";

const { values } = parseArgs({
  options: {
    to: { type: "string", default: "" },
    lines: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "2025-10-28" },
    last: { type: "string", default: "2026-01-26" },
  },
});
if (values.to === "") {
  console.error(
    "usage: npx tsx scripts/retail-fixture.ts --to DIR [--lines 40] [--seed 1] [--first DATE] [--last DATE]",
  );
  process.exit(2);
}
const { manifest, nowMs } = await writeRetailFixture(values.to, {
  linesPerDay: Number(values.lines),
  seed: Number(values.seed),
  from: values.first,
  to: values.last,
});
const rows = manifest.files.reduce((sum, file) => sum + file.rows, 0);
console.log(
  `${manifest.stores.length} stores, ${rows} rows in ${values.to}; its present is ${new Date(nowMs).toISOString()}`,
);
console.log(manifest.note);

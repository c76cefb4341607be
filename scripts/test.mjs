// npm test: installs what is missing, compiles, and runs suites: main (default), kill, real or year, or several by commas.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileWhenStale, installWhenMissing } from "./compile.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const at = args.indexOf("--suite");
const asked = at < 0 ? ["main"] : args.splice(at, 2)[1].split(",");
const data = process.env.RETROFILL_DATA;
const suites = asked.filter((suite) => suite !== "real" || data !== undefined);

if (data !== undefined && !existsSync(data)) {
  console.error(`RETROFILL_DATA is set to ${data}, which does not exist: the suites on real data cannot run`);
  process.exit(1);
}
if (suites.length < asked.length) console.log("RETROFILL_DATA is not set: the suite on real data does not run");
if (suites.length === 0) process.exit(0);
installWhenMissing(root);
// Tests that start the command line run the compiled program.
compileWhenStale(root);
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const projects = suites.flatMap((suite) => ["--project", suite]);
const { status } = spawnSync(process.execPath, [vitest, "run", ...projects, ...args], { cwd: root, stdio: "inherit" });
if (suites.includes("main")) {
  console.log("Not run here: the kill suite (npm run test:kill)");
  console.log("Not run here: the simulated year (npm run test:year)");
  if (data === undefined)
    console.log("Not run here: the suite on real data (npm run test:real), RETROFILL_DATA is not set");
  else console.log("Not run here: the suite on real data (npm run test:real)");
}
process.exit(status ?? 1);

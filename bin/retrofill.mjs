#!/usr/bin/env node
// Runs the compiled program. In a checkout it is compiled again first when a source is newer than the last build.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
if (existsSync(join(root, "src")) && existsSync(join(root, "scripts", "compile.mjs"))) {
  const { compileWhenStale } = await import("../scripts/compile.mjs");
  compileWhenStale(root);
}
const { main } = await import("../dist/main.js");
process.exitCode = await main(process.argv.slice(2));

// Packs the package, installs it into an empty folder and runs its command there.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "retrofill-package-"));

function run(command, args, cwd, expected = 0) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error) throw error;
  if (status !== expected) {
    console.error(`${command} ${args.join(" ")} ended with ${status}, expected ${expected}\n${stdout}\n${stderr}`);
    process.exit(1);
  }
  return stdout;
}

try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], root));
  run("npm", ["init", "-y"], folder);
  run("npm", ["install", "--no-audit", "--no-fund", join(folder, packed.filename)], folder);
  const retrofill = join(folder, "node_modules", ".bin", "retrofill");
  const version = run(retrofill, ["--version"], folder).trim();
  run(retrofill, ["init", "project", "--yes"], folder);
  run(retrofill, ["--project", "project", "run", "ohlcv", "--timeframes", "1d,1w", "--quiet"], folder);
  const report = run(retrofill, ["--project", "project", "coverage", "--timeframes", "1d,1w", "--check"], folder);
  run(retrofill, ["--project", "project", "verify", "--timeframes", "1d,1w"], folder);
  console.log(
    `retrofill ${version}: ${packed.files.length} files, ${Math.round(packed.size / 1024)} KB packed; ran in an empty folder:`,
  );
  console.log(report);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

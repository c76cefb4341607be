// Compiles src/ to dist/ when a source is newer than the last build, and installs packages that are missing.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Installs what package-lock.json says when it is not there. */
export function installWhenMissing(root) {
  if (existsSync(join(root, "node_modules", ".package-lock.json"))) return;
  process.stderr.write("installing packages (npm ci)…\n");
  run("npm", ["ci", "--no-audit", "--no-fund"], root);
}

/** Compiles when a file below src/ is newer than the stamp of the last build. */
export function compileWhenStale(root) {
  const stamp = join(root, "dist", ".compiled");
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const started = new Date();
  if (newest(join(root, "src")) <= built) return;
  installWhenMissing(root);
  process.stderr.write("compiling…\n");
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], root);
  writeFileSync(stamp, "");
  // Stamped with the start: what changed while compiling is compiled again.
  utimesSync(stamp, started, started);
}

function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const time = entry.isDirectory() ? newest(path) : entry.name.endsWith(".ts") ? statSync(path).mtimeMs : 0;
    if (time > latest) latest = time;
  }
  return latest;
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, 2] });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}

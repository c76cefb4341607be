// npm start: the main job end to end, in an ignored demo/ folder. Installs and compiles what is missing first.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileWhenStale, installWhenMissing } from "./compile.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
installWhenMissing(root);
compileWhenStale(root);
const { status } = spawnSync(process.execPath, ["--import", "tsx", join("scripts", "demo.ts")], {
  cwd: root,
  stdio: "inherit",
});
process.exit(status ?? 1);

// Runs a command of the compiled program in this process, which kills itself at the point that KILL_AT names, and
// notes in KILL_TRACE which requests it has sent and committed. CLOCK_JUMPS moves the wall clock while it works, and
// after DISK_FULL_AFTER files the disk is full.
import { appendFileSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { type KillPoint, watchPoint } from "./kill-points.ts";

type Main = typeof import("../../src/main.ts");
type Cli = typeof import("../../src/surfaces/cli/cli.ts");

const dist = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;

jumpClock(process.env.CLOCK_JUMPS);
fillDisk(process.env.DISK_FULL_AFTER);
const [{ openProject }, { runCli }] = await Promise.all([
  import(dist("main.js")) as Promise<Main>,
  import(dist("surfaces/cli/cli.js")) as Promise<Cli>,
]);
const text = process.env.KILL_AT;
const point = text ? (JSON.parse(text) as KillPoint) : null;
const traceFile = process.env.KILL_TRACE;
const trace = (line: string): void => {
  if (traceFile) appendFileSync(traceFile, `${line}\n`);
};
const watch = await watchPoint(point, (name) => trace(`killed ${name}`));

process.exitCode = await runCli(process.argv.slice(2), {
  version: "test",
  async openProject(options) {
    const opened = await openProject(options);
    const { project } = opened;
    const ledger: typeof project.ledger = {
      ...project.ledger,
      async commitPage(chunk, object, progress) {
        const committed = await project.ledger.commitPage(chunk, object, progress);
        trace(`committed ${object.target}`);
        return committed;
      },
    };
    return {
      ...opened,
      project: {
        ...project,
        ledger: watch("ledger", ledger),
        store: watch("store", project.store),
        bronze: watch("bronze", project.bronze),
        budget: watch("budget", project.budget),
      },
      async connect(plan) {
        const http = await opened.connect(plan);
        return watch("http", {
          ...http,
          send(request, signal) {
            trace(`sent ${request.target}`);
            return http.send(request, signal);
          },
        } satisfies typeof http);
      },
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  },
  init: () => Promise.reject(new Error("not here")),
  sandbox: () => Promise.reject(new Error("not here")),
});

/** `CLOCK_JUMPS=500:3600000,900:-7200000`: after 500 ms the clock shows an hour more, after 900 ms two hours less. */
function jumpClock(jumps: string | undefined): void {
  if (!jumps) return;
  const real = Date.now;
  const startedAt = performance.now();
  const list = jumps.split(",").map((jump) => jump.split(":").map(Number) as [number, number]);
  Date.now = () => {
    const now = performance.now() - startedAt;
    return real() + list.filter(([after]) => now >= after).reduce((sum, [, ms]) => sum + ms, 0);
  };
}

/** From the n-th temporary file on, opening one fails as on a full disk. */
function fillDisk(after: string | undefined): void {
  if (!after) return;
  let left = Number(after);
  const { open } = fs;
  fs.open = async (path, ...rest) => {
    if (String(path).endsWith(".part") && --left < 0) {
      throw Object.assign(new Error("ENOSPC: no space left on device, open"), { code: "ENOSPC" });
    }
    return open(path, ...rest);
  };
  syncBuiltinESMExports();
}

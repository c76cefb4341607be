import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { differences, proofOf, work } from "../kill/campaign.ts";
import { CONCURRENCY, LIMIT, NOW, sourceEnv, writeConfig, writeProject, writeWorld } from "../kill/world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(ROOT, "bin", "retrofill.mjs");
const COIN = ["--symbols", "X:KILUSD"];
/** A scope of 19 requests and a few repairs. */
const SCOPE = ["--timeframes", "1h,4h,1d"];

interface End {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

let data: string;
const sandboxes: Sandbox[] = [];
const folders: string[] = [];

beforeAll(async () => {
  // Compiles when a source is newer: several at once must not.
  spawnSync(process.execPath, [PROGRAM, "--version"]);
  data = await writeWorld("whole");
  folders.push(data);
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.close();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

describe("two processes on one project", () => {
  it("share the work and the limit, while a third reads", async () => {
    const limits = [{ count: 5, windowMs: 2_000 }];
    const { dir, sandbox, retrofill } = await world({ limits, config: { repairRounds: 2, limit: "5/2s" } });
    const days = ["--days", "12"];
    let isDone = false;
    const runs = Promise.all([
      retrofill("run", "ohlcv", ...COIN, "--timeframes", "1h,4h,1d", ...days).end,
      retrofill("run", "ohlcv", "--timeframes", "30m,1h,1d", ...days).end,
    ]).finally(() => {
      isDone = true;
    });
    const reads: End[] = [];
    while (!isDone) {
      reads.push(await retrofill("sql", "show tables").end, await retrofill("coverage", "ohlcv").end);
    }
    for (const run of await runs) expect(run.exit, run.stderr).toBe(0);
    expect(reads.length).toBeGreaterThan(3);
    for (const read of reads) expect(read.exit, read.stderr).toBe(0);
    const report = sandbox.report();
    expect(report.repeated.first).toEqual([]);
    expect(report.windows[0]).toMatchObject({ violations: 0, refused: 0 });
    expect(report.windows[0]?.maxSeen).toBeLessThanOrEqual(5);

    const alone = await world({});
    expect((await alone.retrofill("run", "ohlcv", "--timeframes", "30m,1h,4h,1d", ...days).end).exit).toBe(0);
    await expectSameRows(alone.dir, dir);
    await expectProof(dir);
  });
});

describe("a run that waited for another's answers", () => {
  it("does not ask the same again for what they left open", async () => {
    // Nothing is repaired: the hour that nobody has stays open.
    const { sandbox, retrofill } = await world({ config: { repairRounds: 0, limit: "1/2s" } });
    const args = ["run", "ohlcv", ...COIN, "--timeframes", "1h", "--days", "12"];
    const first = retrofill(...args);
    await answered(sandbox, 1);
    const second = retrofill(...args);
    for (const run of [first, second]) expect((await run.end).exit).toBe(3);
    const report = sandbox.report();
    expect(report.repeated.first).toEqual([]);
    expect(report.requests).toBeGreaterThan(2);
  });
});

describe("a run that is stopped", () => {
  it("by Ctrl-C exits 130, says how to resume, and asks nothing twice", async () => {
    const { sandbox, retrofill } = await world({ latencyMs: 40 });
    const running = retrofill("run", "ohlcv", ...COIN);
    await answered(sandbox, 8);
    running.child.kill("SIGINT");
    const end = await running.end;
    expect(end.exit, end.stderr).toBe(130);
    const run = /retrofill resume (run-\S+)/.exec(end.stdout)?.[1] ?? "";
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().repeated.first).toEqual([]);
  });

  it("by pause stops at the next request, and resume goes on", async () => {
    const { sandbox, retrofill } = await world({ latencyMs: 250 });
    const running = retrofill("run", "ohlcv", ...SCOPE);
    const run = await runIdOf(running);
    await answered(sandbox, 4);
    const paused = await retrofill("pause", run).end;
    expect(paused.exit, paused.stderr).toBe(0);
    const before = sandbox.report().requests;
    const end = await running.end;
    expect(end.exit).toBe(3);
    expect(end.stdout).toContain(`retrofill resume ${run}`);
    expect(sandbox.report().requests - before).toBeLessThanOrEqual(CONCURRENCY);
    expect((await retrofill("runs").end).stdout).toContain("paused");
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().repeated.first).toEqual([]);
  });

  it("by cancel ends, and what was answered is kept", async () => {
    const { dir, sandbox, retrofill } = await world({ latencyMs: 250 });
    // With a chunk of several pages in the middle of them.
    const running = retrofill("run", "ohlcv", ...COIN, "--timeframes", "1m,1h");
    const run = await runIdOf(running);
    await answered(sandbox, 3);
    expect((await retrofill("cancel", run).end).exit).toBe(0);
    expect((await running.end).exit).toBe(3);
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit).toBe(5);
    const again = await retrofill("run", "ohlcv", ...COIN, "--timeframes", "1m,1h").end;
    expect(again.exit, again.stderr).toBe(0);
    expect(sandbox.report().repeated.first).toEqual([]);
    await expectProof(dir);
  });

  it("by kill -9 shows as interrupted and holds nobody up", async () => {
    const { dir, sandbox, retrofill } = await world({ latencyMs: 40 });
    const running = retrofill("run", "ohlcv", ...SCOPE);
    const run = await runIdOf(running);
    await answered(sandbox, 8);
    running.child.kill("SIGKILL");
    await running.end;
    expect((await retrofill("runs").end).stdout).toMatch(/interrupted \(killed\)/);
    const other = await retrofill("run", "ohlcv", ...SCOPE).end;
    expect(other.exit, other.stderr).toBe(0);
    const { repeated, requests } = sandbox.report();
    expect(repeated.count).toBeLessThanOrEqual(CONCURRENCY);
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().requests).toBe(requests);
    await expectProof(dir);
  });

  it("in the middle of a publication leaves counts that the next run completes", async () => {
    const { dir, sandbox, retrofill } = await world({});
    const scope = ["--timeframes", "4h"];
    const killAt = { at: "store.publish", when: "after", nth: 1 } as const;
    const killed = await work(["--project", dir, "run", "ohlcv", ...scope], { env: sourceEnv(sandbox.url), killAt });
    expect(killed.signal).toBe("SIGKILL");
    const other = await retrofill("run", "ohlcv", ...scope).end;
    expect(other.exit, other.stderr).toBe(0);
    // Nobody resumes the killed run here, so that files of its requests under way are still there.
    expect(await proofOf(dir)).toMatchObject({ disputes: [], doubled: 0, faults: [] });
  });

  it("between an answer and its being told leaves the stretch to the next run, which asks for it at once", async () => {
    // Nothing is repaired: what the next run takes for answered stays open.
    const { dir, sandbox, retrofill } = await world({ config: { repairRounds: 0 } });
    const scope = ["--timeframes", "4h"];
    const killAt = { at: "ledger.commitPage", when: "after", nth: 1 } as const;
    const killed = await work(["--project", dir, "run", "ohlcv", ...scope], { env: sourceEnv(sandbox.url), killAt });
    expect(killed.signal).toBe("SIGKILL");
    const other = await retrofill("run", "ohlcv", ...scope).end;
    expect(other.exit, other.stdout).toBe(0);
  });

  it("resumes after its plan has expired, when the plan itself is refused", async () => {
    const { dir, sandbox, retrofill } = await world({ latencyMs: 20 });
    const planned = JSON.parse((await retrofill("--json", "plan", "ohlcv", ...SCOPE).end).stdout) as { id: string };
    const running = retrofill("apply", planned.id);
    const run = await runIdOf(running);
    await answered(sandbox, 4);
    running.child.kill("SIGKILL");
    await running.end;
    const env = { ...sourceEnv(sandbox.url), CLOCK_JUMPS: "0:172800000" };
    const refused = await work(["--project", dir, "apply", planned.id], { env });
    expect(refused.exit).toBe(5);
    expect(refused.stderr).toContain("expired");
    const resumed = await work(["--project", dir, "resume", run], { env });
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().repeated.count).toBeLessThanOrEqual(CONCURRENCY);
  });
});

describe("a clock that jumps", () => {
  it("in the middle of a run breaks neither limit nor lease, and holds nothing up", async () => {
    const { dir, sandbox } = await world({ faults: "transport", latencyMs: 20 });
    const hour = 3_600_000;
    const jumps = [500, 700, 900, 1_100, 1_300, 1_500, 1_700, 1_900, 2_100].map(
      (afterMs, i) => `${afterMs}:${i % 3 === 0 ? 3 * hour : -4 * hour}`,
    );
    const end = await work(["--project", dir, "--json", "run", "ohlcv", ...SCOPE], {
      env: { ...sourceEnv(sandbox.url), CLOCK_JUMPS: jumps.join(",") },
    });
    expect(end.exit, end.stderr).toBe(0);
    const report = sandbox.report();
    expect(report.windows[0]?.violations).toBe(0);
    expect(report.repeated.first).toEqual([]);
    await expectProof(dir);
  });
});

describe("a full disk", () => {
  it("ends a run with DISK_FULL, loses nothing, and resume completes it", async () => {
    const { dir, sandbox, retrofill } = await world({});
    const env = { ...sourceEnv(sandbox.url), DISK_FULL_AFTER: "7" };
    const full = await work(["--project", dir, "--json", "run", "ohlcv", ...SCOPE], { env });
    expect(full.exit, full.stderr).toBe(4);
    const { error } = JSON.parse(full.stdout) as { error: { code: string; hint: string } };
    expect(error).toMatchObject({ code: "DISK_FULL", hint: expect.stringContaining("resume") });
    const run = /Run (run-\S+)/.exec(full.stderr)?.[1] ?? "";
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().repeated.count).toBeLessThanOrEqual(CONCURRENCY);
    await expectProof(dir);
  });

  it.runIf(process.getuid?.() === 0)("of a real small file system ends it likewise, wherever it is met", async () => {
    await using disk = await smallDisk("128m");
    if (disk === null) return;
    const { sandbox, retrofill } = await world({ into: disk.dir, latencyMs: 20 });
    const running = retrofill("--json", "run", "ohlcv");
    const run = await runIdOf(running);
    // Somebody else fills it while the run is on.
    disk.resize("1700k");
    const full = await running.end;
    expect(full.exit, full.stderr).toBe(4);
    expect(JSON.parse(full.stdout)).toMatchObject({ error: { code: "DISK_FULL" } });
    disk.resize("128m");
    const resumed = await retrofill("resume", run).end;
    expect(resumed.exit, resumed.stderr).toBe(0);
    expect(sandbox.report().repeated.count).toBeLessThanOrEqual(CONCURRENCY);
    await expectProof(disk.dir);
  });

  it.runIf(process.getuid?.() === 0)("is told before anything is asked where it is full already", async () => {
    await using disk = await smallDisk("1700k");
    if (disk === null) return;
    const { sandbox, retrofill } = await world({ into: disk.dir });
    const full = await retrofill("--json", "run", "ohlcv").end;
    expect(full.exit, full.stderr).toBe(4);
    const { error } = JSON.parse(full.stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe("DISK_FULL");
    expect(error.message).toContain(disk.dir);
    expect(sandbox.report().requests).toBe(0);
    expect(JSON.parse((await retrofill("--json", "runs").end).stdout)).toEqual([]);
    disk.resize("128m");
    const run = await retrofill("run", "ohlcv").end;
    expect(run.exit, run.stderr).toBe(0);
  });
});

interface SmallDisk extends AsyncDisposable {
  readonly dir: string;
  resize(size: string): void;
}

/** A file system in memory, as large as `size` says; null where nothing can be mounted. */
async function smallDisk(size: string): Promise<SmallDisk | null> {
  const dir = await mkdtemp(join(tmpdir(), "small-disk-"));
  folders.push(dir);
  const mount = (...args: string[]): number | null => spawnSync("mount", args).status;
  if (mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir) !== 0) {
    console.log("not run: nothing can be mounted here; the test before this one fakes the full disk");
    return null;
  }
  return {
    dir,
    resize(other) {
      if (mount("-o", `remount,size=${other}`, dir) !== 0) throw new Error(`${dir} cannot be made ${other}`);
    },
    [Symbol.asyncDispose]: async () => void spawnSync("umount", ["-l", dir]),
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly end: Promise<End>;
  readonly text: () => string;
}

/** A new project, a sandbox for it, and the program on both. */
async function world(
  options: Omit<SandboxOptions, "dataDir"> & {
    readonly config?: Parameters<typeof writeConfig>[1];
    readonly into?: string;
  },
) {
  const { config, into, ...settings } = options;
  const sandbox = await startSandbox({
    dataDir: data,
    nowMs: Date.parse(NOW),
    limits: [LIMIT],
    seed: 5,
    stallMs: 250,
    silentCapRows: 1_000,
    ...settings,
  });
  sandboxes.push(sandbox);
  const dir = await writeProject("final", into);
  folders.push(dir);
  if (config) await writeConfig(dir, config);
  const env = sourceEnv(sandbox.url);
  const retrofill = (...args: string[]): Running => start(["--project", dir, ...args], env);
  return { dir, sandbox, retrofill };
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const end = new Promise<End>((resolve) => {
    child.on("close", (exit, signal) => resolve({ exit, signal, stdout, stderr }));
  });
  return { child, end, text: () => stderr + stdout };
}

/** Resolves when the sandbox has answered `count` requests. */
async function answered(sandbox: Sandbox, count: number): Promise<void> {
  while (sandbox.report().answered < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function runIdOf(running: Running): Promise<string> {
  for (;;) {
    const id = /Run (run-\S+)/.exec(running.text())?.[1];
    if (id !== undefined) return id;
    if (running.child.exitCode !== null) throw new Error(`ended early: ${running.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function expectSameRows(one: string, other: string): Promise<void> {
  const { rows, ...different } = await differences(one, other, { images: false });
  expect(rows).toBeGreaterThan(100);
  expect(different).toMatchObject({ "rows missing": 0, "rows too many": 0, doubled: 0 });
}

/** `verify` and `audit verify` find nothing, and no file is left over. */
async function expectProof(dir: string): Promise<void> {
  expect(await proofOf(dir)).toEqual({ disputes: [], doubled: 0, faults: [], leftovers: [] });
}

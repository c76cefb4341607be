import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { openTrialLedger } from "../../../bench/ledger-trial.ts";
import type { LedgerDatabase } from "./database.ts";
import { isAlive, ledgerLock, thisProcess } from "./leases.ts";

describe("an owner", () => {
  it("is alive while its process runs and dead the moment it ends", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    await once(child, "spawn");
    const owner = ownerOf(child, startOf(child.pid ?? 0));
    expect(isAlive(owner)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isAlive(owner)).toBe(false);
  });

  it("is dead when a later process has its pid", () => {
    const me = thisProcess();
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, processStarted: me.processStarted - 1 })).toBe(false);
  });

  it("is dead when only its exit code waits to be collected", async () => {
    // The shell's child ends at once, and the program that the shell becomes never collects it.
    const shell = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [text] = (await once(shell.stdout, "data")) as [Buffer];
      const pid = Number(text.toString());
      await expect.poll(() => stateOf(pid)).toBe("Z");
      expect(isAlive({ host: hostname(), pid, processStarted: startOf(pid) })).toBe(false);
    } finally {
      shell.kill("SIGKILL");
      await once(shell, "exit");
    }
  });

  it("on another host cannot be seen and counts as alive", () => {
    expect(isAlive({ host: "elsewhere", pid: 1, processStarted: 1 })).toBe(true);
  });
});

describe("a lock", () => {
  it("is held by one at a time in one process, in the order of the calls", async () => {
    await using trial = await openTrialLedger();
    const lock = ledgerLock(trial.database, "the data file");
    const seen: string[] = [];
    await Promise.all(
      ["a", "b", "c"].map((name) =>
        lock.hold(name, 1_000, async () => {
          seen.push(`${name} in`);
          await new Promise((resolve) => setImmediate(resolve));
          seen.push(`${name} out`);
        }),
      ),
    );
    expect(seen).toEqual(["a in", "a out", "b in", "b out", "c in", "c out"]);
  });

  it("is released when the work throws, and every holder has a higher fence", async () => {
    await using trial = await openTrialLedger();
    const lock = ledgerLock(trial.database, "the data file");
    const fences: number[] = [];
    await expect(
      lock.hold("publish", 0, async (fence) => {
        fences.push(fence);
        throw new Error("disk");
      }),
    ).rejects.toThrow("disk");
    await lock.hold("publish", 0, async (fence) => void fences.push(fence));
    expect(fences).toEqual([1, 2]);
    expect(await lock.holder()).toBe(null);
  });

  it("of a living process is waited for, then its holder is named", async () => {
    await using trial = await openTrialLedger();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    await once(child, "spawn");
    try {
      await holdAs(trial.database, child, startOf(child.pid ?? 0));
      const lock = ledgerLock(trial.database, "the data file");
      expect(await lock.holder()).toBe(`process ${child.pid} on ${hostname()} (publish run-1.4)`);
      await expect(lock.hold("read", 30, async () => 1)).rejects.toMatchObject({
        code: "STORE_BUSY",
        message: `the data file is held by process ${child.pid} on ${hostname()} (publish run-1.4)`,
      });
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  it("of a process that died is taken at once", async () => {
    await using trial = await openTrialLedger();
    const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
    await once(child, "exit");
    await holdAs(trial.database, child, 1);
    const lock = ledgerLock(trial.database, "the data file");
    expect(await lock.holder()).toBe(null);
    expect(await lock.hold("read", 0, async (fence) => fence)).toBe(8);
  });

  it("of a process whose pid another one has by now is taken at once", async () => {
    await using trial = await openTrialLedger();
    const me = thisProcess();
    await holdAs(trial.database, { pid: me.pid }, me.processStarted - 1);
    expect(await ledgerLock(trial.database, "the data file").hold("read", 0, async (fence) => fence)).toBe(8);
  });

  it("passes on as soon as its holder lets go", async () => {
    await using trial = await openTrialLedger();
    const first = ledgerLock(trial.database, "the data file");
    const second = ledgerLock(trial.database, "the data file");
    let letGo = (): void => undefined;
    const isHeld = new Promise<void>((held) => {
      void first.hold("publish", 0, () => {
        held();
        return new Promise<void>((resolve) => {
          letGo = resolve;
        });
      });
    });
    await isHeld;
    const waiting = second.hold("read", 10_000, async () => "read");
    letGo();
    expect(await waiting).toBe("read");
  });
});

function ownerOf(child: ChildProcess, processStarted: number): ReturnType<typeof thisProcess> {
  return { host: hostname(), pid: child.pid ?? 0, processStarted };
}

/** Writes the lease as that process would have. */
async function holdAs(
  database: LedgerDatabase,
  owner: { readonly pid?: number | undefined },
  processStarted: number,
): Promise<void> {
  await database.write((tx) =>
    tx.db
      .insertInto("lease")
      .values({
        name: "the data file",
        fence: 7,
        held: 1,
        host: hostname(),
        pid: owner.pid ?? 0,
        process_started: processStarted,
        purpose: "publish run-1.4",
        acquired_at: 0,
      })
      .execute(),
  );
}

function startOf(pid: number): number {
  return Number(statOf(pid)[19]);
}

function stateOf(pid: number): string | undefined {
  return statOf(pid)[0];
}

/** The fields of /proc/PID/stat after the command, read here without the code under test. */
function statOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

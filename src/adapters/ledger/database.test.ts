import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openTrialLedger } from "../../../bench/ledger-trial.ts";
import { ledgerAudit } from "./audit.ts";
import { LedgerDatabase } from "./database.ts";

describe("writes that arrive together", () => {
  it("share commits, keep their order and are durable when they resolve", async () => {
    await using trial = await openTrialLedger();
    const { database } = trial;
    const before = database.commits;
    const settled: number[] = [];
    await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        await database.write(async (tx) => tx.emit("s", "note", { i }));
        settled.push(i);
      }),
    );
    expect(database.commits - before).toBeLessThan(10);
    expect(settled).toEqual(Array.from({ length: 200 }, (_, i) => i));
    // Another connection sees only what was committed.
    await using other = await LedgerDatabase.open(trial.path, Date.now);
    const events = await other.db.selectFrom("event").select(["seq", "payload"]).orderBy("ordinal").execute();
    expect(events.map((event) => [event.seq, JSON.parse(event.payload)])).toEqual(
      Array.from({ length: 200 }, (_, i) => [i + 1, { i }]),
    );
  });

  it("do not fail for a neighbour that does, and nothing of the failed one stays", async () => {
    await using trial = await openTrialLedger();
    const { database } = trial;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        database.write(async (tx) => {
          tx.emit("s", "note", { i });
          await tx.db
            .insertInto("budget_quota")
            .values({ credential: "c", period: `${i}`, used: i })
            .execute();
          if (i === 7) throw new Error("seven");
          return i;
        }),
      ),
    );
    expect(results.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []))).toEqual(["Error: seven"]);
    const rows = await database.db.selectFrom("budget_quota").select("used").execute();
    expect(rows.map((row) => row.used).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 7),
    );
    expect((await ledgerAudit(database).replay()).faults).toEqual([]);
  });

  it("are refused by the database one by one: a broken rule hurts only its own", async () => {
    await using trial = await openTrialLedger();
    const { database } = trial;
    const note = (period: string): Promise<unknown> =>
      database.write((tx) => tx.db.insertInto("budget_quota").values({ credential: "c", period, used: 1 }).execute());
    const results = await Promise.allSettled([note("a"), note("a"), note("b")]);
    expect(results.map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("are finished before the ledger closes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "retrofill-ledger-"));
    try {
      const path = join(folder, "ledger.db");
      const database = await LedgerDatabase.open(path, Date.now);
      const write = database.write(async (tx) => tx.emit("s", "note", {}));
      await database[Symbol.asyncDispose]();
      await write;
      await using again = await LedgerDatabase.open(path, Date.now);
      expect(await again.db.selectFrom("event").selectAll().execute()).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("two processes on one ledger", () => {
  it("open it at once and write without an error and without losing a write", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "retrofill-ledger-"));
    try {
      const path = join(folder, "ledger.db");
      const code = `
        const { LedgerDatabase } = await import(${JSON.stringify(new URL("./database.ts", import.meta.url).href)});
        const database = await LedgerDatabase.open(${JSON.stringify(path)}, Date.now);
        for (let i = 0; i < 300; i++) {
          await database.write(async (tx) => {
            const row = await tx.db.selectFrom("budget_quota").select("used").where("credential", "=", "c").executeTakeFirst();
            if (row) await tx.db.updateTable("budget_quota").set({ used: row.used + 1 }).where("credential", "=", "c").execute();
            else await tx.db.insertInto("budget_quota").values({ credential: "c", period: "p", used: 1 }).execute();
            tx.emit("s", "note", { pid: process.pid, i });
          });
        }
        await database[Symbol.asyncDispose]();`;
      const children = [startNode(code), startNode(code), startNode(code)];
      const codes = await Promise.all(children.map(exitOf));
      expect(codes).toEqual([0, 0, 0]);
      await using database = await LedgerDatabase.open(path, Date.now);
      expect(await database.db.selectFrom("budget_quota").select("used").executeTakeFirst()).toEqual({ used: 900 });
      const { faults, events } = await ledgerAudit(database).replay();
      expect({ faults, events }).toEqual({ faults: [], events: 900 });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

function startNode(code: string): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
    stdio: ["ignore", "inherit", "inherit"],
  });
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

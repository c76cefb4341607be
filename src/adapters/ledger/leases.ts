import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { RetrofillError } from "../../core/errors.ts";
import type { Owner } from "../../engine/ledger-port.ts";
import type { LedgerDatabase } from "./database.ts";
import type { Tables } from "./schema.ts";

/** This process, as leases name it. */
export function thisProcess(): Owner {
  return { host: hostname(), pid: process.pid, processStarted: statOf(process.pid)?.started ?? 0 };
}

/**
 * Whether the owner may still be working: a process on this host that is gone, or whose pid belongs to a later one,
 * is dead at once; one on another host cannot be seen and counts as alive.
 */
export function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const found = statOf(owner.pid);
  if (found === null) return true;
  return found.started === owner.processStarted && found.state !== "Z" && found.state !== "X";
}

/** State and start (clock ticks since boot) of a process, where the system tells (Linux); else null. */
function statOf(pid: number): { readonly state: string; readonly started: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): fields 3 and 22, counted after the command's closing parenthesis, which may itself hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: Number(fields[19]) };
  } catch {
    return null;
  }
}

/** Exclusive use of something by one process at a time, kept in the ledger so that a holder can be named. */
export interface Lock {
  /** Runs `work` while holding the lock; waits up to `waitMs` for another holder. @throws RetrofillError STORE_BUSY */
  hold<T>(purpose: string, waitMs: number, work: (fence: number) => Promise<T>): Promise<T>;
  /** Who holds it now, in words, or null. */
  holder(): Promise<string | null>;
}

/** The lock `name`: in this process by a queue, between processes by a lease row. */
export function ledgerLock(ledger: LedgerDatabase, name: string): Lock {
  const me = thisProcess();
  let tail: Promise<unknown> = Promise.resolve();

  const acquire = (purpose: string): Promise<{ fence: number } | { holder: string }> =>
    ledger.write(async (tx) => {
      const row = await tx.db.selectFrom("lease").selectAll().where("name", "=", name).executeTakeFirst();
      if (row && isHeld(row)) return { holder: holderText(row) };
      const fence = (row?.fence ?? 0) + 1;
      const values = {
        fence,
        held: 1,
        host: me.host,
        pid: me.pid,
        process_started: me.processStarted,
        purpose,
        acquired_at: tx.now,
      };
      await tx.db
        .insertInto("lease")
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column("name").doUpdateSet(values))
        .execute();
      return { fence };
    });

  const release = (fence: number): Promise<void> =>
    ledger.write(async (tx) => {
      await tx.db.updateTable("lease").set({ held: 0 }).where("name", "=", name).where("fence", "=", fence).execute();
    });

  const hold = async <T>(purpose: string, waitMs: number, work: (fence: number) => Promise<T>): Promise<T> => {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const got = await acquire(purpose);
      if ("fence" in got) {
        try {
          return await work(got.fence);
        } finally {
          await release(got.fence);
        }
      }
      if (Date.now() >= deadline) {
        throw new RetrofillError("STORE_BUSY", `${name} is held by ${got.holder}`, {
          hint: "wait for it to finish, or end that process; its lease is released when it ends",
        });
      }
      await delay(5 + Math.random() * 45);
    }
  };

  return {
    hold(purpose, waitMs, work) {
      const turn = tail.then(() => hold(purpose, waitMs, work));
      tail = turn.catch(() => undefined);
      return turn;
    },
    async holder() {
      const row = await ledger.db.selectFrom("lease").selectAll().where("name", "=", name).executeTakeFirst();
      return row && isHeld(row) ? holderText(row) : null;
    },
  };
}

function isHeld(row: Tables["lease"]): boolean {
  return row.held === 1 && isAlive({ host: row.host, pid: row.pid, processStarted: row.process_started });
}

function holderText(row: Tables["lease"]): string {
  return `process ${row.pid} on ${row.host} (${row.purpose})`;
}

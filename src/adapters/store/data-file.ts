import { setTimeout as delay } from "node:timers/promises";
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { RetrofillError } from "../../core/errors.ts";

export interface StoreSettings {
  /** DuckDB's `memory_limit`; the process itself takes about 500 MB more. */
  readonly memoryLimit: string;
  readonly threads: number;
}

export interface Opening {
  readonly mode: "READ_ONLY" | "READ_WRITE";
  /** Milliseconds after which whoever holds the file is named. */
  readonly waitMs: number;
}

/**
 * The DuckDB file at `path`, opened for the length of one piece of work. DuckDB refuses every second process while one
 * writes; `holder` names that one where it can.
 */
export function dataFile(path: string, settings: StoreSettings, holder: () => Promise<string | null>) {
  // One at a time on purpose: DuckDB's file lock does not see a second opening by the same process, and closing that
  // one would release the first one's lock.
  let tail: Promise<unknown> = Promise.resolve();

  return async function use<T>(opening: Opening, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const deadline = Date.now() + opening.waitMs;
    const before = tail;
    let done = (): void => {};
    tail = new Promise<void>((resolve) => {
      done = resolve;
    }).then(() => before);
    try {
      if (!(await settledBy(before, opening.waitMs))) throw await busy(holder, null);
      const instance = await openFile(path, settings, { mode: opening.mode, deadline, holder });
      try {
        const connection = await instance.connect();
        try {
          return await work(connection);
        } finally {
          connection.closeSync();
        }
      } finally {
        instance.closeSync();
      }
    } catch (error) {
      throw asDiskFull(error, path);
    } finally {
      done();
    }
  };
}

async function openFile(
  path: string,
  settings: StoreSettings,
  options: { mode: Opening["mode"]; deadline: number; holder: () => Promise<string | null> },
): Promise<DuckDBInstance> {
  // Loaded on first use: opening DuckDB costs 200 ms that commands on the ledger alone do not pay.
  const { DuckDBInstance } = await import("@duckdb/node-api");
  for (;;) {
    try {
      return await DuckDBInstance.create(path, {
        access_mode: options.mode,
        memory_limit: settings.memoryLimit,
        threads: String(settings.threads),
        autoinstall_known_extensions: "false",
        preserve_insertion_order: "false",
        // Of a new file: texts are compressed in one way instead of trying two, which takes a third off writing them.
        storage_compatibility_version: "v1.4.0",
        // It would loop over every pair wherever it takes one side for small, which it is not after a group by.
        asof_loop_join_threshold: "0",
      });
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (Date.now() >= options.deadline) throw await busy(options.holder, error);
      await delay(5 + Math.random() * 45);
    }
  }
}

async function settledBy(earlier: Promise<unknown>, waitMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(waitMs, false, { signal: timer.signal }).catch(() => false);
  const settled = await Promise.race([earlier.then(() => true), late]);
  timer.abort();
  return settled;
}

async function busy(holder: () => Promise<string | null>, cause: unknown): Promise<RetrofillError> {
  const seen = cause instanceof Error ? cause.message.match(/PID \d+/)?.[0] : undefined;
  const who = (await holder()) ?? seen ?? "another process";
  return new RetrofillError("STORE_BUSY", `the data file is held by ${who}`, {
    hint: "run the command again when it has finished; coverage, gaps and runs read only the ledger",
    cause,
  });
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /Could not set lock on file|Conflicting lock/.test(error.message);
}

function asDiskFull(error: unknown, path: string): unknown {
  if (error instanceof Error && /No space left on device|disk is full/i.test(error.message)) {
    return new RetrofillError("DISK_FULL", `the disk is full: ${path} could not be written`, {
      hint: "free some space and resume the run; nothing that was committed is lost",
      cause: error,
    });
  }
  return error;
}

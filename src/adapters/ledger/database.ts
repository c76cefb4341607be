import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import {
  CompiledQuery,
  type DatabaseConnection,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  sql,
  type Transaction,
} from "kysely";
import Database from "libsql";
import { RetrofillError } from "../../core/errors.ts";
import { EventWriter } from "./events.ts";
import { migrate } from "./migrations.ts";
import type { Tables } from "./schema.ts";

/** One write transaction: the tables, and the event chains that are extended in the same commit. */
export interface LedgerTx {
  readonly db: Transaction<Tables>;
  /** Real time of the commit, epoch milliseconds. */
  readonly now: number;
  /** Appends an event to a chain; it is written at commit, in the order of the calls. */
  emit(stream: string, type: string, payload: object): void;
}

type Write<T> = (tx: LedgerTx) => Promise<T>;

interface Waiting {
  readonly run: Write<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const BUSY_TIMEOUT_MS = 10_000;
/** More writers than this wait for the next commit; larger groups gain little and hold the file's lock longer. */
const GROUP_SIZE = 64;
/** Statements differ only by how many values a list has; beyond this many they are prepared anew. */
const KEPT_STATEMENTS = 500;

/**
 * The ledger's file: SQLite in WAL mode with synchronous FULL, so that what is committed survives a power cut.
 * Writes that arrive while a commit is under way share the next one (group commit). Reads share the connection: they
 * see only what is committed, and wait at most for the commit under way.
 */
export class LedgerDatabase implements AsyncDisposable {
  readonly db: Kysely<Tables>;
  readonly path: string;
  readonly #clock: () => number;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | null = null;
  #commits = 0;

  private constructor(db: Kysely<Tables>, path: string, clock: () => number) {
    this.db = db;
    this.path = path;
    this.#clock = clock;
  }

  static async open(path: string, clock: () => number): Promise<LedgerDatabase> {
    try {
      const file = new Database(path);
      file.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
      file.exec("pragma journal_mode = wal");
      file.exec("pragma synchronous = full");
      const db = new Kysely<Tables>({ dialect: new LedgerDialect(file) });
      await migrate(db, "sqlite");
      return new LedgerDatabase(db, path, clock);
    } catch (error) {
      throw asDiskFull(error, path);
    }
  }

  /** Commits so far; less than the writes where some shared one. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * Runs `work` in a write transaction, alone or together with others that wait; resolves once it is durable.
   * When one of a group throws, the group is rolled back and each is run again by itself, so that only its own
   * caller sees the error. `work` must therefore touch nothing but the transaction.
   */
  write<T>(work: Write<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: work, resolve: resolve as (value: unknown) => void, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Writes all that is committed to a new file, in which nobody holds a lease: its holders work on this one. */
  async copyTo(path: string): Promise<void> {
    await sql`vacuum into ${path}`.execute(this.db);
    const copy = new Database(path);
    try {
      copy.exec("update lease set held = 0");
    } finally {
      copy.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#draining !== null) await this.#draining;
    await this.db.destroy();
  }

  async #drain(): Promise<void> {
    // One turn of the event loop lets writers that became ready together join the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, GROUP_SIZE);
      try {
        const results = await this.#commit(group.map((waiting) => waiting.run));
        for (const [i, waiting] of group.entries()) waiting.resolve(results[i]);
      } catch (error) {
        if (group.length === 1) group[0]?.reject(error);
        else await this.#commitEach(group);
      }
    }
    this.#draining = null;
  }

  async #commitEach(group: readonly Waiting[]): Promise<void> {
    for (const waiting of group) {
      try {
        const [result] = await this.#commit([waiting.run]);
        waiting.resolve(result);
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  async #commit(writes: readonly Write<unknown>[]): Promise<unknown[]> {
    const transaction = this.db.transaction().execute(async (db) => {
      const now = this.#clock();
      const events = new EventWriter(db, now);
      const tx: LedgerTx = { db, now, emit: (stream, type, payload) => events.add(stream, type, payload) };
      const done: unknown[] = [];
      for (const write of writes) done.push(await write(tx));
      await events.flush();
      return done;
    });
    const results = await transaction.catch((error) => {
      throw asDiskFull(error, this.path);
    });
    this.#commits++;
    return results;
  }
}

/**
 * SQLite through Kysely, but every transaction takes the write lock at its start: with a plain `begin`, two processes
 * that read and then write starve each other (docs/adr/0002-ledger.md).
 */
class LedgerDialect extends SqliteDialect {
  readonly #file: Database.Database;

  constructor(file: Database.Database) {
    super({ database: keepStatements(file) });
    this.#file = file;
  }

  override createDriver(): SqliteDriver {
    return new LedgerDriver(this.#file);
  }
}

class LedgerDriver extends SqliteDriver {
  readonly #file: Database.Database;

  constructor(file: Database.Database) {
    super({ database: keepStatements(file) });
    this.#file = file;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite itself has rolled back after some errors (a full disk); a second time would hide the first error.
    if (this.#file.inTransaction) await super.rollbackTransaction(connection);
  }
}

type KyselyDatabase = Exclude<ConstructorParameters<typeof SqliteDriver>[0]["database"], (...args: never) => unknown>;

/** The file as Kysely's driver wants it, with statements kept: preparing one costs more than running it. */
function keepStatements(file: Database.Database): KyselyDatabase {
  const kept = new Map<string, ReturnType<KyselyDatabase["prepare"]>>();
  return {
    prepare(sql) {
      const known = kept.get(sql);
      if (known) return known;
      if (kept.size >= KEPT_STATEMENTS) kept.clear();
      const statement = file.prepare(sql) as unknown as ReturnType<KyselyDatabase["prepare"]>;
      kept.set(sql, statement);
      return statement;
    },
    close: () => file.close(),
  };
}

/** SQLite says FULL where it writes pages, and IOERR where its shared memory cannot grow. */
function asDiskFull(error: unknown, path: string): unknown {
  const code = String((error as { readonly code?: unknown }).code ?? "");
  if (code !== "SQLITE_FULL" && !(code.startsWith("SQLITE_IOERR") && hasNoSpace(path))) return error;
  return new RetrofillError("DISK_FULL", `the disk is full: ${path} could not be written`, {
    hint: "free some space and resume the run; nothing that was committed is lost",
    cause: error,
  });
}

function hasNoSpace(path: string): boolean {
  try {
    return statfsSync(dirname(path)).bavail === 0;
  } catch {
    return false;
  }
}

import { createHash } from "node:crypto";
import type { Kysely } from "kysely";
import type { Tables } from "./schema.ts";

/** The ledger's own chain: holds the opening and the closing (head, length) of every run's chain. */
export const LEDGER_STREAM = "ledger";

const NO_HASH = "0".repeat(64);

/** The last event's number and hash of a chain; zeros for an empty one. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** The hash of an event: over its place, its content and its predecessor's hash. */
export function eventHash(event: {
  readonly stream: string;
  readonly seq: number;
  readonly recorded_at: number;
  readonly type: string;
  readonly payload: string;
  readonly prev: string;
}): string {
  const text = `${event.prev}\n${event.stream}\n${event.seq}\n${event.recorded_at}\n${event.type}\n${event.payload}`;
  return createHash("sha256").update(text).digest("hex");
}

/** Collects the events of one transaction and writes them together at its end. */
export class EventWriter {
  readonly #db: Kysely<Tables>;
  readonly #now: number;
  readonly #pending: { readonly stream: string; readonly type: string; readonly payload: object }[] = [];

  constructor(db: Kysely<Tables>, now: number) {
    this.#db = db;
    this.#now = now;
  }

  add(stream: string, type: string, payload: object): void {
    this.#pending.push({ stream, type, payload });
  }

  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const heads = await headsOf(this.#db, [...new Set(this.#pending.map((event) => event.stream))]);
    const rows = this.#pending.map(({ stream, type, payload }) => {
      const head = heads.get(stream) ?? NO_HEAD;
      const link = {
        stream,
        seq: head.seq + 1,
        recorded_at: this.#now,
        type,
        // A close event seals the chain before it, so that a cut tail or a missing run shows.
        payload: JSON.stringify(payload instanceof SealOf ? sealPayload(payload, heads.get(payload.run)) : payload),
        prev: head.hash,
      };
      const hash = eventHash(link);
      heads.set(stream, { seq: link.seq, hash });
      return { ...link, hash };
    });
    // SQLite allows 32,766 parameters a statement; a row takes seven.
    for (let i = 0; i < rows.length; i += 4_000) {
      await this.#db
        .insertInto("event")
        .values(rows.slice(i, i + 4_000))
        .execute();
    }
    await this.#db
      .insertInto("chain")
      .values([...heads].map(([stream, { seq, hash }]) => ({ stream, length: seq, head: hash })))
      .onConflict((conflict) =>
        conflict
          .column("stream")
          .doUpdateSet((e) => ({ length: e.ref("excluded.length"), head: e.ref("excluded.head") })),
      )
      .execute();
  }
}

/** A payload that is completed at commit with the head and length of a run's chain as they are then. */
export class SealOf {
  readonly run: string;
  readonly rest: object;

  constructor(run: string, rest: object) {
    this.run = run;
    this.rest = rest;
  }
}

function sealPayload(seal: SealOf, head: ChainHead | undefined): object {
  if (!head) throw new Error(`unreachable: run ${seal.run} is sealed without an event of its own in the same commit`);
  return { run: seal.run, length: head.seq, head: head.hash, ...seal.rest };
}

const NO_HEAD: ChainHead = { seq: 0, hash: NO_HASH };

/** Where a chain stands. */
export async function headOf(db: Kysely<Tables>, stream: string): Promise<ChainHead> {
  return (await headsOf(db, [stream])).get(stream) ?? NO_HEAD;
}

async function headsOf(db: Kysely<Tables>, streams: readonly string[]): Promise<Map<string, ChainHead>> {
  const rows = await db.selectFrom("chain").selectAll().where("stream", "in", streams).execute();
  return new Map(rows.map((row) => [row.stream, { seq: row.length, hash: row.head }]));
}

/** What is wrong with a chain, in words, oldest first; empty when it is whole. */
export async function chainFaults(db: Kysely<Tables>, stream: string): Promise<readonly string[]> {
  const rows = await db.selectFrom("event").selectAll().where("stream", "=", stream).orderBy("seq").execute();
  const faults: string[] = [];
  let prev = NO_HASH;
  let expected = 1;
  for (const row of rows) {
    if (row.seq !== expected) faults.push(`${stream}: event ${expected} is missing (found ${row.seq})`);
    if (row.prev !== prev) faults.push(`${stream}: event ${row.seq} does not follow its predecessor`);
    if (eventHash(row) !== row.hash) faults.push(`${stream}: event ${row.seq} (${row.type}) was changed`);
    prev = row.hash;
    expected = row.seq + 1;
  }
  const head = await headOf(db, stream);
  if (head.seq > expected - 1) {
    faults.push(
      `${stream}: event ${expected} is missing (the chain was ${head.seq} events long, ${rows.length} are left)`,
    );
  } else if (head.hash !== prev) {
    faults.push(`${stream}: the last event is not the one that its head names`);
  }
  return faults;
}

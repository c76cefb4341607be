/** What a cursor stands for. */
export interface Place {
  readonly store: string;
  readonly start: number;
  readonly end: number;
  /** Lines of the window already sent. */
  readonly offset: number;
}

/** Cursors that have been handed out. Their text depends on the place alone, so that a repeated request is the same. */
export class Cursors {
  readonly #ttlMs: number;
  readonly #isSingleUse: boolean;
  readonly #issuedAt = new Map<string, number>();

  constructor(options: { readonly ttlMs: number; readonly isSingleUse: boolean }) {
    this.#ttlMs = options.ttlMs;
    this.#isSingleUse = options.isSingleUse;
  }

  issue({ store, start, end, offset }: Place, nowMs: number): string {
    const cursor = Buffer.from(JSON.stringify([store, start, end, offset])).toString("base64url");
    this.#issuedAt.set(cursor, nowMs);
    return cursor;
  }

  /** The place, or null when the cursor was not handed out here, is too old, or was used and may be only once. */
  use(cursor: string, nowMs: number): Place | null {
    const issuedAt = this.#issuedAt.get(cursor);
    if (issuedAt === undefined || nowMs - issuedAt >= this.#ttlMs) return null;
    if (this.#isSingleUse) this.#issuedAt.delete(cursor);
    const [store, start, end, offset] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as [
      string,
      number,
      number,
      number,
    ];
    return { store, start, end, offset };
  }
}

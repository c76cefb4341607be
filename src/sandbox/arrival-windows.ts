/** At most `count` requests in any span of `windowMs`. */
export interface Limit {
  readonly count: number;
  readonly windowMs: number;
}

export interface WindowReport {
  readonly limit: number;
  readonly windowMs: number;
  /** Most requests of one key that arrived within any span of `windowMs`, the refused ones too. */
  readonly maxSeen: number;
  /** Arrivals at which more than `limit` had come within `windowMs`. */
  readonly violations: number;
  /** Arrivals answered with 429 for this window. */
  readonly refused: number;
}

/**
 * Counts the requests of each key over every rolling window, at arrival. A request is let in while fewer than `count`
 * let-in requests arrived less than `windowMs` before it; refused ones do not prolong the refusal, but they are counted.
 */
export class ArrivalWindows {
  readonly #limits: readonly Limit[];
  readonly #keys = new Map<string, readonly KeyWindow[]>();

  constructor(limits: readonly Limit[]) {
    this.#limits = limits;
  }

  /** Milliseconds until the request would be let in, 0 when it is. `at` is monotonic, in milliseconds. */
  arrive(key: string, at: number): number {
    let windows = this.#keys.get(key);
    if (windows === undefined) {
      windows = this.#limits.map((limit) => new KeyWindow(limit));
      this.#keys.set(key, windows);
    }
    const waits = windows.map((window) => window.arrive(at));
    const waitMs = Math.max(0, ...waits);
    if (waitMs === 0) for (const window of windows) window.admit(at);
    return waitMs;
  }

  reset(): void {
    this.#keys.clear();
  }

  /** One entry a limit, over all keys: the highest of `maxSeen`, the sums of the rest. */
  report(): readonly WindowReport[] {
    return this.#limits.map(({ count, windowMs }, i) => {
      const seen = [...this.#keys.values()].flatMap((windows) => windows[i] ?? []);
      return {
        limit: count,
        windowMs,
        maxSeen: Math.max(0, ...seen.map((window) => window.maxSeen)),
        violations: seen.reduce((sum, window) => sum + window.violations, 0),
        refused: seen.reduce((sum, window) => sum + window.refused, 0),
      };
    });
  }
}

class KeyWindow {
  readonly #limit: Limit;
  readonly #arrivals = new Queue();
  readonly #admitted = new Queue();
  maxSeen = 0;
  violations = 0;
  refused = 0;

  constructor(limit: Limit) {
    this.#limit = limit;
  }

  /** Counts an arrival; milliseconds until one more may be let in, 0 when it may now. */
  arrive(at: number): number {
    const { count, windowMs } = this.#limit;
    this.#arrivals.push(at);
    this.#arrivals.dropUpTo(at - windowMs);
    this.#admitted.dropUpTo(at - windowMs);
    this.maxSeen = Math.max(this.maxSeen, this.#arrivals.length);
    if (this.#arrivals.length > count) this.violations++;
    if (this.#admitted.length < count) return 0;
    this.refused++;
    return this.#admitted.first + windowMs - at;
  }

  admit(at: number): void {
    this.#admitted.push(at);
  }
}

/** Ascending instants; dropping from the front costs nothing per element kept. */
class Queue {
  #items: number[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): number {
    return this.#items[this.#head] as number;
  }

  push(at: number): void {
    this.#items.push(at);
  }

  dropUpTo(limit: number): void {
    while (this.#head < this.#items.length && (this.#items[this.#head] as number) <= limit) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}

import { DAY } from "../../core/time/instant.ts";
import type { Answer, Gate, GateReport } from "../provider.ts";
import { banned, tooMuchWeight } from "./bodies.ts";
import type { BinanceSettings } from "./world.ts";

const MAX_BAN_MS = 3 * DAY;

/**
 * The exchange's limit: the weight that an address spends in windows that follow each other. What is over it is refused
 * until the window ends; who goes on is banned, each time for twice as long. All of the sandbox's clients are one address.
 */
export class WeightGate implements Gate {
  readonly #settings: Required<BinanceSettings>;
  readonly #weightOf: (path: string) => number;
  readonly #realNow: () => number;
  #window = Number.NEGATIVE_INFINITY;
  #used = 0;
  #refusals = 0;
  #bannedUntil = Number.NEGATIVE_INFINITY;
  #maxSeen = 0;
  #violations = 0;
  #refused = 0;
  #bans = 0;

  constructor(
    settings: BinanceSettings,
    { weightOf, realNow }: { weightOf: (path: string) => number; realNow: () => number },
  ) {
    this.#settings = {
      weight: { count: 6_000, windowMs: 60_000 },
      refusalsBeforeBan: 10,
      banMs: 120_000,
      ...settings,
    };
    this.#weightOf = weightOf;
    this.#realNow = realNow;
  }

  /** Weight used in the window of the last arrival. */
  get used(): number {
    return this.#used;
  }

  arrive(path: string, at: number): Answer | null {
    const { weight, refusalsBeforeBan } = this.#settings;
    const window = Math.floor(at / weight.windowMs);
    if (window !== this.#window) this.#used = 0;
    this.#window = window;
    this.#used += this.#weightOf(path);
    this.#maxSeen = Math.max(this.#maxSeen, this.#used);
    const isOver = this.#used > weight.count;
    if (isOver) this.#violations++;
    const isBanned = at < this.#bannedUntil;
    if (!isOver && !isBanned) {
      this.#refusals = 0;
      return null;
    }
    this.#refused++;
    if (!isBanned && ++this.#refusals <= refusalsBeforeBan) {
      return tooMuchWeight(weight.count, (window + 1) * weight.windowMs - at);
    }
    if (!isBanned) this.#ban(at);
    const waitMs = this.#bannedUntil - at;
    return banned(this.#realNow() + waitMs, waitMs);
  }

  report(): GateReport {
    const { count, windowMs } = this.#settings.weight;
    return {
      of: "binance weight",
      limit: count,
      windowMs,
      maxSeen: this.#maxSeen,
      violations: this.#violations,
      refused: this.#refused,
      bans: this.#bans,
    };
  }

  reset(): void {
    this.#window = Number.NEGATIVE_INFINITY;
    this.#bannedUntil = Number.NEGATIVE_INFINITY;
    this.#used = 0;
    this.#refusals = 0;
    this.#maxSeen = 0;
    this.#violations = 0;
    this.#refused = 0;
    this.#bans = 0;
  }

  #ban(at: number): void {
    this.#bannedUntil = at + Math.min(MAX_BAN_MS, this.#settings.banMs * 2 ** this.#bans);
    this.#bans++;
    this.#refusals = 0;
  }
}

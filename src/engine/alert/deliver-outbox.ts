import { DAY, HOUR, MINUTE, SECOND } from "../../core/time/instant.ts";
import type { Clock } from "../ports.ts";
import type { Channel, Message, Outbox, SendOutcome, Settlement } from "./ports.ts";
import { sendInTime } from "./send-in-time.ts";

/** Tries of one message, the first included; over about three hours. */
export const MAX_TRIES = 10;

const BACKOFF = { baseMs: 30 * SECOND, capMs: HOUR } as const;

/** A told wait is believed up to this. */
const MAX_TOLD_MS = DAY;

/** Messages sent together: a receiver that was away for a night gets a few requests, not hundreds. */
const BATCH_SIZE = 50;

/** A claim outlives its request by far; a process that dies in between delays its messages by this. */
const HOLD_MS = MINUTE;

export interface DeliverOptions {
  readonly outbox: Outbox;
  readonly channels: readonly Channel[];
  readonly clock: Clock;
  readonly random: () => number;
  /** All of it together. Default 3 s. */
  readonly budgetMs?: number;
  /** One request. Default 2 s. */
  readonly requestMs?: number;
}

/** Counts of messages, and what went wrong by channel. */
export interface Delivery {
  readonly sent: number;
  /** Tried again later. */
  readonly waiting: number;
  readonly givenUp: number;
  readonly problems: readonly string[];
}

/**
 * Delivers what is due, all channels at once, one request at a time on each. A request is begun only while its full
 * time fits into the budget, so that none is cut off halfway and sent twice. Never throws.
 */
export async function deliverOutbox(options: DeliverOptions): Promise<Delivery> {
  const { outbox, channels, clock, budgetMs = 3 * SECOND, requestMs: longestMs = 2 * SECOND } = options;
  const requestMs = Math.min(longestMs, budgetMs);
  const lastStart = clock.now() + budgetMs - requestMs;
  const tally = { sent: 0, waiting: 0, givenUp: 0, problems: new Set<string>() };
  const deliver = async (name: string): Promise<void> => {
    const channel = channels.find((one) => one.name === name) ?? missingChannel(name);
    try {
      do {
        const claim = await outbox.claim(name, { limit: BATCH_SIZE, holdMs: HOLD_MS });
        if (claim.messages.length === 0) return;
        const outcome = await sendInTime(channel, claim.messages, requestMs, clock);
        const settlements = claim.messages.map((message) => settlementOf(message, outcome, options.random));
        await outbox.settle(claim.token, settlements);
        count(tally, settlements);
        if (outcome.kind === "sent") continue;
        tally.problems.add(`${name}: ${outcome.reason}`);
        // What did not go now goes later, together.
        if (outcome.kind === "failed") return;
      } while (clock.now() <= lastStart);
    } catch (error) {
      tally.problems.add(`${name}: ${(error as Error).message}`);
    }
  };
  try {
    await Promise.all((await outbox.due(clock.now())).map(deliver));
  } catch (error) {
    tally.problems.add(`the outbox cannot be read: ${(error as Error).message}`);
  }
  return { ...tally, problems: [...tally.problems] };
}

/** Messages of a channel that the configuration has no longer. */
function missingChannel(name: string): Channel {
  return {
    name,
    minSeverity: "low",
    send: async () => ({ kind: "refused", reason: "no such channel in the configuration" }),
  };
}

function settlementOf(message: Message, outcome: SendOutcome, random: () => number): Settlement {
  const { id, attempt } = message;
  switch (outcome.kind) {
    case "sent":
      return { id, status: "sent" };
    case "refused":
      return { id, status: "given-up", reason: outcome.reason };
    case "failed":
      if (attempt >= MAX_TRIES) return { id, status: "given-up", reason: `${outcome.reason}, ${attempt} tries` };
      return { id, status: "waiting", reason: outcome.reason, waitMs: waitAfter(attempt, outcome.waitMs, random) };
    default:
      return outcome satisfies never;
  }
}

/** Doubles up to an hour; between half and all of it at random, and never shorter than the receiver asked for. */
function waitAfter(attempt: number, toldMs: number | null, random: () => number): number {
  const full = Math.min(BACKOFF.capMs, BACKOFF.baseMs * 2 ** (attempt - 1));
  return Math.ceil(Math.max(Math.min(MAX_TOLD_MS, toldMs ?? 0), full * (0.5 + 0.5 * random())));
}

function count(tally: { sent: number; waiting: number; givenUp: number }, settlements: readonly Settlement[]): void {
  for (const { status } of settlements) {
    if (status === "sent") tally.sent++;
    else if (status === "waiting") tally.waiting++;
    else tally.givenUp++;
  }
}

import type { Announcement, Announcements, ChannelName, OpenCondition } from "../../core/alerts/announce.ts";
import type { Instant } from "../../core/time/instant.ts";

/** A message in the outbox. */
export interface Message extends Announcement {
  /** Unique everywhere: a receiver that sees it twice has seen it. */
  readonly id: string;
  /** Tries so far, the one under way included. */
  readonly attempt: number;
}

/** What became of a try; reasons name no address and no credential. */
export type SendOutcome =
  | { readonly kind: "sent" }
  /** `waitMs`: how long the receiver asked to wait, or null. */
  | { readonly kind: "failed"; readonly reason: string; readonly waitMs: number | null }
  /** Trying again cannot help. */
  | { readonly kind: "refused"; readonly reason: string };

/** A way to tell people or programs something. */
export interface Channel extends ChannelName {
  /** Sends all of `messages` at once or none; stops when `signal` aborts. */
  send(messages: readonly Message[], signal: AbortSignal): Promise<SendOutcome>;
}

/** Messages that one process delivers now; until the claim expires no other takes them. */
export interface Claim {
  readonly token: string;
  readonly messages: readonly Message[];
}

export type Settlement =
  | { readonly id: string; readonly status: "sent" }
  | { readonly id: string; readonly status: "waiting"; readonly reason: string; readonly waitMs: number }
  | { readonly id: string; readonly status: "given-up"; readonly reason: string };

/** A message with where it stands, for people. */
export interface OutboxEntry extends Message {
  readonly status: "waiting" | "sent" | "given-up";
  /** Whether its condition still holds, as far as is known; false for the news that it ended. */
  readonly isOpen: boolean;
  readonly createdAt: Instant;
  /** When it is tried next, or null when it is not. */
  readonly nextAt: Instant | null;
  /** Why the last try failed, or null. */
  readonly reason: string | null;
}

/** Messages between the moment something happened and the moment somebody was told; kept in the ledger. */
export interface Outbox {
  /**
   * Stores in one transaction what `decide` makes of the open conditions; returns how many messages that are.
   * `decide` may be called twice and must do nothing else.
   */
  enqueue(decide: (open: readonly OpenCondition[], now: Instant) => Announcements): Promise<number>;
  /** Channels that have messages to deliver at `now`, by name. */
  due(now: Instant): Promise<readonly string[]>;
  /** Takes up to `limit` due messages of a channel, oldest first, for `holdMs`; counts a try of each. */
  claim(channel: string, options: { readonly limit: number; readonly holdMs: number }): Promise<Claim>;
  /** Says how the claimed messages ended; what somebody else has claimed since is left alone. */
  settle(token: string, settlements: readonly Settlement[]): Promise<void>;
  /** Makes everything that waits due now and gives what was given up its tries again; returns how many. */
  retry(): Promise<number>;
  /** Newest first: what holds or was not delivered, or with `all` the last `limit`. */
  list(options: { readonly all: boolean; readonly limit: number }): Promise<readonly OutboxEntry[]>;
}

import { announce, type ChannelName } from "../../core/alerts/announce.ts";
import { evaluate } from "../../core/alerts/evaluate.ts";
import type { AlertFacts } from "../../core/alerts/facts.ts";
import type { AlertRule } from "../../core/alerts/rule.ts";
import type { Outbox } from "./ports.ts";

export interface Raised {
  /** Messages put into the outbox, for all channels together. */
  readonly queued: number;
  /** What kept them out, or null. */
  readonly problem: string | null;
}

/** Judges the facts and puts what is new into the outbox. Never throws: a run must not fail because of its alerts. */
export async function raiseAlerts(
  facts: AlertFacts,
  {
    rules,
    channels,
    outbox,
  }: { readonly rules: readonly AlertRule[]; readonly channels: readonly ChannelName[]; readonly outbox: Outbox },
): Promise<Raised> {
  try {
    const alerts = evaluate(rules, facts);
    const queued = await outbox.enqueue((open, now) => announce({ alerts, open, rules, facts, channels, now }));
    return { queued, problem: null };
  } catch (error) {
    return { queued: 0, problem: `alerts could not be queued: ${(error as Error).message}` };
  }
}

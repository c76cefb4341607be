import type { Alert } from "../../core/alerts/alert.ts";
import { evaluate } from "../../core/alerts/evaluate.ts";
import type { AlertFacts } from "../../core/alerts/facts.ts";
import { isAtLeast } from "../../core/alerts/severity.ts";
import { SECOND } from "../../core/time/instant.ts";
import type { Project } from "../project.ts";
import { type Delivery, deliverOutbox } from "./deliver-outbox.ts";
import { type EndedRun, factsAfter } from "./facts.ts";
import { raiseAlerts } from "./raise-alerts.ts";
import { sendInTime } from "./send-in-time.ts";

/** All that a run may take for its alerts. */
const BUDGET_MS = 3 * SECOND;
/** One request, as far as that leaves it. */
const REQUEST_MS = 2 * SECOND;

/** What became of alerts. */
export interface Told extends Delivery {
  /** Messages put into the outbox. */
  readonly queued: number;
}

/**
 * Judges a run that ended, puts what is new into the outbox and delivers what is due; returns what went wrong, in
 * words. Takes no longer than 3 s, whatever the ledger, the store or a receiver do, and never throws.
 */
export async function tellAfter(project: Project, ended: EndedRun): Promise<readonly string[]> {
  const { clock } = project;
  const startedAt = clock.now();
  const over = new AbortController();
  const work = async (): Promise<readonly string[]> => {
    try {
      const facts = await factsAfter(project, ended);
      const left = Math.max(0, BUDGET_MS - (clock.now() - startedAt));
      return (await tell(project, facts, { budgetMs: left, requestMs: REQUEST_MS })).problems;
    } catch (error) {
      return [`alerts could not be judged: ${(error as Error).message}`];
    }
  };
  const late = async (): Promise<readonly string[]> => {
    await clock.sleep(BUDGET_MS, over.signal);
    return ["alerts took too long: what is not delivered waits for `retrofill alerts deliver`"];
  };
  try {
    return await Promise.race([work(), late()]);
  } catch {
    return [];
  } finally {
    over.abort();
  }
}

/** Judges facts and delivers. Where the ledger cannot be written, what is judged goes to the channels past the outbox. */
export async function tell(
  project: Project,
  facts: AlertFacts,
  time: { readonly budgetMs: number; readonly requestMs: number },
): Promise<Told> {
  const { alerts, clock, random } = project;
  const { queued, problem } = await raiseAlerts(facts, alerts);
  if (problem !== null) {
    const problems = await sendDirectly(project, evaluate(alerts.rules, facts), time.requestMs);
    return { queued, sent: 0, waiting: 0, givenUp: 0, problems: [problem, ...problems] };
  }
  return { queued, ...(await deliverOutbox({ ...alerts, clock, random, ...time })) };
}

/** Sends alerts once, remembering nothing; returns what went wrong. */
async function sendDirectly(
  { alerts, clock }: Project,
  found: readonly Alert[],
  requestMs: number,
): Promise<readonly string[]> {
  const problems = await Promise.all(
    alerts.channels.map(async (channel) => {
      const messages = found
        .filter(({ severity }) => isAtLeast(severity, channel.minSeverity))
        .map((alert) => ({
          ...alert,
          id: `direct:${alert.runId ?? ""}:${alert.dedupeKey}`,
          kind: "raised" as const,
          channel: channel.name,
          attempt: 1,
        }));
      if (messages.length === 0) return [];
      const outcome = await sendInTime(channel, messages, requestMs, clock);
      return outcome.kind === "sent" ? [] : [`${channel.name}: ${outcome.reason}`];
    }),
  );
  return problems.flat();
}

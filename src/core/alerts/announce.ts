import type { Instant } from "../time/instant.ts";
import type { Alert, AlertSubject } from "./alert.ts";
import { isJudged } from "./evaluate.ts";
import type { AlertFacts } from "./facts.ts";
import type { AlertRule, RuleKind } from "./rule.ts";
import { isAtLeast, type Severity } from "./severity.ts";

/** Where messages go, by its configured name, and how bad a condition must be to go there. */
export interface ChannelName {
  readonly name: string;
  readonly minSeverity: Severity;
}

/** A condition that a channel was told of and that has not ended since. */
export interface OpenCondition {
  readonly channel: string;
  readonly rule: RuleKind;
  readonly severity: Severity;
  readonly dedupeKey: string;
  readonly title: string;
  readonly subject: AlertSubject;
  readonly saidAt: Instant;
  /** The message was given up: nobody has heard of it. */
  readonly wasGivenUp: boolean;
}

/** Something to say on one channel. */
export interface Announcement extends Alert {
  readonly kind: "raised" | "resolved";
  readonly channel: string;
}

export interface Announcements {
  readonly say: readonly Announcement[];
  /** Conditions that ended, told or not. */
  readonly ended: readonly OpenCondition[];
}

/**
 * What is new since each channel was last told: conditions it does not know, that changed their severity or that hold
 * for longer than `repeatAfterMs`, and the end of those that the facts judge and no alert names any more. A rule that
 * is switched off ends its conditions without a word.
 */
export function announce(input: {
  readonly alerts: readonly Alert[];
  readonly open: readonly OpenCondition[];
  readonly rules: readonly AlertRule[];
  readonly facts: AlertFacts;
  readonly channels: readonly ChannelName[];
  readonly now: Instant;
}): Announcements {
  const { alerts, open, rules, facts, channels, now } = input;
  const ruleOf = new Map(rules.map((rule) => [rule.kind, rule]));
  const known = new Map(open.map((condition) => [placeOf(condition.channel, condition.dedupeKey), condition]));
  const raised = channels.flatMap(({ name, minSeverity }) =>
    alerts
      .filter((alert) => isAtLeast(alert.severity, minSeverity))
      .filter((alert) => isNews(alert, known.get(placeOf(name, alert.dedupeKey)), ruleOf.get(alert.rule), now))
      .map((alert): Announcement => ({ ...alert, kind: "raised", channel: name })),
  );
  const holding = new Set(alerts.map((alert) => alert.dedupeKey));
  const ended = open.filter(
    ({ rule, subject, dedupeKey }) => !ruleOf.has(rule) || (isJudged(subject, facts) && !holding.has(dedupeKey)),
  );
  const told = ended.filter(({ rule, wasGivenUp }) => ruleOf.get(rule)?.tellsEnd === true && !wasGivenUp);
  return { say: [...raised, ...told.map((condition) => resolved(condition, facts))], ended };
}

function placeOf(channel: string, dedupeKey: string): string {
  return `${channel} ${dedupeKey}`;
}

function isNews(alert: Alert, said: OpenCondition | undefined, rule: AlertRule | undefined, now: Instant): boolean {
  if (said === undefined || said.wasGivenUp || said.severity !== alert.severity) return true;
  const repeatAfterMs = rule?.repeatAfterMs ?? null;
  return repeatAfterMs !== null && now - said.saidAt >= repeatAfterMs;
}

function resolved({ channel, ...condition }: OpenCondition, { run, at }: AlertFacts): Announcement {
  const { rule, severity, dedupeKey, title, subject } = condition;
  return {
    kind: "resolved",
    channel,
    rule,
    severity,
    dedupeKey,
    title: `resolved: ${title}`,
    body: run === null ? "It does not hold any more." : `It does not hold any more after ${run.id}.`,
    subject,
    runId: run?.id ?? null,
    at,
  };
}

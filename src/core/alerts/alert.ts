import { formatInstant, type Instant } from "../time/instant.ts";
import type { RuleKind } from "./rule.ts";
import type { Severity } from "./severity.ts";

/** What an alert is about. */
export type AlertSubject =
  | { readonly kind: "selector"; readonly selector: string }
  | { readonly kind: "dataset"; readonly dataset: string }
  | { readonly kind: "gap"; readonly dataset: string; readonly start: Instant }
  | { readonly kind: "entry"; readonly dataset: string; readonly entry: string }
  | { readonly kind: "budget"; readonly credential: string; readonly period: string }
  | {
      readonly kind: "slot";
      readonly dataset: string;
      readonly start: Instant;
      readonly direction: "drop" | "peak";
    };

/** What a rule finds in the facts, in words for people. */
export interface Finding {
  readonly severity: Severity;
  readonly subject: AlertSubject;
  readonly title: string;
  readonly body: string;
}

/** A condition that holds. */
export interface Alert extends Finding {
  readonly rule: RuleKind;
  /** Names the condition: equal as long as it is the same one. */
  readonly dedupeKey: string;
  /** The run that showed it, or null. */
  readonly runId: string | null;
  readonly at: Instant;
}

/** The name of a condition: its rule and its subject. */
export function dedupeKeyOf(rule: RuleKind, subject: AlertSubject): string {
  return `${rule}:${subjectText(subject)}`;
}

function subjectText(subject: AlertSubject): string {
  switch (subject.kind) {
    case "selector":
      return subject.selector;
    case "dataset":
      return subject.dataset;
    case "gap":
      return `${subject.dataset}:${formatInstant(subject.start)}`;
    case "entry":
      return `${subject.dataset}:${subject.entry}`;
    case "budget":
      return `${subject.credential}:${subject.period}`;
    case "slot":
      return `${subject.dataset}:${formatInstant(subject.start)}:${subject.direction}`;
    default:
      return subject satisfies never;
  }
}

import { formatInstant } from "../../core/time/instant.ts";
import type { Message } from "../../engine/alert/ports.ts";

/** A message as programs read it, in the log and in a webhook's body. */
export function alertDocument(message: Message): Readonly<Record<string, unknown>> {
  return {
    id: message.id,
    kind: message.kind,
    at: formatInstant(message.at),
    rule: message.rule,
    severity: message.severity,
    dedupe_key: message.dedupeKey,
    title: message.title,
    body: message.body,
    subject:
      "start" in message.subject
        ? { ...message.subject, start: formatInstant(message.subject.start) }
        : message.subject,
    run_id: message.runId,
  };
}

import { formatInstant, SECOND } from "../../core/time/instant.ts";
import type { Clock } from "../ports.ts";
import type { Channel, SendOutcome } from "./ports.ts";
import { sendInTime } from "./send-in-time.ts";

/** A person waits for the answer, so a slow receiver gets its time. */
const TEST_MS = 10 * SECOND;

/** Sends one message that says it is a test; it never enters the outbox. */
export function testChannel(channel: Channel, clock: Clock): Promise<SendOutcome> {
  const at = clock.now();
  const message = {
    id: `test-${formatInstant(at)}`,
    channel: channel.name,
    kind: "raised",
    rule: "failed",
    severity: "low",
    dedupeKey: "test",
    title: "a test message of Retrofill",
    body: `Channel ${channel.name} works.`,
    subject: { kind: "selector", selector: "test" },
    runId: null,
    at,
    attempt: 1,
  } as const;
  return sendInTime(channel, [message], TEST_MS, clock);
}

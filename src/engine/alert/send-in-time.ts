import type { Clock } from "../ports.ts";
import type { Channel, Message, SendOutcome } from "./ports.ts";

/** Sends on a channel and waits no longer than `ms`, whatever the channel does. Never throws. */
export async function sendInTime(
  channel: Channel,
  messages: readonly Message[],
  ms: number,
  clock: Pick<Clock, "sleep">,
): Promise<SendOutcome> {
  const over = new AbortController();
  const late = async (): Promise<SendOutcome> => {
    await clock.sleep(ms, over.signal);
    return { kind: "failed", reason: `no answer within ${ms} ms`, waitMs: null };
  };
  try {
    return await Promise.race([channel.send(messages, over.signal), late()]);
  } catch (error) {
    // Only its name: the text of a foreign error may hold the channel's address, which is a secret.
    return { kind: "failed", reason: `the channel broke (${(error as Error).name})`, waitMs: null };
  } finally {
    over.abort();
  }
}

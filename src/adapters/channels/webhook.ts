import type { ChannelName } from "../../core/alerts/announce.ts";
import type { Channel, Message, SendOutcome } from "../../engine/alert/ports.ts";
import { retryAfterMs } from "../../engine/fetch/classify.ts";
import type { Clock } from "../../engine/ports.ts";
import { alertDocument } from "./alert-document.ts";

/** An environment variable and what it holds. */
interface Secret {
  readonly env: string;
  readonly value: string | undefined;
}

export interface WebhookOptions extends ChannelName {
  /** The whole address is a secret: who has a hook's address may write to it. */
  readonly url: Secret;
  /** `Name: value`, or a value alone for `Authorization`; null when none is sent. */
  readonly header: Secret | null;
  readonly payload: (messages: readonly Message[]) => object;
  readonly clock: Pick<Clock, "now">;
}

interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** The messages as a JSON document; each carries an `id`, so that a receiver can tell one that comes twice. */
export function webhookPayload(messages: readonly Message[]): object {
  return { source: "retrofill", alerts: messages.map(alertDocument) };
}

/** Posts batches to one address. Reasons name the environment variable or a code, never what a variable holds. */
export function webhookChannel({ name, minSeverity, url, header, payload, clock }: WebhookOptions): Channel {
  const target = targetOf(url, header);
  return {
    name,
    minSeverity,
    async send(messages, signal) {
      if (typeof target === "string") return { kind: "failed", reason: target, waitMs: null };
      return post(target, JSON.stringify(payload(messages)), clock, signal);
    },
  };
}

/** Where to post, or what is wrong with the settings. */
function targetOf(url: Secret, header: Secret | null): Target | string {
  if (!url.value) return `${url.env} is not set`;
  const parsed = URL.canParse(url.value) ? new URL(url.value) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return `${url.env} is not an http or https address`;
  if (header === null) return { url: parsed, headers: {} };
  if (!header.value) return `${header.env} is not set`;
  const [, key = "authorization", value = ""] = /^(?:([\w-]+):\s*)?(.*)$/s.exec(header.value.trim()) ?? [];
  // RFC 9110 5.5: visible ASCII, with single spaces or tabs inside.
  if (!/^[!-~]([\t -~]*[!-~])?$/.test(value)) return `${header.env} cannot be sent as a header`;
  return { url: parsed, headers: { [key.toLowerCase()]: value } };
}

async function post(
  { url, headers }: Target,
  body: string,
  clock: Pick<Clock, "now">,
  signal: AbortSignal,
): Promise<SendOutcome> {
  // Loaded when there is something to say: most commands say nothing.
  const { Agent, request } = await import("undici");
  const agent = new Agent();
  try {
    const answer = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "retrofill", ...headers },
      body,
      signal,
      dispatcher: agent,
    });
    // Nobody reads the body; destroying it reports that as an error.
    answer.body.on("error", () => undefined).destroy();
    const waitMs = retryAfterMs({ ...textHeaders(answer.headers) }, clock.now());
    return outcomeOf(answer.statusCode, waitMs);
  } catch (error) {
    return { kind: "failed", reason: `no answer (${codeOf(error)})`, waitMs: null };
  } finally {
    await agent.destroy();
  }
}

function textHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const text = Array.isArray(value) ? value.at(-1) : value;
      return text === undefined ? [] : [[name.toLowerCase(), text]];
    }),
  );
}

/** 408, 425, 429 and what the server says of itself pass; a redirect or another 4xx stays what it is. */
function outcomeOf(status: number, waitMs: number | null): SendOutcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  const reason = `HTTP ${status}`;
  const passes = status >= 500 || status === 408 || status === 425 || status === 429;
  return passes ? { kind: "failed", reason, waitMs } : { kind: "refused", reason };
}

/** A short code: the text of an error may hold the address. */
function codeOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === "string" ? code : String(name);
}

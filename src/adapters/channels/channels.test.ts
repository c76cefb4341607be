import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { instant } from "../../core/time/instant.ts";
import type { Channel, Message, SendOutcome } from "../../engine/alert/ports.ts";
import { sendInTime } from "../../engine/alert/send-in-time.ts";
import { type ChannelSettings, createChannels } from "./channels.ts";
import { slackPayload } from "./slack.ts";

const AT = instant(Date.parse("2026-03-20T20:00:00Z"));
const SECRET = "T000-B000-very-secret-hook";
const clock = {
  now: () => AT,
  sleep: (ms: number, signal?: AbortSignal) => delay(ms, undefined, signal ? { signal } : {}),
};

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

describe("a webhook", () => {
  it("gets all messages in one JSON document, with the header of its setting", async () => {
    const hook = await receive();
    const channel = aChannel({ kind: "webhook", urlEnv: "HOOK", headerEnv: "TOKEN", minSeverity: "low" }, hook.url);
    expect(await send(channel, [aMessage("a"), aMessage("b", { kind: "resolved" })])).toEqual({ kind: "sent" });
    const [got] = hook.got;
    expect(got?.headers).toMatchObject({ "content-type": "application/json", "x-token": SECRET });
    expect(got?.body).toMatchObject({
      source: "retrofill",
      alerts: [
        {
          id: "id-a",
          kind: "raised",
          at: "2026-03-20T20:00:00Z",
          rule: "gap",
          severity: "medium",
          dedupe_key: "a",
          title: "title a",
          body: "body a",
          subject: { kind: "gap", dataset: "bars", start: "2026-03-20T20:00:00Z" },
          run_id: "run-1",
        },
        { id: "id-b", kind: "resolved" },
      ],
    });
  });

  it("sends a header value without a name as authorization", async () => {
    const hook = await receive();
    const settings = { kind: "webhook", urlEnv: "HOOK", headerEnv: "TOKEN", minSeverity: "low" } as const;
    await send(aChannel(settings, hook.url, { TOKEN: `Bearer ${SECRET}` }));
    expect(hook.got[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  });

  it.each<[number, Readonly<Record<string, string>>, SendOutcome]>([
    [204, {}, { kind: "sent" }],
    [500, {}, { kind: "failed", reason: "HTTP 500", waitMs: null }],
    [503, { "retry-after": "7" }, { kind: "failed", reason: "HTTP 503", waitMs: 7_000 }],
    [429, { "retry-after": "30" }, { kind: "failed", reason: "HTTP 429", waitMs: 30_000 }],
    [
      429,
      { "retry-after": "Fri, 20 Mar 2026 20:01:00 GMT", date: "Fri, 20 Mar 2026 20:00:00 GMT" },
      { kind: "failed", reason: "HTTP 429", waitMs: 60_000 },
    ],
    [408, {}, { kind: "failed", reason: "HTTP 408", waitMs: null }],
    [404, {}, { kind: "refused", reason: "HTTP 404" }],
    [400, {}, { kind: "refused", reason: "HTTP 400" }],
    [302, { location: "http://127.0.0.1:1/" }, { kind: "refused", reason: "HTTP 302" }],
  ])("that answers %d with %j has %j", async (status, headers, outcome) => {
    const hook = await receive((_request, response) => response.writeHead(status, headers).end(SECRET));
    expect(await send(aChannel(WEBHOOK, hook.url))).toEqual(outcome);
    expect(hook.got).toHaveLength(1);
  });

  it("that took the message is done, however long its answer goes on", async () => {
    const hook = await receive((_request, response) => {
      response.writeHead(200);
      response.write("o");
    });
    expect(await send(aChannel(WEBHOOK, hook.url))).toEqual({ kind: "sent" });
  });

  it("that does not answer fails in time", async () => {
    const hook = await receive(() => undefined);
    const began = Date.now();
    const outcome = await sendInTime(aChannel(WEBHOOK, hook.url), [aMessage("a")], 100, clock);
    expect(outcome).toEqual({ kind: "failed", reason: "no answer within 100 ms", waitMs: null });
    expect(Date.now() - began).toBeLessThan(2_000);
  });

  it("that accepts a connection and is silent, or where nobody listens, fails with a code", async () => {
    const server = createTcpServer((socket) => socket.destroy());
    const cut = await listen(server);
    expect(await send(aChannel(WEBHOOK, `${cut}/${SECRET}`))).toMatchObject({
      kind: "failed",
      reason: "no answer (UND_ERR_SOCKET)",
    });
    await opened.pop()?.[Symbol.asyncDispose]();
    expect(await send(aChannel(WEBHOOK, `${cut}/${SECRET}`))).toEqual({
      kind: "failed",
      reason: "no answer (ECONNREFUSED)",
      waitMs: null,
    });
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["no address", { HOOK: "" }, "HOOK is not set"],
    ["an address of another kind", { HOOK: `file:///${SECRET}` }, "HOOK is not an http or https address"],
    ["no address at all", { HOOK: SECRET }, "HOOK is not an http or https address"],
    ["no header", { TOKEN: "" }, "TOKEN is not set"],
    ["a header that cannot be sent", { TOKEN: `${SECRET}\nx: y` }, "TOKEN cannot be sent as a header"],
  ])("with %s is there, says why and shows nothing", async (_what, env, reason) => {
    const settings = { ...WEBHOOK, headerEnv: "TOKEN" };
    const outcome = await send(aChannel(settings, "http://127.0.0.1:1/", env));
    expect(outcome).toEqual({ kind: "failed", reason, waitMs: null });
  });
});

describe("Slack", () => {
  it("gets text and one section a message, with markup characters escaped", async () => {
    const hook = await receive();
    const messages = [
      aMessage("a", { severity: "critical", title: "a < b & c > d" }),
      aMessage("b", { kind: "resolved", title: "resolved: b" }),
    ];
    expect(await send(aChannel({ kind: "slack", urlEnv: "HOOK", minSeverity: "low" }, hook.url), messages)).toEqual({
      kind: "sent",
    });
    expect(hook.got[0]?.body).toEqual({
      text: "a &lt; b &amp; c &gt; d and 1 more",
      blocks: [
        { type: "section", text: { type: "mrkdwn", text: ":red_circle: *critical: a &lt; b &amp; c &gt; d*\nbody a" } },
        { type: "section", text: { type: "mrkdwn", text: ":white_check_mark: *resolved: b*\nbody b" } },
      ],
    });
  });

  it("gets no more than it takes: ten sections, a count of the rest, and short texts", () => {
    const long = Array.from({ length: 50 }, (_, i) => aMessage(`${i}`, { body: "<&>".repeat(5_000) }));
    const { blocks } = slackPayload(long) as { blocks: { text?: { text: string }; elements?: { text: string }[] }[] };
    expect(blocks).toHaveLength(11);
    expect(blocks.at(-1)?.elements?.[0]?.text).toBe("and 40 more: `retrofill alerts list`");
    const texts = blocks.slice(0, 10).map((block) => block.text?.text ?? "");
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(1_000);
    // No escaped character is cut in two.
    for (const text of texts) expect(text.replaceAll(/&(amp|lt|gt);/g, "")).not.toMatch(/[&<>]/);
  });
});

describe("the log", () => {
  it("has a line of JSON a message, and shows each title", async () => {
    const { folder, channel, notes } = await aLog();
    await send(channel, [aMessage("a"), aMessage("b", { kind: "resolved", title: "resolved: b" })]);
    await send(channel, [aMessage("c")]);
    const lines = (await readFile(join(folder, "alerts.log"), "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line)).map(({ id, kind }) => [id, kind])).toEqual([
      ["id-a", "raised"],
      ["id-b", "resolved"],
      ["id-c", "raised"],
    ]);
    expect(notes).toEqual(["alert (medium): title a", "resolved: b", "alert (medium): title c"]);
  });

  it("that cannot be written fails and shows nothing", async () => {
    const { folder, channel, notes } = await aLog();
    await rm(folder, { recursive: true });
    expect(await send(channel)).toEqual({
      kind: "failed",
      reason: "alerts.log cannot be written (ENOENT)",
      waitMs: null,
    });
    expect(notes).toEqual([]);
  });
});

const WEBHOOK = { kind: "webhook", urlEnv: "HOOK", minSeverity: "low" } as const;

function aChannel(settings: ChannelSettings, url: string, env: Readonly<Record<string, string>> = {}): Channel {
  const [channel] = createChannels(
    { ops: settings },
    { stateDir: "/nowhere", env: { HOOK: url, TOKEN: `X-Token: ${SECRET}`, ...env }, clock, note: () => undefined },
  );
  if (!channel) throw new Error("unreachable: one channel was configured");
  return channel;
}

async function aLog(): Promise<{ folder: string; channel: Channel; notes: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "retrofill-channels-"));
  opened.push({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) });
  const notes: string[] = [];
  const [channel] = createChannels(
    { log: { kind: "log", minSeverity: "low" } },
    { stateDir: folder, env: {}, clock, note: (line) => notes.push(line) },
  );
  if (!channel) throw new Error("unreachable: one channel was configured");
  return { folder, channel, notes };
}

async function send(channel: Channel, messages: readonly Message[] = [aMessage("a")]): Promise<SendOutcome> {
  const outcome = await channel.send(messages, new AbortController().signal);
  expect(JSON.stringify(outcome)).not.toContain(SECRET);
  return outcome;
}

function aMessage(key: string, some: Partial<Message> = {}): Message {
  return {
    id: `id-${key}`,
    attempt: 1,
    kind: "raised",
    channel: "ops",
    rule: "gap",
    severity: "medium",
    dedupeKey: key,
    title: `title ${key}`,
    body: `body ${key}`,
    subject: { kind: "gap", dataset: "bars", start: AT },
    runId: "run-1",
    at: AT,
    ...some,
  };
}

interface Hook {
  readonly url: string;
  readonly got: { readonly headers: IncomingHttpHeaders; readonly body: unknown }[];
}

/** A receiver that keeps what it gets and answers 200, or as told. */
async function receive(answer: RequestListener = (_request, response) => response.end("ok")): Promise<Hook> {
  const got: Hook["got"] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    got.push({ headers: request.headers, body: JSON.parse(Buffer.concat(parts).toString()) });
    answer(request, response);
  });
  return { url: `${await listen(server)}/${SECRET}`, got };
}

async function listen(server: Server): Promise<string> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

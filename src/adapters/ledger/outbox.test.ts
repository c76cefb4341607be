import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { openTrialLedger } from "../../../bench/ledger-trial.ts";
import type { Announcement } from "../../core/alerts/announce.ts";
import { DAY, HOUR, instant, MINUTE } from "../../core/time/instant.ts";
import type { Outbox } from "../../engine/alert/ports.ts";
import { ledgerAudit } from "./audit.ts";
import { LedgerDatabase } from "./database.ts";
import { ledgerOutbox } from "./outbox.ts";

const START = instant(Date.parse("2026-03-20T20:00:00Z"));
const CLAIM = { limit: 10, holdMs: MINUTE };

describe("the outbox", () => {
  it("keeps messages in order, as they were put in, over a restart", async () => {
    await using trial = await openTrialLedger(() => START);
    await put(ledgerOutbox(trial.database), [anAlert("a"), anAlert("b", { channel: "slack" }), anAlert("c")]);
    await using again = await LedgerDatabase.open(trial.path, () => START);
    const outbox = ledgerOutbox(again);
    expect(await outbox.due(START)).toEqual(["log", "slack"]);
    const { messages } = await outbox.claim("log", CLAIM);
    expect(messages.map(({ id: _, ...message }) => message)).toEqual([
      { ...anAlert("a"), attempt: 1 },
      { ...anAlert("c"), attempt: 1 },
    ]);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(2);
  });

  it("tells what each channel was last told of conditions that hold", async () => {
    await using trial = await openTrialLedger(() => START);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("a"), anAlert("b")]);
    await put(outbox, [anAlert("a", { severity: "critical" })]);
    await put(outbox, [anAlert("b", { kind: "resolved" })], ["b"]);
    expect(await openOf(outbox)).toEqual([{ dedupeKey: "a", severity: "critical", wasGivenUp: false, saidAt: START }]);
  });

  it("forgets a message that nobody heard when a newer one says the same", async () => {
    await using trial = await openTrialLedger(() => START);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("a"), anAlert("b")]);
    const claim = await outbox.claim("log", CLAIM);
    const [a, b] = claim.messages;
    await outbox.settle(claim.token, [
      { id: a?.id ?? "", status: "given-up", reason: "HTTP 404" },
      { id: b?.id ?? "", status: "sent" },
    ]);
    expect(await openOf(outbox)).toMatchObject([{ wasGivenUp: true }, { wasGivenUp: false }]);
    await put(outbox, [anAlert("a", { severity: "critical" }), anAlert("b", { severity: "critical" })]);
    const rows = await outbox.list({ all: true, limit: 10 });
    expect(rows.map(({ dedupeKey, status, isOpen }) => `${dedupeKey} ${status} ${isOpen}`)).toEqual([
      "b waiting true",
      "a waiting true",
      "b sent false",
    ]);
  });

  it("lists what holds or was not delivered, and everything when asked", async () => {
    await using trial = await openTrialLedger(() => START);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("a"), anAlert("b"), anAlert("c"), anAlert("d")]);
    const claim = await outbox.claim("log", { ...CLAIM, limit: 3 });
    const [a, b, c] = claim.messages;
    await outbox.settle(claim.token, [
      { id: a?.id ?? "", status: "sent" },
      { id: b?.id ?? "", status: "sent" },
      { id: c?.id ?? "", status: "waiting", reason: "HTTP 500", waitMs: HOUR },
    ]);
    await put(outbox, [], ["b"]);
    const shown = await outbox.list({ all: false, limit: 10 });
    expect(shown.map(({ dedupeKey, status, reason, nextAt }) => [dedupeKey, status, reason, nextAt])).toEqual([
      ["d", "waiting", null, START],
      ["c", "waiting", "HTTP 500", START + HOUR],
      ["a", "sent", null, null],
    ]);
    expect(await outbox.list({ all: true, limit: 10 })).toHaveLength(4);
    expect(await outbox.list({ all: true, limit: 2 })).toHaveLength(2);
  });

  it("forgets what ended long ago, and nothing else", async () => {
    let now: number = START;
    await using trial = await openTrialLedger(() => now);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("ended"), anAlert("holds"), anAlert("waits")]);
    const claim = await outbox.claim("log", { ...CLAIM, limit: 2 });
    await outbox.settle(
      claim.token,
      claim.messages.map(({ id }) => ({ id, status: "sent" as const })),
    );
    await put(outbox, [], ["ended", "waits"]);
    now += 91 * DAY;
    await put(outbox, []);
    const left = await outbox.list({ all: true, limit: 10 });
    expect(left.map(({ dedupeKey }) => dedupeKey)).toEqual(["waits", "holds"]);
  });

  it("leaves no trace in the ledger's chains", async () => {
    await using trial = await openTrialLedger(() => START);
    await put(ledgerOutbox(trial.database), [anAlert("a")]);
    expect((await ledgerAudit(trial.database).replay()).events).toBe(0);
  });

  it("comes to a ledger that is older than it", async () => {
    await using trial = await openTrialLedger(() => START);
    await sql`drop table outbox`.execute(trial.database.db);
    await sql`delete from migration where name = '0002-outbox'`.execute(trial.database.db);
    await using again = await LedgerDatabase.open(trial.path, () => START);
    expect(await put(ledgerOutbox(again), [anAlert("a")])).toBe(1);
  });
});

describe("a claim", () => {
  it("keeps its messages from a second connection until it is settled or expires", async () => {
    let now: number = START;
    await using trial = await openTrialLedger(() => now);
    await using second = await LedgerDatabase.open(trial.path, () => now);
    const [one, other] = [ledgerOutbox(trial.database), ledgerOutbox(second)];
    await put(one, [anAlert("a"), anAlert("b")]);
    const first = await one.claim("log", { ...CLAIM, limit: 1 });
    expect(first.messages.map(({ dedupeKey }) => dedupeKey)).toEqual(["a"]);
    expect((await other.claim("log", CLAIM)).messages.map(({ dedupeKey }) => dedupeKey)).toEqual(["b"]);
    expect((await one.claim("log", CLAIM)).messages).toEqual([]);
    expect(await one.due(instant(now))).toEqual([]);
    now += MINUTE;
    // The first process died, as it seems: the second takes over, and the first comes back too late.
    const taken = await other.claim("log", CLAIM);
    expect(taken.messages.map(({ dedupeKey, attempt }) => [dedupeKey, attempt])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
    await other.settle(
      taken.token,
      taken.messages.map(({ id }) => ({ id, status: "sent" as const })),
    );
    await one.settle(first.token, [{ id: first.messages[0]?.id ?? "", status: "given-up", reason: "HTTP 400" }]);
    const rows = await one.list({ all: true, limit: 10 });
    expect(rows.map(({ status, reason }) => [status, reason])).toEqual([
      ["sent", null],
      ["sent", null],
    ]);
  });

  it("waits until the time of the next try, and no longer when the clock jumped back", async () => {
    let now: number = START;
    await using trial = await openTrialLedger(() => now);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("a")]);
    const fail = async (waitMs: number): Promise<void> => {
      const { token, messages } = await outbox.claim("log", CLAIM);
      await outbox.settle(token, [{ id: messages[0]?.id ?? "", status: "waiting", reason: "HTTP 500", waitMs }]);
    };
    await fail(HOUR);
    now += HOUR - 1;
    expect(await outbox.due(instant(now))).toEqual([]);
    expect((await outbox.claim("log", CLAIM)).messages).toEqual([]);
    now += 1;
    expect(await outbox.due(instant(now))).toEqual(["log"]);
    await fail(HOUR);
    now -= DAY;
    expect((await outbox.claim("log", CLAIM)).messages).toMatchObject([{ attempt: 3 }]);
  });

  it("comes back at once on request, also for what was given up", async () => {
    await using trial = await openTrialLedger(() => START);
    const outbox = ledgerOutbox(trial.database);
    await put(outbox, [anAlert("a"), anAlert("b"), anAlert("c")]);
    const { token, messages } = await outbox.claim("log", CLAIM);
    const [a, b, c] = messages;
    await outbox.settle(token, [
      { id: a?.id ?? "", status: "waiting", reason: "HTTP 500", waitMs: HOUR },
      { id: b?.id ?? "", status: "given-up", reason: "HTTP 404" },
      { id: c?.id ?? "", status: "sent" },
    ]);
    expect(await outbox.due(START)).toEqual([]);
    expect(await outbox.retry()).toBe(2);
    expect((await outbox.claim("log", CLAIM)).messages.map(({ dedupeKey, attempt }) => [dedupeKey, attempt])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  it("gives each message to one of several processes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "retrofill-outbox-"));
    try {
      const path = join(folder, "ledger.db");
      await using database = await LedgerDatabase.open(path, Date.now);
      const outbox = ledgerOutbox(database);
      await put(
        outbox,
        Array.from({ length: 120 }, (_, i) => anAlert(`k${i}`)),
      );
      const code = `
        const { LedgerDatabase } = await import(${JSON.stringify(new URL("./database.ts", import.meta.url).href)});
        const { ledgerOutbox } = await import(${JSON.stringify(new URL("./outbox.ts", import.meta.url).href)});
        const database = await LedgerDatabase.open(${JSON.stringify(path)}, Date.now);
        const outbox = ledgerOutbox(database);
        const taken = [];
        for (;;) {
          const { token, messages } = await outbox.claim("log", { limit: 3, holdMs: 600_000 });
          if (messages.length === 0) break;
          taken.push(...messages.map((message) => message.dedupeKey));
          if (taken.length % 2 === 0) await outbox.settle(token, messages.map(({ id }) => ({ id, status: "sent" })));
        }
        await database[Symbol.asyncDispose]();
        process.stdout.write(JSON.stringify(taken));`;
      const taken = await Promise.all([startNode(code), startNode(code), startNode(code)].map(outputOf));
      const keys = taken.flatMap((text) => JSON.parse(text) as string[]);
      expect(keys.sort()).toEqual(Array.from({ length: 120 }, (_, i) => `k${i}`).sort());
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it("two processes that see the same condition at once say it once", async () => {
  await using trial = await openTrialLedger(() => START);
  await using second = await LedgerDatabase.open(trial.path, () => START);
  const raise = (outbox: Outbox): Promise<number> =>
    outbox.enqueue((open) => ({ say: open.length > 0 ? [] : [anAlert("a")], ended: [] }));
  expect([await raise(ledgerOutbox(trial.database)), await raise(ledgerOutbox(second))]).toEqual([1, 0]);
});

/** Puts messages in, and ends the conditions of `ended`. */
function put(outbox: Outbox, say: readonly Announcement[], ended: readonly string[] = []): Promise<number> {
  return outbox.enqueue((open) => ({ say, ended: open.filter(({ dedupeKey }) => ended.includes(dedupeKey)) }));
}

async function openOf(outbox: Outbox): Promise<readonly object[]> {
  let seen: readonly object[] = [];
  await outbox.enqueue((open) => {
    seen = open.map(({ dedupeKey, severity, wasGivenUp, saidAt }) => ({ dedupeKey, severity, wasGivenUp, saidAt }));
    return { say: [], ended: [] };
  });
  return seen;
}

function anAlert(dedupeKey: string, some: Partial<Announcement> = {}): Announcement {
  return {
    kind: "raised",
    channel: "log",
    rule: "gap",
    severity: "medium",
    dedupeKey,
    title: `about ${dedupeKey}`,
    body: "a body\nof two lines",
    subject: { kind: "gap", dataset: "bars", start: START },
    runId: "run-1",
    at: START,
    ...some,
  };
}

function startNode(code: string): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function outputOf(child: ChildProcess): Promise<string> {
  const parts: string[] = [];
  child.stdout?.on("data", (part) => parts.push(String(part)));
  const [exit] = (await once(child, "close")) as [number | null];
  expect(exit).toBe(0);
  return parts.join("");
}

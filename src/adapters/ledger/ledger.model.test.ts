import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  openTrialLedger,
  TRIAL_DATASET,
  TRIAL_NOW,
  TRIAL_SOURCE,
  type TrialLedger,
  trialChunk,
  trialHour,
  trialOwner,
  trialPlan,
} from "../../../bench/ledger-trial.ts";
import {
  answeredSet,
  applyFindings,
  applyUnanswered,
  type Findings,
  type Segments,
} from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import type { ChunkStatus } from "../../core/run/chunk-state.ts";
import { isTerminal, type RunStatus } from "../../core/run/run-state.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import { containsAll, subtract } from "../../core/time/interval-set.ts";
import type { ChunkProgress, ChunkRecord, ObjectRecord, RunRecord } from "../../engine/ledger-port.ts";
import { ledgerAudit } from "./audit.ts";

/** What a chunk must be, as a few lines of plain data know it. */
interface ModelChunk {
  readonly id: string;
  readonly key: SeriesKey;
  readonly start: number;
  end: number;
  status: ChunkStatus;
  attempt: number;
  notBefore: number;
  /** Hours answered from its start. */
  from: number;
  pages: number;
}

interface Model {
  readonly chunks: Map<string, ModelChunk>;
  readonly coverage: Map<SeriesKey, Segments>;
  status: RunStatus;
  control: "none" | "pause" | "cancel";
  fence: number;
  now: number;
  objects: number;
}

interface Real extends TrialLedger {
  run: RunRecord;
  /** Every chunk that any worker ever claimed, as it got it. */
  readonly claims: ChunkRecord[];
}

type Command = fc.AsyncCommand<Model, Real>;

const KEYS = ["A", "B"].map(asSeriesKey);
const CHUNKS = KEYS.flatMap((key) => [0, 4, 8].map((from) => trialChunk(key, from, from + 4)));

class Claim implements Command {
  readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const claim = real.ledger.claimFetches(real.run, {
      limit: this.limit,
      sources: [TRIAL_SOURCE],
      now: at(model.now),
      isAlive: () => true,
    });
    if (model.status !== "running") return void (await expect(claim).rejects.toMatchObject({ code: "RUN_STATE" }));
    const claimed = await claim;
    const open = all(model).filter(({ status }) => status === "pending" || status === "deferred");
    const due = model.control === "none" ? open.filter((chunk) => chunk.notBefore <= model.now) : [];
    const expected = due.slice(0, this.limit);
    expect(claimed.chunks.map((chunk) => chunk.id)).toEqual(expected.map((chunk) => chunk.id));
    expect(claimed.waiting).toBe(open.length - expected.length);
    for (const chunk of expected) {
      chunk.status = "running";
      chunk.attempt++;
    }
    for (const chunk of claimed.chunks) {
      // A worker forgets an earlier claim of its own; those of workers of the past stay.
      const earlier = real.claims.findIndex((one) => one.id === chunk.id && one.fence === chunk.fence);
      if (earlier >= 0) real.claims.splice(earlier, 1);
      real.claims.push(chunk);
    }
  }
  toString(): string {
    return `claim ${this.limit}`;
  }
}

/** Whether the worker that got this claim may still write for it. */
function holds(model: Model, claim: ChunkRecord): boolean {
  const chunk = chunkOf(model, claim.id);
  return chunk.status === "running" && claim.fence === model.fence;
}

class Page implements Command {
  readonly pick: number;
  constructor(pick: number) {
    this.pick = pick;
  }
  check(_model: Readonly<Model>): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const claim = picked(real, this.pick);
    if (!claim) return;
    const chunk = chunkOf(model, claim.id);
    const may = holds(model, claim) && chunk.from < chunk.end;
    if (holds(model, claim) && !may) return;
    const progress: ChunkProgress = {
      page: chunk.pages + 1,
      from: trialHour(chunk.from + 1),
      next: null,
      complete: chunk.from + 1 === chunk.end,
    };
    const committed = await real.ledger.commitPage(claim, object(model, claim, chunk), progress);
    expect(committed).toBe(may);
    if (!committed) return;
    model.objects++;
    chunk.pages++;
    chunk.from++;
    // The worker goes on with what it knows now.
    real.claims[real.claims.indexOf(claim)] = { ...claim, progress };
  }
  toString(): string {
    return `page ${this.pick}`;
  }
}

/** The usual way of a chunk: claimed, some or all of its pages answered, then settled. */
class Work implements Command {
  readonly pages: number;
  readonly event: "fetched" | "failed" | "refused";
  constructor(pages: number, event: "fetched" | "failed" | "refused") {
    this.pages = pages;
    this.event = event;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    await new Claim(1).run(model, real);
    const last = real.claims.length - 1;
    for (let page = 0; page < this.pages; page++) await new Page(last).run(model, real);
    await new Settle(last, this.event).run(model, real);
  }
  toString(): string {
    return `${this.event} after ${this.pages} pages`;
  }
}

class Settle implements Command {
  readonly pick: number;
  readonly event: "fetched" | "skipped" | "release" | "defer" | "failed" | "refused";
  constructor(pick: number, event: "fetched" | "skipped" | "release" | "defer" | "failed" | "refused") {
    this.pick = pick;
    this.event = event;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const claim = picked(real, this.pick);
    if (!claim) return;
    const { event } = this;
    const reason = `because of ${event}`;
    const chunk = chunkOf(model, claim.id);
    const may = holds(model, claim);
    // A complete chunk can only be fetched: its worker has nothing left to fail at.
    if (may && chunk.from === chunk.end && event !== "fetched") return;
    const until = at(model.now + 5);
    const settlement =
      event === "fetched"
        ? { event }
        : event === "defer"
          ? { event, reason, until, countsAttempt: true }
          : { event, reason };
    await real.ledger.settleChunk(claim, settlement, at(model.now));
    if (!may) return;
    switch (event) {
      case "fetched":
      case "skipped":
        chunk.status = event;
        break;
      case "release":
        chunk.status = "pending";
        chunk.attempt--;
        chunk.notBefore = 0;
        break;
      case "defer":
        chunk.status = "deferred";
        chunk.notBefore = model.now + 5;
        break;
      case "failed":
      case "refused":
        giveUp(model, chunk, event, reason);
        break;
      default:
        event satisfies never;
    }
  }
  toString(): string {
    return `settle ${this.pick} ${this.event}`;
  }
}

function giveUp(model: Model, chunk: ModelChunk, event: "failed" | "refused", reason: string): void {
  const rest = { ...chunk, start: chunk.from, status: event, pages: 0 };
  if (chunk.from > chunk.start) {
    chunk.status = "fetched";
    chunk.end = chunk.from;
    model.chunks.set(`${chunk.id}b`, { ...rest, id: `${chunk.id}b` });
  } else chunk.status = event;
  const span = { start: trialHour(rest.start), end: trialHour(rest.end) };
  const id = chunk.status === "fetched" ? `${chunk.id}b` : chunk.id;
  model.coverage.set(
    chunk.key,
    applyUnanswered(model.coverage.get(chunk.key) ?? [], { ...span, state: event, reason, chunk: id }),
  );
}

/** Publishes what is fetched; `fence` 0 is the present worker, others are workers of the past. */
class Publish implements Command {
  readonly stale: boolean;
  readonly outcome: "committed" | "twice" | "abandoned";
  constructor(stale: boolean, outcome: "committed" | "twice" | "abandoned") {
    this.stale = stale;
    this.outcome = outcome;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const members = all(model).filter((chunk) => chunk.status === "fetched" && chunk.from > chunk.start);
    const fence = this.stale ? model.fence - 1 : model.fence;
    const publication = { ...trialChunk("*", 0, 12), kind: "build" as const, source: null };
    const begin = real.ledger.beginPublication(real.run.id, fence, publication, {
      members: members.map((chunk) => chunk.id),
    });
    if (this.stale || model.status !== "running") {
      return void (await expect(begin).rejects.toMatchObject({ code: "RUN_STATE" }));
    }
    const build = await begin;
    if (this.outcome === "abandoned") return real.ledger.abandonPublication(build, "the process ended");
    const findings = new Map<SeriesKey, Findings>();
    for (const chunk of members) {
      const answered = { start: trialHour(chunk.start), end: trialHour(chunk.from), chunk: chunk.id };
      const known = findings.get(chunk.key);
      // Each series' second hour has no row.
      const holes = [{ start: trialHour(1), end: trialHour(2) }];
      findings.set(chunk.key, { answered: [...(known?.answered ?? []), answered], holes, blocked: [] });
    }
    const receipt = {
      chunkId: build.id,
      fence: build.fence,
      dataset: build.dataset,
      version: build.version,
      counts: { received: 3, inserted: 3, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, retracted: 0 },
      quarantinedBy: {},
      rowsBySeries: { A: { inserted: 3, updated: 0, retracted: 0 } },
      findings,
      built: new Map(),
      members: members.map((chunk) => chunk.id),
      changes: [],
    };
    await real.ledger.commitPublication(receipt, at(model.now));
    if (this.outcome === "twice") await real.ledger.commitPublication(receipt, at(model.now));
    for (const chunk of members) chunk.status = "published";
    for (const [key, found] of findings) model.coverage.set(key, applyFindings(model.coverage.get(key) ?? [], found));
  }
  toString(): string {
    return `publish${this.stale ? " as a worker of the past" : ""} ${this.outcome}`;
  }
}

class Ask implements Command {
  readonly control: "pause" | "cancel";
  constructor(control: "pause" | "cancel") {
    this.control = control;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const asked = real.ledger.setControl(real.run.id, this.control, "somebody");
    if (model.status !== "running") return void (await expect(asked).rejects.toMatchObject({ code: "RUN_STATE" }));
    await asked;
    model.control = this.control;
    expect(await real.ledger.heartbeat(real.run.id, model.fence, at(model.now))).toBe(this.control);
  }
  toString(): string {
    return `ask to ${this.control}`;
  }
}

class Stop implements Command {
  readonly event: "pause" | "interrupt";
  constructor(event: "pause" | "interrupt") {
    this.event = event;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const { event } = this;
    if (model.status === "running") {
      await expect(real.ledger.moveRun(real.run.id, { type: event }, {}, model.fence - 1)).rejects.toThrow();
    }
    const moved = await real.ledger.moveRun(real.run.id, { type: event }, {});
    expect(moved !== null).toBe(model.status === "running");
    if (moved) model.status = event === "pause" ? "paused" : "interrupted";
  }
  toString(): string {
    return this.event;
  }
}

/** Another process goes on: after a kill, a pause, or to ask again for what failed. */
class TakeOver implements Command {
  readonly event: "resume" | "reopen";
  readonly late: boolean;
  constructor(event: "resume" | "reopen", late: boolean) {
    this.event = event;
    this.late = late;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const fence = this.late ? model.fence - 1 : model.fence;
    const taken = await real.ledger.takeOver(
      real.run.id,
      trialOwner(model.fence + 1),
      at(model.now),
      this.event,
      fence,
    );
    const resumable = model.status === "running" || model.status === "paused" || model.status === "interrupted";
    const allowed = this.event === "resume" ? resumable : model.status === "partial" || model.status === "failed";
    expect(taken !== null).toBe(allowed && !this.late);
    if (!taken) return;
    real.run = taken;
    model.fence++;
    model.status = "running";
    model.control = "none";
    const again: readonly ChunkStatus[] = this.event === "reopen" ? ["failed", "refused", "cancelled"] : [];
    for (const chunk of model.chunks.values()) {
      if (chunk.status === "running") chunk.attempt--;
      if (again.includes(chunk.status)) chunk.attempt = 0;
      if (!["pending", "running", "deferred", ...again].includes(chunk.status)) continue;
      chunk.status = "pending";
      chunk.notBefore = 0;
    }
  }
  toString(): string {
    return `${this.event}${this.late ? " too late" : ""}`;
  }
}

class Close implements Command {
  readonly outcome: "succeeded" | "partial" | "failed" | "cancelled";
  constructor(outcome: "succeeded" | "partial" | "failed" | "cancelled") {
    this.outcome = outcome;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const { outcome } = this;
    await expect(real.ledger.closeRun(real.run.id, model.fence - 1, outcome, {}, at(model.now))).rejects.toThrow();
    const close = real.ledger.closeRun(real.run.id, model.fence, outcome, { rows: 1 }, at(model.now));
    const idle = model.status === "paused" || model.status === "interrupted";
    if (model.status !== "running" && !(idle && outcome === "cancelled")) {
      return void (await expect(close).rejects.toMatchObject({ code: "RUN_STATE" }));
    }
    expect((await close).status).toBe(outcome);
    model.status = outcome;
    for (const chunk of model.chunks.values()) {
      if (["pending", "running", "deferred"].includes(chunk.status)) chunk.status = "cancelled";
    }
  }
  toString(): string {
    return `close ${this.outcome}`;
  }
}

class Wait implements Command {
  check(): boolean {
    return true;
  }
  async run(model: Model): Promise<void> {
    model.now += 3;
  }
  toString(): string {
    return "wait";
  }
}

const commands = fc.commands(
  [
    fc.integer({ min: 1, max: 4 }).map((limit) => new Claim(limit)),
    fc.integer({ min: 1, max: 4 }).map((limit) => new Claim(limit)),
    fc.nat(20).map((pick) => new Page(pick)),
    fc.nat(20).map((pick) => new Page(pick)),
    fc
      .tuple(fc.nat(20), fc.constantFrom("fetched", "skipped", "release", "defer", "failed", "refused"))
      .map(([pick, event]) => new Settle(pick, event)),
    fc
      .tuple(fc.nat(4), fc.constantFrom("failed", "refused"))
      .map(([pages, event]) => new Work(pages, pages === 4 ? "fetched" : event)),
    fc.constant(new Work(4, "fetched")),
    fc
      .tuple(fc.boolean(), fc.constantFrom("committed", "twice", "abandoned"))
      .map(([stale, outcome]) => new Publish(stale, outcome)),
    fc.constantFrom("pause", "cancel").map((control) => new Ask(control)),
    fc.constantFrom("pause", "interrupt").map((event) => new Stop(event)),
    fc.tuple(fc.constantFrom("resume", "reopen"), fc.boolean()).map(([event, late]) => new TakeOver(event, late)),
    fc.tuple(fc.constant("resume"), fc.constant(false)).map(([event, late]) => new TakeOver(event as "resume", late)),
    fc.constantFrom("partial", "failed").map((outcome) => new Close(outcome)),
    // Runs that are over for good are rare here: nothing more happens to them.
    fc.nat(19).map((n) => (n < 2 ? new Close(n === 0 ? "succeeded" : "cancelled") : new TakeOver("reopen", false))),
    fc.constant(new Wait()),
  ] as fc.Arbitrary<Command>[],
  { maxCommands: 60, size: "max" },
);

describe("the ledger", () => {
  it("does what a model of it does: nothing lost, nothing doubled, no stale write, chains whole", {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (script) => {
        await using trial = await openTrialLedger();
        const plan = trialPlan("plan-1");
        await trial.ledger.savePlan(plan);
        const run = await trial.ledger.openRun(plan, "run-1", trialOwner(1), CHUNKS, TRIAL_NOW);
        if (!run) throw new Error("unreachable: the plan was not applied before");
        expect(await trial.ledger.openRun(plan, "run-2", trialOwner(2), CHUNKS, TRIAL_NOW)).toBe(null);
        const model: Model = {
          chunks: new Map(
            CHUNKS.map((chunk, i): [string, ModelChunk] => {
              const from = (i % 3) * 4;
              const id = `run-1.${i + 1}`;
              const open = { status: "pending" as const, attempt: 0, notBefore: 0, from, pages: 0 };
              return [id, { id, key: chunk.key, start: from, end: from + 4, ...open }];
            }),
          ),
          coverage: new Map(),
          status: "running",
          control: "none",
          fence: 1,
          now: TRIAL_NOW,
          objects: 0,
        };
        const real: Real = Object.assign(trial, { run, claims: [] });
        await fc.asyncModelRun(() => ({ model, real }), script);
        await expectSame(model, real);
      }),
      { numRuns: 80 },
    );
  });
});

async function expectSame(model: Model, real: Real): Promise<void> {
  const chunks = await real.ledger.chunks("run-1", { kind: "fetch" });
  const told = (one: { id: string; status: string; attempt: number; start: number; end: number }): string =>
    `${one.id} ${one.status} attempt ${one.attempt} [${one.start}, ${one.end})`;
  expect(
    chunks.map((one) => told({ ...one, start: hour(one.window.start), end: hour(one.window.end) })).sort(),
  ).toEqual([...model.chunks.values()].map(told).sort());
  const run = await real.ledger.run("run-1");
  expect(run?.status).toBe(model.status);
  if (isTerminal(model.status)) {
    expect(chunks.filter(({ status }) => ["pending", "running", "deferred"].includes(status))).toEqual([]);
    expect(run?.closedAt).not.toBe(null);
  }
  // Windows of one series still tile what the plan asked for: no hour is lost or asked for by two chunks.
  for (const key of KEYS) {
    const windows = chunks.filter((chunk) => chunk.key === key).map((chunk) => chunk.window);
    expect(windows.reduce((sum, one) => sum + hour(one.end) - hour(one.start), 0)).toBe(12);
    expect(
      subtract(
        [{ start: trialHour(0), end: trialHour(12) }],
        windows.sort((a, b) => a.start - b.start),
      ),
    ).toEqual([]);
  }
  const objects = await real.ledger.objectsOf(chunks.map((chunk) => chunk.id));
  expect(objects).toHaveLength(model.objects);
  expect(new Set(objects.map((one) => one.id)).size).toBe(model.objects);

  const table = await real.ledger.segments(TRIAL_DATASET, 1);
  expect(new Map(table)).toEqual(model.coverage);
  const answered = [...table.values()].map(answeredSet);
  for (const set of answered) expect(containsAll([{ start: trialHour(0), end: trialHour(12) }], set)).toBe(true);

  const audit = ledgerAudit(real.database);
  const replay = await audit.replay();
  expect(replay.faults).toEqual([]);
  const rebuilt = new Map([...replay.coverage].filter(([, series]) => series.size > 0));
  expect(rebuilt).toEqual(await audit.coverage());
  for (const { table: counts, event } of await audit.totals()) expect(counts).toBe(event);
}

function all(model: Model): readonly ModelChunk[] {
  const place = (id: string): number => Number.parseInt(id.slice("run-1.".length), 10);
  return [...model.chunks.values()].sort((a, b) => place(a.id) - place(b.id));
}

function chunkOf(model: Model, id: string): ModelChunk {
  const chunk = model.chunks.get(id);
  if (!chunk) throw new Error(`the ledger handed out ${id}, which nobody planned`);
  return chunk;
}

function picked(real: Real, pick: number): ChunkRecord | undefined {
  return real.claims.length === 0 ? undefined : real.claims[pick % real.claims.length];
}

function object(model: Model, claim: ChunkRecord, chunk: ModelChunk): Omit<ObjectRecord, "ordinal"> {
  const id = `${claim.id}-${chunk.pages}`;
  return {
    id,
    chunkId: claim.id,
    runId: claim.runId,
    dataset: claim.dataset,
    version: claim.version,
    key: claim.key,
    keys: [claim.key],
    source: TRIAL_SOURCE,
    page: chunk.pages,
    target: `/hours/${id}`,
    path: `bronze/${id}`,
    sha256: "00",
    bytes: 1,
    oneLine: true,
    answered: { start: trialHour(chunk.from), end: trialHour(chunk.from + 1) },
    rows: 1,
    strict: true,
    layout: null,
    businessNow: TRIAL_NOW,
    receivedAt: at(model.now),
  };
}

function hour(at: Instant): number {
  return (at - trialHour(0)) / (trialHour(1) - trialHour(0));
}

function at(ms: number): Instant {
  return instant(ms);
}

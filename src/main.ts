import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Connections } from "./bind-provider.ts";
import type { ProjectConfig } from "./config.ts";
import { RetrofillError } from "./core/errors.ts";
import { type Instant, instant } from "./core/time/instant.ts";
import type { Clock } from "./engine/ports.ts";
import type { BoundPipeline, Project } from "./engine/project.ts";
import type { SandboxSymbol } from "./new-project.ts";
import { runCli } from "./surfaces/cli/cli.ts";
import { outliveReaders } from "./surfaces/cli/departed-reader.ts";
import type { Host, InitResult, OpenProject, RunningSandbox } from "./surfaces/cli/host.ts";

// The one file that knows everybody: it builds the adapters and hands them to the surfaces. What a command does not
// need is not loaded: imports below are made where they are used, since start-up time is a feature.

const clock: Clock = {
  now: () => instant(Date.now()),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};

/** What the command line gets from here. */
export const host: Host = {
  version: packageVersion(),
  openProject,
  init,
  sandbox: startSandboxProcess,
};

export async function main(argv: readonly string[]): Promise<number> {
  outliveReaders([process.stdout, process.stderr]);
  return runCli(argv, host);
}

/** Opens the project at or above `dir`: ledger, store, bronze and the pipelines that its configuration declares. */
export async function openProject(options: { readonly dir: string | null }): Promise<OpenProject> {
  const { CONFIG_FILE, findProject, loadConfig } = await import("./config.ts");
  const dir = options.dir === null ? findProject(process.cwd()) : findProjectAt(options.dir, findProject);
  loadEnv(dir);
  const config = await loadConfig(dir);
  const [
    { LedgerDatabase },
    { createLedger },
    { ledgerBudget },
    { ledgerAudit },
    leases,
    store,
    { fileBronze },
    files,
    { ledgerOutbox },
    { createChannels },
    { fileCopies },
  ] = await Promise.all([
    import("./adapters/ledger/database.ts"),
    import("./adapters/ledger/ledger.ts"),
    import("./adapters/ledger/budget.ts"),
    import("./adapters/ledger/audit.ts"),
    import("./adapters/ledger/leases.ts"),
    import("./adapters/store/duckdb-store.ts"),
    import("./adapters/bronze/bronze.ts"),
    import("./adapters/files/run-files.ts"),
    import("./adapters/ledger/outbox.ts"),
    import("./adapters/channels/channels.ts"),
    import("./adapters/files/file-copies.ts"),
  ]);
  const { mkdir, statfs } = await import("node:fs/promises");
  const stateDir = join(dir, ".retrofill");
  await mkdir(stateDir, { recursive: true });
  const database = await LedgerDatabase.open(join(stateDir, "ledger.db"), () => Date.now());
  const bronzeRoot = join(stateDir, "bronze");
  const pinned = process.env.RETROFILL_NOW ?? config.now ?? null;
  const businessNow = (): Instant => (pinned === null ? clock.now() : readPinned(pinned, "the pinned business now"));
  const connected = await bindPipelines(config, { dir, stateDir, now: businessNow });
  const project: Project = {
    dir,
    stateDir,
    pipelines: connected.map(({ bound }) => bound),
    ledger: createLedger(database),
    budget: ledgerBudget(database),
    store: store.duckdbStore({
      path: join(stateDir, "data.duckdb"),
      bronze: bronzeRoot,
      history: join(stateDir, "history"),
      lock: leases.ledgerLock(database, "the data file"),
      settings: config.store,
    }),
    bronze: fileBronze(bronzeRoot),
    files: files.runFiles(join(stateDir, "runs"), dir),
    alerts: {
      rules: config.alerts.rules,
      channels: createChannels(config.alerts.channels, { stateDir, env: process.env, clock, note: noteOnStderr }),
      outbox: ledgerOutbox(database),
    },
    clock,
    actor: process.env.RETROFILL_ACTOR ?? userName(),
    self: leases.thisProcess(),
    isAlive: leases.isAlive,
    businessNow,
    freeBytes: async () => {
      const { bavail, bsize } = await statfs(stateDir);
      return bavail * bsize;
    },
    random: Math.random,
    hash: (text) => createHash("sha256").update(text).digest("hex"),
  };
  return {
    project,
    audit: ledgerAudit(database),
    copies: fileCopies({ configFile: CONFIG_FILE }),
    pinnedNow: pinned,
    connect(provider) {
      const owner = connected.find(({ bound }) => bound.sources.some((one) => one.provider === provider));
      if (!owner) throw new RetrofillError("SOURCE_UNCONFIGURED", `no pipeline asks ${provider.name}`);
      return owner.connections.connect(provider);
    },
    async [Symbol.asyncDispose]() {
      for (const { connections } of connected) await connections[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A pipeline, and what is open to those whom it asks. */
interface ConnectedPipeline {
  readonly bound: BoundPipeline;
  readonly connections: Connections;
}

/** The pipelines that a configuration declares; each is loaded only where it is. */
async function bindPipelines(
  { pipelines: { ohlcv, retail } }: ProjectConfig,
  project: { readonly dir: string; readonly stateDir: string; readonly now: () => Instant },
): Promise<readonly ConnectedPipeline[]> {
  const { Connections } = await import("./bind-provider.ts");
  const connected: ConnectedPipeline[] = [];
  const place = { ...project, clock };
  if (ohlcv) {
    const { bindOhlcv, ohlcvAddresses } = await import("./bind-ohlcv.ts");
    const bound = bindOhlcv(ohlcv, { ...project, note: noteOnStderr });
    connected.push({ bound, connections: new Connections(place, ohlcv, ohlcvAddresses(ohlcv)) });
  }
  if (retail) {
    const { bindRetail, retailAddresses } = await import("./bind-retail.ts");
    const bound = bindRetail(retail, { ...project, note: noteOnStderr });
    connected.push({ bound, connections: new Connections(place, retail, retailAddresses(retail)) });
  }
  return connected;
}

function noteOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function init(options: { readonly dir: string; readonly pipelines: readonly string[] }): Promise<InitResult> {
  const known = ["ohlcv", "retail"];
  const unknown = options.pipelines.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new RetrofillError("USAGE", `no pipeline is called ${unknown.join(", ")}`, {
      hint: `known: ${known.join(", ")}`,
    });
  }
  const dir = resolve(options.dir);
  const project = await import("./new-project.ts");
  loadEnv(dir);
  if (options.pipelines.includes("retail")) {
    if (options.pipelines.length > 1) {
      throw new RetrofillError("USAGE", "init writes one pipeline at a time", {
        hint: "name the second one in retrofill.config.ts: a project may have both",
      });
    }
    return initRetail(dir);
  }
  if (process.env.POLYGON_API_KEY) {
    const files = await project.writeProject(dir, { kind: "polygon", limit: process.env.POLYGON_LIMIT ?? "5/min" });
    return {
      dir,
      files,
      source: "Polygon (POLYGON_API_KEY is set)",
      notes: [
        "retrofill symbols add AAPL MSFT --asset-class stock --listed 1980-12-12",
        "retrofill run ohlcv --days 30",
      ],
    };
  }
  const { writeBundledData } = await import("./sandbox/bundled-data.ts");
  const data = await writeBundledData(join(dir, project.SANDBOX_FOLDER));
  return initSandbox(dir, data);
}

/** A project with the chain's stores: KLK where its address is set, else the sandbox with the stores' documented days. */
async function initRetail(dir: string): Promise<InitResult> {
  const [{ writeRetailProject, EXISTING_FOLDER, SANDBOX_FOLDER }, { declaredEntries }] = await Promise.all([
    import("./new-project.ts"),
    import("./pipelines/retail/retail.ts"),
  ]);
  const isReal = Boolean(process.env.KLK_BASE_URL);
  let nowMs: number | null = null;
  if (!isReal) {
    const { writeRetailFixture } = await import("./sandbox/retail/retail-fixture.ts");
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(dir, SANDBOX_FOLDER), { recursive: true });
    const fixture = await writeRetailFixture(join(dir, SANDBOX_FOLDER));
    nowMs = fixture.nowMs;
    const { writeExistingTable } = await import("./existing-table.ts");
    await writeExistingTable(fixture, { sandbox: join(dir, SANDBOX_FOLDER), to: join(dir, EXISTING_FOLDER) });
  }
  const files = await writeRetailProject(
    dir,
    nowMs === null ? { kind: "klk" } : { kind: "sandbox", now: instant(nowMs) },
  );
  const opened = await openProject({ dir });
  try {
    const bound = opened.project.pipelines.find(({ pipeline }) => pipeline.name === "retail");
    if (!bound) throw new Error("unreachable: the project was written with retail");
    await opened.project.ledger.putEntries("retail", declaredEntries(bound.pipeline), clock.now());
    if (!isReal) await readExisting(opened, bound);
  } finally {
    await opened[Symbol.asyncDispose]();
  }
  return {
    dir,
    files: [...files, ...(isReal ? [] : [`${SANDBOX_FOLDER}/`, `${EXISTING_FOLDER}/`]), ".retrofill/"],
    source: isReal
      ? "KLK (KLK_BASE_URL is set)"
      : "the sandbox (no KLK_BASE_URL is set): 19 real stores, every sale simulated; the days that the chain's table held are in",
    notes: ["retrofill stores list", "retrofill gaps retail --report plan.md", "retrofill run retail"],
  };
}

/** Takes in what the project's files hold: no call is made. Its log and results are kept like any run's; it says nothing. */
async function readExisting(opened: OpenProject, { pipeline, concurrency }: BoundPipeline): Promise<void> {
  const [{ runRequest }, { requestFor }, { RunSession }, { createOutput }] = await Promise.all([
    import("./engine/run/perform.ts"),
    import("./core/plan/plan.ts"),
    import("./surfaces/cli/run-session.ts"),
    import("./surfaces/cli/output.ts"),
  ]);
  const { project } = opened;
  const { signal } = new AbortController();
  const output = createOutput({ json: true, quiet: true, color: false });
  const session = new RunSession({ host, output, dir: project.dir, signal }, opened, null);
  const { plan, execution } = await runRequest(
    project,
    requestFor(pipeline.name, { maxConcurrent: concurrency, ask: "held" }),
    {
      mode: "backfill",
      overrideState: false,
      reason: "what the table held before",
      actor: project.actor,
      businessNow: project.businessNow(),
    },
    {
      connect: (provider) => opened.connect(provider),
      observe: session.observe,
      signal,
      confirm: async () => true,
    },
  ).catch(async (error: unknown) => {
    await session.failed(error);
    throw error;
  });
  await session.finishStep(plan, execution);
}

/** Writes a project on sandbox data that lie in its folder already, and registers what they serve. */
export async function initSandbox(
  dir: string,
  data: {
    readonly nowMs: number;
    readonly note: string;
    readonly symbols: readonly SandboxSymbol[];
  },
  options: { readonly faults?: string; readonly seed?: number } = {},
): Promise<InitResult> {
  const { registerSymbols, writeProject, SANDBOX_FOLDER } = await import("./new-project.ts");
  const since: Record<string, string> = {};
  for (const symbol of data.symbols) {
    for (const [timeframe, first] of Object.entries(symbol.since)) {
      const date = first?.slice(0, 10);
      if (date !== undefined && (since[timeframe] === undefined || date < since[timeframe])) since[timeframe] = date;
    }
  }
  const files = await writeProject(dir, {
    kind: "sandbox",
    note: data.note,
    now: instant(data.nowMs),
    adjusted: data.symbols.some((one) => one.adjusted),
    faults: options.faults ?? "none",
    seed: options.seed ?? 1,
    since,
  });
  const opened = await openProject({ dir });
  try {
    const pipeline = opened.project.pipelines[0]?.pipeline;
    if (pipeline) await registerSymbols(opened.project.ledger, pipeline, data.symbols, clock.now());
  } finally {
    await opened[Symbol.asyncDispose]();
  }
  return {
    dir,
    files: [...files, `${SANDBOX_FOLDER}/`, ".retrofill/"],
    source: `the sandbox (no POLYGON_API_KEY is set): ${data.note}`,
    notes: ["retrofill run ohlcv", "retrofill coverage"],
  };
}

async function startSandboxProcess(options: Parameters<Host["sandbox"]>[0]): Promise<RunningSandbox> {
  const [{ startSandbox }, { writeBundledData }, { parseLimits }, { sandboxProblem }] = await Promise.all([
    import("./sandbox/start-sandbox.ts"),
    import("./sandbox/bundled-data.ts"),
    import("./core/budget/limits.ts"),
    import("./bind-provider.ts"),
  ]);
  let dataDir = options.data;
  let nowMs = options.now === null ? null : readPinned(options.now, "--now");
  if (dataDir === null) {
    const { mkdtemp } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    dataDir = await mkdtemp(join(tmpdir(), "retrofill-sandbox-"));
    const data = await writeBundledData(dataDir);
    nowMs ??= instant(data.nowMs);
  }
  return startSandbox({
    dataDir,
    port: options.port,
    faults: options.faults,
    seed: options.seed,
    ...(options.limit === null ? {} : { limits: parseLimits(options.limit) }),
    ...(nowMs === null ? {} : { nowMs }),
  }).catch(sandboxProblem);
}

function findProjectAt(dir: string, find: (from: string) => string): string {
  const at = resolve(dir);
  const found = find(at);
  if (found !== at) {
    throw new RetrofillError("PROJECT_NOT_FOUND", `no retrofill.config.ts in ${at}`, {
      hint: `retrofill init ${dir} makes a project there`,
    });
  }
  return found;
}

/** Reads `.env` of the project; what the environment has already goes before it. */
function loadEnv(dir: string): void {
  const file = join(dir, ".env");
  if (existsSync(file)) process.loadEnvFile(file);
}

function readPinned(text: string, what: string): Instant {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw new RetrofillError("CONFIG_INVALID", `${what} is not an instant: ${text}`, {
      hint: "use the form 2026-03-20T20:00:00Z, in RETROFILL_NOW or the configuration",
    });
  }
  return instant(ms);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}

function packageVersion(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

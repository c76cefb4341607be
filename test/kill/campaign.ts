import { spawn } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import Database from "libsql";
import { folderOf, insertedFolder } from "../../src/adapters/store/before-image.ts";
import { tableName } from "../../src/adapters/store/tables.ts";
import type { Segments } from "../../src/core/coverage/segment.ts";
import type { Dataset } from "../../src/core/dataset/dataset.ts";
import { type Request, requestFor } from "../../src/core/plan/plan.ts";
import { scopeOf } from "../../src/engine/plan/scope.ts";
import { type Project, select } from "../../src/engine/project.ts";
import { verifyAudit } from "../../src/engine/prove/audit.ts";
import { verifyDataset } from "../../src/engine/prove/verify.ts";
import { openProject } from "../../src/main.ts";
import { marketData } from "../../src/pipelines/ohlcv/market-data.ts";
import { type KillPoint, pointName } from "./kill-points.ts";
import { CONCURRENCY } from "./world.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface WorkerEnd {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs one command in a worker process, perhaps killed from outside after `killAfterMs`. */
export function work(
  args: readonly string[],
  options: {
    readonly env: Readonly<Record<string, string>>;
    readonly killAt?: KillPoint;
    readonly killAfterMs?: number;
    readonly traceFile?: string;
  },
): Promise<WorkerEnd> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ["--import", "tsx", WORKER, ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      ...options.env,
      KILL_AT: options.killAt ? JSON.stringify(options.killAt) : "",
      KILL_TRACE: options.traceFile ?? "",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const timer = options.killAfterMs === undefined ? null : setTimeout(() => child.kill("SIGKILL"), options.killAfterMs);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exit, signal) => {
      if (timer) clearTimeout(timer);
      resolve({ exit, signal, stdout, stderr, ms: performance.now() - startedAt });
    });
  });
}

/**
 * The last run of a project, read from a copy of whatever a killed process left: nothing is repaired, and no lock that
 * this process has on the file is in the way of the next worker.
 */
export async function lastRun(
  dir: string,
): Promise<{ readonly id: string; readonly status: string; readonly runs: number } | null> {
  const copy = await mkdtemp(join(tmpdir(), "kill-ledger-"));
  try {
    // The log first: a handle that goes in between takes it into the file, where it is found again.
    for (const name of ["ledger.db-wal", "ledger.db"]) {
      await cp(join(dir, ".retrofill", name), join(copy, name)).catch(ignoreAbsent);
    }
    const db = new Database(join(copy, "ledger.db"));
    try {
      const row = db
        .prepare("select id, status, (select count(*) from run) as runs from run order by ordinal desc limit 1")
        .get() as { id: string; status: string; runs: number } | undefined;
      return row ?? null;
    } finally {
      db.close();
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** A ledger that was closed has no log beside it. */
function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** Of random instants; printed, and set by KILL_SEED to have the same ones again. */
export const SEED = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 1e9));

/** A kill at the `nth` time that something happens. */
export const killAt = (at: string, when: KillPoint["when"], nth = 1, text?: string): Kill => ({
  point: { at, when, nth, ...(text === undefined ? {} : { text }) },
});

export type Kill = { readonly point: KillPoint } | { readonly afterMs: number };

export interface Campaign {
  /** Kills that struck, by name. */
  readonly struck: readonly string[];
  /** Kills whose process had ended before. */
  readonly missed: readonly string[];
  /** How often each request was under way at a kill. */
  readonly inFlight: ReadonlyMap<string, number>;
  readonly end: WorkerEnd;
}

/** A command that opens a run, and one that shows at its end that nothing is left to do. */
export interface Job {
  readonly command: readonly string[];
  readonly after: readonly string[];
}

/** Fills `dir`, struck by one kill after the other and resumed each time, until nothing is left to do. */
export function fill(
  dir: string,
  kills: readonly Kill[],
  env: Readonly<Record<string, string>>,
  selector = "ohlcv",
): Promise<Campaign> {
  const command = ["run", selector];
  return carryOut(dir, kills, env, { command, after: command });
}

/**
 * Carries out a command in `dir`, struck by one kill after the other. Where a kill left an open run it is resumed,
 * where none was opened yet the command is given again.
 */
export async function carryOut(
  dir: string,
  kills: readonly Kill[],
  env: Readonly<Record<string, string>>,
  job: Job,
): Promise<Campaign> {
  const runsBefore = (await lastRun(dir))?.runs ?? 0;
  const struck: string[] = [];
  const missed: string[] = [];
  const inFlight = new Map<string, number>();
  const command = async (): Promise<readonly string[] | null> => {
    const run = await lastRun(dir);
    if (run === null || run.runs === runsBefore) return ["--project", dir, "--json", ...job.command];
    return isOpen(run.status) ? ["--project", dir, "--json", "resume", run.id] : null;
  };
  for (const [i, kill] of kills.entries()) {
    const name = "point" in kill ? pointName(kill.point) : "at a random instant";
    const args = await command();
    if (args === null) {
      missed.push(name);
      continue;
    }
    const traceFile = join(dir, `trace-${i}.txt`);
    const end = await work(args, {
      env,
      traceFile,
      ...("point" in kill ? { killAt: kill.point } : { killAfterMs: kill.afterMs }),
    });
    if (end.signal !== "SIGKILL") {
      if (end.exit !== 0) throw new Error(`${args.join(" ")} ended with ${end.exit}:\n${end.stderr}\n${end.stdout}`);
      missed.push(name);
      continue;
    }
    struck.push(name);
    for (const target of await underWay(traceFile)) inFlight.set(target, (inFlight.get(target) ?? 0) + 1);
  }
  const args = await command();
  const end = await work(args ?? ["--project", dir, "--json", ...job.after], { env });
  return { struck, missed, inFlight, end };
}

const isOpen = (status: string): boolean => status === "running" || status === "paused" || status === "interrupted";

/** Requests that were sent and not committed when the process ended. */
async function underWay(traceFile: string): Promise<readonly string[]> {
  const open = new Set<string>();
  const text = await readFile(traceFile, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [what, target] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    if (what === "sent") open.add(asReported(target));
    else if (what === "committed") open.delete(asReported(target));
  }
  return [...open];
}

/** A request as the sandbox names it: its query in one order. */
function asReported(target: string): string {
  const { pathname, searchParams } = new URL(target, "http://sandbox");
  searchParams.sort();
  return `GET ${pathname}?${searchParams}`;
}

/** What has to be equal however often a run was killed: its status and counts, and the ledger's word on `datasets`. */
export async function stateOf(project: Project, datasets: readonly Dataset[] = [marketData]): Promise<object> {
  const [run] = await project.ledger.runs(1);
  if (!run) throw new Error("unreachable: the project was filled");
  const { rows, cells, gaps, quarantined_by } = run.summary as Record<string, unknown>;
  const standing = await Promise.all(
    datasets.map(async ({ name, version }) => {
      const segments = await project.ledger.segments(name, version);
      const coverage = [...segments].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, own]) => [key, claimsOf(own)]);
      return [name, { coverage, bySeries: [...(await project.ledger.expectedRows(name, version))].sort() }];
    }),
  );
  return { status: run.status, summary: { rows, cells, gaps, quarantined_by }, ...Object.fromEntries(standing) };
}

/** What segments say of their stretches. Made ones also say what of the inputs they have seen, each build anew. */
function claimsOf(segments: Segments): readonly (readonly unknown[])[] {
  const claims: [number, number, string, number][] = [];
  for (const { start, end, state, asked, seq } of segments) {
    const last = claims.at(-1);
    if (seq !== undefined && last?.[1] === start && last[2] === state) last[1] = end;
    else claims.push([start, end, state, asked]);
  }
  return claims;
}

interface Comparison {
  readonly dataset?: Dataset;
  readonly images?: boolean;
  /** Whether a row has to lead to the same bronze object too: where nobody was asked, it does. */
  readonly objects?: boolean;
}

/** Rows that only one of two projects holds: of a dataset's table, before-images and quarantine; how many each has. */
export async function differences(
  one: string,
  other: string,
  { dataset = marketData, images: withImages = true, objects = false }: Comparison = {},
): Promise<Record<string, number>> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    for (const [name, dir] of [["a", one] as const, ["b", other] as const]) {
      await connection.run(`attach '${join(dir, ".retrofill", "data.duckdb")}' as ${name} (read_only)`);
    }
    const count = async (sql: string): Promise<number> => {
      const reader = await connection.runAndReadAll(`select count(*) as n from (${sql})`);
      return Number(reader.getRowsJson()[0]?.[0]);
    };
    const both = async (what: string, a: string, b: string): Promise<Record<string, number>> => ({
      [what]: await count(a),
      [`${what} missing`]: await count(`${a} except all ${b}`),
      [`${what} too many`]: await count(`${b} except all ${a}`),
    });
    const table = tableName(dataset);
    const columns = dataset.columns.map(({ name }) => name).filter((name) => objects || name !== "object_no");
    const slot = [...dataset.key, dataset.time].join(", ");
    const rows = (db: string): string => `select ${columns.join(", ")} from ${db}.${table}`;
    // Of publications that never committed nothing counts.
    const images = async (dir: string, db: string): Promise<string> =>
      (await hasImages(folderOf(dataset, historyIn(dir))))
        ? `select change, ${columns.join(", ")} from read_parquet('${folderOf(dataset, historyIn(dir))}/*.parquet')
           where replaced_by in (select chunk from ${db}.main.receipt)`
        : `select null::varchar as change, ${columns.join(", ")} from ${db}.${table} where false`;
    const inserted = async (dir: string, db: string): Promise<string> =>
      (await hasImages(insertedFolder(dataset, historyIn(dir))))
        ? `select ${dataset.key.map((name) => `${name}::varchar as ${name}`).join(", ")}, ${dataset.time}
           from read_parquet('${insertedFolder(dataset, historyIn(dir))}/*.parquet', filename = true)
           where parse_filename(filename, true) in (select chunk || '-' || fence from ${db}.main.receipt)`
        : `select ${slot} from ${db}.${table} where false`;
    const quarantine = (db: string): string =>
      `select * exclude (object_no) from ${db}.main.quarantine where dataset = '${dataset.name}'`;
    const { quarantine: _, ...judged } = await both("quarantine", quarantine("a"), quarantine("b"));
    return {
      ...(await both("rows", rows("a"), rows("b"))),
      doubled: await count(`select 1 from b.${table} group by ${slot} having count(*) > 1`),
      ...(withImages ? await both("images", await images(one, "a"), await images(other, "b")) : {}),
      ...(withImages ? await both("inserted", await inserted(one, "a"), await inserted(other, "b")) : {}),
      ...judged,
    };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const historyIn = (dir: string): string => join(dir, ".retrofill", "history");

async function hasImages(folder: string): Promise<boolean> {
  return (await readdir(folder).catch(() => [])).some((name) => name.endsWith(".parquet"));
}

/** Files that a finished run has no use for: temporaries, sidecars without a body, bodies and images nobody knows. */
async function leftovers(project: Project): Promise<readonly string[]> {
  const entries = await readdir(project.stateDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const all = new Set(files);
  const runs = await project.ledger.runs(Number.MAX_SAFE_INTEGER);
  const chunks = (await Promise.all(runs.map(({ id }) => project.ledger.chunks(id)))).flat();
  // Those of a run that was taken back too: they count no more, and are kept.
  const objects = await project.ledger.objectsOf(chunks.map(({ id }) => id));
  const known = new Set(objects.map(({ path }) => join(project.bronze.root, path)));
  const receipts = new Set(
    (await project.store.query("select chunk from receipt")).rows.map(([chunk]) => String(chunk)),
  );
  return files
    .filter((file) => {
      // The data file's own log is a part of it: whoever opens the file next reads it.
      if (/\.part$|\.tmp$|\.rebuild/.test(file)) return true;
      if (file.endsWith(".meta.json")) return !all.has(file.replace(/\.meta\.json$/, ".json.gz"));
      if (file.endsWith(".json.gz")) return !known.has(file);
      if (file.endsWith(".parquet")) {
        const chunk = file.slice(file.lastIndexOf("/") + 1).replace(/-\d+\.parquet$/, "");
        return ![...receipts].some((receipt) => receipt === chunk);
      }
      return false;
    })
    .map((file) => file.slice(project.stateDir.length + 1));
}

/** What `verify` and `audit verify` find, and files that nobody needs. */
export async function proofOf(dir: string, selector = "ohlcv") {
  await using opened = await openProject({ dir });
  const { project, audit } = opened;
  const request: Request = requestFor(selector, { maxConcurrent: CONCURRENCY });
  const { bound, datasets } = select(project, selector);
  const now = project.businessNow();
  const scoped = await scopeOf(project, bound, datasets, request, { now, leaveOut: "fresh" });
  const found = [];
  for (const dataset of datasets) {
    const own = scoped.filter((one) => one.dataset === dataset);
    found.push(await verifyDataset(project, dataset, own));
  }
  const { faults } = await verifyAudit(project, audit, () => undefined);
  return {
    disputes: found.flatMap(({ disputes }) => disputes),
    doubled: found.reduce((sum, { doubled }) => sum + doubled, 0),
    faults,
    leftovers: await leftovers(project),
  };
}

import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import Database from "libsql";
import { type Request, requestFor } from "../../src/core/plan/plan.ts";
import { scopeOf } from "../../src/engine/plan/scope.ts";
import { type Project, select } from "../../src/engine/project.ts";
import { verifyAudit } from "../../src/engine/prove/audit.ts";
import { verifyDataset } from "../../src/engine/prove/verify.ts";
import { openProject } from "../../src/main.ts";
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

/** The last run of a project, read beside whatever a killed process left, without repairing it. */
export function lastRun(dir: string): { readonly id: string; readonly status: string; readonly runs: number } | null {
  const db = new Database(join(dir, ".retrofill", "ledger.db"), { readonly: true });
  try {
    const row = db
      .prepare("select id, status, (select count(*) from run) as runs from run order by ordinal desc limit 1")
      .get() as { id: string; status: string; runs: number } | undefined;
    return row ?? null;
  } finally {
    db.close();
  }
}

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

/** Fills `dir`, struck by one kill after the other and resumed each time, until nothing is left to do. */
export async function fill(
  dir: string,
  kills: readonly Kill[],
  env: Readonly<Record<string, string>>,
  selector = "ohlcv",
): Promise<Campaign> {
  const runsBefore = lastRun(dir)?.runs ?? 0;
  const struck: string[] = [];
  const missed: string[] = [];
  const inFlight = new Map<string, number>();
  const command = (): readonly string[] | null => {
    const run = lastRun(dir);
    if (run === null || run.runs === runsBefore) return ["--project", dir, "--json", "run", selector];
    return isOpen(run.status) ? ["--project", dir, "--json", "resume", run.id] : null;
  };
  for (const [i, kill] of kills.entries()) {
    const name = "point" in kill ? pointName(kill.point) : "at a random instant";
    const args = command();
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
  const args = command();
  const end = await work(args ?? ["--project", dir, "--json", "run", selector], { env });
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

/** What has to be equal however often a fill was killed. */
export async function stateOf(project: Project): Promise<object> {
  const coverage = [...(await project.ledger.segments("ohlcv.market_data" as never, 1))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, segments]) => [key, segments.map(({ start, end, state, asked }) => [start, end, state, asked])]);
  const [run] = await project.ledger.runs(1);
  if (!run) throw new Error("unreachable: the project was filled");
  const { rows, cells, gaps, quarantined_by } = run.summary as Record<string, unknown>;
  const bySeries = [...(await project.ledger.expectedRows("ohlcv.market_data" as never, 1))].sort();
  return { status: run.status, coverage, summary: { rows, cells, gaps, quarantined_by }, bySeries };
}

/** Rows that only one of two projects holds, of the table and of its before-images; and how many each has. */
export async function differences(
  one: string,
  other: string,
  options: { readonly images: boolean } = { images: true },
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
    const rows = (db: string): string => `select * exclude (object_no) from ${db}.v1.market_data`;
    const images = (dir: string, db: string): string =>
      !options.images
        ? "select 1 where false"
        : `select * exclude (object_no, replaced_by, filename) from read_parquet('${dir}/.retrofill/history/*/*/*.parquet', filename = true) h
       where replaced_by in (select chunk from ${db}.main.receipt)`;
    const quarantine = (db: string): string => `select * exclude (object_no) from ${db}.main.quarantine`;
    return {
      rows: await count(rows("a")),
      "rows missing": await count(`${rows("a")} except all ${rows("b")}`),
      "rows too many": await count(`${rows("b")} except all ${rows("a")}`),
      doubled: await count("select 1 from b.v1.market_data group by symbol, timeframe, ts having count(*) > 1"),
      images: await count(images(one, "a")),
      "images missing": await count(`${images(one, "a")} except all ${images(other, "b")}`),
      "images too many": await count(`${images(other, "b")} except all ${images(one, "a")}`),
      "quarantine missing": await count(`${quarantine("a")} except all ${quarantine("b")}`),
      "quarantine too many": await count(`${quarantine("b")} except all ${quarantine("a")}`),
    };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Files that a finished run has no use for: temporaries, sidecars without a body, bodies and images nobody knows. */
async function leftovers(project: Project): Promise<readonly string[]> {
  const entries = await readdir(project.stateDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const all = new Set(files);
  const known = new Set(
    (await project.ledger.objectsOfDataset("ohlcv.market_data" as never, 1)).map(({ path }) =>
      join(project.bronze.root, path),
    ),
  );
  const receipts = new Set(
    (await project.store.query("select chunk from receipt")).rows.map(([chunk]) => String(chunk)),
  );
  return files
    .filter((file) => {
      if (/\.part$|\.tmp$|\.duckdb\.wal$/.test(file)) return true;
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
export async function proofOf(dir: string) {
  await using opened = await openProject({ dir });
  const { project, audit } = opened;
  const request: Request = requestFor("ohlcv", { maxConcurrent: CONCURRENCY });
  const { bound, datasets } = select(project, "ohlcv");
  const [dataset] = datasets;
  if (!dataset || datasets.length > 1) throw new Error("unreachable: the pipeline's name selects its one main dataset");
  const now = project.businessNow();
  const scoped = await scopeOf(project, bound, datasets, request, { now, leaveOut: "fresh" });
  const { disputes, doubled } = await verifyDataset(project, dataset, scoped);
  const { faults } = await verifyAudit(project, audit, () => undefined);
  return { disputes, doubled, faults, leftovers: await leftovers(project) };
}

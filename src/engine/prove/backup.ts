import { RetrofillError } from "../../core/errors.ts";
import { isTerminal } from "../../core/run/run-state.ts";
import { formatInstant } from "../../core/time/instant.ts";
import type { Project } from "../project.ts";
import type { TableRows } from "../store-port.ts";
import { type AuditReport, verifyAudit } from "./audit.ts";
import type { Audit, CopiedTree, FileCopies } from "./ports.ts";

/** A copy of a project, opened as one. */
export interface OpenedCopy extends AsyncDisposable {
  readonly project: Project;
  readonly audit: Audit;
}

export interface BackupReport {
  readonly dir: string;
  /** Everything about the copy that is not as it should be; empty for a good one. */
  readonly faults: readonly string[];
  readonly tables: TableRows;
  readonly ledger: Pick<AuditReport, "runs" | "events" | "objects" | "head">;
  readonly bronze: CopiedTree;
  readonly history: CopiedTree;
  /** Runs that were under way: the copy holds what they had committed. */
  readonly unfinished: readonly string[];
}

/** The last file of a copy: one without it was not finished. */
const MANIFEST = "manifest.json";

/**
 * Copies a project into an empty folder while it may be working, and checks the copy by opening it: rows of every
 * table, chains, coverage and totals, and every bronze body's hash. Copied back, or opened where it lies, it is the
 * project as it was; secrets (`.env`) and the sandbox's data are not in it.
 * @throws RetrofillError USAGE where the folder is not empty or lies inside the project's own state
 */
export async function backupProject(
  project: Project,
  to: { readonly dir: string; readonly copies: FileCopies; readonly open: (dir: string) => Promise<OpenedCopy> },
  onProgress: (text: string) => void,
): Promise<BackupReport> {
  const { dir, copies } = to;
  await refuseFolder(project, dir, copies);
  const state = `${dir}/.retrofill`;
  await copies.makeFolder(state);
  onProgress("copying ledger and data");
  // The ledger inside the store's lease: no publication is between the two. Files come after the rows that name them,
  // so that none is missing; one too many is an orphan, which does no harm.
  const tables = await project.store.copyTo(`${state}/data.duckdb`, () => project.ledger.copyTo(`${state}/ledger.db`));
  onProgress("copying bronze and history");
  const bronze = await copies.copyTree(project.bronze.root, `${state}/bronze`, { link: true });
  const history = await copies.copyTree(`${project.stateDir}/history`, `${state}/history`, { link: true });
  // A run's log grows in place: a link would go on growing.
  await copies.copyTree(`${project.stateDir}/runs`, `${state}/runs`, { link: false });
  await copies.copyFile(`${project.dir}/${copies.configFile}`, `${dir}/${copies.configFile}`);
  const checked = await checkCopy(to, tables, onProgress);
  const report: BackupReport = { dir, tables, bronze, history, ...checked };
  onProgress("writing the manifest");
  await copies.writeJson(`${dir}/${MANIFEST}`, {
    made_at: formatInstant(project.clock.now()),
    made_by: project.actor,
    business_now: formatInstant(project.businessNow()),
    files: {
      ".retrofill/ledger.db": await copies.digest(`${state}/ledger.db`),
      ".retrofill/data.duckdb": await copies.digest(`${state}/data.duckdb`),
      [copies.configFile]: await copies.digest(`${dir}/${copies.configFile}`),
    },
    ...report,
    dir: undefined,
  });
  return report;
}

async function refuseFolder({ stateDir }: Project, dir: string, copies: FileCopies): Promise<void> {
  if (dir === stateDir || dir.startsWith(`${stateDir}/`)) {
    throw new RetrofillError("USAGE", `${dir} lies inside what is to be copied`);
  }
  if (!(await copies.isEmpty(dir))) {
    throw new RetrofillError("USAGE", `${dir} is not an empty folder`, {
      hint: "a backup goes into a folder of its own",
    });
  }
}

async function checkCopy(
  { dir, open }: { readonly dir: string; readonly open: (dir: string) => Promise<OpenedCopy> },
  tables: TableRows,
  onProgress: (text: string) => void,
): Promise<Pick<BackupReport, "faults" | "ledger" | "unfinished">> {
  await using copy = await open(dir);
  const found = await copy.project.store.tableRows();
  const faults = [...new Set([...Object.keys(tables), ...Object.keys(found)])]
    .filter((name) => tables[name] !== found[name])
    .map((name) => `table ${name} has ${tables[name] ?? "no"} rows, its copy ${found[name] ?? "none"}`);
  const { runs, events, objects, head, ...audit } = await verifyAudit(copy.project, copy.audit, onProgress);
  const all = await copy.project.ledger.runs(Number.MAX_SAFE_INTEGER);
  return {
    faults: [...faults, ...audit.faults],
    ledger: { runs, events, objects, head },
    unfinished: all.filter(({ status }) => !isTerminal(status)).map(({ id }) => id),
  };
}

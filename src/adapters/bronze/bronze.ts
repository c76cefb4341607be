import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { RetrofillError } from "../../core/errors.ts";
import type { BodyFormat, Bronze, BronzeSidecar } from "../../engine/bronze-port.ts";
import { syncPath } from "../sync.ts";

const zip = promisify(gzip);
const unzip = promisify(gunzip);

const TEMPORARY = ".part";
const BODY: Readonly<Record<BodyFormat, string>> = { json: ".json.gz", csv: ".csv.gz", parquet: ".parquet" };
const SIDECAR = ".meta.json";
const MANIFEST = "manifest.json";
/** The unit in which stat counts a file's blocks, whatever the file system's own is. */
const BLOCK_BYTES = 512;

/**
 * Response bodies as received, one immutable compressed file each with a sidecar, below
 * `source_system=…/dataset=…/ingest_date=…/run_id=…/`. A file counts once its ledger row is committed.
 */
export function fileBronze(root: string): Bronze {
  return {
    root,

    async put(place, body, describe) {
      const folder = join(
        root,
        `source_system=${place.source}`,
        `dataset=${place.dataset}`,
        `ingest_date=${place.ingestDate}`,
        `run_id=${place.runId}`,
      );
      await makeFolder(folder);
      const name = `${place.chunkId.slice(place.chunkId.indexOf(".") + 1)}-${place.page}-${randomBytes(3).toString("hex")}`;
      const format = place.format ?? "json";
      const path = join(folder, `${name}${BODY[format]}`);
      const sidecar: BronzeSidecar = describe({
        id: `${place.runId}/${name}`,
        path: relative(root, path),
        sha256: createHash("sha256").update(body).digest("hex"),
        bytes: body.byteLength,
        oneLine: isOneLine(body),
      });
      // The sidecar first: an orphan is complete exactly when its body has its final name.
      await writeDurably(join(folder, name + SIDECAR), Buffer.from(`${JSON.stringify(sidecar)}\n`));
      await writeDurably(path, format === "parquet" ? body : await zip(body, { level: 1 }));
      await syncPath(folder);
      return sidecar;
    },

    async read(path) {
      return readBody(join(root, path));
    },

    async hash(path) {
      try {
        const body = await readBody(join(root, path));
        return createHash("sha256").update(body).digest("hex");
      } catch {
        return null;
      }
    },

    async size(path) {
      try {
        const body = join(root, path);
        const files = await Promise.all([stat(body), stat(sidecarOf(body))]);
        return files.reduce((sum, { size, blocks }) => sum + Math.max(size, (blocks ?? 0) * BLOCK_BYTES), 0);
      } catch {
        return null;
      }
    },

    async sweep(runId) {
      const found: BronzeSidecar[] = [];
      const files = new Set(await filesOf(root, runId));
      for (const file of files) {
        if (file.endsWith(TEMPORARY)) await rm(file, { force: true });
        // Written first and left alone by a kill: what it describes never arrived.
        else if (file.endsWith(SIDECAR) && !hasBody(files, file)) await rm(file, { force: true });
        else if (bodyEnd(file) !== undefined) {
          const sidecar = await readSidecar(file);
          if (sidecar) found.push(sidecar);
        }
      }
      return found;
    },

    async seal(runId, manifest) {
      for (const folder of await runFolders(root, runId)) {
        await writeDurably(join(folder, MANIFEST), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
        await writeDurably(join(folder, "_SUCCESS"), Buffer.alloc(0));
      }
    },

    async manifests() {
      const found: Record<string, unknown>[] = [];
      for (const folder of await runFolders(root)) {
        const text = await readIfThere(join(folder, MANIFEST));
        if (text !== null) found.push(JSON.parse(text) as Record<string, unknown>);
      }
      return found;
    },
  };
}

const NEWLINE = 0x0a;

/** A newline at the end only ends the line. */
export function isOneLine(body: Buffer): boolean {
  const at = body.indexOf(NEWLINE);
  return at === -1 || at === body.byteLength - 1;
}

/** A body as it was received. */
export async function readBody(path: string): Promise<Buffer> {
  const stored = await readFile(path);
  return path.endsWith(".gz") ? unzip(stored) : stored;
}

function bodyEnd(file: string): string | undefined {
  return Object.values(BODY).find((end) => file.endsWith(end));
}

function sidecarOf(body: string): string {
  return body.slice(0, -(bodyEnd(body) ?? "").length) + SIDECAR;
}

function hasBody(files: ReadonlySet<string>, sidecar: string): boolean {
  return Object.values(BODY).some((end) => files.has(sidecar.slice(0, -SIDECAR.length) + end));
}

/** Writes beside the target, syncs, renames: a reader sees all of it or nothing. */
export async function writeDurably(path: string, body: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}${TEMPORARY}`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new RetrofillError("DISK_FULL", `the disk is full: ${basename(path)} could not be written`, {
        hint: "free some space and resume the run; nothing that was committed is lost",
        cause,
      });
    }
    throw cause;
  }
}

async function readSidecar(bodyPath: string): Promise<BronzeSidecar | null> {
  const text = await readIfThere(sidecarOf(bodyPath));
  if (text === null) return null;
  try {
    return JSON.parse(text) as BronzeSidecar;
  } catch {
    return null;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The folders of a run, or of all runs: one a source, dataset and day. */
async function runFolders(root: string, runId?: string): Promise<readonly string[]> {
  let folders = [root];
  for (const level of ["source_system=", "dataset=", "ingest_date=", "run_id="]) {
    const inside = await Promise.all(
      folders.map(async (folder) => (await namesIn(folder)).map((name) => join(folder, name))),
    );
    folders = inside.flat().filter((folder) => basename(folder).startsWith(level));
  }
  return runId === undefined ? folders : folders.filter((folder) => basename(folder) === `run_id=${runId}`);
}

async function filesOf(root: string, runId: string): Promise<readonly string[]> {
  const folders = await runFolders(root, runId);
  const files = await Promise.all(
    folders.map(async (folder) => (await namesIn(folder)).map((name) => join(folder, name))),
  );
  return files.flat();
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** Makes a folder that survives a power cut: each new one stands in a synced parent. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let parent = dirname(folder); ; parent = dirname(parent)) {
    await syncPath(parent);
    if (parent === dirname(first)) return;
  }
}

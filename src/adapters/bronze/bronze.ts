import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { RetrofillError } from "../../core/errors.ts";
import type { Bronze, BronzeSidecar } from "../../engine/bronze-port.ts";

const zip = promisify(gzip);
const unzip = promisify(gunzip);

const TEMPORARY = ".part";
const SIDECAR = ".meta.json";
const BODY = ".json.gz";

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
      await mkdir(folder, { recursive: true });
      const name = `${place.chunkId.slice(place.chunkId.indexOf(".") + 1)}-${place.page}-${randomBytes(3).toString("hex")}`;
      const path = join(folder, `${name}${BODY}`);
      const sidecar: BronzeSidecar = describe({
        id: `${place.runId}/${name}`,
        path: relative(root, path),
        sha256: createHash("sha256").update(body).digest("hex"),
        bytes: body.byteLength,
      });
      // The sidecar first: an orphan is complete exactly when its body has its final name.
      await writeDurably(path.replace(/\.json\.gz$/, SIDECAR), Buffer.from(`${JSON.stringify(sidecar)}\n`));
      await writeDurably(path, await zip(body, { level: 1 }));
      await syncFolder(folder);
      return sidecar;
    },

    async read(path) {
      return unzip(await readFile(join(root, path)));
    },

    async hash(path) {
      try {
        const body = await unzip(await readFile(join(root, path)));
        return createHash("sha256").update(body).digest("hex");
      } catch {
        return null;
      }
    },

    async sweep(runId) {
      const found: BronzeSidecar[] = [];
      const files = await filesBelow(root, `run_id=${runId}`);
      const bodies = new Set(files.filter((file) => file.endsWith(BODY)));
      for (const file of files) {
        if (file.endsWith(TEMPORARY)) await rm(file, { force: true });
        // Written first and left alone by a kill: what it describes never arrived.
        else if (file.endsWith(SIDECAR) && !bodies.has(file.replace(SIDECAR, BODY))) await rm(file, { force: true });
        else if (file.endsWith(BODY)) {
          const sidecar = await readSidecar(file);
          if (sidecar) found.push(sidecar);
        }
      }
      return found;
    },

    async seal(runId, manifest) {
      const folders = new Set((await filesBelow(root, `run_id=${runId}`)).map((file) => dirname(file)));
      for (const folder of folders) {
        await writeDurably(join(folder, "manifest.json"), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
        await writeDurably(join(folder, "_SUCCESS"), Buffer.alloc(0));
      }
    },

    async manifests() {
      const files = (await filesBelow(root, "run_id=")).filter((file) => basename(file) === "manifest.json");
      return Promise.all(
        files.map(async (file) => JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>),
      );
    },
  };
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

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readSidecar(bodyPath: string): Promise<BronzeSidecar | null> {
  try {
    const text = await readFile(bodyPath.replace(/\.json\.gz$/, SIDECAR), "utf8");
    return JSON.parse(text) as BronzeSidecar;
  } catch {
    return null;
  }
}

async function filesBelow(root: string, containing: string): Promise<readonly string[]> {
  try {
    await stat(root);
  } catch {
    return [];
  }
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && join(entry.parentPath, entry.name).includes(containing))
    .map((entry) => join(entry.parentPath, entry.name));
}

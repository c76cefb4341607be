import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { constants, copyFile, link, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { FileCopies } from "../../engine/prove/ports.ts";
import { writeDurably } from "../bronze/bronze.ts";

const TEMPORARY = ".part";

/** Copies of files on this machine. */
export function fileCopies({ configFile }: { readonly configFile: string }): FileCopies {
  return {
    configFile,

    async isEmpty(dir) {
      try {
        return (await readdir(dir)).length === 0;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT") return true;
        if (code === "ENOTDIR") return false;
        throw error;
      }
    },

    async makeFolder(dir) {
      await mkdir(dir, { recursive: true });
    },

    async copyTree(from, to, options) {
      let copied = { files: 0, bytes: 0, linked: 0 };
      for (const name of await filesBelow(from)) {
        const [source, target] = [join(from, name), join(to, name)];
        await mkdir(dirname(target), { recursive: true });
        const isLinked = options.link && (await linked(source, target));
        if (!isLinked) await copyChecked(source, target);
        const { size } = await stat(target);
        copied = {
          files: copied.files + 1,
          bytes: copied.bytes + size,
          linked: copied.linked + (isLinked ? 1 : 0),
        };
      }
      return copied;
    },

    async copyFile(from, to) {
      await copyChecked(from, to);
    },

    async digest(path) {
      try {
        return { bytes: (await stat(path)).size, sha256: await hashOf(path) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      }
    },

    async writeJson(path, value) {
      await writeDurably(path, Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
    },
  };
}

/** Files below a folder, by their paths from it, in order; none where it is not there. */
async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) {
      for (const name of await filesBelow(join(folder, entry.name))) found.push(join(entry.name, name));
    } else if (entry.isFile() && !entry.name.endsWith(TEMPORARY)) found.push(entry.name);
  }
  return found;
}

/** Whether a hard link could be made: another file system, or one without links, takes a copy. */
async function linked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) {
      return false;
    }
    throw error;
  }
}

async function copyChecked(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  if ((await hashOf(source)) !== (await hashOf(target))) throw new Error(`${target} is not what ${source} is`);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

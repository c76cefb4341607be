import { appendFileSync, mkdirSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RunFiles } from "../../engine/ports.ts";
import { writeDurably } from "../bronze/bronze.ts";

/** One folder a run below `root`: its log and its results; no two runs share a file. Copies of logs go below `dir`. */
export function runFiles(root: string, dir: string): RunFiles {
  return {
    log(runId, line, copy = null) {
      const files = [join(root, runId, "run.log"), ...(copy === null ? [] : [join(dir, copy)])];
      for (const file of files) {
        mkdirSync(dirname(file), { recursive: true });
        appendFileSync(file, `${JSON.stringify(line)}\n`);
      }
    },

    async readLog(runId) {
      try {
        const text = await readFile(join(root, runId, "run.log"), "utf8");
        return text.split("\n").filter(Boolean).map(readLine);
      } catch {
        return [];
      }
    },

    async writeResults(runId, results) {
      const path = join(root, runId, "results.json");
      await mkdir(dirname(path), { recursive: true });
      await writeDurably(path, Buffer.from(`${JSON.stringify(results, null, 2)}\n`));
      return path;
    },

    async writeTo(path, results) {
      await writeDurably(path, Buffer.from(`${JSON.stringify(results, null, 2)}\n`));
    },
  };
}

/** A line that a full disk or a kill cut off is shown as it is. */
function readLine(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { event: "UNREADABLE", text: line };
  }
}

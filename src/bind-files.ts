import { join } from "node:path";
import type { DatasetName } from "./core/dataset/dataset.ts";
import type { Http } from "./engine/fetch/http.ts";
import type { Clock, FileHolding } from "./engine/ports.ts";
import type { BoundSource, Provider } from "./engine/project.ts";
import { FILES, filesSource, recordsOf } from "./sources/files/files.ts";
import { type FileLayout, layoutName } from "./sources/files/layout.ts";
import { patternReader } from "./sources/files/pattern.ts";

/** The files of this machine as a provider: nobody counts, nothing waits. */
export const FILES_PROVIDER: Provider = {
  name: FILES,
  credential: FILES,
  limits: [],
  backoff: { baseMs: 250, capMs: 5_000 },
  answerMs: 60_000,
  isFree: true,
};

/** One source a layout, and the look at what their files hold. */
export function bindFiles(
  layouts: readonly FileLayout[],
  project: {
    readonly dataset: DatasetName;
    readonly dir: string;
    readonly stateDir: string;
    readonly note: (line: string) => void;
  },
): { readonly sources: readonly BoundSource[]; readonly prepare: () => Promise<void> } {
  let holdings: ReadonlyMap<string, readonly FileHolding[]> = new Map();
  const noted = new Set<string>();
  const noteOnce = (line: string): void => {
    if (!noted.has(line)) project.note(line);
    noted.add(line);
  };
  return {
    sources: layouts.map((layout) => ({
      dataset: project.dataset,
      source: filesSource(layout, () => holdings.get(layoutName(layout)) ?? []),
      provider: FILES_PROVIDER,
    })),
    async prepare() {
      if (layouts.length === 0) return;
      const { indexFiles } = await import("./adapters/files/file-index.ts");
      const indexed = layouts.map((layout) => ({
        name: layoutName(layout),
        folder: layout.folder,
        readName: patternReader(layout.pattern),
        records: recordsOf(layout),
      }));
      const cachePath = join(project.stateDir, "files-index.json");
      holdings = await indexFiles(indexed, { root: project.dir, cachePath, note: noteOnce });
    },
  };
}

/** Reads files below a project's folder, or beside it. */
export async function connectFiles(project: { readonly dir: string; readonly clock: Clock }): Promise<Http> {
  const { fileHttp } = await import("./adapters/files/file-http.ts");
  return fileHttp({ root: project.dir, clock: project.clock });
}

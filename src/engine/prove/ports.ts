import type { Segments } from "../../core/coverage/segment.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";

/** What the ledger's own tables say when they are rebuilt from its events. */
export interface Replay {
  readonly faults: readonly string[];
  /** Coverage rebuilt from events alone, by dataset and version (`name@version`). */
  readonly coverage: ReadonlyMap<string, ReadonlyMap<SeriesKey, Segments>>;
  /** Objects that events committed: path and hash. */
  readonly objects: readonly { readonly path: string; readonly sha256: string; readonly run: string }[];
  readonly head: { readonly hash: string; readonly length: number };
  readonly runs: number;
  readonly events: number;
}

/** What was copied of a folder. */
export interface CopiedTree {
  readonly files: number;
  readonly bytes: number;
  /** Of the files, those that are hard links. */
  readonly linked: number;
}

/** Files as they are, for copies of a project. */
export interface FileCopies {
  /** The name of a project's configuration in its folder. */
  readonly configFile: string;
  /** Whether a folder is not there or holds nothing; a file is neither. */
  isEmpty(dir: string): Promise<boolean>;
  makeFolder(dir: string): Promise<void>;
  /**
   * Copies a folder, each file compared by its hash afterwards; `link` takes hard links where the file system allows,
   * for files that are never changed in place. Temporaries are left out; a folder that is not there holds nothing.
   */
  copyTree(from: string, to: string, options: { readonly link: boolean }): Promise<CopiedTree>;
  copyFile(from: string, to: string): Promise<void>;
  /** Size and hash of a file; null where there is none. */
  digest(path: string): Promise<{ readonly bytes: number; readonly sha256: string } | null>;
  writeJson(path: string, value: object): Promise<void>;
}

/** Reads the whole event history; for `audit verify`. */
export interface Audit {
  replay(): Promise<Replay>;
  /** Coverage as the ledger's table has it, by dataset and version. */
  coverage(): Promise<ReadonlyMap<string, ReadonlyMap<SeriesKey, Segments>>>;
  /** What a run's manifest beside bronze says and the chains do not; empty when they agree. */
  manifestFaults(manifest: Readonly<Record<string, unknown>>): Promise<readonly string[]>;
  /** Row totals of published chunks, by chunk: from the chunk table and from the events. */
  totals(): Promise<readonly { readonly chunk: string; readonly table: string; readonly event: string | null }[]>;
}

import type { ChunkProgress, ObjectRecord } from "./ledger-port.ts";

/** Where an object belongs. */
export interface BronzePlace {
  readonly source: string;
  readonly dataset: string;
  /** UTC date of receipt. */
  readonly ingestDate: string;
  readonly runId: string;
  readonly chunkId: string;
  readonly page: number;
  /** What the body is; JSON unless it says so. */
  readonly format?: BodyFormat;
}

/** Text is kept compressed; Parquet is compressed already and kept as it is. */
export type BodyFormat = "json" | "csv" | "parquet";

/** What the files themselves say of a body. */
export interface BronzeObject {
  readonly id: string;
  /** Below the bronze root. */
  readonly path: string;
  /** Of the body as received, before compression. */
  readonly sha256: string;
  readonly bytes: number;
  /** Whether it is one line, which readers of lines take at once instead of looking for its end. */
  readonly oneLine: boolean;
}

/** Written beside each body: enough to commit it after a crash without asking again. */
export interface BronzeSidecar {
  readonly object: Omit<ObjectRecord, "ordinal">;
  /** Where the chunk stands once this page counts. */
  readonly progress: ChunkProgress;
}

/** Immutable response bodies. A body counts once the ledger has its row; until then it is an orphan. */
export interface Bronze {
  readonly root: string;
  /** Writes body and sidecar durably; `describe` completes the sidecar with what the files say. */
  put(place: BronzePlace, body: Buffer, describe: (object: BronzeObject) => BronzeSidecar): Promise<BronzeSidecar>;
  read(path: string): Promise<Buffer>;
  /** The body's hash, or null when it cannot be read. */
  hash(path: string): Promise<string | null>;
  /** Bytes on disk of a body and its sidecar, or null when it is not there. */
  size(path: string): Promise<number | null>;
  /** Complete bodies of a run, committed or not; deletes temporaries on the way. */
  sweep(runId: string): Promise<readonly BronzeSidecar[]>;
  /** Writes `manifest.json` and `_SUCCESS` beside a run's objects, for outsiders. */
  seal(runId: string, manifest: object): Promise<void>;
  manifests(): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

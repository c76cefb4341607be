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

import type { Built } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { EMPTY, type IntervalSet, union } from "../../core/time/interval-set.ts";
import type { Ledger, Reverts, RunRecord } from "../ledger-port.ts";

/** What a run has published of a dataset without asking. */
export interface DoneAlready {
  readonly isTakenBack: boolean;
  /** Whether all rows were made anew from bronze. */
  readonly isRebuilt: boolean;
  /** What was made of each series. */
  readonly made: ReadonlyMap<SeriesKey, IntervalSet>;
}

/**
 * What a run did to a dataset before it was stopped or killed. What fills a gap is owed no more once it is published;
 * what is done to rows that are there would be done, kept and counted again by a resume.
 */
export async function doneAlready(ledger: Ledger, run: RunRecord, { name, version }: Dataset): Promise<DoneAlready> {
  const chunks = await ledger.chunks(run.id, { kind: "build", status: ["published"] });
  const own = chunks
    .filter((chunk) => chunk.dataset === name && chunk.version === version)
    .map(({ progress, result }) => ({ ...(progress as unknown as Announced | null), totals: result?.totals }));
  const made = new Map<SeriesKey, IntervalSet>();
  for (const { built = {} } of own) {
    for (const [key, { windows }] of Object.entries(built) as [SeriesKey, Built][]) {
      made.set(key, union(made.get(key) ?? EMPTY, windows));
    }
  }
  return {
    isTakenBack: own.some(({ reverts }) => reverts !== undefined),
    isRebuilt: own.some(({ built, totals }) => built === undefined && totals !== undefined),
    made,
  };
}

/** What a publication said that it holds. */
interface Announced {
  readonly built?: Readonly<Record<string, Built>>;
  readonly reverts?: Reverts;
}

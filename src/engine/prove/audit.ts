import type { Segments } from "../../core/coverage/segment.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { formatInterval } from "../../core/time/interval.ts";
import type { Project } from "../project.ts";
import type { Audit } from "./ports.ts";

export interface AuditReport {
  /** Everything that differs, in words that name it; empty when all of it holds. */
  readonly faults: readonly string[];
  readonly runs: number;
  readonly events: number;
  readonly objects: number;
  /** The ledger chain's head: pin it outside and compare later. */
  readonly head: { readonly hash: string; readonly length: number };
}

/**
 * The proof: every chain is recomputed, coverage and totals are rebuilt from events and compared with the tables, and
 * every bronze body is hashed again. Sealed run heads are also compared with the manifests beside bronze.
 */
export async function verifyAudit(
  project: Project,
  audit: Audit,
  onProgress: (text: string) => void,
): Promise<AuditReport> {
  onProgress("recomputing chains");
  const replay = await audit.replay();
  const faults = [...replay.faults];
  faults.push(...coverageFaults(replay.coverage, await audit.coverage()));
  for (const { chunk, table, event } of await audit.totals()) {
    if (event === null) faults.push(`publication ${chunk} is not in its run's chain`);
    else if (event !== table) faults.push(`publication ${chunk}: its totals say ${table}, its event says ${event}`);
  }
  for (const [i, object] of replay.objects.entries()) {
    if (i % 50 === 0) onProgress(`hashing bronze ${i}/${replay.objects.length}`);
    const hash = await project.bronze.hash(object.path);
    if (hash === null) faults.push(`bronze object ${object.path} cannot be read`);
    else if (hash !== object.sha256) faults.push(`bronze object ${object.path} was changed`);
  }
  for (const manifest of await project.bronze.manifests()) {
    faults.push(...(await audit.manifestFaults(manifest)));
  }
  return {
    faults,
    runs: replay.runs,
    events: replay.events,
    objects: replay.objects.length,
    head: replay.head,
  };
}

type CoverageByDataset = ReadonlyMap<string, ReadonlyMap<SeriesKey, Segments>>;

function coverageFaults(rebuilt: CoverageByDataset, table: CoverageByDataset): readonly string[] {
  const faults: string[] = [];
  for (const dataset of new Set([...rebuilt.keys(), ...table.keys()])) {
    const then = rebuilt.get(dataset) ?? new Map<SeriesKey, Segments>();
    const now = table.get(dataset) ?? new Map<SeriesKey, Segments>();
    for (const key of new Set([...then.keys(), ...now.keys()])) {
      const expected = new Map((then.get(key) ?? []).map((segment) => [segmentText(segment), segment]));
      const found = new Map((now.get(key) ?? []).map((segment) => [segmentText(segment), segment]));
      for (const [text, segment] of expected) {
        if (!found.has(text))
          faults.push(
            `coverage of ${dataset} ${key}: events say ${segment.state} ${formatInterval(segment)}, the table does not`,
          );
      }
      for (const [text, segment] of found) {
        if (!expected.has(text))
          faults.push(
            `coverage of ${dataset} ${key}: the table says ${segment.state} ${formatInterval(segment)}, no event does`,
          );
      }
    }
  }
  return faults;
}

function segmentText(segment: Segments[number]): string {
  return `${segment.start} ${segment.end} ${segment.state} ${segment.asked}`;
}

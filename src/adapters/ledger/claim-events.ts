import {
  applyBuilt,
  applyDispute,
  applyFindings,
  applyUnanswered,
  type Built,
  type Findings,
  type Segments,
} from "../../core/coverage/segment.ts";
import { asSeriesKey, type SeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { IntervalSet } from "../../core/time/interval-set.ts";

/** The events from which coverage follows; a revert's `coverage.reset` besides says what came of them without a run. */
export const CLAIM_EVENTS = ["publication.committed", "chunk.failed", "chunk.refused", "coverage.disputed"] as const;

/** Segments by dataset and version (`name@version`), then by series. */
export type CoverageByDataset = Map<string, Map<SeriesKey, Segments>>;

/** Coverage from events alone, in their order. */
export function replayClaims(
  events: readonly { readonly type: string; readonly payload: string }[],
): CoverageByDataset {
  const coverage: CoverageByDataset = new Map();
  for (const { type, payload } of events) {
    replayClaim(coverage, type, JSON.parse(payload) as Record<string, unknown>);
  }
  return coverage;
}

function replayClaim(coverage: CoverageByDataset, type: string, payload: Readonly<Record<string, unknown>>): void {
  const id = `${payload.dataset}@${payload.version}`;
  const byKey = coverage.get(id) ?? new Map<SeriesKey, Segments>();
  coverage.set(id, byKey);
  if (type === "publication.committed") {
    for (const [name, findings] of Object.entries(payload.findings as Record<string, Findings>)) {
      const key = asSeriesKey(name);
      byKey.set(key, applyFindings(byKey.get(key) ?? [], findings));
    }
    for (const [name, built] of Object.entries((payload.built ?? {}) as Record<string, Built>)) {
      const key = asSeriesKey(name);
      byKey.set(key, applyBuilt(byKey.get(key) ?? [], built));
    }
    return;
  }
  if (type === "coverage.reset") {
    for (const { key, segments } of payload.series as readonly { key: string; segments: Segments }[]) {
      byKey.set(asSeriesKey(key), segments);
    }
    return;
  }
  const key = asSeriesKey(String(payload.key));
  const before = byKey.get(key) ?? [];
  if (type === "coverage.disputed") {
    const { spans, reason } = payload as unknown as { readonly spans: IntervalSet; readonly reason: string };
    byKey.set(key, applyDispute(before, { spans, reason }));
    return;
  }
  for (const name of (payload.keys ?? [payload.key]) as readonly string[]) {
    const one = asSeriesKey(name);
    const claim = {
      start: instant(Number(payload.start)),
      end: instant(Number(payload.end)),
      state: type === "chunk.failed" ? "failed" : "refused",
      reason: String(payload.reason),
      chunk: String(payload.chunkOf),
    } as const;
    byKey.set(one, applyUnanswered(byKey.get(one) ?? [], claim));
  }
}

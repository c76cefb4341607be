import { setOf } from "../../core/coverage/segment.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { countSlotsOf, snapSetOut } from "../../core/time/grid.ts";
import { type IntervalSet, intersect, normalize, spanOf, subtract } from "../../core/time/interval-set.ts";
import type { ScopedSeries } from "../plan/scope.ts";
import type { Project } from "../project.ts";

/** What does not agree for one series. */
export interface Dispute {
  readonly key: SeriesKey;
  readonly reason: string;
  readonly spans: IntervalSet;
  /** Slots that the ledger calls covered and that hold no row. */
  readonly slots: number;
}

export interface Verification {
  readonly series: number;
  readonly rows: number;
  readonly disputes: readonly Dispute[];
  /** Keys that stand more than once in the stored table. */
  readonly doubled: number;
}

/**
 * Holds ledger against stored data: row counts by series against what publications recorded, every covered due slot
 * of dense axes against the stored rows, and keys that stand twice. What disagrees is marked disputed in the ledger,
 * so that the next plan restores it from bronze without a call.
 */
export async function verifyDataset(
  project: Project,
  dataset: Dataset,
  scoped: readonly ScopedSeries[],
): Promise<Verification> {
  const [expected, totals, slots] = await Promise.all([
    project.ledger.expectedRows(dataset.name, dataset.version),
    project.store.totals(dataset),
    project.store.storedSlots(
      dataset,
      scoped.map((one) => one.series),
    ),
  ]);
  const disputes: Dispute[] = [];
  let rows = 0;
  for (const { series, segments } of scoped) {
    const stored = totals.get(series.key)?.rows ?? 0;
    const recorded = expected.get(series.key) ?? 0;
    rows += stored;
    const held = snapSetOut(series.axis.grid, slots.get(series.key) ?? []);
    // A made row follows its input, which may well be empty there.
    const owesAll = series.axis.density === "dense" && series.source !== null;
    const lacking = owesAll ? lackingSlots({ series, segments }, held) : [];
    const disputed = setOf(segments, "disputed");
    if (lacking.length > 0 || stored !== recorded || disputed.length > 0) {
      // A sparse axis cannot tell a lost row from a quiet slot: everything published is restored and compared.
      const spans = lacking.length > 0 ? lacking : disputed.length > 0 ? disputed : setOf(segments, "covered");
      disputes.push({
        key: series.key,
        reason: `${recorded} rows were published, ${stored} are stored`,
        spans: normalize([...spans]),
        slots: lacking.length > 0 ? countSlotsOf(series.axis.grid, lacking) : Math.abs(recorded - stored),
      });
    }
  }
  for (const dispute of disputes) {
    if (dispute.spans.length === 0) continue;
    await project.ledger.dispute(dataset.name, dataset.version, dispute.key, dispute);
  }
  return { series: scoped.length, rows, disputes, doubled: await project.store.doubledKeys(dataset) };
}

function lackingSlots(one: Pick<ScopedSeries, "series" | "segments">, held: IntervalSet): IntervalSet {
  const covered = setOf(one.segments, "covered");
  const span = spanOf(covered);
  if (span === null) return [];
  return subtract(intersect(dueSet(one.series.axis, span, span.end), covered), held);
}

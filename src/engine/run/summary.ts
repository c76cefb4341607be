import type { Standing } from "../../core/coverage/gaps.ts";
import type { DatasetName } from "../../core/dataset/dataset.ts";
import { cellKey } from "../../core/dataset/series.ts";
import { type Plan, plannedCalls } from "../../core/plan/plan.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize, subtract } from "../../core/time/interval-set.ts";
import type { ChunkRecord, Ledger, RowCounts, RunRecord, SeriesRows } from "../ledger-port.ts";
import type { Arrivals } from "../prove/arrivals.ts";

/** Cells of a run, and how they stand after it. */
export interface CellCounts {
  readonly due: number;
  readonly covered_before: number;
  readonly covered_after: number;
  readonly verified_empty: number;
  readonly failed: number;
  readonly refused: number;
}

/** What a run did to one dataset. */
export interface StageSummary {
  readonly dataset: DatasetName;
  readonly cells: CellCounts;
  readonly rows: RowCounts;
  readonly gaps: { readonly before: number; readonly after: number };
}

/** What a run did and left, as `run --json` ends; counts agree with ledger and store. */
export interface RunSummary {
  readonly calls: {
    readonly planned: number;
    readonly made: number;
    readonly retried: number;
    readonly repaired: number;
    readonly paged: number;
    readonly deferred: number;
  };
  /** Over all datasets, as rows and gaps are. */
  readonly cells: CellCounts;
  readonly rows: RowCounts;
  readonly stages: readonly StageSummary[];
  readonly quarantined_by: Readonly<Record<string, number>>;
  /** By dataset and series. */
  readonly rows_by_series: Readonly<Record<string, Readonly<Record<string, SeriesRows>>>>;
  readonly gaps: { readonly before: number; readonly after: number };
  /** Stretches that lacked rows after the first fetch, those asked again, and those of them that got rows. */
  readonly repairs: { readonly detected: number; readonly retried: number; readonly filled: number };
  /** Covered rows that changed or went: late corrections, restatements, vanished bars. */
  readonly restated: number;
  /** Of an incremental run: rows that came, changed or went although their slot had been answered before. */
  readonly late: readonly Arrivals[];
  readonly errors: readonly {
    readonly dataset: DatasetName;
    readonly key: string;
    readonly start: number;
    readonly end: number;
    readonly reason: string;
    /** A refusal is the source's answer; anything else was given up. */
    readonly refused: boolean;
    /** Whether another request of the run was answered for all of it. */
    readonly answered: boolean;
  }[];
  readonly bytes: number;
  readonly duration_ms: number;
}

const NO_ROWS: RowCounts = {
  received: 0,
  inserted: 0,
  updated: 0,
  unchanged: 0,
  duplicate: 0,
  quarantined: 0,
  retracted: 0,
};

const COUNTS = Object.keys(NO_ROWS) as (keyof RowCounts)[];

/** Sums up a run from what the ledger holds, so that a resumed run counts what it did before it was killed. */
export async function summarize(
  ledger: Ledger,
  run: RunRecord,
  plan: Plan,
  standings: readonly Standing[],
  details: {
    readonly repairs: RunSummary["repairs"];
    readonly durationMs: number;
    /** Sources that are files: reading one is no call. */
    readonly freeSources: ReadonlySet<string>;
    readonly late: readonly Arrivals[];
  },
): Promise<RunSummary> {
  const chunks = await ledger.chunks(run.id);
  const fetches = chunks.filter((chunk) => chunk.kind === "fetch");
  const called = fetches.filter(({ source }) => source === null || !details.freeSources.has(source));
  const objects = await ledger.objectsOf(fetches.map((chunk) => chunk.id));
  const answers = objects.filter(({ source }) => !details.freeSources.has(source));
  const { unanswered, deferred } = await ledger.unansweredCalls(run.id);
  const firstPages = answers.filter((object) => object.page === 0);
  const asked = called.filter((chunk) => (chunk.attempt > 0 || chunk.progress !== null) && !isRest(chunk));
  const repaired = asked.filter((chunk) => chunk.round > 0).length;
  const firstAsks = asked.length - repaired;
  const made = answers.length + unanswered;
  const isAnswered = answeredBy(fetches);
  const failed = fetches.filter(({ status }) => status === "failed" || status === "refused" || status === "cancelled");
  const written = rowsOf(chunks);
  const names = [...new Set(plan.steps.map((step) => step.dataset))];
  const stages = names.map((dataset) => stageOf(dataset, plan, standings, written.rows.get(dataset) ?? NO_ROWS));
  const rows = total(
    stages.map((stage) => stage.rows),
    COUNTS,
  );
  return {
    calls: {
      planned: plannedCalls(plan),
      made,
      retried: Math.max(0, made - (answers.length - firstPages.length) - firstAsks - repaired),
      repaired,
      paged: answers.length - firstPages.length,
      deferred,
    },
    cells: total(
      stages.map((stage) => stage.cells),
      ["due", "covered_before", "covered_after", "verified_empty", "failed", "refused"],
    ),
    rows,
    stages,
    quarantined_by: written.quarantinedBy,
    rows_by_series: written.bySeries,
    gaps: total(
      stages.map((stage) => stage.gaps),
      ["before", "after"],
    ),
    repairs: details.repairs,
    restated: rows.updated + rows.retracted,
    late: details.late,
    errors: failed.map((chunk) => ({
      dataset: chunk.dataset,
      key: chunk.key,
      start: chunk.window.start,
      end: chunk.window.end,
      reason: chunk.error ?? chunk.status,
      refused: chunk.status === "refused",
      answered: isAnswered(chunk),
    })),
    bytes: objects.reduce((sum, object) => sum + object.bytes, 0),
    duration_ms: details.durationMs,
  };
}

/** Calls made and rows written so far by a run that has no summary: one at work, stopped, killed or cancelled. */
export async function soFar(
  ledger: Ledger,
  runId: string,
  freeSources: ReadonlySet<string>,
): Promise<{ readonly calls: number; readonly inserted: number; readonly updated: number }> {
  const chunks = await ledger.chunks(runId);
  const objects = await ledger.objectsOf(chunks.filter(({ kind }) => kind === "fetch").map(({ id }) => id));
  const answers = objects.filter(({ source }) => !freeSources.has(source));
  const { unanswered } = await ledger.unansweredCalls(runId);
  const { inserted, updated } = total([...rowsOf(chunks).rows.values()], ["inserted", "updated"]);
  return { calls: answers.length + unanswered, inserted, updated };
}

/** Tells whether a run's chunks were answered, together, for every key of one over all of its window. */
function answeredBy(fetches: readonly ChunkRecord[]): (chunk: ChunkRecord) => boolean {
  const windows = new Map<string, Interval[]>();
  for (const chunk of fetches) {
    if (chunk.status !== "published" && chunk.status !== "fetched") continue;
    for (const key of chunk.keys) {
      const cell = cellKey({ ...chunk, key });
      const known = windows.get(cell) ?? [];
      if (known.length === 0) windows.set(cell, known);
      known.push(chunk.window);
    }
  }
  return (chunk) =>
    chunk.keys.every((key) => {
      const answered = normalize(windows.get(cellKey({ ...chunk, key })) ?? []);
      return subtract([chunk.window], answered).length === 0;
    });
}

function stageOf(dataset: DatasetName, plan: Plan, standings: readonly Standing[], rows: RowCounts): StageSummary {
  const own = standings.filter(({ series }) => series.dataset === dataset);
  const planned = plan.series.filter((one) => one.dataset === dataset);
  const sum = (of: (standing: Standing) => number): number => own.reduce((n, one) => n + of(one), 0);
  return {
    dataset,
    cells: {
      due: sum((one) => one.slots.due),
      covered_before: planned.reduce((n, one) => n + one.coveredSlots, 0),
      covered_after: sum((one) => one.slots.covered),
      verified_empty: sum((one) => one.slots.empty),
      failed: sum((one) => one.slots.failed),
      refused: sum((one) => one.slots.refused),
    },
    rows,
    gaps: {
      before: planned.reduce((n, one) => n + one.gapSlots, 0),
      after: sum((one) => one.slots.gap),
    },
  };
}

interface WrittenRows {
  readonly rows: ReadonlyMap<DatasetName, RowCounts>;
  readonly bySeries: Readonly<Record<string, Readonly<Record<string, SeriesRows>>>>;
  readonly quarantinedBy: Readonly<Record<string, number>>;
}

/** What the run's publications recorded. */
function rowsOf(chunks: readonly ChunkRecord[]): WrittenRows {
  const rows = new Map<DatasetName, RowCounts>();
  const quarantinedBy: Record<string, number> = {};
  const bySeries: Record<string, Record<string, SeriesRows>> = {};
  for (const { kind, status, result: stored, dataset } of chunks) {
    if (kind !== "build" || status !== "published" || stored === null) continue;
    const result = stored as unknown as RowCounts & {
      readonly quarantinedBy: Record<string, number>;
      readonly rowsBySeries: Readonly<Record<string, SeriesRows>>;
    };
    rows.set(dataset, total([rows.get(dataset) ?? NO_ROWS, result], COUNTS));
    for (const [reason, n] of Object.entries(result.quarantinedBy))
      quarantinedBy[reason] = (quarantinedBy[reason] ?? 0) + n;
    const ofDataset = bySeries[dataset] ?? {};
    bySeries[dataset] = ofDataset;
    for (const [key, n] of Object.entries(result.rowsBySeries)) {
      const before = ofDataset[key] ?? { inserted: 0, updated: 0, retracted: 0 };
      ofDataset[key] = total([before, n], ["inserted", "updated", "retracted"]);
    }
  }
  return { rows, bySeries, quarantinedBy };
}

/** Each of `names` added up. */
function total<K extends string>(list: readonly Readonly<Record<K, number>>[], names: readonly K[]): Record<K, number> {
  const sums = Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
  for (const one of list) for (const name of names) sums[name] += one[name];
  return sums;
}

/** The given-up rest of a chunk whose first pages were answered: not a request of its own. */
function isRest(chunk: { readonly id: string }): boolean {
  return chunk.id.endsWith("b");
}

import type { Standing } from "../../core/coverage/gaps.ts";
import { type Plan, plannedCalls } from "../../core/plan/plan.ts";
import type { Ledger, RowCounts, RunRecord, SeriesRows } from "../ledger-port.ts";

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
  readonly cells: {
    readonly due: number;
    readonly covered_before: number;
    readonly covered_after: number;
    readonly verified_empty: number;
    readonly failed: number;
    readonly refused: number;
  };
  readonly rows: RowCounts;
  readonly quarantined_by: Readonly<Record<string, number>>;
  readonly rows_by_series: Readonly<Record<string, SeriesRows>>;
  readonly gaps: { readonly before: number; readonly after: number };
  /** Stretches that lacked rows after the first fetch, those asked again, and those of them that got rows. */
  readonly repairs: { readonly detected: number; readonly retried: number; readonly filled: number };
  readonly errors: readonly {
    readonly key: string;
    readonly start: number;
    readonly end: number;
    readonly reason: string;
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

/** Sums up a run from what the ledger holds, so that a resumed run counts what it did before it was killed. */
export async function summarize(
  ledger: Ledger,
  run: RunRecord,
  plan: Plan,
  standings: readonly Standing[],
  details: { readonly repairs: RunSummary["repairs"]; readonly durationMs: number },
): Promise<RunSummary> {
  const chunks = await ledger.chunks(run.id);
  const fetches = chunks.filter((chunk) => chunk.kind === "fetch");
  const objects = await ledger.objectsOf(fetches.map((chunk) => chunk.id));
  const rows = { ...NO_ROWS };
  const quarantinedBy: Record<string, number> = {};
  const bySeries: Record<string, SeriesRows> = {};
  for (const chunk of chunks) {
    if (chunk.kind !== "build" || chunk.status !== "published" || chunk.result === null) continue;
    const result = chunk.result as unknown as RowCounts & {
      readonly quarantinedBy: Record<string, number>;
      readonly rowsBySeries: Readonly<Record<string, SeriesRows>>;
    };
    for (const name of Object.keys(rows) as (keyof RowCounts)[]) rows[name] += result[name];
    for (const [reason, n] of Object.entries(result.quarantinedBy))
      quarantinedBy[reason] = (quarantinedBy[reason] ?? 0) + n;
    for (const [key, n] of Object.entries(result.rowsBySeries)) {
      const sum = bySeries[key] ?? { inserted: 0, updated: 0, retracted: 0 };
      bySeries[key] = {
        inserted: sum.inserted + n.inserted,
        updated: sum.updated + n.updated,
        retracted: sum.retracted + n.retracted,
      };
    }
  }
  const { unanswered, deferred } = await ledger.unansweredCalls(run.id);
  const firstPages = objects.filter((object) => object.page === 0);
  const asked = fetches.filter((chunk) => (chunk.attempt > 0 || chunk.progress !== null) && !isRest(chunk));
  const repaired = asked.filter((chunk) => chunk.round > 0).length;
  const firstAsks = asked.length - repaired;
  const made = objects.length + unanswered;
  const sum = (of: (standing: Standing) => number): number => standings.reduce((total, one) => total + of(one), 0);
  const failed = fetches.filter(({ status }) => status === "failed" || status === "refused" || status === "cancelled");
  return {
    calls: {
      planned: plannedCalls(plan),
      made,
      retried: Math.max(0, made - (objects.length - firstPages.length) - firstAsks - repaired),
      repaired,
      paged: objects.length - firstPages.length,
      deferred,
    },
    cells: {
      due: sum((one) => one.slots.due),
      covered_before: plan.series.reduce((total, one) => total + one.coveredSlots, 0),
      covered_after: sum((one) => one.slots.covered),
      verified_empty: sum((one) => one.slots.empty),
      failed: sum((one) => one.slots.failed),
      refused: sum((one) => one.slots.refused),
    },
    rows,
    quarantined_by: quarantinedBy,
    rows_by_series: bySeries,
    gaps: {
      before: plan.series.reduce((total, one) => total + one.gapSlots, 0),
      after: sum((one) => one.slots.gap),
    },
    repairs: details.repairs,
    errors: failed.map((chunk) => ({
      key: chunk.key,
      start: chunk.window.start,
      end: chunk.window.end,
      reason: chunk.error ?? chunk.status,
    })),
    bytes: objects.reduce((total, object) => total + object.bytes, 0),
    duration_ms: details.durationMs,
  };
}

/** The given-up rest of a chunk whose first pages were answered: not a request of its own. */
function isRest(chunk: { readonly id: string }): boolean {
  return chunk.id.endsWith("b");
}

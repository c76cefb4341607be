import type { Dataset } from "../../core/dataset/dataset.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { RunRecord, Watermark } from "../ledger-port.ts";
import type { Project } from "../project.ts";

/**
 * Moves the watermarks of what a run filled, and only then: an incremental run over all active keys, without a range of
 * its own, that succeeded; or any successful run with an override. Never backwards, except by an override.
 */
export async function moveWatermarks(
  project: Project,
  run: RunRecord,
  plan: Plan,
  datasets: readonly Dataset[],
): Promise<readonly Watermark[]> {
  if (run.status !== "succeeded") return [];
  const why = reasonToMove(plan);
  if (why === null) return [];
  const moved: Watermark[] = [];
  for (const { name, version } of datasets) {
    const before = await project.ledger.watermark(name, version);
    if (before !== null && why !== "override" && before.at >= plan.businessNow) continue;
    const watermark: Watermark = {
      dataset: name,
      version,
      at: plan.businessNow,
      runId: run.id,
      movedAt: project.clock.now(),
      why,
    };
    await project.ledger.moveWatermark(watermark);
    moved.push(watermark);
  }
  return moved;
}

/** Why a plan may move watermarks, or null: a part of the keys says nothing about the others. */
function reasonToMove({ mode, overrideState, request }: Plan): Watermark["why"] | null {
  const isReduced = request.limit !== null || request.entries !== null || Object.keys(request.narrow).length > 0;
  if (isReduced || request.ask === "bronze") return null;
  if (overrideState) return "override";
  return mode === "incremental" && request.from === null && request.to === null ? "incremental run succeeded" : null;
}

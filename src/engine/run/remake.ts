import { unmadeSet, withdrawnSet } from "../../core/coverage/lineage.ts";
import { setOf } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { EMPTY, subtract, union } from "../../core/time/interval-set.ts";
import { groupsOf as buildGroups, buildWindows, type Unmade } from "../build/build-windows.ts";
import { type DoneAlready, doneAlready } from "../build/done-already.ts";
import { rejudgeChunks } from "../build/publish-chunks.ts";
import { rebuildDataset } from "../build/rebuild.ts";
import { footprintOf, laterRuns, releasedUnder, revertDataset } from "../build/revert.ts";
import { recordRevert } from "../decide/revert-run.ts";
import type { ScopedSeries } from "../plan/scope.ts";
import type { Receipt } from "../store-port.ts";
import type { StageEnd } from "./fetch-stage.ts";
import type { RunObserver } from "./observer.ts";
import type { RunScope } from "./run-scope.ts";

interface RemakeOptions {
  readonly observe: RunObserver;
  readonly signal: AbortSignal;
}

/** Judges answers again that decisions let in. Done twice, by a resume, it changes nothing the second time. */
export async function rejudge(scope: RunScope, dataset: Dataset, observe: RunObserver): Promise<void> {
  const chunks = await scope.project.ledger.chunksById(scope.buildStep(dataset)?.rejudged ?? []);
  if (chunks.length === 0) return;
  tell(observe, dataset, await rejudgeChunks(scope.build(dataset), scope.run, chunks));
}

/**
 * Takes back what the plan reverts, makes anew what it rebuilds, and makes everything that depends on what changed,
 * inputs first.
 */
export async function remakeAll(scope: RunScope, { observe, signal }: RemakeOptions): Promise<StageEnd> {
  for (const dataset of scope.datasets) {
    const done = await doneAlready(scope.project.ledger, scope.run, dataset);
    await takeBack(scope, dataset, { observe, done });
    if (scope.buildStep(dataset)?.rebuild && dataset.extract !== null && !done.isRebuilt) {
      observe({ type: "notice", text: `${dataset.name}: made anew from bronze, 0 calls` });
      tell(observe, dataset, await rebuildDataset(scope.build(dataset), scope.run));
    }
    if (dataset.transform === null) continue;
    const end = await make(scope, dataset, { observe, signal, done });
    if (end.kind !== "done") return end;
  }
  return { kind: "done" };
}

/** Takes back what the run named in the plan did to a dataset. */
async function takeBack(
  scope: RunScope,
  dataset: Dataset,
  { observe, done }: { readonly observe: RunObserver; readonly done: DoneAlready },
): Promise<void> {
  const { revert } = scope.plan.request;
  if (revert === null || dataset.extract === null) return;
  const [footprint] = await footprintOf(scope.project.ledger, [dataset], revert);
  if (!footprint) return;
  if (!done.isTakenBack) {
    const isMadeAnew = (await laterRuns(scope.project, [footprint])).length > 0;
    if (isMadeAnew) observe({ type: "notice", text: `${dataset.name}: made anew from the other answers, 0 calls` });
    // What stood before the run is nowhere where rows were made anew since.
    const receipt = isMadeAnew
      ? await rebuildDataset(scope.build(dataset), scope.run, { run: revert, footprint })
      : await revertDataset(scope.build(dataset), scope.run, revert, footprint);
    tell(observe, dataset, receipt);
  }
  const released = await releasedUnder(scope.project.ledger, footprint);
  if (released.length > 0) tell(observe, dataset, await rejudgeChunks(scope.build(dataset), scope.run, released));
  await recordRevert(scope.project, revert, scope.run.reason ?? "");
}

async function make(
  scope: RunScope,
  dataset: Dataset,
  { observe, signal, done }: RemakeOptions & { readonly done: DoneAlready },
): Promise<StageEnd> {
  const { project, run, bound } = scope;
  const all = scope.buildStep(dataset)?.rebuild === true;
  const unmade = (await scope.standing([dataset])).flatMap((one) => unmadeOf(one, { all, done }));
  const groups = buildGroups(unmade, bound.publishRows);
  if (groups.length > 0)
    observe({ type: "making", dataset: dataset.name, series: unmade.length, parts: groups.length });
  for (const group of groups) {
    const control = await project.ledger.heartbeat(run.id, run.fence, project.clock.now());
    if (control !== "none") return { kind: "control", control };
    if (signal.aborted) return { kind: "interrupted" };
    tell(observe, dataset, await buildWindows(scope.making(dataset), run, group, { isWhole: all }));
  }
  return { kind: "done" };
}

function tell(observe: RunObserver, dataset: Dataset, receipt: Receipt | null): void {
  if (receipt) observe({ type: "published", dataset: dataset.name, receipt });
}

/** What has to be made of a series: what lacks in the requested range and can be made, what is stale; or all of it. */
function unmadeOf(
  { series, making, standing, segments }: ScopedSeries,
  { all, done }: { readonly all: boolean; readonly done: DoneAlready },
): readonly Unmade[] {
  if (making === null) return [];
  const scope = standing.scope === null ? EMPTY : [standing.scope];
  const unmade = unmadeSet(segments, { ...making, scope });
  const withdrawn = withdrawnSet(segments, making.ready);
  const settled = union(withdrawn, done.made.get(series.key) ?? EMPTY);
  const windows = all ? union(unmade, subtract(setOf(segments, "covered"), settled)) : unmade;
  return windows.length + withdrawn.length === 0 ? [] : [{ series, windows, withdrawn }];
}

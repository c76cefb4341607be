import type { DatasetName } from "../../core/dataset/dataset.ts";
import { RetrofillError } from "../../core/errors.ts";
import type { RunRecord, Watermark } from "../ledger-port.ts";
import { allDatasets } from "../place.ts";
import { type Project, select } from "../project.ts";
import { type Staleness, stalenessOf } from "./staleness.ts";

/** How far a dataset has come. */
export interface DatasetState {
  readonly dataset: DatasetName;
  readonly version: number;
  readonly watermark: Watermark | null;
  /** Business now less the watermark, milliseconds; null without one. */
  readonly ageMs: number | null;
  readonly staleness: Staleness;
  /** The last incremental run that filled it, however it ended. */
  readonly lastIncremental: RunRecord | null;
}

/** Older incremental runs are not looked for. */
const RUNS_LOOKED_AT = 1_000;

/** Watermark, staleness and last incremental run of every dataset. */
export async function datasetStates(project: Project): Promise<readonly DatasetState[]> {
  const runs = (await project.ledger.runs(RUNS_LOOKED_AT)).filter(({ mode }) => mode === "incremental");
  const now = project.businessNow();
  const states: DatasetState[] = [];
  for (const place of allDatasets(project)) {
    const { name, version } = place.dataset;
    const watermark = await project.ledger.watermark(name, version);
    states.push({
      dataset: name,
      version,
      watermark,
      ageMs: watermark === null ? null : now - watermark.at,
      staleness: await stalenessOf(project, place),
      lastIncremental: runs.find(({ selector }) => selects(project, selector, name)) ?? null,
    });
  }
  return states;
}

/** Whether a run's selector means `dataset`; one that is not declared any more means nothing. */
function selects(project: Project, selector: string, dataset: DatasetName): boolean {
  try {
    return select(project, selector).datasets.some(({ name }) => name === dataset);
  } catch (error) {
    if (error instanceof RetrofillError) return false;
    throw error;
  }
}

import type { RateLimit } from "../core/budget/limits.ts";
import type { Dataset } from "../core/dataset/dataset.ts";
import type { Pipeline } from "../core/dataset/pipeline.ts";
import { nearestNames, RetrofillError } from "../core/errors.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Bronze } from "./bronze-port.ts";
import type { Budget } from "./budget-port.ts";
import type { Ledger, Owner } from "./ledger-port.ts";
import type { Clock, RunFiles, Source } from "./ports.ts";
import type { Store } from "./store-port.ts";

/** A pipeline with what this project connects it to. */
export interface BoundPipeline {
  readonly pipeline: Pipeline;
  readonly source: Source;
  /** Names the credential in the budget; never the credential itself. */
  readonly credential: string;
  readonly limits: readonly RateLimit[];
  /** Back-off of transient failures. */
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  /** Chunks fetched at once. */
  readonly concurrency: number;
  /** Rows after which fetched chunks are published together. */
  readonly publishRows: number;
  readonly repairRounds: number;
  /** Longest an answer may take, all time-outs together. */
  readonly answerMs: number;
  /** Sizes in force, for the plan. */
  readonly shown: Readonly<Record<string, string>>;
}

/** A project at work: its pipelines and the adapters they run on. */
export interface Project {
  readonly dir: string;
  /** Everything the engine keeps: `DIR/.retrofill`. */
  readonly stateDir: string;
  readonly pipelines: readonly BoundPipeline[];
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly store: Store;
  readonly bronze: Bronze;
  readonly files: RunFiles;
  readonly clock: Clock;
  readonly actor: string;
  /** This process, as leases name it. */
  readonly self: Owner;
  /** Whether another owner may still be working. */
  isAlive(owner: Owner): boolean;
  /** The business clock: which slots are due. */
  businessNow(): Instant;
  random(): number;
  hash(text: string): string;
}

/** What a selector or a job's name selects. @throws RetrofillError SELECTOR_UNKNOWN with the nearest names */
export function select(
  project: Project,
  selector: string,
): {
  readonly bound: BoundPipeline;
  /** The dataset that the selector names; a pipeline has one so far. */
  readonly dataset: Dataset;
  readonly job: Pipeline["jobs"][number] | null;
} {
  for (const bound of project.pipelines) {
    const { pipeline } = bound;
    const job = pipeline.jobs.find((one) => one.name === selector) ?? null;
    const [dataset] = selectedDatasets(pipeline, job?.selector ?? selector);
    if (dataset) return { bound, dataset, job };
    const retired = pipeline.retired.find((one) => one.name === selector);
    if (retired) {
      throw new RetrofillError("SELECTOR_UNKNOWN", `${selector} is gone: its work is done by another command`, {
        hint: retired.replacedBy,
      });
    }
  }
  throw unknownSelector(project, selector);
}

function selectedDatasets(pipeline: Pipeline, selector: string): readonly Dataset[] {
  const plain = selector.replace(/^\+|\+$/g, "");
  if (plain.startsWith("layer:")) return pipeline.datasets.filter((one) => one.layer === plain.slice("layer:".length));
  if (plain === pipeline.name) return pipeline.datasets;
  return pipeline.datasets.filter((one) => one.name === plain || one.layer === plain);
}

function unknownSelector(project: Project, selector: string): RetrofillError {
  const known = project.pipelines.flatMap(({ pipeline }) => [
    pipeline.name,
    ...pipeline.datasets.map((one) => one.name),
    ...pipeline.jobs.map((one) => one.name),
  ]);
  const near = nearestNames(selector, known);
  return new RetrofillError("SELECTOR_UNKNOWN", `nothing is called ${selector}`, {
    hint: near.length > 0 ? `did you mean ${near.join(", ")}?` : `known: ${known.join(", ")}`,
  });
}

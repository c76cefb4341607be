import type { RateLimit } from "../core/budget/limits.ts";
import type { Dataset, DatasetName } from "../core/dataset/dataset.ts";
import { downstreamOf, upstreamOf } from "../core/dataset/lineage.ts";
import type { Job, Pipeline } from "../core/dataset/pipeline.ts";
import type { Series } from "../core/dataset/series.ts";
import { nearestNames, RetrofillError } from "../core/errors.ts";
import type { Request } from "../core/plan/plan.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Alerting } from "./alert/alerting.ts";
import type { Bronze } from "./bronze-port.ts";
import type { Budget } from "./budget-port.ts";
import type { Ledger, Owner } from "./ledger-port.ts";
import type { DayReporting } from "./plan/day-plan.ts";
import type { Clock, RunFiles, Source } from "./ports.ts";
import type { Store } from "./store-port.ts";

/** Who is asked under one credential: its limits and how it is waited for. */
export interface Provider {
  /** Names the connection. */
  readonly name: string;
  /** Names the credential in the budget; never the credential itself. */
  readonly credential: string;
  readonly limits: readonly RateLimit[];
  /** Back-off of transient failures. */
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  /** Longest an answer may take, all time-outs together. */
  readonly answerMs: number;
  /** Files on this machine: reading one is no call. */
  readonly isFree: boolean;
}

/** One way to ask for a dataset, and whom. */
export interface BoundSource {
  readonly dataset: DatasetName;
  readonly source: Source;
  readonly provider: Provider;
}

/** A pipeline with what this project connects it to. */
export interface BoundPipeline {
  readonly pipeline: Pipeline;
  readonly sources: readonly BoundSource[];
  /** Looks at what files hold, where there are any; before planning and before a run. */
  readonly prepare: () => Promise<void>;
  /** Chunks fetched at once from one provider. */
  readonly concurrency: number;
  /** Rows after which fetched chunks are published together. */
  readonly publishRows: number;
  readonly repairRounds: number;
  /** For pipelines of days: how gaps are reported and healed in phases. Loaded when used. */
  readonly dayReporting?: () => Promise<DayReporting>;
  /** Sizes in force, for the plan. */
  readonly shown: Readonly<Record<string, string>>;
  /** Those of them that a request sets for itself. */
  readonly shownFor?: (request: Request) => Readonly<Record<string, string>>;
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
  /** Whom to tell what, and how. */
  readonly alerts: Alerting;
  readonly clock: Clock;
  readonly actor: string;
  /** This process, as leases name it. */
  readonly self: Owner;
  /** Whether another owner may still be working. */
  isAlive(owner: Owner): boolean;
  /** The business clock: which slots are due. */
  businessNow(): Instant;
  /** Bytes that can still be written where the project's state lies. */
  freeBytes(): Promise<number>;
  random(): number;
  hash(text: string): string;
}

/** The sources that are files: reading one is no call. */
export function freeSourcesOf(bound: readonly BoundPipeline[]): ReadonlySet<string> {
  const all = bound.flatMap(({ sources }) => sources);
  return new Set(all.filter(({ provider }) => provider.isFree).map(({ source }) => source.name));
}

/** What a selector or a job's name selects. */
export interface Selection {
  readonly bound: BoundPipeline;
  /** In the order in which they are filled: inputs first. */
  readonly datasets: readonly Dataset[];
  /** Those that the selector names itself; the others it only reaches (`name+`): made where that can be. */
  readonly named: ReadonlySet<DatasetName>;
  readonly job: Job | null;
}

/** What a selector or a job's name selects. @throws RetrofillError SELECTOR_UNKNOWN with the nearest names */
export function select(project: Pick<Project, "pipelines">, selector: string): Selection {
  for (const bound of project.pipelines) {
    const { pipeline } = bound;
    const job = pipeline.jobs.find((one) => one.name === selector) ?? null;
    const { chosen, named } = selectedDatasets(pipeline, job?.selector ?? selector);
    if (named.size > 0) return { bound, datasets: pipeline.datasets.filter((one) => chosen.has(one.name)), named, job };
    const retired = pipeline.retired.find((one) => one.name === selector);
    if (retired) {
      throw new RetrofillError("SELECTOR_UNKNOWN", `${selector} is gone: its work is done by another command`, {
        hint: retired.replacedBy,
      });
    }
  }
  throw unknownSelector(project, selector);
}

/** The dataset of a pipeline with that name. */
export function datasetNamed(bound: BoundPipeline, name: DatasetName): Dataset {
  const found = bound.pipeline.datasets.find((one) => one.name === name);
  if (!found) throw new Error(`unreachable: ${bound.pipeline.name} declares no ${name}`);
  return found;
}

/** A source of a dataset by its name. */
export function sourceNamed(bound: BoundPipeline, dataset: DatasetName, name: string): BoundSource {
  const found = bound.sources.find((one) => one.dataset === dataset && one.source.name === name);
  if (!found) {
    throw new RetrofillError("SOURCE_UNCONFIGURED", `${dataset} has no source called ${name} in the configuration`, {
      hint: `configured: ${bound.sources.map((one) => one.source.name).join(", ")}`,
    });
  }
  return found;
}

/** How a series is asked for by itself: the path that repairs use; null where only files hold it. */
export function ownSourceOf(bound: BoundPipeline, series: Series): BoundSource | null {
  return (
    bound.sources.find(
      ({ dataset, source }) =>
        dataset === series.dataset &&
        source.group === undefined &&
        source.held === undefined &&
        source.system === series.source &&
        source.serves(series),
    ) ?? null
  );
}

/** `name`, `name+` and what is made from it, `+name` and what it is made from, several with commas. */
function selectedDatasets(
  pipeline: Pipeline,
  selector: string,
): { readonly chosen: ReadonlySet<DatasetName>; readonly named: ReadonlySet<DatasetName> } {
  const chosen = new Set<DatasetName>();
  const named = new Set<DatasetName>();
  for (const item of selector.split(",").map((one) => one.trim())) {
    const found = plainly(pipeline, item.replace(/^\+|\+$/g, ""));
    if (found.length === 0) return { chosen: new Set(), named: new Set() };
    for (const one of found) {
      chosen.add(one.name);
      named.add(one.name);
      if (item.endsWith("+")) for (const name of downstreamOf(pipeline.datasets, one.name)) chosen.add(name);
      if (item.startsWith("+")) for (const name of upstreamOf(pipeline.datasets, one.name)) chosen.add(name);
    }
  }
  return { chosen, named };
}

function plainly(pipeline: Pipeline, name: string): readonly Dataset[] {
  if (name === pipeline.name) return pipeline.datasets.filter((one) => one.name === pipeline.main);
  const layer = name.startsWith("layer:") ? name.slice("layer:".length) : name;
  return pipeline.datasets.filter((one) => one.name === name || one.layer === layer);
}

function unknownSelector(project: Pick<Project, "pipelines">, selector: string): RetrofillError {
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

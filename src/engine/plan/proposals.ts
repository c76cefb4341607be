import { setOf } from "../../core/coverage/segment.ts";
import { downstreamOf } from "../../core/dataset/lineage.ts";
import type { RestatementRule } from "../../core/dataset/pipeline.ts";
import type { Series } from "../../core/dataset/series.ts";
import { type Plan, type Request, requestFor } from "../../core/plan/plan.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { BoundPipeline, Project } from "../project.ts";
import { makePlan } from "./make-plan.ts";

/** One stretch that is on an old basis. */
interface Restated {
  readonly entry: string;
  readonly narrow: string;
  readonly start: Instant;
  readonly end: Instant;
  readonly why: string;
}

/**
 * Plans that ask again for what a source has restated since it was answered, as the pipeline's rules find it in the
 * stored data. They are stored with their price and reason, and applied only by a person; one that is still open is
 * not made twice.
 */
export async function proposeRestatements(
  project: Project,
  bound: BoundPipeline,
  businessNow: Instant,
): Promise<readonly Plan[]> {
  const found: Restated[] = [];
  for (const rule of bound.pipeline.restatements) found.push(...(await findRestated(project, rule, businessNow)));
  const proposals: Plan[] = [];
  for (const one of byEntry(found)) {
    const open = await openProposal(project, one.reason);
    const plan =
      open ??
      (await makePlan(project, await requestOf(project, bound, one), {
        ...OPTIONS(project, businessNow),
        reason: one.reason,
      }));
    if (plan.cost.calls === 0) continue;
    if (open === null) await project.ledger.savePlan(plan);
    proposals.push(plan);
  }
  return proposals;
}

const OPTIONS = (project: Project, businessNow: Instant) =>
  ({ mode: "backfill", overrideState: false, actor: project.actor, businessNow }) as const;

async function findRestated(project: Project, rule: RestatementRule, now: Instant): Promise<readonly Restated[]> {
  const { rows: tables } = await project.store.query("show tables");
  const there = new Set(tables.map((row) => String(row[0])));
  if (rule.reads.some((table) => !there.has(table))) return [];
  const { columns, rows } = await project.store.query(rule.sql.replaceAll(":now", String(now)));
  const place = (name: string): number => columns.findIndex((column) => column.name === name);
  return rows.map((row) => ({
    entry: String(row[place("entry")]),
    narrow: String(row[place("narrow")]),
    start: instant(Number(row[place("start_ms")])),
    end: instant(Number(row[place("end_ms")])),
    why: String(row[place("why")]),
  }));
}

interface Proposal {
  readonly entry: string;
  readonly narrow: readonly string[];
  readonly start: Instant;
  readonly end: Instant;
  readonly reason: string;
}

/**
 * One proposal an entry: what one event did to several series, and several rules found, is asked again together. The
 * reason names causes and series, not counts, so that the same finding has the same reason on the next day.
 */
function byEntry(found: readonly Restated[]): readonly Proposal[] {
  const groups = new Map<string, Restated[]>();
  for (const one of found) groups.set(one.entry, [...(groups.get(one.entry) ?? []), one]);
  return [...groups].map(([entry, list]) => {
    const narrow = [...new Set(list.map((one) => one.narrow))].sort();
    const causes = [...new Set(list.map((one) => one.why))];
    return {
      entry,
      narrow,
      start: instant(Math.min(...list.map(({ start }) => start))),
      end: instant(Math.max(...list.map(({ end }) => end))),
      reason: `${entry} ${narrow.join(" ")} is on an old basis: ${causes.join("; ")}`,
    };
  });
}

/**
 * Asks again for the stretch. What is made of the entry's rows already follows them in the same run; what was never
 * made is not begun here.
 */
async function requestOf(project: Project, bound: BoundPipeline, proposal: Proposal): Promise<Request> {
  const { pipeline, concurrency } = bound;
  const { entry, start, end } = proposal;
  const below = await madeBelow(project, bound, entry);
  const { flag, part } = pipeline.narrowing;
  const finer = below.filter(({ dataset }) => dataset === pipeline.main).map(({ parts }) => parts[part] ?? "");
  return requestFor(below.length > 0 ? `${pipeline.name}+` : pipeline.name, {
    entries: [entry],
    narrow: { [flag]: [...new Set([...proposal.narrow, ...finer])] },
    from: start,
    to: end,
    maxConcurrent: concurrency,
    ask: "again",
  });
}

/** The series of an entry that have rows made from its main ones, those of the main dataset itself included. */
async function madeBelow(
  { ledger, businessNow }: Project,
  { pipeline }: BoundPipeline,
  key: string,
): Promise<readonly Series[]> {
  const entry = (await ledger.entries(pipeline.name)).find((one) => one.key === key);
  if (!entry) return [];
  const names = new Set([pipeline.main, ...downstreamOf(pipeline.datasets, pipeline.main)]);
  const made: Series[] = [];
  for (const { name, version } of pipeline.datasets.filter((one) => names.has(one.name))) {
    const series = pipeline.series(name, entry, businessNow()).filter(({ source }) => source === null);
    const segments = await ledger.segments(
      name,
      version,
      series.map((one) => one.key),
    );
    made.push(...series.filter((one) => setOf(segments.get(one.key) ?? [], "covered").length > 0));
  }
  return made;
}

/** A stored plan for the same reason that nobody applied and that has not expired. */
async function openProposal(project: Project, reason: string): Promise<Plan | null> {
  const now = project.clock.now();
  const plans = await project.ledger.plans(200);
  return plans.find((plan) => plan.runId === null && plan.reason === reason && plan.expiresAt > now) ?? null;
}

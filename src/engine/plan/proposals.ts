import type { RestatementRule } from "../../core/dataset/pipeline.ts";
import type { Plan, Request } from "../../core/plan/plan.ts";
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
  for (const one of byReason(found)) {
    const open = await openProposal(project, one.reason);
    const plan =
      open ??
      (await makePlan(project, requestOf(bound, one), { ...OPTIONS(project, businessNow), reason: one.reason }));
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

/** One proposal an entry and end of range: what one event did to several series is asked again together. */
function byReason(found: readonly Restated[]): readonly Proposal[] {
  const groups = new Map<string, Restated[]>();
  for (const one of found) {
    const id = `${one.entry} ${one.end}`;
    groups.set(id, [...(groups.get(id) ?? []), one]);
  }
  return [...groups.values()].map((list) => {
    const [first] = list as [Restated, ...Restated[]];
    return {
      entry: first.entry,
      narrow: [...new Set(list.map(({ narrow }) => narrow))],
      start: instant(Math.min(...list.map(({ start }) => start))),
      end: first.end,
      reason: `${first.entry}: ${list.map(({ narrow, why }) => `${narrow} ${why}`).join("; ")}`,
    };
  });
}

function requestOf({ pipeline, concurrency }: BoundPipeline, { entry, narrow, start, end }: Proposal): Request {
  return {
    selector: `${pipeline.name}+`,
    job: null,
    entries: [entry],
    narrow: { [pipeline.narrowing.flag]: narrow },
    from: start,
    to: end,
    watermark: null,
    limit: null,
    maxConcurrent: concurrency,
    withInputs: false,
    ask: "again",
    revert: null,
  };
}

/** A stored plan for the same reason that nobody applied and that has not expired. */
async function openProposal(project: Project, reason: string): Promise<Plan | null> {
  const now = project.clock.now();
  const plans = await project.ledger.plans(200);
  return plans.find((plan) => plan.runId === null && plan.reason === reason && plan.expiresAt > now) ?? null;
}

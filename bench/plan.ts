import { calendarNamed } from "../src/core/calendar/calendars.ts";
import { gapSet, standingOf } from "../src/core/coverage/gaps.ts";
import type { Axis } from "../src/core/dataset/axis.ts";
import { type Series, seriesKey } from "../src/core/dataset/series.ts";
import type { AccessPath } from "../src/core/plan/access-paths.ts";
import { fetchSteps, type SeriesState, seriesPlan } from "../src/core/plan/build-plan.ts";
import { DAY, instant } from "../src/core/time/instant.ts";
import { openTrialLedger, TRIAL_DATASET, TRIAL_NOW, TRIAL_SOURCE, trialPlan } from "./ledger-trial.ts";

// A plan of 100,000 cells with nothing shared between them: every due slot is a gap and a request of its own, as for
// 400 stores over 250 days that answer one day a call. Standing, steps, JSON, the ledger's row and the run's chunks.

const KEYS = 400;
const DAYS = 250;
const ONE_DAY_A_CALL: AccessPath & { readonly provider: string } = {
  name: TRIAL_SOURCE,
  provider: TRIAL_SOURCE,
  kind: "key",
  serves: () => true,
  windows: (_, gaps) =>
    gaps.flatMap((gap) =>
      Array.from({ length: (gap.end - gap.start) / DAY }, (__, day) => ({
        start: instant(gap.start + day * DAY),
        end: instant(gap.start + (day + 1) * DAY),
      })),
    ),
};
const now = instant(Math.floor(TRIAL_NOW / DAY) * DAY);
const span = { start: instant(now - DAYS * DAY), end: now };

await using trial = await openTrialLedger();
const emptyMb = Math.round(process.resourceUsage().maxRSS / 1_024);
let memoryMb = 0;
const rounds: Record<string, Record<string, number>> = {};
for (let round = 1; round <= 3; round++) {
  const began = performance.now();
  const states = Array.from({ length: KEYS }, (_, i): SeriesState => {
    const series = seriesOf(i);
    const standing = standingOf(series, [], { span, now, realNow: now, refusedAt: () => null, leaveOut: "fresh" });
    const wanted = gapSet(standing);
    return { series, requested: span, standing, segments: [], wanted, ranges: wanted, again: [] };
  });
  const stood = performance.now();
  const { steps, rows } = fetchSteps(states, [ONE_DAY_A_CALL]);
  const [step] = steps;
  const chunks = step?.chunks ?? [];
  const callsOf = new Map<string, number>();
  for (const { key } of chunks) callsOf.set(key, (callsOf.get(key) ?? 0) + 1);
  const series = states.map((state) => seriesPlan(state, callsOf.get(state.series.key) ?? 0, { fresh: 0, halo: 0 }));
  const built = performance.now();
  const bare = trialPlan(`plan-${round}`);
  const plan = { ...bare, series, steps, cost: { ...bare.cost, calls: chunks.length, rows } };
  await trial.ledger.savePlan(plan);
  const saved = performance.now();
  if (round === 1) memoryMb = Math.round(process.resourceUsage().maxRSS / 1_024);
  await trial.ledger.openRun(
    plan,
    `run-${round}`,
    { host: "trial", pid: round, processStarted: 1 },
    chunks.map(({ key, start, end }) => ({
      kind: "fetch",
      round: 0,
      dataset: TRIAL_DATASET,
      version: 1,
      key,
      source: TRIAL_SOURCE,
      window: { start, end },
    })),
    now,
  );
  const opened = performance.now();
  rounds[`round ${round}`] = {
    calls: chunks.length,
    "standing ms": Math.round(stood - began),
    "steps ms": Math.round(built - stood),
    "JSON and save ms": Math.round(saved - built),
    "plan in all ms": Math.round(saved - began),
    "of the target": Number(((saved - began) / 1_000).toFixed(2)),
    "then opening ms": Math.round(opened - saved),
  };
}
console.log("plan of 100,000 cells, one call each (target: 1 s, 300 MB)");
console.table(rounds);
console.log(
  `largest resident memory: ${emptyMb} MB before, ${memoryMb} MB with the plan made and saved (tsx included)`,
);

function seriesOf(i: number): Series {
  const axis: Axis = {
    grid: { grain: "1d", zone: "UTC" },
    calendar: calendarNamed("24x7"),
    density: "dense",
    settleMs: 0,
    stamp: { zone: "UTC", at: "start" },
    lifetime: span,
    earliest: null,
  };
  const key = seriesKey([`store_${i}`, "1d"]);
  return {
    dataset: TRIAL_DATASET,
    version: 1,
    key,
    parts: {},
    entry: key,
    axis,
    since: span.start,
    source: TRIAL_SOURCE,
    lookbackMs: 0,
    params: {},
    ask: {},
  };
}

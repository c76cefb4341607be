import type { Findings } from "../../core/coverage/segment.ts";
import { slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { clip, EMPTY, type IntervalSet, normalize, subtract } from "../../core/time/interval-set.ts";
import { type Context, seriesAt, shapeOf } from "./context.ts";
import { type JudgedObject, SUPERSEDED } from "./judge.ts";
import { hasRows, type Row, rowsOf } from "./rows.ts";
import { storedRows, text } from "./tables.ts";
import { judgeStored, type Verdict } from "./verdicts.ts";

type Blocked = Findings["blocked"][number];

/** What the publication learned about each of its series, from the rows as they are stored now. */
export async function makeFindings(
  context: Context,
  objects: readonly JudgedObject[],
): Promise<Readonly<Record<string, Findings>>> {
  const { request, connection } = context;
  const verdicts = await judgeStored(connection, request, context.groupOf);
  const bySeries = request.series.map((): JudgedObject[] => []);
  for (const one of objects) bySeries[one.seriesNo]?.push(one);
  const holes = verdicts.map((one) => one.holes);
  const blocked = await findBlocked(context, objects, { bySeries, holes });
  return Object.fromEntries(
    request.series.map(({ series }, i): [string, Findings] => {
      const own = bySeries[i] ?? [];
      const found = { ...(verdicts[i] as Verdict), blocked: blocked[i] ?? [] };
      const restored = request.restore.get(series.key);
      if (restored !== undefined) return [series.key, { answered: [], ...found, restored }];
      const rejudged = request.rejudge?.get(series.key);
      if (rejudged !== undefined) return [series.key, { answered: [], ...found, rejudged }];
      const answered = own
        .filter(({ object }) => object.answered.start < object.answered.end)
        .flatMap(({ object }) => {
          const lacking = shapeOf(request, object).fillsOnly === true ? found.holes : EMPTY;
          return subtract([object.answered], lacking).map((span) => ({ ...span, chunk: object.chunkId }));
        });
      return [series.key, { answered, ...found }];
    }),
  );
}

/**
 * By series, in order and disjoint: windows of blocked objects, asked slots whose record a check stopped where no row
 * is stored, and holes in answers with a record whose slot cannot be read, since it may be theirs. Where windows
 * overlap, the latest answer speaks.
 */
async function findBlocked(
  context: Context,
  objects: readonly JudgedObject[],
  known: { readonly bySeries: readonly (readonly JudgedObject[])[]; readonly holes: readonly IntervalSet[] },
): Promise<readonly (readonly Blocked[])[]> {
  const found = context.request.series.map((): Blocked[] => []);
  const byNo = new Map(objects.map((one) => [claimId(one.object.ordinal, one.seriesNo), one]));
  const add = (one: JudgedObject, span: Interval, reason: string): void => {
    const later = answeredAfter(known.bySeries[one.seriesNo] ?? [], one);
    const chunk = one.object.chunkId;
    const list = found[one.seriesNo] as Blocked[];
    for (const rest of subtract([span], later)) {
      const last = list[list.length - 1];
      const goesOn = last?.end === rest.start && last.reason === reason && last.chunk === chunk;
      if (goesOn) list[list.length - 1] = { ...last, end: rest.end };
      else list.push({ ...rest, chunk, reason });
    }
  };
  const whys = objects.some(({ blocked }) => blocked) ? await usualReasons(context) : new Map<string, string>();
  for (const one of objects) {
    if (!one.blocked || one.object.answered.start >= one.object.answered.end) continue;
    const why = whys.get(claimId(one.question.no, one.seriesNo));
    add(one, one.object.answered, `too many bad records${why === undefined ? "" : `, most often ${why}`}`);
  }
  for (const row of await stoppedSlots(context)) {
    const one = byNo.get(claimId(Number(row.object_no), Number(row.series_no))) as JudgedObject;
    const at = instant(Number(row.slot_ms));
    const { start, end } = one.question.claimed;
    // A record outside what was asked claims nothing.
    if (one.blocked || at < start || at >= end) continue;
    add(one, slotAt(seriesAt(context, one.seriesNo).axis.grid, at), String(row.reason));
  }
  const stopped = found.map(normalize);
  const slotless = objects.every(({ complete }) => complete) ? new Set<string>() : await slotlessQuestions(context);
  for (const one of objects) {
    if (one.blocked || !slotless.has(claimId(one.question.no, one.seriesNo))) continue;
    const silent = clip(known.holes[one.seriesNo] ?? [], one.object.answered);
    for (const hole of subtract(silent, stopped[one.seriesNo] ?? [])) add(one, hole, SLOTLESS);
  }
  return found.map((list) => list.sort((a, b) => a.start - b.start));
}

const SLOTLESS = "a record whose time cannot be read may belong here";

function claimId(object: number, series: number): string {
  return `${object} ${series}`;
}

/** The reason that stopped most of a question's records of a series, by `claimId` of its first page. */
async function usualReasons({ connection }: Context): Promise<ReadonlyMap<string, string>> {
  const rows = await rowsOf(
    connection,
    `select question_no, series_no, arg_max(reason, (n, reason)) as reason from (
       select o.question_no, g.series_no, g.reason, count(*) as n from staged_t g
       join object_t o on o.object_no = g.object_no and o.series_no = g.series_no
       where reason not in ('unfinished', 'object_blocked', ${text(SUPERSEDED)}) group by all)
     group by all`,
  );
  return new Map(rows.map((row) => [claimId(Number(row.question_no), Number(row.series_no)), String(row.reason)]));
}

/** Questions with a record of a series whose slot cannot be read, by `claimId` of their first page. */
async function slotlessQuestions({ connection }: Context): Promise<ReadonlySet<string>> {
  const rows = await rowsOf(
    connection,
    `select distinct o.question_no, g.series_no from staged_t g
     join object_t o on o.object_no = g.object_no and o.series_no = g.series_no
     where g.slot_ms is null and g.reason = 'unreadable'`,
  );
  return new Set(rows.map((row) => claimId(Number(row.question_no), Number(row.series_no))));
}

/** Slots that have a bad record and no row. */
async function stoppedSlots({ connection, request }: Context): Promise<readonly Row[]> {
  const stopped = `select series_no, object_no, slot_ms, arg_max(reason, row_no) as reason from staged_t
    where reason not in ('unfinished', 'object_blocked', ${text(SUPERSEDED)}) and slot_ms is not null group by all`;
  if (!(await hasRows(connection, stopped))) return [];
  return rowsOf(
    connection,
    `select j.object_no, j.series_no, j.slot_ms, j.reason from (${stopped}) j
     anti join ${storedRows(request.dataset)} c on c.series_no = j.series_no and c.slot_ms = j.slot_ms
     order by j.object_no, j.slot_ms`,
  );
}

function answeredAfter(own: readonly JudgedObject[], one: JudgedObject): IntervalSet {
  return normalize(
    own
      .filter((other) => other.object.ordinal > one.object.ordinal && other.question.no !== one.question.no)
      .map((other) => other.object.answered)
      .filter(({ start, end }) => start < end),
  );
}

import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { firstEndingAfter, intersects } from "../../core/time/interval-set.ts";
import { type Claim, type Context, shapeOf } from "./context.ts";
import type { Question } from "./questions.ts";
import { hasRows, type Row, rowsOf } from "./rows.ts";
import { payloadColumns, rowKeyOf, sameRow, storedRows, text } from "./tables.ts";

/** The reason of a record that is sound, but not written because another one for its slot wins. */
export const SUPERSEDED = "superseded";

/** What an object says of one series, after its records were judged. */
export interface JudgedObject extends Claim {
  /** Too many bad records: none of it is written, and it answers nothing. */
  readonly blocked: boolean;
  /** Whether a slot without a record was answered as empty: not while a bad record names no slot, nor where rows fill only. */
  readonly complete: boolean;
  /** Its window and the slots of its sound records. */
  readonly extent: Interval;
  /** The first page of what it answers, and what all pages of that answer together. */
  readonly question: Question;
}

/**
 * Judges the objects of `staged_t` as wholes: blocks those with too many bad records, and lets the last record of a
 * slot in an answer, and the latest answer, win. What has no reason afterwards is to be written.
 */
export async function judgeObjects(context: Context): Promise<readonly JudgedObject[]> {
  const { connection, request } = context;
  const errorThreshold = request.dataset.extract?.errorThreshold ?? 1;
  const rows = await rowsOf(
    connection,
    `select object_no, series_no, count(*) filter (reason is null) as sound,
       count(*) filter (reason is not null and reason <> 'unfinished') as bad,
       count(*) filter (reason is not null and slot_ms is null) as unplaced,
       min(slot_ms) filter (reason is null) as low, max(slot_ms) filter (reason is null) as high
     from staged_t group by object_no, series_no`,
  );
  const byNo = new Map(rows.map((row) => [`${row.object_no} ${row.series_no}`, row]));
  const sums = sumsByQuestion(context, rows);
  const judged = context.claims.map(({ object, seriesNo }): JudgedObject => {
    const row = byNo.get(`${object.ordinal} ${seriesNo}`);
    const question = questionOf(context, object.ordinal);
    // A question is judged as a whole: the last page speaks for the slots of all.
    const sum = sums.get(`${question.no} ${seriesNo}`) ?? { sound: 0, bad: 0, unplaced: 0 };
    const { start, end } = object.answered;
    return {
      object,
      seriesNo,
      question,
      blocked: sum.bad > errorThreshold * (sum.bad + sum.sound),
      complete: sum.unplaced === 0 && shapeOf(context.request, object).fillsOnly !== true,
      extent:
        !row || row.low === null
          ? object.answered
          : { start: earlier(start, instant(Number(row.low))), end: later(end, instant(Number(row.high) + 1)) },
    };
  });
  await blockObjects(
    context,
    judged.filter((one) => one.blocked),
  );
  await dropRepeats(context);
  await dropOvertaken(context);
  return judged;
}

interface Sums {
  readonly sound: number;
  readonly bad: number;
  readonly unplaced: number;
}

function sumsByQuestion(context: Context, rows: readonly Row[]): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const row of rows) {
    const id = `${questionOf(context, Number(row.object_no)).no} ${row.series_no}`;
    const before = sums.get(id) ?? { sound: 0, bad: 0, unplaced: 0 };
    sums.set(id, {
      sound: before.sound + Number(row.sound),
      bad: before.bad + Number(row.bad),
      unplaced: before.unplaced + Number(row.unplaced),
    });
  }
  return sums;
}

function questionOf({ questions }: Context, ordinal: number): Question {
  const found = questions.get(ordinal);
  if (!found) throw new Error(`unreachable: object ${ordinal} is not in this publication`);
  return found;
}

/**
 * The sound objects in layers: those of one layer touch no slot twice, and a later answer lies in a later layer than
 * all it overlaps. Written layer by layer, a publication is the same as its objects published one by one.
 */
export function layersOf(objects: readonly JudgedObject[]): readonly (readonly JudgedObject[])[] {
  const layers: JudgedObject[][] = [];
  /** What each layer touches of a series, in order. */
  const touched = new Map<number, Interval[][]>();
  for (const pages of byQuestion(objects.filter((one) => !one.blocked))) {
    const [{ seriesNo }] = pages;
    const own = extentOf(pages);
    const below = touched.get(seriesNo) ?? [];
    touched.set(seriesNo, below);
    let layer = below.length;
    while (layer > 0 && !intersects(below[layer - 1] as Interval[], [own])) layer--;
    const peers = below[layer] ?? [];
    below[layer] = peers;
    peers.splice(firstEndingAfter(peers, own.start), 0, own);
    const placed = layers[layer] ?? [];
    layers[layer] = placed;
    for (const page of pages) placed.push(page);
  }
  return layers;
}

type Pages = readonly [JudgedObject, ...JudgedObject[]];

/** The pages of each question and series, in the order in which the questions were answered. */
function byQuestion(objects: readonly JudgedObject[]): readonly Pages[] {
  const groups = new Map<string, [JudgedObject, ...JudgedObject[]]>();
  for (const one of [...objects].sort((a, b) => a.object.ordinal - b.object.ordinal)) {
    const id = `${one.question.no} ${one.seriesNo}`;
    const pages = groups.get(id);
    if (pages) pages.push(one);
    else groups.set(id, [one]);
  }
  const last = (pages: Pages): number => (pages[pages.length - 1] as JudgedObject).object.ordinal;
  return [...groups.values()].sort((a, b) => last(a) - last(b));
}

/** From the first slot to the last that some objects touch. */
export function extentOf(objects: readonly JudgedObject[]): Interval {
  return objects
    .map(({ extent }) => extent)
    .reduce((hull, next) => ({ start: earlier(hull.start, next.start), end: later(hull.end, next.end) }));
}

async function blockObjects({ connection, request }: Context, blocked: readonly JudgedObject[]): Promise<void> {
  if (blocked.length === 0) return;
  const columns = payloadColumns(request.dataset);
  await connection.run(`update staged_t set reason = 'object_blocked',
      record = to_json(struct_pack(${columns.map((name) => `${name} := ${name}`).join(", ")}))
    where reason is null and (object_no, series_no) in (
      ${blocked.map(({ object, seriesNo }) => `(${object.ordinal}, ${seriesNo})`).join(", ")})`);
}

/** The last record of a row within one answer wins, of whose pages the last. */
async function dropRepeats({ connection, request }: Context): Promise<void> {
  const own = rowKeyOf(request.dataset)
    .map((name) => `, ${name}`)
    .join("");
  // Slots are a minute at least, so 64 minutes are a word of bits; far fewer groups than one a slot. Of rows with an own
  // key one number is grouped: two that only share it are told apart below.
  const repeats = await hasRows(
    connection,
    own === ""
      ? `select object_no from staged_t where reason is null group by object_no, series_no, slot_ms // 3840000
         having count(*) > bit_count(bit_or(1::ubigint << (slot_ms // 60000 % 64)::ubigint))`
      : `select 1 from staged_t g join object_t o on o.object_no = g.object_no and o.series_no = g.series_no
         where reason is null group by hash(o.question_no, g.series_no, slot_ms${own}) having count(*) > 1`,
  );
  if (!repeats) return;
  await connection.run(`update staged_t set reason = ${text(SUPERSEDED)} where rowid in (
    select id from (select g.rowid as id, row_number() over (partition by o.question_no, g.series_no, slot_ms${own}
        order by g.object_no desc, row_no desc) as place
      from staged_t g join object_t o on o.object_no = g.object_no and o.series_no = g.series_no
      where reason is null) where place > 1)`);
}

/** Objects that are published after later answers for the same slots: the later answers stay. */
async function dropOvertaken({ connection, request }: Context): Promise<void> {
  const { dataset } = request;
  await connection.run(`create or replace temp table overtaking_t as
    select o.series_no, a.object_no, a.start_ms, a.end_ms, a.complete
    from answer a
    join (select series_key, series_no, min(object_no) as oldest from object_t group by all) o
      on a.series = o.series_key and a.object_no > o.oldest
    where a.dataset = ${text(dataset.name)} and a.version = ${dataset.version}
      and a.object_no not in (select object_no from object_t)`);
  if (!(await hasRows(connection, "select object_no from overtaking_t"))) return;
  await connection.run(`update staged_t set reason = ${text(SUPERSEDED)} where reason is null and rowid in (
    select g.rowid from staged_t g where ${isOvertaken("g")}
    union all
    select g.rowid from staged_t g join ${storedRows(dataset, { columns: ["object_no"] })} c
      on ${sameRow(dataset, "c", "g")} and c.object_no > g.object_no)`);
}

/** SQL: whether a later answer that is published already speaks for the slot of `row`; a bad record does not. */
export function isOvertaken(row: string): string {
  return `exists (select 1 from overtaking_t a where a.series_no = ${row}.series_no and a.object_no > ${row}.object_no
    and a.complete and ${row}.slot_ms >= a.start_ms and ${row}.slot_ms < a.end_ms
    and not exists (select 1 from quarantine q where q.object_no = a.object_no and epoch_ms(q.slot) = ${row}.slot_ms))`;
}

function earlier(a: Instant, b: Instant): Instant {
  return a < b ? a : b;
}

function later(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}

import { type Instant, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Claim, Context } from "./context.ts";
import { hasRows, rowsOf } from "./rows.ts";
import { payloadColumns, rowKeyOf, sameRow, storedRows, text } from "./tables.ts";

/** The reason of a record that is sound, but not written because another one for its slot wins. */
export const SUPERSEDED = "superseded";

/** What an object says of one series, after its records were judged. */
export interface JudgedObject extends Claim {
  /** Too many bad records: none of it is written, and it answers nothing. */
  readonly blocked: boolean;
  /** Whether a slot without a record was answered as empty: not known while a bad record names no slot. */
  readonly complete: boolean;
  /** Its window and the slots of its sound records. */
  readonly extent: Interval;
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
  const judged = context.claims.map(({ object, seriesNo }): JudgedObject => {
    const row = byNo.get(`${object.ordinal} ${seriesNo}`);
    if (!row) return { object, seriesNo, blocked: false, complete: true, extent: object.answered };
    const bad = Number(row.bad);
    const { start, end } = object.answered;
    return {
      object,
      seriesNo,
      blocked: bad > errorThreshold * (bad + Number(row.sound)),
      complete: row.unplaced === 0,
      extent:
        row.low === null
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

/**
 * The sound objects in layers: those of one layer touch no slot twice, and a later answer lies in a later layer than
 * all it overlaps. Written layer by layer, a publication is the same as its objects published one by one.
 */
export function layersOf(objects: readonly JudgedObject[]): readonly (readonly JudgedObject[])[] {
  const layers: JudgedObject[][] = [];
  const placed = new Map<number, { readonly extent: Interval; readonly layer: number }[]>();
  const inOrder = objects.filter((one) => !one.blocked).sort((a, b) => a.object.ordinal - b.object.ordinal);
  for (const one of inOrder) {
    const others = placed.get(one.seriesNo) ?? [];
    placed.set(one.seriesNo, others);
    let layer = 0;
    for (const { extent, layer: under } of others) {
      if (extent.start < one.extent.end && one.extent.start < extent.end) layer = Math.max(layer, under + 1);
    }
    others.push({ extent: one.extent, layer });
    const peers = layers[layer] ?? [];
    layers[layer] = peers;
    peers.push(one);
  }
  return layers;
}

async function blockObjects({ connection, request }: Context, blocked: readonly JudgedObject[]): Promise<void> {
  if (blocked.length === 0) return;
  const columns = payloadColumns(request.dataset);
  await connection.run(`update staged_t set reason = 'object_blocked',
      record = to_json(struct_pack(${columns.map((name) => `${name} := ${name}`).join(", ")}))
    where reason is null and (object_no, series_no) in (
      ${blocked.map(({ object, seriesNo }) => `(${object.ordinal}, ${seriesNo})`).join(", ")})`);
}

/** The last record of a row within one answer wins. */
async function dropRepeats({ connection, request }: Context): Promise<void> {
  const own = rowKeyOf(request.dataset)
    .map((name) => `, ${name}`)
    .join("");
  // Slots are a minute at least, so 64 minutes are a word of bits; far fewer groups than one a slot.
  const repeats = await hasRows(
    connection,
    own === ""
      ? `select object_no from staged_t where reason is null group by object_no, series_no, slot_ms // 3840000
         having count(*) > bit_count(bit_or(1::ubigint << (slot_ms // 60000 % 64)::ubigint))`
      : `select object_no from staged_t where reason is null group by object_no, series_no, slot_ms${own} having count(*) > 1`,
  );
  if (!repeats) return;
  await connection.run(`update staged_t set reason = ${text(SUPERSEDED)} where rowid in (
    select id from (select rowid as id, row_number() over (partition by object_no, series_no, slot_ms${own} order by row_no desc) as place
      from staged_t where reason is null) where place > 1)`);
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

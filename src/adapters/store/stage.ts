import { createHash } from "node:crypto";
import { join } from "node:path";
import { RetrofillError } from "../../core/errors.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { RecordShape } from "../../engine/ports.ts";
import type { PublishRequest, SourceShape } from "../../engine/store-port.ts";
import { readBody } from "../bronze/bronze.ts";
import { STAMP_LIMITS, stageCivil } from "./civil-records.ts";
import { type Context, shapeOf } from "./context.ts";
import { recordsQueries } from "./file-records.ts";
import { rowsOf } from "./rows.ts";
import { payloadColumns, text } from "./tables.ts";

/**
 * Fills `staged_t` with every record of the request's objects: its slot (null where its stamp names none), the `reason`
 * that keeps it out or null, the record itself where there is a reason, and the columns it fills where there is none.
 * @throws RetrofillError BRONZE_DAMAGED when a body is not what was received
 */
export async function stage(context: Context, bronze: string): Promise<void> {
  const { connection, request } = context;
  if (request.restore.size > 0) for (const object of request.objects) await checkBody(object, bronze);
  const withRows = request.objects.filter((object) => object.rows > 0);
  let unreadable: readonly ObjectRecord[] = [];
  try {
    await stageAll(context, bronze, withRows);
  } catch (error) {
    unreadable = await findUnreadable(context, bronze, withRows);
    if (unreadable.length === 0) throw error;
    await stageAll(
      context,
      bronze,
      withRows.filter((object) => !unreadable.includes(object)),
    );
  }
  const counts = await rowsOf(connection, "select object_no, count(*) as n from staged_t group by object_no");
  const read = new Map(counts.map((row) => [row.object_no, row.n]));
  for (const { object, seriesNo } of context.claims) {
    // A body of many series also holds rows of series that nobody asked for: they are left where they are.
    const isWhole = object.rows === 0 || object.keys.length > 1 || shapeOf(request, object).match !== null;
    if (isWhole || read.get(object.ordinal) === object.rows) continue;
    await checkBody(object, bronze);
    await connection.run(`delete from staged_t where object_no = ${object.ordinal}`);
    await connection.run(`insert into staged_t (object_no, series_no, row_no, reason)
      select ${object.ordinal}, ${seriesNo}, range, 'unreadable' from range(${object.rows})`);
  }
}

async function stageAll(context: Context, bronze: string, objects: readonly ObjectRecord[]): Promise<void> {
  const { connection, request } = context;
  const payload = payloadColumns(request.dataset);
  const types = new Map(request.dataset.columns.map(({ name, type }) => [name, type]));
  await connection.run(`create or replace temp table staged_t (object_no bigint, series_no integer, row_no bigint,
    slot_ms bigint, reason varchar, record json, ${payload.map((name) => `${name} ${types.get(name)}`).join(", ")})`);
  const civilObjects = new Set(
    context.claims
      .filter(({ seriesNo }) => context.groupOf[seriesNo]?.stepMs === null)
      .map(({ object }) => object.ordinal),
  );
  for (const [source, shape] of request.sources) {
    for (const civil of [false, true]) {
      const some = objects.filter((object) => object.source === source && civilObjects.has(object.ordinal) === civil);
      if (some.length === 0) continue;
      const queries = await recordsQueries(some, { shape: shape.records, bronze });
      const insert = async (placed: string): Promise<void> => {
        await connection.run(insertion(context, shape, placed));
      };
      if (civil) {
        const claimed = queries.map((records) => claimedRecords(records, shape.records));
        await stageCivil(context, { objects: some, shape: shape.records, queries: claimed, insert });
      } else {
        for (const records of queries) await insert(placedOnSteps(records, shape.records));
      }
    }
  }
}

/**
 * SQL: the series that a record belongs to. A record without a readable key is the first one's to answer for. Joined by
 * equality alone: every other condition would hold each record of a body against each of its series.
 */
function claimJoin({ key }: RecordShape): string {
  if (key === undefined) return "join object_t o on o.object_no = r.object_no";
  return `join (select object_no, arg_min(match, series_no) as match from object_t group by object_no) f
      on f.object_no = r.object_no
    join object_t o on o.object_no = r.object_no and o.match = coalesce(r.${key}, f.match)`;
}

/** Records with the series that they belong to and their stamp. */
function claimedRecords(records: string, shape: RecordShape): string {
  return `select r.*, o.* exclude (object_no), r.${shape.stamp} as stamp_ms from (${records}) r ${claimJoin(shape)}`;
}

/** Records of series whose slots have one length and start at its multiples: the stamp alone tells the slot. */
function placedOnSteps(records: string, shape: RecordShape): string {
  const { stampWithin } = shape;
  const last = stampWithin === "(start, end]" ? "(stamp_ms - 1)" : "stamp_ms";
  const start = stampWithin === undefined ? "stamp_ms - shift_ms" : `${last} // step_ms * step_ms`;
  const isOnGrid = stampWithin === undefined ? `stamp_ms % step_ms = 0 and ${start} >= 0` : `${last} >= 0`;
  return `select r.*, case when stamp_ms between ${STAMP_LIMITS.min} and ${STAMP_LIMITS.max} and ${isOnGrid}
        then ${start} end as slot_ms, ${start} + step_ms as slot_end
    from (${claimedRecords(records, shape)}) r`;
}

/** Judges placed records and fills their columns, in one statement. */
function insertion({ request }: Context, { system }: SourceShape, placed: string): string {
  const { dataset } = request;
  if (dataset.extract === null) throw new Error(`unreachable: ${dataset.name} is not read from a source`);
  const { terms = {}, select, checks, isAnnounced = false } = dataset.extract;
  const released = releasedIn(request);
  const reasons = [
    "when raw.unreadable then 'unreadable'",
    "when raw.slot_ms is null then 'off_grid'",
    ...(isAnnounced ? [] : ["when raw.slot_end > raw.business_now then 'unfinished'"]),
    ...(released === null ? [] : [`when ${released} then null`]),
    ...checks.map((check) => `when coalesce(${check.bad}, true) then ${text(check.reason)}`),
  ];
  const named = Object.entries(terms).map(([name, expression]) => `, ${expression} as ${name}`);
  const own: Readonly<Record<string, string>> = { source: text(system), source_ts: "epoch_ms(raw.stamp_ms)" };
  const columns = payloadColumns(dataset).map((name) => {
    const expression = own[name] ?? select[name];
    if (expression === undefined) throw new Error(`${dataset.name}: column ${name} has no expression`);
    // A record that is kept out must not fail a cast in an expression, nor one that only a decision lets in.
    if (released === null) return `case when raw.reason is null then ${expression} end`;
    return `case when raw.reason is not null then null when ${released} then try(${expression}) else ${expression} end`;
  });
  return `insert into staged_t
    select raw.object_no, raw.series_no, raw.row_no, raw.slot_ms, raw.reason,
      case when raw.reason is not null then to_json(raw.record) end, ${columns.join(", ")}
    from (select raw.*, {'ts': epoch_ms(raw.slot_ms)} as slot, case ${reasons.join(" ")} end as reason
      from (select raw.*${named.join("")} from (${placed}) raw) raw
      join series_t series on series.series_no = raw.series_no) raw
    join series_t series on series.series_no = raw.series_no`;
}

/** SQL: whether a decision releases the record in `raw`; null when none of these objects has such a record. */
function releasedIn({ objects, released = [] }: PublishRequest): string | null {
  const staged = new Set(objects.map(({ ordinal }) => ordinal));
  const places = released.filter(({ objectNo }) => staged.has(objectNo));
  if (places.length === 0) return null;
  return `(raw.object_no, raw.row_no) in (${places.map(({ objectNo, rowNo }) => `(${objectNo}, ${rowNo})`).join(", ")})`;
}

/**
 * The objects whose bodies DuckDB does not read although they are what was received: JavaScript's parser let them pass
 * (half a surrogate pair, a member twice).
 */
async function findUnreadable(
  { connection, request }: Context,
  bronze: string,
  objects: readonly ObjectRecord[],
): Promise<readonly ObjectRecord[]> {
  const found: ObjectRecord[] = [];
  for (const object of objects) {
    try {
      const { records } = shapeOf(request, object);
      for (const query of await recordsQueries([object], { shape: records, bronze })) {
        await connection.run(`select max(hash(r)) from (${query}) r`);
      }
    } catch {
      await checkBody(object, bronze);
      found.push(object);
    }
  }
  return found;
}

async function checkBody(object: ObjectRecord, bronze: string): Promise<void> {
  const path = join(bronze, object.path);
  let hash: string;
  try {
    hash = createHash("sha256")
      .update(await readBody(path))
      .digest("hex");
  } catch (cause) {
    throw damaged(object, `${path} cannot be read`, cause);
  }
  if (hash !== object.sha256) throw damaged(object, `${path} is not what was received`);
}

function damaged(object: ObjectRecord, what: string, cause?: unknown): RetrofillError {
  return new RetrofillError("BRONZE_DAMAGED", `object ${object.id} of ${object.key}: ${what}`, {
    hint: "retrofill audit verify names every object that differs; restore the file from a backup",
    context: { object: object.id, key: object.key },
    ...(cause === undefined ? {} : { cause }),
  });
}

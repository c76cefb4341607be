import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Findings } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SeriesKey } from "../../core/dataset/series.ts";
import { slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { RowCounts } from "../../engine/ledger-port.ts";
import type { PublishRequest, Receipt } from "../../engine/store-port.ts";
import { type AxisGroup, dueRows, groupByAxis, stampRows } from "./axes.ts";
import { findHoles } from "./holes.ts";
import { fillTable, rowsOf } from "./rows.ts";
import { tableName, tableStatements, text } from "./tables.ts";

/** Every row names the bronze object it came from, by its place in ingest order. */
const OBJECT_COLUMN = "object_no";

/** Stamps outside these years cannot belong to a slot and are not looked up: 1970 to 2100. */
const STAMP_LIMITS = { min: 0, max: 4_102_444_800_000 };

/**
 * Stages the records of bronze objects, checks them, compares them with what is stored and writes the difference, the
 * before-images, the quarantine and the receipt in one transaction. Sets of rows never cross into JavaScript.
 */
export async function publishIn(
  connection: DuckDBConnection,
  request: PublishRequest,
  folders: { readonly bronze: string; readonly history: string },
): Promise<Receipt> {
  const run = (sql: string): Promise<unknown> => connection.run(sql);
  const { groups, groupOf } = groupByAxis(request.series);
  for (const statement of tableStatements(request.dataset)) await run(statement);
  await run("begin transaction");
  const beforeImage = join(
    folders.history,
    `dataset=${request.dataset.name}`,
    `version=${request.dataset.version}`,
    `${request.chunkId}-${request.fence}.parquet`,
  );
  try {
    await loadContext(connection, request, groups, groupOf);
    await readRecords(connection, request, folders.bronze);
    await placeRecords(connection, groups);
    await judge(connection, request);
    await compare(connection, request);
    await writeBeforeImages(connection, request, beforeImage);
    await writeRows(connection, request);
    const receipt = await makeReceipt(connection, request, groups, groupOf);
    await run(
      `insert into receipt values (${text(request.chunkId)}, ${request.fence}, ${text(JSON.stringify(receipt))}::json)`,
    );
    await run("commit");
    return receipt;
  } catch (error) {
    await run("rollback").catch(() => undefined);
    await rm(beforeImage, { force: true });
    throw error;
  }
}

async function loadContext(
  connection: DuckDBConnection,
  request: PublishRequest,
  groups: readonly AxisGroup[],
  groupOf: readonly number[],
): Promise<void> {
  const { key } = request.dataset;
  const numbers = new Map(request.series.map(({ series }, i) => [series.key, i]));
  await fillTable(
    connection,
    "series_t",
    `series_no integer, axis_no integer, dense boolean, series_key varchar, ${key.map((k) => `${k} varchar`).join(", ")}`,
    request.series.map(({ series }, i) => [
      i,
      groupOf[i] ?? 0,
      series.axis.density === "dense",
      series.key,
      ...key.map((k) => series.parts[k] ?? ""),
    ]),
  );
  await fillTable(
    connection,
    "object_t",
    `object_no bigint, series_no integer, axis_no integer, path varchar, strict boolean, business_now bigint,
     start_ms bigint, end_ms bigint`,
    request.objects.map((object) => {
      const series = numbers.get(object.key) ?? 0;
      return [
        object.ordinal,
        series,
        groupOf[series] ?? 0,
        object.path,
        object.strict,
        object.businessNow,
        object.answered.start,
        object.answered.end,
      ];
    }),
  );
  await fillTable(
    connection,
    "due_t",
    "axis_no integer, start_ms bigint, end_ms bigint, step_ms bigint, first_ord bigint",
    groups.flatMap((group) => dueRows(group).map((row) => [group.no, ...row])),
  );
}

/** `raw_t`: every record of every object, with `unreadable` where a declared field has the wrong type or is missing. */
async function readRecords(connection: DuckDBConnection, request: PublishRequest, bronze: string): Promise<void> {
  const { shape } = request;
  const fields = Object.entries(shape.fields);
  const duckType = (type: string): string =>
    ({ integer: "BIGINT", number: "DOUBLE", string: "VARCHAR" })[type] ?? "VARCHAR";
  const struct = `STRUCT(${fields.map(([name, field]) => `${name} ${duckType(field.type)}`).join(", ")})`;
  const largest = Math.max(16_777_216, ...request.objects.map((object) => Math.ceil(object.bytes * 1.1)));
  const source = (strict: boolean, type: string): string => {
    const files = request.objects.filter((object) => object.strict === strict && object.rows > 0);
    return `(select o.object_no, o.series_no, o.axis_no, o.business_now, unnest(b.${shape.path}) as record,
        unnest(range(len(b.${shape.path}))) as row_no
      from read_json([${files.map((file) => text(join(bronze, file.path))).join(", ")}],
        columns = {${shape.path}: '${type}[]'}, format = 'unstructured', compression = 'gzip', filename = true,
        maximum_object_size = ${largest}) b
      join object_t o on b.filename = ${text(bronze)} || '/' || o.path)`;
  };
  const has = (strict: boolean): boolean =>
    request.objects.some((object) => object.strict === strict && object.rows > 0);
  const empty = fields.map(([name, field]) => `null::${duckType(field.type)} as ${name}`).join(", ");
  const parts = [
    `select null::bigint as object_no, null::integer as series_no, null::integer as axis_no, null::bigint as business_now,
       null::bigint as row_no, false as unreadable, ${empty}, null::json as record where false`,
  ];
  if (has(true)) {
    parts.push(`select object_no, series_no, axis_no, business_now, row_no, false as unreadable,
      ${fields.map(([name]) => `record.${name} as ${name}`).join(", ")}, null::json as record
      from ${source(true, struct)}`);
  }
  if (has(false)) {
    const allowed = (type: string): string =>
      ({ integer: "('BIGINT', 'UBIGINT')", number: "('BIGINT', 'UBIGINT', 'DOUBLE')", string: "('VARCHAR')" })[type] ??
      "()";
    const typed = fields.map(
      ([name, field]) =>
        `case when json_type(record, '$.${name}') in ${allowed(field.type)}
           then try_cast(record ->> '$.${name}' as ${duckType(field.type)}) end as ${name}`,
    );
    const unreadable = fields.map(([name, field]) => {
      const wrong = `coalesce(json_type(record, '$.${name}'), 'NULL') not in ${allowed(field.type)}
        or try_cast(record ->> '$.${name}' as ${duckType(field.type)}) is null`;
      return field.required
        ? `(${wrong})`
        : `(coalesce(json_type(record, '$.${name}'), 'NULL') <> 'NULL' and (${wrong}))`;
    });
    parts.push(`select object_no, series_no, axis_no, business_now, row_no,
      record is null or ${unreadable.join(" or ")} as unreadable, ${typed.join(", ")}, record
      from ${source(false, "JSON")}`);
  }
  await connection.run(
    `create or replace temp table raw_t as select *, ${shape.stamp} as stamp_ms from (${parts.join(" union all ")})`,
  );
}

/** `placed_t`: each record with the slot that its stamp names; null where the stamp is off the grid. */
async function placeRecords(connection: DuckDBConnection, groups: readonly AxisGroup[]): Promise<void> {
  const civil = groups.filter((group) => group.stepMs === null);
  const stamps: (readonly (string | number | boolean)[])[] = [];
  if (civil.length > 0) {
    const spans = await rowsOf(
      connection,
      `select axis_no, min(stamp_ms) as low, max(stamp_ms) as high from raw_t
       where stamp_ms between ${STAMP_LIMITS.min} and ${STAMP_LIMITS.max} group by axis_no`,
    );
    for (const group of civil) {
      const span = spans.find((row) => Number(row.axis_no) === group.no);
      if (!span) continue;
      const low = slotAt(group.axis.grid, instant(Number(span.low))).start;
      const around = {
        start: slotAt(group.axis.grid, instant(low - 1)).start,
        end: instant(slotAt(group.axis.grid, instant(Number(span.high))).end + 1),
      };
      stamps.push(...stampRows(group.axis, around).map((row) => [group.no, ...row]));
    }
  }
  await fillTable(connection, "stamp_t", "axis_no integer, stamp_ms bigint, start_ms bigint, end_ms bigint", stamps);
  const step = `case r.axis_no ${groups
    .filter((group) => group.stepMs !== null)
    .map((group) => `when ${group.no} then ${group.stepMs}`)
    .join(" ")} else null end`;
  const atEnd = groups.filter((group) => group.axis.stamp.at === "end").map((group) => group.no);
  const shift = atEnd.length === 0 ? "0" : `case when r.axis_no in (${atEnd.join(", ")}) then ${step} else 0 end`;
  await connection.run(`create or replace temp table placed_t as
    select r.*, r.stamp_ms - ${shift} as slot_ms, r.stamp_ms - ${shift} + ${step} as slot_end
    from raw_t r where ${groups.some((g) => g.stepMs !== null) ? `${step} is not null and r.stamp_ms % ${step} = 0` : "false"}
      and r.stamp_ms between ${STAMP_LIMITS.min} and ${STAMP_LIMITS.max}
    union all
    select r.*, s.start_ms, s.end_ms from raw_t r join stamp_t s on s.axis_no = r.axis_no and s.stamp_ms = r.stamp_ms
    union all
    select r.*, null, null from raw_t r anti join stamp_t s on s.axis_no = r.axis_no and s.stamp_ms = r.stamp_ms
    where r.stamp_ms is null or r.stamp_ms not between ${STAMP_LIMITS.min} and ${STAMP_LIMITS.max}
      or not coalesce(r.stamp_ms % ${step} = 0, false)`);
}

/** `judged_t`: placed records with the reason that keeps each out, or null; then `good_t`, one row a key. */
async function judge(connection: DuckDBConnection, request: PublishRequest): Promise<void> {
  const { dataset, source } = request;
  const { select, checks, errorThreshold } = dataset.production;
  const reasons = [
    "when raw.unreadable then 'unreadable'",
    "when raw.slot_ms is null then 'off_grid'",
    "when raw.slot_end > raw.business_now then 'unfinished'",
    ...checks.map((check) => `when coalesce(${check.bad}, true) then ${text(check.reason)}`),
  ];
  const own: Readonly<Record<string, string>> = {
    [dataset.time]: "epoch_ms(raw.slot_ms)",
    source: text(source),
    source_ts: "epoch_ms(raw.stamp_ms)",
  };
  const produced = dataset.columns.filter((column) => column.name !== OBJECT_COLUMN);
  const columns = produced.map((column) => {
    const expression = own[column.name] ?? select[column.name];
    if (expression === undefined) throw new Error(`${dataset.name}: column ${column.name} has no expression`);
    // A record whose stamp or numbers are not usable must not fail the cast of its neighbours.
    return `case when raw.slot_ms is null then null else ${expression} end as ${column.name}`;
  });
  await connection.run(`create or replace temp table judged_t as
    select raw.series_no, raw.object_no, raw.row_no, raw.slot_ms, raw.slot_end,
      case ${reasons.join(" ")} end as reason, ${columns.join(", ")}
    from placed_t raw join series_t series on series.series_no = raw.series_no`);
  await connection.run(`create or replace temp table blocked_object_t as
    select object_no from judged_t group by object_no
    having count(*) filter (where reason is not null and reason <> 'unfinished') > ${errorThreshold} * count(*)`);
  await connection.run(`create or replace temp table good_t as
    select * exclude (reason) from judged_t j where reason is null
      and object_no not in (select object_no from blocked_object_t)`);
  if (windowsOverlap(request)) {
    // A later complete answer for the same stretch that lacks a row takes it back.
    await connection.run(`delete from good_t where exists (
      select 1 from object_t o where o.series_no = good_t.series_no and o.object_no > good_t.object_no
        and good_t.slot_ms >= o.start_ms and good_t.slot_ms < o.end_ms
        and o.object_no not in (select object_no from blocked_object_t)
        and not exists (select 1 from judged_t j where j.object_no = o.object_no and j.slot_ms = good_t.slot_ms))`);
  }
  const twice = await rowsOf(
    connection,
    "select 1 from good_t group by series_no, slot_ms having count(*) > 1 limit 1",
  );
  if (twice.length > 0) {
    // The last of an answer, and the latest answer, wins.
    await connection.run(`create or replace temp table good_t as select * exclude (rank) from
      (select *, row_number() over (partition by series_no, slot_ms order by object_no desc, row_no desc) as rank from good_t)
      where rank = 1`);
  }
}

/** Whether two objects of one series answer for the same stretch; a plan's own windows never do. */
function windowsOverlap(request: PublishRequest): boolean {
  const last = new Map<string, number>();
  for (const object of [...request.objects].sort((a, b) => a.answered.start - b.answered.start)) {
    if (object.answered.start < (last.get(object.key) ?? Number.NEGATIVE_INFINITY)) return true;
    last.set(object.key, Math.max(object.answered.end, last.get(object.key) ?? Number.NEGATIVE_INFINITY));
  }
  return false;
}

/** `diff_t`: good rows that are new or differ from what is stored; `lost_t`: stored rows that an answer lacks. */
async function compare(connection: DuckDBConnection, request: PublishRequest): Promise<void> {
  const { dataset } = request;
  const table = tableName(dataset);
  const onKey = dataset.key.map((k) => `c.${k} = s.${k}`).join(" and ");
  await connection.run(`create or replace temp table current_t as
    select s.series_no, epoch_ms(c.${dataset.time}) as slot_ms, c.* from ${table} c
    join series_t s on ${onKey}
    join (select series_no, min(start_ms) as low, max(end_ms) as high from
            (select series_no, start_ms, end_ms from object_t
             union all select series_no, min(slot_ms), max(slot_end) from good_t group by series_no)
          group by series_no) w
      on w.series_no = s.series_no and c.${dataset.time} >= epoch_ms(w.low) and c.${dataset.time} < epoch_ms(w.high)`);
  const payload = payloadColumns(dataset);
  const differs = payload.map((name) => `g.${name} is distinct from c.${name}`).join(" or ");
  await connection.run(`create or replace temp table diff_t as
    select g.*, c.slot_ms is not null as existed from good_t g
    left join current_t c on c.series_no = g.series_no and c.slot_ms = g.slot_ms
    where c.slot_ms is null or ${differs}`);
  // A slot whose record was quarantined keeps its old row: bad input neither replaces nor removes.
  await connection.run(`create or replace temp table lost_t as
    select c.* from current_t c
    where exists (select 1 from object_t o where o.series_no = c.series_no
        and c.slot_ms >= o.start_ms and c.slot_ms < o.end_ms
        and o.object_no not in (select object_no from blocked_object_t))
      and not exists (select 1 from judged_t j where j.series_no = c.series_no and j.slot_ms = c.slot_ms)`);
}

async function writeBeforeImages(connection: DuckDBConnection, request: PublishRequest, path: string): Promise<void> {
  const [count] = await rowsOf(
    connection,
    "select (select count(*) from diff_t where existed) + (select count(*) from lost_t) as n",
  );
  if (Number(count?.n ?? 0) === 0) return;
  const columns = request.dataset.columns.map((column) => `c.${column.name}`).join(", ");
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.part`;
  await connection.run(`copy (
      select 'updated' as change, ${text(request.chunkId)} as replaced_by, ${columns} from current_t c
        join diff_t d on d.series_no = c.series_no and d.slot_ms = c.slot_ms
      union all select 'retracted', ${text(request.chunkId)}, ${columns} from lost_t c
      order by ${request.dataset.key.join(", ")}, ${request.dataset.time})
    to ${text(temporary)} (format parquet, compression zstd)`);
  await rename(temporary, path);
}

async function writeRows(connection: DuckDBConnection, request: PublishRequest): Promise<void> {
  const { dataset } = request;
  const table = tableName(dataset);
  const names = dataset.columns.map((column) => column.name).join(", ");
  const [gone] = await rowsOf(
    connection,
    "select (select count(*) from diff_t where existed) as updated, (select count(*) from lost_t) as lost",
  );
  if (Number(gone?.updated ?? 0) + Number(gone?.lost ?? 0) > 0) {
    const same = dataset.key.map((k) => `t.${k} = k.${k}`).join(" and ");
    const keys = [...dataset.key, dataset.time].join(", ");
    await connection.run(`delete from ${table} t using
      (select ${keys} from diff_t where existed union all select ${keys} from lost_t) k
      where ${same} and t.${dataset.time} = k.${dataset.time}`);
  }
  await connection.run(`insert into ${table} (${names}) select ${names} from diff_t`);
  await connection.run("delete from quarantine where object_no in (select object_no from object_t)");
  await connection.run(`insert into quarantine
    select ${text(dataset.name)}, ${dataset.version}, s.series_key, j.object_no, j.row_no, epoch_ms(j.slot_ms),
      coalesce(j.reason, 'object_blocked'), coalesce(r.record, to_json(struct_pack(${Object.keys(request.shape.fields)
        .map((name) => `${name} := r.${name}`)
        .join(", ")})))
    from judged_t j join series_t s on s.series_no = j.series_no
    join raw_t r on r.object_no = j.object_no and r.row_no = j.row_no
    where j.reason is not null or j.object_no in (select object_no from blocked_object_t)`);
}

async function makeReceipt(
  connection: DuckDBConnection,
  request: PublishRequest,
  groups: readonly AxisGroup[],
  groupOf: readonly number[],
): Promise<Receipt> {
  const quarantined = await rowsOf(
    connection,
    `select case when object_no in (select object_no from blocked_object_t) then coalesce(reason, 'object_blocked')
        else reason end as why, count(*) as n
     from judged_t where reason is not null or object_no in (select object_no from blocked_object_t)
     group by why order by why`,
  );
  const [sums] = await rowsOf(
    connection,
    `select (select count(*) from judged_t) as received,
       (select count(*) from good_t) as good,
       (select count(*) from diff_t where not existed) as inserted,
       (select count(*) from diff_t where existed) as updated,
       (select count(*) from lost_t) as retracted,
       (select count(*) from judged_t where reason is null
          and object_no not in (select object_no from blocked_object_t)) as accepted`,
  );
  const n = (name: string): number => Number(sums?.[name] ?? 0);
  const counts: RowCounts = {
    received: n("received"),
    inserted: n("inserted"),
    updated: n("updated"),
    unchanged: n("good") - n("inserted") - n("updated"),
    duplicate: n("accepted") - n("good"),
    quarantined: n("received") - n("accepted"),
    retracted: n("retracted"),
  };
  const bySeries = await rowsOf(
    connection,
    `select series_no, count(*) filter (where what = 'inserted') as inserted,
       count(*) filter (where what = 'updated') as updated, count(*) filter (where what = 'retracted') as retracted
     from (select series_no, case when existed then 'updated' else 'inserted' end as what from diff_t
           union all select series_no, 'retracted' from lost_t)
     group by series_no order by series_no`,
  );
  const changed = await rowsOf(
    connection,
    `select series_no, object_no, min(slot_ms) as low, max(slot_end) as high from
       (select series_no, object_no, slot_ms, slot_end from diff_t
        union all select series_no, object_no, slot_ms, slot_ms + 1 from lost_t)
     group by series_no, object_no order by series_no, low`,
  );
  const keyOf = (row: Readonly<Record<string, unknown>>): SeriesKey => seriesAt(request, Number(row.series_no)).key;
  return {
    chunkId: request.chunkId,
    fence: request.fence,
    counts,
    quarantinedBy: Object.fromEntries(quarantined.map((row) => [String(row.why), Number(row.n)])),
    rowsBySeries: Object.fromEntries(
      bySeries.map((row) => [
        keyOf(row),
        { inserted: Number(row.inserted), updated: Number(row.updated), retracted: Number(row.retracted) },
      ]),
    ),
    findings: await makeFindings(connection, request, groups, groupOf),
    changes: changed.map((row) => ({
      key: keyOf(row),
      start: instant(Number(row.low)),
      end: instant(Number(row.high)),
    })),
  };
}

async function makeFindings(
  connection: DuckDBConnection,
  request: PublishRequest,
  groups: readonly AxisGroup[],
  groupOf: readonly number[],
): Promise<Readonly<Record<string, Findings>>> {
  const holes = await findHoles(connection, request, groups, groupOf);
  const blocked = new Map<number, (Interval & { chunk: string; reason: string })[]>();
  const chunkOf = new Map(request.objects.map((object) => [object.ordinal, object.chunkId]));
  const stopped = await rowsOf(
    connection,
    `select j.series_no, j.object_no, j.slot_ms as low, j.slot_end as high, j.reason from judged_t j
     where j.reason is not null and j.reason <> 'unfinished' and j.slot_ms is not null
       and j.object_no not in (select object_no from blocked_object_t)
       and not exists (select 1 from good_t g where g.series_no = j.series_no and g.slot_ms = j.slot_ms)
       and not exists (select 1 from current_t c where c.series_no = j.series_no and c.slot_ms = j.slot_ms)
     union all
     select o.series_no, o.object_no, o.start_ms, o.end_ms, 'too many bad records' from object_t o
     where o.object_no in (select object_no from blocked_object_t)
     order by 1, 3`,
  );
  for (const row of stopped) {
    const list = blocked.get(Number(row.series_no)) ?? [];
    blocked.set(Number(row.series_no), list);
    const start = instant(Number(row.low));
    const last = list[list.length - 1];
    if (last && last.end > start) continue;
    list.push({
      start,
      end: instant(Number(row.high)),
      chunk: chunkOf.get(Number(row.object_no)) ?? "",
      reason: String(row.reason),
    });
  }
  const answered = new Map<string, (Interval & { chunk: string })[]>();
  for (const object of request.objects) {
    const list = answered.get(object.key) ?? [];
    answered.set(object.key, list);
    list.push({ ...object.answered, chunk: object.chunkId });
  }
  return Object.fromEntries(
    request.series.map(({ series }, i): [string, Findings] => [
      series.key,
      request.restore.has(series.key)
        ? {
            answered: [],
            holes: holes[i] ?? [],
            blocked: blocked.get(i) ?? [],
            restored: request.restore.get(series.key) ?? [],
          }
        : { answered: answered.get(series.key) ?? [], holes: holes[i] ?? [], blocked: blocked.get(i) ?? [] },
    ]),
  );
}

function seriesAt(request: PublishRequest, no: number): PublishRequest["series"][number]["series"] {
  const found = request.series[no];
  if (!found) throw new Error(`unreachable: series ${no} is not in this publication`);
  return found.series;
}

function payloadColumns(dataset: Dataset): readonly string[] {
  const own = new Set([...dataset.key, dataset.time, OBJECT_COLUMN]);
  return dataset.columns.map((column) => column.name).filter((name) => !own.has(name));
}

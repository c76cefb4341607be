import type { DuckDBConnection } from "@duckdb/node-api";
import type { SeriesKey } from "../../core/dataset/series.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize } from "../../core/time/interval-set.ts";
import type { SeriesRows } from "../../engine/ledger-port.ts";
import type { PublishRequest, Receipt } from "../../engine/store-port.ts";
import { sweepImages } from "./before-image.ts";
import { type Context, openContext, seriesAt, type Writing } from "./context.ts";
import { makeFindings } from "./findings.ts";
import { type JudgedObject, judgeObjects, layersOf, SUPERSEDED } from "./judge.ts";
import { compareLayer, openImages, type SeriesChange, writeChanges } from "./merge.ts";
import { rowsOf } from "./rows.ts";
import { stage } from "./stage.ts";
import { storedRows, text } from "./tables.ts";
import { inTransaction } from "./transaction.ts";

/**
 * Stages the records of bronze objects, judges them, compares them with what is stored and writes the difference, the
 * before-images, the quarantine and the receipt in one transaction. Sets of rows never cross into JavaScript.
 * @throws RetrofillError BRONZE_DAMAGED
 */
export async function publishIn(
  connection: DuckDBConnection,
  request: PublishRequest,
  folders: { readonly bronze: string; readonly history: string },
): Promise<Receipt> {
  const context = await openContext(connection, request);
  await stage(context, folders.bronze);
  await sweepImages(context, folders.history);
  await openImages(context);
  const objects = await judgeObjects(context);
  const [layer, ...above] = layersOf(objects);
  const changes = layer ? await compareLayer(context, layer, { isOnly: above.length === 0 }) : null;
  return inTransaction(context, folders.history, async () => {
    const written = changes ? [await writeChanges(context, changes)] : [];
    // A later answer is compared with what the ones before it wrote.
    for (const one of above) {
      written.push(await writeChanges(context, await compareLayer(context, one, { isOnly: false })));
    }
    await writeQuarantine(context);
    await writeAnswers(context, objects);
    return makeReceipt(context, objects, written.flat());
  });
}

async function writeQuarantine({ connection, request }: Context): Promise<void> {
  const { dataset } = request;
  await connection.run("delete from quarantine where object_no in (select object_no from object_t)");
  await connection.run(`insert into quarantine
    select ${text(dataset.name)}, ${dataset.version}, o.series_key, j.object_no, j.row_no, epoch_ms(j.slot_ms), j.reason, j.record
    from staged_t j join object_t o on o.object_no = j.object_no and o.series_no = j.series_no
    where j.reason is not null and j.reason <> ${text(SUPERSEDED)}`);
}

async function writeAnswers(context: Context, objects: readonly JudgedObject[]): Promise<void> {
  const { connection, request } = context;
  const { name, version } = request.dataset;
  await connection.run("delete from answer where object_no in (select object_no from object_t)");
  const appender = await connection.createAppender("answer");
  for (const one of objects) {
    const { object, blocked, complete } = one;
    if (blocked) continue;
    appender.appendVarchar(name);
    appender.appendInteger(version);
    appender.appendVarchar(seriesAt(context, one.seriesNo).key);
    appender.appendBigInt(BigInt(object.ordinal));
    appender.appendBigInt(BigInt(object.answered.start));
    appender.appendBigInt(BigInt(object.answered.end));
    appender.appendBoolean(complete);
    appender.appendBigInt(BigInt(object.receivedAt));
    appender.appendBigInt(BigInt(object.businessNow));
    appender.endRow();
  }
  appender.closeSync();
}

async function makeReceipt(
  context: Context,
  objects: readonly JudgedObject[],
  changes: readonly SeriesChange[],
): Promise<Receipt> {
  const { request } = context;
  const fates = await rowsOf(
    context.connection,
    "select reason, count(*) as n from staged_t group by reason order by reason",
  );
  const countOf = (reason: string | null): number => Number(fates.find((row) => row.reason === reason)?.n ?? 0);
  const kept = fates.filter((row) => row.reason !== null && row.reason !== SUPERSEDED);
  const sum = (count: ChangeCount): number => sumOf(changes, count);
  return {
    chunkId: request.chunkId,
    fence: request.fence,
    counts: {
      received: fates.reduce((n, row) => n + Number(row.n), 0),
      inserted: sum("inserted"),
      updated: sum("updated"),
      unchanged: countOf(null) - sum("inserted") - sum("updated"),
      duplicate: countOf(SUPERSEDED),
      quarantined: kept.reduce((n, row) => n + Number(row.n), 0),
      retracted: sum("retracted"),
    },
    quarantinedBy: Object.fromEntries(kept.map((row) => [String(row.reason), Number(row.n)])),
    ...changesBySeries(context, changes),
    findings: await makeFindings(context, objects),
  };
}

type ChangeCount = "inserted" | "updated" | "retracted";

/** One kind of change over all series. */
export function sumOf(changes: readonly SeriesChange[], count: ChangeCount): number {
  return changes.reduce((n, one) => n + one[count], 0);
}

/** How many rows each series of a publication has stored. */
export async function totalsOf({ connection, request }: Writing): Promise<Readonly<Record<string, number>>> {
  const rows = await rowsOf(
    connection,
    `select series_no, count(*) as n from ${storedRows(request.dataset)} group by series_no`,
  );
  const counts = new Map(rows.map((row) => [Number(row.series_no), Number(row.n)]));
  return Object.fromEntries(request.series.map(({ series }, i) => [series.key, counts.get(i) ?? 0]));
}

/** What changed by series, as a receipt says it. */
export function changesBySeries(
  context: Writing,
  changes: readonly SeriesChange[],
): Pick<Receipt, "rowsBySeries" | "changes"> {
  const rows: Record<string, SeriesRows> = {};
  const spans = new Map<SeriesKey, Interval[]>();
  for (const one of changes) {
    const { key } = seriesAt(context, one.seriesNo);
    const before = rows[key] ?? { inserted: 0, updated: 0, retracted: 0 };
    rows[key] = {
      inserted: before.inserted + one.inserted,
      updated: before.updated + one.updated,
      retracted: before.retracted + one.retracted,
    };
    spans.set(key, [...(spans.get(key) ?? []), one.span]);
  }
  return {
    rowsBySeries: rows,
    changes: [...spans].flatMap(([key, list]) => normalize(list).map((span) => ({ key, ...span }))),
  };
}

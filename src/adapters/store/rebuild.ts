import { rm } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { PublishRequest, RebuildRequest, Receipt } from "../../engine/store-port.ts";
import { groupByAxis } from "./axes.ts";
import { sweepImages } from "./before-image.ts";
import { fillSeries, type Writing } from "./context.ts";
import { type Changes, compareWhole, openImages, type SeriesChange, writeChanges } from "./merge.ts";
import { changesBySeries, publishIn, sumOf, totalsOf } from "./publish.ts";
import { isDangling, questionsOf } from "./questions.ts";
import { writeReceipt } from "./receipts.ts";
import { hasRows, rowsOf } from "./rows.ts";
import { createTables, OBJECT_COLUMN, payloadColumns, storedRows, tableName, text } from "./tables.ts";
import { inTransaction } from "./transaction.ts";
import { judgeStored, type Verdict } from "./verdicts.ts";

/** Runs work on a data file, opened for that long. */
export type UseFile = <T>(work: (connection: DuckDBConnection) => Promise<T>) => Promise<T>;

/**
 * Makes all rows of a dataset anew from its bronze objects: published one after another into an empty file beside the
 * data file, which is then compared with what is stored. Only differences are written, in one transaction, with their
 * before-images. Killed half-way, the file beside is begun again.
 */
export async function rebuildIn(
  request: RebuildRequest,
  files: {
    readonly scratch: { readonly path: string; readonly use: UseFile };
    readonly main: UseFile;
    readonly bronze: string;
    readonly history: string;
  },
): Promise<Receipt> {
  const { scratch, main, bronze, history } = files;
  await dropScratch(scratch.path);
  try {
    const counts = await scratch.use((connection) =>
      publishAll(connection, request, { bronze, history: `${scratch.path}.history` }),
    );
    return await main((connection) => replaceBy(connection, request, { scratch: scratch.path, history, counts }));
  } finally {
    await dropScratch(scratch.path);
  }
}

type Fates = Pick<Receipt, "counts" | "quarantinedBy">;

/** Publishes every object in ingest order into the empty file. */
async function publishAll(
  connection: DuckDBConnection,
  request: RebuildRequest,
  folders: { readonly bronze: string; readonly history: string },
): Promise<Fates> {
  await createTables(connection, request.dataset);
  const quarantinedBy: Record<string, number> = {};
  let counts = { received: 0, inserted: 0, updated: 0, unchanged: 0, duplicate: 0, quarantined: 0, retracted: 0 };
  for (const [i, objects] of groupsOf(request.objects, request.groupRows).entries()) {
    const keys = new Set(objects.flatMap((object) => object.keys));
    const part: PublishRequest = {
      ...request,
      chunkId: `${request.chunkId}.${i}`,
      objects,
      series: request.series.filter(({ series }) => keys.has(series.key)),
      // What is silent is judged once, from all rows.
      suspects: null,
      restore: new Map(),
    };
    const receipt = await publishIn(connection, part, folders);
    counts = {
      ...counts,
      received: counts.received + receipt.counts.received,
      duplicate: counts.duplicate + receipt.counts.duplicate,
      quarantined: counts.quarantined + receipt.counts.quarantined,
    };
    for (const [reason, n] of Object.entries(receipt.quarantinedBy)) {
      quarantinedBy[reason] = (quarantinedBy[reason] ?? 0) + n;
    }
  }
  return { counts, quarantinedBy };
}

function groupsOf(objects: readonly ObjectRecord[], rows: number): readonly (readonly ObjectRecord[])[] {
  const groups: ObjectRecord[][] = [];
  const questions = questionsOf(objects);
  // Pages of one question stay together; those whose last one never came answer nothing.
  const open = new Set<string>();
  let size = Number.POSITIVE_INFINITY;
  for (const object of objects) {
    const question = questions.get(object.ordinal);
    if (question === undefined || isDangling(question)) continue;
    if (size >= rows && open.size === 0) {
      groups.push([]);
      size = 0;
    }
    groups[groups.length - 1]?.push(object);
    size += object.rows;
    if (object.answered.start < object.answered.end) open.delete(object.chunkId);
    else open.add(object.chunkId);
  }
  return groups;
}

/** Writes into the data file what differs in the file beside it. */
async function replaceBy(
  connection: DuckDBConnection,
  request: RebuildRequest,
  { scratch, history, counts }: { readonly scratch: string; readonly history: string; readonly counts: Fates },
): Promise<Receipt> {
  const { dataset } = request;
  const writing: Writing = { connection, request };
  await connection.run(`attach ${text(scratch)} as rebuilt (read_only)`);
  await fillSeries(
    connection,
    dataset.key,
    request.series.map(({ series }) => series),
  );
  await openImages(writing);
  const changes = await compare(writing);
  return inTransaction(writing, history, async () => {
    await restoreReceipts(connection, request);
    await sweepImages(writing, history);
    await writeChanges(writing, changes);
    await copyJudgements(writing);
    const receipt = await makeReceipt(writing, request, { counts, changes: changes.bySeries });
    // All of it is read. After the commit nobody would come back for it.
    await dropScratch(scratch);
    return receipt;
  });
}

/** What differs in the file beside the data file. */
function compare(writing: Writing): Promise<Changes> {
  const { dataset } = writing.request;
  const columns = [...payloadColumns(dataset), OBJECT_COLUMN];
  const fresh = `(select s.series_no, epoch_ms(c.${dataset.time}) as slot_ms, ${columns.map((name) => `c.${name}`).join(", ")}
    from rebuilt.${tableName(dataset)} c join series_t s on ${dataset.key.map((k) => `c.${k} = s.${k}`).join(" and ")})`;
  return compareWhole(writing, fresh, { stored: storedRows(dataset, { columns: [OBJECT_COLUMN] }), columns });
}

/** Answers and quarantine are as the objects say them now. */
async function copyJudgements({ connection, request }: Writing): Promise<void> {
  const { name, version } = request.dataset;
  for (const table of ["answer", "quarantine"]) {
    await connection.run(`delete from ${table} where dataset = ${text(name)} and version = ${version}`);
    await connection.run(`insert into ${table} select * from rebuilt.main.${table}`);
  }
}

/** Publications that the ledger knows and a data file made anew does not: their before-images count again. */
async function restoreReceipts(connection: DuckDBConnection, { publications }: RebuildRequest): Promise<void> {
  for (const { chunkId, fence } of publications) {
    if (await hasRows(connection, `select chunk from receipt where chunk = ${text(chunkId)}`)) continue;
    await writeReceipt(connection, { chunkId, fence }, null);
  }
}

async function makeReceipt(
  writing: Writing,
  request: RebuildRequest,
  { counts, changes }: { readonly counts: Fates; readonly changes: readonly SeriesChange[] },
): Promise<Receipt> {
  const { connection } = writing;
  const verdicts = await judgeStored(connection, request, groupByAxis(request.series).groupOf);
  const [row] = await rowsOf(connection, `select count(*) as n from rebuilt.${tableName(request.dataset)}`);
  const [inserted, updated, retracted] = [
    sumOf(changes, "inserted"),
    sumOf(changes, "updated"),
    sumOf(changes, "retracted"),
  ];
  const unchanged = Number(row?.n ?? 0) - inserted - updated;
  return {
    chunkId: request.chunkId,
    fence: request.fence,
    counts: {
      received: inserted + updated + unchanged + counts.counts.quarantined,
      inserted,
      updated,
      unchanged,
      duplicate: 0,
      quarantined: counts.counts.quarantined,
      retracted,
    },
    quarantinedBy: counts.quarantinedBy,
    ...changesBySeries(writing, changes),
    totals: await totalsOf(writing),
    findings: Object.fromEntries(
      request.series.map(({ series }, i) => [
        series.key,
        {
          answered: [],
          ...(verdicts[i] as Verdict),
          blocked: [],
          restored: request.restore.get(series.key) ?? [],
        },
      ]),
    ),
  };
}

async function dropScratch(path: string): Promise<void> {
  for (const name of [path, `${path}.wal`]) await rm(name, { force: true });
  await rm(`${path}.history`, { recursive: true, force: true });
}

import type { DuckDBConnection } from "@duckdb/node-api";
import type { Receipt, RevertRequest } from "../../engine/store-port.ts";
import { groupByAxis } from "./axes.ts";
import { sweepImages } from "./before-image.ts";
import { fillSeries, type Writing } from "./context.ts";
import { touches } from "./history.ts";
import { collectChanges, openImages, writeChanges } from "./merge.ts";
import { changesBySeries, sumOf } from "./publish.ts";
import { rowsOf } from "./rows.ts";
import { OBJECT_COLUMN, payloadColumns, rowKeyOf, sameRow, storedRows, tableName, text } from "./tables.ts";
import { inTransaction } from "./transaction.ts";
import { judgeStored, type Verdict } from "./verdicts.ts";

/**
 * Takes back what the publications of one run did to a dataset: each slot they touched stands again as it stood before
 * the first of them. What stood there until now is kept as a before-image, as in every publication.
 */
export async function revertIn(
  connection: DuckDBConnection,
  request: RevertRequest,
  folders: { readonly history: string },
): Promise<Receipt> {
  const { dataset } = request;
  const writing: Writing = { connection, request };
  await fillSeries(
    connection,
    dataset.key,
    request.series.map(({ series }) => series),
  );
  await sweepImages(writing, folders.history);
  await openImages(writing);
  await findRestored(writing, request, folders.history);
  const restored = await collectChanges(writing);
  return inTransaction(writing, folders.history, async () => {
    const changes = await writeChanges(writing, restored);
    await forgetObjects(connection, request);
    const [inserted, updated, retracted] = [
      sumOf(changes, "inserted"),
      sumOf(changes, "updated"),
      sumOf(changes, "retracted"),
    ];
    const { series } = request;
    const verdicts = await judgeStored(connection, request, groupByAxis(series).groupOf);
    return {
      chunkId: request.chunkId,
      fence: request.fence,
      counts: {
        received: inserted + updated,
        inserted,
        updated,
        unchanged: 0,
        duplicate: 0,
        quarantined: 0,
        retracted,
      },
      quarantinedBy: {},
      ...changesBySeries(writing, changes),
      findings: Object.fromEntries(
        series.map((one, i) => [one.series.key, { answered: [], ...(verdicts[i] as Verdict), blocked: [] }]),
      ),
    };
  });
}

/**
 * Publications of others that touched the same slots after the run's did, or that brought a row which stands from its
 * objects: they would lose their footing.
 */
export async function laterTouches(
  connection: DuckDBConnection,
  { dataset, publications, objects }: Pick<RevertRequest, "dataset" | "publications" | "objects">,
  history: string,
): Promise<readonly string[]> {
  const all = await touches(dataset, history);
  const key = [...dataset.key, dataset.time, ...rowKeyOf(dataset)];
  const own = listOf(publications);
  const sameSlot = (a: string, b: string): string =>
    key.map((name) => `${a}.${name} is not distinct from ${b}.${name}`).join(" and ");
  const rows = await rowsOf(
    connection,
    `with t as materialized (${all}),
       mine as (select ${key.join(", ")}, min(seq) as seq from t where chunk in ${own} group by all),
       bearers as (select t.chunk from t semi join ${tableName(dataset)} c on ${sameSlot("t", "c")}
           and c.${OBJECT_COLUMN} in ${objects.length === 0 ? "(null)" : `(${objects.join(", ")})`}
         qualify row_number() over (partition by ${key.map((name) => `t.${name}`).join(", ")} order by t.seq desc) = 1)
     select distinct chunk from (
       select t.chunk from t join mine m on ${sameSlot("t", "m")} and t.seq > m.seq
       union all select chunk from bearers)
     where chunk not in ${own} order by chunk`,
  );
  return rows.map((row) => String(row.chunk));
}

/** `diff_t`: rows to stand again, over the row of their slot if there is one; `lost_t`: rows to go. */
async function findRestored(
  { connection }: Writing,
  { dataset, publications }: RevertRequest,
  history: string,
): Promise<void> {
  const key = [...dataset.key, dataset.time, ...rowKeyOf(dataset)];
  const payload = [...payloadColumns(dataset), OBJECT_COLUMN];
  await connection.run(`create or replace temp table before_t as
    select s.series_no, epoch_ms(t.${dataset.time}) as slot_ms, t.change, t.before${rowKeyOf(dataset)
      .map((name) => `, t.${name}`)
      .join("")}
    from (select * from (${await touches(dataset, history)}) where chunk in ${listOf(publications)}
      qualify row_number() over (partition by ${key.join(", ")} order by seq) = 1) t
    join series_t s on ${dataset.key.map((name) => `s.${name} = t.${name}`).join(" and ")}`);
  const stored = storedRows(dataset, { columns: [OBJECT_COLUMN] });
  await connection.run(`create or replace temp table diff_t as
    select b.series_no, b.slot_ms, ${payload.map((name) => `b.before.${name} as ${name}`).join(", ")}, c.row_id as old_row
    from before_t b left join ${stored} c on ${sameRow(dataset, "c", "b")}
    where b.change <> 'inserted'`);
  await connection.run(`create or replace temp table lost_t as
    select c.series_no, c.slot_ms, c.row_id, c.${OBJECT_COLUMN} from ${stored} c
    join before_t b on ${sameRow(dataset, "b", "c")} where b.change = 'inserted'`);
}

/** The run's objects answer nothing any more. */
async function forgetObjects(connection: DuckDBConnection, { objects }: RevertRequest): Promise<void> {
  if (objects.length === 0) return;
  for (const table of ["answer", "quarantine"]) {
    await connection.run(`delete from ${table} where object_no in (${objects.join(", ")})`);
  }
}

function listOf(ids: readonly string[]): string {
  return `(${ids.length === 0 ? "null" : ids.map(text).join(", ")})`;
}

import { type Dataset, type DatasetName, tableOf } from "../../core/dataset/dataset.ts";
import { type SeriesKey, seriesKey } from "../../core/dataset/series.ts";
import { type Instant, instant } from "../../core/time/instant.ts";
import type { RunRecord } from "../ledger-port.ts";
import type { Project } from "../project.ts";

/** What a run did to rows of one series that were there before it. */
export interface SeriesChanges {
  readonly dataset: DatasetName;
  readonly key: SeriesKey;
  /** Rows with other values than before, and rows that went. */
  readonly updated: number;
  readonly retracted: number;
  /** Starts of the first and the last slot among them. */
  readonly first: Instant;
  readonly last: Instant;
  /** The column that is compared; null where the dataset names none. */
  readonly measure: string | null;
  /** New over old value of that column over the updated rows; null where none has both. */
  readonly ratio: { readonly median: number; readonly min: number; readonly max: number } | null;
  /** The oldest of them. */
  readonly examples: readonly ChangeExample[];
}

export interface ChangeExample {
  readonly slot: Instant;
  readonly before: number | null;
  /** Null where the row went. */
  readonly after: number | null;
}

/** Examples of each series. */
const EXAMPLES = 3;

/**
 * What a run changed and took back, by dataset and series: the rows as they were before its first touch against the
 * rows as they stood when it had ended, whatever later runs did to them.
 */
export async function changesOf(project: Project, run: RunRecord): Promise<readonly SeriesChanges[]> {
  const builds = await project.ledger.chunks(run.id, { kind: "build", status: ["published"] });
  const datasets = project.pipelines.flatMap(({ pipeline }) => pipeline.datasets);
  const publication = await project.ledger.lastPublicationAt(run.id);
  const changes: SeriesChanges[] = [];
  for (const dataset of datasets) {
    const own = builds.filter((chunk) => chunk.dataset === dataset.name && chunk.version === dataset.version);
    if (own.length === 0) continue;
    const { rows } = await project.store.query(
      comparison(
        dataset,
        own.map(({ id }) => id),
      ),
      { publication, datasets: [dataset] },
    );
    changes.push(...rows.map((row) => changeOf(dataset, row)));
  }
  return changes;
}

/** By series: key columns, counts, first and last slot, ratios, examples. */
function comparison(dataset: Dataset, chunks: readonly string[]): string {
  const table = tableOf(dataset.name);
  const { key, time, measure } = dataset;
  const row = [...key, time, ...(dataset.rowKey ?? [])];
  const value = (alias: string): string => (measure === undefined ? "null::double" : `${alias}.${measure}::double`);
  return `with touched as (
      select ${row.map((name) => `h.${name}`).join(", ")}, arg_min(${value("h")}, r.seq) as before
      from main.${table}__history h join main.receipt r on r.chunk = h.replaced_by
      where h.replaced_by in (${chunks.map((id) => `'${id.replaceAll("'", "''")}'`).join(", ")})
      group by all),
    compared as (
      select ${row.map((name) => `t.${name}`).join(", ")}, t.before, ${value("m")} as after, m.${time} is null as is_gone
      from touched t left join ${table} m on ${row.map((name) => `m.${name} is not distinct from t.${name}`).join(" and ")})
    select ${key.join(", ")}, count(*) filter (where not is_gone), count(*) filter (where is_gone),
      epoch_ms(min(${time})), epoch_ms(max(${time})),
      median(after / before) filter (where before <> 0), min(after / before) filter (where before <> 0),
      max(after / before) filter (where before <> 0),
      list({ t: epoch_ms(${time}), before: before, after: after } order by ${time})[1:${EXAMPLES}]::json::varchar
    from compared group by ${key.join(", ")} order by ${key.join(", ")}`;
}

function changeOf(dataset: Dataset, row: readonly unknown[]): SeriesChanges {
  const rest = row.slice(dataset.key.length);
  const [updated, retracted, first, last, median, min, max, examples] = rest;
  const listed = JSON.parse(String(examples)) as readonly { t: number; before: number | null; after: number | null }[];
  return {
    dataset: dataset.name,
    key: seriesKey(row.slice(0, dataset.key.length).map(String)),
    updated: Number(updated),
    retracted: Number(retracted),
    first: instant(Number(first)),
    last: instant(Number(last)),
    measure: dataset.measure ?? null,
    ratio: median === null ? null : { median: Number(median), min: Number(min), max: Number(max) },
    examples: listed.map(({ t, before, after }) => ({ slot: instant(t), before, after })),
  };
}

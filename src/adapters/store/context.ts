import type { DuckDBConnection } from "@duckdb/node-api";
import type { Series } from "../../core/dataset/series.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { PublishRequest } from "../../engine/store-port.ts";
import { type AxisGroup, groupByAxis } from "./axes.ts";
import { fillTable } from "./rows.ts";

/** A publication under way: what was asked for, and what SQL calls its series and axes. */
export interface Context {
  readonly connection: DuckDBConnection;
  readonly request: PublishRequest;
  readonly groups: readonly AxisGroup[];
  /** The axis of each series, by its place in the request. */
  readonly groupOf: readonly AxisGroup[];
  /** The place of an object's series in the request. */
  readonly seriesNoOf: (object: ObjectRecord) => number;
}

/** Numbers the series and axes of `request` and fills `series_t` and `object_t`, which SQL joins to. */
export async function openContext(connection: DuckDBConnection, request: PublishRequest): Promise<Context> {
  const { groups, groupOf } = groupByAxis(request.series);
  const numbers = new Map(request.series.map(({ series }, i) => [series.key, i]));
  const seriesNoOf = (object: ObjectRecord): number => {
    const no = numbers.get(object.key);
    if (no === undefined)
      throw new Error(`unreachable: object ${object.id} is of ${object.key}, not in this publication`);
    return no;
  };
  await fillSeries(
    connection,
    request.dataset.key,
    request.series.map(({ series }) => series),
  );
  await fillTable(
    connection,
    "object_t",
    "object_no bigint, series_no integer, series_key varchar, axis_no integer, step_ms bigint, shift_ms bigint, business_now bigint",
    request.objects.map((object) => {
      const no = seriesNoOf(object);
      const group = groupOf[no] as AxisGroup;
      const shift = group.axis.stamp.at === "end" ? group.stepMs : 0;
      return [object.ordinal, no, object.key, group.no, group.stepMs, shift, object.businessNow];
    }),
  );
  return { connection, request, groups, groupOf, seriesNoOf };
}

/** Fills `series_t`: the key columns of each of `series` under its place in the list. */
export function fillSeries(
  connection: DuckDBConnection,
  key: readonly string[],
  series: readonly Series[],
): Promise<void> {
  return fillTable(
    connection,
    "series_t",
    `series_no integer, ${key.map((k) => `${k} varchar`).join(", ")}`,
    series.map(({ parts }, i) => [i, ...key.map((k) => parts[k] ?? "")]),
  );
}

/** The series at a place of the request. */
export function seriesAt({ request }: Context, no: unknown): Series {
  const found = request.series[Number(no)];
  if (!found) throw new Error(`unreachable: series ${no} is not in this publication`);
  return found.series;
}

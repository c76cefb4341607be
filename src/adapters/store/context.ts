import type { DuckDBConnection } from "@duckdb/node-api";
import type { Series } from "../../core/dataset/series.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { PublishRequest, SourceShape } from "../../engine/store-port.ts";
import { type AxisGroup, groupByAxis } from "./axes.ts";
import { type Question, questionsOf } from "./questions.ts";
import { fillTable } from "./rows.ts";

/** One series that an object answers: most objects have one, an answer for all keys of a date has many. */
export interface Claim {
  readonly object: ObjectRecord;
  /** The place of the series in the request. */
  readonly seriesNo: number;
}

/** A publication under way: what was asked for, and what SQL calls its series and axes. */
export interface Context {
  readonly connection: DuckDBConnection;
  readonly request: PublishRequest;
  readonly groups: readonly AxisGroup[];
  /** The axis of each series, by its place in the request. */
  readonly groupOf: readonly AxisGroup[];
  /** In the order of the request's objects. */
  readonly claims: readonly Claim[];
  /** By ordinal of the object. */
  readonly questions: ReadonlyMap<number, Question>;
}

/** What writing rows has to know of a publication or a build. */
export interface Writing {
  readonly connection: DuckDBConnection;
  readonly request: Pick<PublishRequest, "dataset" | "chunkId" | "fence"> & {
    readonly series: readonly { readonly series: Series }[];
  };
}

/** Numbers the series and axes of `request` and fills `series_t` and `object_t`, which SQL joins to. */
export async function openContext(connection: DuckDBConnection, request: PublishRequest): Promise<Context> {
  const { groups, groupOf } = groupByAxis(request.series);
  const questions = questionsOf(request.objects);
  const numbers = new Map(request.series.map(({ series }, i) => [series.key, i]));
  const claims = request.objects.flatMap((object) =>
    object.keys.map((key): Claim => {
      const seriesNo = numbers.get(key);
      if (seriesNo === undefined)
        throw new Error(`unreachable: object ${object.id} is of ${key}, not in this publication`);
      return { object, seriesNo };
    }),
  );
  await fillSeries(
    connection,
    request.dataset.key,
    request.series.map(({ series }) => series),
    { withAsk: true },
  );
  await fillTable(
    connection,
    "object_t",
    "object_no bigint, question_no bigint, series_no integer, series_key varchar, match varchar, axis_no integer, step_ms bigint, shift_ms bigint, business_now bigint, received_ms bigint",
    claims.map(({ object, seriesNo }) => {
      const group = groupOf[seriesNo] as AxisGroup;
      const series = request.series[seriesNo]?.series as Series;
      const shape = shapeOf(request, object);
      const shift = (shape.records.stamped ?? group.axis.stamp).at === "end" ? group.stepMs : 0;
      const match = shape.match?.(series) ?? null;
      return [
        object.ordinal,
        questions.get(object.ordinal)?.no ?? object.ordinal,
        seriesNo,
        series.key,
        match,
        group.no,
        group.stepMs,
        shift,
        object.businessNow,
        object.receivedAt,
      ];
    }),
  );
  return { connection, request, groups, groupOf, claims, questions };
}

/** How the body of an object is read. */
export function shapeOf({ sources, dataset }: PublishRequest, object: ObjectRecord): SourceShape {
  const shape = sources.get(object.source);
  if (!shape)
    throw new Error(`${dataset.name}: object ${object.id} came from ${object.source}, which is not configured`);
  return shape;
}

/**
 * Fills `series_t`: the key columns of each of `series` under its place in the list, and with `withAsk` what its source
 * is told of it.
 */
export function fillSeries(
  connection: DuckDBConnection,
  key: readonly string[],
  series: readonly Series[],
  { withAsk = false }: { readonly withAsk?: boolean } = {},
): Promise<void> {
  const told = withAsk ? [...new Set(series.flatMap(({ ask }) => Object.keys(ask)))].sort() : [];
  const columns = [
    "series_no integer",
    ...key.map((k) => `${k} varchar`),
    ...told.map((name) => `ask_${name} varchar`),
  ];
  return fillTable(
    connection,
    "series_t",
    columns.join(", "),
    series.map(({ parts, ask }, i) => [i, ...key.map((k) => parts[k] ?? ""), ...told.map((name) => ask[name] ?? null)]),
  );
}

/** The series at a place of the request. */
export function seriesAt({ request }: Writing, no: unknown): Series {
  const found = request.series[Number(no)];
  if (!found) throw new Error(`unreachable: series ${no} is not in this publication`);
  return found.series;
}

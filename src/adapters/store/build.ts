import type { DuckDBConnection } from "@duckdb/node-api";
import type { Axis } from "../../core/dataset/axis.ts";
import type { Dataset, DatasetName, Transform, TransformInput } from "../../core/dataset/dataset.ts";
import type { Series } from "../../core/dataset/series.ts";
import { fixedStep, type SlotPiece, slotPieces } from "../../core/dataset/slot-numbers.ts";
import { renderSql } from "../../core/dataset/sql.ts";
import { slotsIn } from "../../core/time/grid.ts";
import { DAY, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { normalize } from "../../core/time/interval-set.ts";
import type { BuildRequest, BuildWindow, Comparison, Receipt } from "../../engine/store-port.ts";
import { sweepImages } from "./before-image.ts";
import { fillSeries, type Writing } from "./context.ts";
import { type Changes, compareWhole, openImages, type SeriesChange, writeChanges } from "./merge.ts";
import { changesBySeries, sumOf, totalsOf } from "./publish.ts";
import { fillTable, rowsOf } from "./rows.ts";
import { createTables, OBJECT_COLUMN, payloadColumns, sameRow, storedRows, tableName } from "./tables.ts";
import { inTransaction } from "./transaction.ts";

/**
 * Makes the rows of some windows by the dataset's query, compares them with what is stored and writes the difference,
 * the before-images and the receipt in one transaction. Rows never cross into JavaScript.
 */
export async function buildIn(
  connection: DuckDBConnection,
  request: BuildRequest,
  folders: { readonly history: string },
): Promise<Receipt> {
  const { dataset } = request;
  const { transform } = dataset;
  if (transform === null) throw new Error(`unreachable: ${dataset.name} is not made from other datasets`);
  const building = open(connection, request);
  await fillSeries(connection, dataset.key, building.series);
  await fillWindows(building);
  await sweepImages(building, folders.history);
  await openImages(building);
  await stage(building, await madeRows(building, transform));
  const changes = await compareStaged(building);
  return inTransaction(building, folders.history, async () =>
    makeReceipt(building, await writeChanges(building, changes), request.isWhole),
  );
}

/** Rounding of sums and of JSON numbers stays below this share; what is above is another number. */
const ROUNDING = 1e-9;

/** Makes the rows of some windows and holds the stored ones against them. */
export async function compareIn(
  connection: DuckDBConnection,
  dataset: Dataset,
  windows: readonly BuildWindow[],
): Promise<readonly Comparison[]> {
  const { transform } = dataset;
  if (transform === null) throw new Error(`unreachable: ${dataset.name} is not made from other datasets`);
  const building = open(connection, { chunkId: "", fence: 0, dataset, windows, isWhole: false });
  await fillSeries(connection, dataset.key, building.series);
  await fillWindows(building);
  await stage(building, await madeRows(building, transform, { isReading: true }));
  const columns = transform.compared ?? [];
  const off = (name: string): string => `abs(g.${name} - c.${name}) / greatest(abs(g.${name}), abs(c.${name}), 1e-300)`;
  const differs = (name: string): string =>
    `coalesce(${off(name)} > ${ROUNDING}, (g.${name} is null) <> (c.${name} is null))`;
  const isBoth = "g.series_no is not null and c.series_no is not null";
  const rows = await rowsOf(
    connection,
    `select coalesce(g.series_no, c.series_no) as series_no, count(*) filter (${isBoth}) as both,
       count(*) filter (c.series_no is null) as only_made, count(*) filter (g.series_no is null) as only_stored,
       count(*) filter (${isBoth} and (${columns.map(differs).join(" or ")})) as differing,
       min(g.slot_ms) filter (${isBoth} and (${columns.map(differs).join(" or ")})) as first_ms,
       ${columns.map((name) => `count(*) filter (${isBoth} and ${differs(name)}) as n_${name}, max(${off(name)}) as w_${name}`).join(", ")}
     from staged_t g full outer join (
       select c.* from ${storedRows(dataset, { columns })} c
       join window_t w on w.series_no = c.series_no and c.slot_ms >= w.start_ms and c.slot_ms < w.end_ms) c
       on ${sameRow(dataset, "g", "c")}
     group by 1 order by 1`,
  );
  return rows.map((row) => ({
    key: (building.series[Number(row.series_no)] as Series).key,
    both: Number(row.both),
    onlyMade: Number(row.only_made),
    onlyStored: Number(row.only_stored),
    differing: Number(row.differing),
    columns: columns.map((name) => ({
      name,
      differing: Number(row[`n_${name}`]),
      worst: Number(row[`w_${name}`] ?? 0),
    })),
    first: row.first_ms === null ? null : instant(Number(row.first_ms)),
  }));
}

interface Building extends Writing {
  readonly series: readonly Series[];
  readonly windows: readonly BuildWindow[];
  /** The place of a window's series. */
  readonly noOf: (series: Series) => number;
}

function open(connection: DuckDBConnection, request: BuildRequest): Building {
  const series = [...new Map(request.windows.map((window) => [window.series.key, window.series])).values()];
  const places = new Map(series.map((one, i) => [one.key, i]));
  return {
    connection,
    request: { ...request, series: series.map((one) => ({ series: one })) },
    series,
    windows: request.windows,
    noOf: ({ key }) => places.get(key) ?? 0,
  };
}

/** `window_t`: what is made; `param_t`: the parameters of each series. */
async function fillWindows({ connection, series, windows, noOf }: Building): Promise<void> {
  await fillTable(
    connection,
    "window_t",
    "series_no integer, start_ms bigint, end_ms bigint",
    windows.map((window) => [noOf(window.series), window.start, window.end]),
  );
  const names = [...new Set(series.flatMap(({ params }) => Object.keys(params)))].sort();
  const isText = (name: string): boolean => series.some(({ params }) => typeof params[name] === "string");
  await fillTable(
    connection,
    "param_t",
    ["series_no integer", ...names.map((name) => `${name} ${isText(name) ? "varchar" : "double"}`)].join(", "),
    series.map(({ params }, i) => [i, ...names.map((name) => params[name] ?? null)]),
  );
}

/** The rows that the query makes inside the windows, as a query. */
async function madeRows(
  building: Building,
  transform: Transform,
  { isReading = false }: { readonly isReading?: boolean } = {},
): Promise<string> {
  const { request } = building;
  const relations = new Map<DatasetName, string>();
  const uses = (column: string): boolean =>
    transform.query.parts.some((part) => typeof part === "string" && part.includes(column));
  const columns = { usesNumbers: uses("slot_no"), usesSessions: uses("in_session") };
  for (const [i, input] of transform.inputs.entries()) {
    relations.set(input.dataset, await relationOf(building, input, { place: i, isReading, ...columns }));
  }
  const query = renderSql(transform.query, (name) => {
    const relation = relations.get(name);
    if (relation === undefined) throw new Error(`${request.dataset.name} reads ${name}, which is not among its inputs`);
    return relation;
  });
  const types = new Map(request.dataset.columns.map(({ name, type }) => [name, type]));
  const made = madeColumns(request.dataset).map((name) => `q.${name}::${types.get(name)} as ${name}`);
  return `select q.series_no::integer as series_no, q.slot_ms::bigint as slot_ms, ${made.join(", ")}
    from (${query}) q join window_t w on w.series_no = q.series_no and q.slot_ms >= w.start_ms and q.slot_ms < w.end_ms`;
}

/** `staged_t`: made rows, to be compared. */
async function stage({ connection }: Building, made: string): Promise<void> {
  await asWritten(connection, () => connection.run(`create or replace temp table staged_t as ${made}`));
}

/**
 * Takes joins as they are written, with the right side held in memory. What a query reads comes through temporary tables:
 * DuckDB takes a million rows of it for two, and would hold the wider side.
 */
async function asWritten<T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> {
  await connection.run("set disabled_optimizers = 'join_order,build_side_probe_side'");
  const result = await work();
  await connection.run("reset disabled_optimizers");
  return result;
}

/** All columns but key and time. */
function madeColumns(dataset: Dataset): readonly string[] {
  return [...payloadColumns(dataset), OBJECT_COLUMN];
}

interface RelationOptions {
  readonly place: number;
  readonly usesNumbers: boolean;
  readonly usesSessions: boolean;
  readonly isReading: boolean;
}

/** An input as the query sees it: its rows that the windows need, each with the made series and its slot there. */
async function relationOf(
  building: Building,
  input: TransformInput,
  { place, isReading, ...uses }: RelationOptions,
): Promise<string> {
  const { connection } = building;
  const dataset = building.windows[0]?.reads[place]?.dataset;
  if (!dataset) throw new Error("unreachable: a build has at least one window");
  // Where only is read, the tables are there already.
  if (!isReading) await createTables(connection, dataset);
  const axes = axesOf(building);
  const read = `read_${place}`;
  await fillTable(
    connection,
    read,
    `series_no integer, axis_no integer, step_ms bigint, ${dataset.key.map((name) => `${name} varchar`).join(", ")}, start_ms bigint, end_ms bigint`,
    readsOf(building, place).map(({ series, parts, span }) => {
      const axisNo = axes.noOf(series);
      return [
        building.noOf(series),
        axisNo,
        fixedStep(series.axis.grid),
        ...dataset.key.map((name) => parts[name] ?? ""),
        span.start,
        span.end,
      ];
    }),
  );
  const ms = `epoch_ms(c.${dataset.time})`;
  const isWithin = input.reach.kind === "within";
  const usesNumbers = uses.usesNumbers && !isWithin;
  const slots = `slot_${place}`;
  const sessions = `session_${place}`;
  if (isWithin) await fillGrid(building, slots, axes, place);
  else if (usesNumbers) await fillNumbers(building, slots, axes, place);
  if (uses.usesSessions) await fillSessions(building, sessions, axes, place);
  const slotMs = isWithin ? `case when r.step_ms is not null then ${ms} - ${ms} % r.step_ms else n.start_ms end` : ms;
  const slotNo = usesNumbers ? `n.from_no + (${ms} - n.start_ms) // n.step_ms` : "null::bigint";
  const inSession = uses.usesSessions ? "o.start_ms is not null" : "null::boolean";
  // One row a UTC day and piece: an equality to join by, then the range.
  const onDay = (table: string, alias: string): string => `
    left join ${table} ${alias} on ${alias}.axis_no = r.axis_no and ${alias}.day = ${ms} // ${DAY}
      and ${ms} >= ${alias}.start_ms and ${ms} < ${alias}.end_ms`;
  return `(select r.series_no, ${slotMs} as slot_ms, ${slotNo} as slot_no, ${inSession} as in_session,
      p.* exclude (series_no), c.*
    from ${tableName(dataset)} c
    join ${read} r on ${dataset.key.map((name) => `c.${name} = r.${name}`).join(" and ")}
      and c.${dataset.time} >= epoch_ms(r.start_ms) and c.${dataset.time} < epoch_ms(r.end_ms)
    join param_t p on p.series_no = r.series_no${isWithin || usesNumbers ? onDay(slots, "n") : ""}${uses.usesSessions ? onDay(sessions, "o") : ""})`;
}

interface Axes {
  readonly distinct: readonly Axis[];
  noOf(series: Series): number;
}

function axesOf({ series }: Building): Axes {
  const numbers = new Map<string, number>();
  const distinct: Axis[] = [];
  const noOf = ({ axis }: Series): number => {
    const id = JSON.stringify([axis.grid, axis.calendar.name]);
    const known = numbers.get(id);
    if (known !== undefined) return known;
    numbers.set(id, distinct.length);
    distinct.push(axis);
    return distinct.length - 1;
  };
  for (const one of series) noOf(one);
  return { distinct, noOf };
}

interface Read {
  readonly series: Series;
  readonly parts: Readonly<Record<string, string>>;
  readonly span: Interval;
}

/** What is read of an input: stretches of one series that meet are read once. */
function readsOf(building: Building, place: number): readonly Read[] {
  const bySeries = new Map<Series, { readonly parts: Read["parts"]; readonly spans: Interval[] }>();
  for (const window of building.windows) {
    const read = window.reads[place];
    const series = building.series[building.noOf(window.series)];
    if (!read || !series) continue;
    const known = bySeries.get(series) ?? { parts: read.parts, spans: [] };
    bySeries.set(series, known);
    known.spans.push(read.span);
  }
  return [...bySeries].flatMap(([series, { parts, spans }]) =>
    normalize(spans).map((span) => ({ series, parts, span })),
  );
}

/** From the first to the last instant read on each axis. */
function hullsOf(building: Building, axes: Axes, place: number): readonly (Interval | null)[] {
  return axes.distinct.map((_, no) => {
    const spans = readsOf(building, place).filter(({ series }) => axes.noOf(series) === no);
    if (spans.length === 0) return null;
    const start = Math.min(...spans.map(({ span }) => span.start));
    return { start: instant(start), end: instant(Math.max(...spans.map(({ span }) => span.end))) };
  });
}

/** The numbers of slots in sessions, cut at UTC days so that SQL can join by equality. */
async function fillNumbers(building: Building, table: string, axes: Axes, place: number): Promise<void> {
  const hulls = hullsOf(building, axes, place);
  const rows = axes.distinct.flatMap((axis, no) => {
    const hull = hulls[no];
    return hull ? numberedDays(slotPieces(axis), hull).map((day) => [no, ...day]) : [];
  });
  await fillTable(
    building.connection,
    table,
    "axis_no integer, day bigint, start_ms bigint, end_ms bigint, step_ms bigint, from_no bigint",
    rows,
  );
}

/** Pieces inside `hull` as day, start, end, step and first number; rows stand at slot starts, so slots are not cut. */
function numberedDays(pieces: readonly SlotPiece[], hull: Interval): readonly (readonly number[])[] {
  const rows: number[][] = [];
  for (const { start, end, stepMs, from } of pieces) {
    if (end <= hull.start) continue;
    if (start >= hull.end) break;
    const skipped = Math.max(0, Math.floor((hull.start - start) / stepMs));
    const last = Math.min(end, hull.end);
    for (let at = start + skipped * stepMs; at < last; ) {
      const day = Math.floor(at / DAY);
      const slots = Math.max(1, Math.ceil((Math.min((day + 1) * DAY, last) - at) / stepMs));
      rows.push([day, at, at + slots * stepMs, stepMs, from + (at - start) / stepMs]);
      at += slots * stepMs;
    }
  }
  return rows;
}

/** The slots of civil grids, cut at UTC days; fixed ones are arithmetic. */
async function fillGrid(building: Building, table: string, axes: Axes, place: number): Promise<void> {
  const hulls = hullsOf(building, axes, place);
  const rows: number[][] = [];
  for (const [no, axis] of axes.distinct.entries()) {
    const hull = hulls[no];
    if (!hull || fixedStep(axis.grid) !== null) continue;
    for (const slot of slotsIn(axis.grid, { start: instant(hull.start - 2 * DAY), end: hull.end })) {
      for (let day = Math.floor(slot.start / DAY); day * DAY < slot.end; day++)
        rows.push([no, day, slot.start, slot.end]);
    }
  }
  await fillTable(building.connection, table, "axis_no integer, day bigint, start_ms bigint, end_ms bigint", rows);
}

/** The calendar's sessions, cut at UTC days. */
async function fillSessions(building: Building, table: string, axes: Axes, place: number): Promise<void> {
  const hulls = hullsOf(building, axes, place);
  const rows: number[][] = [];
  for (const [no, { calendar }] of axes.distinct.entries()) {
    const hull = hulls[no];
    for (const { open, close } of hull ? calendar.sessions(hull) : []) {
      for (let at: number = open; at < close; ) {
        const day = Math.floor(at / DAY);
        const end = Math.min((day + 1) * DAY, close);
        rows.push([no, day, at, end]);
        at = end;
      }
    }
  }
  await fillTable(building.connection, table, "axis_no integer, day bigint, start_ms bigint, end_ms bigint", rows);
}

/** Compares the made rows with the stored ones of the windows. */
function compareStaged(building: Building): Promise<Changes> {
  const { request, windows } = building;
  const { dataset } = request;
  const within = {
    start: instant(windows.reduce((least, { start }) => Math.min(least, start), Number.MAX_SAFE_INTEGER / 4)),
    end: instant(windows.reduce((most, { end }) => Math.max(most, end), 0)),
  };
  const stored = `(select c.* from ${storedRows(dataset, { columns: [OBJECT_COLUMN], within })} c
    join window_t w on w.series_no = c.series_no and c.slot_ms >= w.start_ms and c.slot_ms < w.end_ms)`;
  // The bronze object counts too: a row that leads to another answer is another row.
  return compareWhole(building, "staged_t", { stored, columns: madeColumns(dataset), within });
}

async function makeReceipt(building: Building, changes: readonly SeriesChange[], isWhole: boolean): Promise<Receipt> {
  const { chunkId, fence } = building.request;
  const made = await rowsOf(building.connection, "select series_no, count(*) as n from staged_t group by series_no");
  const processed = new Map(made.map((row) => [Number(row.series_no), Number(row.n)]));
  const received = [...processed.values()].reduce((sum, n) => sum + n, 0);
  const changed = changesBySeries(building, changes);
  const rowsBySeries = Object.fromEntries(
    building.series.map(({ key }, no) => [
      key,
      {
        processed: processed.get(no) ?? 0,
        ...(changed.rowsBySeries[key] ?? { inserted: 0, updated: 0, retracted: 0 }),
      },
    ]),
  );
  const [inserted, updated, retracted] = [
    sumOf(changes, "inserted"),
    sumOf(changes, "updated"),
    sumOf(changes, "retracted"),
  ];
  return {
    chunkId,
    fence,
    counts: {
      received,
      inserted,
      updated,
      unchanged: received - inserted - updated,
      duplicate: 0,
      quarantined: 0,
      retracted,
    },
    quarantinedBy: {},
    rowsBySeries,
    changes: changed.changes,
    findings: {},
    ...(isWhole ? { totals: await totalsOf(building) } : {}),
  };
}

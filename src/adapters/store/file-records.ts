import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { offsetSpans } from "../../core/time/zone.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { FileColumn, FileReader, FileTime, RecordShape } from "../../engine/ports.ts";
import { recordsQuery } from "./records.ts";
import { literalPath, text } from "./tables.ts";

/** A body as its reader finds it. */
export interface FileBody {
  readonly no: number;
  /** A path that ends in `.gz` is decompressed while it is read. */
  readonly path: string;
  readonly rows: number;
}

type FileShape = RecordShape & { readonly reader: FileReader };

/** The records of bronze objects of one source, as queries like those that `recordsQuery` makes. */
export async function recordsQueries(
  objects: readonly ObjectRecord[],
  { shape, bronze }: { readonly shape: RecordShape; readonly bronze: string },
): Promise<readonly string[]> {
  if (!isFileShape(shape)) return alike(objects).map((some) => recordsQuery(some, { shape, bronze }));
  const bodies = objects.map(({ ordinal, path, rows }) => ({ no: ordinal, path: join(bronze, path), rows }));
  return fileQueries(bodies, shape);
}

/** Objects that can be read in the same way, together. */
function alike(objects: readonly ObjectRecord[]): readonly (readonly ObjectRecord[])[] {
  const groups = new Map<string, ObjectRecord[]>();
  for (const object of objects) {
    const id = `${object.strict} ${object.layout} ${object.oneLine}`;
    const own = groups.get(id) ?? [];
    if (own.length === 0) groups.set(id, own);
    own.push(object);
  }
  return [...groups.values()];
}

export function isFileShape(shape: RecordShape): shape is FileShape {
  return shape.reader !== undefined;
}

/**
 * The records of files as queries, one for all files that have the same columns: `object_no`, `row_no` (place among the
 * file's records), each declared field with its type, `unreadable`, and `record`, the line as it stands in the file or
 * the row as JSON. A field that is not a number or stamp as declared is null and makes its record unreadable.
 */
export async function fileQueries(bodies: readonly FileBody[], shape: FileShape): Promise<readonly string[]> {
  const { reader } = shape;
  if (reader.format === "parquet") return [valuesQuery(parquetRows(bodies, reader), shape)];
  const groups = new Map<string, { readonly names: readonly string[] | null; readonly bodies: FileBody[] }>();
  for (const body of bodies) {
    const names = isByName(reader) ? namesIn(await firstLine(body.path), reader) : null;
    const id = JSON.stringify(names);
    const group = groups.get(id) ?? { names, bodies: [] };
    groups.set(id, group);
    group.bodies.push(body);
  }
  return [...groups.values()].map((group) => valuesQuery(csvRows(group.bodies, reader, group.names), shape));
}

/** The columns that a CSV file names, as it spells them; null where the layout counts places. */
export async function columnNames(path: string, reader: FileReader): Promise<readonly string[] | null> {
  return isByName(reader) ? namesIn(await firstLine(path), reader) : null;
}

/** Every column that a reader takes. */
export function columnsOf({ columns, time }: FileReader): readonly FileColumn[] {
  const own = time.msOfDay === null ? time.columns : [...time.columns, time.msOfDay];
  return [...new Set([...Object.values(columns), ...own])];
}

/** SQL of a file's records as texts: rows with `object_no`, `row_no`, `record`, `misfit`, and a text for each column. */
interface TextRows {
  readonly from: string;
  readonly textOf: (column: FileColumn) => string;
}

/** Control characters that stand in no line, so that each line is one value: the transport refuses files with them. */
const NO_DELIMITER = "\u0001";

/** DuckDB's own bound is 2 MB; no line of candles comes near. */
const MAX_LINE_BYTES = 4_000_000;

function csvRows(bodies: readonly FileBody[], reader: FileReader, names: readonly string[] | null): TextRows {
  const before: number[] = [];
  let sum = 0;
  for (const { rows } of bodies) {
    before.push(sum);
    sum += rows;
  }
  const zipped = bodies.every(({ path }) => path.endsWith(".gz"));
  const files = bodies.map(({ path }) => path);
  const width = names?.length ?? null;
  // A record with more cells than the header names has shifted columns, unless all it has more is a last delimiter.
  const misfit =
    width === null
      ? "false"
      : `coalesce(len(cells) > ${width} and not (len(cells) = ${width + 1} and cells[-1] = ''), true)`;
  const from = `(select [${bodies.map(({ no }) => no)}][file_no] as object_no, line_no - [${before}][file_no] as row_no,
      line as record, ${misfit} as misfit, cells
    from (select list_position([${files.map(text)}], filename) as file_no, row_number() over () - 1 as line_no, line,
        ${cellsOf("line", reader.delimiter)} as cells
      from read_csv([${files.map(literalPath)}], columns = {line: 'VARCHAR'}, delim = '${NO_DELIMITER}', quote = '',
        escape = '', header = false, auto_detect = false, skip = ${reader.headerLines}, filename = true,
        strict_mode = false, max_line_size = ${MAX_LINE_BYTES}, compression = '${zipped ? "gzip" : "none"}')
      where trim(line, ' \t') <> ''))`;
  const lower = names?.map((name) => name.toLowerCase());
  return {
    from,
    textOf: (column) => {
      const place = typeof column === "number" ? column : (lower?.indexOf(column.toLowerCase()) ?? -1);
      return place < 0 ? "null::varchar" : `trim(cells[${place + 1}], ' \t')`;
    },
  };
}

/** SQL: the cells of a line; null where its quotes do not close or stand inside a cell. */
function cellsOf(line: string, delimiter: string): string {
  const plain = `[^${inClass(delimiter)}"]*`;
  const quoted = '"(?:[^"]|"")*"';
  const end = inClass(delimiter);
  const whole = `${line} || ${text(delimiter)}`;
  return `case when not contains(${line}, '"') then string_split(${line}, ${text(delimiter)})
    when regexp_full_match(${whole}, ${text(`(?:(?:${quoted}|${plain})[${end}])*`)})
    then list_transform(regexp_extract_all(${whole}, ${text(`(${quoted}|${plain})[${end}]`)}, 1),
      lambda x: case when starts_with(x, '"') then replace(x[2:-2], '""', '"') else x end) end`;
}

function inClass(character: string): string {
  return character === "\t" ? "\\t" : `\\${character}`;
}

function parquetRows(bodies: readonly FileBody[], reader: FileReader): TextRows {
  const files = bodies.map(({ path }) => path);
  const quoted = (column: FileColumn): string => `"${String(column).replaceAll('"', '""')}"`;
  const record = columnsOf(reader).map((column) => `${quoted(column)} := ${quoted(column)}::varchar`);
  const from = `(select [${bodies.map(({ no }) => no)}][list_position([${files.map(text)}], filename)] as object_no,
      file_row_number as row_no, to_json(struct_pack(${record.join(", ")})) as record, false as misfit,
      * exclude (filename, file_row_number)
    from read_parquet([${files.map(literalPath)}], filename = true, file_row_number = true, union_by_name = true))`;
  return { from, textOf: (column) => `file.${quoted(column)}::varchar` };
}

/** Numbers as files write them: what SQL would also take (1_000, inf) is not guessed at. */
const NUMBER = "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?";

function valuesQuery({ from, textOf }: TextRows, shape: FileShape): string {
  const { reader, stamp, key } = shape;
  const fields = Object.entries(shape.fields).filter(([name]) => name !== stamp);
  const read = fields.map(([name, { type, required }]) => {
    const column = reader.columns[name];
    const cell = `text_${name}`;
    const value = typedValue(cell, type, { divisor: reader.divisors[name] ?? null, isKey: name === key });
    const wrong = required ? `${name} is null` : `(${name} is null and coalesce(${cell}, '') <> '')`;
    return { name, cell: `${column === undefined ? "null::varchar" : textOf(column)} as ${cell}`, value, wrong };
  });
  const time = reader.time.columns.map(textOf).join(" || ' ' || ");
  const msOfDay = reader.time.msOfDay === null ? null : textOf(reader.time.msOfDay);
  const { wall, isExact } = wallOf("text_time", reader.time.format);
  const moved = msOfDay === null ? wall : `${wall} + try_cast(text_ms as bigint)`;
  const zone = isExact === "true" || reader.time.zone === "UTC" ? null : reader.time.zone;
  const walls = `select object_no, row_no, record, misfit, ${read.map(({ name }) => `text_${name}`).join(", ")},
      ${moved} as wall_ms, ${isExact} as is_exact
    from (select object_no, row_no, record, misfit, ${[`${time} as text_time`, ...(msOfDay === null ? [] : [`${msOfDay} as text_ms`]), ...read.map(({ cell }) => cell)].join(", ")}
      from ${from} file)`;
  const stamped =
    zone === null
      ? `select *, wall_ms as ${stamp} from (${walls})`
      : `select w.*, case when w.is_exact then w.wall_ms else w.wall_ms - z.offset_ms end as ${stamp}
         from (${walls}) w asof left join ${offsetTable(zone)} z on w.wall_ms >= z.from_ms`;
  const values = `select object_no, row_no, record, misfit, ${stamp}::bigint as ${stamp},
      ${read.map(({ name, value }) => `text_${name}, ${value} as ${name}`).join(", ")} from (${stamped})`;
  return `select object_no, row_no, ${Object.keys(shape.fields).join(", ")},
      misfit or ${stamp} is null ${read.map(({ wrong }) => `or ${wrong}`).join(" ")} as unreadable, record
    from (${values})`;
}

function typedValue(
  cell: string,
  type: string,
  { divisor, isKey }: { readonly divisor: number | null; readonly isKey: boolean },
): string {
  const number = `try_cast(${cell} as double)`;
  const isNumber = `regexp_full_match(${cell}, '${NUMBER}') and isfinite(${number})`;
  switch (type) {
    case "number":
      return `case when ${isNumber} then ${number}${divisor === null ? "" : ` / ${divisor}`} end`;
    case "integer":
      return `case when ${isNumber} and trunc(${number}) = ${number} and abs(${number}) <= ${Number.MAX_SAFE_INTEGER}
        then ${number}::bigint end`;
    case "string":
      return isKey ? `nullif(upper(${cell}), '')` : `nullif(${cell}, '')`;
    default:
      throw new Error(`unreachable: no file has a ${type}`);
  }
}

/** SQL: what a clock shows as milliseconds, and whether that is UTC already. */
function wallOf(cell: string, format: FileTime["format"]): { readonly wall: string; readonly isExact: string } {
  if (typeof format === "object") {
    return { wall: `epoch_ms(try_strptime(${cell}, ${text(format.strptime)}))`, isExact: "false" };
  }
  const whole = (perMs: number): string => {
    const count = `try_cast(split_part(${cell}, '.', 1) as hugeint)`;
    return `case when regexp_full_match(${cell}, '-?[0-9]+(\\.0+)?') and ${count} % ${perMs} = 0 then ${count} // ${perMs} end`;
  };
  switch (format) {
    case "iso": {
      const isExact = `regexp_matches(${cell}, ':[0-9.]+ ?(Z|[+-][0-9:]+)$')`;
      // Taken off by hand: a cast reads an offset and then leaves it out.
      const offset = `regexp_extract(${cell}, '[+-][0-9:]+$')`;
      const minutes = `try_cast(${offset}[2:3] as integer) * 60 + coalesce(try_cast(replace(${offset}[4:], ':', '') as integer), 0)`;
      const clock = `epoch_ms(try_cast(regexp_replace(${cell}, ' ?(Z|[+-][0-9:]+)$', '') as timestamp))`;
      return {
        wall: `case when not regexp_full_match(${cell},
          '\\d{4}-\\d{2}-\\d{2}([ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?( ?(Z|[+-]\\d{2}(:?\\d{2})?))?)?') then null
          when not ${isExact} then epoch_ms(try_cast(${cell} as timestamp))
          when ${offset} = '' then ${clock}
          else ${clock} - (case when ${offset}[1] = '-' then -1 else 1 end) * (${minutes}) * 60000 end`,
        isExact,
      };
    }
    case "date":
      return {
        wall: `case when regexp_full_match(${cell},
          '\\d{4}-\\d{2}-\\d{2}([ T]00:00(:00(\\.0+)?)? ?(Z|[+-]\\d{2}(:?\\d{2})?)?)?')
          then epoch_ms(try_cast(left(${cell}, 10) as date)::timestamp) end`,
        isExact: "false",
      };
    case "epoch_s":
      return {
        wall: `case when regexp_full_match(${cell}, '-?[0-9]+(\\.[0-9]+)?') then round(try_cast(${cell} as double) * 1000)::bigint end`,
        isExact: "true",
      };
    case "epoch_ms":
      return { wall: whole(1), isExact: "true" };
    case "epoch_us":
      return { wall: whole(1_000), isExact: "true" };
    case "epoch_ns":
      return { wall: whole(1_000_000), isExact: "true" };
    default:
      return format satisfies never;
  }
}

/**
 * SQL: local minus UTC by the time that clocks in `zone` show. Of a time that they show twice it is the first; a time
 * that they skip has none, and no record can have been stamped with it.
 */
function offsetTable(zone: string): string {
  const rows: string[] = [];
  let before: number | null = null;
  for (const { start, offsetMs } of offsetSpans(zone)) {
    if (before === null) rows.push(`(${Number.MIN_SAFE_INTEGER}, ${offsetMs})`);
    else {
      rows.push(`(${start + before}, ${offsetMs > before ? "null" : offsetMs})`);
      if (offsetMs > before) rows.push(`(${start + offsetMs}, ${offsetMs})`);
    }
    before = offsetMs;
  }
  return `(select * from (values ${rows.join(", ")}) offsets(from_ms, offset_ms))`;
}

function isByName({ columns, time }: FileReader): boolean {
  return [...Object.values(columns), ...time.columns, time.msOfDay].some((column) => typeof column === "string");
}

function namesIn(line: string, { delimiter }: FileReader): readonly string[] {
  return line.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
}

/** The first line of a text file, compressed or not. */
async function firstLine(path: string): Promise<string> {
  const file = createReadStream(path);
  const bytes = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  file.on("error", (error) => bytes.destroy(error));
  let head = "";
  try {
    for await (const chunk of bytes) {
      head += String(chunk);
      if (/[\r\n]/.test(head)) break;
    }
  } finally {
    file.destroy();
    bytes.destroy();
  }
  return (head.split(/[\r\n]/, 1)[0] ?? "").replace(/^\uFEFF/, "");
}

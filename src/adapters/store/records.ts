import { join } from "node:path";
import { DECIMAL_TEXT, recordsAreLists } from "../../engine/fetch/probe.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { FieldType, NamedField, PlacedField, RecordShape } from "../../engine/ports.ts";
import { literalPath, text } from "./tables.ts";

const DUCK_TYPE = {
  integer: "BIGINT",
  number: "DOUBLE",
  string: "VARCHAR",
  "decimal-text": "DOUBLE",
  date: "BIGINT",
} as const satisfies Readonly<Record<FieldType, string>>;

/** Beyond this, neighbouring integers are one number to JSON readers: 2^53 - 1. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/** The column that a body without a member to name it is read into. */
const WHOLE_BODY = "body";

/**
 * The records of bronze objects that are all `strict` or all not, as a query: `object_no`, `row_no` (place in the
 * body), each declared field with its type, `unreadable`, and `record` as it came. A field of another JSON type than
 * declared is null and makes its record unreadable; DuckDB's own casts would turn "12" and true into numbers.
 */
export function recordsQuery(
  objects: readonly ObjectRecord[],
  options: { shape: RecordShape; bronze: string },
): string {
  const { shape, bronze } = options;
  const strict = objects.every((object) => object.strict);
  const fields = Object.entries(shape.fields);
  const list = shape.path === "" ? WHOLE_BODY : shape.path;
  const read = strict ? readTrusted(fields) : readCarefully(fields);
  return `select object_no, row_no, ${fields.map(([name], i) => `${read.columns[i]} as ${name}`).join(", ")},
      ${strict ? "false" : unreadable(fields, shape)} as unreadable, record
    from (select *, ${read.parts} as part from (
      select unnest(${list}) as record, unnest(range(len(${list}))) as row_no,
        [${objects.map((object) => object.ordinal)}][list_position([${paths(objects, bronze, text)}], filename)] as object_no
      from read_json([${paths(objects, bronze, literalPath)}], columns = {${list}: '${read.type}[]'},
        records = ${shape.path === "" ? "false" : "'auto'"}, format = 'unstructured', compression = 'gzip',
        filename = true, maximum_object_size = ${largest(objects)})))`;
}

function paths(objects: readonly ObjectRecord[], bronze: string, quote: (path: string) => string): string {
  return objects.map((object) => quote(join(bronze, object.path))).join(", ");
}

/** Bytes of the largest body, and some: DuckDB's own limit of 16 MB is the least. */
function largest(objects: readonly ObjectRecord[]): number {
  return objects.reduce((most, object) => Math.max(most, Math.ceil(object.bytes * 1.1)), 16_777_216);
}

type Field = [string, NamedField | PlacedField];

/** How records are read: the type of one, what is taken out of it once, and an expression for each field. */
interface Reading {
  readonly type: string;
  readonly parts: string;
  readonly columns: readonly string[];
}

/** Records known to have the declared types: casts cannot fail and nothing is looked at twice. */
function readTrusted(fields: readonly Field[]): Reading {
  const isStruct = fields.every(([, { at, member }]) => at === undefined && member === undefined);
  if (isStruct) {
    const struct = fields.map(([name, { type }]) => `${name} ${isText(type) ? "VARCHAR" : DUCK_TYPE[type]}`);
    const columns = fields.map(([name, { type }]) => trusted(`record.${name}`, type));
    return { type: `STRUCT(${struct.join(", ")})`, parts: "null", columns };
  }
  // DuckDB has no struct of places, nor of names that differ in case only; one parse that takes out all is as fast.
  const placed = fields.filter(([, { at }]) => at !== null);
  const place = new Map(placed.map(([name], i) => [name, i + 1]));
  const columns = fields.map(([name, { type }]) => {
    const no = place.get(name);
    return no === undefined ? `null::${DUCK_TYPE[type]}` : trusted(`part[${no}]`, type);
  });
  return { type: "JSON", parts: `record ->> [${placed.map((field) => text(pathOf(field))).join(", ")}]`, columns };
}

function trusted(value: string, type: FieldType): string {
  return type === "date" ? `epoch_ms(${value}::date)` : `${value}::${DUCK_TYPE[type]}`;
}

function isText(type: FieldType): boolean {
  return type === "string" || type === "decimal-text" || type === "date";
}

function readCarefully(fields: readonly Field[]): Reading {
  return { type: "JSON", parts: "null", columns: fields.map(readField) };
}

/** The field's value, or null where the record has something else than a value of its type. */
function readField(field: Field): string {
  const [, { type, at }] = field;
  if (at === null) return `null::${DUCK_TYPE[type]}`;
  const value = `record ->> ${text(pathOf(field))}`;
  const isVarchar = `${jsonType(field)} = 'VARCHAR'`;
  switch (type) {
    case "string":
      return `case when ${isVarchar} then ${value} end`;
    case "number":
      return `case when ${isNumber(field)} and isfinite(try_cast(${value} as double)) then try_cast(${value} as double) end`;
    case "integer":
      return `case when ${isNumber(field)} and abs(try_cast(${value} as double)) <= ${MAX_EXACT}
        and trunc(try_cast(${value} as double)) = try_cast(${value} as double)
        then try_cast(try_cast(${value} as double) as bigint) end`;
    case "decimal-text":
      return `case when ${isVarchar} and regexp_full_match(${value}, ${text(DECIMAL_TEXT.source)})
        and isfinite(try_cast(${value} as double)) then try_cast(${value} as double) end`;
    case "date":
      return `case when ${isVarchar} and regexp_full_match(${value}, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
        then epoch_ms(try_cast(${value} as date)) end`;
    default:
      return type satisfies never;
  }
}

/** Which records are not what was declared; one that names a field twice has no single meaning. */
function unreadable(fields: readonly Field[], shape: RecordShape): string {
  const wrong = fields
    .filter(([, { at }]) => at !== null)
    .map((field) => {
      const isNull = `${readField(field)} is null`;
      const { required, nullable } = field[1];
      if (nullable) return `(coalesce(${jsonType(field)}, ${required ? "''" : "'NULL'"}) <> 'NULL' and ${isNull})`;
      return required ? isNull : `(${jsonType(field)} is not null and ${isNull})`;
    });
  const kind = recordsAreLists(shape) ? "ARRAY" : "OBJECT";
  return `coalesce(json_type(record), '') <> '${kind}' or ${wrong.join(" or ")}
    or len(list_distinct(json_keys(record))) <> len(json_keys(record))`;
}

/** The JSON type of a field; SQL null where it is absent. */
function jsonType(field: Field): string {
  return `json_type(record, ${text(pathOf(field))})`;
}

function isNumber(field: Field): string {
  return `${jsonType(field)} in ('BIGINT', 'UBIGINT', 'DOUBLE')`;
}

/** Where the field is in its record. */
function pathOf([name, { at, member }]: Field): string {
  return typeof at === "number" ? `$[${at}]` : `$."${member ?? name}"`;
}

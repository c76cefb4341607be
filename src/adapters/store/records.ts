import { join } from "node:path";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { RecordShape } from "../../engine/ports.ts";
import { literalPath, text } from "./tables.ts";

const DUCK_TYPE = { integer: "BIGINT", number: "DOUBLE", string: "VARCHAR", date: "VARCHAR" } as const;

/** Beyond this, neighbouring integers are one number to JSON readers: 2^53 - 1. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER;

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
  const struct = `STRUCT(${fields.map(([name, field]) => `${name} ${DUCK_TYPE[field.type]}`).join(", ")})`;
  const columns = fields.map(strict ? strictField : readField);
  // A body that is the array itself is read as one value: DuckDB would take its members for rows.
  const list = shape.path === "" ? "body" : shape.path;
  const whole = shape.path === "" ? "records = false, " : "";
  return `select object_no, row_no, ${columns.map((column, i) => `${column} as ${fields[i]?.[0]}`).join(", ")},
      ${strict ? "false" : unreadable(shape)} as unreadable, record
    from (select unnest(${list}) as record, unnest(range(len(${list}))) as row_no,
        [${objects.map((object) => object.ordinal)}][list_position([${paths(objects, bronze, text)}], filename)] as object_no
      from read_json([${paths(objects, bronze, literalPath)}], columns = {${list}: '${strict ? struct : "JSON"}[]'},
        ${whole}format = 'unstructured', compression = 'gzip', filename = true, maximum_object_size = ${largest(objects)}))`;
}

function paths(objects: readonly ObjectRecord[], bronze: string, quote: (path: string) => string): string {
  return objects.map((object) => quote(join(bronze, object.path))).join(", ");
}

/** Bytes of the largest body, and some: DuckDB's own limit of 16 MB is the least. */
function largest(objects: readonly ObjectRecord[]): number {
  return objects.reduce((most, object) => Math.max(most, Math.ceil(object.bytes * 1.1)), 16_777_216);
}

type Field = [string, RecordShape["fields"][string]];

/** The value of a field that is known to have its type. */
function strictField([name, { type }]: Field): string {
  return type === "date" ? dateMs(`record.${name}`) : `record.${name}`;
}

/** Epoch milliseconds of the date's UTC midnight. */
function dateMs(value: string): string {
  return `epoch_ms(try_cast(${value} as date)::timestamp)`;
}

/** The field's value, or null where the record has something else than a value of its type. */
function readField([name, { type }]: Field): string {
  const value = `record ->> '$."${name}"'`;
  switch (type) {
    case "string":
      return `case when ${jsonType(name)} = 'VARCHAR' then ${value} end`;
    case "date":
      return `case when ${jsonType(name)} = 'VARCHAR' and regexp_full_match(${value}, '\\d{4}-\\d{2}-\\d{2}') then ${dateMs(value)} end`;
    case "number":
      return `case when ${isNumber(name)} and isfinite(try_cast(${value} as double)) then try_cast(${value} as double) end`;
    case "integer":
      return `case when ${isNumber(name)} and abs(try_cast(${value} as double)) <= ${MAX_EXACT}
        and trunc(try_cast(${value} as double)) = try_cast(${value} as double)
        then try_cast(try_cast(${value} as double) as bigint) end`;
    default:
      return type satisfies never;
  }
}

/** Which records are not what was declared; one that names a field twice has no single meaning. */
function unreadable(shape: RecordShape): string {
  const wrong = Object.entries(shape.fields).map((field) => {
    const isNull = `${readField(field)} is null`;
    const isThere = `${jsonType(field[0])} is not null`;
    const isValue = field[1].nullable ? `${isThere} and ${jsonType(field[0])} <> 'NULL'` : isThere;
    if (!field[1].required) return `(${isValue} and ${isNull})`;
    return field[1].nullable ? `(not (${isThere}) or (${isValue} and ${isNull}))` : isNull;
  });
  return `coalesce(json_type(record), '') <> 'OBJECT' or ${wrong.join(" or ")}
    or len(list_distinct(json_keys(record))) <> len(json_keys(record))`;
}

/** The JSON type of a field; SQL null where it is absent. */
function jsonType(name: string): string {
  return `json_type(record, '$."${name}"')`;
}

function isNumber(name: string): string {
  return `${jsonType(name)} in ('BIGINT', 'UBIGINT', 'DOUBLE')`;
}

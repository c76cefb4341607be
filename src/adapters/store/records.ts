import { join } from "node:path";
import { laidOut, readLayout } from "../../engine/fetch/layout.ts";
import { DECIMAL_TEXT, INSTANT_TEXT, recordsAreLists } from "../../engine/fetch/probe.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { FieldType, MemberPath, NamedField, PlacedField, RecordShape } from "../../engine/ports.ts";
import { literalPath, text } from "./tables.ts";

const DUCK_TYPE = {
  integer: "BIGINT",
  number: "DOUBLE",
  string: "VARCHAR",
  "decimal-text": "DOUBLE",
  decimal: "VARCHAR",
  date: "BIGINT",
  instant: "BIGINT",
} as const satisfies Readonly<Record<FieldType, string>>;

/** What holds every figure of bodies whose decimals are all short. */
const SHORT_DECIMAL = "DECIMAL(18, 4)";

/** Beyond this, neighbouring integers are one number to JSON readers: 2^53 - 1. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/** The column that a body without a member to name it is read into. */
const WHOLE_BODY = "body";

/**
 * The records of bronze objects that are all `strict` or all not, all of one line or all not, and have the same layout,
 * as a query: `object_no`, `row_no` (place in the body), each declared field with its type, `unreadable`, and `record`
 * as it came. A field of another JSON type than declared is null and makes its record unreadable; DuckDB's own casts
 * would turn "12" and true into numbers.
 */
export function recordsQuery(
  objects: readonly ObjectRecord[],
  options: { shape: RecordShape; bronze: string },
): string {
  const { bronze } = options;
  const strict = objects.every((object) => object.strict);
  const found = strict ? (objects[0]?.layout ?? null) : null;
  const layout = found === null ? null : readLayout(found);
  const shape = layout === null ? options.shape : laidOut(options.shape, layout);
  const fields = Object.entries(shape.fields);
  const isWhole = shape.path === "" || shape.isBare === true;
  const list = isWhole ? WHOLE_BODY : shape.path;
  const isEither = shape.isBare === true && shape.path !== "";
  const read = strict
    ? readTrusted(fields, { isJson: isEither, isShort: layout?.isShort === true })
    : readCarefully(fields);
  // Only a body that is read as one value can be either of two.
  const records = isEither
    ? `case when (${list}::varchar)[1] = '[' then json_extract(${list}, '$[*]')
        else coalesce(json_extract(${list}, ${text(`$."${shape.path}"[*]`)}), []) end`
    : list;
  const around = readAround(fields, isWhole);
  // A reader of lines takes a body of one line at once; any other reader parses it twice, first to find its end.
  const format = objects.every((object) => object.oneLine) ? "newline_delimited" : "unstructured";
  const columnOf = (name: string, i: number): string => {
    const said = around.columns.get(name);
    return `${said === undefined ? read.columns[i] : `coalesce(${read.columns[i]}, ${said})`} as ${name}`;
  };
  return `select object_no, row_no, ${fields.map(([name], i) => columnOf(name, i)).join(", ")},
      ${strict ? "false" : unreadable(fields, shape)} as unreadable, record
    from (select *, ${read.parts} as part from (
      select unnest(records) as record, unnest(range(len(records))) as row_no, * exclude (records)
      from (select ${records} as records${around.select}, [${objects.map((object) => object.ordinal)}][file_index::bigint + 1] as object_no
      from read_json([${objects.map((object) => literalPath(join(bronze, object.path))).join(", ")}], columns = {${list}: '${isEither ? "JSON" : `${read.type}[]`}'${around.members}},
        records = ${isWhole ? "false" : "'auto'"}, format = '${format}', compression = 'gzip',
        maximum_object_size = ${largest(objects)}))))`;
}

/** Bytes of the largest body, and some. DuckDB keeps buffers of twice as much: those of its own limit, 16 MB, fit no cache. */
function largest(objects: readonly ObjectRecord[]): number {
  return objects.reduce((most, object) => Math.max(most, Math.ceil(object.bytes * 1.1)), 1_048_576);
}

type Field = [string, NamedField | PlacedField];

/** What the body says around its records: members to read beside them, and the column of each field that one speaks for. */
function readAround(
  fields: readonly Field[],
  isWhole: boolean,
): { readonly members: string; readonly select: string; readonly columns: ReadonlyMap<string, string> } {
  const members = new Set<string>();
  const columns = new Map<string, string>();
  let select = "";
  for (const [name, { around }] of fields) {
    if (around === undefined) continue;
    const [member, ...inside] = around;
    if (!isWhole) members.add(`, "${member}": 'JSON'`);
    const place = isWhole ? `${WHOLE_BODY} ->> ${text(jsonPath(around))}` : `"${member}" ->> ${text(jsonPath(inside))}`;
    columns.set(name, `around_${name}`);
    select += `, ${place} as around_${name}`;
  }
  return { members: [...members].join(""), select, columns };
}

/** How records are read: the type of one, what is taken out of it once, and an expression for each field. */
interface Reading {
  readonly type: string;
  readonly parts: string;
  readonly columns: readonly string[];
}

/** Records known to have the declared types: casts cannot fail and nothing is looked at twice. */
function readTrusted(
  fields: readonly Field[],
  { isJson, isShort }: { readonly isJson: boolean; readonly isShort: boolean },
): Reading {
  const typeAt = (type: FieldType): string => {
    if (type === "decimal" && isShort) return SHORT_DECIMAL;
    return isText(type) ? "VARCHAR" : DUCK_TYPE[type];
  };
  const tree = isJson ? null : treeOf(fields, typeAt);
  if (tree !== null) {
    const columns = fields.map((field) => {
      const [path] = pathsOf(field);
      if (path === undefined) return nothing(field);
      const { type } = field[1];
      const member = memberAt("record", path);
      return typeAt(type) === SHORT_DECIMAL ? member : trusted(member, type);
    });
    return { type: typeOf(tree), parts: "null", columns };
  }
  // One parse that takes out all is as fast.
  const places = placesOf(fields);
  const columns = fields.map(([name, { type }]) => trusted(firstOf(places.all(name, "part")), type));
  return { type: "JSON", parts: `record ->> ${places.paths}`, columns };
}

/** The members of a struct, each with its own or its DuckDB type. */
interface Tree {
  readonly members: Map<string, Tree | string>;
  /** A list of one such struct. */
  readonly isList: boolean;
}

/**
 * The struct that holds every field where it lies, or null where DuckDB has none: for places in a list, for fields
 * that may lie in several, and for names that differ in case only.
 */
function treeOf(fields: readonly Field[], typeAt: (type: FieldType) => string): Tree | null {
  const root: Tree = { members: new Map(), isList: false };
  for (const field of fields) {
    const paths = pathsOf(field);
    if (paths.length > 1) return null;
    for (const path of paths) if (!grow(root, path, typeAt(field[1].type))) return null;
  }
  return hasClash(root) ? null : root;
}

/** Adds a leaf at a path; false where something else lies on the way. */
function grow(root: Tree, path: MemberPath, type: string): boolean {
  let tree = root;
  for (const [i, name] of path.entries()) {
    if (typeof name === "number") {
      if (i === 0 || name !== 0) return false;
      continue;
    }
    const isList = path[i + 1] === 0;
    const isLeaf = i + (isList ? 2 : 1) >= path.length;
    const known = tree.members.get(name);
    if (isLeaf) {
      if (isList || (known !== undefined && known !== type)) return false;
      tree.members.set(name, type);
      return true;
    }
    const next = known ?? { members: new Map(), isList };
    if (typeof next === "string" || next.isList !== isList) return false;
    tree.members.set(name, next);
    tree = next;
  }
  return false;
}

function hasClash({ members }: Tree): boolean {
  const names = new Set([...members.keys()].map((name) => name.toLowerCase()));
  return names.size < members.size || [...members.values()].some((one) => typeof one !== "string" && hasClash(one));
}

function typeOf({ members, isList }: Tree): string {
  const own = [...members].map(([name, type]) => `"${name}" ${typeof type === "string" ? type : typeOf(type)}`);
  return `STRUCT(${own.join(", ")})${isList ? "[]" : ""}`;
}

/** SQL: the member of a struct at a path. */
function memberAt(value: string, path: MemberPath): string {
  return path.reduce<string>((sql, key) => `${sql}${typeof key === "number" ? `[${key + 1}]` : `."${key}"`}`, value);
}

/** SQL: the value of a field that no record has. */
function nothing([, { type }]: Field): string {
  return `null::${DUCK_TYPE[type]}`;
}

function trusted(value: string, type: FieldType): string {
  switch (type) {
    case "date":
      return `epoch_ms(${value}::date)`;
    case "instant":
      return `epoch_ms(${value}::timestamptz)`;
    default:
      return `${value}::${DUCK_TYPE[type]}`;
  }
}

function isText(type: FieldType): boolean {
  return type !== "integer" && type !== "number";
}

/** One parse takes out every field's text, one its JSON type. */
function readCarefully(fields: readonly Field[]): Reading {
  const places = placesOf(fields);
  return {
    type: "JSON",
    parts: `{'text': record ->> ${places.paths}, 'kind': json_type(record, ${places.paths})}`,
    columns: fields.map((field) => readField(field, places)),
  };
}

/** Where the fields of a record lie. */
interface Places {
  /** SQL: the list of paths. */
  readonly paths: string;
  /** SQL: what is at each path of a field, in a list of what is at every path; none for a field that no record has. */
  all(name: string, list: string): readonly string[];
}

function placesOf(fields: readonly Field[]): Places {
  const paths: string[] = [];
  const numbers = new Map<string, readonly number[]>();
  for (const field of fields) {
    const own = pathsOf(field).map((path) => paths.push(text(jsonPath(path))));
    if (own.length > 0) numbers.set(field[0], own);
  }
  return {
    paths: `[${paths.join(", ")}]`,
    all: (name, list) => (numbers.get(name) ?? []).map((no) => `${list}[${no}]`),
  };
}

/** SQL: the first of several values that is not null. */
function firstOf(values: readonly string[]): string {
  return values.length > 1 ? `coalesce(${values.join(", ")})` : (values[0] ?? "null");
}

/** SQL: the JSON type at the field's place, `NULL` where there is only null, SQL null where nothing is. */
function kindOf([name]: Field, { all }: Places): string {
  const kinds = all(name, "part.kind");
  if (kinds.length < 2) return kinds[0] ?? "null";
  return `coalesce(${kinds.map((kind) => `nullif(${kind}, 'NULL')`).join(", ")}, ${kinds.join(", ")})`;
}

/** The field's value, or null where the record has something else than a value of its type. */
function readField(field: Field, places: Places): string {
  const [name, { type }] = field;
  const values = places.all(name, "part.text");
  if (values.length === 0) return nothing(field);
  const value = firstOf(values);
  const kind = kindOf(field, places);
  const isVarchar = `${kind} = 'VARCHAR'`;
  const isNumber = `${kind} in ('BIGINT', 'UBIGINT', 'DOUBLE')`;
  const isFiniteValue = `isfinite(try_cast(${value} as double))`;
  const isDecimal = `regexp_full_match(${value}, ${text(DECIMAL_TEXT.source)}) and ${isFiniteValue}`;
  switch (type) {
    case "string":
      return `case when ${isVarchar} then ${value} end`;
    case "number":
      return `case when ${isNumber} and ${isFiniteValue} then try_cast(${value} as double) end`;
    case "integer":
      return `case when ${isNumber} and abs(try_cast(${value} as double)) <= ${MAX_EXACT}
        and trunc(try_cast(${value} as double)) = try_cast(${value} as double)
        then try_cast(try_cast(${value} as double) as bigint) end`;
    case "decimal-text":
      return `case when ${isVarchar} and ${isDecimal} then try_cast(${value} as double) end`;
    case "decimal":
      return `case when (${isNumber} and ${isFiniteValue}) or (${isVarchar} and ${isDecimal}) then ${value} end`;
    case "date":
      return `case when ${isVarchar} and regexp_full_match(${value}, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
        then epoch_ms(try_cast(${value} as date)) end`;
    case "instant":
      return `case when ${isVarchar} and regexp_full_match(${value}, ${text(INSTANT_TEXT.source)})
        then epoch_ms(try_cast(${value} as timestamptz)) end`;
    default:
      return type satisfies never;
  }
}

/** Which records are not what was declared; one that names a field twice has no single meaning. */
function unreadable(fields: readonly Field[], shape: RecordShape): string {
  const places = placesOf(fields);
  const wrong = fields
    .filter(([, { at }]) => at !== null)
    .map((field) => {
      const isNull = `${readField(field, places)} is null`;
      const kind = kindOf(field, places);
      const { required, nullable } = field[1];
      if (nullable) return `(coalesce(${kind}, ${required ? "''" : "'NULL'"}) <> 'NULL' and ${isNull})`;
      return required ? isNull : `(${kind} is not null and ${isNull})`;
    });
  const type = recordsAreLists(shape) ? "ARRAY" : "OBJECT";
  return `coalesce(json_type(record), '') <> '${type}' or ${wrong.join(" or ")}
    or len(list_distinct(json_keys(record))) <> len(json_keys(record))`;
}

/** Where the field may lie in its record, the first place first. */
function pathsOf([name, { at, member, members }]: Field): readonly MemberPath[] {
  if (at === null) return [];
  return members ?? [[at ?? member ?? name]];
}

function jsonPath(path: MemberPath): string {
  return `$${path.map((key) => (typeof key === "number" ? `[${key}]` : `."${key}"`)).join("")}`;
}

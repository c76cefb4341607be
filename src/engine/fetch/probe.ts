import { isDate } from "../../core/time/zone.ts";
import type { FieldType, MemberPath, RecordShape } from "../ports.ts";

/** What a body is, before anybody asks what it means. */
export interface BodyProbe {
  readonly isJson: boolean;
  /** The body's JSON, or null when it is not JSON. */
  readonly json: unknown;
  /** The first 2,000 characters, damaged bytes replaced. */
  readonly text: string;
}

const TEXT_CHARS = 2_000;

// A byte order mark is kept, and so makes the body invalid: readers of the stored bytes would trip over it.
const exact = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8");

/** The body's JSON when all of it is valid UTF-8 and valid JSON, and the beginning of its text. */
export function probe(body: Buffer): BodyProbe {
  try {
    const text = exact.decode(body);
    return { isJson: true, json: JSON.parse(text) as unknown, text: text.slice(0, TEXT_CHARS) };
  } catch {
    // Neither error says more than "not JSON"; the text goes into the message of whoever wanted JSON.
    return { isJson: false, json: null, text: lenient.decode(body.subarray(0, 4 * TEXT_CHARS)).slice(0, TEXT_CHARS) };
  }
}

/**
 * Whether every record has exactly the declared JSON types: a reader may then trust them without looking.
 * An integer is exact in 64-bit floats, a number finite (`1e400` is not), a date is a day of the calendar; null is none
 * of the types unless the field is nullable; undeclared fields are allowed. One pass.
 */
export function isStrict(records: unknown, shape: RecordShape): boolean {
  if (!Array.isArray(records)) return false;
  const asLists = recordsAreLists(shape);
  const fields = Object.entries(shape.fields)
    .filter(([, { at }]) => at !== null)
    .map(([name, { at, member, members, ...field }]) => ({ paths: members ?? [[at ?? member ?? name]], ...field }));
  for (const record of records as readonly unknown[]) {
    if (typeof record !== "object" || record === null || Array.isArray(record) !== asLists) return false;
    for (const { paths, type, required, nullable } of fields) {
      const value = firstAt(record, paths);
      if (value === undefined) {
        if (required) return false;
      } else if (value === null ? nullable !== true : !hasType(value, type)) return false;
    }
  }
  return true;
}

/** What lies at the first of `paths` that holds something; null where one holds null, undefined where none is there. */
function firstAt(record: object, paths: readonly MemberPath[]): unknown {
  let found: unknown;
  for (const path of paths) {
    let value: unknown = record;
    for (const key of path) {
      if (typeof value !== "object" || value === null || Array.isArray(value) !== (typeof key === "number")) {
        value = undefined;
        break;
      }
      value = (value as Readonly<Record<string | number, unknown>>)[key];
    }
    if (value !== undefined && value !== null) return value;
    if (value === null) found = null;
  }
  return found;
}

/** The records of a body at the shape's path, or undefined when there is no such member. */
export function recordsOf(json: unknown, shape: RecordShape): unknown {
  if (shape.path === "" || (shape.isBare === true && Array.isArray(json))) return json;
  return typeof json === "object" && json !== null
    ? (json as Readonly<Record<string, unknown>>)[shape.path]
    : undefined;
}

/** Whether records are lists, whose fields have places. */
export function recordsAreLists(shape: RecordShape): boolean {
  return Object.values(shape.fields).some(({ at }) => at !== undefined);
}

/** RFC 8259 6: a number. Other ways to write one (+1, .5, 1,5, 007, NaN) are not guessed at. */
export const DECIMAL_TEXT = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/** ISO 8601 to the second with an offset. */
export const INSTANT_TEXT =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})$/;

function hasType(value: unknown, type: FieldType): boolean {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "string":
      return typeof value === "string";
    case "decimal-text":
      return typeof value === "string" && DECIMAL_TEXT.test(value) && Number.isFinite(Number(value));
    case "decimal":
      return typeof value === "number" ? Number.isFinite(value) : hasType(value, "decimal-text");
    case "date":
      return typeof value === "string" && isDate(value);
    case "instant":
      return (
        typeof value === "string" &&
        INSTANT_TEXT.test(value) &&
        isDate(value.slice(0, 10)) &&
        !Number.isNaN(Date.parse(value))
      );
    default:
      return type satisfies never;
  }
}

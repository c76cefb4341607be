import type { MemberPath, NamedField, RecordShape } from "../ports.ts";
import { recordsOf } from "./probe.ts";

const BARE = "bare ";

/**
 * Which of the places that a shape leaves open the records of one body use, as text that is equal for bodies that may be
 * read as one; null where the shape leaves none open, or one record keeps a field where another does not. A list of
 * parts must hold one part at most: what else lies in it, nobody has looked at.
 */
export function layoutOf(json: unknown, shape: RecordShape): string | null {
  const open = openFields(shape);
  if (shape.isBare !== true && open.length === 0) return null;
  const records = recordsOf(json, shape);
  if (!Array.isArray(records)) return null;
  const places: number[] = [];
  for (const [, { members }] of open) {
    const place = placeOf(records, members);
    if (place === null) return null;
    places.push(place);
  }
  return `${Array.isArray(json) ? BARE : ""}${places.join(" ")}`;
}

/** The shape of bodies that have a layout: nothing in it is left open. */
export function inLayout(shape: RecordShape, layout: string): RecordShape {
  const isBare = layout.startsWith(BARE);
  const places = layout.slice(isBare ? BARE.length : 0).split(" ");
  const { isBare: _, ...rest } = shape;
  const fields = { ...(shape.fields as Readonly<Record<string, NamedField>>) };
  for (const [i, [name, field]] of openFields(shape).entries()) {
    const path = field.members[Number(places[i])];
    fields[name] = { ...field, members: path === undefined ? [] : [path] };
  }
  // Nothing surrounds the records of a bare list.
  if (isBare) for (const [name, { around: _, ...field }] of Object.entries(fields)) fields[name] = field;
  return { ...rest, fields, path: isBare ? "" : shape.path };
}

type OpenField = NamedField & { readonly members: readonly MemberPath[] };

function openFields({ fields }: RecordShape): readonly [string, OpenField][] {
  return Object.entries(fields).filter((entry): entry is [string, OpenField] => (entry[1].members?.length ?? 0) > 1);
}

/**
 * The one of `paths` where every record has a field that it has at all; the first that fits all where none has it, -1
 * where none fits; null where records differ.
 */
function placeOf(records: readonly unknown[], paths: readonly MemberPath[]): number | null {
  let found = -1;
  for (const record of records) {
    const place = paths.findIndex((path) => (valueAt(record, path) ?? null) !== null);
    if (place < 0 || place === found) continue;
    if (found >= 0) return null;
    found = place;
  }
  const fitsAll = (path: MemberPath): boolean => records.every((record) => fits(record, path));
  if (found < 0) return paths.findIndex(fitsAll);
  const path = paths[found];
  return path !== undefined && fitsAll(path) ? found : null;
}

/** The value at a path, undefined where the way there ends early. */
function valueAt(record: unknown, path: MemberPath): unknown {
  let value = record;
  for (const key of path) {
    if (!isPart(value, key)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

/** Whether everything on the way is of the kind that the path expects, or is not there. */
function fits(record: unknown, path: MemberPath): boolean {
  let value = record;
  for (const key of path) {
    if (value === undefined || value === null) return true;
    if (!isPart(value, key) || (Array.isArray(value) && value.length > 1)) return false;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return true;
}

function isPart(value: unknown, key: string | number): boolean {
  return typeof value === "object" && value !== null && Array.isArray(value) === (typeof key === "number");
}

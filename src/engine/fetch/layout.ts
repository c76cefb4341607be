import type { MemberPath, NamedField, RecordShape } from "../ports.ts";
import { recordsOf } from "./probe.ts";

/** What strict records of one body have in common. */
export interface Layout {
  /** The body is the list of records itself. */
  readonly isBare: boolean;
  /** For each field with several places the one where all records keep it, -1 where none fits them. */
  readonly places: readonly number[];
  /** Each of their decimals is a number with at most `SHORT.decimals` decimals and below `SHORT.below`. */
  readonly isShort: boolean;
}

/** Figures that 64-bit floats tell apart from their neighbours, so that they can be read as DECIMAL(18, 4) at once. */
const SHORT = { decimals: 4, below: 1e11 };

const [BARE_WORD, SHORT_WORD] = ["bare", "short"];

/**
 * What the records of one body have in common where a shape leaves something open, as text that is equal for bodies
 * that may be read as one; null where they have nothing, or one record keeps a field where another does not. A list of
 * parts must hold one part at most: what else lies in it, nobody has looked at.
 */
export function layoutOf(json: unknown, shape: RecordShape): string | null {
  const records = recordsOf(json, shape);
  if (!Array.isArray(records)) return null;
  const places: number[] = [];
  for (const [, { members }] of openFields(shape)) {
    const place = placeOf(records, members);
    if (place === null) return null;
    places.push(place);
  }
  const isBare = shape.isBare === true && Array.isArray(json);
  const { fields } = laidOut(shape, { isBare, places });
  const isShort = hasShortDecimals(records, fields);
  const isOpen = shape.isBare === true || places.length > 0 || isShort;
  return isOpen ? [...(isBare ? [BARE_WORD] : []), ...places, ...(isShort ? [SHORT_WORD] : [])].join(" ") : null;
}

export function readLayout(layout: string): Layout {
  const words = layout.split(" ").filter((word) => word !== "");
  return {
    isBare: words.includes(BARE_WORD),
    places: words.filter((word) => word !== BARE_WORD && word !== SHORT_WORD).map(Number),
    isShort: words.includes(SHORT_WORD),
  };
}

/** The shape of bodies that have a layout: no place in it is left open. */
export function laidOut(shape: RecordShape, { isBare, places }: Pick<Layout, "isBare" | "places">): RecordShape {
  const { isBare: _, ...rest } = shape;
  const fields = { ...(shape.fields as Readonly<Record<string, NamedField>>) };
  for (const [i, [name, field]] of openFields(shape).entries()) {
    const path = field.members[places[i] ?? -1];
    fields[name] = { ...field, members: path === undefined ? [] : [path] };
  }
  // Nothing surrounds the records of a bare list.
  if (isBare) for (const [name, { around: _, ...field }] of Object.entries(fields)) fields[name] = field;
  return { ...rest, fields, path: isBare ? "" : shape.path };
}

/** Whether there are decimals, and all are short numbers; what is null or not there does not count. */
function hasShortDecimals(records: readonly unknown[], fields: RecordShape["fields"]): boolean {
  const paths = Object.entries(fields)
    .filter(([, { type, at }]) => type === "decimal" && at !== null)
    .flatMap(([name, { at, member, members }]) => members ?? [[at ?? member ?? name]]);
  const isShort = (value: unknown): boolean => (value ?? null) === null || isShortNumber(value);
  return paths.length > 0 && records.every((record) => paths.every((path) => isShort(valueAt(record, path))));
}

function isShortNumber(value: unknown): boolean {
  const scale = 10 ** SHORT.decimals;
  return typeof value === "number" && Math.abs(value) < SHORT.below && Math.round(value * scale) / scale === value;
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

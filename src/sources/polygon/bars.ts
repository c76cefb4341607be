import type { NamedField } from "../../engine/ports.ts";

/** Fields of a bar, in whatever list it comes. Indices have neither volume nor trades; crypto volumes are fractions. */
export const BAR_FIELDS = {
  t: { type: "integer", required: true },
  o: { type: "number", required: true },
  h: { type: "number", required: true },
  l: { type: "number", required: true },
  c: { type: "number", required: true },
  v: { type: "number", required: false },
  vw: { type: "number", required: false },
  n: { type: "integer", required: false },
} as const satisfies Readonly<Record<string, NamedField>>;

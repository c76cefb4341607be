import type { Plan } from "../../../core/plan/plan.ts";

/** A registry entry as people know it: its key, and the name beside it where the registry holds one. */
export function entryName(plan: Pick<Plan, "fingerprint">, entry: string): string {
  const attributes = JSON.parse(plan.fingerprint.registry[entry] ?? "{}") as { readonly name?: unknown };
  return titled(entry, attributes.name);
}

/** `tienda_08 (BOSQUE)`; the key alone where there is no name. */
export function titled(key: string, name: unknown): string {
  return typeof name === "string" ? `${key} (${name})` : key;
}

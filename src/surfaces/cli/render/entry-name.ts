import type { Plan } from "../../../core/plan/plan.ts";
import type { ScopedSeries } from "../../../engine/plan/scope.ts";

/** A registry entry as people know it: its key, and the name beside it where the registry holds one. */
export function entryName(plan: Pick<Plan, "fingerprint">, entry: string): string {
  const attributes = JSON.parse(plan.fingerprint.registry[entry] ?? "{}") as { readonly name?: unknown };
  return titled(entry, attributes.name);
}

/** The name that the registry holds of a series that is all of its entry; null for others. */
export function nameOf({ series, entry }: Pick<ScopedSeries, "series" | "entry">): string | null {
  const { name } = entry.attributes;
  return series.key === entry.key && typeof name === "string" ? name : null;
}

/** `tienda_08 (BOSQUE)`; the key alone where there is no name. */
export function titled(key: string, name: unknown): string {
  return typeof name === "string" ? `${key} (${name})` : key;
}

import { plural } from "../output.ts";

/** Longer lists of keys are cut. */
const KEYS_SHOWN = 3;

/** Each distinct reason once, in the order of its first: whom it befell and, where it came again, how often. */
export function reasonLines(errors: readonly { readonly key: string; readonly reason: string }[]): readonly string[] {
  const byReason = new Map<string, { readonly keys: Set<string>; times: number }>();
  for (const { key, reason } of errors) {
    const known = byReason.get(reason) ?? { keys: new Set<string>(), times: 0 };
    byReason.set(reason, known);
    known.keys.add(key);
    known.times++;
  }
  return [...byReason].map(([reason, { keys, times }]) => {
    const named = [...keys].slice(0, KEYS_SHOWN).join(", ");
    const more = keys.size > KEYS_SHOWN ? ` and ${keys.size - KEYS_SHOWN} more` : "";
    return `${named}${more}: ${reason}${times === 1 ? "" : ` (${plural(times, "time")})`}`;
  });
}

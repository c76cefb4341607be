import type { Instant } from "../core/time/instant.ts";

const ALPHABET = "abcdefghjkmnpqrstvwxyz23456789";

/** An id that sorts by time and can be typed: `run-20260320-200003-k7fa`. */
export function newId(kind: "plan" | "run", at: Instant, random: () => number): string {
  const stamp = new Date(at).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  const tail = Array.from({ length: 4 }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join("");
  return `${kind}-${stamp}-${tail}`;
}

/** The run that the id of a chunk or publication begins with, or the name of a file that begins with such an id. */
export function runOf(chunkId: string): string {
  return chunkId.slice(0, chunkId.indexOf("."));
}

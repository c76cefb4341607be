import { DAY, HOUR, MINUTE } from "../time/instant.ts";

/** More items than this are only counted: a message is read on a phone. */
const SHOWN_ITEMS = 10;

/** One item a line, the first ten, then how many more. */
export function listed(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN_ITEMS).map((item) => `- ${item}`);
  const more = items.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${amount(more)} more`] : [])].join("\n");
}

/** `5 days`, `26 h`, `40 min`: whole units, rounded down. */
export function ageText(ms: number): string {
  if (ms >= 2 * DAY) return `${amount(Math.floor(ms / DAY))} days`;
  if (ms >= HOUR) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / MINUTE)} min`;
}

/** `12,345.6`: one decimal at most. */
export function amount(n: number): string {
  return n.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/** `1 slot`, `2 slots`. */
export function plural(n: number, one: string): string {
  return `${amount(n)} ${one}${n === 1 || one === "series" ? "" : "s"}`;
}

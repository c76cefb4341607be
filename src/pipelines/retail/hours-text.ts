import type { StoreHours } from "../../core/calendar/store-calendar.ts";

/** How hours are written, for hints. */
export const HOURS_FORM = "hours are written 07:00-21:00, midnight 24:00";

const TIME = String.raw`((?:[01]\d|2[0-3]):[0-5]\d|24:00)`;
const RANGE = new RegExp(`^${TIME}-${TIME}$`);

/** Hours as typed; null, with what is wrong added to `problems`, where they are none. */
export function readRange(text: string, problems: string[]): StoreHours | null {
  const [, open, close] = RANGE.exec(text) ?? [];
  if (open === undefined || close === undefined) problems.push(`"${text}" are no hours`);
  else if (open >= close) problems.push(`"${text}" closes no later than it opens`);
  else return { open, close };
  return null;
}

export function rangeText({ open, close }: StoreHours): string {
  return `${open}-${close}`;
}

/** Whether a word says closed, in English or Spanish. */
export function saysClosed(text: string): boolean {
  return /^(closed|cerrad[oa])$/i.test(text);
}

/** Whether a word says open, in English or Spanish. */
export function saysOpen(text: string): boolean {
  return /^(open|opened|opens|abiert[oa]|abre|abri[oó])$/i.test(text);
}

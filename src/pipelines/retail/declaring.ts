import type { Closure } from "../../core/calendar/store-calendar.ts";
import { DAY } from "../../core/time/instant.ts";
import { parseDate } from "../../core/time/zone.ts";

/** The command by which a person declares a store's first day of trade. */
export function openingCommand(store: string, date: string): string {
  return declaring(store, `--opened ${date}`);
}

/**
 * The command by which a person declares that a store traded on days that its calendar calls closed, or null where
 * none of them is the calendar's: the edges of its life moved to hold them, the others open with their usual hours.
 */
export function tradedCommand(store: string, days: readonly Pick<Closure, "date" | "cause">[]): string | null {
  const datesOf = (...causes: readonly Closure["cause"][]): readonly string[] =>
    days
      .filter(({ cause }) => causes.includes(cause))
      .map(({ date }) => date)
      .sort();
  const [opened] = datesOf("not-open-yet");
  const lastDay = datesOf("gone").at(-1);
  const open = datesOf("weekly", "yearly", "exception");
  const flags = [
    ...(opened === undefined ? [] : [`--opened ${opened}`]),
    ...(lastDay === undefined ? [] : [`--closed ${dayAfter(lastDay)}`]),
    ...(open.length === 0 ? [] : [`--exceptions ${open.map((date) => `${date}=open`).join(",")}`]),
  ];
  return flags.length === 0 ? null : declaring(store, flags.join(" "));
}

function declaring(store: string, flags: string): string {
  return `retrofill stores set ${store} ${flags}`;
}

function dayAfter(date: string): string {
  return new Date(parseDate(date) + DAY).toISOString().slice(0, 10);
}

import type { Closure } from "../../core/calendar/store-calendar.ts";
import { shiftDate } from "../../core/time/local-days.ts";

/** The command by which a person declares a store's first day of trade. */
export function openingCommand(store: string, date: string): string {
  return declaring(store, `--opened ${date}`);
}

/** The command by which a person declares the first day without a store. */
export function closingCommand(store: string, date: string): string {
  return declaring(store, `--closed ${date}`);
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
    ...(lastDay === undefined ? [] : [`--closed ${shiftDate(lastDay, 1)}`]),
    ...(open.length === 0 ? [] : [`--exceptions ${open.map((date) => `${date}=open`).join(",")}`]),
  ];
  return flags.length === 0 ? null : declaring(store, flags.join(" "));
}

function declaring(store: string, flags: string): string {
  return `retrofill stores set ${store} ${flags}`;
}

import { ALWAYS } from "./always.ts";
import type { Calendar } from "./calendar.ts";
import { FX } from "./fx.ts";
import { XNYS } from "./xnys.ts";

const CALENDARS: readonly Calendar[] = [XNYS, ALWAYS, FX];

/** Every calendar's name: `XNYS`, `24x7`, `FX`. */
export const CALENDAR_NAMES: readonly string[] = CALENDARS.map(({ name }) => name);

/**
 * The calendar of that name.
 * @throws RangeError when there is none, naming those there are
 */
export function calendarNamed(name: string): Calendar {
  const calendar = CALENDARS.find((known) => known.name === name);
  if (!calendar) throw new RangeError(`unknown calendar: ${name} (known: ${CALENDAR_NAMES.join(", ")})`);
  return calendar;
}

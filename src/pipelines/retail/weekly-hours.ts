import { everyDay, type StoreDeclaration, type StoreHours, WEEKDAYS } from "../../core/calendar/store-calendar.ts";
import { RetrofillError } from "../../core/errors.ts";
import { HOURS_FORM, rangeText, readRange, saysClosed } from "./hours-text.ts";

/** A store's usual hours: the same every day, or those of each weekday, null where it does not trade. */
export type DeclaredHours = StoreHours | StoreDeclaration["weekly"];

type Week = (StoreHours | null | undefined)[];

/** The weekdays as people write them, in the order of a shop's week; the first is the one that is printed. */
const NAMES = [
  ["mon", "monday", "lun", "lunes"],
  ["tue", "tuesday", "mar", "martes"],
  ["wed", "wednesday", "mie", "miercoles"],
  ["thu", "thursday", "jue", "jueves"],
  ["fri", "friday", "vie", "viernes"],
  ["sat", "saturday", "sab", "sabado"],
  ["sun", "sunday", "dom", "domingo"],
] as const;

/** `WEEKDAYS` in the order of `NAMES`. */
const WEEK = [...WEEKDAYS.slice(1), WEEKDAYS[0]] as const;

/**
 * Hours from `07:00-21:00`, for all days, or `mon-sat=07:00-21:00,sun=closed`. A weekday that is not named keeps the
 * hours it had before; where there were none, all must be named.
 * @throws RetrofillError USAGE with every problem
 */
export function readHours(text: string, before: DeclaredHours | undefined): DeclaredHours {
  const problems: string[] = [];
  const hours = text.includes("=") ? readWeek(text, before, problems) : readRange(text.trim(), problems);
  if (hours !== null && problems.length === 0) return hours;
  throw new RetrofillError("USAGE", `--hours ${text}: ${problems.join("; ")}`, {
    hint: `--hours 07:00-21:00, or by weekday: --hours "mon-sat=07:00-21:00,sun=closed"; ${HOURS_FORM}`,
  });
}

/** Hours of all seven weekdays. */
export function weeklyOf(hours: DeclaredHours): StoreDeclaration["weekly"] {
  return isSame(hours) ? everyDay(hours) : hours;
}

/** As `readHours` takes them: `mon-sat=07:00-21:00,sun=closed`, days of the same hours together. */
export function hoursText(hours: DeclaredHours): string {
  if (isSame(hours)) return rangeText(hours);
  const runs: { readonly first: number; last: number; readonly text: string }[] = [];
  WEEK.forEach((day, n) => {
    const own = hours[day];
    const text = own === null ? "closed" : rangeText(own);
    const before = runs[runs.length - 1];
    if (before?.text === text) before.last = n;
    else runs.push({ first: n, last: n, text });
  });
  return runs
    .map(({ first, last, text }) => `${nameOf(first)}${first === last ? "" : `-${nameOf(last)}`}=${text}`)
    .join(",");
}

function readWeek(text: string, before: DeclaredHours | undefined, problems: string[]): DeclaredHours | null {
  const named: Week = Array(7).fill(undefined);
  for (const item of text.split(",")) {
    const [days = "", value] = item.split("=").map((part) => part.trim());
    const places = placesOf(days, problems);
    if (value === undefined || value === "") problems.push(`${days} without hours`);
    else {
      const hours = saysClosed(value) ? null : readRange(value, problems);
      for (const place of places) {
        if (named[place] !== undefined) problems.push(`${nameOf(place)} is named twice`);
        named[place] = hours;
      }
    }
  }
  const week = named.map((hours, n) => {
    const day = WEEK[n];
    return hours !== undefined || before === undefined || day === undefined ? hours : weeklyOf(before)[day];
  });
  const unnamed = week.flatMap((hours, n) => (hours === undefined ? [nameOf(n)] : []));
  if (problems.length > 0) return null;
  if (unnamed.length > 0)
    problems.push(`no hours for ${unnamed.join(", ")} (a day without trade is ${unnamed[0]}=closed)`);
  else if (week.every((hours) => hours === null))
    problems.push("closed on all days: a store that is gone has a --closed date instead");
  return problems.length > 0 ? null : declaredOf(week);
}

/** One range where all days have the same, as it would have been declared. */
function declaredOf(week: Week): DeclaredHours {
  const [monday] = week;
  if (monday && week.every((hours) => hours?.open === monday.open && hours.close === monday.close)) return monday;
  return Object.fromEntries(WEEK.map((day, n) => [day, week[n] ?? null])) as StoreDeclaration["weekly"];
}

/** The days of `sun` or `mon-sat`, which may run over the end of the week. */
function placesOf(text: string, problems: string[]): readonly number[] {
  const ends = text.split("-").map((name) => placeOf(name.trim()));
  const [first, last = first] = ends;
  if (first === undefined || last === undefined || ends.length > 2 || ends.includes(-1)) {
    problems.push(`"${text}" is no weekday (${NAMES.map(([name]) => name).join(", ")}) or range of them`);
    return [];
  }
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, n) => (first + n) % 7);
}

/** Place in the week of a weekday's name, accents aside, or -1. */
function placeOf(name: string): number {
  const plain = name.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  return NAMES.findIndex((names) => names.some((known) => known === plain));
}

function nameOf(place: number): string {
  return NAMES[place]?.[0] ?? "";
}

function isSame(hours: DeclaredHours): hours is StoreHours {
  return "open" in hours;
}

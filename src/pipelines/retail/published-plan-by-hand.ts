// The chain's own plan of 2026-01-26, as its author wrote it: what it counts, what it says of the days, its commands.

/** The days that the plan's percentages are taken of: 91. */
export const PUBLISHED_WINDOW = { first: "2025-10-28", last: "2026-01-26" };

/** Store, missing days, coverage in percent, priority, in the published order. */
export const PUBLISHED_TABLE: readonly (readonly [
  store: string,
  missing: number,
  percent: number,
  priority: string,
])[] = [
  ["tienda_11", 90, 1, "ALTA - Nueva tienda"],
  ["tienda_07", 55, 39, "ALTA"],
  ["tienda_02", 53, 42, "ALTA"],
  ["tienda_03", 48, 47, "ALTA"],
  ["tienda_05", 48, 47, "ALTA"],
  ["tienda_18", 47, 48, "MEDIA"],
  ["tienda_16", 40, 56, "MEDIA"],
  ["tienda_15", 36, 60, "MEDIA"],
  ["tienda_13", 33, 64, "MEDIA"],
  ["tienda_10", 32, 65, "MEDIA"],
  ["tienda_06", 31, 66, "MEDIA"],
  ["tienda_08", 30, 67, "MEDIA"],
  ["tienda_17", 29, 68, "BAJA"],
  ["tienda_12", 29, 68, "BAJA"],
  ["tienda_20", 28, 69, "BAJA"],
  ["tienda_19", 26, 71, "BAJA"],
  ["tienda_04", 23, 75, "BAJA"],
  ["tienda_09", 21, 77, "BAJA"],
  ["tienda_01", 18, 80, "BAJA"],
];

const COMMON = days("2026-01-10", "2026-01-25");
const CLOSED = ["2025-12-25", "2026-01-01"];

/**
 * The days that each store lacks. Stretches are the published ones. Where the plan gives a count but no dates, the dates
 * are ours: the two days of tienda_07 and the one of tienda_03 that do not fit into their published stretch, the seven
 * of tienda_02 and tienda_05 inside theirs, and what phase 3 calls scattered. tienda_18 lacks 39 days at its start and
 * 47 in all, so of the common gap and the two closed days it can lack only eight.
 */
export function publishedMissing(store: string): ReadonlySet<string> {
  return new Set(MISSING[store] ?? [...COMMON, ...CLOSED, ...scattered(store)]);
}

const MISSING: Readonly<Record<string, readonly string[]>> = {
  tienda_11: days("2025-10-28", "2026-01-25"),
  tienda_07: [...COMMON, ...days("2025-12-04", "2026-01-09"), "2025-11-08", "2025-11-19"],
  tienda_02: [...COMMON, ...days("2025-12-11", "2026-01-09"), "2025-10-28", ...november(1, 5, 9, 14, 18, 23)],
  tienda_03: [...COMMON, ...days("2025-12-10", "2026-01-09"), "2025-11-15"],
  tienda_05: [...COMMON, ...days("2025-12-16", "2026-01-09"), "2025-10-31", ...november(4, 8, 12, 16, 20, 23)],
  tienda_18: [...days("2025-10-28", "2025-12-05"), ...CLOSED, ...days("2026-01-20", "2026-01-25")],
};

/** What is left of a store's published count, spread over the days before the common gap. */
function scattered(store: string): readonly string[] {
  const place = PUBLISHED_TABLE.findIndex(([id]) => id === store);
  const count = (PUBLISHED_TABLE[place]?.[1] ?? 0) - COMMON.length - CLOSED.length;
  const free = days("2025-10-28", "2026-01-09").filter((date) => !CLOSED.includes(date));
  return Array.from({ length: count }, (_, n) => {
    return free[(place + Math.floor((n * free.length) / count)) % free.length] as string;
  });
}

function november(...dates: readonly number[]): readonly string[] {
  return dates.map((date) => `2025-11-${String(date).padStart(2, "0")}`);
}

/** The dates from one to another, both ends included. */
export function days(first: string, last: string): readonly string[] {
  const dates: string[] = [];
  const end = Date.parse(last);
  for (let at = Date.parse(first); at <= end; at += 86_400_000) dates.push(new Date(at).toISOString().slice(0, 10));
  return dates;
}

/** A published command: its flags as written, and how many store-days they hold (stores x days, counted by hand). */
export interface PublishedCommand {
  readonly phase: string;
  readonly flags: string;
  readonly storeDays: number;
}

const REST = '--fecha-desde "2025-10-28 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 5';

/** The 13 commands of the plan's text. */
export const PROSE: readonly PublishedCommand[] = [
  {
    phase: "1",
    flags: '--fecha-desde "2026-01-10 00:00" --fecha-hasta "2026-01-25 23:59" --chunk-days 2 --todas',
    storeDays: 304,
  },
  {
    phase: "2.1",
    flags: '--tiendas tienda_11 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2026-01-25 23:59" --chunk-days 3',
    storeDays: 90,
  },
  {
    phase: "2.2",
    flags: '--tiendas tienda_07 --fecha-desde "2025-12-04 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 37,
  },
  {
    phase: "2.3",
    flags: '--tiendas tienda_02 --fecha-desde "2025-12-11 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 30,
  },
  {
    phase: "2.3",
    flags: '--tiendas tienda_02 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2025-11-23 23:59" --chunk-days 5',
    storeDays: 27,
  },
  {
    phase: "2.4",
    flags: '--tiendas tienda_03 --fecha-desde "2025-12-10 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 31,
  },
  {
    phase: "2.5",
    flags: '--tiendas tienda_05 --fecha-desde "2025-12-16 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 25,
  },
  {
    phase: "2.5",
    flags: '--tiendas tienda_05 --fecha-desde "2025-10-31 00:00" --fecha-hasta "2025-11-23 23:59" --chunk-days 5',
    storeDays: 24,
  },
  {
    phase: "2.6",
    flags: '--tiendas tienda_18 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2025-12-05 23:59" --chunk-days 5',
    storeDays: 39,
  },
  { phase: "3", flags: `--tiendas tienda_16 tienda_15 tienda_13 ${REST}`, storeDays: 222 },
  { phase: "3", flags: `--tiendas tienda_10 tienda_06 tienda_08 ${REST}`, storeDays: 222 },
  { phase: "3", flags: `--tiendas tienda_17 tienda_12 tienda_20 ${REST}`, storeDays: 222 },
  { phase: "3", flags: `--tiendas tienda_19 tienda_04 tienda_09 tienda_01 ${REST}`, storeDays: 296 },
];

/** The 8 commands of the script at the plan's end. */
export const SCRIPT: readonly PublishedCommand[] = [
  {
    phase: "1",
    flags: '--fecha-desde "2026-01-10 00:00" --fecha-hasta "2026-01-25 23:59" --chunk-days 2 --todas',
    storeDays: 304,
  },
  {
    phase: "2.1",
    flags: '--tiendas tienda_11 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 74,
  },
  {
    phase: "2.2",
    flags: '--tiendas tienda_07 --fecha-desde "2025-12-04 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 37,
  },
  {
    phase: "2.3",
    flags: '--tiendas tienda_02 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 74,
  },
  {
    phase: "2.4",
    flags: '--tiendas tienda_03 --fecha-desde "2025-12-10 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 31,
  },
  {
    phase: "2.5",
    flags: '--tiendas tienda_05 --fecha-desde "2025-10-31 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    storeDays: 71,
  },
  {
    phase: "2.6",
    flags: '--tiendas tienda_18 --fecha-desde "2025-10-28 00:00" --fecha-hasta "2025-12-05 23:59" --chunk-days 5',
    storeDays: 39,
  },
  {
    phase: "3",
    flags: `--tiendas tienda_16 tienda_15 tienda_13 tienda_10 tienda_06 tienda_08 tienda_17 tienda_12 tienda_20 tienda_19 tienda_04 tienda_09 tienda_01 ${REST}`,
    storeDays: 962,
  },
];

/** A command line's words as a shell gives them to a program; double quotes keep theirs together. */
export function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
}

import type { OwnRequest } from "../../core/dataset/pipeline.ts";
import { nearestNames, RetrofillError } from "../../core/errors.ts";
import { HOUR, type Instant, MINUTE } from "../../core/time/instant.ts";
import { type DaySpan, endOfLocalMinute } from "../../core/time/local-days.ts";
import { fromLocalMs, localDate, parseDate, startOfLocalDate } from "../../core/time/zone.ts";
import { DISTRIBUTION_CENTRES, STORE_ZONE, STORES } from "./stores.ts";

/** The flags of a sales backfill as they were typed. */
export interface SalesFlags {
  readonly todas?: boolean;
  readonly tiendas?: readonly string[];
  /** `YYYY-MM-DD HH:MM`, local. */
  readonly fechaDesde?: string;
  /** `YYYY-MM-DD HH:MM`, local; that minute belongs to the range. */
  readonly fechaHasta?: string;
  readonly chunkDays?: string;
}

/** What a sales backfill asks for. */
export interface SalesRequest {
  /** Ids in the order given; all 19 when none were. */
  readonly stores: readonly string[];
  /** Half-open; null where no bound was given. */
  readonly from: Instant | null;
  readonly until: Instant | null;
  /** Local days asked for at once; null leaves it to the source. */
  readonly chunkDays: number | null;
}

/**
 * Splits arguments into flags. A flag takes what follows it: `--tiendas` all ids up to the next flag.
 * @throws RetrofillError USAGE for unknown flags, flags given twice and missing values
 */
export function readSalesFlags(args: readonly string[]): SalesFlags {
  const given = new Map<string, readonly string[]>();
  for (let n = 0; n < args.length; ) {
    const flag = args[n] as string;
    const takes = TAKES.get(flag);
    if (takes === undefined) throw usage(`unknown argument ${flag}`, nearestNames(flag, [...TAKES.keys()]));
    if (given.has(flag)) throw usage(`${flag} is given twice`);
    const rest = args.slice(n + 1);
    const next = rest.findIndex((text) => text.startsWith("--"));
    const values = next === -1 ? rest : rest.slice(0, next);
    if (takes === "nothing" && values.length > 0) throw usage(`${flag} takes no value: ${values.join(" ")}`);
    if (takes === "one" && values.length !== 1) throw usage(`${flag} takes one value, not ${values.length}`);
    if (takes === "many" && values.length === 0) throw usage(`${flag} needs at least one store`);
    given.set(flag, values);
    n += 1 + values.length;
  }
  const one = (flag: string): string | undefined => given.get(flag)?.[0];
  const tiendas = given.get("--tiendas");
  const fechaDesde = one("--fecha-desde");
  const fechaHasta = one("--fecha-hasta");
  const chunkDays = one("--chunk-days");
  return {
    ...(given.has("--todas") && { todas: true }),
    ...(tiendas && { tiendas }),
    ...(fechaDesde !== undefined && { fechaDesde }),
    ...(fechaHasta !== undefined && { fechaHasta }),
    ...(chunkDays !== undefined && { chunkDays }),
  };
}

/**
 * What the flags of a sales backfill ask for, as a request's parts: whole local days, the first and the last one too;
 * null when none of them is given. Stores that nobody has declared are the registry's to refuse.
 * @throws RetrofillError USAGE with every problem, KEY_UNKNOWN for distribution centres
 */
export function readOwnFlags(given: Readonly<Record<string, unknown>>): OwnRequest | null {
  const flags = given as SalesFlags;
  const isGiven = (["todas", "tiendas", "fechaDesde", "fechaHasta", "chunkDays"] as const).some(
    (name) => flags[name] !== undefined,
  );
  if (!isGiven) return null;
  const { stores, from, until, chunkDays } = salesRequest(flags, () => true);
  return {
    entries: flags.tiendas === undefined ? null : stores,
    from: from === null ? null : startOfLocalDate(STORE_ZONE, localDate(STORE_ZONE, from)),
    to: until,
    chunkSlots: chunkDays,
  };
}

/**
 * Checks flags and gives what they ask for; `isStore` tells which ids there are, by default those that are declared.
 * @throws RetrofillError USAGE with every problem, KEY_UNKNOWN for stores that there are not
 */
export function salesRequest(
  flags: SalesFlags,
  isStore: (id: string) => boolean = (id) => STORES.some((store) => store.id === id),
): SalesRequest {
  const problems: string[] = [];
  if (flags.todas && flags.tiendas) problems.push("--todas and --tiendas exclude each other");
  const fromMs = minuteOf("--fecha-desde", flags.fechaDesde, problems);
  const lastMs = minuteOf("--fecha-hasta", flags.fechaHasta, problems);
  const from = fromMs === null ? null : fromLocalMs(STORE_ZONE, fromMs);
  const until = lastMs === null ? null : endOfLocalMinute(STORE_ZONE, lastMs);
  if (from !== null && until !== null && from >= until)
    problems.push(`--fecha-hasta ${flags.fechaHasta} comes before --fecha-desde ${flags.fechaDesde}`);
  if (flags.chunkDays !== undefined && !/^[1-9]\d{0,3}$/.test(flags.chunkDays))
    problems.push(`--chunk-days ${flags.chunkDays}: not a number of days from 1 on`);
  if (problems.length > 0) throw usage(problems.join("; "));
  return {
    stores: flags.tiendas
      ? [...new Set(flags.tiendas.map((id) => knownStore(id, isStore)))]
      : STORES.map(({ id }) => id),
    from,
    until,
    chunkDays: flags.chunkDays === undefined ? null : Number(flags.chunkDays),
  };
}

/** The command that asks for whole days; `stores` null for all. */
export function salesCommand(command: {
  readonly stores: readonly string[] | null;
  readonly days: DaySpan;
  readonly chunkDays: number;
}): string {
  const { stores, days, chunkDays } = command;
  return [
    "retrofill run retail",
    stores === null ? "--todas" : `--tiendas ${stores.join(" ")}`,
    `--fecha-desde "${days.first} 00:00"`,
    `--fecha-hasta "${days.last} 23:59"`,
    `--chunk-days ${chunkDays}`,
  ].join(" ");
}

/** How many values each flag takes. */
const TAKES: ReadonlyMap<string, "nothing" | "one" | "many"> = new Map([
  ["--todas", "nothing"],
  ["--tiendas", "many"],
  ["--fecha-desde", "one"],
  ["--fecha-hasta", "one"],
  ["--chunk-days", "one"],
]);

/** Wall-clock milliseconds of the minute that `text` names. */
function minuteOf(flag: string, text: string | undefined, problems: string[]): number | null {
  if (text === undefined) return null;
  const [, date = "", hours = "", minutes = ""] = /^(\d{4}-\d{2}-\d{2}) ([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  try {
    return parseDate(date) + Number(hours) * HOUR + Number(minutes) * MINUTE;
  } catch {
    problems.push(`${flag} ${text}: not a local minute such as "2026-01-25 23:59"`);
    return null;
  }
}

function knownStore(id: string, isStore: (id: string) => boolean): string {
  const isCentre = DISTRIBUTION_CENTRES.some((centre) => centre.id === id);
  if (!isCentre && isStore(id)) return id;
  const ids = STORES.map((store) => store.id);
  const nearest = nearestNames(id, ids).join(", ");
  throw new RetrofillError(
    "KEY_UNKNOWN",
    isCentre ? `${id} is a distribution centre: it has no sales` : `unknown store ${id}`,
    {
      hint: isCentre || nearest === "" ? `stores: ${ids.join(", ")}` : `did you mean ${nearest}?`,
      context: { store: id },
    },
  );
}

function usage(problem: string, nearest: readonly string[] = []): RetrofillError {
  return new RetrofillError("USAGE", problem, {
    hint:
      nearest.length > 0
        ? `did you mean ${nearest.join(", ")}?`
        : '--tiendas tienda_07 --fecha-desde "2025-12-04 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
  });
}

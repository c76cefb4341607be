import { z } from "zod";
import { type StoreCalendar, WEEKDAYS } from "../../core/calendar/store-calendar.ts";
import type { Pipeline, RegistryEntry } from "../../core/dataset/pipeline.ts";
import { type Series, seriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { DAY, type Instant, instant, MINUTE } from "../../core/time/instant.ts";
import { startOfLocalDate } from "../../core/time/zone.ts";
import { readOwnFlags } from "./commands.ts";
import { retailJobs } from "./jobs.ts";
import { STORE_FIELDS } from "./registry.ts";
import { type RetailSettings, sinceOf } from "./settings.ts";
import { calendarOf, DISTRIBUTION_CENTRES, STORE_ZONE, STORES, type StoreDays } from "./stores.ts";
import { ventas } from "./ventas.ts";
import { SALES_COVERAGE_SQL } from "./verification.ts";

const date = z.iso.date("expected a date such as 2025-12-06");
const hours = z.strictObject({ open: z.string(), close: z.string() });
const exception = z.strictObject({ date, hours: z.union([hours, z.literal("usual"), z.null()]), reason: z.string() });

/** What the registry holds of a store, or of a distribution centre. */
const storeAttributes = z.strictObject({
  name: z.string().min(1),
  /** A `cedi` moves goods and sells nothing: it is listed and owes nothing. */
  type: z.enum(["store", "cedi"]).default("store"),
  /** How the source calls it: a branch code in KLK; the paged contract has its own id. */
  branch: z.string().optional(),
  /** The only warehouse whose lines are its sales. */
  warehouse: z.string().optional(),
  region: z.string().optional(),
  hours: z.union([hours, z.record(z.enum(WEEKDAYS), hours.nullable())]).default({ open: "07:00", close: "21:00" }),
  /** First day of trade, and first day without it; it owes nothing outside. */
  opened: date.optional(),
  closed: date.optional(),
  exceptions: z.array(exception).default([]),
  /** Who says so. */
  source: z.string().default("declared by hand"),
});

type StoreAttributes = z.infer<typeof storeAttributes>;

/** Beyond any store's life: lifetimes without a known end reach here. */
const FAR_PAST = instant(Date.UTC(1970, 0, 1));
const FAR_FUTURE = instant(Date.UTC(2100, 0, 1));

/** What the composition root adds to a project's settings: who is asked. */
export interface RetailSources {
  readonly source: "klk" | "sales";
}

/** Sale lines by store and local day, from a store's server. */
export function retailPipeline(settings: RetailSettings & RetailSources): Pipeline {
  return {
    name: "retail",
    description:
      "sale lines of a chain's stores by local day: which store lacks which days, why, and the plan that heals it",
    datasets: [ventas],
    main: ventas.name,
    noun: { one: "store", many: "stores" },
    example: "tienda_21 --name NUEVA --branch SUC020",
    fields: STORE_FIELDS,
    narrowing: { flag: "", part: "", values: [] },
    keyCase: "as-typed",
    zone: STORE_ZONE,
    log: "ventas_postgres",
    flags: readOwnFlags,

    entry(key, attributes) {
      const declared = { ...declaredOf(key), ...attributes };
      const parsed = storeAttributes.safeParse(declared);
      const problems = parsed.success ? [] : parsed.error.issues.map((one) => `${one.path.join(".")}: ${one.message}`);
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key)) problems.push(`"${key}" is no id: letters, digits and . _ -`);
      if (parsed.success) problems.push(...ownProblems(settings, key, parsed.data));
      if (problems.length > 0 || !parsed.success) {
        throw new RetrofillError("CONFIG_INVALID", `store ${key}: ${problems.join("; ")}`, {
          hint: "retrofill stores add tienda_21 --name NUEVA --branch SUC020 --warehouse TNVA --opened 2026-02-01",
        });
      }
      return { key, active: true, attributes: parsed.data };
    },

    series(dataset, entry, now) {
      const own = storeAttributes.parse(entry.attributes);
      return own.type === "cedi" || dataset !== ventas.name ? [] : [storeSeries(settings, entry, own, now)];
    },

    // Every day owes lines: the quantile of silences is for sparse axes. What is judged here is how many came.
    suspects: () => ({ quantile: 0.999, factor: 3, minSessions: 20, thin: settings.thin }),
    restatements: [],
    jobs: retailJobs,
    retired: [],
    verification: [
      { title: "coverage between each store's first and last sale", sql: SALES_COVERAGE_SQL },
      {
        title: "lines that stand twice under one key (none expected)",
        sql: "SELECT ubicacion_id, numero_factura, COUNT(*) as n FROM ventas GROUP BY ubicacion_id, numero_factura HAVING COUNT(*) > 1 LIMIT 20;",
      },
    ],
  };
}

/** Every store and distribution centre of the chain, as the registry holds them. */
export function declaredEntries(pipeline: Pick<Pipeline, "entry">): readonly RegistryEntry[] {
  return [...STORES, ...DISTRIBUTION_CENTRES].map(({ id }) => pipeline.entry(id, {}));
}

/** The attributes of a store that the chain has declared; none for another one. */
function declaredOf(key: string): Readonly<Record<string, unknown>> {
  const { id: _, ...store } = STORES.find(({ id }) => id === key) ?? { id: key };
  const { id: __, ...centre } = DISTRIBUTION_CENTRES.find(({ id }) => id === key) ?? { id: key };
  return { ...store, ...centre, ...(Object.keys(centre).length > 0 ? { type: "cedi" } : {}) };
}

function ownProblems(settings: RetailSources, key: string, own: StoreAttributes): readonly string[] {
  if (own.type === "cedi") return [];
  const problems: string[] = [];
  if (settings.source === "klk" && own.branch === undefined)
    problems.push("branch: KLK knows stores by branch codes only");
  try {
    calendarOf({ id: key, hours: own.hours }, daysOf(own));
  } catch (error) {
    problems.push((error as Error).message);
  }
  return problems;
}

function storeSeries(
  settings: RetailSettings & RetailSources,
  entry: RegistryEntry,
  own: StoreAttributes,
  now: Instant,
): Series {
  return {
    dataset: ventas.name,
    version: ventas.version,
    key: seriesKey([entry.key]),
    parts: { ubicacion_id: entry.key },
    entry: entry.key,
    axis: {
      grid: { grain: "1d", zone: STORE_ZONE },
      calendar: calendarOf({ id: entry.key, hours: own.hours }, daysOf(own)),
      density: "dense",
      settleMs: settings.settleMinutes * MINUTE,
      stamp: { zone: STORE_ZONE, at: "start" },
      lifetime: {
        start: own.opened === undefined ? FAR_PAST : startOfLocalDate(STORE_ZONE, own.opened),
        end: own.closed === undefined ? FAR_FUTURE : startOfLocalDate(STORE_ZONE, own.closed),
      },
      earliest: null,
    },
    since: sinceOf(settings, now),
    source: settings.source,
    lookbackMs: settings.lookbackDays * DAY,
    params: {},
    ask: {
      branch: own.branch ?? "",
      warehouse: own.warehouse ?? "",
    },
  };
}

/** The calendar of a store as the registry holds it. */
export function storeCalendarOf({ key, attributes }: RegistryEntry): StoreCalendar {
  const own = storeAttributes.parse(attributes);
  return calendarOf({ id: key, hours: own.hours }, daysOf(own));
}

function daysOf({ opened, closed, exceptions }: StoreAttributes): StoreDays {
  return {
    ...(opened === undefined ? {} : { opened }),
    ...(closed === undefined ? {} : { closed }),
    exceptions,
  };
}

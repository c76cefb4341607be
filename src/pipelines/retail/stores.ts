import {
  CLOSED_YEARLY,
  type StoreCalendar,
  type StoreHours,
  storeCalendar,
} from "../../core/calendar/store-calendar.ts";
import { type DeclaredException, datedExceptions } from "./day-exceptions.ts";
import { type DeclaredHours, weeklyOf } from "./weekly-hours.ts";

/** Where all of a store's days and hours are local. */
export const STORE_ZONE = "America/Caracas";

/** A store that sells. */
export interface Store {
  readonly id: string;
  readonly name: string;
  /** Its branch code in KLK, whose order is not that of the ids. */
  readonly branch: string;
  /** The sales-floor warehouse by which its sales are filtered. */
  readonly warehouse: string;
  readonly region: string;
  readonly hours: StoreHours;
  /** Who says so. */
  readonly source: string;
}

/** A distribution centre: it moves goods and sells nothing, so its sales are neither owed nor asked for. */
export interface DistributionCentre {
  readonly id: string;
  readonly name: string;
  /** Who says so. */
  readonly source: string;
}

const SOURCE = "declared by the chain";

const USUAL: StoreHours = { open: "07:00", close: "21:00" };
const LATE: StoreHours = { open: "08:00", close: "24:00" };

const VALENCIA = "Valencia";
const CARACAS = "Caracas";

/** The 19 stores; there is no tienda_14. When they opened is not declared. */
export const STORES: readonly Store[] = [
  store("tienda_01", "PERIFERICO", "SUC001", "APP-TPF", VALENCIA),
  store("tienda_02", "AV. BOLIVAR", "SUC007", "TAVBOL", VALENCIA),
  store("tienda_03", "MAÑONGO", "SUC008", "TTMAN", VALENCIA),
  store("tienda_04", "SAN DIEGO", "SUC014", "TSDGO", VALENCIA),
  store("tienda_05", "VIVIENDA", "SUC018", "TVDAS", VALENCIA),
  store("tienda_06", "NAGUANAGUA", "SUC017", "TNGN01", VALENCIA),
  store("tienda_07", "CENTRO", "SUC013", "TCTO", VALENCIA),
  store("tienda_08", "BOSQUE", "SUC002", "APP-TBQ", VALENCIA, LATE),
  store("tienda_09", "GUACARA", "SUC015", "TGUAC", VALENCIA),
  store("tienda_10", "FERIAS", "SUC009", "TFER", VALENCIA),
  store("tienda_11", "FLOR AMARILLO", "SUC012", "TFAMA", VALENCIA),
  store("tienda_12", "PARAPARAL", "SUC016", "TPPRAL", VALENCIA),
  store("tienda_13", "PARAMACAY", "SUC019", "TPMCY", VALENCIA),
  store("tienda_15", "ISABELICA", "SUC006", "TTISBC", VALENCIA),
  store("tienda_16", "TOCUYITO", "SUC010", "TTCYTO", VALENCIA),
  store("tienda_17", "ARTIGAS", "SUC003", "TANT", CARACAS),
  store("tienda_18", "PARAISO", "SUC004", "TPAR", CARACAS),
  store("tienda_19", "GUIGUE", "SUC011", "TGGE", VALENCIA),
  store("tienda_20", "TAZAJAL", "SUC005", "TTZ", VALENCIA),
];

export const DISTRIBUTION_CENTRES: readonly DistributionCentre[] = [
  { id: "cedi_seco", name: "CEDI SECO", source: SOURCE },
  { id: "cedi_frio", name: "CEDI FRIO", source: SOURCE },
  { id: "cedi_verde", name: "CEDI VERDE", source: SOURCE },
  { id: "cedi_caracas", name: "CEDI CARACAS", source: SOURCE },
];

/** What a person has confirmed of one store's days beyond the lists above. */
export interface StoreDays {
  /** First day of trade; `closed` is the first day without it. */
  readonly opened?: string;
  readonly closed?: string;
  readonly exceptions?: readonly DeclaredException[];
}

/**
 * The calendar of a store: its hours by weekday, closed on 25 December and 1 January, and what it declares for a date.
 * @throws RetrofillError CONFIG_INVALID with every problem of what is declared
 */
export function calendarOf(
  { id, hours }: { readonly id: string; readonly hours: DeclaredHours },
  days: StoreDays = {},
): StoreCalendar {
  const weekly = weeklyOf(hours);
  return storeCalendar({
    name: id,
    zone: STORE_ZONE,
    weekly,
    opened: days.opened ?? null,
    closed: days.closed ?? null,
    closedYearly: CLOSED_YEARLY,
    exceptions: datedExceptions(days.exceptions ?? [], weekly),
  });
}

function store(id: string, name: string, branch: string, warehouse: string, region: string, hours = USUAL): Store {
  return { id, name, branch, warehouse, region, hours, source: SOURCE };
}

import type { StoreEntry } from "./sale-directory.ts";
import type { SimulatedStore } from "./simulate.ts";

/** A store of the fixture. Ids, names, branches, warehouses, regions and hours are real; the sizes are made up. */
export type FixtureStore = Omit<StoreEntry, "opened" | "closed"> & SimulatedStore;

/** The chain's stores; there is no tienda_14. */
export const NINETEEN_STORES: readonly FixtureStore[] = [
  store("01", "PERIFERICO", "SUC001", "APP-TPF", "Valencia", 1.3),
  store("02", "AV. BOLIVAR", "SUC007", "TAVBOL", "Valencia", 1.1),
  store("03", "MAÑONGO", "SUC008", "TTMAN", "Valencia", 1),
  store("04", "SAN DIEGO", "SUC014", "TSDGO", "Valencia", 1.1),
  store("05", "VIVIENDA", "SUC018", "TVDAS", "Valencia", 0.9),
  store("06", "NAGUANAGUA", "SUC017", "TNGN01", "Valencia", 1),
  store("07", "CENTRO", "SUC013", "TCTO", "Valencia", 0.9),
  { ...store("08", "BOSQUE", "SUC002", "APP-TBQ", "Valencia", 1.2), opensAt: 8, closesAt: 24 },
  store("09", "GUACARA", "SUC015", "TGUAC", "Valencia", 1),
  store("10", "FERIAS", "SUC009", "TFER", "Valencia", 0.9),
  store("11", "FLOR AMARILLO", "SUC012", "TFAMA", "Valencia", 0.8),
  store("12", "PARAPARAL", "SUC016", "TPPRAL", "Valencia", 0.9),
  store("13", "PARAMACAY", "SUC019", "TPMCY", "Valencia", 1),
  store("15", "ISABELICA", "SUC006", "TTISBC", "Valencia", 1),
  store("16", "TOCUYITO", "SUC010", "TTCYTO", "Valencia", 0.9),
  store("17", "ARTIGAS", "SUC003", "TANT", "Caracas", 1.1),
  store("18", "PARAISO", "SUC004", "TPAR", "Caracas", 0.8),
  store("19", "GUIGUE", "SUC011", "TGGE", "Valencia", 0.8),
  store("20", "TAZAJAL", "SUC005", "TTZ", "Valencia", 1.1),
];

function store(
  number: string,
  name: string,
  branch: string,
  warehouse: string,
  region: string,
  size: number,
): FixtureStore {
  return { id: `tienda_${number}`, name, branch, warehouse, region, opensAt: 7, closesAt: 21, size };
}

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLOSED_DATES, datesOf, missingDays, REPORT_FIRST, REPORT_LAST } from "./missing-days.ts";
import { type FixtureStore, NINETEEN_STORES } from "./nineteen-stores.ts";
import { type SalesManifest, writeSaleCsv, writeSalesManifest } from "./sale-directory.ts";
import { simulateSales } from "./simulate.ts";

export interface RetailFixtureOptions {
  /** Lines of a usual store on a usual day. Default 40; real stores have up to 1,400. */
  readonly linesPerDay?: number;
  /** Decides the amounts; which days are missing does not depend on it. Default 1. */
  readonly seed?: number;
  /** First and last day that the source has. Default the report's, 2025-10-28 and 2026-01-26. */
  readonly from?: string;
  readonly to?: string;
  /** First day of business by store id: the source has nothing before. Default none. */
  readonly opened?: Readonly<Record<string, string>>;
}

/** What the user's table holds before any backfill: the content of `present.json`. */
export interface PresentDays {
  readonly note: string;
  /** Days of the report, both included. */
  readonly from: string;
  readonly to: string;
  readonly closedDates: readonly string[];
  /** Days with data by store id, ascending. */
  readonly days: Readonly<Record<string, readonly string[]>>;
}

export interface RetailFixture {
  /** The present that suits the data, after the report's last day: pin the business clock and the sandbox to it. */
  readonly nowMs: number;
  readonly manifest: SalesManifest;
  readonly present: PresentDays;
}

/** 02:00 in Caracas on the day after the report's. */
const NOW = Date.UTC(2026, 0, 27, 6);

const ZONE = "America/Caracas";

const PRESENT_NOTE =
  "Store-days that the user's table holds before any backfill. The counts, the stretches without data and the closed days " +
  "are those of a real gap report of 2026-01-26; which days are missing inside its scattered stretches it does not say: " +
  "they are drawn.";

/**
 * Writes the 19 stores of a real gap report under `dir`: `sales.json` with simulated lines of every day that the stores
 * were open, which is what the source has, and `present.json`, the days that the user had. The same every time.
 */
export async function writeRetailFixture(dir: string, options: RetailFixtureOptions = {}): Promise<RetailFixture> {
  const { linesPerDay = 40, seed = 1, from = REPORT_FIRST, to = REPORT_LAST, opened = {} } = options;
  const files: SalesManifest["files"] = [];
  for (const store of NINETEEN_STORES) {
    const [, first = from] = [from, opened[store.id] ?? from].sort();
    const rows = simulateSales(store, {
      seed,
      from: first,
      to,
      closedDates: CLOSED_DATES,
      linesPerDay,
    });
    files.push(await writeSaleCsv(dir, `sales/${store.id}.csv.gz`, rows));
  }
  const manifest: SalesManifest = {
    note:
      "Stores, branches and warehouses are real. Every sale is simulated: products, prices, costs, quantities, invoice " +
      "numbers and the exchange rate were made up, and nothing of it happened.",
    source: "simulated by this program (src/sandbox/retail/simulate.ts)",
    simulated: true,
    currency: "USD",
    zone: ZONE,
    stores: NINETEEN_STORES.map((store) => storeEntry(store, opened[store.id])),
    files,
  };
  await writeSalesManifest(dir, manifest);
  const present = presentDays();
  await writeFile(join(dir, "present.json"), `${JSON.stringify(present, null, 2)}\n`);
  return { nowMs: NOW, manifest, present };
}

function storeEntry(store: FixtureStore, opened: string | undefined): SalesManifest["stores"][number] {
  const { id, name, branch, warehouse, region } = store;
  return { id, name, branch, warehouse, region, ...(opened === undefined ? {} : { opened }) };
}

function presentDays(): PresentDays {
  const days = NINETEEN_STORES.map(({ id }) => {
    const missing = missingDays(id);
    return [id, datesOf([REPORT_FIRST, REPORT_LAST]).filter((date) => !missing.includes(date))] as const;
  });
  return {
    note: PRESENT_NOTE,
    from: REPORT_FIRST,
    to: REPORT_LAST,
    closedDates: CLOSED_DATES,
    days: Object.fromEntries(days),
  };
}

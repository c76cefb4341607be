import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sandbox, type SandboxOptions, startSandbox } from "../start-sandbox.ts";
import { type SalesManifest, writeSaleCsv, writeSalesManifest } from "./sale-directory.ts";
import type { SaleRow } from "./sale-line.ts";

/** What a test says of a line; the rest is the usual. */
export type SmallLine = Partial<SaleRow> & { readonly sold_at: string };

const STORE = { id: "tienda_01", name: "PERIFERICO", branch: "SUC001", warehouse: "APP-TPF", region: "Valencia" };

const USUAL: Omit<SaleRow, "sold_at" | "updated_at"> = {
  store: STORE.id,
  invoice: "0001",
  line: 1,
  type: "SALE",
  original_invoice: null,
  original_line: null,
  product: "000101",
  description: 'HARINA "PAN", 1 KG',
  product_group: "VIVERES",
  warehouse: STORE.warehouse,
  quantity: "2.000",
  unit_weight: "1.000",
  unit: "UNIDAD",
  unit_factor: 20,
  unit_price: "3.50",
  unit_cost: "2.8000",
  discount: "0.00",
  total: "8.12",
  cost_total: "5.6000",
  tasa: "250.0000",
  tax_percent: "16.00",
  tax_bs: "280.00",
  version: 1,
};

/** A new directory with these lines in one file; each is known from the moment it was sold unless it says otherwise. */
export async function writeSmallSales(
  lines: readonly SmallLine[],
  manifest: Partial<SalesManifest> = {},
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sandbox-sales-"));
  const rows = lines.map((line): SaleRow => ({ ...USUAL, updated_at: line.sold_at, ...line }));
  const file = await writeSaleCsv(dir, "sales/all.csv.gz", rows);
  await writeSalesManifest(dir, {
    note: "made for a test",
    source: "made for a test",
    simulated: true,
    currency: "USD",
    zone: "America/Caracas",
    stores: [STORE],
    files: [file],
    ...manifest,
  });
  return dir;
}

/** A sandbox over a new directory with these lines. */
export async function startSmallSales(
  lines: readonly SmallLine[],
  options: Omit<SandboxOptions, "dataDir"> = {},
): Promise<Sandbox> {
  return await startSandbox({ dataDir: await writeSmallSales(lines), ...options });
}

/** A line a minute from 08:00 on `date`, each its own invoice, numbered from `first`. */
export function minuteLines(date: string, count: number, first = 1): SmallLine[] {
  return Array.from({ length: count }, (_, i) => {
    const clock = new Date(Date.parse(`${date}T08:00:00Z`) + i * 60_000).toISOString().slice(0, 19);
    return { sold_at: clock.replace("T", " "), invoice: String(first + i).padStart(4, "0"), version: first + i };
  });
}

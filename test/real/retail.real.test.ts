import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { host } from "../../src/main.ts";
import { STORES } from "../../src/pipelines/retail/stores.ts";
import type { SmallLine } from "../../src/sandbox/retail/small-sales.ts";
import { command, days } from "../e2e/kit.ts";
import { retailWorld } from "../e2e/retail-kit.ts";

const data = process.env.RETROFILL_DATA;

/** A real set as a table that somebody had: SQL over its files, and its store-days counted without this program. */
interface RealSet {
  readonly title: string;
  /** Rows of the table, from the folder `:retail`. */
  readonly sql: string;
  /** Local dates with a row by store, read line by line. */
  readonly present: (retail: string) => Promise<ReadonlyMap<string, ReadonlySet<string>>>;
}

const SETS: readonly RealSet[] = [
  {
    title: "daily counts of 41 supermarkets (Favorita), with a day whose clocks jump in 2016",
    sql: `select 's' || store_nbr as ubicacion_id, 'T' || date || '_L1' as numero_factura, date || ' 12:00:00' as fecha_venta,
        'all' as producto_id, transactions as cantidad_vendida, transactions as venta_total
      from read_csv(':retail/favorita/transactions.csv.gz', all_varchar = true)`,
    present: (retail) =>
      presentIn([join(retail, "favorita/transactions.csv.gz")], ([date = "", store]) => [`s${store}`, date]),
  },
  {
    title: "invoice lines of 60 shops (Iowa), which have rows on one or two days a week",
    sql: `select 's' || "Store Number" as ubicacion_id, "Invoice/Item Number" || '_L1' as numero_factura, Date || ' 12:00:00' as fecha_venta,
        "Item Number" as producto_id, "Bottles Sold" as cantidad_vendida, "Sale (Dollars)" as venta_total
      from read_csv(':retail/iowa-liquor/invoice-lines_2019-2022.csv.gz', all_varchar = true)`,
    present: (retail) =>
      presentIn([join(retail, "iowa-liquor/invoice-lines_2019-2022.csv.gz")], ([, date = "", store]) => [
        `s${store}`,
        date,
      ]),
  },
  {
    title: "baskets of a sample of households in groceries (complete journey), most days without one",
    // Store 2954 sold on a day alone when stores are closed: nothing of it is owed, and nothing read.
    sql: `select 's' || store_id as ubicacion_id, basket_id || '_L' || product_id as numero_factura,
        replace(transaction_timestamp, 'Z', '') as fecha_venta, product_id as producto_id,
        quantity as cantidad_vendida, sales_value as venta_total
      from read_csv(':retail/completejourney/transactions.csv.gz', all_varchar = true)
      where store_id <> '2954'`,
    present: async (retail) => {
      const there = await presentIn([join(retail, "completejourney/transactions.csv.gz")], (cells) => [
        `s${cells[1]}`,
        (cells[10] ?? "").slice(0, 10),
      ]);
      there.delete("s2954");
      return there;
    },
  },
  {
    title: "invoice lines of a web shop (UCI), closed on Saturdays, with cancellations",
    sql: `select 'uci' as ubicacion_id, InvoiceNo || '_L' || row_number() over (partition by InvoiceNo order by filename, StockCode) as numero_factura,
        InvoiceDate as fecha_venta, StockCode as producto_id, Quantity as cantidad_vendida,
        (Quantity::decimal(18, 4) * UnitPrice::decimal(18, 4))::decimal(18, 4)::varchar as venta_total
      from read_csv(':retail/uci-online-retail-by-day/*.csv.gz', all_varchar = true, filename = true)`,
    present: async (retail) => {
      const folder = join(retail, "uci-online-retail-by-day");
      const names = (await readdir(folder)).filter((name) => name.endsWith(".csv.gz"));
      return new Map([["uci", new Set(names.map((name) => name.slice(0, 10)))]]);
    },
  },
];

describe.skipIf(data === undefined)("days that real stores lack", () => {
  it.each(SETS)("equal those counted from the files: $title", async ({ sql, present }) => {
    const retail = join(data ?? "", "retail");
    const dir = await mkdtemp(join(tmpdir(), "retail-real-"));
    try {
      const there = await present(retail);
      const dates = [...there.values()].flatMap((own) => [...own]).sort();
      const [first, last] = [dates[0] as string, dates[dates.length - 1] as string];
      const rows = await writeTables(join(dir, "existing"), sql.replaceAll(":retail", retail));
      const now = new Date(Date.parse(`${last}T12:00:00Z`) + 86_400_000).toISOString();
      const pipelines = {
        retail: {
          source: { kind: "klk", baseUrl: "http://127.0.0.1:9" },
          since: first,
          existing: "./existing",
          // These shops' days are as different as they are.
          thin: { minRows: 1_000_000 },
        },
      };
      await writeFile(join(dir, "retrofill.config.ts"), `export default ${JSON.stringify({ now, pipelines })};\n`);
      const json = async (...args: readonly string[]) =>
        (await command(host, ["--project", dir, "--json", ...args])).json;
      await json("stores", "add", ...there.keys(), "--name", "REAL", "--branch", "NONE");

      const run = await json("run", "retail", "--from-files");
      expect(run.calls.made).toBe(0);
      expect(run.rows).toMatchObject({ received: rows, inserted: rows, quarantined: 0 });

      const { gaps } = await json("gaps", "retail");
      const found = new Map<string, number>();
      for (const { key, slots } of gaps as { key: string; slots: number }[])
        found.set(key, (found.get(key) ?? 0) + slots);
      const owed = days(first, last).filter((date) => !/-12-25$|-01-01$/.test(date));
      for (const [store, own] of there) {
        expect([store, found.get(store) ?? 0]).toEqual([store, owed.filter((date) => !own.has(date)).length]);
      }
      const again = await json("run", "retail", "--from-files");
      expect(again.rows.received).toBe(0);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe.skipIf(data === undefined)("sales of real stores that are asked from an endpoint", () => {
  /** Three groceries under the names of stores of ours. */
  const NAMES: Readonly<Record<string, string>> = { "356": "tienda_01", "292": "tienda_02", "343": "tienda_03" };

  it.each(["klk", "sales"] as const)(
    "come as they were sold, by the %s contract (complete journey)",
    async (contract) => {
      const known = STORES.filter(({ id }) => Object.values(NAMES).includes(id)).map(
        ({ id, name, branch, warehouse, region }) => ({ id, name, branch, warehouse, region }),
      );
      const text = gunzipSync(
        await readFile(join(data ?? "", "retail/completejourney/transactions.csv.gz")),
      ).toString();
      const sold = text
        .split("\n")
        .slice(1)
        .map((line) => line.split(","))
        .filter(([, store = "", , , , , , , , , at = ""]) => store in NAMES && at < "2017-07-01");
      const lines = sold.map(
        ([, store = "", basket = "", product = "", quantity = "", value = "", , , , , at = ""], i): SmallLine => {
          const own = known.find(({ id }) => id === NAMES[store]);
          return {
            store: own?.id ?? "",
            warehouse: own?.warehouse ?? "",
            sold_at: at.slice(0, 19).replace("T", " "),
            invoice: basket,
            line: i + 1,
            product,
            quantity,
            total: value,
            version: i + 1,
          };
        },
      );
      await using world = await retailWorld(lines, {
        now: "2017-07-01T06:00:00Z",
        contract,
        stores: known.map(({ id }) => id),
        manifest: { stores: known },
        retail: { since: "2017-01-02", chunkDays: 5, repairRounds: 1 },
      });
      const asked = sold.filter(([, , , , , , , , , , at = ""]) => at >= "2017-01-02");
      expect(asked.length).toBeGreaterThan(1_000);
      const run = await world.json("run", "retail");
      expect(run.json.rows).toMatchObject({ inserted: asked.length, quarantined: 0, retracted: 0 });
      const [row] = await world.rows("select count(*)::int as n, sum(venta_total)::varchar as total from ventas");
      const cents = asked.reduce((sum, [, , , , , value = "0"]) => sum + Math.round(Number(value) * 100), 0);
      expect([row?.n, Math.round(Number(row?.total) * 100)]).toEqual([asked.length, cents]);
      const again = await world.json("run", "retail", "--again");
      expect(again.json.rows).toMatchObject({ inserted: 0, updated: 0, retracted: 0, unchanged: asked.length });
    },
  );
});

/** One file a store with the columns that a `ventas` table is exported with; returns the rows of all. */
async function writeTables(to: string, sql: string): Promise<number> {
  await mkdir(to);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(`create table all_rows as select *, null as almacen_codigo, null as almacen_nombre,
      null as cuadrante_producto, null as peso_unitario, null as unidad_medida_venta, null as factor_unidad_medida,
      null as precio_unitario, null as costo_unitario, null as costo_total from (${sql})`);
    const stores = await connection.runAndReadAll("select distinct ubicacion_id from all_rows order by 1");
    for (const [store] of stores.getRows()) {
      await connection.run(
        `copy (select * from all_rows where ubicacion_id = '${store}') to '${to}/${store}.csv.gz' (header, compression gzip)`,
      );
    }
    const counted = await connection.runAndReadAll("select count(*) from all_rows");
    return Number(counted.getRows()[0]?.[0]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function presentIn(
  files: readonly string[],
  read: (cells: readonly string[]) => readonly [string, string],
): Promise<Map<string, Set<string>>> {
  const present = new Map<string, Set<string>>();
  for (const file of files) {
    const lines = gunzipSync(await readFile(file))
      .toString("utf8")
      .split("\n")
      .slice(1)
      .filter(Boolean);
    for (const line of lines) {
      const [store, date] = read(line.split(","));
      const own = present.get(store) ?? new Set();
      present.set(store, own.add(date));
    }
  }
  return present;
}

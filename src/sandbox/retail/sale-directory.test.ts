import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, describe, expect, it } from "vitest";
import { DataDirectoryError } from "../data-directory.ts";
import { ask, minuteCandles, writeSmallWorld } from "../small-world.ts";
import { type Sandbox, startSandbox } from "../start-sandbox.ts";
import { openSaleDirectory, type SalesManifest, writeSalesManifest } from "./sale-directory.ts";
import { minuteLines, type SmallLine, writeSmallSales } from "./small-sales.ts";

const SALE: SmallLine = { sold_at: "2026-01-10 11:30:17.7514927" };
const QUERY = "/api/v1/stores/tienda_01/sales?from=2026-01-10T00:00&to=2026-01-11T00:00";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function serve(dataDir: string): Promise<Sandbox> {
  const sandbox = await startSandbox({ dataDir });
  opened.push(sandbox);
  return sandbox;
}

describe("a manifest", () => {
  it("is refused with every problem it has", async () => {
    const store = { id: "tienda_01", name: "A", branch: "SUC001", warehouse: "W", region: "R" };
    const dir = await writeSmallSales([SALE], {
      zone: "America/Valencia",
      stores: [store, { ...store, branch: "1", opened: "2026-02-30" }],
      files: [{ file: "../sales.csv", rows: 1 }],
    });
    const problems = await problemsOf(() => openSaleDirectory(dir));
    const expected = ["zone", "stores.1.branch", "stores.1.opened", "files.0.file"];
    for (const path of expected) expect(problems.some((problem) => problem.includes(` ${path}:`))).toBe(true);
    const twice = await writeSmallSales([SALE], { stores: [store, { ...store, branch: "SUC002" }] });
    expect(await problemsOf(() => openSaleDirectory(twice))).toEqual([
      "sales.json stores.1.id: tienda_01 is already stores[0]",
    ]);
  });

  it("is refused with a field that nobody reads, and without a file it names", async () => {
    const dir = await writeSmallSales([SALE]);
    await writeFile(join(dir, "sales.json"), JSON.stringify({ stores: [], extra: 1 }));
    expect((await problemsOf(() => openSaleDirectory(dir))).join()).toContain("extra");
    const without = await writeSmallSales([SALE]);
    await rm(join(without, "sales/all.csv.gz"));
    expect(await problemsOf(() => openSaleDirectory(without))).toEqual([
      "sales.json files.0.file: sales/all.csv.gz is not there",
    ]);
  });
});

describe("lines", () => {
  const problemsWith = async (lines: readonly SmallLine[], manifest: Partial<SalesManifest> = {}) => {
    const directory = await openSaleDirectory(await writeSmallSales(lines, manifest));
    try {
      return await problemsOf(() => directory.book(null));
    } finally {
      await directory.close();
    }
  };

  it.each([
    ["of another number than the manifest says", [SALE], /holds 1 rows, the manifest says 3/, { rows: 3 }],
    ["of a store that is not there", [{ ...SALE, store: "tienda_99" }], /the store is not in the manifest/],
    ["of an unknown type", [{ ...SALE, type: "GIFT" }], /type is not SALE/],
    ["with a time of another form", [{ ...SALE, sold_at: "2026-01-10T11:30:17" }], /a time is not like/],
    ["with an empty column", [{ ...SALE, quantity: null }], /a column is empty/],
    ["that are there twice", [SALE, SALE], /the version is there twice, for example tienda_01 0001 1 version 1/],
    ["that move in time", [SALE, { sold_at: "2026-01-10 12:00:00", version: 2 }], /versions differ in sold_at/],
    ["with a number that is not one", [{ ...SALE, total: "a lot" }], /sales\/all.csv.gz: .*a lot/],
  ] as const)("%s are refused", async (_, lines, problem, file?: { rows: number }) => {
    const manifest = file === undefined ? {} : { files: [{ file: "sales/all.csv.gz", ...file }] };
    expect((await problemsWith(lines, manifest)).join()).toMatch(problem);
  });

  it("are refused where two files hold the same one", async () => {
    const file = { file: "sales/all.csv.gz", rows: 1 };
    expect(await problemsWith([SALE], { files: [file, file] })).toEqual([
      "the line is in two files, for example tienda_01 0001 1 version 1",
    ]);
  });

  it("are refused without their columns", async () => {
    const dir = await writeSmallSales([SALE]);
    await writeFile(join(dir, "sales/all.csv"), "store,invoice\na,b\n");
    const manifest = await openSaleDirectory(dir);
    await writeSalesManifest(dir, { ...manifest.manifest, files: [{ file: "sales/all.csv", rows: 1 }] });
    const directory = await openSaleDirectory(dir);
    expect((await problemsOf(() => directory.book(null))).join()).toMatch(/column line, type, .* missing/);
    await directory.close();
  });

  it("of a Parquet file are served as those of a CSV", async () => {
    const dir = await writeSmallSales([SALE, ...minuteLines("2026-01-10", 5, 10)]);
    const expected = (await ask(await serve(dir), QUERY)).body.lines;
    const database = await DuckDBInstance.create(":memory:");
    const connection = await database.connect();
    await connection.run(
      `copy (select * from read_csv('${dir}/sales/all.csv.gz', all_varchar = true)) to '${dir}/all.parquet' (format parquet)`,
    );
    connection.closeSync();
    const { manifest } = await openSaleDirectory(dir);
    await writeSalesManifest(dir, { ...manifest, files: [{ file: "all.parquet", rows: 6 }] });
    expect((await ask(await serve(dir), QUERY)).body.lines).toEqual(expected);
  });
});

describe("a directory", () => {
  it("with both manifests answers under every contract", async () => {
    const dir = await writeSmallWorld([
      { symbol: "AAPL", timeframe: "1m", candles: minuteCandles("2026-01-09T15:00:00Z", 10) },
    ]);
    await cp(await writeSmallSales([SALE]), dir, { recursive: true });
    const sandbox = await serve(dir);
    const bars = await ask(sandbox, "/v2/aggs/ticker/AAPL/range/1/minute/2026-01-09/2026-01-09?adjusted=false");
    expect(bars.body.resultsCount).toBe(10);
    expect((await ask(sandbox, "/api/v1/stores")).body.stores).toHaveLength(1);
    const ventas = { sucursal: "SUC001", fecha_desde: "2026-01-10", fecha_hasta: "2026-01-10" };
    await fetch(`${sandbox.url}/ventas`, { method: "POST", body: JSON.stringify(ventas) });
    await ask(sandbox, "/api/v3/klines?symbol=BTCUSDT&interval=1h");
    await ask(sandbox, "/stable/earnings?symbol=AAPL&apikey=k");
    expect(sandbox.report()).toMatchObject({
      byPath: { aggregates: 1, stores: 1, ventas: 1, klines: 1, earnings: 1 },
      byStatus: { 200: 4, 400: 1 },
      problems: [],
    });
  });

  it("with only sales answers for no candles", async () => {
    const sandbox = await serve(await writeSmallSales([SALE]));
    expect((await ask(sandbox, QUERY)).body.page.count).toBe(1);
    expect((await ask(sandbox, "/v2/aggs/ticker/AAPL/range/1/minute/2026-01-09/2026-01-09")).status).toBe(404);
  });

  it("tells what is wrong with a file that was asked for", async () => {
    const sandbox = await serve(await writeSmallSales([SALE, SALE]));
    expect((await ask(sandbox, QUERY)).status).toBe(500);
    expect(sandbox.report().problems).toEqual([expect.stringContaining("is there twice")]);
  });
});

async function problemsOf(open: () => Promise<unknown>): Promise<readonly string[]> {
  const thrown = await open().then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(thrown).toBeInstanceOf(DataDirectoryError);
  return (thrown as DataDirectoryError).problems;
}

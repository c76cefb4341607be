import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdbStore, STORE_DEFAULTS } from "../src/adapters/store/duckdb-store.ts";
import { dueSet } from "../src/core/dataset/axis.ts";
import type { Series } from "../src/core/dataset/series.ts";
import { addSlots, slotAt } from "../src/core/time/grid.ts";
import { DAY, instant } from "../src/core/time/instant.ts";
import type { Interval } from "../src/core/time/interval.ts";
import { normalize } from "../src/core/time/interval-set.ts";
import { parseDate } from "../src/core/time/zone.ts";
import { layoutOf } from "../src/engine/fetch/layout.ts";
import type { ObjectRecord } from "../src/engine/ledger-port.ts";
import type { PublishRequest } from "../src/engine/store-port.ts";
import { host } from "../src/main.ts";
import { retailPipeline } from "../src/pipelines/retail/retail.ts";
import { retailSettings } from "../src/pipelines/retail/settings.ts";
import { STORES } from "../src/pipelines/retail/stores.ts";
import { ventas } from "../src/pipelines/retail/ventas.ts";
import { klkLines } from "../src/sandbox/retail/klk-bodies.ts";
import type { SaleLine } from "../src/sandbox/retail/sale-line.ts";
import { klkSource } from "../src/sources/klk/klk.ts";
import { command } from "../test/e2e/kit.ts";
import { type Cost, timed, wave } from "./kit/cost.ts";

// A chain of 20 stores. First its sale lines, from stored answers of two days each to rows of `ventas`: published into an
// empty file, published again with nothing changed, and made anew as `reprocess` does where the file is gone; beside it
// DuckDB alone, which reads the same answers with typed columns and inserts the same columns. Then five years of days
// in a project: its gap report, and a run with nothing to do, each in this process.
//
//     node --import tsx bench/retail.ts [lines] [rounds] [years]     default: 1000000 3 5; 0 leaves a part out

const [lines = 1_000_000, rounds = 3, years = 5] = process.argv.slice(2).map(Number);
const DAYS_AN_ANSWER = 2;
/** Of one store: 20 stores sell 10 million lines in 365 days. */
const LINES_A_DAY = 1_370;
/** Publications are cut as runs cut them: after so many rows. */
const PUBLISH_ROWS = 1_000_000;
/** 02:00 in Caracas. */
const NOW = instant(Date.UTC(2026, 0, 13, 6));
const TODAY = Date.UTC(2026, 0, 13);

/** The last one is not the chain's: it has 19. */
const stores = [...STORES.map(({ id, branch, warehouse }) => ({ id, branch, warehouse }))];
stores.push({ id: "tienda_21", branch: "SUC020", warehouse: "TNVA" });

const folder = await mkdtemp(join(tmpdir(), "retrofill-retail-"));
try {
  if (lines > 0) await measureLines();
  if (years > 0) await measureDays();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measureLines(): Promise<void> {
  const settings = retailSettings.parse({});
  const pipeline = retailPipeline({ ...settings, source: "klk" });
  const answers = await makeAnswers(pipeline);
  const count = answers.reduce((n, { object }) => n + object.rows, 0);
  const request: PublishRequest = {
    chunkId: "",
    fence: 1,
    dataset: ventas,
    sources: new Map([["klk", { system: "klk", records: klkSource().records, match: null }]]),
    objects: answers.map(({ object }) => object),
    series: [...new Set(answers.map(({ series }) => series))].map((series) => {
      const answered = normalize(answers.filter((one) => one.series === series).map(({ object }) => object.answered));
      return { series, answered, due: answered.flatMap((span) => dueSet(series.axis, span, NOW)) };
    }),
    suspects: pipeline.suspects(ventas.name),
    restore: new Map(),
  };
  const [bare, first, again, anew]: [Cost[], Cost[], Cost[], Cost[]] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    bare.push(await timed(() => bareInsert(answers, count)));
    const path = join(folder, `${randomUUID()}.duckdb`);
    first.push(await timed(() => publishAll(path, request, { expected: "inserted", count })));
    again.push(await timed(() => publishAll(path, request, { expected: "unchanged", count })));
    await rm(path);
    anew.push(await timed(() => rebuild(path, request, count)));
    await rm(path);
  }
  const line = (costs: readonly Cost[]) => {
    const best = (of: keyof Cost, all: readonly Cost[]): number => Math.min(...all.map((cost) => cost[of]));
    return {
      "best ms": Math.round(best("ms", costs)),
      "M lines/s": Number((count / best("ms", costs) / 1_000).toFixed(3)),
      ratio: Number((best("ms", costs) / best("ms", bare)).toFixed(2)),
      "CPU ratio": Number((best("cpuMs", costs) / best("cpuMs", bare)).toFixed(2)),
    };
  };
  const megabytes = Math.round(answers.reduce((n, { object }) => n + object.bytes, 0) / 1e6);
  console.log(
    `${count} lines of ${stores.length} stores in ${answers.length} answers, ${megabytes} MB of JSON, ${rounds} rounds (target: 0.25 M lines/s)`,
  );
  console.table({
    "DuckDB read + insert": line(bare),
    "first publication": line(first),
    "again, nothing changed": line(again),
    "reprocess, file gone": line(anew),
  });
  console.log(`peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
}

async function publishAll(
  path: string,
  request: PublishRequest,
  { expected, count }: { readonly expected: "inserted" | "unchanged"; readonly count: number },
): Promise<void> {
  const store = openStore(path);
  let sum = 0;
  for (const objects of partsOf(request.objects)) {
    const { counts } = await store.publish({ ...request, chunkId: randomUUID(), objects });
    sum += counts[expected];
  }
  if (sum !== count) throw new Error(`${count} lines should be ${expected}, ${sum} were`);
}

async function rebuild(path: string, request: PublishRequest, count: number): Promise<void> {
  const { counts } = await openStore(path).rebuild({
    ...request,
    chunkId: randomUUID(),
    groupRows: PUBLISH_ROWS,
    publications: [],
  });
  if (counts.inserted !== count) throw new Error(`${count} lines should be inserted: ${JSON.stringify(counts)}`);
}

function partsOf(objects: readonly ObjectRecord[]): readonly (readonly ObjectRecord[])[] {
  const parts: ObjectRecord[][] = [[]];
  let rows = 0;
  for (const object of objects) {
    if (rows >= PUBLISH_ROWS) {
      parts.push([]);
      rows = 0;
    }
    parts.at(-1)?.push(object);
    rows += object.rows;
  }
  return parts;
}

function openStore(path: string) {
  const lock = {
    hold: <T>(_purpose: string, _waitMs: number, work: (fence: number) => Promise<T>) => work(1),
    holder: async () => null,
  };
  return duckdbStore({ path, bronze: folder, history: join(folder, "history"), lock });
}

interface StoredAnswer {
  readonly series: Series;
  readonly object: ObjectRecord;
}

/** Answers of two days each up to today, all stores by turns, as a run from the newest day asks them. */
async function makeAnswers(pipeline: ReturnType<typeof retailPipeline>): Promise<readonly StoredAnswer[]> {
  const turns = Math.max(1, Math.round(lines / stores.length / LINES_A_DAY / DAYS_AN_ANSWER));
  const all = stores.map((store) => {
    const entry = pipeline.entry(store.id, { name: store.id, branch: store.branch, warehouse: store.warehouse });
    const [series] = pipeline.series(ventas.name, entry, NOW);
    if (!series) throw new Error("unreachable: a store has one series");
    return { store, series };
  });
  const made: StoredAnswer[] = [];
  for (let turn = 0; turn < turns; turn++) {
    for (const { store, series } of all) {
      const { grid } = series.axis;
      const end = addSlots(grid, slotAt(grid, NOW).start, -turn * DAYS_AN_ANSWER);
      const answered = { start: addSlots(grid, end, -DAYS_AN_ANSWER), end };
      const first = TODAY - (turn + 1) * DAYS_AN_ANSWER * DAY;
      const dates = Array.from({ length: DAYS_AN_ANSWER }, (_, i) => isoDate(first + i * DAY));
      const sales = dates.flatMap((date) => salesOf(store, date, LINES_A_DAY));
      made.push({ series, object: await makeAnswer(series, answered, { ordinal: made.length + 1, store, sales }) });
    }
  }
  return made;
}

async function makeAnswer(
  series: Series,
  answered: Interval,
  { ordinal, store, sales }: { readonly ordinal: number; readonly store: Asked; readonly sales: readonly SaleLine[] },
): Promise<ObjectRecord> {
  const body = bodyOf(store, sales);
  const path = `${randomUUID()}.json.gz`;
  await writeFile(join(folder, path), gzipSync(body, { level: 1 }));
  return {
    ordinal,
    id: path,
    chunkId: `r1.${ordinal}`,
    runId: "r1",
    dataset: ventas.name,
    version: ventas.version,
    key: series.key,
    keys: [series.key],
    source: "klk",
    page: 0,
    target: path,
    path,
    sha256: "",
    bytes: Buffer.byteLength(body),
    oneLine: true,
    answered,
    rows: sales.length,
    strict: true,
    layout: layoutOf(JSON.parse(body), klkSource().records),
    businessNow: NOW,
    receivedAt: NOW,
  };
}

/** What DuckDB needs for the same columns without any of the engine's promises. */
async function bareInsert(answers: readonly StoredAnswer[], count: number): Promise<void> {
  const path = join(folder, `${randomUUID()}.duckdb`);
  const instance = await DuckDBInstance.create(path, {
    memory_limit: STORE_DEFAULTS.memoryLimit,
    threads: String(STORE_DEFAULTS.threads),
    preserve_insertion_order: "false",
  });
  const connection = await instance.connect();
  await connection.run(`create table ventas (${ventas.columns.map(({ name, type }) => `${name} ${type}`).join(", ")})`);
  const money = "DECIMAL(18,4)";
  const record = `STRUCT(numero_factura VARCHAR, linea BIGINT, fecha DATE, hora VARCHAR, tasa_usd ${money},
    producto STRUCT(codigo_producto VARCHAR, descripcion_producto VARCHAR, grupo_articulo VARCHAR, cuadrante_producto VARCHAR)[],
    cantidad STRUCT(codigo_almacen VARCHAR, nombre_almacen VARCHAR, cantidad_vendida ${money}, peso_unitario ${money},
      unidad_medida_venta VARCHAR, factor_unidad_medida ${money})[],
    financiero STRUCT(precio_unitario_usd ${money}, costo_unitario_usd ${money}, venta_total_usd ${money},
      costo_total_usd ${money}, monto_descuento ${money}, impuesto_monto ${money})[])`;
  const files = answers.map(({ object }) => `'${join(folder, object.path)}'`).join(", ");
  await connection.run(`insert into ventas
    select sucursal, fecha + interval 4 hour, numero_factura || '_L' || linea, fecha + hora::time, c.codigo_almacen,
      c.nombre_almacen, p.codigo_producto, p.descripcion_producto, p.grupo_articulo, p.cuadrante_producto,
      c.cantidad_vendida, c.peso_unitario, c.peso_unitario * c.cantidad_vendida,
      c.cantidad_vendida * c.factor_unidad_medida, c.unidad_medida_venta, c.factor_unidad_medida, f.precio_unitario_usd,
      f.costo_unitario_usd, f.venta_total_usd, f.costo_total_usd, f.venta_total_usd - f.costo_total_usd,
      case when f.venta_total_usd > 0
        then round(100.0 * (f.venta_total_usd - f.costo_total_usd) / f.venta_total_usd, 2) else 0 end,
      f.monto_descuento, null, f.impuesto_monto, 'USD', tasa_usd,
      case when c.cantidad_vendida < 0 then 'RETURN' else 'SALE' end, 'CLOSED', null, null, null, 'klk',
      fecha::timestamp, 1
    from (select sucursal, r.*, r.producto[1] as p, r.cantidad[1] as c, r.financiero[1] as f
      from (select meta.sucursal as sucursal, unnest(ventas) as r
        from read_json([${files}], columns = {meta: 'STRUCT(sucursal VARCHAR)', ventas: '${record}[]'},
          format = 'newline_delimited', maximum_object_size = 4194304, compression = 'gzip')))`);
  const stored = await connection.runAndReadAll("select count(*) from ventas");
  connection.closeSync();
  instance.closeSync();
  await rm(path);
  if (Number(stored.getRows()[0]?.[0]) !== count) throw new Error(`DuckDB alone should have stored ${count} lines`);
}

async function measureDays(): Promise<void> {
  const first = isoDate(TODAY - years * 365 * DAY);
  const server = await startServer();
  const dir = join(folder, "project");
  try {
    await writeProject(dir, { first, port: (server.address() as AddressInfo).port });
    await ask(dir, "stores", "add", ...stores.slice(0, -1).map(({ id }) => id));
    const { id, branch, warehouse } = stores.at(-1) as Asked;
    await ask(dir, "stores", "add", id, "--name", "NUEVA", "--branch", branch, "--warehouse", warehouse);
    const filled = await timed(() => ask(dir, "run", "retail", "--yes"));
    console.log(`${stores.length} stores, ${years} years from ${first}: filled in ${(filled.ms / 1_000).toFixed(1)} s`);
    // The days that stayed empty are asked once more; after that there is nothing to do.
    const report = join(dir, "plan.md");
    const gaps = await repeated(() => ask(dir, "gaps", "retail", "--report", report));
    const missing = await ask(dir, "gaps", "retail");
    await ask(dir, "run", "retail", "--yes");
    const calls: number[] = [];
    const rerun = await repeated(async () => {
      calls.push(((await ask(dir, "run", "retail", "--yes")) as RunDocument).calls.made);
    });
    console.log(`gap report over ${JSON.stringify(missing).length} characters of gaps, and a run with nothing to do`);
    console.table({
      "gaps retail --report (target: under 1 s)": gaps,
      "run retail again (target: under 1 s, 0 calls)": { ...rerun, calls: Math.max(...calls) },
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface RunDocument {
  readonly calls: { readonly made: number };
}

/** A command in this process; its document. */
async function ask(dir: string, ...args: readonly string[]): Promise<unknown> {
  const { exit, err, json } = await command(host, ["--project", dir, "--json", "--quiet", ...args]);
  // 3: days are missing.
  if (exit !== 0 && exit !== 3) throw new Error(`retrofill ${args.join(" ")} ended with ${exit}: ${err}`);
  return json;
}

async function repeated(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const costs: Cost[] = [];
  for (let round = 0; round < Math.max(rounds, 3); round++) costs.push(await timed(work));
  const sorted = costs.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    "best ms": Math.round(sorted[0] ?? Number.NaN),
    "median ms": Math.round(sorted[sorted.length >> 1] ?? Number.NaN),
    "CPU ms": Math.round(Math.min(...costs.map(({ cpuMs }) => cpuMs))),
  };
}

async function writeProject(dir: string, { first, port }: { first: string; port: number }): Promise<void> {
  const retail = {
    since: first,
    chunkDays: 183,
    concurrency: 8,
    lookbackDays: 0,
    repairRounds: 0,
    source: { kind: "klk", baseUrl: `http://127.0.0.1:${port}`, limit: "100000/s" },
  };
  await mkdir(dir, { recursive: true });
  const config = { now: new Date(NOW).toISOString(), pipelines: { retail } };
  await writeFile(join(dir, "retrofill.config.ts"), `export default ${JSON.stringify(config, null, 2)};\n`);
}

/** One line a day of each store, none on every 29th day and in a week that all stores lack. */
async function startServer(): Promise<Server> {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const { sucursal, fecha_desde: from, fecha_hasta: to } = JSON.parse(text) as Readonly<Record<string, string>>;
    const no = stores.findIndex(({ branch }) => branch === sucursal);
    const store = stores[no];
    if (!store || from === undefined || to === undefined) throw new Error(`not a question of this benchmark: ${text}`);
    const sales: SaleLine[] = [];
    for (let at = parseDate(from); at <= parseDate(to); at += DAY) {
      const day = at / DAY;
      const isMissing = (day + 3 * no) % 29 === 0 || (at < TODAY - 30 * DAY && at >= TODAY - 37 * DAY);
      if (!isMissing) sales.push(...salesOf(store, isoDate(at), 1));
    }
    response.setHeader("content-type", "application/json");
    response.end(bodyOf(store, sales));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

type Asked = (typeof stores)[number];

/** An answer as the endpoint gives it. */
function bodyOf({ branch, id }: Asked, sales: readonly SaleLine[]): string {
  const meta = { sucursal: branch, total_registros: sales.length };
  return JSON.stringify({ meta, ventas: klkLines(sales, { parts: "arrays", warehouseName: id, branchOf: null }) });
}

/** `count` lines over a store's opening hours, five an invoice, numbered anew each day as in no store: the day is a key too. */
function salesOf({ id, warehouse }: Asked, date: string, count: number): readonly SaleLine[] {
  return Array.from({ length: count }, (_, i): SaleLine => {
    const soldAt = `${date} ${new Date(TODAY + (8 * 3_600 + (i * 43_200) / count) * 1_000).toISOString().slice(11, 19)}`;
    const quantity = 1 + (i % 7);
    const price = 1 + wave(i) * 20;
    const product = Math.floor(wave(i + 3) * 5_000);
    return {
      store: id,
      invoice: String(1 + Math.floor(i / 5)).padStart(6, "0"),
      line: 1 + (i % 5),
      type: "SALE",
      originalInvoice: null,
      originalLine: null,
      soldAt,
      at: 0,
      product: String(product).padStart(6, "0"),
      description: `PRODUCTO ${product}, 1 KG`,
      group: `GRUPO ${product % 20}`,
      warehouse,
      quantity: quantity.toFixed(3),
      unitWeight: "1.000",
      unit: "UNIDAD",
      unitFactor: "12",
      unitPrice: price.toFixed(2),
      unitCost: (price * 0.8).toFixed(4),
      discount: "0.00",
      total: (price * quantity * 1.16).toFixed(2),
      costTotal: (price * quantity * 0.8).toFixed(4),
      tax: (price * quantity * 0.16).toFixed(2),
      taxPercent: "16.00",
      taxBs: (price * quantity * 40).toFixed(2),
      tasa: "250.0000",
      version: i + 1,
      updatedAt: 0,
    };
  });
}

function isoDate(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { isOneLine } from "../src/adapters/bronze/bronze.ts";
import { duckdbStore, STORE_DEFAULTS } from "../src/adapters/store/duckdb-store.ts";
import { dueSet } from "../src/core/dataset/axis.ts";
import type { Series } from "../src/core/dataset/series.ts";
import { slotsIn } from "../src/core/time/grid.ts";
import { DAY, type Instant, instant, MINUTE } from "../src/core/time/instant.ts";
import type { Interval } from "../src/core/time/interval.ts";
import { normalize } from "../src/core/time/interval-set.ts";
import type { ObjectRecord } from "../src/engine/ledger-port.ts";
import type { Receipt, Store } from "../src/engine/store-port.ts";
import { marketData } from "../src/pipelines/ohlcv/market-data.ts";
import { type AssetClass, ohlcvSettings } from "../src/pipelines/ohlcv/settings.ts";
import { polygonSource } from "../src/sources/polygon/polygon.ts";
import { candlesOnly } from "../test/candles-only.ts";
import { type Cost, median, timed, wave } from "./kit/cost.ts";

// Bronze JSON to published rows: gzip bodies of 50,000 minute bars as Polygon sends them, through staging, checks,
// comparison, rows, receipt and the search for holes; beside it DuckDB alone, which reads the same files with typed
// columns and inserts them. Both open and close their file each time, with the same settings, in turn.

const BARS = 50_000;
const ROUNDS = 5;
const NOW = instant(Date.UTC(2026, 0, 1));
const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const source = polygonSource();

const folder = await mkdtemp(join(tmpdir(), "retrofill-publish-"));
try {
  if (process.argv[2] === "memory") await fillFiveMillion();
  else {
    await compare("25 bodies, 5 coins", "crypto", { symbols: 5, bodies: 5 });
    await compare("25 bodies, 5 stocks", "stock", { symbols: 5, bodies: 5 });
    const self = fileURLToPath(import.meta.url);
    spawnSync(process.execPath, [...process.execArgv, self, "memory"], { stdio: "inherit" });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function compare(title: string, market: AssetClass, size: { symbols: number; bodies: number }): Promise<void> {
  const objects = await makeBodies(market, size);
  const rows = objects.length * BARS;
  const [bare, first, again]: [Cost[], Cost[], Cost[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await timed(() => bareInsert(objects)));
    const { store, path } = openStore();
    first.push(await timed(() => publish(store, objects, { expected: "inserted" })));
    again.push(await timed(() => publish(store, objects, { expected: "unchanged" })));
    await rm(path);
  }
  const line = (costs: readonly Cost[]) => {
    const best = (of: keyof Cost, all: readonly Cost[]): number => Math.min(...all.map((cost) => cost[of]));
    return {
      "best ms": Math.round(best("ms", costs)),
      "M rows/s": Number((rows / best("ms", costs) / 1_000).toFixed(2)),
      ratio: Number((best("ms", costs) / best("ms", bare)).toFixed(2)),
      "median ratio": Number(median(costs.map(({ ms }, i) => ms / (bare[i] as Cost).ms)).toFixed(2)),
      "CPU ratio": Number((best("cpuMs", costs) / best("cpuMs", bare)).toFixed(2)),
    };
  };
  console.log(`${title}, ${rows / 1e6} M minute bars, ${ROUNDS} rounds (target: 1.5 times DuckDB alone)`);
  console.table({
    "DuckDB read + insert": line(bare),
    "first publication": line(first),
    "again, nothing changed": line(again),
  });
}

async function fillFiveMillion(): Promise<void> {
  const { store } = openStore();
  for (let part = 0; part < 4; part++) {
    await publish(store, await makeBodies("crypto", { symbols: 5, bodies: 5, part }), { expected: "inserted" });
  }
  const alone = process.resourceUsage().maxRSS / 1024;
  const { store: other } = openStore();
  const all = await makeBodies("crypto", { symbols: 10, bodies: 10 });
  await publish(other, all, { expected: "inserted" });
  const together = process.resourceUsage().maxRSS / 1024;
  console.log("peak RSS over 5 M bars, MB (target: under 1,500)");
  console.table({ "4 publications": Math.round(alone), "then 5 M in one": Math.round(together) });
}

interface Body {
  readonly object: ObjectRecord;
  readonly series: Series;
}

/** Bodies of `symbols` series with `bodies` windows each, one after the other from 2020 on. */
async function makeBodies(
  market: AssetClass,
  { symbols, bodies, part = 0 }: { symbols: number; bodies: number; part?: number },
): Promise<readonly Body[]> {
  const made: Body[] = [];
  for (let s = 0; s < symbols; s++) {
    const series = seriesOf(`${market.toUpperCase()}${s}`, market);
    const slots = firstSlots(series, BARS * bodies * (part + 1)).slice(BARS * bodies * part);
    for (let b = 0; b < bodies; b++) {
      const starts = slots.slice(b * BARS, (b + 1) * BARS);
      const window = { start: starts[0] as Instant, end: instant((starts.at(-1) as number) + MINUTE) };
      made.push({
        series,
        object: await makeBody(series, window, { starts, ordinal: part * 1_000 + made.length + 1 }),
      });
    }
  }
  return made;
}

async function makeBody(
  series: Series,
  window: Interval,
  { starts, ordinal }: { starts: readonly number[]; ordinal: number },
): Promise<ObjectRecord> {
  let price = 100;
  const bars = starts.map((t, i) => {
    const open = price;
    price = Math.max(1, price * (1 + 0.002 * (wave(i + ordinal) - 0.5)));
    const high = Math.max(open, price) + 0.01 + wave(i);
    const low = Math.min(open, price) - 0.01 - 0.5 * wave(i + 7);
    const prices = `"o":${open.toFixed(2)},"c":${price.toFixed(2)},"h":${high.toFixed(2)},"l":${low.toFixed(2)}`;
    return `{"v":${(wave(i) * 1e5).toFixed(3)},"vw":${price.toFixed(4)},${prices},"t":${t},"n":${(i % 900) + 1}}`;
  });
  const head = `"ticker":"X","queryCount":${bars.length},"resultsCount":${bars.length},"adjusted":false`;
  const body = Buffer.from(`{${head},"results":[${bars.join(",")}],"status":"OK","count":${bars.length}}`);
  const path = `${randomUUID()}.json.gz`;
  await writeFile(join(folder, path), gzipSync(body, { level: 1 }));
  return {
    ordinal,
    id: path,
    chunkId: `r1.${ordinal}`,
    runId: "r1",
    dataset: marketData.name,
    version: marketData.version,
    key: series.key,
    keys: [series.key],
    source: source.name,
    page: 0,
    target: path,
    path,
    sha256: "",
    bytes: body.byteLength,
    oneLine: isOneLine(body),
    answered: window,
    rows: bars.length,
    strict: true,
    layout: null,
    businessNow: NOW,
    receivedAt: NOW,
  };
}

async function publish(
  store: Store,
  bodies: readonly Body[],
  { expected }: { expected: "inserted" | "unchanged" },
): Promise<Receipt> {
  const all = [...new Set(bodies.map((body) => body.series))];
  const receipt = await store.publish({
    chunkId: randomUUID(),
    fence: 1,
    dataset: marketData,
    sources: new Map([[source.name, { system: source.system, records: source.records, match: null }]]),
    objects: bodies.map((body) => body.object),
    series: all.map((series) => {
      const answered = normalize(bodies.filter((body) => body.series === series).map((body) => body.object.answered));
      return { series, answered, due: answered.flatMap((span) => dueSet(series.axis, span, NOW)) };
    }),
    suspects: settings.suspects,
    restore: new Map(),
  });
  const rows = bodies.length * BARS;
  if (receipt.counts[expected] !== rows)
    throw new Error(`${rows} rows should be ${expected}: ${JSON.stringify(receipt.counts)}`);
  return receipt;
}

/** What DuckDB needs for the same table without any of the engine's promises. */
async function bareInsert(bodies: readonly Body[]): Promise<void> {
  const path = join(folder, `${randomUUID()}.duckdb`);
  const instance = await DuckDBInstance.create(path, {
    memory_limit: STORE_DEFAULTS.memoryLimit,
    threads: String(STORE_DEFAULTS.threads),
    preserve_insertion_order: "false",
  });
  const connection = await instance.connect();
  const columns = marketData.columns.map((column) => `${column.name} ${column.type}`).join(", ");
  await connection.run(`create table market_data (${columns})`);
  const files = bodies.map(({ object }) => `'${join(folder, object.path)}'`).join(", ");
  const record = "STRUCT(t BIGINT, o DOUBLE, h DOUBLE, l DOUBLE, c DOUBLE, v DOUBLE, vw DOUBLE, n BIGINT)";
  await connection.run(`insert into market_data
    select 'X', '1m', epoch_ms(r.t), r.o, r.h, r.l, r.c, r.v, r.vw, r.n, 'polygon', epoch_ms(r.t), 1
    from (select unnest(results) as r from read_json([${files}], columns = {results: '${record}[]'},
      format = 'newline_delimited', maximum_object_size = 8388608, compression = 'gzip'))`);
  connection.closeSync();
  instance.closeSync();
  await rm(path);
}

function openStore(): { store: Store; path: string } {
  const path = join(folder, `${randomUUID()}.duckdb`);
  const lock = {
    hold: <T>(_purpose: string, _waitMs: number, work: (fence: number) => Promise<T>) => work(1),
    holder: async () => null,
  };
  return { path, store: duckdbStore({ path, bronze: folder, history: join(folder, "history"), lock }) };
}

function seriesOf(symbol: string, market: AssetClass): Series {
  const entry = pipeline.entry(symbol, { assetClass: market, timeframes: ["1m"] });
  const [series] = pipeline.series(marketData.name, entry, NOW);
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}

/** The first `count` due slots of a series from 2015 on. */
function firstSlots(series: Series, count: number): readonly number[] {
  const starts: number[] = [];
  const span = { start: instant(Date.UTC(2015, 0, 1)), end: instant(Date.UTC(2015, 0, 1) + 11 * 365 * DAY) };
  for (const due of dueSet(series.axis, span, NOW)) {
    for (const slot of slotsIn(series.axis.grid, due)) {
      starts.push(slot.start);
      if (starts.length === count) return starts;
    }
  }
  return starts;
}

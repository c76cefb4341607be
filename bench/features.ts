import { fork, spawnSync } from "node:child_process";
import { on, once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { duckdbStore, STORE_DEFAULTS } from "../src/adapters/store/duckdb-store.ts";
import { createTables, tableName } from "../src/adapters/store/tables.ts";
import { readFor } from "../src/core/coverage/lineage.ts";
import type { Series } from "../src/core/dataset/series.ts";
import { slotNumberFrom } from "../src/core/dataset/slot-numbers.ts";
import { renderSql } from "../src/core/dataset/sql.ts";
import { instant, MINUTE } from "../src/core/time/instant.ts";
import { groupsOf, type Unmade } from "../src/engine/build/build-windows.ts";
import type { BuildWindow, Receipt } from "../src/engine/store-port.ts";
import { marketData } from "../src/pipelines/ohlcv/market-data.ts";
import { marketDataV2 } from "../src/pipelines/ohlcv/market-data-v2.ts";
import { ohlcvSettings } from "../src/pipelines/ohlcv/settings.ts";
import { candlesOnly } from "../test/candles-only.ts";
import { findPandas } from "../test/oracle/pandas.ts";

// Features of simulated minutes of coins, a hundredth of them missing: made through the store in the engine's groups,
// made again with nothing changed, and by the same SQL by hand over the same groups: the rendered query inserted into a
// bare table, without comparison, before-images and receipt. Beside them pandas, one series after another, in memory.
// Each way has a process of its own, so that memory is its own too; they take turns group by group, so that what else
// the machine does slows them alike.
//
//     node --import tsx bench/features.ts [series] [minutes]     default: 20 500000

const GROUP_ROWS = 1_000_000;
const START = instant(Date.UTC(2023, 0, 1));
const NOW = instant(Date.UTC(2026, 0, 1));

interface Size {
  readonly symbols: number;
  readonly minutes: number;
}

/** What one process did. */
interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
  /** Largest resident memory so far. */
  readonly peakMb: number;
  readonly rows: number;
}

/** Makes the features of one group each time it is asked, and tells how many rows they are. */
type Way = (folder: string, size: Size) => AsyncGenerator<number>;

const ways: Readonly<Record<string, Way>> = {
  "the same SQL by hand": byHand,
  "first build": (folder, size) => build(join(folder, "bars.duckdb"), size, "inserted"),
  "again, nothing changed": (folder, size) => build(join(folder, "bars.duckdb"), size, "unchanged"),
};

const [first = "20", second = "500000", ...rest] = process.argv.slice(2);
const way = ways[first];
if (way) await takeTurns(way(second, { symbols: Number(rest[0]), minutes: Number(rest[1]) }));
else await compare({ symbols: Number(first), minutes: Number(second) });

async function compare(size: Size): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "retrofill-features-"));
  try {
    const bars = await fill(folder, size);
    // By hand they are read from a copy, whose file nobody else opens.
    await copyFile(join(folder, "bars.duckdb"), join(folder, "copy.duckdb"));
    const workers = Object.keys(ways).map((name) => startWorker(name, folder, size));
    for (const _ of groupsIn(size)) for (const worker of workers) await worker.takeTurn();
    for (const worker of workers) await worker.end();
    await check(folder);
    const [byHand] = workers;
    const pandas = withPandas(folder);
    const costs = [...workers.map(({ name, cost }) => ({ name, cost: cost() })), ...(pandas ? [pandas] : [])];
    console.log(`features of ${bars} bars in ${size.symbols} series (targets: 1.25 and 1.8 times by hand)`);
    console.table(
      Object.fromEntries(
        costs.map(({ name, cost }) => [
          name,
          {
            seconds: Number((cost.ms / 1_000).toFixed(1)),
            "CPU seconds": Number((cost.cpuMs / 1_000).toFixed(1)),
            ratio: Number((cost.ms / (byHand?.cost().ms ?? 0)).toFixed(2)),
            "CPU ratio": Number((cost.cpuMs / (byHand?.cost().cpuMs ?? 0)).toFixed(2)),
            "peak MB": cost.peakMb,
          },
        ]),
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One way in a process of its own. */
function startWorker(name: string, folder: string, { symbols, minutes }: Size) {
  const worker = fork(import.meta.filename, [name, folder, String(symbols), String(minutes)]);
  let cost: Cost = { ms: 0, cpuMs: 0, peakMb: 0, rows: 0 };
  return {
    name,
    cost: () => cost,
    async takeTurn(): Promise<void> {
      worker.send("next");
      const [{ ms, cpuMs, peakMb, rows }] = (await once(worker, "message")) as [Cost];
      cost = { ms: cost.ms + ms, cpuMs: cost.cpuMs + cpuMs, peakMb, rows: cost.rows + rows };
    },
    async end(): Promise<void> {
      worker.send("end");
      await once(worker, "exit");
    },
  };
}

/** Does a group at each message and answers with what it cost, until it is told to end. */
async function takeTurns(groups: AsyncGenerator<number>): Promise<void> {
  for await (const [message] of on(process, "message")) {
    if (message === "end") break;
    const [began, before] = [performance.now(), process.cpuUsage()];
    const { value: rows } = await groups.next();
    const { user, system } = process.cpuUsage(before);
    const peakMb = Math.round(process.resourceUsage().maxRSS / 1_024);
    process.send?.({ ms: performance.now() - began, cpuMs: (user + system) / 1_000, peakMb, rows });
  }
  await groups.return(0);
  process.disconnect();
}

function withPandas(folder: string): { readonly name: string; readonly cost: Cost } | null {
  const python = findPandas()?.python;
  if (python === undefined) return null;
  const script = join(import.meta.dirname, "features_pandas.py");
  const { stdout, status } = spawnSync(python, [script, folder], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error("features_pandas.py failed");
  return { name: "pandas without reading", cost: JSON.parse(stdout) as Cost };
}

/** `v1.market_data` with a seeded walk: the same bars every time. */
async function fill(folder: string, size: Size): Promise<number> {
  return inFile(join(folder, "bars.duckdb"), async (connection) => {
    await createTables(connection, marketData);
    for (const [i, series] of seriesOf(size.symbols).entries()) {
      // Every draw is a hash of the coin, the minute and what it is for.
      const draw = (what: number): string => `(hash(${i}, m, ${what}) % 10001)::double / 10000`;
      await connection.run(`insert into ${tableName(marketData)}
        select '${series.parts.symbol}', '1m', epoch_ms(${START} + m * ${MINUTE}), open, greatest(open, close) * (1 + up), least(open, close) * (1 - down),
          close, volume, null, 1, 'simulated', epoch_ms(${START} + m * ${MINUTE}), ${i + 1}
        from (
          select m, round(coalesce(lag(price) over (order by m), price) * (1 + jump), 4) as open, round(price, 4) as close, up, down, volume
          from (
            select m, ${100 * (i + 1)} * exp(sum(((${draw(1)} + ${draw(2)} - 1) * 1e6)::bigint) over (order by m) * 1e-9) as price,
              (${draw(3)} - 0.5) * 2e-4 as jump, ${draw(4)} * 1e-3 as up, ${draw(5)} * 1e-3 as down,
              round(exp(6 * ${draw(6)}), 3) as volume
            from range(${size.minutes}) r(m)))
        where ${draw(7)} >= 0.01 order by m`);
    }
    const [row] = (await connection.runAndReadAll(`select count(*)::double from ${tableName(marketData)}`)).getRowsJS();
    for (const { parts } of seriesOf(size.symbols)) {
      await connection.run(`copy (select (epoch_ms(ts) - ${START}) // ${MINUTE} as slot, open, high, low, close, volume, dayofweek(ts) as weekday
        from ${tableName(marketData)} where symbol = '${parts.symbol}' order by ts) to '${join(folder, `${parts.symbol}.csv`)}' (header)`);
    }
    return Number(row?.[0]);
  });
}

/** Through the store, group by group. */
async function* build(path: string, size: Size, expected: "inserted" | "unchanged"): AsyncGenerator<number> {
  const lock = {
    hold: <T>(_purpose: string, _waitMs: number, work: (fence: number) => Promise<T>) => work(1),
    holder: async () => null,
  };
  const store = duckdbStore({ path, bronze: "", history: `${path}.history`, lock });
  for (const [i, group] of groupsIn(size).entries()) {
    const { counts }: Receipt = await store.build({
      chunkId: `${expected}.${i}`,
      fence: 1,
      dataset: marketDataV2,
      windows: windowsOf(group),
      isWhole: false,
    });
    if (counts[expected] !== counts.received) throw new Error(`all should be ${expected}: ${JSON.stringify(counts)}`);
    yield counts.received;
  }
}

/** The rendered query over the same groups. */
async function* byHand(folder: string, size: Size): AsyncGenerator<number> {
  const instance = await openFile(join(folder, "hand.duckdb"));
  const connection = await instance.connect();
  try {
    await connection.run(`attach '${join(folder, "copy.duckdb")}' as bars (read_only)`);
    const columns = marketDataV2.columns.map(({ name }) => name);
    await connection.run(
      `create table by_hand (${marketDataV2.columns.map(({ name, type }) => `${name} ${type}`).join(", ")})`,
    );
    for (const group of groupsIn(size)) {
      const query = renderSql(marketDataV2.transform?.query ?? { parts: [] }, () => relationByHand(group));
      const keys = group.map(({ series }, i) => `(${i}, '${series.parts.symbol}', '${series.parts.timeframe}')`);
      const result = await connection.run(`insert into by_hand
        select ${columns.map((name) => (name === "ts" ? "epoch_ms(slot_ms)" : name)).join(", ")}
        from (${query}) join (values ${keys.join(", ")}) k(series_no, symbol, timeframe) using (series_no)`);
      yield Number(result.rowsChanged);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** What one would write by hand for minutes that are all due: their number follows from their time. */
function relationByHand(group: readonly Unmade[]): string {
  const [first] = group;
  if (!first) throw new Error("unreachable: a group has members");
  const origin = START - slotNumberFrom(first.series.axis, START) * MINUTE;
  const params = Object.entries(first.series.params).map(([name, value]) =>
    typeof value === "number" ? `${value}::double as ${name}` : `'${value}' as ${name}`,
  );
  const keys = windowsOf(group).map(({ series, reads }, i) => {
    const { start, end } = reads[0]?.span ?? { start: 0, end: 0 };
    return `(${i}, '${series.parts.symbol}', epoch_ms(${start}), epoch_ms(${end}))`;
  });
  return `(select k.series_no, epoch_ms(c.ts) as slot_ms, (epoch_ms(c.ts) - ${origin}) // ${MINUTE} as slot_no, ${params.join(", ")}, c.*
    from bars.${tableName(marketData)} c join (values ${keys.join(", ")}) k(series_no, symbol, low, high)
      on c.symbol = k.symbol and c.ts >= k.low and c.ts < k.high
    where c.timeframe = '1m')`;
}

/** Both made the same rows, to the last bit: by the sum of the rows' hashes for each series. */
async function check(folder: string): Promise<void> {
  await inFile(join(folder, "bars.duckdb"), async (connection) => {
    await connection.run(`attach '${join(folder, "hand.duckdb")}' as hand (read_only)`);
    const columns = marketDataV2.columns.map(({ name }) => name).join(", ");
    const sums = (table: string): string =>
      `select symbol, count(*) as n, sum(hash(${columns})::hugeint) as sum from ${table} group by symbol`;
    const rows = await connection.runAndReadAll(
      `${sums(tableName(marketDataV2))} except select * from (${sums("hand.by_hand")})`,
    );
    if (rows.currentRowCount > 0) throw new Error(`${rows.currentRowCount} series differ from those by hand`);
  });
}

async function inFile<T>(path: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await openFile(path);
  const connection = await instance.connect();
  try {
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function openFile(path: string): Promise<DuckDBInstance> {
  return DuckDBInstance.create(path, {
    memory_limit: STORE_DEFAULTS.memoryLimit,
    threads: String(STORE_DEFAULTS.threads),
    preserve_insertion_order: "false",
  });
}

function seriesOf(symbols: number): readonly Series[] {
  const pipeline = candlesOnly(ohlcvSettings.parse({}));
  return Array.from({ length: symbols }, (_, i) => {
    const entry = pipeline.entry(`COIN${i}`, { assetClass: "crypto", timeframes: ["1m"] });
    const [series] = pipeline.series(marketDataV2.name, entry, NOW);
    if (!series) throw new Error("unreachable: one timeframe is asked");
    return series;
  });
}

function groupsIn({ symbols, minutes }: Size): readonly (readonly Unmade[])[] {
  const windows = [{ start: START, end: instant(START + minutes * MINUTE) }];
  return groupsOf(
    seriesOf(symbols).map((series) => ({ series, windows, withdrawn: [] })),
    GROUP_ROWS,
  );
}

function windowsOf(group: readonly Unmade[]): readonly BuildWindow[] {
  const reach = marketDataV2.transform?.inputs[0]?.reach ?? { kind: "within" };
  return group.flatMap(({ series, windows }) =>
    windows.map((window) => ({
      ...window,
      series,
      reads: [{ dataset: marketData, parts: series.parts, span: readFor(series.axis, reach, window) }],
    })),
  );
}

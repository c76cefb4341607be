import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LedgerDatabase } from "../../src/adapters/ledger/database.ts";
import { barsFrom, dailyBars, type Script, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-21T21:30:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");
// Friday's day ends at midnight in New York, after business now.
const DUE = DATES.length - 1;
const CORRECTED = Date.parse("2025-11-10T05:00:00Z");

/** The provider corrects one bar's volume. */
const correction: Script = () => ({
  edit: (body) => ({
    ...body,
    results: body.results.map((bar: { t: number }) => (bar.t === CORRECTED ? { ...bar, v: 7 } : bar)),
  }),
});

function daily(): Promise<World> {
  return world([{ symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) }], {
    now: NOW,
    symbols: { AAPL: "--timeframes 1d" },
    ohlcv: { since: { "1d": "2025-11-03" } },
  });
}

describe("a trace", () => {
  let at: World;
  beforeAll(async () => {
    at = await daily();
    await at.json("run", "ohlcv", "--reason", "first fill");
    at.script(correction);
    await at.json("run", "ohlcv", "--again", "--reason", "vendor correction");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it("leads from a row to its answer, chunk, run, plan and request, whatever its dataset is called", async () => {
    for (const name of ["ohlcv", "market_data", "ohlcv.market_data"]) {
      const { exit, json } = await at.json("trace", name, "AAPL/1d", "2025-11-11");
      expect(exit).toBe(0);
      expect(json).toMatchObject({
        dataset: "ohlcv.market_data",
        slot: { start: "2025-11-11T05:00:00Z", end: "2025-11-12T05:00:00Z" },
        row: { symbol: "AAPL", timeframe: "1d", ts: "2025-11-11 05:00:00", object_no: 1 },
        truth: { state: "covered" },
        object: { no: 1, body: "intact", rows: DUE, source: "polygon" },
        run: { reason: "first fill", mode: "backfill" },
        plan: { kind: "dataset", reason: "first fill" },
        earlier: [],
        made_from: [],
      });
      expect(json.object.target).toBe(at.asked[0]?.url);
      expect(json.chunk.id.startsWith(json.run.id)).toBe(true);
    }
    const { out } = await at.cli("trace", "ohlcv", "AAPL/1d", "2025-11-11");
    expect(out).toContain(`asked     ${at.asked[0]?.url}`);
    expect(out).toContain("intact");
  });

  it("shows what a row was before, and which run replaced it", async () => {
    const { json } = await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-10");
    expect(json).toMatchObject({
      row: { volume: 7, object_no: 2 },
      run: { reason: "vendor correction" },
      written_by: { run: { reason: "vendor correction" } },
      earlier: [
        {
          change: "updated",
          row: { volume: 1005, object_no: 1 },
          object: { no: 1 },
          replaced_by: { run: { reason: "vendor correction" }, chunk: { kind: "build" } },
        },
      ],
    });
    expect(json.written_by.chunk.id).toBe(json.earlier[0].replaced_by.chunk.id);
  });

  it("goes on from a made row to what it was made from, and to its own candle", async () => {
    await at.json("run", "ohlcv.market_data_v2");
    const { json } = await at.json("trace", "market_data_v2", "AAPL/1d", "2025-11-10");
    expect(json.row).toMatchObject({ symbol: "AAPL", volume: 7, object_no: 2 });
    expect(json.object).toMatchObject({ no: 2, body: "intact" });
    const [input] = json.made_from;
    expect(input).toMatchObject({
      dataset: "ohlcv.market_data",
      key: "AAPL/1d",
      end: "2025-11-11T05:00:00Z",
      rows: 6,
      first: "2025-11-03T05:00:00Z",
      last: "2025-11-10T05:00:00Z",
      objects: [1, 2],
      own: { dataset: "ohlcv.market_data", row: { volume: 7 }, earlier: [{ row: { volume: 1005 } }] },
    });
    // 1,440 sessions before 2025-11-10, as many as a day has minutes: nearly six years.
    expect(input.start.slice(0, 7)).toBe("2020-02");
  });

  it("says when nothing is stored, and what the ledger knows of it", async () => {
    const closed = await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-08");
    expect(closed.exit).toBe(0);
    expect(closed.json).toMatchObject({ row: null, object: null, run: null, written_by: null });
    const before = await at.json("trace", "ohlcv", "AAPL/1d", "2020-01-06");
    expect(before.json).toMatchObject({ row: null, truth: null });
    expect((await at.cli("trace", "ohlcv", "AAPL/1d", "2020-01-06")).out).toContain("never asked");
  });

  it("tells when the answer's file is not what was received any more", async () => {
    const { json } = await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-11");
    const file = join(at.dir, ".retrofill", "bronze", json.object.path);
    const body = await readFile(file);
    await rm(file);
    expect((await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-11")).json.object.body).toBe("unreadable");
    await writeFile(file, await readFile(join(at.dir, ".retrofill", "bronze", await otherPath(at))));
    expect((await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-11")).json.object.body).toBe("changed");
    await writeFile(file, body);
    expect((await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-11")).json.object.body).toBe("intact");
  });

  it("names the nearest series and datasets", async () => {
    const series = await at.json("trace", "ohlcv", "APPL/1d", "2025-11-11");
    expect([series.exit, series.json.error.code, series.json.error.hint]).toEqual([
      2,
      "KEY_UNKNOWN",
      "did you mean AAPL/1d?",
    ]);
    const dataset = await at.json("trace", "market_date", "AAPL/1d", "2025-11-11");
    expect([dataset.exit, dataset.json.error.code]).toEqual([2, "SELECTOR_UNKNOWN"]);
    expect(dataset.json.error.hint).toContain("market_data");
    expect((await at.json("trace", "ohlcv", "AAPL/1d", "then")).json.error.code).toBe("USAGE");
  });
});

/** The path of the second object. */
async function otherPath(at: World): Promise<string> {
  return (await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-10")).json.object.path;
}

it("traces a candle made from minutes to those minutes", async () => {
  const minutes = barsFrom(["2025-11-20T14:30:00Z"], 390, 60_000);
  await using at = await world([{ symbol: "AAPL", timeframe: "1m", candles: minutes }], {
    now: "2025-11-20T21:30:00Z",
    symbols: { AAPL: "--timeframes 1m,1h" },
    ohlcv: { since: { "1m": "2025-11-20", "1h": "2025-11-20" }, derive: ["1h"] },
  });
  await at.json("run", "ohlcv");
  const { json } = await at.json("trace", "ohlcv", "AAPL/1h", "2025-11-20 15:10");
  expect(json).toMatchObject({
    slot: { start: "2025-11-20T15:00:00Z", end: "2025-11-20T16:00:00Z" },
    row: { source: "derived", timeframe: "1h", object_no: 1 },
    object: { no: 1, body: "intact" },
    made_from: [
      { key: "AAPL/1m", start: "2025-11-20T15:00:00Z", end: "2025-11-20T16:00:00Z", rows: 60, objects: [1], own: null },
    ],
  });
});

describe("lineage and state", () => {
  let at: World;
  beforeAll(async () => {
    at = await daily();
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it("draw what is made from what, with its reach", async () => {
    const { out } = await at.cli("lineage");
    expect(out.split("\n")).toEqual([
      "ohlcv.market_data  silver v1  asked from polygon, polygon-grouped, binance",
      "│    also from other series of its own: timeframe 1m, the rows inside its slot",
      "├─ ohlcv.market_data_v2  gold v1  from its own slot and 1440 before",
      "├─ ohlcv.adjustment_factors  gold v1  from timeframe 1d, its own slot and 10 before (where there is one)",
      "│  └─ ohlcv.ohlcv_adjusted  gold v1  from its own slot and all after",
      "└─ ohlcv.ohlcv_adjusted  gold v1  from its own slot",
      "ohlcv.dividends  silver v1  asked from polygon-dividends",
      "└─ ohlcv.adjustment_factors  gold v1  from the rows inside its slot",
      "   └─ ohlcv.ohlcv_adjusted  gold v1  from its own slot and all after",
      "ohlcv.stock_splits  silver v1  asked from polygon-splits",
      "└─ ohlcv.adjustment_factors  gold v1  from the rows inside its slot",
      "   └─ ohlcv.ohlcv_adjusted  gold v1  from its own slot and all after",
      "ohlcv.earnings  silver v1  asked from fmp",
      "",
    ]);
    const { json } = await at.json("lineage");
    expect(json.slice(0, 2)).toMatchObject([
      {
        dataset: "ohlcv.market_data",
        sources: ["polygon", "polygon-grouped", "binance"],
        made_from_it: ["ohlcv.market_data_v2", "ohlcv.adjustment_factors", "ohlcv.ohlcv_adjusted"],
      },
      {
        dataset: "ohlcv.market_data_v2",
        inputs: [{ dataset: "ohlcv.market_data", reach: { kind: "slots", count: 1440 } }],
      },
    ]);
  });

  it("say where a dataset stands before and after incremental runs", async () => {
    const [empty] = (await at.json("state")).json.datasets;
    expect(empty).toMatchObject({ watermark: null, age_ms: null, moved_by: null, last_incremental: null, series: 1 });
    const run = await at.json("run", "ohlcv", "--mode", "incremental");
    const { json } = await at.json("state", "show");
    expect(json.business_now).toBe(NOW);
    expect(json.datasets[0]).toMatchObject({
      dataset: "ohlcv.market_data",
      watermark: NOW,
      age_ms: 0,
      moved_by: run.json.run_id,
      why: "incremental run succeeded",
      last_incremental: { run_id: run.json.run_id, status: "succeeded" },
    });
    expect(json.datasets[1]).toMatchObject({
      dataset: "ohlcv.market_data_v2",
      watermark: null,
      last_incremental: null,
    });
    await at.configure({ now: "2025-11-22T21:30:00Z" });
    expect((await at.json("state")).json.datasets[0].age_ms).toBe(24 * 3_600_000);
    const one = await at.json("lineage", "ohlcv");
    expect(one.json).toMatchObject({
      watermark: NOW,
      upstream: [],
      downstream: ["ohlcv.market_data_v2", "ohlcv.adjustment_factors", "ohlcv.ohlcv_adjusted"],
      stale: [],
    });
    expect((await at.cli("state")).out).toMatch(/ohlcv\.market_data +v1 +2025-11-21 21:30Z +24 h 0 min +run-/);
  });
});

describe("an export", () => {
  let at: World;
  beforeAll(async () => {
    at = await world(
      ["AAPL", "MSFT"].map((symbol) => ({ symbol, timeframe: "1d", candles: dailyBars(DATES) })),
      {
        now: NOW,
        symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
        ohlcv: { since: { "1d": "2025-11-03" } },
      },
    );
    await at.json("run", "ohlcv");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it("writes all rows in order, or those asked for", async () => {
    const out = join(at.dir, "all.csv");
    const all = await at.json("export", "ohlcv", "--format", "csv", "--out", out);
    expect(all.exit, all.err).toBe(0);
    const text = await readFile(out, "utf8");
    expect(all.json).toMatchObject({ path: out, rows: 2 * DUE, bytes: Buffer.byteLength(text) });
    const [head, ...lines] = text.trimEnd().split("\n");
    expect(head).toMatch(/^symbol,timeframe,ts,open,/);
    expect(lines).toHaveLength(2 * DUE);
    expect(lines).toEqual([...lines].sort());
    expect(lines[0]).toMatch(/^AAPL,1d,2025-11-03T05:00:00\.000Z,100\.0,/);
    const part = ["--symbols", "MSFT", "--from", "2025-11-05", "--to", "2025-11-07"];
    const some = await at.json("export", "market_data", "--format", "csv", "--out", join(at.dir, "some.csv"), ...part);
    expect(some.json.rows).toBe(2);
    expect((await readFile(join(at.dir, "some.csv"), "utf8")).split("\n")[1]).toMatch(/^MSFT,1d,2025-11-05T05/);
  });

  it("writes Parquet that reads back as the table", async () => {
    const out = join(at.dir, "all.parquet");
    expect((await at.json("export", "ohlcv", "--out", out)).json.rows).toBe(2 * DUE);
    const differs = `select count(*) as n from (
      (select * from market_data except select * from read_parquet('${out}'))
      union all (select * from read_parquet('${out}') except select * from market_data))`;
    expect((await at.json("sql", differs)).json.rows).toEqual([{ n: 0 }]);
  });

  it("never overwrites without being told to, and leaves nothing half-written", async () => {
    const out = join(at.dir, "mine.csv");
    await writeFile(out, "mine");
    const refused = await at.json("export", "ohlcv", "--format", "csv", "--out", out);
    expect([refused.exit, refused.json.error.code, refused.json.error.hint]).toEqual([
      2,
      "USAGE",
      "--force overwrites it",
    ]);
    expect(await readFile(out, "utf8")).toBe("mine");
    expect((await at.json("export", "ohlcv", "--format", "csv", "--out", out, "--force")).exit).toBe(0);
    const nowhere = await at.json("export", "ohlcv", "--out", join(at.dir, "none", "x.parquet"));
    expect([nowhere.exit, nowhere.json.error.code]).toEqual([2, "USAGE"]);
    const empty = await at.json("export", "market_data_v2", "--out", join(at.dir, "v2.parquet"));
    expect([empty.exit, empty.json.error.code]).toEqual([5, "INPUT_ABSENT"]);
    expect((await at.json("export", "ohlcv", "--out", out, "--symbols", "APPL")).json.error.code).toBe("KEY_UNKNOWN");
    expect((await readdir(at.dir)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});

describe("a backup", () => {
  let at: World;
  beforeEach(async () => {
    at = await daily();
    await at.json("run", "ohlcv", "--reason", "first fill");
    at.script(correction);
    await at.json("run", "ohlcv", "--again", "--reason", "vendor correction");
  });
  afterEach(() => at[Symbol.asyncDispose]());

  it("is a project of its own that passes every check", async () => {
    const copy = join(at.dir, "copy");
    const made = await at.json("backup", copy);
    expect(made.exit, made.err).toBe(0);
    expect(made.json).toMatchObject({ dir: copy, faults: [], ledger: { runs: 2, objects: 2 }, unfinished: [] });
    expect(made.json.tables["v1.market_data"]).toBe(DUE);
    const there = (...args: readonly string[]) => at.json(...args, "--project", copy);
    expect((await there("verify")).json).toMatchObject({ rows: DUE, disputes: [], gaps: 0 });
    const audit = await there("audit", "verify");
    expect([audit.exit, audit.json.objects]).toEqual([0, 2]);
    expect((await there("trace", "ohlcv", "AAPL/1d", "2025-11-10")).json.earlier).toHaveLength(1);
    expect((await there("runs")).json.map((run: { reason: string }) => run.reason)).toEqual([
      "vendor correction",
      "first fill",
    ]);
    await using ledger = await LedgerDatabase.open(join(copy, ".retrofill", "ledger.db"), () => Date.now());
    expect(await ledger.db.selectFrom("lease").select("held").execute()).toEqual([{ held: 0 }]);
  });

  it("names size and hash of its files in a manifest, written last", async () => {
    const copy = join(at.dir, "copy");
    await at.json("backup", copy);
    const manifest = JSON.parse(await readFile(join(copy, "manifest.json"), "utf8"));
    for (const name of [".retrofill/ledger.db", ".retrofill/data.duckdb", "retrofill.config.ts"]) {
      const body = await readFile(join(copy, name));
      const sha256 = createHash("sha256").update(body).digest("hex");
      expect(manifest.files[name], name).toEqual({ bytes: body.byteLength, sha256 });
    }
    expect(manifest).toMatchObject({ faults: [], ledger: { head: { hash: expect.any(String) } } });
    expect(await readdir(copy)).not.toContain(".env");
  });

  it("is restored by copying it back, and the next run asks for nothing", async () => {
    const copy = join(at.dir, "copy");
    await at.json("backup", copy);
    await rm(join(at.dir, ".retrofill"), { recursive: true });
    await cp(join(copy, ".retrofill"), join(at.dir, ".retrofill"), { recursive: true });
    const calls = at.asked.length;
    const run = await at.json("run", "ohlcv");
    expect([run.exit, run.json.calls.made]).toEqual([0, 0]);
    expect(at.asked).toHaveLength(calls);
    expect((await at.json("verify")).exit).toBe(0);
    expect((await at.json("audit", "verify")).exit).toBe(0);
  });

  it("is not touched by what the project does afterwards", async () => {
    const copy = join(at.dir, "copy");
    const { json } = await at.json("backup", copy);
    at.script(null);
    await at.json("run", "ohlcv", "--again", "--reason", "third");
    const audit = await at.json("audit", "verify", "--project", copy);
    expect(audit.json).toMatchObject({ faults: [], head: json.ledger.head, objects: 2 });
    expect((await at.json("verify", "--project", copy)).exit).toBe(0);
  });

  it("tells when what it copied is damaged", async () => {
    const { json } = await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-11");
    await writeFile(join(at.dir, ".retrofill", "bronze", json.object.path), "not what was received");
    const made = await at.json("backup", join(at.dir, "copy"));
    expect(made.exit).toBe(4);
    expect(made.json.faults).toEqual([expect.stringContaining(json.object.path)]);
  });

  it("goes only into a folder that is empty and outside what is copied", async () => {
    await mkdir(join(at.dir, "full"));
    await writeFile(join(at.dir, "full", "x"), "");
    for (const dir of ["full", ".retrofill", join(".retrofill", "bronze", "copy"), "retrofill.config.ts"]) {
      const refused = await at.json("backup", join(at.dir, dir));
      expect([refused.exit, refused.json.error.code], dir).toEqual([2, "USAGE"]);
    }
    expect(await readdir(join(at.dir, "full"))).toEqual(["x"]);
  });

  it("of a project without any data holds what there is", async () => {
    await using empty = await daily();
    const copy = join(empty.dir, "copy");
    const made = await empty.json("backup", copy);
    expect([made.exit, made.json.tables, made.json.ledger.runs]).toEqual([0, {}, 0]);
    expect((await empty.json("symbols", "list", "--project", copy)).json).toMatchObject([{ key: "AAPL" }]);
  });
});

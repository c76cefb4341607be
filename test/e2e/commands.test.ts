import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { host } from "../../src/main.ts";
import { writeSmallSales } from "../../src/sandbox/retail/small-sales.ts";
import { writeSmallWorld } from "../../src/sandbox/small-world.ts";
import type { Host } from "../../src/surfaces/cli/host.ts";
import { command, dailyBars, type Ended, KEY, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-21T21:30:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");
// Friday's day ends at midnight in New York, after business now.
const DUE = DATES.length - 1;

const daily = (symbol: string, dates = DATES) => ({ symbol, timeframe: "1d", candles: dailyBars(dates) }) as const;

describe("every command", () => {
  let at: World;
  let filled: Ended;

  beforeAll(async () => {
    at = await world([daily("AAPL"), daily("MSFT"), daily("SPY")], {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d --listed 1986-03-13" },
      ohlcv: { since: { "1d": "2025-11-03" } },
    });
    filled = await at.json("run", "ohlcv", "--reason", "first fill");
  });
  afterAll(() => at[Symbol.asyncDispose]());

  it("ends a run with its figures, which add up", () => {
    const { exit, json } = filled;
    expect(exit).toBe(0);
    expect(json).toMatchObject({
      status: "succeeded",
      mode: "backfill",
      kind: "dataset",
      override_state: false,
      calls: { planned: 2, made: 2, retried: 0, repaired: 0, deferred: 0 },
      cells: { due: 2 * DUE, covered_before: 0, covered_after: 2 * DUE, verified_empty: 0, failed: 0, refused: 0 },
      gaps: { before: 2 * DUE, after: 0 },
      errors: [],
    });
    const { received, inserted, updated, unchanged, duplicate, quarantined, retracted } = json.rows;
    expect([received, inserted, retracted]).toEqual([2 * DUE, 2 * DUE, 0]);
    expect(received).toBe(inserted + updated + unchanged + duplicate + quarantined);
    expect(json.run_id).toMatch(/^run-/);
    expect(json.plan_id).toMatch(/^plan-/);
    expect(json.duration_ms).toBeGreaterThan(0);
  });

  // biome-ignore lint/suspicious/noExplicitAny: each command has its own document
  const reading: readonly (readonly [string, number, (json: any) => unknown])[] = [
    ["symbols list", 0, (json) => json.map((one: { key: string }) => one.key).join() === "AAPL,MSFT"],
    ["datasets", 0, ([one]) => one.name === "ohlcv.market_data" && one.series === 2],
    ["datasets --jobs", 0, (json) => json.jobs[0].name === "master_backfill" && json.retired.length === 1],
    ["coverage", 0, (json) => json.series.every((one: { complete: boolean }) => one.complete)],
    ["coverage --format md", 0, (json) => json.series.length === 2],
    ["coverage --format json --check", 0, (json) => json.series.length === 2],
    ["gaps --check", 0, (json) => json.gaps.length === 0 && json.empty_at_source.length === 0],
    ["plan ohlcv", 0, (json) => json.cost.calls === 0],
    ["run ohlcv", 0, (json) => json.calls.made === 0 && json.status === "succeeded"],
    [
      "run ohlcv.market_data --mode incremental",
      0,
      ({ mode, calls, rows }) =>
        mode === "incremental" && calls.made === 2 && rows.received > 0 && rows.unchanged === rows.received,
    ],
    ["runs", 0, (json) => json[0].status === "succeeded"],
    ["runs list --last 1", 0, (json) => json.length === 1],
    ["verify", 0, (json) => json.rows === 2 * DUE && json.disputes.length === 0],
    ["verify ohlcv --queries", 0, ([first]) => first.rows.every((row: object) => "records" in row)],
    // Two of the first run, and two of each incremental run: it asks the newest bars of both series again.
    ["audit verify", 0, (json) => json.faults.length === 0 && json.objects === 2 + 2 * 2],
    [
      "calendar XNYS --from 2025-11-27 --to 2025-11-29",
      0,
      ({ sessions: [one] }) => one.open === "2025-11-28T14:30:00Z",
    ],
    ["coverage --symbols NOPE --check", 2, (json) => json.error.code === "KEY_UNKNOWN"],
    ["gaps nothing", 2, (json) => json.error.code === "SELECTOR_UNKNOWN"],
    ["plan", 2, (json) => json.error.code === "USAGE"],
    ["plan ohlcv --frobnicate", 2, (json) => json.error.code === "USAGE"],
    ["frobnicate", 2, (json) => json.error.code === "USAGE"],
    ["coverage --format html5", 2, (json) => json.error.code === "USAGE"],
    ["apply plan-none", 2, (json) => json.error.code === "PLAN_UNKNOWN"],
    ["why plan-none AAPL/1d@2025-11-05", 2, (json) => json.error.code === "PLAN_UNKNOWN"],
    ["runs show run-none", 2, (json) => json.error.code === "RUN_UNKNOWN"],
    ["runs --last many", 2, (json) => json.error.code === "USAGE"],
    ["retry run-none", 2, (json) => json.error.code === "RUN_UNKNOWN"],
    ["resume run-none", 2, (json) => json.error.code === "RUN_UNKNOWN"],
    ["pause run-none", 2, (json) => json.error.code === "RUN_UNKNOWN"],
    ["cancel run-none", 2, (json) => json.error.code === "RUN_UNKNOWN"],
    ["calendar MARS", 2, (json) => json.error.code === "USAGE"],
    ["symbols add AAPL", 2, (json) => json.error.code === "USAGE"],
    ["symbols add NEW --asset-class rock", 2, (json) => json.error.code === "CONFIG_INVALID"],
    ["symbols add NEW --listed yesterday", 2, (json) => json.error.code === "CONFIG_INVALID"],
    ["symbols set APPL --active", 2, (json) => json.error.message.includes("did you mean AAPL")],
    ["symbols remove NONE", 2, (json) => json.error.code === "KEY_UNKNOWN"],
    ["sandbox --faults meteor", 2, (json) => json.error.message.includes("meteor")],
    ["sandbox --data /nowhere", 2, (json) => json.error.code === "CONFIG_INVALID"],
    ["sandbox --port eighty", 2, (json) => json.error.code === "USAGE"],
    ["sandbox --now noon", 2, (json) => json.error.code === "CONFIG_INVALID"],
    ["init .", 2, (json) => json.error.code === "CONFIG_INVALID" || json.error.code === "USAGE"],
  ];

  it.each(reading)("answers `%s` with exit %i and one document", async (line, exit, holds) => {
    const args = line.split(" ").map((word) => (word === "." ? at.dir : word));
    const ended = await at.json(...args);
    expect(ended.exit, ended.err).toBe(exit);
    expect(holds(ended.json), ended.out).toBe(true);
    if (exit !== 0) expect(ended.json.error.message).not.toBe("");
    const plain = await at.cli(...args);
    expect(plain.exit).toBe(exit);
    if (exit !== 0) expect(plain.out).toBe("");
    expect(`${ended.out}${ended.err}${plain.out}${plain.err}`).not.toContain(KEY);
  });

  it("shows a run, its chunks and its log", async () => {
    const id = filled.json.run_id;
    const shown = await at.json("runs", "show", id);
    expect(shown.json).toMatchObject({ id, status: "succeeded", reason: "first fill", failed: [] });
    const log = await at.json("runs", "show", id, "--log");
    const events = log.json.map((line: { event: string }) => line.event);
    expect(events[0]).toBe("START");
    expect(events).toContain("PROGRESS");
    expect(events.at(-1)).toBe("SUCCESS");
    expect(log.json[0]).toMatchObject({
      datasets: ["ohlcv.market_data"],
      range: [expect.any(String), expect.any(String)],
    });
    expect(log.json.at(-1)).toMatchObject({ rows: { inserted: 2 * DUE }, duration_ms: expect.any(Number), errors: [] });
  });

  it("follows the reasons for one cell", async () => {
    const why = await at.json("why", filled.json.plan_id, "AAPL/1d@2025-11-05");
    expect(why.json).toMatchObject({ key: "AAPL/1d", due: true, gap: null, truth: { state: "covered" } });
    const closed = await at.cli("why", filled.json.plan_id, "AAPL/1d@2025-11-08");
    expect(closed.out).toContain("none: the calendar is closed");
    const unknown = await at.json("why", filled.json.plan_id, "APPL/1d@2025-11-05");
    expect(unknown.exit).toBe(2);
    expect(unknown.json.error.message).toContain("did you mean AAPL/1d");
  });

  it("runs the source document's query as it stands, and only reads", async () => {
    const sql =
      "SELECT symbol, timeframe, COUNT(*) as records FROM market_data GROUP BY symbol, timeframe ORDER BY records DESC LIMIT 20;";
    const answer = await at.json("sql", sql);
    expect(answer.json.rows).toEqual(
      expect.arrayContaining([{ symbol: "MSFT", timeframe: "1d", records: expect.anything() }]),
    );
    expect(answer.json.rows.map((row: { records: unknown }) => Number(row.records))).toEqual([DUE, DUE]);
    for (const bad of ["selct 1", "DELETE FROM market_data", "SELECT * FROM nothing"]) {
      const refused = await at.json("sql", bad);
      expect(refused.exit, bad).toBe(2);
      expect(refused.json.error.code).toBe("SQL_INVALID");
    }
    expect((await at.json("verify")).json.rows).toBe(2 * DUE);
  });

  it("has nothing to retry, resume, pause or cancel in a run that succeeded", async () => {
    const id = filled.json.run_id;
    const retry = await at.json("retry", id);
    expect([retry.exit, retry.json.calls.made]).toEqual([0, 0]);
    const latest = await at.json("retry", id, "--latest");
    expect([latest.exit, latest.json.calls.made]).toEqual([0, 0]);
    for (const verb of ["resume", "pause", "cancel"]) {
      const refused = await at.json(verb, id);
      expect([refused.exit, refused.json.error.code], verb).toEqual([5, "RUN_STATE"]);
    }
  });

  it("ends what a removed symbol owes and keeps its history", async () => {
    const removed = await at.json("symbols", "remove", "msft");
    expect(removed.exit).toBe(0);
    const { json } = await at.json("coverage");
    expect(json.series.map((one: { key: string }) => one.key)).toEqual(["AAPL/1d"]);
    const asked = await at.json("run", "ohlcv", "--symbols", "MSFT");
    expect(asked.exit).toBe(2);
    expect(asked.json.error.message).toContain("not active");
    const rows = await at.json("sql", "SELECT count(*) AS n FROM market_data WHERE symbol = 'MSFT'");
    expect(Number(rows.json.rows[0].n)).toBe(DUE);
    await at.json("symbols", "set", "MSFT", "--active");
    expect((await at.json("coverage", "--check")).exit).toBe(0);
  });
});

describe("a request", () => {
  let at: World;
  beforeAll(async () => {
    const symbols = { AAPL: "", MSFT: "", SPY: "--asset-class etf" };
    at = await world([daily("AAPL"), daily("MSFT"), daily("SPY")], { now: NOW, symbols });
  });
  afterAll(() => at[Symbol.asyncDispose]());

  const ranged = async (...args: readonly string[]): Promise<[string, string, string]> => {
    const { json } = await at.json("plan", ...args);
    const { requested } = json.series[0];
    const keys = json.series.map((one: { key: string }) => one.key).join(" ");
    return [new Date(requested.start).toISOString(), new Date(requested.end).toISOString(), keys];
  };

  it("takes days from 00:00 UTC before business now, 365 for master_backfill and 5 years for backfill_ohlcv", async () => {
    const now = "2025-11-21T21:30:00.000Z";
    expect((await ranged("master_backfill")).slice(0, 2)).toEqual(["2024-11-21T00:00:00.000Z", now]);
    expect(await ranged("backfill_ohlcv", "--symbols", "AAPL")).toEqual(["2020-11-22T00:00:00.000Z", now, "AAPL/1d"]);
    const narrow = await ranged("ohlcv", "--symbols", "AAPL,MSFT", "--timeframes", "1h,1d", "--days", "30");
    expect(narrow).toEqual(["2025-10-22T00:00:00.000Z", now, "AAPL/1h AAPL/1d MSFT/1h MSFT/1d"]);
  });

  it("includes the last day of --end and stops before --to", async () => {
    const end = await ranged("backfill_ohlcv", "--symbols", "AAPL", "--start", "2025-11-05", "--end", "2025-11-08");
    expect(end.slice(0, 2)).toEqual(["2025-11-05T00:00:00.000Z", "2025-11-09T00:00:00.000Z"]);
    const to = await ranged("ohlcv", "--from", "2025-11-05", "--to", "2025-11-08");
    expect(to.slice(0, 2)).toEqual(["2025-11-05T00:00:00.000Z", "2025-11-08T00:00:00.000Z"]);
    const exact = await ranged("ohlcv", "--from", "2025-11-05 14:30", "--to", "2025-11-05T16:00:00+01:00");
    expect(exact.slice(0, 2)).toEqual(["2025-11-05T14:30:00.000Z", "2025-11-05T15:00:00.000Z"]);
  });

  it("prints what was asked for and what of it could be due", async () => {
    const { out } = await at.cli(
      "plan",
      "backfill_ohlcv",
      "--symbols",
      "AAPL",
      "--start",
      "2025-11-08",
      "--end",
      "2025-11-10",
    );
    expect(out).toMatch(/asked for +2025-11-08 .*to 2025-11-11/);
    expect(out).toMatch(/effective +2025-11-08.* 1 due slots/);
    const weekend = await at.json(
      "plan",
      "backfill_ohlcv",
      "--symbols",
      "AAPL",
      "--start",
      "2025-11-08",
      "--end",
      "2025-11-09",
    );
    expect(weekend.json.cost.calls).toBe(0);
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["--symbols APPL", "KEY_UNKNOWN", "did you mean AAPL"],
    ["--symbols AAPL,XXXXXXXX", "KEY_UNKNOWN", "XXXXXXXX is unknown"],
    ["--timeframes 2h", "KEY_UNKNOWN", "2h is not one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w"],
    ["--timeframes 1h --timeframe 1d", "USAGE", "--timeframes and --timeframe"],
    ["--start 2025-13-45", "USAGE", "not a date"],
    ["--start soon", "USAGE", "not a date"],
    ["--end 2025-02-30", "USAGE", "not a date"],
    ["--start 2025-11-08 --end 2025-11-05", "USAGE", "range is empty"],
    ["--days 0", "USAGE", "--days 0"],
    ["--days ten", "USAGE", "--days ten"],
    ["--days 3 --start 2025-11-05", "USAGE", "--days and --start"],
    ["--to 2025-11-08 --end 2025-11-08", "USAGE", "--to and --end"],
    ["--limit -1", "USAGE", "--limit"],
    ["--max-concurrent 0", "USAGE", "--max-concurrent"],
    ["--mode sideways", "USAGE", "--mode sideways"],
    ["--symbols ,", "USAGE", "empty list"],
  ];

  it.each(refused)("is refused with %s", async (flags, code, text) => {
    for (const verb of ["plan", "run"]) {
      const ended = await at.json(verb, "ohlcv", ...flags.split(" "));
      expect(ended.exit, ended.err).toBe(2);
      expect(ended.json.error.code).toBe(code);
      expect(ended.json.error.message).toContain(text);
    }
    expect(at.asked).toEqual([]);
  });

  it("answers a retired command with the one that replaces it", async () => {
    const gone = await at.json("run", "backfill_1m_data");
    expect(gone.exit).toBe(2);
    expect(gone.json.error.hint).toBe("retrofill run backfill_ohlcv --timeframe 1m [--symbols AAPL]");
  });

  it("takes exactly the first N keys with --limit, says so and counts them", async () => {
    const plan = await at.cli("plan", "ohlcv", "--limit", "2", "--timeframes", "1d", "--days", "18");
    expect(plan.out).toContain("reduced scope: only the first 2");
    const run = await at.cli("run", "ohlcv", "--limit", "2", "--timeframes", "1d", "--days", "18");
    expect(run.exit).toBe(0);
    expect(run.out).toMatch(/^succeeded \(reduced scope: the first 2\)/m);
    const again = await at.json("run", "ohlcv", "--timeframes", "1d", "--days", "18", "--limit", "2");
    expect(again.json).toMatchObject({
      reduced: 2,
      calls: { made: 0 },
      cells: { due: 2 * DUE, covered_after: 2 * DUE },
    });
    const master = ["run", "master_backfill", "--limit", "1", "--timeframes", "1d", "--days", "18", "--results"];
    const form = await at.cli(...master, join(at.dir, "r.json"));
    expect(form.out).toContain("Loaded 1 symbols");
    expect(form.out).toContain("Status: reduced scope, only the first 1 symbols (--limit)");
    const all = await at.json("coverage", "--timeframes", "1d", "--days", "18", "--check");
    expect(all.exit).toBe(3);
    expect(all.json.series.map((one: { gap: number }) => one.gap)).toEqual([0, 0, DUE]);
  });
});

describe("a project", () => {
  it("without symbols says so and how to add one", async () => {
    await using at = await world([daily("AAPL")], { now: NOW });
    for (const line of ["run ohlcv", "plan ohlcv", "run master_backfill", "coverage", "gaps", "verify"]) {
      const ended = await at.json(...line.split(" "));
      expect(ended.exit, line).toBe(2);
      expect(ended.json.error).toMatchObject({
        code: "NO_ACTIVE_KEYS",
        hint: expect.stringContaining("symbols add AAPL"),
      });
      expect(ended.json.error.message).toContain("no active symbols");
    }
    const list = await at.cli("symbols", "list");
    expect(list.out).toContain("symbols add AAPL");
  });

  it("answers questions before anything was fetched", async () => {
    await using at = await world([daily("AAPL")], { now: NOW, symbols: { AAPL: "" } });
    expect((await at.json("runs")).json).toEqual([]);
    expect((await at.json("audit", "verify")).exit).toBe(0);
    const verify = await at.json("verify", "--days", "10");
    expect([verify.exit, verify.json.rows]).toEqual([3, 0]);
    expect((await at.json("verify", "--queries")).exit).toBe(0);
    const sql = await at.json("sql", "SELECT symbol, COUNT(*) AS n FROM market_data GROUP BY symbol");
    expect([sql.exit, sql.json.rows]).toEqual([0, []]);
    const gaps = await at.json("gaps", "--days", "10", "--check");
    expect(gaps.exit).toBe(3);
    expect(gaps.json.gaps.every((gap: { cause: string }) => gap.cause === "never-asked")).toBe(true);
  });

  it("is made by init with sample data, once, and works from there", async () => {
    const dir = await mkdtemp(join(tmpdir(), "retrofill-init-"));
    delete process.env.POLYGON_API_KEY;
    try {
      const made = await command(host, ["--json", "init", dir, "--yes"]);
      expect(made.exit).toBe(0);
      expect(made.json).toMatchObject({ dir, files: expect.arrayContaining(["retrofill.config.ts"]) });
      const twice = await command(host, ["--json", "init", dir, "--yes"]);
      expect([twice.exit, twice.json.error.code]).toEqual([2, "CONFIG_INVALID"]);
      const other = await command(host, ["--json", "init", join(dir, "x"), "--pipeline", "olhcv"]);
      expect([other.exit, other.json.error.code]).toEqual([2, "USAGE"]);
      const run = ["--json", "--project", dir, "run", "backfill_ohlcv", "--symbols", "AAPL", "--days", "30"];
      const filled = await command(host, run);
      expect([filled.exit, filled.json.status]).toEqual([0, "succeeded"]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it("that is not there, or cannot be read, is named", async () => {
    const dir = await mkdtemp(join(tmpdir(), "retrofill-none-"));
    const none = await command(host, ["--json", "--project", dir, "coverage"]);
    expect([none.exit, none.json.error.code]).toEqual([2, "PROJECT_NOT_FOUND"]);
    const text = `export default { pipelines: { ohlcv: { source: { kind: "polygon", limit: 5 }, colour: "red" } } };`;
    await writeFile(join(dir, "retrofill.config.ts"), text);
    const bad = await command(host, ["--json", "--project", dir, "coverage"]);
    expect([bad.exit, bad.json.error.code]).toEqual([2, "CONFIG_INVALID"]);
    expect(bad.json.error.message).toContain("pipelines.ohlcv.source.limit");
    expect(bad.json.error.message).toContain("colour");
    await rm(dir, { recursive: true, force: true });
  });

  it("without a key opens no run", async () => {
    await using at = await world([daily("AAPL")], { now: NOW, symbols: { AAPL: "--timeframes 1d" } });
    delete process.env.POLYGON_API_KEY;
    const run = await at.json("run", "ohlcv", "--days", "10");
    expect([run.exit, run.json.error.code]).toEqual([2, "SOURCE_UNCONFIGURED"]);
    expect((await at.json("runs")).json).toEqual([]);
  });

  it("lists of a run that was stopped what the ledger holds so far, and no figure that nobody knows", async () => {
    const names = ["AAPL", "MSFT", "NVDA"];
    await using at = await world(
      names.map((name) => daily(name)),
      {
        now: NOW,
        symbols: Object.fromEntries(names.map((name) => [name, "--timeframes 1d"])),
        // One at a time, so that the first is answered before the second is asked.
        limit: "1/s",
        script: ({ total }) => {
          if (total === 2) setTimeout(() => process.emit("SIGINT"), 0);
          return null;
        },
      },
    );
    expect((await at.cli("run", "ohlcv")).exit).toBe(130);
    const [{ figures }] = (await at.json("runs")).json;
    expect(figures).toMatchObject({ duration_ms: null, gaps_left: null });
    expect(figures.calls).toBeGreaterThanOrEqual(1);
    expect(figures.calls).toBeLessThanOrEqual(at.asked.length);
    expect((await at.cli("runs")).out).toMatch(new RegExp(` interrupted .* – +${figures.calls} +\\d+ +– `));
  });

  const stopped: Host = {
    ...host,
    async sandbox(options) {
      const running = await host.sandbox(options);
      setImmediate(() => process.emit("SIGINT"));
      return running;
    },
  };

  it("announces the contracts that the sandbox has data for, and how each is asked", async () => {
    const sales = await writeSmallSales([{ sold_at: "2026-01-05 10:00:00" }]);
    const candles = await writeSmallWorld([daily("AAPL")]);
    try {
      const shop = await command(stopped, ["sandbox", "--data", sales]);
      expect(shop.out).toMatch(/^Sandbox at (\S+) \(sales, klk\), .*\n {2}SALES_BASE_URL=\1 .*\n {2}KLK_BASE_URL=\1 /);
      expect(shop.out).not.toMatch(/polygon/i);
      const market = await command(stopped, ["sandbox", "--data", candles]);
      expect(market.out).toMatch(/^Sandbox at (\S+) \(polygon, binance, fmp\), .*\n {2}POLYGON_BASE_URL=\1 /);
      expect(market.out).not.toContain("KLK");
    } finally {
      for (const dir of [sales, candles]) await rm(dir, { recursive: true, force: true });
    }
  });

  it("serves the sandbox until it is stopped, its counts the only document", async () => {
    const ended = await command(stopped, ["--json", "sandbox", "--limit", "5/min"]);
    expect(ended.exit).toBe(0);
    expect(ended.json).toMatchObject({ requests: 0 });
    expect(ended.err).toMatch(/Sandbox at http:\/\/127\.0\.0\.1:\d+/);
  });
});

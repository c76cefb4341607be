import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findDataset, requestOf } from "../../src/engine/place.ts";
import { runRequest } from "../../src/engine/run/perform.ts";
import { host } from "../../src/main.ts";
import { dailyBars, type Script, type World, weekdays, world } from "./kit.ts";

const NOW = "2025-11-21T21:30:00Z";
const DATES = weekdays("2025-11-03", "2025-11-21");
// Friday's day ends at midnight in New York, after business now.
const DUE = DATES.length - 1;
const BAD = { date: "2025-11-07", t: Date.parse("2025-11-07T05:00:00Z"), row: 4 };

/** AAPL's bar of one day always comes with a high below its low. */
const badBar: Script = ({ ticker }) =>
  ticker === "AAPL"
    ? {
        edit: (body) => ({
          ...body,
          results: body.results.map((bar: { t: number; l: number }) =>
            bar.t === BAD.t ? { ...bar, h: bar.l - 1 } : bar,
          ),
        }),
      }
    : null;

let at: World;
beforeEach(async () => {
  const lacking = DATES.filter((date) => date !== "2025-11-12");
  at = await world(
    [
      { symbol: "AAPL", timeframe: "1d", candles: dailyBars(DATES) },
      { symbol: "MSFT", timeframe: "1d", candles: dailyBars(lacking) },
    ],
    {
      now: NOW,
      symbols: { AAPL: "--timeframes 1d", MSFT: "--timeframes 1d" },
      ohlcv: { since: { "1d": "2025-11-03" }, repairRounds: 0 },
      script: badBar,
    },
  );
  await at.cli("run", "ohlcv");
});
afterEach(() => at[Symbol.asyncDispose]());

describe("a waiver", () => {
  const waived = ["--from", "2025-11-12", "--to", "2025-11-13", "--reason", "vendor lost it"];

  it("hides a gap from coverage, gaps and plans until it is ended", async () => {
    expect((await at.json("gaps", "--check")).exit).toBe(3);
    const made = await at.json("waive", "ohlcv", "MSFT/1d", ...waived);
    expect(made.exit, made.err).toBe(0);
    expect(made.json).toMatchObject({
      id: 1,
      kind: "waive",
      dataset: "ohlcv.market_data",
      key: "MSFT/1d",
      start: "2025-11-12T05:00:00Z",
      end: "2025-11-13T05:00:00Z",
      slots: 1,
      gap_slots: 0,
    });
    const gaps = await at.json("gaps");
    expect(gaps.json.gaps.map((gap: { key: string }) => gap.key)).toEqual(["AAPL/1d"]);
    expect(gaps.json.waived).toEqual([
      {
        key: "MSFT/1d",
        start: "2025-11-12T05:00:00Z",
        end: "2025-11-13T05:00:00Z",
        first_day: "2025-11-12",
        last_day: "2025-11-12",
        slots: 1,
        reason: "vendor lost it",
        actor: expect.any(String),
      },
    ]);
    expect((await at.cli("gaps")).out).toMatch(
      /Waived .*\n.*\n.*\n +MSFT\/1d +2025-11-12 +2025-11-12 +1 +vendor lost it \(/,
    );
    const matrix = await at.cli("coverage");
    expect(matrix.out).toMatch(/^MSFT .*◇/m);
    expect(matrix.out).toContain("◇ complete but for waived slots");
    const [, msft] = (await at.json("coverage")).json.series;
    expect(msft).toMatchObject({ due: DUE, covered: DUE - 1, waived: 1, gap: 0, complete: true });
    expect((await at.json("plan", "ohlcv", "--symbols", "MSFT")).json.cost.calls).toBe(0);
    expect((await at.json("coverage", "--symbols", "MSFT", "--check")).exit).toBe(0);

    const ended = await at.json("waive", "end", "1", "--reason", "they found it");
    expect(ended.json).toMatchObject({ kind: "unwaive", key: "MSFT/1d", slots: 1, gap_slots: 1 });
    expect((await at.json("plan", "ohlcv", "--symbols", "MSFT")).json.cost.calls).toBe(1);
    const list = await at.json("waive", "list");
    expect(list.json).toMatchObject([{ id: 1, standing: "ended", ended_by: { reason: "they found it" } }]);
    expect((await at.json("audit", "verify")).exit).toBe(0);
  });

  it("ends by itself when business now reaches its end", async () => {
    await at.json("waive", "market_data", "MSFT/1d", ...waived, "--until", "2025-11-22");
    expect((await at.json("waive", "list")).json).toMatchObject([{ standing: "holds", until: "2025-11-22T00:00:00Z" }]);
    await at.configure({ now: "2025-11-22T00:00:00Z" });
    expect((await at.json("waive", "list")).json).toMatchObject([{ standing: "over" }]);
    const gaps = await at.json("gaps", "--symbols", "MSFT", "--to", "2025-11-20");
    expect(gaps.json.gaps).toHaveLength(1);
  });

  it("never hides what is disputed", async () => {
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const file = await DuckDBInstance.create(join(at.dir, ".retrofill", "data.duckdb"));
    const connection = await file.connect();
    await connection.run("delete from v1.market_data where symbol = 'MSFT' and ts = '2025-11-13 05:00:00'");
    connection.closeSync();
    file.closeSync();
    expect((await at.json("verify", "--symbols", "MSFT")).exit).toBe(4);
    const made = await at.json(
      "waive",
      "ohlcv",
      "MSFT/1d",
      "--from",
      "2025-11-10",
      "--to",
      "2025-11-15",
      "--reason",
      "x",
    );
    expect(made.json).toMatchObject({ slots: 1, gap_slots: 1 });
    const gaps = await at.json("gaps", "--symbols", "MSFT");
    expect(gaps.json.gaps.map((gap: { cause: string; start: string }) => [gap.cause, gap.start])).toEqual([
      ["disputed", "2025-11-13T05:00:00Z"],
    ]);
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["waive ohclv MSFT/1d --from 2025-11-12 --to 2025-11-13 --reason x", "SELECTOR_UNKNOWN", "ohclv"],
    ["waive ohlcv MSFT/1w --from 2025-11-12 --to 2025-11-13 --reason x", "KEY_UNKNOWN", "MSFT/1w"],
    ["waive ohlcv MSFT --from 2025-11-12 --to 2025-11-13 --reason x", "KEY_UNKNOWN", "MSFT"],
    ["waive ohlcv MSFT/1d --from 2025-11-12 --to 2025-11-13", "USAGE", "--reason"],
    ["waive ohlcv MSFT/1d --from 2025-11-13 --to 2025-11-12 --reason x", "USAGE", "no 1d slot"],
    ["waive ohlcv MSFT/1d --from 2025-11-12 --to 2025-11-13 --reason x --until 2025-11-20", "USAGE", "has passed"],
    ["waive ohlcv MSFT/1d --from noon --to 2025-11-13 --reason x", "USAGE", "not a date"],
    ["waive end 7", "USAGE", "no waiver 7"],
  ];
  it("is refused with what is wrong, and nothing is decided", async () => {
    for (const [line, code, text] of refused) {
      const ended = await at.json(...line.split(" "));
      expect(ended.exit, line).toBe(2);
      expect(ended.json.error.code, line).toBe(code);
      expect(ended.json.error.message).toContain(text);
    }
    expect((await at.json("waive", "list")).json).toEqual([]);
  });

  it("is asked for by its series when only the symbol is named", async () => {
    const { json } = await at.json("waive", "ohlcv", "MSFT", ...waived);
    expect(json.error.hint).toBe("did you mean MSFT/1d?");
  });
});

describe("quarantine", () => {
  it("lists what is kept out and why, and shows the records", async () => {
    const list = await at.json("quarantine", "list");
    const slot = "2025-11-07T05:00:00Z";
    expect(list.json).toEqual([
      { dataset: "ohlcv.market_data", key: "AAPL/1d", reason: "high_below_low", records: 1, first: slot, last: slot },
    ]);
    const show = await at.json("quarantine", "show", "ohlcv", "--symbols", "AAPL", "--limit", "5");
    expect(show.json).toMatchObject([
      { key: "AAPL/1d", row_no: BAD.row, slot, reason: "high_below_low", record: { t: BAD.t, h: 102, l: 103 } },
    ]);
    expect((await at.json("quarantine", "show", "--symbols", "MSFT")).json).toEqual([]);
    expect((await at.cli("quarantine", "list", "--timeframes", "1w")).out).toBe("Nothing is in quarantine.\n");
    const unknown = await at.json("quarantine", "list", "--symbols", "APPL");
    expect([unknown.exit, unknown.json.error.code]).toEqual([2, "KEY_UNKNOWN"]);
    expect(unknown.json.error.message).toContain("did you mean AAPL");
  });

  it("releases one record by a decision and a run of its own, without a call", async () => {
    const [{ object_no: object }] = (await at.json("quarantine", "show")).json;
    const calls = at.asked.length;
    const released = await at.json(
      "quarantine",
      "release",
      String(object),
      String(BAD.row),
      "--reason",
      "really traded so",
    );
    expect(released.exit, released.err).toBe(0);
    expect(released.json).toMatchObject({
      reason: "really traded so",
      status: "succeeded",
      rows: { received: DUE, inserted: 1, updated: 0, unchanged: DUE - 1, quarantined: 0, retracted: 0 },
      before: null,
      after: { symbol: "AAPL", ts: "2025-11-07 05:00:00", high: 102, low: 103, object_no: object },
    });
    expect(at.asked).toHaveLength(calls);
    expect((await at.json("coverage", "--symbols", "AAPL", "--check")).exit).toBe(0);
    expect((await at.json("quarantine")).json).toEqual([]);
    const run = await at.json("runs", "show", released.json.run_id);
    expect(run.json).toMatchObject({ kind: "forced", status: "succeeded", summary: { calls: { made: 0 } } });
    expect(run.json.reason).toContain("really traded so");
    const trace = await at.json("trace", "ohlcv", "AAPL/1d", BAD.date);
    expect(trace.json).toMatchObject({
      row: { high: 102 },
      released: [{ object_no: object, row_no: BAD.row, decision: released.json.decision }],
      written_by: { run: { id: released.json.run_id } },
    });
    expect((await at.json("verify", "--symbols", "AAPL")).exit).toBe(0);
    expect((await at.json("audit", "verify")).json.faults).toEqual([]);

    const twice = await at.json("quarantine", "release", String(object), String(BAD.row), "--reason", "again");
    expect([twice.exit, twice.json.error.code]).toEqual([5, "RELEASE_REFUSED"]);
    expect(twice.json.error.message).toContain("was released by");
  });

  it("keeps a release when the data file is lost and made anew", async () => {
    const [{ object_no: object }] = (await at.json("quarantine", "show")).json;
    await at.json("quarantine", "release", String(object), String(BAD.row), "--reason", "really traded so");
    const rows = "select * from market_data order by symbol, ts";
    const before = (await at.json("sql", rows)).json.rows;
    expect(before).toHaveLength(2 * DUE - 1);
    await rm(join(at.dir, ".retrofill", "data.duckdb"));
    await using opened = await host.openProject({ dir: at.dir });
    const { project } = opened;
    const request = { ...requestOf(findDataset(project, "ohlcv")), ask: "bronze" } as const;
    const { execution } = await runRequest(
      project,
      request,
      { mode: "backfill", overrideState: false, reason: "lost", actor: "ana", businessNow: project.businessNow() },
      {
        connect: () => Promise.reject(new Error("nobody is asked")),
        observe: () => undefined,
        signal: new AbortController().signal,
        confirm: async () => true,
      },
    );
    // Every candle, and the features that can be made of them.
    expect(execution?.summary?.rows).toMatchObject({ inserted: 2 * (2 * DUE - 1), quarantined: 0 });
    expect((await at.json("sql", rows)).json.rows).toEqual(before);
    expect((await at.json("verify", "--symbols", "AAPL")).exit).toBe(0);
  });

  it("leaves the row of a later answer where there is one", async () => {
    at.script(null);
    await at.json("run", "ohlcv");
    const rows = "select * from market_data order by symbol, ts";
    const before = (await at.json("sql", rows)).json.rows;
    const coverage = (await at.json("coverage")).json;
    const [{ object_no: object }] = (await at.json("quarantine", "show")).json;
    const released = await at.json("quarantine", "release", String(object), String(BAD.row), "--reason", "late");
    expect(released.json).toMatchObject({ status: "succeeded", rows: { inserted: 0, updated: 0, retracted: 0 } });
    expect(released.json.after).toEqual(released.json.before);
    expect(released.json.after.object_no).toBeGreaterThan(object);
    expect((await at.json("sql", rows)).json.rows).toEqual(before);
    expect((await at.json("coverage")).json).toEqual(coverage);
    expect((await at.json("audit", "verify")).json.faults).toEqual([]);
  });

  it("makes downstream rows stale, and the next run makes them anew", async () => {
    await at.json("run", "ohlcv.market_data_v2");
    const [{ object_no: object }] = (await at.json("quarantine", "show")).json;
    const released = await at.json("quarantine", "release", String(object), String(BAD.row), "--reason", "so it was");
    const { stale } = released.json;
    expect(stale).toEqual([{ dataset: "ohlcv.market_data_v2", slots: expect.any(Number) }]);
    const lineage = await at.json("lineage", "market_data_v2");
    expect(lineage.json.stale).toEqual([{ key: "AAPL/1d", slots: stale[0].slots }]);
    await at.json("run", "ohlcv.market_data_v2", "--symbols", "AAPL");
    expect((await at.json("lineage", "market_data_v2")).json.stale).toEqual([]);
    const made = await at.json("trace", "market_data_v2", "AAPL/1d", BAD.date);
    expect(made.json.row).toMatchObject({ high: 102, object_no: object });
  });

  it("refuses what no decision can let in, and names what there is", async () => {
    const [{ object_no: object }] = (await at.json("quarantine", "show")).json;
    const other = await at.json("quarantine", "release", String(object), "3", "--reason", "x");
    expect([other.exit, other.json.error.code]).toEqual([2, "KEY_UNKNOWN"]);
    expect(other.json.error.hint).toContain(String(BAD.row));
    const none = await at.json("quarantine", "release", "99", "0", "--reason", "x");
    expect([none.exit, none.json.error.message]).toEqual([2, "no bronze object 99"]);
    const words = await at.json("quarantine", "release", "one", "0", "--reason", "x");
    expect([words.exit, words.json.error.code]).toEqual([2, "USAGE"]);
    const silent = await at.json("quarantine", "release", String(object), String(BAD.row), "--reason", " ");
    expect([silent.exit, silent.json.error.code]).toEqual([2, "USAGE"]);

    at.script(({ ticker }) =>
      ticker === "MSFT"
        ? {
            edit: (body) => ({
              ...body,
              results: body.results.map((bar: object, i: number) => (i === 0 ? { ...bar, o: "x" } : bar)),
            }),
          }
        : null,
    );
    await at.json("run", "ohlcv", "--symbols", "MSFT", "--again");
    const [unreadable] = (await at.json("quarantine", "show", "--symbols", "MSFT")).json;
    expect(unreadable.reason).toBe("unreadable");
    const place = [String(unreadable.object_no), String(unreadable.row_no)];
    const refused = await at.json("quarantine", "release", ...place, "--reason", "x");
    expect([refused.exit, refused.json.error.code]).toEqual([5, "RELEASE_REFUSED"]);
  });
});

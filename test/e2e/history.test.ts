import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HOUR } from "../../src/core/time/instant.ts";
import { barsFrom, dailyBars, type Ended, type Reply, type Script, type World, weekdays, world } from "./kit.ts";

const DATES = weekdays("2025-11-03", "2025-11-21");
const OPENS = DATES.map((date) => `${date}T14:00:00Z`);
const CLOSED_PORT = "http://127.0.0.1:9";
const TABLES = ["market_data", "market_data_v2"];

/** Every column of every row as text that tells doubles apart. */
async function stored(at: World, ...flags: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const tables = new Map<string, readonly string[]>();
  for (const table of TABLES) {
    const { json } = await at.json(
      "sql",
      `select t::varchar as r from ${table} t order by symbol, timeframe, ts`,
      ...flags,
    );
    tables.set(
      table,
      json.rows.map(({ r }: { r: string }) => r),
    );
  }
  return tables;
}

/** The provider's closes of AAPL's days from `from` on are multiplied by `factor`. */
const restatedFrom =
  (from: string, factor: number): Script =>
  ({ ticker, size }): Reply =>
    ticker !== "AAPL" || size !== "1/day"
      ? {}
      : {
          edit: (body) => ({
            ...body,
            results: (body.results ?? []).map(({ o, h, l, c, ...bar }: Readonly<Record<string, number>>) =>
              (bar.t as number) < Date.parse(from)
                ? { ...bar, o, h, l, c }
                : { ...bar, ...scaled({ o, h, l, c }, factor) },
            ),
          }),
        };

function scaled(prices: Readonly<Record<string, number | undefined>>, factor: number): Record<string, number> {
  return Object.fromEntries(Object.entries(prices).map(([name, price]) => [name, (price as number) * factor]));
}

let at: World;
let first: Ended;
beforeEach(async () => {
  at = await world(
    ["AAPL", "MSFT"].flatMap((symbol) => [
      { symbol, timeframe: "1d" as const, candles: dailyBars(DATES) },
      { symbol, timeframe: "1h" as const, candles: barsFrom(OPENS, 7, HOUR) },
    ]),
    {
      now: "2025-11-21T22:30:00Z",
      symbols: { AAPL: "--timeframes 1h,1d", MSFT: "--timeframes 1h,1d" },
      ohlcv: { since: { "1h": "2025-11-03", "1d": "2025-11-03" } },
    },
  );
  first = await at.json("run", "ohlcv+");
  expect(first.exit, first.err).toBe(0);
});
afterEach(() => at[Symbol.asyncDispose]());

/** Asks AAPL's days of a stretch again, while the provider says something else. */
async function restate(from: string, factor: number, ...scope: readonly string[]): Promise<Ended> {
  at.script(restatedFrom(from, factor));
  const ended = await at.json("run", "ohlcv+", "--symbols", "AAPL", "--timeframes", "1d", "--again", ...scope);
  at.script(null);
  expect(ended.exit, ended.err).toBe(0);
  return ended;
}

describe("reprocess", () => {
  it("makes a lost store anew, to the last bit, with nobody there to be asked", async () => {
    await restate("2025-11-12", 1.1);
    const before = await stored(at);
    const history = await at.json("sql", "select count(*) as n from market_data__history");
    await rm(join(at.dir, ".retrofill", "data.duckdb"));
    // Features are made anew in several parts.
    await at.configure({ source: { baseUrl: CLOSED_PORT }, publishRows: 400 });
    const asked = at.asked.length;
    const planned = await at.cli("plan", "ohlcv+");
    expect(planned.out + planned.err).not.toContain("ECONNREFUSED");
    const rebuilt = await at.json("reprocess", "ohlcv+", "--reason", "the disk died");
    expect([rebuilt.exit, rebuilt.json.status, rebuilt.json.calls.made]).toEqual([0, "succeeded", 0]);
    expect(at.asked.length).toBe(asked);
    expect(await stored(at)).toEqual(before);
    expect((await at.json("audit", "verify")).exit).toBe(0);
    expect((await at.json("verify", "ohlcv+")).exit).toBe(0);
    expect(Number(history.json.rows[0].n)).toBeGreaterThan(0);
  });

  it("of a store that is whole changes nothing, and its plan says that nobody is asked", async () => {
    const before = await stored(at);
    const rebuilt = await at.cli("reprocess", "ohlcv+", "--yes");
    expect(rebuilt.out).toContain("0 API calls");
    expect(rebuilt.out).toContain("nobody is asked");
    expect(rebuilt.exit).toBe(0);
    expect(await stored(at)).toEqual(before);
  });
});

describe("revert", () => {
  it("of a run gives back the rows before it, those made from them too, and keeps them so", async () => {
    const before = await stored(at);
    const run = await restate("2025-11-12", 1.1);
    expect(run.json.rows.updated).toBeGreaterThan(8);
    expect(await stored(at)).not.toEqual(before);
    const reverted = await at.json("revert", run.json.run_id, "--reason", "a bad answer");
    expect([reverted.exit, reverted.json.calls.made], reverted.err).toEqual([0, 0]);
    expect(await stored(at)).toEqual(before);
    for (const line of ["audit verify", "verify ohlcv+"]) expect((await at.json(...line.split(" "))).exit).toBe(0);
    expect((await at.cli("runs")).out).toMatch(new RegExp(`${run.json.run_id} +succeeded, reverted`));
    // Rebuilt from bronze, the answer that was taken back stays away.
    await rm(join(at.dir, ".retrofill", "data.duckdb"));
    expect((await at.json("reprocess", "ohlcv+")).exit).toBe(0);
    expect(await stored(at)).toEqual(before);
    const again = await at.json("run", "ohlcv+");
    expect([again.exit, again.json.run_id]).toEqual([0, null]);
  });

  it("of a run that first brought rows takes them away, and they are gaps again", async () => {
    const reverted = await at.json("revert", first.json.run_id, "--reason", "a bad answer");
    expect(reverted.exit, reverted.err).toBe(0);
    for (const rows of (await stored(at)).values()) expect(rows).toEqual([]);
    const lacking = await at.json("gaps", "ohlcv", "--check");
    expect(lacking.exit).toBe(3);
    const reasons = lacking.json.gaps.map(({ reason }: { reason: string }) => reason);
    expect(new Set(reasons)).toEqual(new Set([`taken back by ${reverted.json.run_id}`]));
    for (const line of ["audit verify"]) expect((await at.json(...line.split(" "))).exit).toBe(0);
    const refilled = await at.json("run", "ohlcv+");
    expect([refilled.exit, refilled.json.rows.inserted]).toEqual([0, first.json.rows.inserted]);
  });

  it("of runs below a lost store that was made anew is as it would have been, latest first", async () => {
    const before = await stored(at);
    const early = await restate("2025-11-10", 1.1);
    const between = await stored(at);
    const late = await restate("2025-11-12", 1.2);
    await rm(join(at.dir, ".retrofill", "data.duckdb"));
    const remade = await at.json("reprocess", "ohlcv+", "--reason", "the disk died");
    const asked = at.asked.length;
    const refused = await at.json("revert", early.json.run_id, "--reason", "a bad answer");
    expect([refused.exit, refused.json.error.hint]).toEqual([5, expect.stringContaining(late.json.run_id)]);
    expect(refused.json.error.message).not.toContain(remade.json.run_id);
    for (const [run, rows] of [
      [late, between],
      [early, before],
    ] as const) {
      const reverted = await at.json("revert", run.json.run_id, "--reason", "a bad answer");
      expect([reverted.exit, reverted.json.calls.made], reverted.err).toEqual([0, 0]);
      expect(await stored(at)).toEqual(rows);
      for (const line of ["audit verify", "verify ohlcv+"]) expect((await at.json(...line.split(" "))).exit).toBe(0);
    }
    expect((await at.json("run", "ohlcv+")).json.run_id).toBeNull();
    expect(at.asked.length).toBe(asked);
  });

  it("of all that a store made anew holds leaves nothing, and all of it is a gap again", async () => {
    await rm(join(at.dir, ".retrofill", "data.duckdb"));
    expect((await at.json("reprocess", "ohlcv+", "--reason", "the disk died")).exit).toBe(0);
    const reverted = await at.json("revert", first.json.run_id, "--reason", "a bad answer");
    expect(reverted.exit, reverted.err).toBe(0);
    for (const rows of (await stored(at)).values()) expect(rows).toEqual([]);
    expect((await at.json("audit", "verify")).exit).toBe(0);
    const refilled = await at.json("run", "ohlcv+");
    expect([refilled.exit, refilled.json.rows.inserted]).toEqual([0, first.json.rows.inserted]);
  });

  it("is refused for a run whose rows a later one changed, naming that one first", async () => {
    const early = await restate("2025-11-10", 1.1);
    const late = await restate("2025-11-12", 1.2);
    const between = await stored(at);
    const refused = await at.json("revert", early.json.run_id, "--reason", "a bad answer");
    expect([refused.exit, refused.json.error.hint]).toEqual([5, expect.stringContaining(late.json.run_id)]);
    expect(await stored(at)).toEqual(between);
    expect((await at.json("revert", late.json.run_id, "--reason", "a bad answer")).exit).toBe(0);
    expect((await at.json("revert", early.json.run_id, "--reason", "a bad answer")).exit).toBe(0);
    const twice = await at.json("revert", early.json.run_id, "--reason", "a bad answer");
    expect(twice.exit).not.toBe(0);
    expect((await at.json("audit", "verify")).exit).toBe(0);
  });
});

/** A high below its low on one of AAPL's days, and another close on a later one. */
const BAD_DAY = Date.parse("2025-11-12T05:00:00Z");
const faulty: Script = ({ ticker, size }) =>
  ticker !== "AAPL" || size !== "1/day"
    ? {}
    : {
        edit: (body) => ({
          ...body,
          results: body.results.map((bar: Readonly<Record<string, number>>) =>
            bar.t === BAD_DAY
              ? { ...bar, h: (bar.l as number) - 1 }
              : (bar.t as number) > BAD_DAY
                ? { ...bar, c: (bar.c as number) + 0.5 }
                : bar,
          ),
        }),
      };

describe("revert after a release", () => {
  /** Asks AAPL's days again and lets the bad record in. */
  async function releasedRun(): Promise<{ readonly run: string; readonly place: readonly [string, string] }> {
    at.script(faulty);
    const ended = await at.json("run", "ohlcv+", "--symbols", "AAPL", "--timeframes", "1d", "--again");
    at.script(null);
    const place = await onlyQuarantined();
    await release(place);
    return { run: ended.json.run_id, place };
  }

  async function onlyQuarantined(): Promise<readonly [string, string]> {
    const { json } = await at.json("quarantine", "show");
    expect(json).toHaveLength(1);
    return [String(json[0].object_no), String(json[0].row_no)];
  }

  async function release(place: readonly [string, string]): Promise<void> {
    const released = await at.json("quarantine", "release", ...place, "--reason", "really traded so");
    expect(released.exit, released.err).toBe(0);
    expect((await at.json("run", "ohlcv+")).exit).toBe(0);
  }

  /** Bronze says what is stored: made anew, nothing changes, and everybody agrees. */
  async function expectAsInBronze(): Promise<void> {
    const standing = await stored(at);
    const coverage = (await at.json("coverage", "ohlcv+")).json;
    for (const line of ["audit verify", "verify ohlcv+"])
      expect((await at.json(...line.split(" "))).exit, line).toBe(0);
    const rebuilt = await at.json("reprocess", "ohlcv+", "--reason", "a check");
    expect(rebuilt.json.rows).toMatchObject({ inserted: 0, updated: 0, retracted: 0 });
    expect(await stored(at)).toEqual(standing);
    expect((await at.json("coverage", "ohlcv+")).json).toEqual(coverage);
  }

  it("takes back the released row too, and what is made from it", async () => {
    const before = await stored(at);
    const coverage = (await at.json("coverage", "ohlcv+")).json;
    const { run, place } = await releasedRun();
    expect(await stored(at)).not.toEqual(before);
    const reverted = await at.json("revert", run, "--reason", "a bad answer");
    expect([reverted.exit, reverted.json.calls.made], reverted.err).toEqual([0, 0]);
    expect(await stored(at)).toEqual(before);
    expect((await at.json("coverage", "ohlcv+")).json).toEqual(coverage);
    await expectAsInBronze();
    expect((await at.json("quarantine", "list")).json).toEqual([]);
    expect((await at.json("trace", "ohlcv", "AAPL/1d", "2025-11-12")).json.released).toEqual([]);
    const again = await at.json("quarantine", "release", ...place, "--reason", "again");
    expect([again.exit, again.json.error.code]).toEqual([5, "RELEASE_REFUSED"]);
    expect(again.json.error.message).toContain(`${run}, was taken back`);
  });

  it("lets a record in that was released below the run", async () => {
    const { run } = await releasedRun();
    const released = await stored(at);
    const correct = await restate("2025-11-12", 1);
    expect(await stored(at)).not.toEqual(released);
    expect((await at.json("revert", correct.json.run_id, "--reason", "a bad answer")).exit).toBe(0);
    expect(await stored(at)).toEqual(released);
    expect((await at.json("revert", run, "--reason", "a bad answer")).exit).toBe(0);
    await expectAsInBronze();
  });

  it("lets a record in whose release came while the run spoke for its slot", async () => {
    at.script(faulty);
    const bad = await at.json("run", "ohlcv+", "--symbols", "AAPL", "--timeframes", "1d", "--again");
    const place = await onlyQuarantined();
    const correct = await restate("2025-11-12", 1.1);
    await release(place);
    expect((await at.json("revert", correct.json.run_id, "--reason", "a bad answer")).exit).toBe(0);
    const row = await at.json("sql", "select high < low as f from market_data where ts = '2025-11-12 05:00:00'");
    expect(row.json.rows).toContainEqual({ f: true });
    await expectAsInBronze();
    expect((await at.json("revert", bad.json.run_id, "--reason", "a bad answer")).exit).toBe(0);
    await expectAsInBronze();
  });

  it("is refused while a later run has changed the released row, naming that run", async () => {
    const { run } = await releasedRun();
    const later = await restate("2025-11-12", 1.2, "--from", "2025-11-12", "--to", "2025-11-13");
    const refused = await at.json("revert", run, "--reason", "a bad answer");
    expect([refused.exit, refused.json.error.hint]).toEqual([5, expect.stringContaining(later.json.run_id)]);
  });

  it("is refused for a run below one whose record was released, naming the one that asked", async () => {
    const early = await restate("2025-11-10", 1.1);
    const { run } = await releasedRun();
    const refused = await at.json("revert", early.json.run_id, "--reason", "a bad answer");
    expect([refused.exit, refused.json.error.hint]).toEqual([5, expect.stringContaining(run)]);
    for (const one of [run, early.json.run_id]) {
      expect((await at.json("revert", one, "--reason", "a bad answer")).exit).toBe(0);
      await expectAsInBronze();
    }
  });
});

describe("sql --as-of", () => {
  it("shows the tables as a copy taken then would", async () => {
    const copies = [{ run: first.json.run_id as string, rows: await stored(at) }];
    for (const [from, factor] of [
      ["2025-11-12", 1.1],
      ["2025-11-06", 0.9],
    ] as const) {
      const { json } = await restate(from, factor);
      copies.push({ run: json.run_id, rows: await stored(at) });
    }
    const last = copies.at(-1)?.run as string;
    const reverted = await at.json("revert", last, "--reason", "a bad answer");
    copies.push({ run: reverted.json.run_id, rows: await stored(at) });
    for (const { run, rows } of copies) expect([run, await stored(at, "--as-of", run)]).toEqual([run, rows]);
  });
});

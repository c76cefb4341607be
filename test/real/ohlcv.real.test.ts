import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Expected } from "./expected.ts";
import { FilledSet, type Finding, type SetOptions, silentSlots } from "./filled-set.ts";
import type { RawBar } from "./raw-bars.ts";
import { bitfinex, dayAfter, leanHours, type RealSeries, usMinutes, yahoo } from "./real-series.ts";

// The main job on real files (RETROFILL_DATA), served by the sandbox without faults. What must be stored, due and missing
// is counted from the files and from reference calendars by code of these tests alone.

const root = process.env.RETROFILL_DATA ?? "";
/** Two busy cores take a quarter of this for the largest set. */
const FILL_MS = 300_000;

/** Fills a set once for all of a block's tests. */
function filling(options: () => Omit<SetOptions, "root">): () => FilledSet {
  let filled: FilledSet | undefined;
  beforeAll(async () => {
    filled = await FilledSet.fill({ root, ...options() });
    filled.print();
  }, FILL_MS);
  afterAll(async () => await filled?.[Symbol.asyncDispose]());
  return () => {
    if (!filled) throw new Error("unreachable: filled before the tests");
    return filled;
  };
}

/** Claims that hold for every set. */
function agreesWithTheFiles(filled: () => FilledSet): void {
  it("stores exactly the bars of the files", () => {
    for (const { key, bars, stored } of filled().findings) expect([key, ...differences(stored, bars)]).toEqual([key]);
  });

  it("counts due and covered slots as a count by hand does", () => {
    for (const { key, expected, blocked, coverage } of filled().findings) {
      const missing = silentSlots(expected) + blocked;
      const { due, covered, verified_empty, gap, failed, refused } = coverage;
      expect({ key, due, covered, missing: verified_empty + gap, failed, refused }).toEqual({
        key,
        due: expected.due,
        covered: expected.due - missing,
        missing,
        failed: 0,
        refused: 0,
      });
    }
  });

  it("shows every suspect silence as a gap or empty at the source, and nothing else", () => {
    for (const { key, expected, first } of filled().findings) {
      const asked = first.gaps.filter(({ cause }) => cause === "asked-once");
      expect([key, ...joined([...asked, ...first.empty_at_source], expected)]).toEqual([key, ...spansOf(expected)]);
      expect([key, first.refused]).toEqual([key, []]);
    }
  });

  it("shows bars whose prices cannot be as blocked, and no other gap", () => {
    for (const { key, impossible, first, settled } of filled().findings) {
      for (const { gaps } of [first, settled]) {
        const others = gaps.filter(({ cause }) => cause !== "asked-once");
        expect([key, ...others.map(({ cause, start, slots }) => `${cause} ${start} ${slots}`)]).toEqual([
          key,
          ...impossible.map((t) => `blocked ${new Date(t).toISOString().replace(".000", "")} 1`),
        ]);
      }
    }
  });

  it("calls every silence empty at the source once it was asked again", () => {
    for (const { key, expected, settled } of filled().findings) {
      expect([key, ...settled.gaps.filter(({ cause }) => cause === "asked-once")]).toEqual([key]);
      expect([key, ...joined(settled.empty_at_source, expected)]).toEqual([key, ...spansOf(expected)]);
    }
  });

  it("sums up its runs as a count by hand does", () => {
    for (const { exit, run, again, findings } of filled().runs) {
      const sum = (of: (one: Finding) => number): number => findings.reduce((total, one) => total + of(one), 0);
      const due = sum(({ expected }) => expected.due);
      const blocked = sum((one) => one.blocked);
      const missing = sum(({ expected }) => silentSlots(expected)) + blocked;
      const { cells, rows, gaps, calls } = run;
      expect({ ...cells, missing: cells.verified_empty + gaps.after }).toMatchObject({
        due,
        covered_after: due - missing,
        missing,
        failed: 0,
        refused: 0,
      });
      expect({ inserted: rows.inserted, updated: rows.updated, retracted: rows.retracted }).toEqual({
        inserted: sum(({ bars }) => bars.length),
        updated: 0,
        retracted: 0,
      });
      expect(rows.quarantined > 0).toBe(blocked > 0);
      expect([run.status, exit]).toEqual(gaps.after === 0 ? ["succeeded", 0] : ["partial", 3]);
      expect({ gaps: again.gaps.after, inserted: again.rows.inserted }).toEqual({ gaps: blocked, inserted: 0 });
      expect({ retried: calls.retried, made: calls.made }).toEqual({
        retried: 0,
        made: calls.planned + calls.repaired,
      });
    }
  });

  it("is refused nothing at the provider's door", () => {
    const { requests, byStatus, problems } = filled().project.report();
    expect({ byStatus, problems }).toEqual({ byStatus: { 200: requests }, problems: [] });
  });
}

/** The end of a coin's last minute, or day. */
function lastMinute(bars: readonly RawBar[]): string {
  return new Date((bars[bars.length - 1]?.t ?? 0) + 60_000).toISOString();
}

const spanText = (start: number, end: number): string =>
  `${new Date(start).toISOString()} ${new Date(end).toISOString()}`;

const spansOf = ({ silences }: Expected): readonly string[] => silences.map(({ start, end }) => spanText(start, end));

/** Spans in order; pieces of one silence, cut at nights or where it was asked again, are one. */
function joined(
  spans: readonly { readonly start: string; readonly end: string }[],
  expected: Expected,
): readonly string[] {
  const pieces = spans.map(({ start, end }) => ({ start: Date.parse(start), end: Date.parse(end) }));
  const whole: { start: number; end: number; silence: number }[] = [];
  for (const piece of pieces.sort((a, b) => a.start - b.start)) {
    const silence = expected.silences.findIndex(({ start, end }) => start <= piece.start && piece.end <= end);
    const last = whole[whole.length - 1];
    if (last && silence >= 0 && last.silence === silence) last.end = piece.end;
    else whole.push({ ...piece, silence });
  }
  return whole.map(({ start, end }) => spanText(start, end));
}

/** How stored rows differ from bars, a few lines at most; sums of volume may differ in their last bits. */
function differences(stored: readonly RawBar[], bars: readonly RawBar[]): readonly string[] {
  const rest = new Map(stored.map((bar) => [bar.t, bar]));
  const lost = bars.filter((bar) => {
    const row = rest.get(bar.t);
    rest.delete(bar.t);
    if (row === undefined || Math.abs(row.v - bar.v) > 1e-9 * Math.abs(bar.v)) return true;
    return row.o !== bar.o || row.h !== bar.h || row.l !== bar.l || row.c !== bar.c;
  });
  return [
    ...(stored.length === bars.length ? [] : [`${stored.length} rows stored, ${bars.length} bars in the files`]),
    ...lost.slice(0, 5).map((bar) => `not stored as it is: ${new Date(bar.t).toISOString()} ${JSON.stringify(bar)}`),
    ...[...rest.keys()].slice(0, 5).map((t) => `stored, and in no file: ${new Date(t).toISOString()}`),
  ];
}

describe.runIf(root !== "")("minutes of coins over years (bitfinex-1m)", () => {
  const filled = filling(() => ({
    set: "bitfinex-1m",
    now: "2017-01-02T00:00:00Z",
    scopes: async () => [{ series: bitfinex, timeframes: ["1m", "1h"], to: "2017-01-01" }],
  }));
  agreesWithTheFiles(filled);

  it("knows the three long stretches that the files lack", () => {
    const spans = (key: string) => spansOf(filled().of(key).expected);
    expect(spans("X:BTCUSD/1m")).toContain("2014-11-21T23:04:00.000Z 2015-01-01T00:00:00.000Z");
    expect(spans("X:BTCUSD/1m")).toContain("2015-05-01T04:00:00.000Z 2015-06-01T00:00:00.000Z");
    expect(spans("X:ETHUSD/1m")).toContain("2016-03-31T23:31:00.000Z 2016-06-01T00:00:00.000Z");
  });

  it("asks for a hundred thousand quiet minutes a few times only", () => {
    // LTC traded every 17 minutes: of its silences only one of 67 hours in the first days is suspect.
    const { coverage, expected } = filled().of("X:LTCUSD/1m");
    expect([expected.absent, coverage.verified_empty + coverage.gap]).toEqual([307_312, 4_038]);
    for (const { run } of filled().runs) expect(run.repairs.detected).toBeLessThan(25);
  });
});

describe.runIf(root !== "")("minutes, five minutes and days of shares and coins (yahoo-2026)", () => {
  const filled = filling(() => ({
    set: "yahoo-2026",
    now: "2026-04-01T06:00:00Z",
    scopes: async (barsOf) => {
      const all = yahoo(root);
      const built: Readonly<Record<string, readonly string[]>> = {
        "1m": ["1m", "15m"],
        "5m": ["5m"],
        "1d": ["1d", "1w"],
      };
      // Files end on different days, each timeframe on its own: those that end together are asked for together.
      const together = new Map<string, RealSeries[]>();
      for (const series of all) {
        const bars = await barsOf(series);
        const id = `${series.timeframe} ${series.market === "always" ? lastMinute(bars) : dayAfter(series, bars)}`;
        together.set(id, [...(together.get(id) ?? []), series]);
      }
      return [...together].map(([id, series]) => {
        const [timeframe = "", to = ""] = id.split(" ");
        return { series, timeframes: built[timeframe] ?? [], to };
      });
    },
  }));
  agreesWithTheFiles(filled);

  it("knows the hole of 2026-01-30 and 2026-02-02, which is one across the weekend", async () => {
    for (const symbol of ["AAPL", "QQQ", "RIVN", "TSLA"]) {
      expect(filled().of(`${symbol}/5m`).settled.empty_at_source).toEqual(
        expect.arrayContaining([
          { key: `${symbol}/5m`, start: "2026-01-30T15:35:00Z", end: "2026-02-02T19:00:00Z", asked: 2 },
        ]),
      );
    }
    const days = filled()
      .of("AAPL/5m")
      .stored.map(({ t }) => new Date(t).toISOString().slice(0, 10));
    const count = (day: string): number => days.filter((one) => one === day).length;
    // Counted in the file: 13 and 24 bars around the hole, and 42 on the half day.
    expect(["2026-01-30", "2026-02-02", "2025-12-24"].map(count)).toEqual([13, 24, 42]);
    // Sixty sessions, one of them half a day.
    expect(filled().of("AAPL/5m").coverage.due).toBe(59 * 78 + 42);
  });
});

describe.runIf(root !== "")("hours of shares (lean-us-hour)", () => {
  const filled = filling(() => ({
    set: "lean-us-hour",
    now: "2021-04-02T00:00:00Z",
    scopes: async () => [{ series: leanHours, timeframes: ["1h", "1d"], to: "2021-04-01" }],
    // Chosen for what happened in them: the closure of September 2001, AIG's halt of 2001-06-08, Nasdaq's of 2013-08-22.
    starts: { "AAPL.LEAN": "2013-01-02", "AIG.LEAN": "2001-01-02", "IBM.LEAN": "2015-01-02", "SPY.LEAN": "2015-01-02" },
    ends: { "AAPL.LEAN": "2016-01-01", "AIG.LEAN": "2002-10-01" },
  }));
  agreesWithTheFiles(filled);

  it("owes four hours of a half day and none of a closed one", () => {
    // 1,572 sessions from 2015 to March 2021, 13 of them half days.
    expect(filled().of("SPY.LEAN/1h").coverage.due).toBe(1_572 * 7 - 13 * 3);
    const september = filled()
      .of("AIG.LEAN/1d")
      .stored.map(({ t }) => new Date(t).toISOString().slice(0, 10));
    expect(september.filter((day) => day > "2001-09-10" && day < "2001-09-18")).toEqual(["2001-09-17"]);
  });

  it("finds the halt of AIG on 2001-06-08", () => {
    expect(filled().of("AIG.LEAN/1h").settled.empty_at_source).toEqual([
      { key: "AIG.LEAN/1h", start: "2001-06-08T13:00:00Z", end: "2001-06-08T17:00:00Z", asked: 2 },
    ]);
  });
});

describe.runIf(root !== "")("minutes with extended hours, fillers and a clock change (us-1m-misc)", () => {
  const filled = filling(() => ({
    set: "us-1m-misc",
    now: "2025-11-10T00:00:00Z",
    scopes: async () => [{ series: usMinutes, timeframes: ["1m", "5m", "1h"], to: "2025-11-09" }],
  }));
  agreesWithTheFiles(filled);

  const barsOn = (key: string, day: string): readonly string[] =>
    filled()
      .of(key)
      .stored.map(({ t }) => new Date(t).toISOString())
      .filter((at) => at.startsWith(day));

  it("stores extended hours and owes none of them, on the half day before a holiday neither", () => {
    expect(filled().of("SPY.2025JUL/1m").coverage).toMatchObject({ due: 20 * 390 + 210, verified_empty: 0, gap: 0 });
    const halfDay = barsOn("SPY.2025JUL/1m", "2025-07-03");
    expect(halfDay.find((at) => at > "2025-07-03T01")).toBe("2025-07-03T08:00:00.000Z");
    expect(halfDay.filter((at) => at >= "2025-07-03T17:00").length).toBeGreaterThan(100);
    expect(barsOn("SPY.2025JUL/1m", "2025-07-04")).toEqual([]);
    // Before the first session and after the last: asked for with them.
    expect(barsOn("SPY.2025JUL/1m", "2025-07-01")[0]).toBe("2025-07-01T08:00:00.000Z");
    expect(barsOn("SPY.2025JUL/1m", "2025-07-31")).toEqual(["2025-07-31T00:00:00.000Z"]);
  });

  it("follows the session when clocks change", () => {
    expect(barsOn("SPY.2025NOV/1m", "2025-10-31")[0]).toBe("2025-10-31T08:00:00.000Z");
    expect(barsOn("SPY.2025NOV/1m", "2025-11-03").find((at) => at > "2025-11-03T02")).toBe("2025-11-03T09:00:00.000Z");
    expect(filled().of("SPY.2025NOV/1m").coverage).toMatchObject({ due: 8 * 390, covered: 8 * 390 });
  });

  it("keeps filler minutes as the source has them", () => {
    const { stored } = filled().of("AAPL.2025SEP/1m");
    expect([stored.length, stored.filter(({ v }) => v === 0).length]).toEqual([960, 215]);
  });
});

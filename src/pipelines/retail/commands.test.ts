import { describe, expect, it } from "vitest";
import { interval } from "../../core/time/interval.ts";
import { datesOf, daysTouched } from "../../core/time/local-days.ts";
import { readSalesFlags, type SalesRequest, salesCommand, salesRequest } from "./commands.ts";
import { days, PROSE, type PublishedCommand, SCRIPT, wordsOf } from "./published-plan-by-hand.ts";
import { STORE_ZONE, STORES } from "./stores.ts";

const requestOf = (flags: string): SalesRequest => salesRequest(readSalesFlags(wordsOf(flags)));

/** The store-days that a request holds, as `tienda_07 2025-12-04`. */
function storeDaysOf({ stores, from, until }: SalesRequest): readonly string[] {
  if (from === null || until === null) throw new Error("unreachable: a published command without a range");
  const dates = datesOf(daysTouched(STORE_ZONE, interval(from, until)));
  return stores.flatMap((store) => dates.map((date) => `${store} ${date}`));
}

describe("the published commands", () => {
  it("are 13 in the text and 8 in the script", () => {
    expect([PROSE.length, SCRIPT.length]).toEqual([13, 8]);
  });

  it.each([...PROSE, ...SCRIPT])("hold their store-days: phase $phase, $storeDays of them", ({ flags, storeDays }) => {
    const request = requestOf(flags);
    const held = storeDaysOf(request);
    expect(held).toHaveLength(storeDays);
    expect(new Set(held).size).toBe(storeDays);
    expect(request.chunkDays).toBe(Number(/--chunk-days (\d)/.exec(flags)?.[1]));
  });

  const all = (commands: readonly PublishedCommand[]): ReadonlySet<string> =>
    new Set(commands.flatMap(({ flags }) => storeDaysOf(requestOf(flags))));
  const ofPhase = (commands: readonly PublishedCommand[], phase: string): readonly string[] =>
    [...all(commands.filter((command) => command.phase === phase))].sort();

  it("differ between text and script in three stores' phases", () => {
    const phases = ["1", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3"];
    const differing = phases.filter((phase) => ofPhase(PROSE, phase).join() !== ofPhase(SCRIPT, phase).join());
    expect(differing).toEqual(["2.1", "2.3", "2.5"]);
  });

  it("of the text repeat for tienda_11 what phase 1 has asked for; those of the script repeat nothing", () => {
    const repeated = (commands: readonly PublishedCommand[]): readonly string[] => {
      const held = commands.flatMap(({ flags }) => storeDaysOf(requestOf(flags)));
      return held.filter((one, n) => held.indexOf(one) !== n);
    };
    expect(repeated(PROSE)).toEqual(days("2026-01-10", "2026-01-25").map((date) => `tienda_11 ${date}`));
    expect(repeated(SCRIPT)).toEqual([]);
  });

  it("of the script also ask for the weeks that the text leaves out of tienda_02 and tienda_05", () => {
    const prose = all(PROSE);
    const script = all(SCRIPT);
    expect([prose.size, script.size]).toEqual([1553, 1592]);
    expect([...prose].filter((one) => !script.has(one))).toEqual([]);
    expect([...script].filter((one) => !prose.has(one))).toEqual([
      ...days("2025-11-24", "2025-12-10").map((date) => `tienda_02 ${date}`),
      ...days("2025-11-24", "2025-12-15").map((date) => `tienda_05 ${date}`),
    ]);
  });

  it("are read back from the form that this program prints", () => {
    for (const { flags } of [...PROSE, ...SCRIPT]) {
      const request = requestOf(flags);
      const { from, until, chunkDays } = request;
      if (from === null || until === null || chunkDays === null) throw new Error("unreachable: nothing is left out");
      const printed = salesCommand({
        stores: flags.includes("--todas") ? null : request.stores,
        days: daysTouched(STORE_ZONE, interval(from, until)),
        chunkDays,
      });
      expect(printed).toMatch(/^retrofill run retail /);
      expect(requestOf(printed.replace("retrofill run retail ", ""))).toEqual(request);
    }
  });
});

describe("salesCommand", () => {
  it("prints the flags in one order, the last minute of the last day included", () => {
    const range = { first: "2025-12-04", last: "2026-01-09" };
    expect(salesCommand({ stores: ["tienda_07"], days: range, chunkDays: 3 })).toBe(
      'retrofill run retail --tiendas tienda_07 --fecha-desde "2025-12-04 00:00" --fecha-hasta "2026-01-09 23:59" --chunk-days 3',
    );
    expect(salesCommand({ stores: null, days: range, chunkDays: 2 })).toContain("retail --todas --fecha-desde");
  });
});

describe("the flags of a sales backfill", () => {
  it("mean all stores and no bounds where they are not given", () => {
    const all = STORES.map(({ id }) => id);
    expect(requestOf("")).toEqual({ stores: all, from: null, until: null, chunkDays: null });
    expect(requestOf("--todas").stores).toEqual(all);
  });

  it("keep stores in the order given, each once", () => {
    expect(requestOf("--tiendas tienda_16 tienda_15 tienda_16").stores).toEqual(["tienda_16", "tienda_15"]);
  });

  it("bound local minutes, the last one included", () => {
    const { from, until } = requestOf('--fecha-desde "2026-01-10 00:00" --fecha-hasta "2026-01-25 23:59"');
    // Caracas is four hours behind UTC.
    expect(from).toBe(Date.parse("2026-01-10T04:00:00Z"));
    expect(until).toBe(Date.parse("2026-01-26T04:00:00Z"));
    const minute = requestOf('--fecha-desde "2026-01-10 12:30" --fecha-hasta "2026-01-10 12:30"');
    expect((minute.until ?? 0) - (minute.from ?? 0)).toBe(60_000);
  });

  it("know the half hours by which clocks in Caracas were moved in 2007 and 2016", () => {
    const day = (date: string): number => {
      const { from, until } = requestOf(`--fecha-desde "${date} 00:00" --fecha-hasta "${date} 23:59"`);
      return ((until ?? 0) - (from ?? 0)) / 3_600_000;
    };
    expect([day("2007-12-08"), day("2007-12-09"), day("2007-12-10")]).toEqual([24, 24.5, 24]);
    expect([day("2016-04-30"), day("2016-05-01"), day("2016-05-02")]).toEqual([24, 23.5, 24]);
    // 02:45 came twice on 2007-12-09: from the first, to the end of the second.
    const twice = requestOf('--fecha-desde "2007-12-09 02:45" --fecha-hasta "2007-12-09 02:45"');
    expect([twice.from, twice.until]).toEqual([Date.parse("2007-12-09T06:45Z"), Date.parse("2007-12-09T07:16Z")]);
  });

  it.each([
    ["--tienda tienda_07", "unknown argument --tienda"],
    ["tienda_07", "unknown argument tienda_07"],
    ["--todas --todas", "--todas is given twice"],
    ["--todas tienda_07", "--todas takes no value: tienda_07"],
    ["--tiendas --chunk-days 3", "--tiendas needs at least one store"],
    ["--chunk-days", "--chunk-days takes one value, not 0"],
    ["--fecha-desde 2026-01-10 00:00", "--fecha-desde takes one value, not 2"],
    ["--todas --tiendas tienda_07", "--todas and --tiendas exclude each other"],
    ["--chunk-days 0", "--chunk-days 0: not a number of days from 1 on"],
    ["--chunk-days 2.5", "--chunk-days 2.5: not a number of days from 1 on"],
    ['--fecha-desde "2025-02-29 00:00"', "--fecha-desde 2025-02-29 00:00: not a local minute"],
    ['--fecha-hasta "2026-01-25 24:00"', "--fecha-hasta 2026-01-25 24:00: not a local minute"],
    ["--fecha-hasta 2026-01-25", "--fecha-hasta 2026-01-25: not a local minute"],
    ['--fecha-desde "2026-01-10 00:00" --fecha-hasta "2026-01-09 23:59"', "comes before --fecha-desde"],
  ])("are refused as usage: %s", (flags, message) => {
    expect(() => requestOf(flags)).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining(message) }),
    );
  });

  it("tell every problem at once", () => {
    expect(() => requestOf("--todas --tiendas tienda_07 --fecha-desde ayer --chunk-days x")).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/exclude each other; .*ayer: .*; --chunk-days x: /) }),
    );
  });

  it("refuse unknown stores with the nearest, and distribution centres for what they are", () => {
    expect(() => requestOf("--tiendas tienda_14")).toThrow(
      expect.objectContaining({ code: "KEY_UNKNOWN", message: "unknown store tienda_14" }),
    );
    expect(() => requestOf("--tiendas tiena_07")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("tienda_07") }),
    );
    expect(() => requestOf("--tiendas cedi_frio")).toThrow(
      expect.objectContaining({ code: "KEY_UNKNOWN", message: expect.stringContaining("distribution centre") }),
    );
  });
});

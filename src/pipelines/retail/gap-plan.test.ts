import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { ownClosures } from "../../core/calendar/store-calendar.ts";
import type { KeyDays } from "../../core/coverage/day-coverage.ts";
import { type Pace, PHASE_SETTINGS, phasesOf } from "../../core/coverage/day-phases.ts";
import { type DayReport, dayReport, type Holiday } from "../../core/coverage/day-report.ts";
import { type DaySpan, datesOf, intervalOfDays } from "../../core/time/local-days.ts";
import { readSalesFlags, salesRequest } from "./commands.ts";
import { renderGapPlan } from "./gap-plan.ts";
import {
  PROSE,
  PUBLISHED_TABLE,
  PUBLISHED_WINDOW,
  publishedMissing,
  SCRIPT,
  wordsOf,
} from "./published-plan-by-hand.ts";
import { calendarOf, STORE_ZONE, STORES, type StoreDays } from "./stores.ts";
import { SALES_COVERAGE_SQL } from "./verification.ts";

/** 30 to 60 minutes for 19 stores and 16 days in chunks of two, as published: 152 calls of 12 to 24 seconds. */
const PACE: Pace = { callsPerChunk: 1, secondsPerCall: { least: 12, most: 24 } };
const NAMES = new Map(STORES.map(({ id, name }) => [id, name]));

function storeDays(
  missing: (store: string) => ReadonlySet<string>,
  window: DaySpan = PUBLISHED_WINDOW,
  confirmed: Readonly<Record<string, StoreDays>> = {},
): readonly KeyDays[] {
  return STORES.map((store) => ({
    key: store.id,
    withData: datesOf(window).filter((date) => !missing(store.id).has(date)),
    closures: ownClosures(calendarOf(store, confirmed[store.id]), intervalOfDays(STORE_ZONE, window)),
  }));
}

const render = (report: DayReport): string =>
  renderGapPlan({ report, phases: phasesOf(report, PACE), names: NAMES, madeOn: "2026-01-26" });

const commandsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^retrofill run retail (.*)$/gm)].map(([, flags = ""]) => flags);

const requestOf = (flags: string) => salesRequest(readSalesFlags(wordsOf(flags)));

const published = dayReport(storeDays(publishedMissing), PUBLISHED_WINDOW);

describe("the published plan, computed", () => {
  const text = render(published);
  const rows = [...text.matchAll(/^\| (tienda_\d\d) \| (\d+) \| (\d+)% \| (.*) \|$/gm)].map(
    ([, store, missing, percent, priority]) => [store, Number(missing), Number(percent), priority],
  );
  const byStore = (table: readonly (readonly unknown[])[]) =>
    [...table].sort((a, b) => (`${a[0]}` < `${b[0]}` ? -1 : 1));

  it("has the 19 counts and priorities, and 18 of the 19 percentages: tienda_07 reads 40, not 39", () => {
    expect(byStore(rows)).toEqual(
      byStore(PUBLISHED_TABLE.map((row) => (row[0] === "tienda_07" ? [row[0], row[1], 40, row[3]] : row))),
    );
  });

  it("has the stores in the published order, but for one tie", () => {
    const order = PUBLISHED_TABLE.map(([store]) => store);
    const tied = ["tienda_17", "tienda_12"];
    const untied = (stores: readonly unknown[]) => stores.filter((store) => !tied.includes(`${store}`));
    expect(untied(rows.map(([store]) => store))).toEqual(untied(order));
    expect(rows.slice(12, 14).map(([store]) => store)).toEqual([...tied].reverse());
  });

  it("counts 25 December and 1 January as missing in every store and asks for them in none", () => {
    for (const row of published.rows) {
      expect(row.closed.map(({ date }) => date)).toEqual(["2025-12-25", "2026-01-01"]);
      expect(row.open).toHaveLength(row.requestedWindow.missing - 2);
    }
    // 18 = the common gap's 16 and the two closed days; 90 is every calendar day from 28 October to 25 January.
    expect(published.rows.find(({ key }) => key === "tienda_01")?.open).toHaveLength(16);
    expect(published.rows.find(({ key }) => key === "tienda_11")?.missing).toHaveLength(90);
  });

  it("finds the common gap of 16 days, which tienda_18 cannot have had whole", () => {
    const [gap, ...others] = published.common;
    expect(others).toEqual([]);
    expect(gap).toMatchObject({ first: "2026-01-10", last: "2026-01-25", days: 16, isRecent: true });
    expect([gap?.whole.length, gap?.partly]).toEqual([18, ["tienda_18"]]);
    expect(text).toContain(
      "1. **Gap reciente comun (2026-01-10 a 2026-01-25)**: 16 dias faltantes en 18 de 19 tiendas",
    );
  });

  it("names the new store and the first day of the late one", () => {
    expect(text).toContain("**tienda_11 (FLOR AMARILLO)**: tienda recien agregada, primer dia 2026-01-26");
    expect(text).toContain("**tienda_18 (PARAISO)**: sin datos antes de 2025-12-06");
    expect(published.rows.filter(({ start }) => start !== null).map(({ key }) => key)).toEqual([
      "tienda_11",
      "tienda_18",
    ]);
  });

  it("holds the published commands in their order, what they leave out, and no closed store", () => {
    const prose = commandsOf(text.slice(0, text.indexOf("## Script Completo")));
    const computed = prose.slice(0, 11).map(requestOf);
    const [phase1, ...phase2] = PROSE.slice(0, 9).map(({ flags }) => requestOf(flags));
    const [first, ...own] = computed;
    expect(first).toEqual(phase1);
    // The published stretches of tienda_07 and tienda_03 are shorter than their counts: each has a step more here.
    const more = own.filter((request) => !phase2.some((one) => JSON.stringify(one) === JSON.stringify(request)));
    expect(own.filter((request) => !more.includes(request))).toEqual(phase2);
    expect(more.map(({ stores }) => stores)).toEqual([["tienda_07"], ["tienda_03"]]);

    const batches = prose.slice(11).map(requestOf);
    const publishedBatches = PROSE.slice(9).map(({ flags }) => requestOf(flags));
    // tienda_01 lacks nothing but the common gap and the days on which it was closed.
    expect(batches.map(({ stores }) => [...stores].sort())).toEqual(
      publishedBatches.map(({ stores }) => stores.filter((store) => store !== "tienda_01").sort()),
    );
    batches.forEach(({ from, until, chunkDays }, n) => {
      const theirs = publishedBatches[n];
      expect(chunkDays).toBe(5);
      expect(from).toBeGreaterThanOrEqual(theirs?.from ?? Number.POSITIVE_INFINITY);
      expect(until).toBeLessThanOrEqual(theirs?.until ?? Number.NEGATIVE_INFINITY);
    });
  });

  it("in one step a store is the published script, but for the same two stores", () => {
    const settings = { ...PHASE_SETTINGS, stepPer: "key", batchKeys: Number.POSITIVE_INFINITY } as const;
    const phases = phasesOf(published, PACE, settings);
    const computed = phases.flatMap(({ steps }) =>
      steps.map(({ keys, first, last, chunkDays }) => [keys?.join(" ") ?? "all", first, last, chunkDays]),
    );
    const script = SCRIPT.map(({ flags }) => {
      const [from, until] = [...flags.matchAll(/"(\S+) \d\d:\d\d"/g)].map(([, date]) => date);
      const stores = /--tiendas ((?:tienda_\d\d ?)+)/.exec(flags)?.[1]?.trim() ?? "all";
      return [stores, from, until, Number(/--chunk-days (\d)/.exec(flags)?.[1])];
    });
    const differing = script.flatMap((step, n) =>
      JSON.stringify(step) === JSON.stringify(computed[n]) ? [] : [step[0]],
    );
    expect(computed).toHaveLength(8);
    expect(differing.slice(0, 2)).toEqual(["tienda_07", "tienda_03"]);
    // The rest: tienda_01 has nothing to ask for, and a tie has another order.
    expect(differing).toHaveLength(3);
    expect(phases[phases.length - 1]?.steps[0]?.keys).toHaveLength(12);
  });

  it("gives the first phase the published time", () => {
    expect(text).toContain("**Tiempo estimado**: ~30-59 min (19 tiendas x 16 dias: 294 dias de tienda, 147 llamadas)");
  });

  it("has the source's headings in their order, its commands twice, and its check", () => {
    expect([...text.matchAll(/^# Plan.*$|^## .*$/gm)].map(([heading]) => heading)).toEqual([
      "# Plan de Backfill de Ventas",
      "## Resumen de Gaps Detectados",
      "## Patron Detectado",
      "## FASE 1: Gap Reciente (Ene 10-25) - TODAS LAS TIENDAS",
      "## FASE 2: Backfill por Tienda (Historico)",
      "## FASE 3: Gaps Menores",
      "## Script Completo de Ejecucion",
      "## Verificacion Post-Backfill",
    ]);
    expect(text).toContain("### 2.1 tienda_11 (FLOR AMARILLO) - 90 dias faltantes\n");
    const [prose, script] = text.split("## Script Completo de Ejecucion");
    expect(commandsOf(script ?? "")).toEqual(commandsOf(prose ?? ""));
    expect(script).toContain('echo "=== BACKFILL COMPLETO ==="');
  });

  it("gives the figures between first and last sale that its own query gives", async () => {
    const sold = storeDays(publishedMissing).flatMap(({ key, withData }) => [...withData].map((date) => [key, date]));
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    try {
      await connection.run("CREATE TABLE ventas (ubicacion_id VARCHAR, fecha_venta TIMESTAMP)");
      const lines = sold.map(([store, date]) => `('${store}', '${date} 10:15:00'), ('${store}', '${date} 20:59:59')`);
      await connection.run(`INSERT INTO ventas VALUES ${lines.join(", ")}`);
      const result = await connection.runAndReadAll(SALES_COVERAGE_SQL);
      const theirs = result.getRows().map((row) => {
        return `| ${[...row.slice(0, 5).map(String), Number(String(row[5])).toFixed(1)].join(" | ")} |`;
      });
      const check = text.slice(text.indexOf("## Verificacion"));
      expect([...check.matchAll(/^\| tienda_.*$/gm)].map(([line]) => line).sort()).toEqual(theirs.sort());
      expect(theirs).toContain("| tienda_18 | 2025-12-06 | 2026-01-26 | 44 | 52 | 84.6 |");
      expect(check).toContain(SALES_COVERAGE_SQL);
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  });
});

describe("a gap plan", () => {
  const window: DaySpan = { first: "2024-02-01", last: "2024-04-30" };
  const plan = (
    missing: (store: string) => readonly string[],
    options: { confirmed?: Readonly<Record<string, StoreDays>>; holidays?: readonly Holiday[] } = {},
  ) =>
    render(
      dayReport(
        storeDays((store) => new Set(missing(store)), window, options.confirmed),
        window,
        { holidays: options.holidays ?? [] },
      ),
    );

  it("of a complete chain says that nothing is to be asked for", () => {
    const text = plan(() => []);
    expect(text).toContain("**Estado**: Sin gaps por pedir");
    expect(text).toContain("| tienda_01 | 0 | 100% | - |");
    expect(text.match(/Nada por pedir\./g)).toHaveLength(3);
    expect(commandsOf(text)).toEqual([]);
  });

  it("finds a store without any data and one that has gone silent", () => {
    const text = plan((store) =>
      store === "tienda_08"
        ? datesOf(window)
        : store === "tienda_09"
          ? datesOf({ first: "2024-04-01", last: "2024-04-30" })
          : [],
    );
    expect(text).toContain("| tienda_08 | 90 | 0% | ALTA - Sin datos |");
    expect(text).toContain("**tienda_08 (BOSQUE)**: sin ningun dato");
    expect(text).toContain(
      "**tienda_09 (GUACARA)**: dejo de enviar ventas, nada desde 2024-04-01; si cerro ese dia, declarelo " +
        "(retrofill stores set tienda_09 --closed 2024-04-01) y lo posterior deja de contar",
    );
    expect(commandsOf(text)[0]).toBe(
      '--tiendas tienda_08 --fecha-desde "2024-02-01 00:00" --fecha-hasta "2024-04-30 23:59" --chunk-days 3',
    );
  });

  it("stops counting the days before an opening that a person has confirmed", () => {
    const missing = (store: string) =>
      store === "tienda_18" ? datesOf({ first: "2024-02-01", last: "2024-03-15" }) : [];
    expect(plan(missing)).toContain("| tienda_18 | 44 | 51% | MEDIA |");
    const confirmed = plan(missing, { confirmed: { tienda_18: { opened: "2024-03-11" } } });
    expect(confirmed).toContain("| tienda_18 | 5 | 90% | BAJA |");
    expect(commandsOf(confirmed)[0]).toContain('--fecha-desde "2024-03-11 00:00" --fecha-hasta "2024-03-15 23:59"');
    expect(plan(() => [], { confirmed: { tienda_18: { opened: "2025-01-01" } } })).toContain(
      "| tienda_18 | 0 | 100% | - |",
    );
  });

  it("stops counting the days after a closing that a person has confirmed, and proposes no other", () => {
    const missing = (store: string) =>
      store === "tienda_09" ? datesOf({ first: "2024-04-01", last: "2024-04-30" }) : [];
    expect(plan(missing)).toContain("| tienda_09 | 30 | 67% | MEDIA |");
    const confirmed = plan(missing, { confirmed: { tienda_09: { closed: "2024-04-01" } } });
    expect(confirmed).toContain("| tienda_09 | 0 | 100% | - |");
    expect(confirmed).not.toContain("dejo de enviar");
    const later = plan(missing, { confirmed: { tienda_09: { closed: "2024-04-20" } } });
    expect(later).toContain("**tienda_09 (GUACARA)**: dejo de enviar ventas, nada desde 2024-04-01\n");
    expect(later).not.toContain("--closed");
  });

  it("names holidays and what stores did on them", () => {
    const holidays = [{ date: "2024-03-28", name: "Jueves Santo" }];
    const inventory = { exceptions: [{ date: "2024-02-05", hours: null, reason: "inventario" }] };
    const text = plan((store) => (store === "tienda_01" ? ["2024-03-28", "2024-02-05"] : []), {
      holidays,
      confirmed: { tienda_01: inventory, tienda_02: inventory },
    });
    expect(text).toContain("2024-03-28 Jueves Santo (18 con ventas, 0 cerradas, 1 sin datos)");
    expect(text).toContain("**Cierres declarados**: 2024-02-05 inventario (1 tienda)");
    expect(text).toContain("| tienda_02 (AV. BOLIVAR) | 2024-02-05 | inventario | - |");
    expect(commandsOf(text)[0]).toContain('--fecha-desde "2024-03-28 00:00" --fecha-hasta "2024-03-28 23:59"');
  });

  it("keeps a store's name text in the script", () => {
    const report = dayReport([{ key: "tienda_01", withData: [], closures: [] }], window);
    const text = renderGapPlan({
      report,
      phases: phasesOf(report, PACE),
      names: new Map([["tienda_01", 'A "B" $(rm) `C`']]),
      madeOn: "2024-05-01",
    });
    expect(text).toContain('echo "=== FASE 2.1: tienda_01 (A \\"B\\" \\$(rm) \\`C\\`) ==="');
  });
});

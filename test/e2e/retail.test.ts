import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SALES_COVERAGE_SQL } from "../../src/pipelines/retail/verification.ts";
import { minuteLines, type SmallLine } from "../../src/sandbox/retail/small-sales.ts";
import { days } from "./kit.ts";
import { linesDoor, noonLines, retailWorld } from "./retail-kit.ts";

/** 02:00 in Caracas on 13 January: the 12th is over. */
const NOW = "2026-01-13T06:00:00Z";
const FROM = ["--fecha-desde", "2026-01-05 00:00", "--fecha-hasta", "2026-01-12 23:59"];

/** A second store, whose invoices have the numbers of the first one's. */
const BOSQUE = { id: "tienda_08", name: "BOSQUE", branch: "SUC002", warehouse: "APP-TBQ", region: "Valencia" };
const PERIFERICO = { id: "tienda_01", name: "PERIFERICO", branch: "SUC001", warehouse: "APP-TPF", region: "Valencia" };

const contracts = ["klk", "sales"] as const;

describe.each(contracts)("sales by the %s contract", (contract) => {
  it("fill a range, its last minute included, and the same range again changes nothing", async () => {
    const late: SmallLine = { sold_at: "2026-01-12 23:59:59.9514927", invoice: "0099", version: 99 };
    await using world = await retailWorld([...noonLines("2026-01-05", "2026-01-12"), late], { now: NOW, contract });
    const { json, exit } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(0);
    expect(json.rows).toMatchObject({ received: 9, inserted: 9 });
    const stored = await world.rows(
      "select numero_factura, fecha_venta::varchar as at from ventas order by 2 desc limit 1",
    );
    expect(stored).toEqual([{ numero_factura: "0099_L1", at: expect.stringMatching(/^2026-01-12 23:59:59/) }]);
    const nothing = await world.json("run", "retail", ...FROM);
    expect([nothing.exit, nothing.json.calls.made]).toEqual([0, 0]);
    const again = await world.json("run", "retail", "--again", ...FROM);
    expect(again.json.rows).toMatchObject({ received: 9, inserted: 0, updated: 0, unchanged: 9, retracted: 0 });
  });

  it("keep decimals, currency and the store's clock; returns are negative, voided lines count nothing", async () => {
    const lines: SmallLine[] = [
      {
        sold_at: "2026-01-05 23:30:00",
        invoice: "0001",
        version: 1,
        quantity: "0.345",
        unit_price: "3.18",
        total: "1.10",
      },
      {
        sold_at: "2026-01-06 10:00:00",
        invoice: "0002",
        version: 2,
        type: "RETURN",
        original_invoice: "0001",
        original_line: 1,
        quantity: "-0.345",
        total: "-1.10",
        cost_total: "-0.9660",
      },
      { sold_at: "2026-01-06 11:00:00", invoice: "0003", version: 3, updated_at: "2026-01-06 11:00:00" },
      { sold_at: "2026-01-06 11:00:00", invoice: "0003", version: 4, type: "VOID", updated_at: "2026-01-06 12:00:00" },
    ];
    await using world = await retailWorld(lines, { now: NOW, contract });
    await world.cli("run", "retail", "--fecha-desde", "2026-01-05 00:00", "--fecha-hasta", "2026-01-06 23:59");
    const [first, back, voided] = await world.rows(
      `select numero_factura, dia::varchar as dia, cantidad_vendida::varchar as cantidad, venta_total::varchar as total, moneda,
         tipo, estado, factura_original, total_anulado::varchar as anulado from ventas order by numero_factura`,
    );
    // Half an hour before midnight in Caracas is the next day in UTC; the sale belongs to the store's day.
    expect(first).toMatchObject({ dia: "2026-01-05 04:00:00", cantidad: "0.3450", total: "1.1000", moneda: "USD" });
    expect(back).toMatchObject({ cantidad: "-0.3450", total: "-1.1000", tipo: "RETURN" });
    const sum = await world.rows(
      "select sum(venta_total)::varchar as total, count(*) as n from ventas where estado = 'CLOSED'",
    );
    expect(sum).toEqual([{ total: "0.0000", n: 2 }]);
    if (contract === "sales") {
      expect(back).toMatchObject({ factura_original: "0001_L1" });
      expect(voided).toMatchObject({ estado: "VOIDED", total: "0.0000", anulado: "8.1200" });
    } else expect(voided).toBeUndefined();
  });

  it("take back a line that a later complete answer lacks, and restate one that has changed", async () => {
    const lines: SmallLine[] = [
      { sold_at: "2026-01-05 10:00:00", invoice: "0001", version: 1 },
      { sold_at: "2026-01-05 11:00:00", invoice: "0002", version: 2 },
      { sold_at: "2026-01-05 11:00:00", invoice: "0002", version: 3, type: "VOID", updated_at: "2026-01-06 09:00:00" },
      {
        sold_at: "2026-01-05 10:00:00",
        invoice: "0001",
        version: 4,
        total: "8.02",
        discount: "0.10",
        updated_at: "2026-01-06 09:30:00",
      },
    ];
    await using world = await retailWorld(lines, { now: "2026-01-06T06:00:00Z", contract });
    await world.cli("run", "retail", "--fecha-desde", "2026-01-05 00:00", "--fecha-hasta", "2026-01-05 23:59");
    world.sandbox.setNow(Date.parse(NOW));
    await world.configure({ now: NOW });
    const { json } = await world.json(
      "run",
      "retail",
      "--again",
      "--fecha-desde",
      "2026-01-05 00:00",
      "--fecha-hasta",
      "2026-01-05 23:59",
    );
    expect(json.rows).toMatchObject(contract === "klk" ? { updated: 1, retracted: 1 } : { updated: 2, retracted: 0 });
    const total = await world.rows("select sum(venta_total)::varchar as total from ventas");
    expect(total).toEqual([{ total: "8.0200" }]);
    const before = await world.rows("select count(*) as n from ventas__history");
    expect(before).toEqual([{ n: 2 }]);
  });

  it("tell stores apart whose invoices have the same numbers", async () => {
    const lines = ["tienda_01", "tienda_08"].flatMap((store) =>
      noonLines("2026-01-05", "2026-01-06", {
        store,
        warehouse: store === "tienda_01" ? PERIFERICO.warehouse : BOSQUE.warehouse,
      }),
    );
    await using world = await retailWorld(lines, {
      now: NOW,
      contract,
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
    });
    const { json } = await world.json(
      "run",
      "retail",
      "--todas",
      "--fecha-desde",
      "2026-01-05 00:00",
      "--fecha-hasta",
      "2026-01-06 23:59",
    );
    expect(json.rows.inserted).toBe(4);
    expect(await world.rows("select ubicacion_id, count(*) as n from ventas group by 1 order by 1")).toEqual([
      { ubicacion_id: "tienda_01", n: 2 },
      { ubicacion_id: "tienda_08", n: 2 },
    ]);
  });
});

describe.each(contracts)("lines of another branch by the %s contract", (contract) => {
  const stores = { now: NOW, contract, manifest: { stores: [PERIFERICO, BOSQUE] } };

  it("among those of the store are kept out with their reason, the rest is published, and a person may release them", async () => {
    // The warehouse is the store's own: only the branch tells.
    const stray = noonLines("2026-01-06", "2026-01-06", { store: "tienda_08", invoice: "0800" });
    await using world = await retailWorld([...noonLines("2026-01-05", "2026-01-12"), ...stray], {
      ...stores,
      settings: { [contract]: { mixesIn: "tienda_08" } },
    });
    const { json, exit } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(0);
    expect(json.rows).toMatchObject({ received: 9, inserted: 8, quarantined: 1 });
    expect(json.quarantined_by).toEqual({ branch_not_of_the_store: 1 });
    const { json: kept } = await world.json("quarantine", "show");
    expect(kept).toMatchObject([{ key: "tienda_01", reason: "branch_not_of_the_store" }]);
    expect(JSON.stringify(kept[0].record)).toContain(contract === "klk" ? '"SUC002"' : '"tienda_08"');
    const place = [String(kept[0].object_no), String(kept[0].row_no)];
    const released = await world.json("quarantine", "release", ...place, "--reason", "its till is this store's");
    expect(released.exit).toBe(0);
    expect(await world.rows("select count(*) as n from ventas where numero_factura = '0800_L1'")).toEqual([{ n: 1 }]);
    expect((await world.json("quarantine", "list")).json).toEqual([]);
  });

  it("where the whole answer says so are all kept out: the days stay open and the run is partial", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), {
      ...stores,
      settings: { [contract]: { answersFor: contract === "klk" ? "SUC002" : "tienda_08" } },
      retail: { repairRounds: 0 },
    });
    const { json, exit } = await world.json("run", "retail", ...FROM);
    expect([exit, json.status]).toEqual([3, "partial"]);
    expect(json.rows).toMatchObject({ received: 8, inserted: 0, quarantined: 8 });
    expect(json.quarantined_by).toEqual({ branch_not_of_the_store: 8 });
    expect(json).toMatchObject({ cells: { covered_after: 0, verified_empty: 0 }, gaps: { after: 8 } });
    const { json: gaps } = await world.json("gaps", "retail", ...FROM);
    const reasons = new Set(gaps.gaps.map((gap: { cause: string; reason: string }) => `${gap.cause}: ${gap.reason}`));
    expect([...reasons]).toEqual(["blocked: too many bad records, most often branch_not_of_the_store"]);
    expect(gaps.gaps.reduce((sum: number, gap: { slots: number }) => sum + gap.slots, 0)).toBe(8);
    expect(gaps.empty_at_source).toEqual([]);
    const { json: list } = await world.json("quarantine", "list");
    expect(list).toMatchObject([{ key: "tienda_01", reason: "branch_not_of_the_store", records: 8 }]);
  });

  it("of which there are none say nothing of the store: never a day without sales", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-06", { store: "tienda_08" }), {
      ...stores,
      settings: { [contract]: { answersFor: contract === "klk" ? "SUC002" : "tienda_08" } },
    });
    const { json, exit } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(4);
    expect(json).toMatchObject({ status: "failed", cells: { failed: 8, verified_empty: 0 }, gaps: { after: 8 } });
  });
});

describe.each(contracts)("lines whose time nobody can read by the %s contract", (contract) => {
  const members = { klk: { day: "fecha", clock: "hora" }, sales: { day: "closed_at", clock: "closed_at" } }[contract];
  // The paged contract has day and clock in one member.
  const clock = (text: string): string => (contract === "klk" ? text : `2026-01-10T${text}-04:00`);
  const spoiled: Readonly<Record<string, readonly [member: string, text: string]>> = {
    "0002": [members.day, "2026-13-45"],
    "0004": [members.day, "ayer"],
    "0006": [members.clock, clock("25:61:00")],
  };
  const reasons = contract === "klk" ? { unreadable: 2, time_not_readable: 1 } : { unreadable: 3 };
  const spoil = (lines: Record<string, unknown>[]): readonly object[] =>
    lines.map((line) => {
      const [member, text] = spoiled[String(line.numero_factura ?? line.ticket_number)] ?? [];
      return member === undefined ? line : { ...line, [member]: text };
    });

  it("are kept out with their reasons and counted, and the rest of their answer is published", async () => {
    const others = noonLines("2026-01-05", "2026-01-12").map((line, i) => ({
      ...line,
      invoice: `01${i}0`,
      version: 9 + i,
    }));
    await using world = await retailWorld([...noonLines("2026-01-05", "2026-01-12"), ...others], {
      now: NOW,
      contract,
    });
    await using door = await linesDoor(world.sandbox.url, spoil);
    await world.configure({ source: { kind: contract, baseUrl: door.url, limit: "500/s" } });
    const { exit, out } = await world.cli("run", "retail", ...FROM);
    expect([exit, out]).toEqual([0, expect.stringMatching(/16 received = 13 inserted .* 3 quarantined/)]);
    for (const [reason, n] of Object.entries(reasons)) expect(out).toMatch(new RegExp(`quarantined: .*${reason} ${n}`));
    const { json: kept } = await world.json("quarantine", "show");
    const found = kept.map(({ reason, record }: { reason: string; record: Record<string, unknown> }) => {
      const [member = ""] = spoiled[String(record.numero_factura ?? record.ticket_number)] ?? [];
      return [record[member], reason];
    });
    expect(Object.fromEntries(found)).toEqual({
      "2026-13-45": "unreadable",
      ayer: "unreadable",
      [clock("25:61:00")]: contract === "klk" ? "time_not_readable" : "unreadable",
    });
    // None of them has become a sale of some other moment.
    expect(await world.rows("select count(*) as n, max(fecha_venta)::varchar as last from ventas")).toEqual([
      { n: 13, last: "2026-01-12 12:00:00" },
    ]);
  });

  it("leave their days open where those have no other line, however often they are asked for", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW, contract });
    await using door = await linesDoor(world.sandbox.url, spoil);
    await world.configure({ source: { kind: contract, baseUrl: door.url, limit: "500/s" } });
    const first = await world.json("run", "retail", ...FROM);
    expect([first.exit, first.json.status, first.json.rows.inserted]).toEqual([3, "partial", 5]);
    // Within the run they were asked for again, and came as they had come before.
    expect(Object.keys(first.json.quarantined_by).sort()).toEqual(Object.keys(reasons).sort());
    for (const run of [first, await world.json("run", "retail", ...FROM)]) {
      expect(run.json).toMatchObject({ cells: { covered_after: 5, verified_empty: 0 }, gaps: { after: 3 } });
    }
    const { json } = await world.json("gaps", "retail", ...FROM);
    expect(json.gaps.map(({ first_day }: { first_day: string }) => first_day)).toEqual([
      "2026-01-06",
      "2026-01-08",
      "2026-01-10",
    ]);
    expect(json.empty_at_source).toEqual([]);
  });
});

describe("a failed question", () => {
  it("is a failure and a gap, never a store without sales", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), {
      now: NOW,
      sandbox: { faults: "flaky5xx=1" },
      retail: { repairRounds: 0, source: undefined },
    });
    // Each request fails at most twice at the sandbox; here it never comes through.
    await world.sandbox.close();
    const { exit, json } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(4);
    expect(json).toMatchObject({ status: "failed", cells: { failed: 8, verified_empty: 0 }, gaps: { after: 8 } });
    const { json: gaps } = await world.json("gaps", "retail", ...FROM);
    expect(gaps.gaps.every((gap: { cause: string }) => gap.cause === "failed")).toBe(true);
  });

  it("with an error inside a 200 brings no rows and is asked again", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), {
      now: NOW,
      sandbox: { faults: "error200=1" },
    });
    const { exit, json } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(0);
    expect(json.rows).toMatchObject({ received: 8, inserted: 8 });
    expect(json.calls.retried).toBeGreaterThan(0);
  });

  it("about a branch that is not there is refused, and the store stays open", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW, stores: ["tienda_02"] });
    const { exit, json } = await world.json("run", "retail", ...FROM);
    expect(exit).toBe(3);
    expect(json.cells).toMatchObject({ refused: 8, covered_after: 0 });
    expect(json.errors[0].reason).toMatch(/SUC007 no existe/);
    const named = "retail.ventas tienda_02 (AV. BOLIVAR)";
    expect((await world.cli("runs", "show", json.run_id)).out).toContain(`refused  ${named} 2026-01-05`);
    await world.cli("stores", "add", "tienda_03");
    const other = await world.cli("run", "retail", ...FROM, "--tiendas", "tienda_03");
    expect(other.out).toMatch(/error +retail\.ventas tienda_03 \(MAÑONGO\): .*SUC008 no existe/);
    expect(other.err).toMatch(/^refused: tienda_03 \(MAÑONGO\) /m);
  });
});

it("a plan names the days that are asked at once: those of the flag before those of the settings", async () => {
  await using world = await retailWorld([], { now: NOW });
  const shown = async (...flags: string[]): Promise<unknown> =>
    (await world.json("plan", "retail", ...FROM, ...flags)).json.settings["asked at once"];
  expect([await shown(), await shown("--chunk-days", "5"), await shown("--chunk-days", "1")]).toEqual([
    "2 days",
    "5 days",
    "1 day",
  ]);
  expect((await world.cli("plan", "retail", "--chunk-days", "5")).out).toContain("asked at once 5 days");
});

describe("a range that is too long for the endpoint", () => {
  it.each(["hang", "504"] as const)(
    "is halved, and the size that worked is kept for the run (%s)",
    async (timeoutAs) => {
      await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), {
        now: NOW,
        settings: { klk: { timeoutAboveDays: 1, timeoutAs } },
        retail: { concurrency: 1, timeouts: { connectMs: 500, headersMs: 1_000, bodyMs: 1_000 } },
      });
      const { exit, json } = await world.json("run", "retail", ...FROM, "--chunk-days", "4");
      expect(exit).toBe(0);
      expect(json.rows.inserted).toBe(8);
      // Four days, two days, then a day each: nobody asks for more than a day again.
      expect([world.sandbox.report().requests, json.calls.made]).toEqual([2 + 8, 2 + 8]);
    },
    60_000,
  );

  it("fails at a day that cannot be answered, after two tries, and goes on", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-06"), {
      now: NOW,
      settings: { klk: { timeoutAboveDays: 0, timeoutAs: "504" } },
      retail: { repairRounds: 0 },
    });
    const { exit, json } = await world.json(
      "run",
      "retail",
      "--fecha-desde",
      "2026-01-05 00:00",
      "--fecha-hasta",
      "2026-01-06 23:59",
      "--chunk-days",
      "1",
    );
    expect([exit, json.calls.made, json.cells.failed]).toEqual([4, 4, 2]);
    expect(json.errors[0].reason).toMatch(/slow-window.*given up after 2 attempts/);
    const report = join(world.dir, "plan.md");
    await world.cli("gaps", "retail", "--report", report);
    expect(await readFile(report, "utf8")).toContain("**Sin respuesta a tiempo**: tienda_01 (PERIFERICO)");
  }, 60_000);
});

describe("what comes from KLK", () => {
  it.each([
    ["arrays", "object"],
    ["objects", "object"],
    ["arrays", "array"],
    ["older", "array"],
    ["older", "object"],
  ] as const)("is read with parts as %s and lines as %s", async (parts, answers) => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), {
      now: NOW,
      settings: { klk: { parts, answers } },
    });
    const { json } = await world.json("run", "retail", ...FROM);
    expect(json.rows).toMatchObject({ received: 8, inserted: 8, quarantined: 0 });
    const [row] = await world.rows(
      "select producto_id, cantidad_vendida::varchar as q, venta_total::varchar as t, utilidad_bruta::varchar as u, margen_bruto_pct::varchar as m from ventas limit 1",
    );
    // 8.12 less 5.60 is 2.52, of 8.12 31.03 %.
    expect(row).toEqual({ producto_id: "000101", q: "2.0000", t: "8.1200", u: "2.5200", m: "31.0300" });
  });

  it.each([
    ["per-day", "instant"],
    ["per-day", "minute"],
    ["span", "instant"],
    ["span", "minute"],
  ] as const)("is whole days whatever its hours mean (%s, %s)", async (hours, hourEnd) => {
    const lines: SmallLine[] = ["00:00:01", "12:00:00", "23:59:59.9"].map((time, i) => ({
      sold_at: `2026-01-05 ${time}`,
      invoice: `000${i + 1}`,
      version: i + 1,
    }));
    await using world = await retailWorld(lines, { now: NOW, settings: { klk: { hours, hourEnd } } });
    const { json } = await world.json(
      "run",
      "retail",
      "--fecha-desde",
      "2026-01-05 00:00",
      "--fecha-hasta",
      "2026-01-05 23:59",
    );
    expect(json.rows.inserted).toBe(3);
  });

  it("is stored once where one answer has a line twice", async () => {
    await using world = await retailWorld(minuteLines("2026-01-05", 40), {
      now: NOW,
      settings: { klk: { repeatsLines: true } },
    });
    const range = ["--fecha-desde", "2026-01-05 00:00", "--fecha-hasta", "2026-01-05 23:59"];
    const { json } = await world.json("run", "retail", ...range);
    expect(json.rows.inserted).toBe(40);
    expect(json.rows.duplicate).toBeGreaterThan(0);
    expect(json.rows.received).toBe(json.rows.inserted + json.rows.duplicate);
  });

  it("from another store's warehouse is quarantined with its reason, and counted", async () => {
    const lines = noonLines("2026-01-05", "2026-01-12");
    const foreign: SmallLine = { sold_at: "2026-01-06 13:00:00", invoice: "0100", version: 100, warehouse: "APP-TBQ" };
    await using world = await retailWorld([...lines, foreign], { now: NOW });
    const { json } = await world.json("run", "retail", ...FROM);
    expect(json.rows).toMatchObject({ received: 9, inserted: 8, quarantined: 1 });
    expect(json.quarantined_by).toEqual({ warehouse_of_another_store: 1 });
  });
});

describe("pages of one window", () => {
  it("are one answer: what an earlier page brought is not taken back by a later one", async () => {
    await using world = await retailWorld(minuteLines("2026-01-05", 45), {
      now: NOW,
      contract: "sales",
      source: { pageLimit: 10 },
    });
    const range = ["--fecha-desde", "2026-01-05 00:00", "--fecha-hasta", "2026-01-05 23:59"];
    const first = await world.json("run", "retail", ...range);
    expect(first.json.rows).toMatchObject({ inserted: 45, retracted: 0 });
    const again = await world.json("run", "retail", "--again", ...range);
    expect(again.json.rows).toMatchObject({ received: 45, unchanged: 45, retracted: 0 });
    const rebuilt = await world.json("reprocess", "retail", "--reason", "trial");
    expect(rebuilt.json.rows).toMatchObject({ inserted: 0, updated: 0, retracted: 0 });
    expect((await world.json("audit", "verify")).exit).toBe(0);
  });

  it("that move or repeat lines bring each line once; those that lose their place start over", async () => {
    await using world = await retailWorld(minuteLines("2026-01-05", 45), {
      now: NOW,
      contract: "sales",
      source: { pageLimit: 10 },
      sandbox: { faults: "moving=1,duplicates=1,shuffled=1" },
    });
    const { json } = await world.json(
      "run",
      "retail",
      "--fecha-desde",
      "2026-01-05 00:00",
      "--fecha-hasta",
      "2026-01-05 23:59",
    );
    expect(json.rows).toMatchObject({ inserted: 45, retracted: 0, quarantined: 0 });
    expect(json.rows.duplicate).toBeGreaterThan(0);
    expect(json.calls.made).toBe(world.sandbox.report().requests);
  });
});

describe("days of a store", () => {
  it("are not owed before it opened, after it closed and on its closed days", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-08"), { now: NOW });
    await world.cli("stores", "set", "tienda_01", "--opened", "2026-01-05", "--closed", "2026-01-09");
    const { json, exit } = await world.json("run", "retail");
    expect([exit, json.cells.due]).toEqual([0, 4]);
    await world.cli(
      "stores",
      "set",
      "tienda_01",
      "--closed",
      "2026-01-12",
      "--exceptions",
      "2026-01-09=Inventario,2026-01-10=Inventario",
    );
    const { json: gaps } = await world.json("gaps", "retail");
    expect(gaps.gaps).toEqual([
      expect.objectContaining({ start: "2026-01-11T04:00:00Z", end: "2026-01-12T04:00:00Z" }),
    ]);
  });

  it("that lack sales are named by their local dates, the last one included", async () => {
    const lines = noonLines("2026-01-05", "2026-01-12").filter(({ sold_at }) => !/-(08|09|10) /.test(sold_at));
    await using world = await retailWorld(lines, {
      now: NOW,
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
      retail: { repairRounds: 0 },
    });
    await world.cli("run", "retail", "--tiendas", "tienda_01", "--fecha-desde", "2026-01-05 00:00");
    const { out } = await world.cli("gaps", "retail", "--fecha-desde", "2026-01-08 00:00");
    expect(out).toContain("UTC; days are local, the last one included\n");
    expect(out).toMatch(/tienda_01 \(PERIFERICO\) +2026-01-08 +2026-01-10 +3 /);
    expect(out).toMatch(/tienda_08 \(BOSQUE\) +2026-01-08 +2026-01-12 +5 /);
    expect(out).not.toContain("04:00Z");
    const { json } = await world.json("gaps", "retail", "--fecha-desde", "2026-01-08 00:00");
    expect(json.gaps[0]).toMatchObject({
      key: "tienda_01",
      name: "PERIFERICO",
      start: "2026-01-08T04:00:00Z",
      end: "2026-01-11T04:00:00Z",
      first_day: "2026-01-08",
      last_day: "2026-01-10",
    });
  });

  it("are covered in two meanings, both under their names wherever coverage is told", async () => {
    const lines = noonLines("2026-01-05", "2026-01-09").filter(({ sold_at }) => !sold_at.startsWith("2026-01-07"));
    await using world = await retailWorld(lines, {
      now: NOW,
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
      retail: { repairRounds: 0 },
    });
    await world.cli("stores", "set", "tienda_01", "--opened", "2026-01-05");
    await world.cli("run", "retail", "--tiendas", "tienda_01");
    // Four of the eight days since it opened have sales, and four of the five from the first to the last; of all twelve
    // days one is closed, and counts.
    const first = {
      key: "tienda_01",
      name: "PERIFERICO",
      missing_days: 4,
      coverage_of_requested_window_pct: 50,
      coverage_first_to_last_pct: 80,
      first_day: "2026-01-05",
      last_day: "2026-01-09",
    };
    const dark = { key: "tienda_08", name: "BOSQUE", missing_days: 12, coverage_of_requested_window_pct: 0 };
    const told = {
      window: { first: "2026-01-01", last: "2026-01-12", days: 12 },
      series: [first, { ...dark, coverage_first_to_last_pct: null, first_day: null, last_day: null }],
    };
    expect((await world.json("coverage", "retail")).json).toMatchObject(told);
    const { out } = await world.cli("coverage", "retail", "--format", "json");
    expect(JSON.parse(out)).toMatchObject(told);
    const { out: markdown } = await world.cli("coverage", "retail", "--format", "md");
    expect(markdown.split("\n").slice(0, 4)).toEqual([
      "| key | name | missing days | of requested window | first to last day | first | last |",
      "|---|---|---:|---:|---:|---|---|",
      "| tienda_01 | PERIFERICO | 4 | 50% | 80.0% | 2026-01-05 | 2026-01-09 |",
      "| tienda_08 | BOSQUE | 12 | 0% | - | - | - |",
    ]);
    expect(markdown).toContain("Requested window: 2026-01-01 to 2026-01-12, 12 days");
  });

  it("without any sale are found, at the edges and where a store is dark altogether", async () => {
    await using world = await retailWorld(noonLines("2026-01-07", "2026-01-09"), {
      now: NOW,
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
    });
    const { json } = await world.json("gaps", "retail", ...FROM);
    expect(json.report.keys.map((one: { key: string; missing_days: number }) => [one.key, one.missing_days])).toEqual([
      ["tienda_01", 8],
      ["tienda_08", 8],
    ]);
    // A run repairs within its allowance, which is for stores that have sales; a dark one is not asked half.
    const first = await world.cli("run", "retail", ...FROM);
    expect([first.exit, first.out]).toEqual([3, expect.stringMatching(/^partial /m)]);
    expect(first.out).toContain("No data at all: tienda_08 (BOSQUE), 8 days still open\n");
    const once = await world.json("gaps", "retail", ...FROM, "--tiendas", "tienda_08");
    expect(once.json.gaps).toMatchObject([{ cause: "asked-once", slots: 8 }]);
    expect(once.json.empty_at_source).toEqual([]);
    // The next run asks for what is left.
    const second = await world.cli("run", "retail", ...FROM);
    expect([second.exit, second.out]).toEqual([0, expect.stringMatching(/^succeeded /m)]);
    expect(second.out).toContain("No data at all: tienda_08 (BOSQUE), every day asked twice\n");
    const after = await world.json("gaps", "retail", ...FROM);
    // Asked twice and empty: not a gap any more, but still days without data.
    expect(after.json.gaps).toEqual([]);
    expect(
      after.json.report.keys.map((one: { key: string; missing_days: number }) => [one.key, one.missing_days]),
    ).toEqual([
      ["tienda_08", 8],
      ["tienda_01", 5],
    ]);
    expect(after.json.report.keys[0].start).toEqual({ kind: "dark", first_day: null });
  });

  it("with a sale on a closed day keep it: a fact, not an error", async () => {
    await using world = await retailWorld(noonLines("2025-12-31", "2026-01-02"), {
      now: NOW,
      retail: { since: "2025-12-31" },
    });
    const { json } = await world.json(
      "run",
      "retail",
      "--fecha-desde",
      "2025-12-31 00:00",
      "--fecha-hasta",
      "2026-01-02 23:59",
      "--chunk-days",
      "3",
    );
    expect(json).toMatchObject({ cells: { due: 2 }, rows: { inserted: 3, quarantined: 0 } });
  });

  it("that are closed and saw sales nevertheless are listed with their lines, and count as days with data", async () => {
    const lines = [
      ...noonLines("2025-12-30", "2026-01-03"),
      { sold_at: "2026-01-01 23:30:00", invoice: "0050", version: 50 },
      ...noonLines("2025-12-30", "2026-01-03", { store: "tienda_08", warehouse: BOSQUE.warehouse }).filter(
        ({ sold_at }) => !sold_at.startsWith("2026-01-01"),
      ),
    ];
    await using world = await retailWorld(lines, {
      now: "2026-01-04T06:00:00Z",
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
      retail: { since: "2025-12-30" },
    });
    const report = join(world.dir, "plan.md");
    await world.cli("run", "retail", "--chunk-days", "5");
    const { json } = await world.json("gaps", "retail", "--report", report);
    const january = { key: "tienda_01", name: "PERIFERICO", date: "2026-01-01", cause: "yearly", reason: "Año Nuevo" };
    expect(json.report.traded_while_closed).toEqual([{ ...january, rows: 2 }]);
    expect(await readFile(report, "utf8")).toContain(
      "## Ventas en Dias Cerrados\n\nDias que el calendario de la tienda da por cerrados y en los que vendio. No es un error: si abrio, declarelo con su comando; en lugar de `open` puede dar las horas, como `08:00-14:00`.\n\n" +
        "| Tienda | Dia | Por que cerrada | Lineas |\n|--------|-----|-----------------|--------|\n" +
        "| tienda_01 (PERIFERICO) | 2026-01-01 | Año Nuevo | 2 |\n\n" +
        "```bash\nretrofill stores set tienda_01 --exceptions 2026-01-01=open\n```\n\n",
    );
    const missing = json.report.keys.map((one: { key: string; missing_days: number }) => [one.key, one.missing_days]);
    expect(missing).toEqual([
      ["tienda_08", 1],
      ["tienda_01", 0],
    ]);
    // The same figures on screen.
    const { out } = await world.cli("coverage", "retail");
    expect(out).toMatch(/tienda_01 +PERIFERICO +0 +100%/);

    await world.cli("stores", "set", "tienda_01", "--opened", "2025-12-31", "--closed", "2026-01-03");
    const moved = await world.json("gaps", "retail", "--report", report);
    expect(
      moved.json.report.traded_while_closed.map(({ date, cause }: Record<string, string>) => [date, cause]),
    ).toEqual([
      ["2025-12-30", "not-open-yet"],
      ["2026-01-01", "yearly"],
      ["2026-01-03", "gone"],
    ]);
    const text = await readFile(report, "utf8");
    expect(text).toContain("| tienda_01 (PERIFERICO) | 2025-12-30 | antes de su apertura | 1 |");
    expect(text).toContain("| tienda_01 (PERIFERICO) | 2026-01-03 | despues de su cierre | 1 |");

    // The command of the report, run as it stands, settles it.
    const [, proposed = ""] = /^retrofill (stores set tienda_01 .*)$/m.exec(text) ?? [];
    expect(proposed).toBe("stores set tienda_01 --opened 2025-12-30 --closed 2026-01-04 --exceptions 2026-01-01=open");
    expect((await world.cli(...proposed.split(" "))).exit).toBe(0);
    expect((await world.json("gaps", "retail")).json.report.traded_while_closed).toEqual([]);
  });

  it("are those of its week and its dates, as its hours and exceptions declare them", async () => {
    await using world = await retailWorld([], { now: NOW, retail: { since: "2025-12-20" } });
    // 2025-12-21 and 2025-12-28 are Sundays.
    const week = "mon-sat=07:00-21:00,sun=closed";
    const dates = "2025-12-24=08:00-14:00,2025-12-25=abierto,2025-12-26=Inventario,2025-12-28=open";
    expect((await world.cli("stores", "set", "tienda_01", "--hours", week, "--exceptions", dates)).exit).toBe(0);
    const closed = async (): Promise<unknown> => {
      const { json } = await world.json("gaps", "retail", "--fecha-hasta", "2025-12-31 23:59");
      return json.report.keys[0].closed.map(({ date, cause }: Record<string, string>) => [date, cause]);
    };
    expect(await closed()).toEqual([
      ["2025-12-21", "weekly"],
      ["2025-12-26", "exception"],
    ]);
    const { out } = await world.cli("stores", "list");
    expect(out).toContain(week);
    expect(out).toContain("2025-12-24=08:00-14:00,2025-12-25=open,2025-12-26=Inventario,2025-12-28=open");
    // What is not named stays.
    await world.cli("stores", "set", "tienda_01", "--hours", "sun=08:00-14:00", "--exceptions", "2025-12-25=closed");
    expect(await closed()).toEqual([
      ["2025-12-25", "exception"],
      ["2025-12-26", "exception"],
    ]);
    expect((await world.cli("stores", "list")).out).toContain("mon-sat=07:00-21:00,sun=08:00-14:00");
    const refused = await world.cli("stores", "set", "tienda_01", "--exceptions", "2025-12-24=8-14");
    expect([refused.exit, refused.err]).toEqual([2, expect.stringContaining('"8-14" are no hours')]);
    expect(refused.err).toContain("2025-12-24=08:00-14:00 (other hours)");
  });

  it("after its last sale are owed until a person runs the closing that the report proposes", async () => {
    const lines = [
      ...noonLines("2026-01-02", "2026-01-20", { store: "tienda_08", warehouse: BOSQUE.warehouse }),
      ...noonLines("2026-01-02", "2026-01-05"),
    ];
    await using world = await retailWorld(lines, {
      now: "2026-01-21T06:00:00Z",
      stores: ["tienda_01", "tienda_08"],
      manifest: { stores: [PERIFERICO, BOSQUE] },
      retail: { since: "2026-01-02" },
    });
    const report = join(world.dir, "plan.md");
    // Until each day is empty twice over: then none is a gap, and the store is as silent as before.
    await world.cli("run", "retail");
    await world.cli("run", "retail");
    const keys = async (): Promise<readonly { key: string; missing_days: number; end: unknown }[]> =>
      (await world.json("gaps", "retail", "--report", report)).json.report.keys;
    const missingOf = async (): Promise<unknown> => (await keys()).map((one) => [one.key, one.missing_days]);
    expect((await keys()).map(({ end }) => end)).toEqual([{ since: "2026-01-06", declared: false }, null]);
    expect(await missingOf()).toEqual([
      ["tienda_01", 15],
      ["tienda_08", 0],
    ]);
    expect((await world.json("gaps", "retail")).json.gaps).toEqual([]);
    const text = await readFile(report, "utf8");
    const [, proposed = ""] = /tienda_01 \(PERIFERICO\)\*\*: dejo de enviar .*\(retrofill (.*)\) y lo/.exec(text) ?? [];
    expect(proposed).toBe("stores set tienda_01 --closed 2026-01-06");
    expect(await missingOf()).toContainEqual(["tienda_01", 15]);
    expect((await world.cli(...proposed.split(" "))).exit).toBe(0);
    expect(await missingOf()).toEqual([
      ["tienda_01", 0],
      ["tienda_08", 0],
    ]);
    expect(await readFile(report, "utf8")).not.toContain("dejo de enviar");
  });

  it("that are closed and saw no sale are in no section of the report", async () => {
    await using world = await retailWorld(noonLines("2026-01-02", "2026-01-03"), { now: "2026-01-04T06:00:00Z" });
    const report = join(world.dir, "plan.md");
    await world.cli("run", "retail");
    const { json } = await world.json("gaps", "retail", "--report", report);
    expect(json.report.traded_while_closed).toEqual([]);
    expect(await readFile(report, "utf8")).not.toContain("Dias Cerrados");
  });
});

it("a day far below its own weekday is asked again once, then reported, and stands", async () => {
  const dates = days("2026-01-02", "2026-02-01");
  const lines = dates.flatMap((date, i) => minuteLines(date, date === "2026-01-20" ? 3 : 40, 1 + 100 * i));
  await using world = await retailWorld(lines, {
    now: "2026-02-02T06:00:00Z",
    retail: { since: "2026-01-02" },
  });
  const { json, exit } = await world.json("run", "retail");
  expect(exit).toBe(0);
  expect(json.calls).toMatchObject({ planned: 16, repaired: 1 });
  expect(json.rows).toMatchObject({ inserted: 30 * 40 + 3, unchanged: 3, retracted: 0 });
  const { json: gaps } = await world.json("gaps", "retail");
  expect(gaps.gaps).toEqual([]);
  expect(gaps.far_fewer_rows).toEqual([
    {
      key: "tienda_01",
      name: "PERIFERICO",
      start: "2026-01-20T04:00:00Z",
      end: "2026-01-21T04:00:00Z",
      first_day: "2026-01-20",
      last_day: "2026-01-20",
    },
  ]);
  const report = join(world.dir, "plan.md");
  await world.cli("gaps", "retail", "--report", report);
  expect(await readFile(report, "utf8")).toContain("muy pocas ventas para ese dia de la semana (2026-01-20)");
  expect((await world.json("audit", "verify")).exit).toBe(0);
});

describe("run retail --phases", () => {
  const lines = ["tienda_01", "tienda_08"].flatMap((store) =>
    noonLines("2026-01-05", "2026-01-12", { store, warehouse: store === "tienda_01" ? "APP-TPF" : "APP-TBQ" }),
  );
  const options = {
    now: NOW,
    stores: ["tienda_01", "tienda_08"],
    manifest: { stores: [PERIFERICO, BOSQUE] },
    retail: { since: "2026-01-05", repairRounds: 0 },
  };

  it("prints a heading a phase and ends with a line that is true, a log file a run", async () => {
    await using world = await retailWorld(lines, options);
    const { exit, out } = await world.cli("run", "retail", "--phases");
    expect(exit).toBe(0);
    const headings = out.split("\n").filter((line) => line.startsWith("==="));
    expect(headings[0]).toMatch(/^=== FASE 2\.1: tienda_0\d \(.*\) ===$/);
    expect(headings.at(-1)).toBe("=== BACKFILL COMPLETO ===");
    const logs = await readdir(join(world.dir, "logs"));
    expect(logs).toHaveLength(2);
    for (const log of logs) {
      expect(log).toMatch(/^ventas_postgres_\d{8}_run-[\w-]+\.log$/);
      const text = await readFile(join(world.dir, "logs", log), "utf8");
      expect(
        new Set(
          text
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line).run),
        ).size,
      ).toBe(1);
      expect(text).toContain('"event":"SUCCESS"');
    }
  });

  it("stops at the first phase that fails, or goes on, and never says complete then", async () => {
    await using world = await retailWorld(lines, { ...options, stores: ["tienda_02", "tienda_08"] });
    const stopped = await world.cli("run", "retail", "--phases");
    expect(stopped.exit).toBe(3);
    expect(stopped.out).toContain("=== DETENIDO");
    expect(stopped.out).toMatch(/error +tienda_02 \(AV\. BOLIVAR\): /);
    expect(stopped.out).not.toContain("COMPLETO");
    const went = await world.cli("run", "retail", "--phases", "--on-error", "continue");
    expect(went.exit).toBe(3);
    expect(went.out).not.toContain("BACKFILL COMPLETO");
    expect(await world.rows("select distinct ubicacion_id from ventas")).toEqual([{ ubicacion_id: "tienda_08" }]);
  });

  it("names a reason once with its count, however many chunks it stopped", async () => {
    await using world = await retailWorld(lines, { ...options, stores: ["tienda_02"] });
    const { out } = await world.cli("run", "retail", "--phases");
    // Eight days, three at a time.
    expect(out.match(/^ *error .*$/gm)).toEqual([
      expect.stringMatching(/tienda_02 .*: .*SUC007 no existe.* \(3 times\)$/),
    ]);
  });
});

describe("run retail", () => {
  const SMALL = [
    PERIFERICO,
    BOSQUE,
    { id: "tienda_02", name: "AV. BOLIVAR", branch: "SUC007", warehouse: "TAVBOL", region: "Valencia" },
  ];
  const lines = SMALL.flatMap(({ id, warehouse }) => noonLines("2026-01-02", "2026-01-20", { store: id, warehouse }));
  const options = {
    now: "2026-01-21T06:00:00Z",
    stores: SMALL.map(({ id }) => id),
    manifest: { stores: SMALL },
    retail: { since: "2026-01-02", concurrency: 1 },
  };
  const filled = (stores: readonly string[], from: string, to: string): readonly string[] => [
    ...["run", "retail", "--tiendas", ...stores],
    ...["--fecha-desde", `${from} 00:00`, "--fecha-hasta", `${to} 23:59`],
  ];

  it("prints the phases in whose order it asks, before it asks, and asks in that order", async () => {
    await using world = await retailWorld(lines, options);
    await world.cli(...filled(["tienda_01", "tienda_08"], "2026-01-02", "2026-01-10"));
    await world.cli(...filled(["tienda_02"], "2026-01-10", "2026-01-10"));
    const { out, exit } = await world.cli("run", "retail");
    expect(exit).toBe(0);
    const order = out.slice(out.indexOf("Order:\n"), out.indexOf("succeeded"));
    expect(order.match(/^ +FASE .*$/gm)?.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["FASE 1: Gap Reciente (Ene 11-20)", "3 stores", "30 days"],
      ["FASE 3: Resto de tiendas", "1 store", "8 days"],
    ]);
    const [run] = (await world.json("runs", "list", "--last", "1")).json;
    const log = await readFile(join(world.dir, ".retrofill", "runs", run.run_id ?? run.id, "run.log"), "utf8");
    const asked = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ result }) => result !== undefined)
      .map(({ start }) => (start >= "2026-01-11" ? "common" : "own"));
    // Three stores' ten days, two at a time, and then the eight days of one.
    expect(asked).toEqual([...Array(15).fill("common"), ...Array(4).fill("own")]);
  });

  it("leaves out of the order what it does not ask for, and prints none where nothing is missing", async () => {
    await using world = await retailWorld(lines, options);
    const some = await world.cli(...filled(["tienda_08"], "2026-01-02", "2026-01-03"));
    expect(some.out).toMatch(/FASE 2\.1: tienda_08 \(BOSQUE\) +1 store +2 days\n/);
    expect(some.out).not.toContain("FASE 3");
    const again = await world.cli(...filled(["tienda_08"], "2026-01-02", "2026-01-03"));
    expect(again.out).not.toContain("Order:");
  });

  it("with --on-error goes by phases and does at a failure as asked", async () => {
    // The branch of tienda_03 is not there.
    await using world = await retailWorld(lines, {
      ...options,
      stores: ["tienda_03", "tienda_08"],
      retail: { ...options.retail, since: "2026-01-15" },
    });
    const stopped = await world.cli("run", "retail", "--on-error", "stop");
    expect([stopped.exit, stopped.out.match(/^===.*$/gm)]).toEqual([
      3,
      [
        "=== FASE 2.1: tienda_03 (MAÑONGO) ===",
        "=== DETENIDO: FASE 2.1: tienda_03 (MAÑONGO) quedo incompleta (--on-error continue sigue) ===",
      ],
    ]);
    const went = await world.cli("run", "retail", "--on-error", "continue");
    expect([went.exit, went.out.match(/^===.*$/gm)]).toEqual([
      3,
      [
        "=== FASE 2.1: tienda_03 (MAÑONGO) ===",
        "=== FASE 2.2: tienda_08 (BOSQUE) ===",
        "=== BACKFILL INCOMPLETO: 6 dias de tienda por pedir ===",
      ],
    ]);
    const wrong = await world.cli("run", "retail", "--on-error", "retry");
    expect([wrong.exit, wrong.err]).toEqual([2, expect.stringContaining("expected stop or continue")]);
    // No phase holds what is there already.
    const again = await world.cli("run", "retail", "--on-error", "continue", "--again");
    expect([again.exit, again.err]).toEqual([2, expect.stringContaining("phases ask for what is missing")]);
  });
});

it("the chain's own coverage query runs as it stands", async () => {
  await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW });
  await world.cli("run", "retail", ...FROM);
  expect(await world.rows(SALES_COVERAGE_SQL)).toEqual([
    {
      ubicacion_id: "tienda_01",
      primera_venta: "2026-01-05",
      ultima_venta: "2026-01-12",
      dias_con_datos: 8,
      dias_rango: 8,
      pct_cobertura: 100,
    },
  ]);
});

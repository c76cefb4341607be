import { afterAll, describe, expect, it } from "vitest";
import type { ReadAnswer } from "../small-world.ts";
import type { Sandbox, SandboxOptions } from "../start-sandbox.ts";
import type { KlkSettings } from "./klk.ts";
import { minuteLines, type SmallLine, startSmallSales } from "./small-sales.ts";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function open(
  lines: readonly SmallLine[],
  klk: KlkSettings = {},
  options: Omit<SandboxOptions, "dataDir"> = {},
): Promise<Sandbox> {
  const sandbox = await startSmallSales(lines, { retail: { klk }, ...options });
  opened.push(sandbox);
  return sandbox;
}

const DAY = { sucursal: "SUC001", fecha_desde: "2026-01-10", fecha_hasta: "2026-01-10" };
const MORNING = minuteLines("2026-01-10", 25);
const SALE: SmallLine = { sold_at: "2026-01-10 11:30:17.7514927" };

const invoices = ({ body }: ReadAnswer): string[] =>
  (Array.isArray(body) ? body : body.ventas).map(({ numero_factura }: { numero_factura: string }) => numero_factura);

describe("a line", () => {
  it("is that of the sandbox's present, wherever it moves", async () => {
    const sold = "2026-01-10 11:00:00";
    const sandbox = await open([
      { sold_at: sold, updated_at: "2026-01-10 11:05:00", version: 1 },
      { sold_at: sold, updated_at: "2026-01-12 09:00:00", version: 2, type: "VOID" },
    ]);
    const seen = [invoices(await post(sandbox, DAY)).length];
    for (const now of ["2026-01-10T16:00Z", "2026-01-10T15:00Z", "2026-01-12T13:00Z"]) {
      sandbox.setNow(Date.parse(now));
      seen.push(invoices(await post(sandbox, DAY)).length);
    }
    expect(seen).toEqual([0, 1, 0, 0]);
    expect(sandbox.report().repeated.count).toBe(0);
  });

  it("is sent in the endpoint's words, its parts as arrays of one", async () => {
    const { status, body } = await post(await open([SALE]), DAY);
    expect(status).toBe(200);
    expect(body.meta).toEqual({
      sucursal: "SUC001",
      fecha_desde: "2026-01-10",
      fecha_hasta: "2026-01-10",
      total_registros: 1,
    });
    expect(body.ventas).toMatchObject([
      {
        numero_factura: "0001",
        linea: 1,
        fecha: "2026-01-10",
        hora: "11:30:17.7514927",
        fecha_hora_completa: "2026-01-10 11:30:17.7514927",
        producto: [
          { codigo_producto: "000101", descripcion_producto: 'HARINA "PAN", 1 KG', grupo_articulo: "VIVERES" },
        ],
        cantidad: [
          {
            codigo_almacen: "APP-TPF",
            cantidad_vendida: 2,
            peso_unitario: 1,
            unidad_medida_venta: "UNIDAD",
            factor_unidad_medida: 20,
          },
        ],
        financiero: [
          {
            precio_unitario_usd: 3.5,
            costo_unitario_usd: 2.8,
            venta_total_usd: 8.12,
            costo_total_usd: 5.6,
            utilidad_bruta_usd: 2.52,
            venta_total_bs: 2030,
            impuesto_porcentaje: 16,
            impuesto_monto: 280,
            monto_descuento: 0,
          },
        ],
        total_factura: 2030,
        tasa_usd: 250,
      },
    ]);
  });

  it("has its parts as objects, or the older sample's names, where told so", async () => {
    const objects = await post(await open([SALE], { parts: "objects" }), DAY);
    expect(objects.body.ventas[0].producto.codigo_producto).toBe("000101");
    expect(objects.body.ventas[0].financiero.venta_total_usd).toBe(8.12);
    const older = await post(await open([SALE], { parts: "older" }), DAY);
    expect(older.body.ventas[0]).toMatchObject({
      hora: "11:30:17",
      producto: { codigo: "000101", grupo: "VIVERES" },
      cantidad: { vendida: 2, peso_total: 2 },
      financiero: { venta_total: 8.12, impuesto_total: 1.12 },
    });
  });

  it("that was voided is gone; one that came back is negative", async () => {
    const sandbox = await open([
      { ...SALE, invoice: "gone" },
      { ...SALE, invoice: "gone", version: 2, type: "VOID" },
      { ...SALE, invoice: "back", type: "RETURN", quantity: "-1.000", total: "-4.06" },
    ]);
    const { body } = await post(sandbox, DAY);
    expect(body.ventas).toHaveLength(1);
    expect(body.ventas[0]).toMatchObject({
      numero_factura: "back",
      cantidad: [{ cantidad_vendida: -1 }],
      financiero: [{ venta_total_usd: -4.06 }],
    });
  });
});

describe("an answer", () => {
  it("holds the whole range at once, as an object or as the lines alone", async () => {
    const many = minuteLines("2026-01-10", 960);
    const range = { ...DAY, fecha_hasta: "2026-01-12" };
    const lines = [...many, ...minuteLines("2026-01-12", 400, 1001)];
    const { body } = await post(await open(lines), range);
    expect(body.meta.total_registros).toBe(1360);
    expect(body.ventas).toHaveLength(1360);
    expect((await post(await open(lines, { answers: "array" }), range)).body).toHaveLength(1360);
  });

  it("is an error inside a 200 for a question that is not one, and for a branch that is not there", async () => {
    const sandbox = await open(MORNING);
    const bad = [
      "not json",
      "[]",
      JSON.stringify({ ...DAY, sucursal: undefined }),
      JSON.stringify({ ...DAY, fecha_desde: "10/01/2026" }),
      JSON.stringify({ ...DAY, fecha_desde: "2026-01-11" }),
      JSON.stringify({ ...DAY, hora_desde: "8am" }),
      JSON.stringify({ ...DAY, sucursal: "SUC099" }),
    ];
    for (const body of bad) {
      const answer = await post(sandbox, body);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ error: expect.any(String) });
    }
    expect(sandbox.report()).toMatchObject({ answered: 0, byPath: { ventas: bad.length } });
    const silent = await open(MORNING, { unknownBranch: "empty" });
    expect((await post(silent, { ...DAY, sucursal: "SUC099" })).body.ventas).toEqual([]);
  });

  it("is silently empty for the wrong warehouse, and holds one product where asked", async () => {
    const sandbox = await open([SALE, { ...SALE, invoice: "0002", product: "000999", warehouse: "APP-TPAR" }]);
    expect(invoices(await post(sandbox, { ...DAY, almacen: "APP-TPF" }))).toEqual(["0001"]);
    expect(invoices(await post(sandbox, { ...DAY, almacen: "TPF" }))).toEqual([]);
    expect(invoices(await post(sandbox, { ...DAY, CodArticulo: "000999" }))).toEqual(["0002"]);
  });

  it("never comes for too many days, as a hang or a 504", async () => {
    const range = { ...DAY, fecha_hasta: "2026-01-12" };
    const hung = await open(MORNING, { timeoutAboveDays: 2 }, { stallMs: 20 });
    await expect(post(hung, range)).rejects.toThrow();
    expect((await post(hung, { ...DAY, fecha_hasta: "2026-01-11" })).status).toBe(200);
    expect((await post(await open(MORNING, { timeoutAboveDays: 2, timeoutAs: "504" }), range)).status).toBe(504);
  });

  it("needs no key, and only a POST", async () => {
    const sandbox = await open(MORNING, {}, { apiKeys: ["good"], limits: [{ count: 3, windowMs: 60_000 }] });
    expect((await post(sandbox, DAY)).status).toBe(200);
    expect((await fetch(`${sandbox.url}/ventas`)).status).toBe(405);
    expect((await post(sandbox, DAY)).status).toBe(200);
    const refused = await post(sandbox, DAY);
    expect([refused.status, refused.body.error]).toEqual([429, expect.any(String)]);
  });
});

describe("hours", () => {
  const nights: SmallLine[] = [
    { sold_at: "2026-01-10 08:00:00", invoice: "early" },
    { sold_at: "2026-01-10 23:40:00", invoice: "evening" },
    { sold_at: "2026-01-10 23:59:00", invoice: "minute" },
    { sold_at: "2026-01-10 23:59:30.5000000", invoice: "within" },
    { sold_at: "2026-01-10 23:59:59.7514927", invoice: "end" },
    { sold_at: "2026-01-11 00:30:00", invoice: "night" },
    { sold_at: "2026-01-11 09:00:00", invoice: "next" },
  ];
  const acrossMidnight = {
    ...DAY,
    fecha_hasta: "2026-01-11",
    hora_desde: "23:30",
    hora_hasta: "01:00:00",
  };
  const untilEvening = { ...DAY, fecha_hasta: "2026-01-11", hora_desde: "08:30", hora_hasta: "23:45" };

  it("hold for each day, so that a range across midnight finds nothing", async () => {
    const sandbox = await open(nights);
    expect(invoices(await post(sandbox, acrossMidnight))).toEqual([]);
    expect(invoices(await post(sandbox, untilEvening))).toEqual(["evening", "next"]);
  });

  it("cut the first and the last day where they are a span", async () => {
    const sandbox = await open(nights, { hours: "span" });
    expect(invoices(await post(sandbox, acrossMidnight))).toEqual(["evening", "minute", "within", "end", "night"]);
    expect(invoices(await post(sandbox, untilEvening))).toEqual([
      "evening",
      "minute",
      "within",
      "end",
      "night",
      "next",
    ]);
  });

  it.each(["per-day", "span"] as const)(
    "of 23:59 lose the last minute, or hold it where told so (%s)",
    async (hours) => {
      const lastHour = { ...DAY, hora_desde: "23:00", hora_hasta: "23:59" };
      const [exact, whole] = [await open(nights, { hours }), await open(nights, { hours, hourEnd: "minute" })];
      expect(invoices(await post(exact, lastHour))).toEqual(["evening", "minute"]);
      expect(invoices(await post(whole, lastHour))).toEqual(["evening", "minute", "within", "end"]);
      expect(invoices(await post(exact, { ...lastHour, hora_hasta: "23:59:59" }))).not.toContain("end");
      expect(invoices(await post(exact, { ...DAY, hora_desde: "23:00" }))).toContain("end");
    },
  );
});

describe("a fault", () => {
  const struck = async (kind: string) => await open(MORNING, {}, { faults: { [kind]: 1 } });

  it("of duplicates passes, lines that repeat by setting do not", async () => {
    const passing = await struck("duplicates");
    const lasting = await open(MORNING, { repeatsLines: true });
    const counts = { passing: [] as number[], lasting: [] as number[] };
    for (let i = 0; i < 4; i++) {
      counts.passing.push(invoices(await post(passing, DAY)).length);
      counts.lasting.push(invoices(await post(lasting, DAY)).length);
    }
    expect(counts.passing[0]).toBeGreaterThan(25);
    expect(counts.passing[3]).toBe(25);
    expect(Math.min(...counts.lasting)).toBeGreaterThan(25);
    expect(new Set(invoices(await post(lasting, DAY))).size).toBe(25);
  });

  it("of error200 and corrections strike once the same question, however it is written", async () => {
    const sandbox = await struck("error200");
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await post(sandbox, DAY));
    expect(answers[0]?.body).toEqual({ error: expect.any(String) });
    expect(answers[2]?.body.meta.total_registros).toBe(25);

    const corrected = await struck("corrections");
    const { fecha_desde, fecha_hasta, sucursal } = DAY;
    const first = await post(corrected, DAY);
    const second = await post(corrected, { fecha_hasta, fecha_desde, sucursal });
    expect(first.body.ventas[0].financiero[0]).toMatchObject({ venta_total_usd: 8.02, monto_descuento: 0.1 });
    expect(second.body.ventas[0].financiero[0]).toMatchObject({ venta_total_usd: 8.12, monto_descuento: 0 });
    expect(corrected.report().repeated.count).toBe(1);
    // Another question is another request.
    expect((await post(corrected, { ...DAY, hora_desde: "08:00" })).body.ventas[0].financiero[0].venta_total_usd).toBe(
      8.02,
    );
  });

  it("of a cap cuts the answer without saying so", async () => {
    const sandbox = await open(MORNING, {}, { silentCapRows: 10 });
    const { body } = await post(sandbox, DAY);
    expect(body.meta.total_registros).toBe(10);
    const many = await open(minuteLines("2026-01-10", 959), {}, { faults: "cap1000" });
    expect((await post(many, DAY)).body.ventas).toHaveLength(959);
    expect(many.report().faults).toEqual({});
  });
});

async function post(sandbox: Sandbox, body: object | string): Promise<ReadAnswer> {
  const response = await fetch(`${sandbox.url}/ventas`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, body: JSON.parse(text) };
}

import { describe, expect, it } from "vitest";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome } from "../../engine/ports.ts";
import { requestIdentity } from "../../engine/ports.ts";
import { retailPipeline } from "../../pipelines/retail/retail.ts";
import { retailSettings } from "../../pipelines/retail/settings.ts";
import { klkSource } from "./klk.ts";

const pipeline = retailPipeline({ ...retailSettings.parse({}), source: "klk" });
const NOW = instant(Date.parse("2026-01-27T06:00:00Z"));
const [STORE] = pipeline.series("retail.ventas", pipeline.entry("tienda_07", {}), NOW);
if (!STORE) throw new Error("unreachable: a store has one series");
const series = STORE;

/** Local days of Caracas, four hours behind UTC. */
const daysOf = (first: string, end: string): Interval => ({
  start: instant(Date.parse(`${first}T04:00:00Z`)),
  end: instant(Date.parse(`${end}T04:00:00Z`)),
});

const line = (own: object = {}): object => ({
  numero_factura: "0001",
  linea: 1,
  fecha: "2026-01-10",
  hora: "11:30:17.7514927",
  producto: [{ codigo_producto: "000101" }],
  cantidad: [{ codigo_almacen: "TCTO", cantidad_vendida: 2 }],
  financiero: [{ venta_total_usd: 8.12 }],
  ...own,
});

function read(body: unknown, status = 200): Outcome {
  const source = klkSource();
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = { status, headers: {}, body: Buffer.from(text), receivedAt: instant(0) };
  return classifyAnswer(source, series, source.request(series, daysOf("2026-01-10", "2026-01-12")), answer);
}

describe("the question", () => {
  it("is about whole local days of a branch, without hours and without warehouse", () => {
    const request = klkSource().request(series, daysOf("2026-01-10", "2026-01-12"));
    expect(request).toMatchObject({ method: "POST", target: "/ventas" });
    expect(JSON.parse(request.body ?? "")).toEqual({
      sucursal: "SUC013",
      fecha_desde: "2026-01-10",
      fecha_hasta: "2026-01-11",
    });
  });

  it("is told apart by its body: the address is the same for all", () => {
    const source = klkSource();
    const [one, other] = ["2026-01-11", "2026-01-12"].map((end) =>
      requestIdentity(source.request(series, daysOf("2026-01-10", end))),
    );
    expect(one).not.toBe(other);
  });

  it("asks for two days at once, or for as many as somebody says", () => {
    const gaps = [daysOf("2026-01-10", "2026-01-26")];
    expect(klkSource().windows(series, gaps)).toHaveLength(8);
    expect(klkSource({ days: 4 }).windows(series, gaps)).toHaveLength(4);
    expect(klkSource().windows(series, gaps, 5)).toHaveLength(4);
    expect(klkSource().windows(series, gaps, 5).at(-1)).toEqual(daysOf("2026-01-25", "2026-01-26"));
  });
});

describe("an answer", () => {
  it.each([
    ["an object", { meta: { sucursal: "SUC013", total_registros: 1 }, ventas: [line()] }],
    ["an array", [line()]],
    ["an object without meta", { ventas: [line()] }],
  ])("is read from %s", (_, body) => {
    expect(read(body)).toMatchObject({ kind: "rows", rows: 1, next: null, strict: true });
  });

  it("without sales is an answer", () => {
    expect(read({ meta: { sucursal: "SUC013", total_registros: 0 }, ventas: [] })).toMatchObject({
      kind: "rows",
      rows: 0,
    });
  });

  it("with lines for another branch is left to be judged line by line", () => {
    expect(read({ meta: { sucursal: "SUC014" }, ventas: [line()] })).toMatchObject({ kind: "rows", rows: 1 });
    expect(read([line({ sucursal: "SUC014" }), line()])).toMatchObject({ kind: "rows", rows: 2, strict: true });
  });

  it("with lines of other types is left to be judged line by line", () => {
    expect(read([line(), line({ linea: "dos" })])).toMatchObject({ kind: "rows", rows: 2, strict: false });
  });

  it.each([
    ["that announces more lines than it has", { meta: { total_registros: 2 }, ventas: [line()] }, "transient"],
    ["without lines for another branch", { meta: { sucursal: "SUC014" }, ventas: [] }, "bad-request"],
    ["without lines", { meta: {} }, "transient"],
    ["with an error", { error: "error interno al consultar las ventas" }, "transient"],
    ["about a branch that is not there", { error: "la sucursal SUC099 no existe" }, "plan-value"],
    ["that says it took too long", { error: "tiempo de espera agotado" }, "slow-window"],
    ["about a question it cannot read", { error: "falta sucursal" }, "bad-request"],
    ["that is a page", "<html>en mantenimiento</html>", "transient"],
    ["that is cut", '{"meta":{"total', "transient"],
  ] as const)("%s is not data", (_, body, of) => {
    expect(read(body)).toMatchObject({ kind: "failure", class: of });
  });

  it.each([
    [504, { error: "tiempo de espera agotado" }, "slow-window"],
    [504, "", "slow-window"],
    [401, { error: "no autorizado" }, "auth"],
    [429, { error: "demasiadas solicitudes" }, "rate-untold"],
    [500, "", "transient"],
  ] as const)("with status %i is not data either", (status, body, of) => {
    expect(read(body, status)).toMatchObject({ kind: "failure", class: of });
  });

  it("that does not come in time means that too much was asked", () => {
    const source = klkSource();
    const request = source.request(series, daysOf("2026-01-10", "2026-01-12"));
    const late = { kind: "timeout", message: "no headers" } as const;
    expect(classifyAnswer(source, series, request, late)).toMatchObject({ class: "slow-window" });
    expect(classifyAnswer(source, series, request, { kind: "cut", message: "cut" })).toMatchObject({
      class: "transient",
    });
  });
});

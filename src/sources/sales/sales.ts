import { parseLimits } from "../../core/budget/limits.ts";
import type { Series } from "../../core/dataset/series.ts";
import { coverWithin } from "../../core/time/cover.ts";
import { addSlots } from "../../core/time/grid.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { toLocalMs } from "../../core/time/zone.ts";
import type { NamedField, RecordShape, Source, SourceRequest } from "../../engine/ports.ts";
import { readAnswer } from "./classify.ts";

/** What the contract proposes for a shop's server. */
export const SALES_LIMITS = parseLimits("2/s");

export interface SalesSettings {
  /** Days asked for at once where nobody says otherwise; the contract refuses more than five. Default 2. */
  readonly days?: number;
  /** Lines a page, 1 to 1,000. Default 1,000. */
  readonly limit?: number;
}

/** The longest window that the contract serves unless an installation says otherwise. */
const MOST_DAYS = 5;

/** Sale lines of a store over a window of whole local days, in pages. */
export function salesSource({ days = 2, limit = 1_000 }: SalesSettings = {}): Source {
  return {
    name: "sales",
    system: "sales",
    serves: () => true,
    records: SALES_RECORDS,
    silentCaps: [],
    splitsOnTimeout: true,
    pagesTogether: true,
    windows: ({ axis }, gaps, most = days) =>
      coverWithin(gaps, (start) => addSlots(axis.grid, start, Math.min(most, MOST_DAYS))),
    request: (series, window) => ({ method: "GET", target: targetOf(series, window, limit) }),
    classify: (series, request, answer) => readAnswer(answer, series.entry, (cursor) => nextPage(request, cursor)),
  };
}

function targetOf(series: Series, { start, end }: Interval, limit: number): string {
  const { zone } = series.axis.grid;
  const query = `from=${minuteText(zone, start)}&to=${minuteText(zone, end)}&limit=${limit}`;
  return `/api/v1/stores/${encodeURIComponent(series.entry)}/sales?${query}`;
}

/** The same window behind a cursor. */
function nextPage({ method, target }: SourceRequest, cursor: string): SourceRequest {
  return { method, target: `${target.replace(/&cursor=.*$/, "")}&cursor=${encodeURIComponent(cursor)}` };
}

/** `2026-01-10T00:00-04:00`, its plus sign escaped for a query. */
function minuteText(zone: string, at: Instant): string {
  const local = toLocalMs(zone, at);
  const offset = Math.round((local - at) / 60_000);
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${new Date(local).toISOString().slice(0, 16)}${offset < 0 ? "-" : "%2B"}${two(hours)}:${two(minutes)}`;
}

const text = (member: string, required = false): NamedField => ({
  type: "string",
  required,
  nullable: !required,
  member,
});
const figure = (member: string, required = false): NamedField => ({
  type: "decimal",
  required,
  nullable: !required,
  member,
});
const absent: NamedField = { type: "string", required: false, members: [] };

/** A line's fields under the names that the dataset reads; costs, weights and warehouses are not in the contract. */
const SALES_RECORDS: RecordShape = {
  path: "lines",
  stamp: "dia",
  stampWithin: "[start, end)",
  fields: {
    factura: text("ticket_number", true),
    linea: figure("line_number", true),
    dia: { type: "instant", required: true, member: "closed_at" },
    reloj: text("closed_at", true),
    tipo: text("type"),
    estado: text("status"),
    factura_original: text("original_ticket"),
    linea_original: figure("original_line"),
    producto: text("sku"),
    descripcion: text("description"),
    grupo: absent,
    cuadrante: absent,
    sucursal: absent,
    tienda: { ...text("store_id"), around: ["store_id"] },
    almacen: absent,
    almacen_nombre: absent,
    cantidad: figure("quantity", true),
    peso: absent,
    unidad: text("unit"),
    factor: absent,
    precio: figure("unit_price"),
    costo: absent,
    total: figure("line_total", true),
    costo_total: absent,
    descuento: figure("discount"),
    impuesto: figure("tax"),
    impuesto_bs: absent,
    total_usd: absent,
    moneda: text("currency"),
    tasa: absent,
    version: figure("version"),
  },
};

import type { Series } from "../../core/dataset/series.ts";
import { slotAt } from "../../core/time/grid.ts";
import { HOUR, instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import {
  type IntervalSet,
  intersect,
  normalize,
  spanOf,
  subtract,
  totalMs,
  union,
} from "../../core/time/interval-set.ts";
import type { FileHolding, FileReader, NamedField, RecordShape, Source } from "../../engine/ports.ts";

/** What the files of a project hold, as found when somebody last looked. */
export type Holdings = () => readonly FileHolding[];

const text = (required = false): NamedField => ({ type: "string", required });

/**
 * Rows of a `ventas` table as its owner exports them: CSV with a header. Figures stay texts, as they stand there; the
 * invoice names its line already.
 */
export function ventasTableRecords(zone: string): RecordShape & { readonly reader: FileReader } {
  return {
    path: "",
    stamp: "dia",
    stampWithin: "[start, end)",
    key: "ubicacion",
    fields: {
      ubicacion: text(true),
      dia: { type: "integer", required: true },
      reloj: text(true),
      factura: text(true),
      linea: text(),
      tipo: text(),
      estado: text(),
      factura_original: text(),
      linea_original: text(),
      producto: text(),
      descripcion: text(),
      grupo: text(),
      cuadrante: text(),
      sucursal: text(),
      tienda: text(),
      almacen: text(),
      almacen_nombre: text(),
      cantidad: text(true),
      peso: text(),
      unidad: text(),
      factor: text(),
      precio: text(),
      costo: text(),
      total: text(true),
      costo_total: text(),
      descuento: text(),
      impuesto: text(),
      impuesto_bs: text(),
      total_usd: text(),
      moneda: text(),
      tasa: text(),
      version: text(),
    },
    reader: {
      format: "csv",
      delimiter: ",",
      headerLines: 1,
      columns: {
        ubicacion: "ubicacion_id",
        reloj: "fecha_venta",
        factura: "numero_factura",
        producto: "producto_id",
        cuadrante: "cuadrante_producto",
        almacen: "almacen_codigo",
        almacen_nombre: "almacen_nombre",
        cantidad: "cantidad_vendida",
        peso: "peso_unitario",
        unidad: "unidad_medida_venta",
        factor: "factor_unidad_medida",
        precio: "precio_unitario",
        costo: "costo_unitario",
        total: "venta_total",
        costo_total: "costo_total",
      },
      time: { columns: ["fecha_venta"], msOfDay: null, format: "iso", zone },
      divisors: {},
    },
  };
}

/** Between two sales of one store lies less than this while days with sales follow each other. */
export const APART_MS = 12 * HOUR;

/**
 * What a store's table held before anybody asked, for nothing: each file answers for the days on which it has a sale.
 * Holdings are told apart by `APART_MS`, so that a day inside one has sales.
 */
export function ventasTableSource(zone: string, holdings: Holdings): Source {
  const daysOf = ({ axis }: Series, { first, last }: FileHolding): Interval => ({
    start: slotAt(axis.grid, instant(first)).start,
    end: slotAt(axis.grid, instant(last)).end,
  });
  /** The days that each file has of a store. */
  const filesOf = (series: Series): ReadonlyMap<string, IntervalSet> => {
    const days = new Map<string, Interval[]>();
    for (const file of holdings()) {
      if (file.key !== nameInFiles(series)) continue;
      const own = days.get(file.path) ?? [];
      if (own.length === 0) days.set(file.path, own);
      own.push(daysOf(series, file));
    }
    return new Map([...days].map(([path, own]) => [path, normalize(own)]));
  };
  return {
    name: "ventas-table",
    system: "ventas-table",
    fillsOnly: true,
    serves: (series) => filesOf(series).size > 0,
    held: (series) => union(...filesOf(series).values()),
    windows(series, gaps) {
      const windows: Interval[] = [];
      let left = gaps;
      for (const days of filesOf(series).values()) {
        const asked = spanOf(intersect(left, days));
        // What several files hold is asked of the first of them.
        if (asked !== null) windows.push(...subtract([asked], union(windows)));
        left = subtract(left, days);
      }
      return windows.sort((a, b) => a.start - b.start);
    },
    request(series, window) {
      const inside = (days: IntervalSet): number => totalMs(intersect(days, [window]));
      const [[path] = [""]] = [...filesOf(series)].sort(([, a], [, b]) => inside(b) - inside(a));
      return { method: "GET", target: `file:${path}`, headers: { format: "csv", "header-lines": "1" } };
    },
    classify: (_series, request, answer) =>
      answer.status === 200
        ? { kind: "rows", rows: Number(answer.headers.rows), next: null, through: null, provisional: false }
        : {
            kind: "failure",
            class: answer.status === 404 ? "not-found" : answer.status === 409 ? "transient" : "bad-request",
            message: `${request.target.slice("file:".length)} ${answer.text || "cannot be read"}`,
            waitMs: null,
          },
    records: ventasTableRecords(zone),
    silentCaps: [],
    match: nameInFiles,
  };
}

/** Keys of files are compared in capitals. */
function nameInFiles({ entry }: Series): string {
  return entry.toUpperCase();
}

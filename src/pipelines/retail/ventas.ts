import type { Column, Dataset } from "../../core/dataset/dataset.ts";

// Sources hand over a line's fields under these names: factura linea tipo estado factura_original linea_original dia
// (the stamp) reloj (a time of day, or a date and time) producto descripcion grupo cuadrante sucursal (a branch code)
// tienda (a store's id) almacen almacen_nombre cantidad peso unidad factor precio costo total costo_total descuento
// impuesto impuesto_bs total_usd moneda tasa version.
// Figures are decimal texts: they never were floats here.

const MONEY = "DECIMAL(18,4)";

const isVoid = "(raw.estado is not distinct from 'VOIDED')";

/** Figures of a line. */
const FIGURES = [
  ...["cantidad", "peso", "factor", "precio", "costo", "total", "costo_total", "descuento", "impuesto", "impuesto_bs"],
  "tasa",
];

/** A figure as the source has it. */
const figure = (name: string): string => `raw.${name}_n`;

/** A figure that counts: nothing of a voided line does. */
const counted = (expression: string): string => `case when ${isVoid} then 0 else ${expression} end::${MONEY}`;

const profit = `${figure("total")} - ${figure("costo_total")}`;

/** Wall clock of the sale in the store. An offset is dropped: `clock_not_local` has seen that it is the store's. */
const SOLD_AT = `case when contains(raw.reloj, '-') then try_cast(raw.reloj as timestamp)
  else epoch_ms(raw.dia)::date + try_cast(raw.reloj as time) end`;

const money = (name: string, note: string): Column => ({ name, type: MONEY, note });

/** Sale lines as the source sent them, one row a line of an invoice. */
export const ventas: Dataset = {
  name: "retail.ventas",
  layer: "silver",
  version: 1,
  description: "sale lines by store and local day; returns are negative, voided lines count nothing and stay",
  columns: [
    { name: "ubicacion_id", type: "VARCHAR", note: "the store" },
    { name: "dia", type: "TIMESTAMP", note: "start of the local day, UTC" },
    { name: "numero_factura", type: "VARCHAR", note: "invoice and line, `1234_L2`; numbers repeat across stores" },
    { name: "fecha_venta", type: "TIMESTAMP", note: "wall clock of the store" },
    { name: "almacen_codigo", type: "VARCHAR", note: "null where the source has none, like all that follows" },
    { name: "almacen_nombre", type: "VARCHAR" },
    { name: "producto_id", type: "VARCHAR" },
    { name: "producto_descripcion", type: "VARCHAR" },
    { name: "producto_grupo", type: "VARCHAR" },
    { name: "cuadrante_producto", type: "VARCHAR" },
    money("cantidad_vendida", "negative on returns, 0 on voided lines"),
    money("peso_unitario", "kg"),
    money("peso_calculado", "peso_unitario x cantidad_vendida"),
    money("total_cantidad_por_unidad_medida", "cantidad_vendida x factor_unidad_medida"),
    { name: "unidad_medida_venta", type: "VARCHAR", note: "UNIDAD where the source says nothing" },
    money("factor_unidad_medida", "units in a package"),
    money("precio_unitario", "in `moneda`, like all amounts"),
    money("costo_unitario", "in `moneda`"),
    money("venta_total", "of the line; negative on returns, 0 on voided lines"),
    money("costo_total", "of the line; negative on returns, 0 on voided lines"),
    money("utilidad_bruta", "venta_total - costo_total"),
    money("margen_bruto_pct", "of venta_total, two decimals; 0 where that is not positive"),
    money("descuento", "of the line, in `moneda`"),
    money("impuesto", "of the line, in `moneda`"),
    money("impuesto_bs", "of the line, in bolivares"),
    { name: "moneda", type: "VARCHAR", note: "null where the source does not name one" },
    money("tasa_usd", "bolivares for a dollar at the sale"),
    { name: "tipo", type: "VARCHAR", note: "SALE or RETURN; by the sign where the source says nothing" },
    { name: "estado", type: "VARCHAR", note: "CLOSED or VOIDED" },
    { name: "factura_original", type: "VARCHAR", note: "the line that a return brings back, as numero_factura" },
    money("total_anulado", "what a voided line was worth; null elsewhere"),
    { name: "version", type: "BIGINT", note: "grows with each change of the line, where the source counts" },
    { name: "source", type: "VARCHAR" },
    { name: "source_ts", type: "TIMESTAMP", note: "the source's own stamp, UTC" },
    { name: "object_no", type: "BIGINT", note: "the bronze object it came from" },
  ],
  key: ["ubicacion_id"],
  time: "dia",
  rowKey: ["numero_factura"],
  extract: {
    terms: {
      ...Object.fromEntries(FIGURES.map((name) => [`${name}_n`, `try_cast(raw.${name} as ${MONEY})`])),
      sold_at: SOLD_AT,
    },
    select: {
      // A table that was filled before names the line in the invoice.
      numero_factura: "raw.factura || coalesce('_L' || try_cast(raw.linea as bigint), '')",
      fecha_venta: "raw.sold_at",
      almacen_codigo: "raw.almacen",
      almacen_nombre: "raw.almacen_nombre",
      producto_id: "raw.producto",
      producto_descripcion: "raw.descripcion",
      producto_grupo: "raw.grupo",
      cuadrante_producto: "raw.cuadrante",
      cantidad_vendida: counted(figure("cantidad")),
      peso_unitario: figure("peso"),
      peso_calculado: counted(`(${figure("peso")} * ${figure("cantidad")})`),
      total_cantidad_por_unidad_medida: counted(`(${figure("cantidad")} * ${figure("factor")})`),
      unidad_medida_venta: "coalesce(raw.unidad, 'UNIDAD')",
      factor_unidad_medida: figure("factor"),
      precio_unitario: figure("precio"),
      costo_unitario: figure("costo"),
      venta_total: counted(figure("total")),
      costo_total: counted(figure("costo_total")),
      utilidad_bruta: counted(`(${profit})`),
      margen_bruto_pct: `case when ${isVoid} or ${figure("total")} <= 0 then 0
        else round(100.0 * (${profit}) / ${figure("total")}, 2) end::${MONEY}`,
      descuento: counted(figure("descuento")),
      impuesto: counted(figure("impuesto")),
      impuesto_bs: counted(figure("impuesto_bs")),
      moneda: "coalesce(raw.moneda, case when raw.total_usd is not null then 'USD' end)",
      tasa_usd: figure("tasa"),
      tipo: `coalesce(raw.tipo, case when ${figure("cantidad")} < 0 then 'RETURN' else 'SALE' end)`,
      estado: "coalesce(raw.estado, 'CLOSED')",
      factura_original: "raw.factura_original || '_L' || try_cast(raw.linea_original as bigint)",
      total_anulado: `case when ${isVoid} then ${figure("total")} end`,
      version: "try_cast(raw.version as bigint)",
    },
    checks: [
      {
        reason: "line_not_numbered",
        bad: "try_cast(raw.linea as bigint) is null and not regexp_matches(raw.factura, '_L[0-9]+$')",
      },
      { reason: "time_not_readable", bad: `raw.sold_at is null` },
      // Half an hour is what the clocks of the zone have ever been moved by.
      {
        reason: "clock_not_local",
        bad: `abs(epoch_ms(raw.sold_at) % 86400000 - (case when contains(raw.reloj, '-') then raw.stamp_ms - raw.slot_ms
          else epoch_ms(raw.sold_at) % 86400000 end)) > 1800000`,
      },
      { reason: "quantity_not_valid", bad: `${figure("cantidad")} is null` },
      { reason: "total_not_valid", bad: `${figure("total")} is null` },
      // Another store's, or one that nobody knows: the sale is not this store's either way.
      {
        reason: "branch_not_of_the_store",
        bad: `(raw.sucursal is not null and series.ask_branch <> '' and raw.sucursal <> series.ask_branch)
          or (raw.tienda is not null and raw.tienda <> series.ubicacion_id)`,
      },
      {
        reason: "warehouse_of_another_store",
        bad: "raw.almacen is not null and series.ask_warehouse <> '' and raw.almacen <> series.ask_warehouse",
      },
    ],
    errorThreshold: 0.5,
  },
  transform: null,
};

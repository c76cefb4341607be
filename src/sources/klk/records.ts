import type { MemberPath, NamedField, RecordShape } from "../../engine/ports.ts";

/**
 * Lines as recorded answers have them: parts as arrays of one object, as objects, or, in an older sample, as objects
 * whose members have other names. Fields that only the paged contract sends are never there.
 */
export const KLK_RECORDS: RecordShape = {
  path: "ventas",
  isBare: true,
  stamp: "dia",
  // The day is a date; what its midnight is in UTC nobody says.
  stamped: { zone: "UTC", at: "start" },
  fields: {
    factura: { type: "string", required: true, member: "numero_factura" },
    linea: { type: "decimal", required: true },
    dia: { type: "date", required: true, member: "fecha" },
    reloj: { type: "string", required: true, member: "hora" },
    tipo: absent(),
    estado: absent(),
    factura_original: absent(),
    linea_original: { ...absent(), type: "decimal" },
    producto: text("producto", "codigo_producto", "codigo"),
    descripcion: text("producto", "descripcion_producto", "descripcion_", "descripcion"),
    grupo: text("producto", "grupo_articulo", "grupo"),
    cuadrante: text("producto", "cuadrante_producto", "cuadrante"),
    // Lines of known answers do not name their branch; what surrounds them does.
    sucursal: {
      type: "string",
      required: false,
      nullable: true,
      members: [["sucursal"], ["codigo_sucursal"]],
      around: ["meta", "sucursal"],
    },
    tienda: absent(),
    almacen: text("cantidad", "codigo_almacen"),
    almacen_nombre: text("cantidad", "nombre_almacen"),
    cantidad: { ...figure("cantidad", "cantidad_vendida", "vendida"), required: true },
    peso: figure("cantidad", "peso_unitario"),
    unidad: text("cantidad", "unidad_medida_venta"),
    factor: figure("cantidad", "factor_unidad_medida"),
    precio: figure("financiero", "precio_unitario_usd", "precio_unitario"),
    costo: figure("financiero", "costo_unitario_usd", "costo_unitario"),
    total: { ...figure("financiero", "venta_total_usd", "venta_total"), required: true },
    costo_total: figure("financiero", "costo_total_usd", "costo_total"),
    descuento: figure("financiero", "monto_descuento", "descuento"),
    impuesto: figure("financiero", "impuesto_total"),
    impuesto_bs: figure("financiero", "impuesto_monto"),
    total_usd: figure("financiero", "venta_total_usd"),
    moneda: absent(),
    tasa: { type: "decimal", required: false, nullable: true, member: "tasa_usd" },
    version: { ...absent(), type: "decimal" },
  },
};

function text(part: string, ...names: readonly string[]): NamedField {
  return { type: "string", required: false, nullable: true, members: placesOf(part, names) };
}

function figure(part: string, ...names: readonly string[]): NamedField {
  return { type: "decimal", required: false, nullable: true, members: placesOf(part, names) };
}

/** A member that no known answer has. */
function absent(): NamedField {
  return { type: "string", required: false, members: [] };
}

function placesOf(part: string, names: readonly string[]): readonly MemberPath[] {
  return names.flatMap((name) => [
    [part, 0, name],
    [part, name],
  ]);
}

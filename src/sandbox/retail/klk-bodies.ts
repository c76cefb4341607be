import type { Answer } from "../provider.ts";
import type { SaleLine } from "./sale-line.ts";

/** The endpoint's refusals: a message, by default inside a 200. */
export function klkError(error: string, status = 200): Answer {
  return { status, contentType: "application/json", body: JSON.stringify({ error }), isData: false };
}

/** Lines in the endpoint's words; `warehouseName` is the store's. They name their branch where `branchOf` tells it. */
export function klkLines(
  lines: readonly SaleLine[],
  options: {
    readonly parts: "arrays" | "objects" | "older";
    readonly warehouseName: string;
    readonly branchOf: ((store: string) => string) | null;
  },
): readonly object[] {
  const { parts, warehouseName, branchOf } = options;
  if (parts === "older") return lines.map(olderLine);
  const invoiceTotals = new Map<string, number>();
  for (const { invoice, total, tasa } of lines) {
    invoiceTotals.set(invoice, (invoiceTotals.get(invoice) ?? 0) + Number(total) * Number(tasa));
  }
  const part = parts === "arrays" ? (value: object) => [value] : (value: object) => value;
  return lines.map((line) => {
    const tasa = Number(line.tasa);
    const inBs = (amount: number) => rounded(amount * tasa, 2);
    const [price, total, discount] = [Number(line.unitPrice), Number(line.total), Number(line.discount)];
    const [unitCost, cost] = [Number(line.unitCost), Number(line.costTotal)];
    const full = price * Number(line.quantity);
    return {
      ...(branchOf === null ? {} : { sucursal: branchOf(line.store) }),
      numero_factura: line.invoice,
      linea: line.line,
      fecha: line.soldAt.slice(0, 10),
      hora: line.soldAt.slice(11),
      fecha_hora_completa: line.soldAt,
      producto: part({
        codigo_producto: line.product,
        descripcion_producto: line.description,
        marca_producto: null,
        modelo_producto: null,
        categoria_producto: line.group,
        grupo_articulo: line.group,
        subgrupo_producto: null,
        cuadrante_producto: null,
        codigo_barras: null,
      }),
      cantidad: part({
        codigo_almacen: line.warehouse,
        nombre_almacen: warehouseName,
        cantidad_vendida: Number(line.quantity),
        peso_unitario: Number(line.unitWeight),
        unidad_medida_venta: line.unit,
        factor_unidad_medida: Number(line.unitFactor),
      }),
      financiero: part({
        costo_unitario_bs: inBs(unitCost),
        precio_unitario_bs: inBs(price),
        venta_total_bs: inBs(total),
        costo_total_bs: inBs(cost),
        utilidad_bruta_bs: inBs(total - cost),
        costo_unitario_usd: unitCost,
        precio_unitario_usd: price,
        venta_total_usd: total,
        costo_total_usd: cost,
        utilidad_bruta_usd: rounded(total - cost, 4),
        impuesto_porcentaje: Number(line.taxPercent),
        impuesto_monto: Number(line.taxBs),
        porcentaje_descuento: full === 0 ? 0 : rounded((100 * discount) / full, 2),
        monto_descuento: discount,
      }),
      total_factura: rounded(invoiceTotals.get(line.invoice) ?? 0, 2),
      tasa_usd: tasa,
      es_no_fiscal: false,
      tiene_promocion: discount !== 0,
      codigo_promocion: null,
    };
  });
}

/** The older sample: objects, other names, one currency, whole seconds. */
function olderLine(line: SaleLine): object {
  const [quantity, weight] = [Number(line.quantity), Number(line.unitWeight)];
  const [total, cost] = [Number(line.total), Number(line.costTotal)];
  return {
    numero_factura: line.invoice,
    fecha: line.soldAt.slice(0, 10),
    hora: line.soldAt.slice(11, 19),
    linea: line.line,
    codigo_transaccion: null,
    producto: {
      codigo: line.product,
      descripcion: line.description,
      marca: null,
      modelo: null,
      presentacion: line.unit,
      categoria: line.group,
      grupo: line.group,
      subgrupo: null,
      cuadrante: null,
    },
    cantidad: {
      vendida: quantity,
      bultos: Number(line.unitFactor),
      peso_unitario: weight,
      peso_total: rounded(weight * quantity, 4),
      volumen_unitario: 0,
      tipo_peso: line.unit === "KG" ? 2 : 0,
    },
    financiero: {
      costo_unitario: Number(line.unitCost),
      precio_unitario: Number(line.unitPrice),
      costo_total: cost,
      venta_total: total,
      impuesto_porcentaje: Number(line.taxPercent),
      impuesto_total: Number(line.tax),
      utilidad_bruta: rounded(total - cost, 4),
    },
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

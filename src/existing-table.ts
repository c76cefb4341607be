import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { withDuckDb } from "./adapters/files/file-rows.ts";
import type { RetailFixture } from "./sandbox/retail/retail-fixture.ts";

/** What a table's clock showed last: lines that came to be known later are not in it. */
const KNOWN_BY = "2026-01-26 23:59:59";

/**
 * Writes the table that the chain had before any backfill, a file a store, as its owner would export it: of the
 * sandbox's lines those of the days that the fixture says were there.
 */
export async function writeExistingTable(
  { manifest, present }: RetailFixture,
  { sandbox, to }: { readonly sandbox: string; readonly to: string },
): Promise<void> {
  await mkdir(to, { recursive: true });
  await withDuckDb(async (connection) => {
    for (const { id, name } of manifest.stores) {
      const days = present.days[id] ?? [];
      if (days.length === 0) continue;
      await connection.run(`copy (
        select store as ubicacion_id, invoice || '_L' || line as numero_factura, sold_at as fecha_venta,
          warehouse as almacen_codigo, ${text(name)} as almacen_nombre, product as producto_id,
          null as cuadrante_producto, quantity as cantidad_vendida, unit_weight as peso_unitario,
          unit as unidad_medida_venta, unit_factor as factor_unidad_medida, unit_price as precio_unitario,
          unit_cost as costo_unitario, total as venta_total, cost_total as costo_total
        from (
          select * from read_csv(${text(join(sandbox, "sales", `${id}.csv.gz`))}, all_varchar = true)
          where updated_at <= ${text(KNOWN_BY)}
          qualify row_number() over (partition by invoice, line order by version::bigint desc) = 1)
        where type <> 'VOID' and left(sold_at, 10) in (${days.map(text).join(", ")})
        order by sold_at, invoice, line::integer)
        to ${text(join(to, `${id}.csv.gz`))} (header, compression gzip)`);
    }
  });
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

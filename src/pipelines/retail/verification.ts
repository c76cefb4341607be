/**
 * The chain's own check after a backfill, run verbatim on the store. It measures between each store's first and last
 * sale, so days that are missing before or after do not show in it.
 */
export const SALES_COVERAGE_SQL = `-- Verificar cobertura despues del backfill
SELECT
    ubicacion_id,
    MIN(fecha_venta)::date as primera_venta,
    MAX(fecha_venta)::date as ultima_venta,
    COUNT(DISTINCT DATE(fecha_venta)) as dias_con_datos,
    (MAX(fecha_venta)::date - MIN(fecha_venta)::date + 1) as dias_rango,
    ROUND(100.0 * COUNT(DISTINCT DATE(fecha_venta)) /
          (MAX(fecha_venta)::date - MIN(fecha_venta)::date + 1), 1) as pct_cobertura
FROM ventas
WHERE ubicacion_id LIKE 'tienda_%'
GROUP BY ubicacion_id
ORDER BY pct_cobertura ASC;`;

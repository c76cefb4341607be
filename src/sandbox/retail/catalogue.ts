/** A product of the simulator. Names are of everyday goods; prices and costs are made up. */
export interface Product {
  readonly code: string;
  readonly description: string;
  readonly group: string;
  /** Kilograms are sold in thousandths. */
  readonly unit: "UNIDAD" | "KG";
  /** Kilograms of one unit. */
  readonly weight: number;
  /** Units in a package. */
  readonly factor: number;
  /** Without tax, in cents of the currency. */
  readonly priceCents: number;
  readonly costCents: number;
  /** 0 = exempt. */
  readonly taxPercent: 0 | 16;
}

/** Often bought goods come first. */
export const CATALOGUE: readonly Product[] = [
  product("000101", "HARINA DE MAIZ BLANCO 1 KG", "VIVERES", "UNIDAD", 1, 20, 115, 92, 0),
  product("000102", "ARROZ TIPO I 1 KG", "VIVERES", "UNIDAD", 1, 24, 128, 101, 0),
  product("000201", "TOMATE KG", "FRUVER", "KG", 1, 1, 145, 98, 0),
  product("000202", "CEBOLLA KG", "FRUVER", "KG", 1, 1, 132, 90, 0),
  product("000203", "CAMBUR KG", "FRUVER", "KG", 1, 1, 84, 52, 0),
  product("000103", "PASTA LARGA 1 KG", "VIVERES", "UNIDAD", 1, 12, 176, 139, 0),
  product("000301", "QUESO BLANCO DURO KG", "CHARCUTERIA", "KG", 1, 1, 612, 508, 0),
  product("000104", "ACEITE VEGETAL 1 L", "VIVERES", "UNIDAD", 0.92, 12, 342, 287, 16),
  product("000401", "POLLO ENTERO KG", "CARNES", "KG", 1, 1, 318, 262, 0),
  product("000501", "REFRESCO 2 L", "BEBIDAS", "UNIDAD", 2.1, 6, 189, 148, 16),
  product("000204", "PAPA KG", "FRUVER", "KG", 1, 1, 121, 83, 0),
  product("000105", "AZUCAR 1 KG", "VIVERES", "UNIDAD", 1, 20, 139, 116, 0),
  product("000302", "MORTADELA 900 G", "CHARCUTERIA", "UNIDAD", 0.9, 12, 233, 191, 16),
  product("000106", "CAFE MOLIDO 500 G", "VIVERES", "UNIDAD", 0.5, 20, 487, 402, 0),
  product("000601", "HUEVOS CARTON 30", "LACTEOS", "UNIDAD", 1.9, 1, 529, 448, 0),
  product("000602", "LECHE EN POLVO 1 KG", "LACTEOS", "UNIDAD", 1, 12, 998, 861, 0),
  product("000402", "CARNE MOLIDA KG", "CARNES", "KG", 1, 1, 571, 476, 0),
  product("000502", "AGUA MINERAL 5 L", "BEBIDAS", "UNIDAD", 5, 1, 214, 157, 16),
  product("000107", "ATUN EN LATA 140 G", "VIVERES", "UNIDAD", 0.14, 48, 163, 127, 16),
  product("000701", "JABON EN POLVO 1 KG", "LIMPIEZA", "UNIDAD", 1, 12, 266, 208, 16),
  product("000702", "PAPEL HIGIENICO 4 ROLLOS", "LIMPIEZA", "UNIDAD", 0.4, 12, 241, 187, 16),
  product("000205", "PLATANO KG", "FRUVER", "KG", 1, 1, 98, 64, 0),
  product("000303", "JAMON DE PIERNA KG", "CHARCUTERIA", "KG", 1, 1, 854, 702, 16),
  product("000603", "MANTEQUILLA 250 G", "LACTEOS", "UNIDAD", 0.25, 24, 187, 149, 16),
];

function product(
  code: string,
  description: string,
  group: string,
  unit: Product["unit"],
  weight: number,
  factor: number,
  priceCents: number,
  costCents: number,
  taxPercent: Product["taxPercent"],
): Product {
  return { code, description, group, unit, weight, factor, priceCents, costCents, taxPercent };
}

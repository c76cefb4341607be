/** Columns of a file of sale lines, in the order they are written; a file may have them in any order. */
export const SALE_COLUMNS = [
  "store",
  "invoice",
  "line",
  "type",
  "original_invoice",
  "original_line",
  "sold_at",
  "product",
  "description",
  "product_group",
  "warehouse",
  "quantity",
  "unit_weight",
  "unit",
  "unit_factor",
  "unit_price",
  "unit_cost",
  "discount",
  "total",
  "cost_total",
  "tasa",
  "tax_percent",
  "tax_bs",
  "version",
  "updated_at",
] as const;
export type SaleColumn = (typeof SALE_COLUMNS)[number];

/** One version of a line as it is written to a file: decimals and wall-clock times as text. */
export type SaleRow = Readonly<Record<SaleColumn, string | number | null>>;

export type SaleType = "SALE" | "RETURN" | "VOID";

/** A line as the book knows it now. Decimals are text with a fixed number of digits, money in the manifest's currency. */
export interface SaleLine {
  readonly store: string;
  readonly invoice: string;
  readonly line: number;
  /** VOID = was a sale or a return (by the sign of its quantity) and no longer counts; its amounts are kept. */
  readonly type: SaleType;
  readonly originalInvoice: string | null;
  readonly originalLine: number | null;
  /** Wall clock of the store, as in the file: `2026-01-10 11:30:17.7514927`. */
  readonly soldAt: string;
  /** `soldAt` in epoch milliseconds; of a time that the clocks showed twice the first. */
  readonly at: number;
  readonly product: string;
  readonly description: string;
  readonly group: string;
  readonly warehouse: string;
  /** Three decimals; negative on returns. */
  readonly quantity: string;
  readonly unitWeight: string;
  readonly unit: string;
  readonly unitFactor: string;
  /** Without tax; four decimals, like all money. */
  readonly unitPrice: string;
  readonly unitCost: string;
  readonly discount: string;
  /** quantity x unit price rounded to cents, less the discount, plus the tax. */
  readonly total: string;
  readonly costTotal: string;
  /** In the manifest's currency: what `total` has beyond price and discount. */
  readonly tax: string;
  readonly taxPercent: string;
  /** In bolivares. */
  readonly taxBs: string;
  /** Bolivares for one unit of the manifest's currency. */
  readonly tasa: string;
  /** Grows with every change of any line of the store. */
  readonly version: number;
  /** When this version came to be, epoch milliseconds. */
  readonly updatedAt: number;
}

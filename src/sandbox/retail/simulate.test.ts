import { describe, expect, it } from "vitest";
import type { SaleRow } from "./sale-line.ts";
import { type SaleSimulation, simulatedTasa, simulateSales } from "./simulate.ts";

const USUAL = { id: "tienda_01", warehouse: "APP-TPF", opensAt: 7, closesAt: 21 };
const BOSQUE = { id: "tienda_08", warehouse: "APP-TBQ", opensAt: 8, closesAt: 24 };
const OPTIONS: SaleSimulation = {
  seed: 1,
  from: "2025-12-20",
  to: "2026-01-05",
  closedDates: ["2025-12-25", "2026-01-01"],
  linesPerDay: 400,
};
const rows = simulateSales(USUAL, OPTIONS);
const keyOf = ({ invoice, line }: SaleRow) => `${invoice} ${line}`;
const dayOf = ({ sold_at }: SaleRow) => String(sold_at).slice(0, 10);
const number = (value: SaleRow[keyof SaleRow]) => Number(value);

describe("simulated sales", () => {
  it("are the same for the same seed, and others for another", () => {
    expect(simulateSales(USUAL, OPTIONS)).toEqual(rows);
    expect(simulateSales(USUAL, { ...OPTIONS, seed: 2 })).not.toEqual(rows);
  });

  it("of one day do not depend on the other days", () => {
    const sold = (all: readonly SaleRow[]) =>
      all
        .filter((row) => dayOf(row) === "2025-12-28" && row.type !== "RETURN")
        .map(({ version: _, ...row }) => JSON.stringify(row))
        .sort();
    const alone = sold(simulateSales(USUAL, { ...OPTIONS, from: "2025-12-28", to: "2025-12-28" }));
    expect(alone.length).toBeGreaterThan(300);
    expect(alone).toEqual(sold(rows));
  });

  it("add up: price times quantity to the cent, less discount, plus tax, which in bolivares is the tax of the tasa", () => {
    for (const row of rows) {
      const sign = number(row.quantity) < 0 ? -1 : 1;
      const thousandths = Math.round(number(row.quantity) * 1000) * sign;
      const price = Math.round(number(row.unit_price) * 100);
      const gross = sign * Math.floor((thousandths * price + 500) / 1000);
      const net = gross - Math.round(number(row.discount) * 100);
      const tax = Math.round(number(row.total) * 100) - net;
      expect(Math.abs(tax - (net * number(row.tax_percent)) / 100)).toBeLessThanOrEqual(0.5 + 1e-9);
      expect(number(row.tax_bs)).toBeCloseTo((tax / 100) * number(row.tasa), 1);
      expect(number(row.cost_total)).toBeCloseTo(number(row.quantity) * number(row.unit_cost), 3);
    }
  });

  it("happen while the store is open, and to its last minute", () => {
    const clock = (row: SaleRow) => String(row.sold_at).slice(11);
    expect(rows.every((row) => clock(row) >= "07:00:00" && clock(row) < "21:00:00")).toBe(true);
    const late = simulateSales(BOSQUE, OPTIONS);
    const lasts = new Map<string, string>();
    for (const row of late.filter(({ type }) => type === "SALE")) {
      lasts.set(dayOf(row), [lasts.get(dayOf(row)) ?? "", clock(row)].sort()[1] ?? "");
    }
    expect(lasts.size).toBe(15);
    for (const last of lasts.values()) expect(last).toMatch(/^23:59:\d\d\.\d{7}$/);
  });

  it("leave closed days empty", () => {
    const days = new Set(rows.map(dayOf));
    expect(days.size).toBe(15);
    expect(days.has("2025-12-25") || days.has("2026-01-01")).toBe(false);
  });

  it("number every change of the store, in the order in which they came to be known", () => {
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, i) => i + 1));
    const known = rows.map(({ updated_at }) => String(updated_at));
    expect(known).toEqual([...known].sort());
    expect(rows.every((row) => String(row.updated_at) >= String(row.sold_at).slice(0, 19))).toBe(true);
  });

  it("use the same invoice numbers in every store", () => {
    const mine = new Set(rows.map(({ invoice }) => invoice));
    const shared = simulateSales(BOSQUE, OPTIONS).filter(({ invoice }) => mine.has(invoice));
    expect(shared.length).toBeGreaterThan(1_000);
  });

  it("come back on a later day as lines of their own that name the line they return", () => {
    const returns = rows.filter(({ type }) => type === "RETURN");
    expect(returns.length).toBeGreaterThan(5);
    for (const row of returns) {
      const original = rows.find(
        (sale) => sale.type === "SALE" && sale.invoice === row.original_invoice && sale.line === row.original_line,
      );
      expect(original).toMatchObject({ product: row.product, quantity: String(row.quantity).replace("-", "") });
      expect(dayOf(row) > dayOf(original as SaleRow)).toBe(true);
      expect(number(row.total)).toBe(-number(original?.total ?? null));
    }
  });

  it("are voided as whole tickets and corrected line by line, each as a later version of the same line", () => {
    const first = new Map<string, SaleRow>();
    const changed = rows.filter((row) => {
      const isNew = !first.has(keyOf(row));
      if (isNew) first.set(keyOf(row), row);
      return !isNew;
    });
    const voided = changed.filter(({ type }) => type === "VOID");
    const corrected = changed.filter(({ type }) => type === "SALE");
    expect(voided.length).toBeGreaterThan(5);
    expect(corrected.length).toBeGreaterThan(5);
    expect(rows.filter(({ type }) => type === "VOID")).toEqual(voided);
    const tickets = new Set(voided.map(({ invoice }) => invoice));
    expect(voided).toHaveLength([...first.values()].filter(({ invoice }) => tickets.has(invoice)).length);
    for (const row of voided) {
      const { version: _, updated_at: __, type: ___, ...amounts } = row;
      expect(first.get(keyOf(row))).toMatchObject(amounts);
    }
    for (const row of corrected) {
      expect(number(row.total)).toBeLessThan(number(first.get(keyOf(row))?.total ?? null));
      expect(row.sold_at).toBe(first.get(keyOf(row))?.sold_at);
    }
  });

  it("come late from a register that was offline, by up to 60 hours", () => {
    const seen = new Set<string>();
    const delays = rows
      .filter((row) => !seen.has(keyOf(row)) && seen.add(keyOf(row)))
      .map(({ sold_at, updated_at }) => Date.parse(`${updated_at}Z`) - Date.parse(`${String(sold_at).slice(0, 23)}Z`));
    const late = delays.filter((ms) => ms > 3_600_000);
    expect(late.length / delays.length).toBeCloseTo(0.01, 1);
    expect(late.length).toBeGreaterThan(10);
    expect(Math.max(...late)).toBeLessThanOrEqual(60 * 3_600_000 + 1000);
  });

  it("are as many as asked for", () => {
    const perDay = rows.filter(({ type, version }) => type === "SALE" && version !== null).length / 15;
    expect(perDay).toBeGreaterThan(320);
    expect(perDay).toBeLessThan(480);
    expect(() => simulateSales(USUAL, { ...OPTIONS, linesPerDay: 0 })).toThrow(/linesPerDay is 0/);
  });
});

it("makes one tasa of a day for all stores, that grows", () => {
  expect(simulatedTasa("2025-10-01")).toBe("185.0000");
  expect(Number(simulatedTasa("2026-01-26"))).toBeGreaterThan(Number(simulatedTasa("2025-10-28")));
  const stores = [USUAL, BOSQUE].flatMap((store) => simulateSales(store, { ...OPTIONS, to: "2025-12-20" }));
  const ofDay = stores.filter((row) => dayOf(row) === "2025-12-20").map(({ tasa }) => tasa);
  expect(new Set(ofDay)).toEqual(new Set([simulatedTasa("2025-12-20")]));
});

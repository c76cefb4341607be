import { DAY, HOUR, MINUTE, SECOND } from "../../core/time/instant.ts";
import { parseDate } from "../../core/time/zone.ts";
import { draw } from "../faults.ts";
import { randomNumbers } from "../random.ts";
import { CATALOGUE, type Product } from "./catalogue.ts";
import type { SaleRow, SaleType } from "./sale-line.ts";

/*
 * A simulator: no sale that it returns ever happened, and nothing can be learned from its amounts. It exists so that
 * the work on sales can be tried where no store's data may be shipped. What it keeps is what such data are like:
 * invoice numbers that repeat across stores, weighed goods, returns on later days, lines that arrive late, are
 * corrected or voided.
 */

/** A store as far as the simulator cares. */
export interface SimulatedStore {
  readonly id: string;
  readonly warehouse: string;
  /** Whole hours of the day, `closesAt` up to 24. */
  readonly opensAt: number;
  readonly closesAt: number;
  /** Sales compared with a usual store. Default 1. */
  readonly size?: number;
}

export interface SaleSimulation {
  readonly seed: number;
  /** First and last day, `YYYY-MM-DD`, both included. */
  readonly from: string;
  readonly to: string;
  /** Days without business. */
  readonly closedDates: readonly string[];
  /** Sale lines of a usual store on a usual day, returns not counted. */
  readonly linesPerDay: number;
}

/** Invoice numbers that a day has: sales count from 0, returns from 90,000. */
const INVOICES_A_DAY = 100_000;
const FIRST_RETURN = 90_000;
const MAX_LINES_A_DAY = 50_000;

/** Sunday to Saturday. */
const WEEKDAY_FACTORS = [1.15, 0.85, 0.9, 0.9, 1, 1.15, 1.3];

const LATE_SHARE = 0.01;
const VOID_SHARE = 0.005;
const CORRECTED_SHARE = 0.005;
const RETURN_SHARE = 0.015;
const DISCOUNT_SHARE = 0.05;

/** Longest that a register is offline. */
const LATE_MS = 60 * HOUR;
const RETURN_DAYS = 3;

/** Bolivares for a unit of currency on the day it counts from, and its growth a day: made up. */
const TASA = { date: "2025-10-01", start: 185, growth: 0.0055 };

/** What is bought, before it is written as rows. Money in cents, cost in hundredths of a cent. */
interface Item {
  readonly product: Product;
  /** Thousandths; negative when it is brought back. */
  readonly quantity: number;
  readonly priceCents: number;
  readonly discountCents: number;
}

interface Ticket {
  readonly invoice: string;
  /** Wall clock in milliseconds as if UTC, and the ten-thousandths of a millisecond beyond it. */
  readonly wallMs: number;
  readonly beyond: number;
  readonly items: readonly Item[];
  readonly updatedMs: number;
}

type Draft = Omit<SaleRow, "version" | "updated_at"> & { readonly updatedMs: number };

/**
 * Every version of every line that `store` sold, oldest change first, which numbers them from 1. A day is the same
 * whatever else is simulated, but for returns: they are lost when the day of their sale is not simulated.
 * The last sale of a day falls into the minute before the store closes.
 * @throws RangeError when `linesPerDay` is below 1 or above 50,000
 */
export function simulateSales(store: SimulatedStore, options: SaleSimulation): SaleRow[] {
  const { linesPerDay, closedDates, from, to } = options;
  if (!(linesPerDay >= 1 && linesPerDay <= MAX_LINES_A_DAY)) {
    throw new RangeError(`linesPerDay is ${linesPerDay}, expected 1 to ${MAX_LINES_A_DAY}`);
  }
  const drafts: Draft[] = [];
  for (let day = parseDate(from); day <= parseDate(to); day += DAY) {
    if (!closedDates.includes(dateText(day))) drafts.push(...simulateDay(store, day, options));
  }
  const line = (draft: Draft) => `${draft.invoice} ${String(draft.line).padStart(4, "0")}`;
  drafts.sort((a, b) => a.updatedMs - b.updatedMs || (line(a) < line(b) ? -1 : 1));
  return drafts.map(({ updatedMs, ...row }, i) => ({
    ...row,
    version: i + 1,
    updated_at: clockText(updatedMs),
  }));
}

/** Bolivares for a unit of currency on a day, four decimals. */
export function simulatedTasa(date: string): string {
  const days = (parseDate(date) - parseDate(TASA.date)) / DAY;
  return Math.max(1, TASA.start * (1 + TASA.growth) ** days).toFixed(4);
}

/** What is sold on one day, and what is later done about it. */
function simulateDay(store: SimulatedStore, day: number, options: SaleSimulation): Draft[] {
  const random = randomNumbers(draw(options.seed, "sales", `${store.id} ${dateText(day)}`) * 2 ** 32);
  const drafts: Draft[] = [];
  let returns = 0;
  for (const ticket of simulateTickets(store, day, options.linesPerDay, random)) {
    const sold = ticketRows(store, ticket, "SALE", null);
    drafts.push(...sold);
    const fate = random();
    if (fate < VOID_SHARE) {
      const updatedMs = ticket.updatedMs + wholeSeconds(between(random, 3 * MINUTE, 3 * HOUR));
      drafts.push(...sold.map((row) => ({ ...row, type: "VOID" as const, updatedMs })));
    } else if (fate < VOID_SHARE + RETURN_SHARE) {
      drafts.push(...simulateReturn(store, day, ticket, FIRST_RETURN + returns, options, random));
      returns++;
    } else {
      drafts.push(...simulateCorrections(store, ticket, random));
    }
  }
  return drafts;
}

function* simulateTickets(
  store: SimulatedStore,
  day: number,
  linesPerDay: number,
  random: () => number,
): Generator<Ticket> {
  const factor = (WEEKDAY_FACTORS[new Date(day).getUTCDay()] ?? 1) * (store.size ?? 1) * between(random, 0.9, 1.1);
  const baskets = splitIntoBaskets(Math.max(1, Math.round(linesPerDay * factor)), random);
  const opens = day + store.opensAt * HOUR;
  const closes = day + store.closesAt * HOUR;
  const times = baskets.map(() => opens + (closes - opens) * hourOfPeak(random)).sort((a, b) => a - b);
  times[times.length - 1] = closes - MINUTE + between(random, 0, MINUTE);
  for (const [n, lines] of baskets.entries()) {
    const wallMs = Math.floor(times[n] as number);
    const isLate = random() < LATE_SHARE;
    const delayMs = isLate ? between(random, HOUR, LATE_MS) : between(random, SECOND, 20 * SECOND);
    yield {
      invoice: invoiceNumber(day, n),
      wallMs,
      beyond: Math.floor(between(random, 0, 10_000)),
      items: Array.from({ length: lines }, () => pickItem(random)),
      updatedMs: wholeSeconds(wallMs + delayMs),
    };
  }
}

/** One of the ticket's lines is brought back, within some days and while the store is open. */
function simulateReturn(
  store: SimulatedStore,
  day: number,
  ticket: Ticket,
  number: number,
  options: SaleSimulation,
  random: () => number,
): Draft[] {
  const originalLine = Math.floor(between(random, 0, ticket.items.length));
  const item = ticket.items[originalLine] as Item;
  const onDay = day + DAY * Math.floor(between(random, 1, 1 + RETURN_DAYS));
  const wallMs = Math.floor(onDay + HOUR * between(random, store.opensAt, store.closesAt));
  const beyond = Math.floor(between(random, 0, 10_000));
  if (onDay > parseDate(options.to) || options.closedDates.includes(dateText(onDay))) return [];
  const back: Ticket = {
    invoice: invoiceNumber(day, number),
    wallMs,
    beyond,
    items: [{ ...item, quantity: -item.quantity, discountCents: -item.discountCents }],
    updatedMs: wholeSeconds(wallMs + 5 * SECOND),
  };
  return ticketRows(store, back, "RETURN", { invoice: ticket.invoice, line: originalLine + 1 });
}

/** Lines whose price turns out to have been a tenth too high. */
function simulateCorrections(store: SimulatedStore, ticket: Ticket, random: () => number): Draft[] {
  const updatedMs = ticket.updatedMs + wholeSeconds(between(random, HOUR, 30 * HOUR));
  const corrected = ticket.items.map((item) => {
    const isCorrected = random() < CORRECTED_SHARE;
    return isCorrected ? { ...item, priceCents: Math.round(item.priceCents * 0.9) } : null;
  });
  if (corrected.every((item) => item === null)) return [];
  const rows = ticketRows(
    store,
    { ...ticket, items: corrected.map((item, i) => item ?? (ticket.items[i] as Item)) },
    "SALE",
    null,
  );
  return rows.filter((_, i) => corrected[i] !== null).map((row) => ({ ...row, updatedMs }));
}

function ticketRows(
  store: SimulatedStore,
  { invoice, wallMs, beyond, items, updatedMs }: Ticket,
  type: SaleType,
  original: { readonly invoice: string; readonly line: number } | null,
): Draft[] {
  const date = dateText(wallMs);
  const tasa = simulatedTasa(date);
  const soldAt = `${date} ${new Date(wallMs).toISOString().slice(11, 23)}${String(beyond).padStart(4, "0")}`;
  return items.map(({ product, quantity, priceCents, discountCents }, i) => {
    const netCents = roundedFromZero((priceCents * quantity) / 1000) - discountCents;
    const taxCents = roundedFromZero((netCents * product.taxPercent) / 100);
    return {
      store: store.id,
      invoice,
      line: i + 1,
      type,
      original_invoice: original?.invoice ?? null,
      original_line: original?.line ?? null,
      sold_at: soldAt,
      product: product.code,
      description: product.description,
      product_group: product.group,
      warehouse: store.warehouse,
      quantity: (quantity / 1000).toFixed(3),
      unit_weight: product.weight.toFixed(3),
      unit: product.unit,
      unit_factor: product.factor,
      unit_price: (priceCents / 100).toFixed(2),
      unit_cost: (product.costCents / 100).toFixed(4),
      discount: (discountCents / 100).toFixed(2),
      total: ((netCents + taxCents) / 100).toFixed(2),
      cost_total: (roundedFromZero((product.costCents * quantity) / 10) / 10_000).toFixed(4),
      tasa,
      tax_percent: product.taxPercent.toFixed(2),
      tax_bs: ((taxCents / 100) * Number(tasa)).toFixed(2),
      updatedMs,
    };
  });
}

function pickItem(random: () => number): Item {
  const product = CATALOGUE[Math.floor(CATALOGUE.length * random() ** 1.5)] as Product;
  const quantity =
    product.unit === "KG" ? Math.round(between(random, 100, 2500)) : 1000 * Math.ceil(4 * random() ** 2 + 0.01);
  const isReduced = random() < DISCOUNT_SHARE;
  const discountCents = isReduced ? Math.round((product.priceCents * quantity) / 10_000) : 0;
  return { product, quantity, priceCents: product.priceCents, discountCents };
}

/** Lines of each ticket, 1 to 8, mostly few. */
function splitIntoBaskets(lines: number, random: () => number): number[] {
  const baskets: number[] = [];
  for (let left = lines; left > 0; ) {
    const basket = Math.min(left, 1 + Math.floor(8 * random() ** 2));
    baskets.push(basket);
    left -= basket;
  }
  return baskets;
}

/** Share of the opening hours at which a customer pays: most of them late in the morning and in the evening. */
function hourOfPeak(random: () => number): number {
  const middle = random() < 0.5 ? 0.3 : 0.75;
  return Math.min(0.999, Math.max(0, middle + 0.3 * (random() + random() - 1)));
}

/** The same in every store, as the numbers of real invoices are. */
function invoiceNumber(day: number, n: number): string {
  return String((day / DAY) * INVOICES_A_DAY + n).padStart(10, "0");
}

function between(random: () => number, low: number, high: number): number {
  return low + (high - low) * random();
}

function wholeSeconds(ms: number): number {
  return Math.ceil(ms / SECOND) * SECOND;
}

function roundedFromZero(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

function dateText(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}

function clockText(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 19).replace("T", " ");
}

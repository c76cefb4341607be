import { createHash } from "node:crypto";
import { z } from "zod";
import { DAY, instant } from "../core/time/instant.ts";
import { isDate, parseDate, startOfLocalDate } from "../core/time/zone.ts";

const date = z.string().refine(isDate, "expected a date like 2020-08-31");
const amount = z.number().positive();
const figure = z.number().nullable().default(null);
/** The first present that knows of the event; absent = known at every present. */
const announcedMs = z.int().optional();

const dividendSchema = z.strictObject({
  exDate: date,
  /** Per share, in `currency`. */
  cashAmount: amount,
  currency: z.string().min(1).default("USD"),
  declarationDate: date.optional(),
  recordDate: date.optional(),
  payDate: date.optional(),
  /** Payments a year: 0 for a single one. */
  frequency: z.int().nonnegative().optional(),
  /** Regular cash, special cash, long-term and short-term capital gain. */
  type: z.enum(["CD", "SC", "LT", "ST"]).default("CD"),
  announcedMs,
});

const splitSchema = z.strictObject({
  /** The first date that trades at the new count. */
  executionDate: date,
  /** `from` old shares become `to` new ones: 1 and 4, or 20 and 1 where shares are merged. */
  from: amount,
  to: amount,
  announcedMs,
});

const earningsSchema = z.strictObject({
  /** The date of the report. */
  date,
  epsEstimated: figure,
  epsActual: figure,
  revenueEstimated: figure,
  revenueActual: figure,
  announcedMs,
  /** Before this present the actual figures are null; absent = they are there when the date has ended in New York. */
  reportedMs: z.int().optional(),
});

const tickerSchema = z.strictObject({
  dividends: z.array(dividendSchema).default([]),
  /** All splits there were; absent = not known, so that as-traded candles cannot be adjusted. */
  splits: z.array(splitSchema).optional(),
  earnings: z.array(earningsSchema).default([]),
});

/** What `events.json` holds. */
export const eventsSchema = z.strictObject({
  note: z.string().optional(),
  tickers: z.record(z.string().min(1), tickerSchema),
});

export type EventsFile = z.infer<typeof eventsSchema>;
/** As somebody writes it, defaults left out. */
export type EventsInput = z.input<typeof eventsSchema>;
export type TickerEvents = EventsFile["tickers"][string];
export type Dividend = TickerEvents["dividends"][number];
export type Split = NonNullable<TickerEvents["splits"]>[number];
export type Earnings = TickerEvents["earnings"][number];

export const NO_EVENTS: EventsFile = { tickers: {} };

/** Whether a present knows of the event; null is a present after all events. */
export function isAnnounced({ announcedMs }: { readonly announcedMs?: number | undefined }, nowMs: number | null) {
  return announcedMs === undefined || nowMs === null || announcedMs <= nowMs;
}

/** The instant from which the actual figures of a report are there. */
export function reportedAt({ date, reportedMs }: Earnings): number {
  if (reportedMs !== undefined) return reportedMs;
  const next = new Date(parseDate(date) + DAY).toISOString().slice(0, 10);
  return startOfLocalDate("America/New_York", next);
}

/** The splits of a ticker that are announced and have taken effect on the clocks of `zone`, oldest first. */
export function splitsInEffect(
  splits: readonly Split[],
  zone: string,
  nowMs: number | null,
): readonly { readonly startMs: number; readonly from: number; readonly to: number }[] {
  return splits
    .filter((split) => isAnnounced(split, nowMs))
    .map(({ executionDate, from, to }) => ({ startMs: startOfLocalDate(zone, executionDate) as number, from, to }))
    .filter(({ startMs }) => nowMs === null || startMs <= instant(nowMs))
    .sort((a, b) => a.startMs - b.startMs);
}

/** An id that depends on nothing but the event, in the form `E` and 64 hex digits. */
export function eventId(kind: string, ticker: string, event: object): string {
  return `E${createHash("sha256")
    .update(JSON.stringify([kind, ticker, event]))
    .digest("hex")}`;
}

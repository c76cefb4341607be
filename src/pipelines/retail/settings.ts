import { z } from "zod";
import { DAY, type Instant, instant } from "../../core/time/instant.ts";
import { localDate, parseDate, startOfLocalDate } from "../../core/time/zone.ts";
import { STORE_ZONE } from "./stores.ts";

const daysOrDate = z.string().regex(/^(\d+d|\d{4}-\d{2}-\d{2})$/, "expected 365d or a date such as 2025-10-28");

/** What a project may set of the pipeline; everything has a default. */
export const retailSettings = z.strictObject({
  /** History to keep when no range is asked for: local days before today, or a date. */
  since: daysOrDate.default("365d"),
  /** Minutes after midnight before a day is owed. */
  settleMinutes: z.number().int().min(0).default(60),
  /** Days that an incremental run asks again: tickets of registers that were offline come up to 72 hours late. */
  lookbackDays: z.number().int().min(0).default(3),
  /** Days asked for at once where nobody says otherwise. */
  chunkDays: z.number().int().min(1).default(2),
  /** When a day's lines are far too few: below this share of the store's own median of that weekday. */
  thin: z
    .strictObject({
      share: z.number().gt(0).lt(1).default(0.2),
      /** Days of that weekday before the median means anything, and lines that it must have. */
      minSlots: z.number().int().min(2).default(4),
      minRows: z.number().int().min(1).default(10),
    })
    .prefault({}),
  /** What the gap report and its phases go by. */
  report: z
    .strictObject({
      /** Missing days from which a store's priority is ALTA, and MEDIA. */
      high: z.number().int().min(1).default(48),
      medium: z.number().int().min(1).default(30),
      /** Days asked for at once: where nearly all stores lack them, in long gaps, in scattered ones. */
      chunkDays: z
        .strictObject({
          common: z.number().int().min(1).default(2),
          block: z.number().int().min(1).default(3),
          scattered: z.number().int().min(1).default(5),
        })
        .prefault({}),
      /** Stores in a batch of the last phase. */
      batchKeys: z.number().int().min(1).default(3),
      /** How a store's own phase is cut: a step a gap, or one from its first missing day to its last. */
      stepPer: z.enum(["gap", "key"]).default("gap"),
      /** What a call takes, for the estimates. */
      secondsPerCall: z
        .strictObject({ least: z.number().min(0).default(12), most: z.number().min(0).default(24) })
        .prefault({}),
    })
    .prefault({}),
});

export type RetailSettings = z.infer<typeof retailSettings>;

/** Local midnight of the day that `90d` or a date names; `90d` is that many whole days before the day of `now`. */
export function sinceOf({ since }: RetailSettings, now: Instant): Instant {
  if (!since.endsWith("d")) return startOfLocalDate(STORE_ZONE, since);
  const day = parseDate(localDate(STORE_ZONE, now)) - Number.parseInt(since, 10) * DAY;
  return startOfLocalDate(STORE_ZONE, new Date(instant(day)).toISOString().slice(0, 10));
}

import { type Axis, dueSet } from "../../src/core/dataset/axis.ts";
import type { Series } from "../../src/core/dataset/series.ts";
import { slotsIn } from "../../src/core/time/grid.ts";
import { DAY, instant, WEEK } from "../../src/core/time/instant.ts";
import type { Interval } from "../../src/core/time/interval.ts";
import { toLocalMs } from "../../src/core/time/zone.ts";
import { marketData } from "../../src/pipelines/ohlcv/market-data.ts";
import { type AssetClass, ohlcvSettings, type Timeframe } from "../../src/pipelines/ohlcv/settings.ts";
import { candlesOnly } from "../candles-only.ts";
import type { RawBar } from "../real/raw-bars.ts";
import type { SlotBar, Timescale } from "./features-by-hand.ts";
import type { RollSlot } from "./roll-up-by-hand.ts";

/** After every bar that a file can hold: all of its slots have settled. */
const LATE = instant(Date.UTC(2030, 0, 1));

const pipeline = candlesOnly(ohlcvSettings.parse({}));

/** The axis that the pipeline gives a symbol of this asset class. */
export function axisOf(assetClass: AssetClass, timeframe: Timeframe): Axis {
  const entry = pipeline.entry("SYMBOL", { assetClass, timeframes: [timeframe] });
  const [series]: readonly Series[] = pipeline.series(marketData.name, entry, LATE);
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series.axis;
}

/** Slots of an hour and of a full session, and sessions of a year, as the formulas count them. */
export function timescaleOf(calendar: "XNYS" | "24x7", timeframe: Timeframe): Timescale {
  const hour = { "1m": 60, "5m": 12, "15m": 4, "30m": 2, "1h": 1, "4h": null, "1d": null, "1w": null }[timeframe];
  const session = {
    XNYS: { "1m": 390, "5m": 78, "15m": 26, "30m": 13, "1h": 7, "4h": 2, "1d": 1, "1w": null },
    "24x7": { "1m": 1_440, "5m": 288, "15m": 96, "30m": 48, "1h": 24, "4h": 6, "1d": 1, "1w": null },
  }[calendar][timeframe];
  return {
    dense: timeframe === "1d" || timeframe === "1w",
    slotsPerHour: hour,
    slotsPerSession: session,
    barsPerYear: session === null ? 52 : { XNYS: 252, "24x7": 365 }[calendar] * session,
  };
}

/**
 * `bars` in the numbered due slots of `axis`, oldest first; those outside regular hours are left out. Counting begins a
 * week before the first bar unless `from` says where, so that a series does not always begin with a block of its own.
 */
export function inSlots(axis: Axis, bars: readonly RawBar[], from?: number): readonly SlotBar[] {
  const sorted = [...bars].sort((a, b) => a.t - b.t);
  const span = spanOf(sorted, from);
  const number = new Map(dueSlots(axis, span).map((slot, i) => [slot.start as number, i]));
  return sorted.flatMap(({ t, o, h, l, c, v }) => {
    const slot = number.get(t);
    if (slot === undefined) return [];
    const weekday = new Date(toLocalMs(axis.grid.zone, instant(t))).getUTCDay();
    return [{ slot, open: o, high: h, low: l, close: c, volume: v, weekday }];
  });
}

/** The slots of `axis` around `bars`, up to 4h long, each with the part of it in which the market is open. */
export function rollSlots(axis: Axis, bars: readonly { readonly t: number }[]): readonly RollSlot[] {
  const span = spanOf([...bars].sort((a, b) => a.t - b.t));
  const slots = dueSlots(axis, span);
  const sessions = axis.calendar.sessions({ start: span.start, end: instant(span.end + DAY) });
  let next = 0;
  return slots.map(({ start, end }) => {
    while ((sessions[next]?.close ?? Number.POSITIVE_INFINITY) <= start) next++;
    const met = sessions.slice(next, next + 2).filter(({ open }) => open < end);
    const from = Math.max(start, met[0]?.open ?? start);
    return { ts: start, from, to: Math.min(end, met[met.length - 1]?.close ?? end) };
  });
}

function spanOf(sorted: readonly { readonly t: number }[], from?: number): Interval {
  const first = sorted[0]?.t ?? 0;
  const last = sorted[sorted.length - 1]?.t ?? 0;
  return { start: instant(from ?? first - WEEK), end: instant(last + DAY) };
}

function dueSlots(axis: Axis, span: Interval): readonly Interval[] {
  return dueSet(axis, span, LATE).flatMap((stretch) => [...slotsIn(axis.grid, stretch)]);
}

// Longer candles from minutes in the plainest loop: a second opinion for tests.

/** A minute as it is stored; `ts` is its start. */
export interface MinuteBar {
  readonly ts: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number | null;
  readonly trades: number | null;
  readonly vwap: number | null;
}

/**
 * A longer slot: the stamp of its bar, and the minutes `[from, to)` that belong to it. They differ where a session
 * opens or closes inside the slot: the 09:00 hour of New York holds 09:30 to 10:00.
 */
export interface RollSlot {
  readonly ts: number;
  readonly from: number;
  readonly to: number;
}

/**
 * One bar for each slot that holds a minute: first open, highest high, lowest low, last close; volumes and trades summed,
 * null where no minute has one; vwap = sum(vwap * volume) / sum(volume) over the minutes that have both, null where that
 * volume is 0. Both lists are in order of time, and no two slots share a minute.
 */
export function rollUpByHand(minutes: readonly MinuteBar[], slots: readonly RollSlot[]): readonly MinuteBar[] {
  const bars: MinuteBar[] = [];
  let next = 0;
  for (const { ts, from, to } of slots) {
    const inside: MinuteBar[] = [];
    for (; next < minutes.length; next++) {
      const minute = minutes[next] as MinuteBar;
      if (minute.ts >= to) break;
      if (minute.ts >= from) inside.push(minute);
    }
    const first = inside[0];
    const last = inside[inside.length - 1];
    if (first === undefined || last === undefined) continue;
    bars.push({
      ts,
      open: first.open,
      high: Math.max(...inside.map((minute) => minute.high)),
      low: Math.min(...inside.map((minute) => minute.low)),
      close: last.close,
      volume: sumOf(inside.map((minute) => minute.volume)),
      trades: sumOf(inside.map((minute) => minute.trades)),
      vwap: vwapOf(inside),
    });
  }
  return bars;
}

function sumOf(values: readonly (number | null)[]): number | null {
  let sum: number | null = null;
  for (const value of values) if (value !== null) sum = (sum ?? 0) + value;
  return sum;
}

function vwapOf(minutes: readonly MinuteBar[]): number | null {
  let turnover = 0;
  let traded = 0;
  for (const { vwap, volume } of minutes) {
    if (vwap === null || volume === null) continue;
    turnover += vwap * volume;
    traded += volume;
  }
  return traded > 0 ? turnover / traded : null;
}

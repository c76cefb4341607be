import { DAY, type Instant, MINUTE } from "../core/time/instant.ts";
import { normalNumbers, randomNumbers } from "./random.ts";

/*
 * A simulator: what it returns never happened. It exists so that intraday work can be tried where only daily bars may
 * be shipped. Prices wander at random between the true open, high, low and close of a day; nothing can be learned from
 * the way they take.
 */

/** Start, open, high, low, close, volume. */
export type CandleRow = readonly [t: number, o: number, h: number, l: number, c: number, v: number];

/** A trading day: when it opens and closes, and what is known of it. */
export interface SessionBar {
  readonly open: Instant;
  readonly close: Instant;
  readonly bar: { readonly o: number; readonly h: number; readonly l: number; readonly c: number; readonly v: number };
}

export interface SessionSimulation {
  readonly seed: number;
  /** Share of minutes without a trade, which have no bar. Default 0.02. */
  readonly quietShare?: number;
  /** Smallest price step. Default 0.01. */
  readonly tick?: number;
}

/**
 * Simulated 1 minute bars of `sessions`, ascending, that add up to each day exactly: the first open, highest high,
 * lowest low and last close are the day's, and volumes sum to the day's. Volume is whole and higher near open and close.
 * The same `seed` and session always give the same bars.
 * @throws RangeError when a day's prices contradict each other or its volume is not whole
 */
export function simulateSessions(sessions: readonly SessionBar[], options: SessionSimulation): CandleRow[] {
  return sessions.flatMap((session) => simulateSession(session, options));
}

export interface CoinSimulation {
  readonly seed: number;
  readonly from: Instant;
  /** Exclusive. */
  readonly to: Instant;
  readonly startPrice: number;
  /** Deviation of a minute's return. Default 0.0006, about 2.3 % a day. */
  readonly minuteVolatility?: number;
  /** Default 0.03. */
  readonly quietShare?: number;
}

/** Simulated 1 minute bars of a coin that trades at all hours: a random walk with no daily bars behind it. */
export function simulateCoin({
  seed,
  from,
  to,
  startPrice,
  minuteVolatility = 0.0006,
  quietShare = 0.03,
}: CoinSimulation): CandleRow[] {
  const uniform = randomNumbers(seed);
  const normal = normalNumbers(uniform);
  const rows: CandleRow[] = [];
  let price = startPrice;
  for (let t = Math.ceil(from / MINUTE) * MINUTE; t < to; t += MINUTE) {
    const open = price;
    const close = cents(open * Math.exp(minuteVolatility * normal()));
    const high = cents(Math.max(open, close) * (1 + minuteVolatility * 0.5 * uniform()));
    const low = cents(Math.min(open, close) * (1 - minuteVolatility * 0.5 * uniform()));
    const volume = Math.round(1e4 * Math.exp(normal()) * (1 + Math.sin((2 * Math.PI * (t % DAY)) / DAY) / 2)) / 1e4;
    if (uniform() < quietShare) continue;
    rows.push([t, open, high, low, close, volume]);
    price = close;
  }
  return rows;
}

function simulateSession({ open, close, bar }: SessionBar, options: SessionSimulation): CandleRow[] {
  const { quietShare = 0.02, tick = 0.01 } = options;
  if (!(bar.l <= bar.o && bar.l <= bar.c && bar.o <= bar.h && bar.c <= bar.h && bar.l > 0)) {
    throw new RangeError(`not a day's prices: ${JSON.stringify(bar)} (expected low <= open, close <= high)`);
  }
  if (!Number.isSafeInteger(bar.v) || bar.v < 0) throw new RangeError(`not a whole volume: ${bar.v}`);
  // Each session has its own numbers, so that adding days changes none that were there.
  const uniform = randomNumbers(options.seed ^ Math.imul(Math.floor(open / MINUTE), 0x9e3779b1));
  const minutes: number[] = [];
  for (let t: number = open; t < close; t += MINUTE) {
    if (t === open || uniform() >= quietShare) minutes.push(t);
  }
  const closes = wander(bar, minutes.length, tick, uniform);
  const volumes = shareVolume(bar.v, minutes.length, uniform);
  return minutes.map((t, i) => {
    const o = i === 0 ? bar.o : (closes.path[i - 1] as number);
    const c = closes.path[i] as number;
    const wick = () => tick * Math.floor(3 * uniform());
    const h = i === closes.highAt ? bar.h : Math.min(bar.h, toTick(Math.max(o, c) + wick(), tick));
    const l = i === closes.lowAt ? bar.l : Math.max(bar.l, toTick(Math.min(o, c) - wick(), tick));
    return [t, o, Math.max(h, o, c), Math.min(l, o, c), c, volumes[i] as number];
  });
}

interface Path {
  /** Close of each minute, within the day's low and high; the last is the day's close. */
  readonly path: readonly number[];
  readonly highAt: number;
  readonly lowAt: number;
}

/** A Brownian bridge from open to close, led through the day's high and low at two random minutes. */
function wander(bar: SessionBar["bar"], length: number, tick: number, uniform: () => number): Path {
  const normal = normalNumbers(uniform);
  const highAt = Math.floor(uniform() * length);
  const lowAt = Math.floor(uniform() * length);
  const knots = [
    { at: highAt, price: bar.h },
    { at: lowAt, price: bar.l },
    { at: length - 1, price: bar.c },
  ].sort((a, b) => a.at - b.at);
  const step = (0.7 * (bar.h - bar.l)) / Math.sqrt(length);
  const path: number[] = [];
  let price = bar.o;
  for (let i = 0; i < length; i++) {
    const knot = knots.find(({ at }) => at >= i) as (typeof knots)[number];
    const left = knot.at - i + 1;
    price += (knot.price - price) / left + (left > 1 ? step * Math.sqrt((left - 1) / left) * normal() : 0);
    price = Math.min(bar.h, Math.max(bar.l, price));
    path.push(i === length - 1 ? bar.c : Math.min(bar.h, Math.max(bar.l, toTick(price, tick))));
  }
  return { path, highAt, lowAt };
}

/** Whole parts of `total`, at random around a curve that is high at both ends; they sum to it exactly. */
function shareVolume(total: number, length: number, uniform: () => number): number[] {
  const weights = Array.from({ length }, (_, i) => {
    const fromMiddle = Math.abs((2 * i) / Math.max(1, length - 1) - 1);
    return (0.5 + 1.5 * fromMiddle ** 2) * (0.4 + 1.2 * uniform());
  });
  const sum = weights.reduce((a, b) => a + b, 0);
  let given = 0;
  let reached = 0;
  return weights.map((weight, i) => {
    reached += weight;
    const upTo = i === length - 1 ? total : Math.min(total, Math.floor((total * reached) / sum));
    const part = upTo - given;
    given = upTo;
    return part;
  });
}

function toTick(price: number, tick: number): number {
  return Math.round(Math.round(price / tick) * tick * 1e6) / 1e6;
}

function cents(price: number): number {
  return Math.round(price * 100) / 100;
}

// Every feature of one series in the plainest loops: a second opinion for tests, written from the formulas alone.
// Slow on purpose, O(bars x window): nothing is carried from one bar to the next.

/** A stored bar in its slot; due slots are numbered consecutively, across nights and weekends. */
export interface SlotBar {
  readonly slot: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  /** Null where the source has none. */
  readonly volume: number | null;
  /** Day of the slot's start on the clocks of its market: 0 Sunday to 6 Saturday. */
  readonly weekday: number;
}

/** What the formulas must know of a timeframe on its calendar. */
export interface Timescale {
  /** Dense: a window is full when each of its slots holds a value. Sparse: when half of them do, rounded up. */
  readonly dense: boolean;
  /** Slots of an hour; null where an hour is shorter than a slot. */
  readonly slotsPerHour: number | null;
  /** Slots of a full session; null where a session is shorter than a slot. */
  readonly slotsPerSession: number | null;
  readonly barsPerYear: number;
}

export type Trend = "up" | "down" | "neutral";
export type Structure = "bullish" | "bearish" | "range";
export type Volatility = "low" | "medium" | "high";
export type Drift = "uptrend" | "downtrend" | "ranging";
export type Compression = "compressed" | "expanded";

/** The features of one bar; null while a window is not full or a bar that the formula needs is missing. */
export interface Features {
  readonly slot: number;
  readonly log_return: number | null;
  readonly return_1h: number | null;
  readonly return_1d: number | null;
  readonly volatility_20: number | null;
  readonly volatility_50: number | null;
  readonly volatility_20_sqrt252: number | null;
  readonly volatility_50_sqrt252: number | null;
  readonly atr: number | null;
  readonly rolling_volume_20: number | null;
  readonly volume_ratio: number | null;
  readonly hh: boolean | null;
  readonly hl: boolean | null;
  readonly lh: boolean | null;
  readonly ll: boolean | null;
  readonly trend_direction: Trend | null;
  readonly market_structure: Structure | null;
  readonly volatility_regime: Volatility | null;
  readonly trend_regime: Drift | null;
  readonly compression_regime: Compression | null;
  readonly gap_detected: boolean;
  readonly volume_anomaly: boolean;
  readonly quality_score: number;
  readonly is_validated: boolean;
  readonly validation_notes: string | null;
}

/** Their names. */
export const FEATURES = [
  "log_return",
  "return_1h",
  "return_1d",
  "volatility_20",
  "volatility_50",
  "volatility_20_sqrt252",
  "volatility_50_sqrt252",
  "atr",
  "rolling_volume_20",
  "volume_ratio",
  "hh",
  "hl",
  "lh",
  "ll",
  "trend_direction",
  "market_structure",
  "volatility_regime",
  "trend_regime",
  "compression_regime",
  "gap_detected",
  "volume_anomaly",
  "quality_score",
  "is_validated",
  "validation_notes",
] as const satisfies readonly (keyof Features)[];

/**
 * The figures that a regime compares. Where two of them meet but for rounding, which side a program lands on is
 * nobody's fault: a comparison of programs looks here first.
 */
export interface Compared {
  readonly true_range: number;
  readonly volatility_median: number | null;
  readonly ema_20: number | null;
  readonly ema_50: number | null;
  readonly band: number | null;
  readonly band_median: number | null;
}

type Value = number | null;

/** Features of every bar of one series, in the order of `bars`: ascending slots, none twice. */
export function featuresByHand(bars: readonly SlotBar[], scale: Timescale): readonly (Features & Compared)[] {
  const series = new Series(bars, scale);
  // The two figures whose own medians are asked for, once each bar: the medians alone would take them 50 times over.
  const volatility = new Map<number, number>();
  const band = new Map<number, number>();
  for (const { slot } of bars) {
    const deviation = series.deviation(slot, 50);
    if (deviation !== null) volatility.set(slot, deviation * Math.sqrt(scale.barsPerYear));
    const width = series.band(slot);
    if (width !== null) band.set(slot, width);
  }
  return bars.map((bar) => {
    const compared: Compared = {
      true_range: series.trueRange(bar.slot) as number,
      volatility_median: series.medianOf(bar.slot, 50, (slot) => volatility.get(slot) ?? null),
      ema_20: series.ema(bar.slot, 20, (slot) => series.close(slot)),
      ema_50: series.ema(bar.slot, 50, (slot) => series.close(slot)),
      band: band.get(bar.slot) ?? null,
      band_median: series.medianOf(bar.slot, 50, (slot) => band.get(slot) ?? null),
    };
    return { ...featuresOf(bar, series, compared), ...compared };
  });
}

function featuresOf(bar: SlotBar, series: Series, compared: Compared): Features {
  const { slot } = bar;
  const { slotsPerHour, slotsPerSession, barsPerYear } = series.scale;
  const deviation20 = series.deviation(slot, 20);
  const deviation50 = series.deviation(slot, 50);
  const volatility50 = times(deviation50, Math.sqrt(barsPerYear));
  const usualVolume = series.meanVolume(slot);
  const extremes = series.extremesBefore(slot);
  const hh = extremes && bar.high > extremes.highest;
  const lh = extremes && bar.high < extremes.highest;
  const hl = extremes && bar.low > extremes.lowest;
  const ll = extremes && bar.low < extremes.lowest;
  return {
    slot,
    log_return: series.logReturn(slot, 1),
    return_1h: slotsPerHour === null ? null : series.logReturn(slot, slotsPerHour),
    return_1d: slotsPerSession === null ? null : series.logReturn(slot, slotsPerSession),
    volatility_20: times(deviation20, Math.sqrt(barsPerYear)),
    volatility_50: volatility50,
    volatility_20_sqrt252: times(deviation20, Math.sqrt(252)),
    volatility_50_sqrt252: times(deviation50, Math.sqrt(252)),
    atr: series.ema(slot, 14, (at) => series.trueRange(at)),
    rolling_volume_20: usualVolume,
    volume_ratio: usualVolume === null || bar.volume === null ? null : bar.volume / (usualVolume + 1),
    hh,
    hl,
    lh,
    ll,
    trend_direction: trendOf(bar.close, series.close(slot - 5)),
    market_structure: extremes && (hh && hl ? "bullish" : lh && ll ? "bearish" : "range"),
    volatility_regime: volatilityRegime(volatility50, compared.volatility_median),
    trend_regime: trendRegime(compared.ema_20, compared.ema_50),
    compression_regime: compressionRegime(compared.band, compared.band_median),
    ...qualityOf(bar, series.close(slot - 1), series.medianVolumeBefore(slot)),
  };
}

function trendOf(close: number, before: Value): Trend | null {
  if (before === null) return null;
  const r = close / before - 1;
  return r > 0.01 ? "up" : r < -0.01 ? "down" : "neutral";
}

function volatilityRegime(volatility: Value, median: Value): Volatility | null {
  if (volatility === null || median === null) return null;
  return volatility < 0.7 * median ? "low" : volatility > 1.3 * median ? "high" : "medium";
}

function trendRegime(ema20: Value, ema50: Value): Drift | null {
  if (ema20 === null || ema50 === null) return null;
  return ema20 > ema50 ? "uptrend" : ema20 < ema50 ? "downtrend" : "ranging";
}

function compressionRegime(band: Value, median: Value): Compression | null {
  if (band === null || median === null) return null;
  return band < 0.7 * median ? "compressed" : "expanded";
}

type Quality = Pick<
  Features,
  "gap_detected" | "volume_anomaly" | "quality_score" | "is_validated" | "validation_notes"
>;

/** The score in whole hundredths, so that 1 - 0.10 - 0.15 is 0.75 and nothing near it. */
function qualityOf(bar: SlotBar, previousClose: Value, usualVolume: Value): Quality {
  const { open, high, low, close, volume, weekday } = bar;
  const notes: string[] = [];
  let hundredths = 100;
  if (Math.abs(close / open - 1) > 5 || (high - low) / low > 5) {
    hundredths -= 30;
    notes.push("range_over_500_percent");
  }
  const isMonday = weekday === 1;
  const gap = !isMonday && previousClose !== null && Math.abs(open / previousClose - 1) > 0.1;
  if (gap) {
    hundredths -= 20;
    notes.push("gap_over_10_percent");
  }
  const isHigh = volume !== null && usualVolume !== null && volume > 10 * usualVolume;
  const isLow = volume !== null && usualVolume !== null && volume < 0.1 * usualVolume;
  if (isHigh) {
    hundredths -= 10;
    notes.push("volume_high");
  }
  if (isLow) {
    hundredths -= 15;
    notes.push("volume_low");
  }
  return {
    gap_detected: gap,
    volume_anomaly: isHigh || isLow,
    quality_score: hundredths / 100,
    is_validated: hundredths >= 85,
    validation_notes: notes.length === 0 ? null : notes.join(";"),
  };
}

/** Bars by slot, and the formulas that look around in them. */
class Series {
  readonly scale: Timescale;
  readonly #bars: ReadonlyMap<number, SlotBar>;

  constructor(bars: readonly SlotBar[], scale: Timescale) {
    this.scale = scale;
    this.#bars = new Map(bars.map((bar) => [bar.slot, bar]));
    if (this.#bars.size !== bars.length) throw new Error("two bars in one slot");
  }

  close(slot: number): Value {
    return this.#bars.get(slot)?.close ?? null;
  }

  /** Continuously compounded return over `lag` slots: Hull, "Options, Futures, and Other Derivatives", on volatility from history. */
  logReturn(slot: number, lag: number): Value {
    const close = this.close(slot);
    const before = this.close(slot - lag);
    return close === null || before === null ? null : Math.log(close / before);
  }

  /** Sample standard deviation of log returns, divisor n - 1: Hull, the same place. Not annualised. */
  deviation(slot: number, window: number): Value {
    const returns = this.#inWindow(slot, window, (at) => this.logReturn(at, 1));
    return this.#isFull(returns, window) ? sampleDeviation(returns) : null;
  }

  /** Wilder, "New Concepts in Technical Trading Systems" (1978): the greatest of high - low and both reaches from the close before. */
  trueRange(slot: number): Value {
    const bar = this.#bars.get(slot);
    if (!bar) return null;
    const before = this.close(slot - 1);
    if (before === null) return bar.high - bar.low;
    return Math.max(bar.high - bar.low, Math.abs(bar.high - before), Math.abs(bar.low - before));
  }

  /**
   * Exponential moving average, alpha = 2 / (span + 1) (Appel's convention for MACD), over a finite stretch: the slot's
   * own block of `span` slots up to the slot, and the 14 blocks before. Each value weighs alpha * q^age, the oldest
   * q^age: the recursion y = q * y + alpha * x, started at the oldest value, written out. Gaps keep their age.
   */
  ema(slot: number, span: number, valueAt: (slot: number) => Value): Value {
    if (!this.#isFull(this.#inWindow(slot, span, valueAt), span)) return null;
    const alpha = 2 / (span + 1);
    const q = 1 - alpha;
    const first = (Math.floor(slot / span) - 14) * span;
    let weighted = 0;
    let weights = 0;
    let isOldest = true;
    for (let at = first; at <= slot; at++) {
      const value = valueAt(at);
      if (value === null) continue;
      const weight = isOldest ? q ** (slot - at) : alpha * q ** (slot - at);
      isOldest = false;
      weighted += weight * value;
      weights += weight;
    }
    return weighted / weights;
  }

  meanVolume(slot: number): Value {
    const volumes = this.#inWindow(slot, 20, (at) => this.#bars.get(at)?.volume ?? null);
    return this.#isFull(volumes, 20) ? mean(volumes) : null;
  }

  /** Highest high and lowest low of the five slots before `slot`. */
  extremesBefore(slot: number): { readonly highest: number; readonly lowest: number } | null {
    const highs = this.#inWindow(slot - 1, 5, (at) => this.#bars.get(at)?.high ?? null);
    const lows = this.#inWindow(slot - 1, 5, (at) => this.#bars.get(at)?.low ?? null);
    return this.#isFull(highs, 5) ? { highest: Math.max(...highs), lowest: Math.min(...lows) } : null;
  }

  /** Bollinger's bandwidth at two deviations, halved: 2 s / mean of 20 closes, s the sample deviation (Bollinger has 4 s, population). */
  band(slot: number): Value {
    const closes = this.#inWindow(slot, 20, (at) => this.close(at));
    return this.#isFull(closes, 20) ? (2 * sampleDeviation(closes)) / mean(closes) : null;
  }

  medianVolumeBefore(slot: number): Value {
    return this.medianOf(slot - 1, 50, (at) => {
      const volume = this.#bars.get(at)?.volume ?? null;
      return volume !== null && volume > 0 ? volume : null;
    });
  }

  medianOf(slot: number, window: number, valueAt: (slot: number) => Value): Value {
    const values = this.#inWindow(slot, window, valueAt);
    return this.#isFull(values, window) ? median(values) : null;
  }

  /** The values of slots (slot - window, slot], oldest first. */
  #inWindow(slot: number, window: number, valueAt: (slot: number) => Value): readonly number[] {
    const values: number[] = [];
    for (let at = slot - window + 1; at <= slot; at++) {
      const value = valueAt(at);
      if (value !== null) values.push(value);
    }
    return values;
  }

  #isFull(values: readonly number[], window: number): boolean {
    return values.length >= (this.scale.dense ? window : Math.ceil(window / 2));
  }
}

function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** In two passes: the textbook's one-pass form loses digits where the mean is large. */
function sampleDeviation(values: readonly number[]): number {
  const centre = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - centre) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/** The middle value; of an even number, the mean of the middle two. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

const times = (value: Value, factor: number): Value => (value === null ? null : value * factor);

import type { DataDirectory, SeriesEntry } from "../data-directory.ts";

/**
 * The series from which `pair` is answered; empty when it is not traded here. The directory names coins `BTCUSDT`, or
 * `X:BTCUSDT`, or by the pair in dollars, `X:BTCUSD`, whose prices then stand for those in USDT.
 */
export function entriesOfPair(directory: DataDirectory, pair: string): readonly SeriesEntry[] {
  const names = [pair, `X:${pair}`, ...(pair.endsWith("USDT") ? [`X:${pair.slice(0, -1)}`] : [])];
  for (const name of names) {
    const coins = directory.entriesOf(name).filter(({ assetClass }) => assetClass === "crypto");
    if (coins.length > 0) return coins;
  }
  return [];
}

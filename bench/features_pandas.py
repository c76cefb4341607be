"""Features of market_data_v2 in pandas as one would write them for speed: rolling windows and ewm over whole columns.

    python3 features_pandas.py FOLDER        FOLDER/COIN0.csv, …: slot,open,high,low,close,volume,weekday

Prints what it cost as JSON, without reading the files. Averages are pandas' own recursion, which forgets a gap's age;
all else is what test/oracle/features.py says.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd


def features(bars):
    slots = pd.RangeIndex(bars.index[0], bars.index[-1] + 1)
    grid = bars.reindex(slots)
    has_bar = grid["close"].notna()
    opened, close, high, low, volume = (grid[name] for name in ("open", "close", "high", "low", "volume"))
    before = close.shift()

    def over(values, n):
        return values.rolling(n, min_periods=n // 2)

    def label(known, cases, otherwise):
        return pd.Series(np.select([holds for holds, _ in cases], [name for _, name in cases], otherwise)).where(known.to_numpy())

    out = {}
    out["log_return"] = np.log(close / before)
    out["return_1h"] = np.log(close / close.shift(60))
    out["return_1d"] = np.log(close / close.shift(1440))
    deviation = {n: over(out["log_return"], n).std() for n in (20, 50)}
    for n in (20, 50):
        out[f"volatility_{n}"] = deviation[n] * np.sqrt(365 * 1440)
        out[f"volatility_{n}_sqrt252"] = deviation[n] * np.sqrt(252)
    reach = np.fmax.reduce([high - low, (high - before).abs(), (low - before).abs()])
    reach = pd.Series(reach, slots)

    def average(values, span):
        return values.ewm(span=span, adjust=False).mean().where(has_bar & (over(values, span).count() >= span // 2))

    out["atr"] = average(reach, 14)
    out["rolling_volume_20"] = over(volume, 20).mean()
    out["volume_ratio"] = volume / (out["rolling_volume_20"] + 1)
    highest = high.shift().rolling(5, min_periods=3).max()
    lowest = low.shift().rolling(5, min_periods=3).min()
    out["hh"], out["lh"], out["hl"], out["ll"] = high > highest, high < highest, low > lowest, low < lowest
    structure = [(out["hh"] & out["hl"], "bullish"), (out["lh"] & out["ll"], "bearish")]
    out["market_structure"] = label(highest.notna(), structure, "range")
    move = close / close.shift(5) - 1
    out["trend_direction"] = label(move.notna(), [(move > 0.01, "up"), (move < -0.01, "down")], "neutral")
    v = out["volatility_50"].where(has_bar)
    m = over(v, 50).median()
    out["volatility_regime"] = label(v.notna() & m.notna(), [(v < 0.7 * m, "low"), (v > 1.3 * m, "high")], "medium")
    fast, slow = average(close, 20), average(close, 50)
    out["trend_regime"] = label(slow.notna(), [(fast > slow, "uptrend"), (fast < slow, "downtrend")], "ranging")
    band = (2 * over(close, 20).std() / over(close, 20).mean()).where(has_bar)
    m = over(band, 50).median()
    out["compression_regime"] = label(band.notna() & m.notna(), [(band < 0.7 * m, "compressed")], "expanded")
    m = over(volume.where(volume > 0).shift(), 50).median()
    torn = ((close / opened - 1).abs() > 5) | ((high - low) / low > 5)
    gap = ((opened / before - 1).abs() > 0.1) & (grid["weekday"] != 1)
    much, little = volume > 10 * m, volume < 0.1 * m
    score = 100 - 30 * torn - 20 * gap - 10 * much - 15 * little
    out["quality_score"], out["is_validated"], out["gap_detected"], out["volume_anomaly"] = score / 100, score >= 85, gap, much | little
    reasons = {"range_over_500_percent": torn, "gap_over_10_percent": gap, "volume_high": much, "volume_low": little}
    notes = np.full(len(grid), "", dtype=object)
    for name, holds in reasons.items():
        notes[holds.to_numpy()] += name + ";"
    out["validation_notes"] = notes
    columns = {name: np.asarray(values) for name, values in out.items()}
    return pd.DataFrame(columns, index=slots)[has_bar]


def main():
    rows, seconds, cpu = 0, 0.0, 0.0
    for file in sorted(Path(sys.argv[1]).glob("COIN*.csv")):
        bars = pd.read_csv(file, index_col="slot")
        began, cpu_began = time.perf_counter(), time.process_time()
        rows += len(features(bars))
        seconds += time.perf_counter() - began
        cpu += time.process_time() - cpu_began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": seconds * 1e3, "cpuMs": cpu * 1e3, "peakMb": round(peak), "rows": rows}))


main()

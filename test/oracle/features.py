"""Features of one series in pandas: the formulas in another language, with another library's windows.

    python3 features.py bars [--dense] --bars-per-year N [--hour N] [--session N] < bars.csv > features.csv
    python3 features.py golden aapl.csv > golden-features.json

`bars` reads slot,open,high,low,close,volume,weekday (slots ascending, an absent volume empty, Sunday is weekday 0) and
writes a row a bar, an absent value empty. `golden` reads daily bars as npm @observablehq/sample-datasets ships them.
Run with pandas 1.5.
"""

import argparse
import json
import platform
import sys

import numpy as np
import pandas as pd

BLOCKS_BEFORE = 14
# Where windows fill, two ordinary days, and the days nearest to each threshold of a regime on both its sides.
WARM_UP = [0, 5, 13, 14, 19, 20, 21, 49, 50, 51, 68, 99, 100, 101]
ORDINARY = [700, 1258]
NEAR_THRESHOLDS = [150, 160, 306, 311, 350, 424, 484, 566, 568, 985, 1107, 1116]
GOLDEN_SLOTS = sorted(WARM_UP + ORDINARY + NEAR_THRESHOLDS)


def features(bars, *, dense, bars_per_year, hour, session):
    """A row for each bar. `bars` is indexed by slot; hour and session are in slots, None where they are no whole one."""
    slots = pd.RangeIndex(bars.index[0], bars.index[-1] + 1, name="slot")
    grid = bars.reindex(slots)
    has_bar = grid["close"].notna()
    close, high, low, volume = grid["close"], grid["high"], grid["low"], grid["volume"]

    def enough(n):
        return n if dense else (n + 1) // 2

    def over(values, n):
        return values.rolling(n, min_periods=enough(n))

    def returns(lag):
        return np.log(close / close.shift(lag)) if lag else pd.Series(np.nan, slots)

    def moving_average(values, span):
        """Of the finite kernel, and pandas' own recursion where a gapless stretch makes them the same thing."""
        warm = over(values, span).count() >= enough(span)
        kernel = kernel_average(values, span).where(warm & has_bar)
        return kernel, recursion(values, span).where(warm & has_bar)

    out = pd.DataFrame(index=slots)
    out["log_return"] = returns(1)
    out["return_1h"] = returns(hour)
    out["return_1d"] = returns(session)

    deviation = {n: over(out["log_return"], n).std(ddof=1) for n in (20, 50)}
    for n in (20, 50):
        out[f"volatility_{n}"] = deviation[n] * np.sqrt(bars_per_year)
        out[f"volatility_{n}_sqrt252"] = deviation[n] * np.sqrt(252)

    reaches = pd.concat([high - low, (high - close.shift()).abs(), (low - close.shift()).abs()], axis=1)
    out["true_range"] = reaches.max(axis=1)
    out["atr"], out["ewm_atr"] = moving_average(out["true_range"], 14)

    out["rolling_volume_20"] = over(volume, 20).mean()
    out["volume_ratio"] = volume / (out["rolling_volume_20"] + 1)

    highest, lowest = over(high.shift(), 5).max(), over(low.shift(), 5).min()
    marks = {"hh": high > highest, "hl": low > lowest, "lh": high < highest, "ll": low < lowest}
    for name, mark in marks.items():
        out[name] = mark.where(highest.notna()).map({True: "true", False: "false"})
    structure = np.select([marks["hh"] & marks["hl"], marks["lh"] & marks["ll"]], ["bullish", "bearish"], "range")
    out["market_structure"] = pd.Series(structure, slots).where(highest.notna())

    move = close / close.shift(5) - 1
    out["trend_direction"] = label(move.notna(), [(move > 0.01, "up"), (move < -0.01, "down")], "neutral")

    # Rolling windows have a value at empty slots too; those are no rows, and no median may count them.
    v = out["volatility_50"].where(has_bar)
    m = over(v, 50).median()
    out["volatility_median"] = m
    out["volatility_regime"] = label(v.notna() & m.notna(), [(v < 0.7 * m, "low"), (v > 1.3 * m, "high")], "medium")

    fast, out["ewm_20"] = moving_average(close, 20)
    slow, out["ewm_50"] = moving_average(close, 50)
    out["ema_20"], out["ema_50"] = fast, slow
    drift = [(fast > slow, "uptrend"), (fast < slow, "downtrend")]
    out["trend_regime"] = label(fast.notna() & slow.notna(), drift, "ranging")

    # Window by window: the running sums of rolling().std() lose up to 1e-8 of it where closes are far larger than it.
    spread = over(close, 20).apply(lambda window: np.nanstd(window, ddof=1), raw=True)
    band = (2 * spread / over(close, 20).mean()).where(has_bar)
    m = over(band, 50).median()
    out["band"], out["band_median"] = band, m
    out["compression_regime"] = label(band.notna() & m.notna(), [(band < 0.7 * m, "compressed")], "expanded")

    m = over(volume.where(volume > 0).shift(), 50).median()
    torn = ((close / grid["open"] - 1).abs() > 5) | ((high - low) / low > 5)
    gap = ((grid["open"] / close.shift() - 1).abs() > 0.1) & (grid["weekday"] != 1)
    much, little = volume > 10 * m, volume < 0.1 * m
    score = 100 - 30 * torn - 20 * gap - 10 * much - 15 * little
    out["gap_detected"] = gap.map({True: "true", False: "false"})
    out["volume_anomaly"] = (much | little).map({True: "true", False: "false"})
    out["quality_score"] = score / 100
    out["is_validated"] = (score >= 85).map({True: "true", False: "false"})
    reasons = {"range_over_500_percent": torn, "gap_over_10_percent": gap, "volume_high": much, "volume_low": little}
    notes = pd.DataFrame({name: np.where(holds, name + ";", "") for name, holds in reasons.items()}, slots)
    out["validation_notes"] = notes.sum(axis=1).str.rstrip(";").replace("", np.nan)
    return out[has_bar]


def label(known, cases, otherwise):
    values = np.select([holds for holds, _ in cases], [name for _, name in cases], otherwise)
    return pd.Series(values, known.index).where(known)


def kernel_average(values, span):
    """
    The finite kernel through pandas' own recursion: one ewm for each block of slots, over it and the 14 before, of the
    values and of their presence, both with 0 where there is none; their ratio weighs a value by its age and nothing
    else. The recursion starts at the first value present, which it so takes whole.
    """
    averages = pd.Series(np.nan, values.index)
    present = values.dropna()
    for block, _ in present.groupby(present.index // span):
        kernel = values.loc[(block - BLOCKS_BEFORE) * span : (block + 1) * span - 1]
        kernel = kernel.loc[kernel.first_valid_index() :]
        sums = pd.DataFrame({"x": kernel.fillna(0.0), "w": kernel.notna().astype(float)})
        sums = sums.ewm(span=span, adjust=False).mean()
        own = sums.loc[block * span :]
        averages.loc[own.index] = own["x"] / own["w"]
    return averages


def recursion(values, span):
    """
    ewm(span, adjust=False), restarted at each gap, where its stretch also holds the oldest value of the kernel: there
    both are one sum, but for what is older than the kernel. Across a gap pandas scales the old average and the new
    value to a sum of 1 and forgets the gap's age; the kernel keeps it. Where all that came before a hole is older than
    the kernel, the kernel starts anew and the recursion over one series would not. On a stock's minutes with two holes
    the two differ by up to 2 %, on thinly traded ones by any amount: there kernel_average alone is compared.
    """
    slot = values.index.to_series()
    present = values.dropna()
    steps = present.index.to_series().diff().ne(1)
    averages = present.groupby(steps.cumsum()).transform(lambda stretch: stretch.ewm(span=span, adjust=False).mean())
    start = present.index.to_series().where(steps).ffill().reindex(values.index)
    before = present.index.to_series().shift().where(steps).ffill().reindex(values.index)
    kernel_start = (slot // span - BLOCKS_BEFORE) * span
    alone = (start <= kernel_start) | before.isna() | (before < kernel_start)
    return averages.reindex(values.index).where(alone)


def read_bars(file):
    return pd.read_csv(file, index_col="slot", float_precision="round_trip")


def golden(path):
    """Daily bars of the bundled AAPL file, whose rows are consecutive sessions: row n is slot n."""
    days = pd.read_csv(path, parse_dates=["Date"], float_precision="round_trip")
    days.columns = [name.lower() for name in days.columns]
    days["weekday"] = (days["date"].dt.dayofweek + 1) % 7
    days.index.name = "slot"
    rows = features(days, dense=True, bars_per_year=252, hour=None, session=1)
    picked = rows.drop(columns=[name for name in rows if name.startswith("ewm_")]).loc[GOLDEN_SLOTS]
    picked.insert(0, "date", days["date"].dt.strftime("%Y-%m-%d"))
    versions = f"pandas {pd.__version__}, numpy {np.__version__}, Python {platform.python_version()}"
    return {
        "made_by": f"python3 test/oracle/features.py golden node_modules/@observablehq/sample-datasets/aapl.csv ({versions})",
        "what": "AAPL days of npm @observablehq/sample-datasets 1.0.1; slot 0 is 2013-05-13; 15 significant digits",
        "rows": [{"slot": int(slot), **{name: plain(value) for name, value in row.items()}} for slot, row in picked.iterrows()],
    }


def plain(value):
    if pd.isna(value):
        return None
    if value in ("true", "false"):
        return value == "true"
    return float(f"{value:.15g}") if isinstance(value, float) else value


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    of_bars = commands.add_parser("bars")
    of_bars.add_argument("--dense", action="store_true")
    of_bars.add_argument("--bars-per-year", type=float, required=True)
    of_bars.add_argument("--hour", type=int)
    of_bars.add_argument("--session", type=int)
    commands.add_parser("golden").add_argument("file")
    args = parser.parse_args()
    if args.command == "golden":
        print(json.dumps(golden(args.file), indent=2))
        return
    scale = {"dense": args.dense, "bars_per_year": args.bars_per_year, "hour": args.hour, "session": args.session}
    features(read_bars(sys.stdin), **scale).to_csv(sys.stdout, float_format="%.17g")


if __name__ == "__main__":
    main()

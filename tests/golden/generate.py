#!/usr/bin/env python3
"""Writes the CSV files beside it: candles, and what TA-Lib 0.8.2 says about them.

    pip install TA-Lib==0.8.2 numpy
    python3 tests/golden/generate.py

Not part of any build: the files are committed. The same seed gives the same files.
`vwap`, which TA-Lib lacks, is reckoned here with fractions.
"""

import csv
import pathlib
import random
from decimal import Decimal
from fractions import Fraction

import numpy
import talib

HERE = pathlib.Path(__file__).parent
MINUTE_OF_2026 = 1_767_225_600 // 60


def walk(seed, bars, start, step, decimals, minutes=lambda at: at, jumps=()):
    """A random walk: `step` is how far a bar may go, as a part of the price; at `jumps` it leaps by half."""
    chance = random.Random(seed)
    unit = Decimal(1).scaleb(-decimals)
    price = Decimal(start)
    for at in range(bars):
        if at in jumps:
            price = price * (Decimal("1.5") if chance.random() < 0.5 else Decimal("0.5"))
        open_ = price = max(price.quantize(unit), unit)
        path = [open_]
        for _ in range(4):
            price = price * (1 + Decimal(chance.gauss(0, 1)).quantize(Decimal("1e-6")) * Decimal(step))
            price = max(price.quantize(unit), unit)
            path.append(price)
        volume = Decimal(chance.randrange(0, 10**10)).scaleb(-8)
        # A bar in ten trades nothing but its open.
        if chance.random() < 0.1:
            path, price, volume = [open_], open_, Decimal(0)
        yield (minutes(at), open_, max(path), min(path), price, volume)


def constant(bars, price):
    for at in range(bars):
        yield (at, *[Decimal(price)] * 4, Decimal("1.5"))


SERIES = {
    "walk": list(walk(5, 400, "43000.00", "0.0005", 2)),
    "constant": list(constant(60, "100.10")),
    "single": list(walk(6, 1, "43000.00", "0.0005", 2)),
    # Minutes without a candle, and prices that leap.
    "gaps": list(walk(7, 160, "250.500", "0.002", 3, lambda at: at + at // 7 * 30, (40, 41, 90, 140))),
    "tiny": list(walk(8, 160, "0.0000012340", "0.004", 10)),
}


def exact_vwap(bars, n):
    for at in range(len(bars)):
        window = bars[at + 1 - n : at + 1] if at + 1 >= n else []
        volume = sum(Fraction(bar[5]) for bar in window)
        weighted = sum(Fraction(bar[2] + bar[3] + bar[4]) * Fraction(bar[5]) for bar in window)
        yield float(weighted / volume / 3) if volume else float("nan")


def columns(bars):
    # TA-Lib takes what is below 1e-14 as zero, variances too: it is fed with the last decimal as the unit.
    scale = Decimal(10) ** max(-bar[4].as_tuple().exponent for bar in bars)
    high, low, close = (numpy.array([float(bar[i] * scale) for bar in bars]) for i in (2, 3, 4))
    macd, macd_signal, _ = talib.MACD(close, 12, 26, 9)
    short_macd, short_signal, _ = talib.MACD(close, 3, 8, 4)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    _, _, short_lower = talib.BBANDS(close, 5, 1.5, 1.5)
    prices = {
        "sma 20": talib.SMA(close, 20),
        "ema 20": talib.EMA(close, 20),
        "ema 5": talib.EMA(close, 5),
        "macd 12 26 9": macd,
        "macd_signal 12 26 9": macd_signal,
        "macd 3 8 4": short_macd,
        "macd_signal 3 8 4": short_signal,
        "bb_upper 20 2": upper,
        "bb_middle 20 2": middle,
        "bb_lower 20 2": lower,
        "bb_lower 5 1.5": short_lower,
        "atr 14": talib.ATR(high, low, close, 14),
        "atr 3": talib.ATR(high, low, close, 3),
        "highest 20": talib.MAX(high, 20),
        "lowest 20": talib.MIN(low, 20),
    }
    values = {name: value / float(scale) for name, value in prices.items()}
    values["rsi 14"] = talib.RSI(close, 14)
    values["rsi 3"] = talib.RSI(close, 3)
    values["vwap 5"] = list(exact_vwap(bars, 5))
    return values


for name, bars in SERIES.items():
    values = columns(bars)
    with open(HERE / f"{name}.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["open_time", "open", "high", "low", "close", "volume", *values])
        for at, (minute, *bar) in enumerate(bars):
            told = (value[at] for value in values.values())
            texts = ("" if value != value else f"{value:.14g}" for value in told)
            seconds = (MINUTE_OF_2026 + minute) * 60
            out.writerow([seconds, *(f"{number:f}" for number in bar), *texts])

#!/usr/bin/env python3
"""A model that decides: events in, signals out, one JSON object a line.

    [strategies.model]
    command = ["examples/strategies/model.py"]

    tickwire monitor BTC --stream candles --interval 1m --strategy model

For each market it learns while it listens, with a logistic regression over the last returns, whether the next
candle closes higher. It buys where it is sure enough and leaves where it no longer is. It is an example of the
plumbing, not of a good trade.
"""
import json
import math
import sys

RETURNS = 4  # so many last returns are what it looks at
WARM_UP = 50  # so many candles are learnt from before it says anything
RATE = 0.1  # how fast it learns
BUY, SELL = 0.55, 0.45  # how sure it must be


class Model:
    """One market: a weight for each of the last returns, and one for how it goes anyway."""

    def __init__(self):
        self.weights = [0.0] * (RETURNS + 1)
        self.closes = []
        self.features = None
        self.scale = 0.0  # the usual size of a return
        self.learnt = 0
        self.is_long = False

    def learn(self, close):
        """Takes a closed candle; the probability that the next one closes higher, once it can tell."""
        self.closes = (self.closes + [close])[-(RETURNS + 1) :]
        if len(self.closes) < 2:
            return None
        moved = math.log(self.closes[-1] / self.closes[-2])
        self.scale += (abs(moved) - self.scale) * 0.05
        if self.features:
            # What was guessed at the last candle, against what came of it.
            error = (moved > 0) - self.probability()
            for place, feature in enumerate(self.features):
                self.weights[place] += RATE * error * feature
            self.learnt += 1
        if len(self.closes) <= RETURNS or not self.scale:
            return None
        pairs = zip(self.closes, self.closes[1:])
        returns = [math.log(after / before) / self.scale for before, after in pairs]
        self.features = [1.0] + [max(-3.0, min(3.0, value)) for value in returns]
        return self.probability() if self.learnt >= WARM_UP else None

    def probability(self):
        total = sum(weight * value for weight, value in zip(self.weights, self.features))
        return 1 / (1 + math.exp(-total))


def main():
    models = {}
    for line in sys.stdin:
        event = json.loads(line)
        # A forming candle may still change: only closed ones are learnt from.
        if event["type"] != "candle" or not event["closed"] or event["close"] <= 0:
            continue
        market = (event["exchange"], event["symbol"])
        model = models.setdefault(market, Model())
        probability = model.learn(event["close"])
        if probability is None:
            continue
        if not model.is_long and probability > BUY:
            side = "buy"
        elif model.is_long and probability < SELL:
            side = "sell"
        else:
            continue
        model.is_long = not model.is_long
        signal = {
            "side": side,
            "exchange": event["exchange"],
            "symbol": event["symbol"],
            "values": {"probability": round(probability, 4)},
            # When it was decided. Over history a signal without it does not count: the next candles may have been
            # sent already.
            "timestamp": event["close_time"],
        }
        print(json.dumps(signal), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)

"""A strategy that does nothing by itself: the test makes its orders."""

from libra.strategies import Strategy


class Idle(Strategy):
    def on_start(self):
        self.seen = []

    def on_order(self, order):
        self.seen.append(order)

"""A strategy that does nothing by itself: the test makes its orders."""

from libra.strategies import Strategy


class Idle(Strategy):
    def on_start(self):
        self.seen = []
        self.hold = None

    def on_order(self, order):
        self.seen.append(order)
        return None if self.hold is None else self.hold.wait()

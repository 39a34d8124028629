"""A strategy that walks every way an order can take, until the account's log holds as many as its plan asks for."""

from tests.integration.crash.points import POINTS

from libra.core.events import EventType
from libra.model import OrderSide, SignalType
from libra.strategies import Strategy

SYMBOL = "BTC/USDT:USDT"


class Walker(Strategy):
    """Params: ``orders`` (how many the log shall hold), ``kill_switch`` (set after so many, 0 for never), ``ways``."""

    account_group = None
    touch = None

    def on_start(self):
        self.done = False
        self.way_of = {}
        self.swept = set()
        self.step = 0
        self.refused_by_latch = 0

    def on_quote(self, quote):
        account = self.account_group()
        if self.done or account.is_reconciling:
            return
        known, still_open = account.orders(), account.open_orders()
        if account.is_killed:
            self._try_behind_the_latch(still_open)
        elif self.params["kill_switch"] and len(known) >= self.params["kill_switch"]:
            POINTS.reach("kill.asked")
            self.emit(EventType.CIRCUIT_BREAKER, {"why": "the test"})
        elif len(known) < self.params["orders"]:
            if len(still_open) < self.params["open_at_most"]:
                self._next()
            else:
                self._sweep(order for order in still_open if self.way_of.get(order.order_id, "resting") == "resting")
        elif still_open:
            self._sweep(still_open)
        else:
            self.done = True

    def _next(self):
        ways = self.params["ways"]
        way = ways[self.step % len(ways)]
        self.step += 1
        POINTS.reach("request.unasked")
        if way == "signal":
            held = any(row["size"] > 0 for row in self.account_group().positions())
            self.signal(SYMBOL, SignalType.CLOSE_LONG if held else SignalType.LONG)
        elif way == "buy":
            self.submit(SYMBOL, OrderSide.BUY, "0.020")
        elif way == "sell":
            self.submit(SYMBOL, OrderSide.SELL, "0.014")
        else:
            self.way_of[self.submit(SYMBOL, OrderSide.BUY, "0.010", price="99.0")] = way
        POINTS.reach("request.asked")

    def on_order(self, order):
        way = self.way_of.get(order.order_id)
        if order.status == "ACCEPTED" and way == "cancelled":
            self.cancel(order.order_id)
        elif order.status == "ACCEPTED" and way in ("touched", "half"):
            type(self).touch(order.order_id, whole=way == "touched", lost=False)
        elif order.status == "ACCEPTED" and way in ("lost", "half lost"):
            type(self).touch(order.order_id, whole=way == "lost", lost=True)
            self.cancel(order.order_id)
        elif order.status == "PARTIALLY_FILLED" and way == "half":
            self.cancel(order.order_id)

    def _sweep(self, still_open):
        """At the end, and after a restart, nothing of an earlier life is left to rest."""
        for order in still_open:
            if order.order_id not in self.swept and order.status in ("ACCEPTED", "PARTIALLY_FILLED"):
                self.swept.add(order.order_id)
                self.cancel(order.order_id)

    def _try_behind_the_latch(self, still_open):
        if self.refused_by_latch < 3:
            self.refused_by_latch += 1
            self.submit(SYMBOL, OrderSide.BUY, "0.020")
        elif not still_open:
            self.done = True
